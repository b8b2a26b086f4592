/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 * Copyright the cairn authors
 *
 * Synopsys DesignWare Mobile Storage Host (DW MSHC, "dw_mmc") model
 *
 * The model aims at finding driver bugs: it is asynchronous (start_cmd,
 * resets, data and busy phases take virtual time), it drives the hardware
 * error bits where the documented hardware does, and it reports everything
 * else that software must not do through LOG_GUEST_ERROR.
 *
 * QEMU interface:
 *  + sysbus MMIO region 0: the register file and the FIFO window
 *  + sysbus IRQ 0: the "int" output
 *  + "sd-bus": the bus that the card sits on
 *  + Clock input "biu": bus interface (AHB) clock, period 0 = gated
 *  + Clock input "ciu": card interface clock (cclk_in), period 0 = gated
 *  + GPIO input "reset":   level 1 holds the block in reset
 *  + GPIO output "card-detect-n": low while a card is in the slot
 */

#ifndef HW_SD_DW_MMC_H
#define HW_SD_DW_MMC_H

#include "hw/clock.h"
#include "hw/sysbus.h"
#include "hw/sd/sd.h"
#include "qemu/timer.h"
#include "qom/object.h"

#define TYPE_DW_MMC "dw-mmc"
OBJECT_DECLARE_SIMPLE_TYPE(DWMMCState, DW_MMC)

#define TYPE_DW_MMC_BUS "dw-mmc-bus"

#define DW_MMC_MMIO_SIZE        0x10000
#define DW_MMC_NUM_REGS         (0x120 / 4)
#define DW_MMC_MAX_FIFO_WORDS   4096

typedef enum DWMMCCmdState {
    DW_CMD_IDLE,            /* no command between BIU and card */
    DW_CMD_LOADING,         /* start_cmd set, the CIU has not taken it yet */
    DW_CMD_RUNNING,         /* command on the wire, response outstanding */
    DW_CMD_AUTOSTOP,        /* controller generated CMD12 on the wire */
} DWMMCCmdState;

struct DWMMCState {
    SysBusDevice parent_obj;

    MemoryRegion iomem;
    MemoryRegion *dma_mr;
    AddressSpace dma_as;
    SDBus sdbus;
    qemu_irq irq;
    qemu_irq card_detect_n;

    QEMUTimer *cmd_timer;
    QEMUTimer *data_timer;
    QEMUTimer *hto_timer;

    /* configuration */
    char *name;
    uint32_t fifo_depth;
    uint32_t verid;
    uint32_t hcon;
    uint32_t usrid;
    uint32_t timing;
    uint32_t busy_ns;
    uint32_t handover_ns;
    bool freeze_clock;
    bool fatal;
    bool strict;

    /* inputs */
    Clock *biu;
    Clock *ciu;
    bool in_reset;
    bool fatal_fired;

    /* plain registers, indexed by offset / 4 */
    uint32_t regs[DW_MMC_NUM_REGS];

    /* CTRL reset bits clear themselves at this virtual time */
    int64_t reset_done_at;
    uint32_t reset_pending;

    /* what the last update_clock_registers_only handed to the CIU */
    uint32_t ciu_clkdiv;
    uint32_t ciu_clksrc;
    uint32_t ciu_clkena;

    /* command path */
    uint32_t cmd_state;
    bool start_pending;     /* value behind CMD.start_cmd */
    bool cmd_stuck;         /* taken by a CIU without a running card clock */
    bool autostop_queued;
    uint32_t cur_cmd;
    uint32_t cur_arg;
    uint32_t cur_blksiz;
    uint32_t cur_bytcnt;
    uint32_t resp_index;
    int64_t busy_until;

    /* what the host tells us about the card by looking at the traffic */
    bool app_cmd;
    bool cur_app;           /* the running command follows a CMD55 */
    bool card_sdhc;         /* OCR.CCS seen: blocks are always 512 bytes */
    bool card_is_mmc;       /* answered CMD1 */
    bool card_hs;           /* switched to a mode that allows > 25 MHz */
    bool card_selected;
    uint32_t card_rca;
    uint32_t card_blklen;   /* CMD16 */
    uint32_t card_width;    /* ACMD6 / EXT_CSD.BUS_WIDTH: 1, 4 or 8 lines */
    uint32_t expect_blk;    /* block length the card uses now, 0: unknown */

    /* data path */
    bool data_active;
    bool data_write;
    bool data_open_ended;
    bool data_dma;
    bool data_failed;
    uint32_t data_fail_bits;
    uint64_t data_left;     /* bytes the card still has to move */
    uint32_t data_blksiz;
    uint32_t blk_pos;       /* position inside the current block */
    uint32_t tcbcnt;
    uint32_t tbbcnt;
    bool data_stalled;
    int64_t data_next;      /* when the card can move the next bytes */

    /* FIFO, in words of the host data width (32 bits) */
    uint32_t fifo[DW_MMC_MAX_FIFO_WORDS];
    uint32_t fifo_head;
    uint32_t fifo_count;

    /* IDMAC */
    bool dma_running;       /* fetched or fetching descriptors */
    bool dma_suspended;     /* descriptor unavailable, needs PLDMND */
    bool dma_dead;          /* fatal bus error, needs a reset */
    bool dma_desc_valid;
    bool dma_first;
    uint64_t dma_desc_addr;
    uint64_t dma_next_addr;
    uint32_t dma_des0;
    uint32_t dma_buf_idx;
    uint64_t dma_buf_addr[2];
    uint32_t dma_buf_len[2];
    uint32_t dma_buf_pos;
    uint32_t dma_descs;
    uint64_t dscaddr;
    uint64_t bufaddr;

    /* diagnostics */
    uint64_t guest_errors;
    uint64_t stat_cmds;
    uint64_t stat_dma_rd_bytes;
    uint64_t stat_dma_wr_bytes;
    uint64_t stat_pio_rd_bytes;
    uint64_t stat_pio_wr_bytes;
};

#endif /* HW_SD_DW_MMC_H */
