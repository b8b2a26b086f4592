/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 * Copyright the cairn authors
 *
 * Synopsys DesignWare Mobile Storage Host (DW MSHC, "dw_mmc") model
 *
 * Written from the publicly documented register interface.  The model is
 * meant for testing drivers, so it is deliberately unforgiving:
 *
 *  - nothing completes inside the register write that starts it: start_cmd,
 *    the reset bits, the response, the data phase and the busy phase after a
 *    write all take virtual time derived from the card clock;
 *  - the error bits that the hardware has (HLE, RTO, RCRC, DCRC, DRTO, HTO,
 *    FRUN, EBE, FBE, DU) are raised for the situations that raise them;
 *  - whatever else a driver must not do is reported with LOG_GUEST_ERROR,
 *    counted in the QOM property "guest-errors" and, with fatal=on, ends the
 *    emulation with exit status 3.
 */

#include "qemu/osdep.h"
#include "qemu/log.h"
#include "qemu/error-report.h"
#include "qemu/module.h"
#include "qemu/units.h"
#include "qemu/bswap.h"
#include "qapi/error.h"
#include "hw/irq.h"
#include "hw/qdev-clock.h"
#include "hw/qdev-properties.h"
#include "hw/registerfields.h"
#include "hw/sd/dw_mmc.h"
#include "migration/vmstate.h"
#include "system/cpu-timers.h"
#include "system/dma.h"
#include "system/runstate.h"
#include "trace.h"

REG32(CTRL, 0x000)
    FIELD(CTRL, CONTROLLER_RESET, 0, 1)
    FIELD(CTRL, FIFO_RESET, 1, 1)
    FIELD(CTRL, DMA_RESET, 2, 1)
    FIELD(CTRL, INT_ENABLE, 4, 1)
    FIELD(CTRL, DMA_ENABLE, 5, 1)
    FIELD(CTRL, READ_WAIT, 6, 1)
    FIELD(CTRL, SEND_IRQ_RESP, 7, 1)
    FIELD(CTRL, ABORT_READ_DATA, 8, 1)
    FIELD(CTRL, USE_IDMAC, 25, 1)
REG32(PWREN, 0x004)
REG32(CLKDIV, 0x008)
REG32(CLKSRC, 0x00c)
REG32(CLKENA, 0x010)
REG32(TMOUT, 0x014)
REG32(CTYPE, 0x018)
REG32(BLKSIZ, 0x01c)
REG32(BYTCNT, 0x020)
REG32(INTMASK, 0x024)
REG32(CMDARG, 0x028)
REG32(CMD, 0x02c)
    FIELD(CMD, INDEX, 0, 6)
    FIELD(CMD, RESP_EXPECT, 6, 1)
    FIELD(CMD, RESP_LONG, 7, 1)
    FIELD(CMD, CHECK_CRC, 8, 1)
    FIELD(CMD, DATA_EXPECTED, 9, 1)
    FIELD(CMD, WRITE, 10, 1)
    FIELD(CMD, STREAM, 11, 1)
    FIELD(CMD, AUTO_STOP, 12, 1)
    FIELD(CMD, WAIT_PRVDATA, 13, 1)
    FIELD(CMD, STOP_ABORT, 14, 1)
    FIELD(CMD, SEND_INIT, 15, 1)
    FIELD(CMD, CARD_NUMBER, 16, 5)
    FIELD(CMD, UPDATE_CLK, 21, 1)
    FIELD(CMD, VOLT_SWITCH, 28, 1)
    FIELD(CMD, USE_HOLD, 29, 1)
    FIELD(CMD, START, 31, 1)
REG32(RESP0, 0x030)
REG32(RESP1, 0x034)
REG32(RESP2, 0x038)
REG32(RESP3, 0x03c)
REG32(MINTSTS, 0x040)
REG32(RINTSTS, 0x044)
REG32(STATUS, 0x048)
REG32(FIFOTH, 0x04c)
    FIELD(FIFOTH, TX_WMARK, 0, 12)
    FIELD(FIFOTH, RX_WMARK, 16, 12)
    FIELD(FIFOTH, MSIZE, 28, 3)
REG32(CDETECT, 0x050)
REG32(WRTPRT, 0x054)
REG32(GPIO, 0x058)
REG32(TCBCNT, 0x05c)
REG32(TBBCNT, 0x060)
REG32(DEBNCE, 0x064)
REG32(USRID, 0x068)
REG32(VERID, 0x06c)
REG32(HCON, 0x070)
    FIELD(HCON, DMA_INTERFACE, 16, 2)
    FIELD(HCON, ADDR_CONFIG, 27, 1)
REG32(UHS_REG, 0x074)
REG32(RST_N, 0x078)
REG32(BMOD, 0x080)
    FIELD(BMOD, SWR, 0, 1)
    FIELD(BMOD, FB, 1, 1)
    FIELD(BMOD, DSL, 2, 5)
    FIELD(BMOD, DE, 7, 1)
    FIELD(BMOD, PBL, 8, 3)
REG32(PLDMND, 0x084)
/* IDMAC block, 32-bit address configuration */
REG32(DBADDR, 0x088)
REG32(IDSTS, 0x08c)
REG32(IDINTEN, 0x090)
REG32(DSCADDR, 0x094)
REG32(BUFADDR, 0x098)
/* IDMAC block, 64-bit address configuration */
REG32(DBADDRU, 0x08c)
REG32(IDSTS64, 0x090)
REG32(IDINTEN64, 0x094)
REG32(DSCADDRL, 0x098)
REG32(DSCADDRU, 0x09c)
REG32(BUFADDRL, 0x0a0)
REG32(BUFADDRU, 0x0a4)
/* shared again */
REG32(CARDTHRCTL, 0x100)
REG32(BACK_END_POWER, 0x104)
REG32(UHS_REG_EXT, 0x108)
REG32(EMMC_DDR, 0x10c)
REG32(ENABLE_SHIFT, 0x110)

#define VERID_240A              0x240a
#define FIFO_OFFSET_OLD         0x100
#define FIFO_OFFSET_240A        0x200

/* RINTSTS / MINTSTS / INTMASK */
#define INT_CD                  BIT(0)
#define INT_RE                  BIT(1)
#define INT_CMD_DONE            BIT(2)
#define INT_DTO                 BIT(3)
#define INT_TXDR                BIT(4)
#define INT_RXDR                BIT(5)
#define INT_RCRC                BIT(6)
#define INT_DCRC                BIT(7)
#define INT_RTO                 BIT(8)
#define INT_DRTO                BIT(9)
#define INT_HTO                 BIT(10)     /* also: voltage switch */
#define INT_FRUN                BIT(11)
#define INT_HLE                 BIT(12)
#define INT_SBE                 BIT(13)
#define INT_ACD                 BIT(14)
#define INT_EBE                 BIT(15)

/* IDSTS / IDINTEN */
#define IDMAC_TI                BIT(0)
#define IDMAC_RI                BIT(1)
#define IDMAC_FBE               BIT(2)
#define IDMAC_DU                BIT(4)
#define IDMAC_CES               BIT(5)
#define IDMAC_NIS               BIT(8)
#define IDMAC_AIS               BIT(9)
#define IDMAC_EB_SHIFT          10
#define IDMAC_EB_TX             1
#define IDMAC_EB_RX             2
#define IDMAC_W1C               (IDMAC_TI | IDMAC_RI | IDMAC_FBE | IDMAC_DU | \
                                 IDMAC_CES | IDMAC_NIS | IDMAC_AIS)

/* DES0 */
#define DES0_DIC                BIT(1)
#define DES0_LD                 BIT(2)
#define DES0_FD                 BIT(3)
#define DES0_CH                 BIT(4)
#define DES0_ER                 BIT(5)
#define DES0_CES                BIT(30)
#define DES0_OWN                BIT(31)
#define DES_BS1(x)              extract32((x), 0, 13)
#define DES_BS2(x)              extract32((x), 13, 13)

/* STATUS */
#define STATUS_RX_WMARK         BIT(0)
#define STATUS_TX_WMARK         BIT(1)
#define STATUS_FIFO_EMPTY       BIT(2)
#define STATUS_FIFO_FULL        BIT(3)
#define STATUS_FSM_SHIFT        4
#define STATUS_DATA3            BIT(8)
#define STATUS_DATA_BUSY        BIT(9)
#define STATUS_MC_BUSY          BIT(10)
#define STATUS_RESP_IDX_SHIFT   11
#define STATUS_FCNT_SHIFT       17

#define CLKENA_ENABLE           BIT(0)

/* one data step moves at most this much before virtual time passes */
#define DATA_STEP_BYTES         4096

static void dw_data_run(DWMMCState *s);
static void dw_poll_reset(DWMMCState *s);
static void dw_cmd_kick(DWMMCState *s);
static void dw_update_irq(DWMMCState *s);

/* ---- diagnostics ------------------------------------------------------- */

static const char *dw_name(DWMMCState *s)
{
    return s->name ? s->name : "dw_mmc";
}

static void G_GNUC_PRINTF(2, 3) dw_guest_error(DWMMCState *s,
                                               const char *fmt, ...)
{
    g_autofree char *msg = NULL;
    va_list ap;

    va_start(ap, fmt);
    msg = g_strdup_vprintf(fmt, ap);
    va_end(ap);

    s->guest_errors++;
    qemu_log_mask(LOG_GUEST_ERROR, "%s: %s\n", dw_name(s), msg);
    if (s->fatal && !s->fatal_fired) {
        s->fatal_fired = true;
        error_report("%s: %s (fatal=on)", dw_name(s), msg);
        qemu_system_shutdown_request_with_code(SHUTDOWN_CAUSE_GUEST_PANIC, 3);
    }
}

/* ---- time -------------------------------------------------------------- */

static int64_t dw_now(void)
{
    return qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
}

static uint64_t dw_cclk_hz(DWMMCState *s)
{
    uint32_t src = s->ciu_clksrc & 3;
    uint32_t div = extract32(s->ciu_clkdiv, 8 * src, 8);
    uint64_t hz = clock_get_hz(s->ciu);

    return div ? hz / (2 * div) : hz;
}

static int64_t dw_ns(DWMMCState *s, uint64_t clocks, uint64_t hz)
{
    if (!hz) {
        return 0;
    }
    return muldiv64(clocks, NANOSECONDS_PER_SECOND, hz) * s->timing / 100;
}

static int64_t dw_card_ns(DWMMCState *s, uint64_t clocks)
{
    return dw_ns(s, clocks, dw_cclk_hz(s));
}

/* BIU to CIU handshakes; longer than on hardware, to be visible at all. */
static int64_t dw_handover_ns(DWMMCState *s)
{
    return MAX(dw_ns(s, 8, clock_get_hz(s->ciu)),
               (int64_t)s->handover_ns * s->timing / 100);
}

/* The data and host starvation timeouts are not scaled, but bounded. */
static int64_t dw_data_timeout_ns(DWMMCState *s)
{
    uint64_t clocks = extract32(s->regs[R_TMOUT], 8, 24);
    uint64_t hz = dw_cclk_hz(s);
    int64_t ns = hz ? muldiv64(clocks, NANOSECONDS_PER_SECOND, hz) : 0;

    return MIN(ns, 2 * NANOSECONDS_PER_SECOND);
}

/*
 * The card model does its disk I/O while it answers.  Hide the time that
 * takes from the guest: its timeouts are about cards, not about our disk.
 */
static bool dw_time_stop(DWMMCState *s)
{
    if (!s->freeze_clock || icount_enabled() || !runstate_is_running()) {
        return false;
    }
    cpu_disable_ticks();
    return true;
}

static void dw_time_go(bool stopped)
{
    if (stopped && runstate_is_running()) {
        cpu_enable_ticks();
    }
}

static bool dw_busy(DWMMCState *s)
{
    return dw_now() < s->busy_until;
}

/* ---- configuration dependent layout ------------------------------------ */

static bool dw_is64(DWMMCState *s)
{
    return FIELD_EX32(s->hcon, HCON, ADDR_CONFIG);
}

static uint32_t dw_r_idsts(DWMMCState *s)
{
    return dw_is64(s) ? R_IDSTS64 : R_IDSTS;
}

static uint32_t dw_r_idinten(DWMMCState *s)
{
    return dw_is64(s) ? R_IDINTEN64 : R_IDINTEN;
}

static hwaddr dw_fifo_offset(DWMMCState *s)
{
    return (s->verid & 0xffff) < VERID_240A ? FIFO_OFFSET_OLD
                                            : FIFO_OFFSET_240A;
}

static uint64_t dw_dbaddr(DWMMCState *s)
{
    uint64_t base = s->regs[R_DBADDR];

    if (dw_is64(s)) {
        base |= (uint64_t)s->regs[R_DBADDRU] << 32;
    }
    return base & ~3ULL;
}

static uint32_t dw_rx_wmark(DWMMCState *s)
{
    return FIELD_EX32(s->regs[R_FIFOTH], FIFOTH, RX_WMARK);
}

static uint32_t dw_tx_wmark(DWMMCState *s)
{
    return FIELD_EX32(s->regs[R_FIFOTH], FIFOTH, TX_WMARK);
}

/* ---- interrupts -------------------------------------------------------- */

static void dw_update_irq(DWMMCState *s)
{
    uint32_t ids = s->regs[dw_r_idsts(s)];
    uint32_t iden = s->regs[dw_r_idinten(s)];
    bool level;

    if (ids & iden & (IDMAC_TI | IDMAC_RI)) {
        ids |= IDMAC_NIS;
    }
    if (ids & iden & (IDMAC_FBE | IDMAC_DU | IDMAC_CES)) {
        ids |= IDMAC_AIS;
    }
    s->regs[dw_r_idsts(s)] = ids;

    level = (s->regs[R_RINTSTS] & s->regs[R_INTMASK] & 0xffff) ||
            (ids & iden & (IDMAC_NIS | IDMAC_AIS));
    level = level && FIELD_EX32(s->regs[R_CTRL], CTRL, INT_ENABLE);
    trace_dw_mmc_irq(dw_name(s), level, s->regs[R_RINTSTS],
                     s->regs[R_INTMASK], ids, iden);
    qemu_set_irq(s->irq, level);
}

static void dw_raise(DWMMCState *s, uint32_t bits)
{
    s->regs[R_RINTSTS] |= bits;
}

static void dw_raise_idmac(DWMMCState *s, uint32_t bits)
{
    s->regs[dw_r_idsts(s)] |= bits;
}

/* FIFO threshold requests are levels that the sticky bits follow. */
static void dw_update_drdy(DWMMCState *s)
{
    if (s->data_dma || FIELD_EX32(s->regs[R_CTRL], CTRL, DMA_ENABLE)) {
        return;
    }
    if (!s->data_write && s->fifo_count > dw_rx_wmark(s)) {
        dw_raise(s, INT_RXDR);
    }
    if (s->data_active && s->data_write && s->fifo_count <= dw_tx_wmark(s)) {
        dw_raise(s, INT_TXDR);
    }
}

/* ---- FIFO -------------------------------------------------------------- */

static void dw_fifo_clear(DWMMCState *s)
{
    s->fifo_head = 0;
    s->fifo_count = 0;
}

static void dw_fifo_push(DWMMCState *s, uint32_t word)
{
    g_assert(s->fifo_count < s->fifo_depth);
    s->fifo[(s->fifo_head + s->fifo_count) % s->fifo_depth] = word;
    s->fifo_count++;
}

static uint32_t dw_fifo_pop(DWMMCState *s)
{
    uint32_t word = s->fifo[s->fifo_head];

    g_assert(s->fifo_count);
    s->fifo_head = (s->fifo_head + 1) % s->fifo_depth;
    s->fifo_count--;
    return word;
}

/* ---- IDMAC ------------------------------------------------------------- */

static bool dw_dma_is_ram(DWMMCState *s, uint64_t addr, uint64_t len,
                          bool is_write)
{
    hwaddr xlat, plen = len;
    MemoryRegion *mr;

    RCU_READ_LOCK_GUARD();
    mr = address_space_translate(&s->dma_as, addr, &xlat, &plen, is_write,
                                 MEMTXATTRS_UNSPECIFIED);
    return memory_region_is_ram(mr) && plen >= len &&
           !(is_write && memory_region_is_rom(mr));
}

static void dw_idmac_bus_error(DWMMCState *s, uint64_t addr, const char *what)
{
    uint32_t eb = s->data_write ? IDMAC_EB_TX : IDMAC_EB_RX;
    uint32_t *ids = &s->regs[dw_r_idsts(s)];

    dw_guest_error(s, "IDMAC: %s at 0x%" PRIx64 " is not RAM (bus error)",
                   what, addr);
    *ids = deposit32(*ids, IDMAC_EB_SHIFT, 3, eb);
    dw_raise_idmac(s, IDMAC_FBE);
    s->dma_dead = true;
    s->dma_running = false;
    s->dma_desc_valid = false;
}

static void dw_idmac_start(DWMMCState *s)
{
    s->dma_running = false;
    s->dma_suspended = false;
    s->dma_desc_valid = false;
    s->dma_first = true;
    s->dma_descs = 0;
    s->dma_next_addr = dw_dbaddr(s);

    if (s->dma_dead) {
        dw_guest_error(s, "IDMAC: data command after a fatal bus error "
                       "without an IDMAC reset");
        return;
    }
    if (!FIELD_EX32(s->regs[R_BMOD], BMOD, DE)) {
        dw_guest_error(s, "IDMAC: data command with CTRL.use_internal_dmac "
                       "but BMOD.DE = 0, the transfer will starve");
        return;
    }
    if (!FIELD_EX32(s->regs[R_CTRL], CTRL, DMA_ENABLE)) {
        dw_guest_error(s, "IDMAC: data command with CTRL.use_internal_dmac "
                       "but CTRL.dma_enable = 0, the transfer will starve");
        return;
    }
    if (s->regs[R_DBADDR] & 3) {
        dw_guest_error(s, "IDMAC: DBADDR 0x%x is not word aligned",
                       s->regs[R_DBADDR]);
    }
    s->dma_running = true;
}

/* Make a descriptor with room/data current.  False: cannot go on now. */
static bool dw_idmac_fetch(DWMMCState *s)
{
    uint32_t d[8] = { 0 };
    uint64_t addr = s->dma_next_addr;
    int words = dw_is64(s) ? 8 : 4;
    uint32_t bs;
    int i;

    if (!s->dma_running || s->dma_suspended) {
        return false;
    }
    if (!dw_dma_is_ram(s, addr, words * 4, true)) {
        dw_idmac_bus_error(s, addr, "descriptor");
        return false;
    }
    if (dma_memory_read(&s->dma_as, addr, d, words * 4,
                        MEMTXATTRS_UNSPECIFIED) != MEMTX_OK) {
        dw_idmac_bus_error(s, addr, "descriptor");
        return false;
    }
    for (i = 0; i < words; i++) {
        d[i] = le32_to_cpu(d[i]);
    }
    s->dscaddr = addr;
    trace_dw_mmc_desc(dw_name(s), addr, d[0], d[1], d[2], d[3]);

    if (!(d[0] & DES0_OWN)) {
        dw_guest_error(s, "IDMAC: descriptor %u at 0x%" PRIx64 " has OWN = 0 "
                       "(des0 0x%08x), descriptor unavailable",
                       s->dma_descs, addr, d[0]);
        s->dma_suspended = true;
        dw_raise_idmac(s, IDMAC_DU);
        return false;
    }
    if (s->dma_first != !!(d[0] & DES0_FD)) {
        dw_guest_error(s, "IDMAC: descriptor %u at 0x%" PRIx64 " has FD = %d",
                       s->dma_descs, addr, !!(d[0] & DES0_FD));
    }
    s->dma_first = false;
    s->dma_desc_addr = addr;
    s->dma_des0 = d[0];
    s->dma_descs++;

    if (dw_is64(s)) {
        bs = d[2];
        s->dma_buf_addr[0] = d[4] | (uint64_t)d[5] << 32;
        s->dma_buf_addr[1] = d[6] | (uint64_t)d[7] << 32;
    } else {
        bs = d[1];
        s->dma_buf_addr[0] = d[2];
        s->dma_buf_addr[1] = d[3];
    }
    s->dma_buf_len[0] = DES_BS1(bs);
    s->dma_buf_len[1] = (d[0] & DES0_CH) ? 0 : DES_BS2(bs);

    if (d[0] & DES0_CH) {
        s->dma_next_addr = s->dma_buf_addr[1];
        if (!(d[0] & DES0_LD) && (s->dma_next_addr & 3)) {
            dw_guest_error(s, "IDMAC: next descriptor address 0x%" PRIx64
                           " is not word aligned", s->dma_next_addr);
            s->dma_next_addr &= ~3ULL;
        }
    } else if (d[0] & DES0_ER) {
        s->dma_next_addr = dw_dbaddr(s);
    } else {
        s->dma_next_addr = addr + words * 4 +
            FIELD_EX32(s->regs[R_BMOD], BMOD, DSL) * 4;
    }

    for (i = 0; i < 2; i++) {
        if (!s->dma_buf_len[i]) {
            continue;
        }
        if (s->dma_buf_addr[i] & 3) {
            dw_guest_error(s, "IDMAC: buffer %d address 0x%" PRIx64
                           " is not word aligned", i + 1, s->dma_buf_addr[i]);
            s->dma_buf_addr[i] &= ~3ULL;
        }
        if (s->dma_buf_len[i] & 3) {
            dw_guest_error(s, "IDMAC: buffer %d size %u is not a multiple of "
                           "the bus width", i + 1, s->dma_buf_len[i]);
            s->dma_buf_len[i] &= ~3;
        }
    }
    if (!s->dma_buf_len[0] && !s->dma_buf_len[1]) {
        dw_guest_error(s, "IDMAC: descriptor at 0x%" PRIx64 " describes no "
                       "data", addr);
    }
    s->dma_buf_idx = 0;
    s->dma_buf_pos = 0;
    s->dma_desc_valid = true;
    return true;
}

static void dw_idmac_close(DWMMCState *s)
{
    uint32_t des0 = s->dma_des0 & ~DES0_OWN;

    if (s->regs[R_RINTSTS] & (INT_RE | INT_RCRC | INT_DCRC | INT_RTO |
                              INT_DRTO | INT_SBE | INT_EBE)) {
        des0 |= DES0_CES;
        dw_raise_idmac(s, IDMAC_CES);
    }
    des0 = cpu_to_le32(des0);
    dma_memory_write(&s->dma_as, s->dma_desc_addr, &des0, 4,
                     MEMTXATTRS_UNSPECIFIED);
    s->dma_desc_valid = false;
    if (!(s->dma_des0 & DES0_DIC)) {
        dw_raise_idmac(s, s->data_write ? IDMAC_TI : IDMAC_RI);
    }
    if (s->dma_des0 & DES0_LD) {
        s->dma_running = false;
    }
}

/* Current buffer with space left, or NULL-like 0 when there is none now. */
static uint32_t dw_idmac_window(DWMMCState *s, uint64_t *addr)
{
    for (;;) {
        if (!s->dma_desc_valid && !dw_idmac_fetch(s)) {
            return 0;
        }
        while (s->dma_buf_idx < 2) {
            uint32_t len = s->dma_buf_len[s->dma_buf_idx];

            if (s->dma_buf_pos < len) {
                *addr = s->dma_buf_addr[s->dma_buf_idx] + s->dma_buf_pos;
                s->bufaddr = *addr;
                return len - s->dma_buf_pos;
            }
            s->dma_buf_idx++;
            s->dma_buf_pos = 0;
        }
        dw_idmac_close(s);
        if (!s->dma_running) {
            return 0;
        }
    }
}

static void dw_idmac_advance(DWMMCState *s, uint32_t bytes)
{
    s->dma_buf_pos += bytes;
    s->tbbcnt += bytes;
    if (s->dma_buf_pos >= s->dma_buf_len[s->dma_buf_idx] &&
        (s->dma_buf_idx == 1 || !s->dma_buf_len[1])) {
        dw_idmac_close(s);
    }
}

/* FIFO -> memory */
static bool dw_idmac_drain(DWMMCState *s)
{
    bool progress = false;
    uint32_t buf[256];

    while (s->fifo_count) {
        uint64_t addr;
        uint32_t n = dw_idmac_window(s, &addr);
        uint32_t words = MIN(MIN(n / 4, s->fifo_count), ARRAY_SIZE(buf));
        uint32_t i;

        if (!words) {
            break;
        }
        if (!dw_dma_is_ram(s, addr, words * 4, true)) {
            dw_idmac_bus_error(s, addr, "read buffer");
            break;
        }
        for (i = 0; i < words; i++) {
            buf[i] = cpu_to_le32(dw_fifo_pop(s));
        }
        dma_memory_write(&s->dma_as, addr, buf, words * 4,
                         MEMTXATTRS_UNSPECIFIED);
        s->stat_dma_rd_bytes += words * 4;
        dw_idmac_advance(s, words * 4);
        progress = true;
    }
    return progress;
}

/* memory -> FIFO, never more than the command still needs */
static bool dw_idmac_fill(DWMMCState *s)
{
    bool progress = false;
    uint32_t buf[256];

    while (s->fifo_count < s->fifo_depth &&
           (uint64_t)s->fifo_count * 4 < s->data_left) {
        uint64_t need = DIV_ROUND_UP(s->data_left - s->fifo_count * 4, 4);
        uint64_t addr;
        uint32_t n = dw_idmac_window(s, &addr);
        uint32_t words, i;

        words = MIN(n / 4, s->fifo_depth - s->fifo_count);
        words = MIN(MIN(words, need), ARRAY_SIZE(buf));
        if (!words) {
            break;
        }
        if (!dw_dma_is_ram(s, addr, words * 4, false)) {
            dw_idmac_bus_error(s, addr, "write buffer");
            break;
        }
        dma_memory_read(&s->dma_as, addr, buf, words * 4,
                        MEMTXATTRS_UNSPECIFIED);
        for (i = 0; i < words; i++) {
            dw_fifo_push(s, le32_to_cpu(buf[i]));
        }
        s->stat_dma_wr_bytes += words * 4;
        dw_idmac_advance(s, words * 4);
        progress = true;
    }
    return progress;
}

static void dw_idmac_soft_reset(DWMMCState *s)
{
    if (s->data_active && s->data_dma && s->dma_running) {
        dw_guest_error(s, "IDMAC reset while a DMA transfer is running");
    }
    s->dma_running = false;
    s->dma_suspended = false;
    s->dma_desc_valid = false;
    s->dma_dead = false;
}

/* ---- data path --------------------------------------------------------- */

static void dw_data_end(DWMMCState *s, uint32_t bits)
{
    s->data_active = false;
    s->data_stalled = false;
    timer_del(s->data_timer);
    timer_del(s->hto_timer);

    dw_raise(s, INT_DTO | bits);
    if (s->data_dma && s->dma_desc_valid) {
        /* the last buffer is larger than the data: close it short */
        if (!bits && !(s->dma_des0 & DES0_LD)) {
            dw_guest_error(s, "IDMAC: the command ended inside descriptor %u "
                           "which does not have LD set", s->dma_descs - 1);
        } else if (!bits) {
            dw_guest_error(s, "IDMAC: descriptors describe more data than "
                           "BYTCNT (%u)", s->cur_bytcnt);
        }
        dw_idmac_close(s);
    } else if (s->data_dma && s->dma_running && !bits) {
        dw_guest_error(s, "IDMAC: the command ended after descriptor %u "
                       "which does not have LD set", s->dma_descs - 1);
    }
    s->dma_running = false;

    if (s->data_write) {
        s->busy_until = dw_now() + s->busy_ns * (int64_t)s->timing / 100;
    }
    trace_dw_mmc_data_end(dw_name(s), s->data_write, s->tcbcnt, s->tbbcnt,
                          bits);
    if (FIELD_EX32(s->cur_cmd, CMD, AUTO_STOP) && !bits) {
        s->autostop_queued = true;
    }
    dw_cmd_kick(s);
}

/* A card that was taken out is no mistake of the driver's. */
static bool dw_card_gone(DWMMCState *s)
{
    return !sdbus_get_inserted(&s->sdbus);
}

/* The controller notices later; until then the data path stays busy. */
static void dw_data_fail(DWMMCState *s, uint32_t bits, int64_t delay)
{
    s->data_failed = true;
    s->data_fail_bits = bits;
    timer_mod(s->data_timer, dw_now() + delay);
}

static bool dw_card_to_fifo(DWMMCState *s, uint32_t budget, uint32_t *moved)
{
    bool progress = false;

    while (s->data_left && s->fifo_count < s->fifo_depth && *moved < budget) {
        uint32_t n = MIN(MIN(4, s->data_left), s->data_blksiz - s->blk_pos);
        uint8_t b[4] = { 0 };

        if (!sdbus_data_ready(&s->sdbus)) {
            if (dw_card_gone(s)) {
                dw_data_fail(s, INT_DRTO, dw_data_timeout_ns(s));
            } else if (s->blk_pos) {
                /* the card's block was shorter, the CRC cannot match */
                dw_guest_error(s, "card ended its block after %u of BLKSIZ %u "
                               "bytes", s->blk_pos, s->data_blksiz);
                dw_data_fail(s, INT_DCRC, dw_card_ns(s, 1024));
            } else {
                dw_guest_error(s, "CMD%u: card sends no data, %" PRIu64
                               " of %u bytes missing (data read timeout)",
                               FIELD_EX32(s->cur_cmd, CMD, INDEX),
                               s->data_left, s->cur_bytcnt);
                dw_data_fail(s, INT_DRTO, dw_data_timeout_ns(s));
            }
            return true;
        }
        sdbus_read_data(&s->sdbus, b, n);
        dw_fifo_push(s, ldl_le_p(b));
        s->tcbcnt += n;
        s->blk_pos += n;
        *moved += n;
        progress = true;
        if (!s->data_open_ended) {
            s->data_left -= n;
        }
        if (s->blk_pos == s->data_blksiz) {
            s->blk_pos = 0;
        }
    }
    return progress;
}

static bool dw_fifo_to_card(DWMMCState *s, uint32_t budget, uint32_t *moved)
{
    bool progress = false;

    while (s->data_left && s->fifo_count && *moved < budget) {
        uint32_t n = MIN(MIN(4, s->data_left), s->data_blksiz - s->blk_pos);
        uint8_t b[4];

        if (!sdbus_receive_ready(&s->sdbus)) {
            if (!dw_card_gone(s)) {
                dw_guest_error(s, "CMD%u: card takes no data, %" PRIu64
                               " of %u bytes left (no CRC status)",
                               FIELD_EX32(s->cur_cmd, CMD, INDEX),
                               s->data_left, s->cur_bytcnt);
            }
            dw_data_fail(s, INT_EBE, dw_card_ns(s, 64));
            return true;
        }
        stl_le_p(b, dw_fifo_pop(s));
        sdbus_write_data(&s->sdbus, b, n);
        s->tcbcnt += n;
        s->blk_pos += n;
        *moved += n;
        progress = true;
        if (!s->data_open_ended) {
            s->data_left -= n;
        }
        if (s->blk_pos == s->data_blksiz) {
            s->blk_pos = 0;
        }
    }
    return progress;
}

static void dw_data_run(DWMMCState *s)
{
    uint32_t moved = 0;
    bool progress, stopped;

    if (!s->data_active || s->data_failed) {
        return;
    }

    stopped = dw_time_stop(s);
    do {
        progress = false;
        if (s->data_write) {
            if (s->data_dma) {
                progress |= dw_idmac_fill(s);
            }
            progress |= dw_fifo_to_card(s, DATA_STEP_BYTES, &moved);
        } else {
            progress |= dw_card_to_fifo(s, DATA_STEP_BYTES, &moved);
            if (s->data_dma) {
                progress |= dw_idmac_drain(s);
            }
        }
    } while (progress && !s->data_failed && moved < DATA_STEP_BYTES);
    dw_time_go(stopped);

    if (s->data_failed) {
        goto out;
    }
    if (!s->data_left &&
        (s->data_write || !s->data_dma || !s->fifo_count)) {
        if (s->blk_pos) {
            /* BYTCNT was no multiple of BLKSIZ: the last block has no CRC */
            dw_data_end(s, s->data_write ? INT_EBE : INT_DCRC);
        } else {
            dw_data_end(s, 0);
        }
        goto out;
    }
    if (moved) {
        uint32_t lines = s->card_width ? s->card_width : 1;
        int64_t now = dw_now();

        s->data_stalled = false;
        timer_del(s->hto_timer);
        /* late timers do not slow the card down, within reason */
        s->data_next = MAX(s->data_next, now - SCALE_MS) +
                       dw_card_ns(s, moved * 8 / lines);
        timer_mod(s->data_timer, s->data_next);
    } else if (!s->data_stalled) {
        /* the card clock stops until the host (or the IDMAC) catches up */
        s->data_stalled = true;
        timer_del(s->data_timer);
        timer_mod(s->hto_timer, dw_now() + dw_data_timeout_ns(s));
    }
out:
    dw_update_drdy(s);
    dw_update_irq(s);
}

static void dw_data_timer(void *opaque)
{
    DWMMCState *s = opaque;

    if (s->data_active && s->data_failed) {
        s->data_failed = false;
        dw_data_end(s, s->data_fail_bits);
        dw_update_irq(s);
        return;
    }
    dw_data_run(s);
}

static void dw_hto_timer(void *opaque)
{
    DWMMCState *s = opaque;

    if (!s->data_active || !s->data_stalled) {
        return;
    }
    dw_guest_error(s, "CMD%u: data starvation by host, FIFO %s for the whole "
                   "data timeout", FIELD_EX32(s->cur_cmd, CMD, INDEX),
                   s->data_write ? "empty" : "full");
    dw_raise(s, INT_HTO);
    dw_update_irq(s);
}

static void dw_data_abort(DWMMCState *s)
{
    s->data_active = false;
    s->data_failed = false;
    s->data_stalled = false;
    s->dma_running = false;
    s->dma_desc_valid = false;
    s->autostop_queued = false;
    timer_del(s->data_timer);
    timer_del(s->hto_timer);
}

static uint32_t dw_host_width(DWMMCState *s)
{
    if (s->regs[R_CTYPE] & BIT(16)) {
        return 8;
    }
    return s->regs[R_CTYPE] & BIT(0) ? 4 : 1;
}

static void dw_data_start(DWMMCState *s)
{
    uint32_t idx = FIELD_EX32(s->cur_cmd, CMD, INDEX);
    bool ctrl_idmac = FIELD_EX32(s->regs[R_CTRL], CTRL, USE_IDMAC);
    bool has_idmac = FIELD_EX32(s->hcon, HCON, DMA_INTERFACE) == 0;
    uint32_t bits = 0;

    s->data_active = true;
    s->data_failed = false;
    s->data_stalled = false;
    s->data_write = FIELD_EX32(s->cur_cmd, CMD, WRITE);
    s->data_blksiz = s->cur_blksiz;
    s->data_open_ended = s->cur_bytcnt == 0;
    s->data_left = s->data_open_ended ? UINT64_MAX : s->cur_bytcnt;
    s->data_dma = ctrl_idmac && has_idmac;
    s->blk_pos = 0;
    s->tcbcnt = 0;
    s->tbbcnt = s->data_write ? s->fifo_count * 4 : 0;

    if (ctrl_idmac && !has_idmac) {
        dw_guest_error(s, "CTRL.use_internal_dmac without an IDMAC");
    }
    if (!s->data_dma && FIELD_EX32(s->regs[R_CTRL], CTRL, DMA_ENABLE)) {
        dw_guest_error(s, "CMD%u: CTRL.dma_enable without use_internal_dmac: "
                       "nobody answers the DMA requests", idx);
    }
    if (!s->data_blksiz) {
        dw_guest_error(s, "CMD%u: BLKSIZ is 0", idx);
        s->data_blksiz = s->data_open_ended ? 512 : s->cur_bytcnt;
        bits = INT_DCRC;
    } else if (s->data_open_ended) {
        dw_guest_error(s, "CMD%u: BYTCNT is 0, open ended transfer", idx);
    } else if (s->cur_bytcnt % s->data_blksiz) {
        dw_guest_error(s, "CMD%u: BYTCNT %u is not a multiple of BLKSIZ %u",
                       idx, s->cur_bytcnt, s->data_blksiz);
    }
    if (!s->data_write && s->fifo_count) {
        dw_guest_error(s, "CMD%u: read starts with %u stale words in the FIFO",
                       idx, s->fifo_count);
    }
    if (s->data_write && s->data_dma && s->fifo_count) {
        dw_guest_error(s, "CMD%u: DMA write starts with %u stale words in the "
                       "FIFO", idx, s->fifo_count);
    }
    if (s->expect_blk && s->data_blksiz != s->expect_blk) {
        dw_guest_error(s, "CMD%u: BLKSIZ %u but the card uses blocks of %u",
                       idx, s->data_blksiz, s->expect_blk);
        bits = INT_DCRC;
    }
    if (dw_host_width(s) != s->card_width) {
        dw_guest_error(s, "CMD%u: CTYPE selects %u data lines, the card was "
                       "told %u", idx, dw_host_width(s), s->card_width);
        bits = s->data_write ? INT_EBE : INT_DCRC;
    }
    trace_dw_mmc_data_start(dw_name(s), idx, s->data_write, s->data_dma,
                            s->data_blksiz, s->cur_bytcnt);
    if (s->data_dma) {
        dw_idmac_start(s);
    }
    if (bits) {
        dw_data_fail(s, bits, dw_card_ns(s, 4096));
    } else {
        s->data_next = dw_now() + dw_card_ns(s, 16);
        timer_mod(s->data_timer, s->data_next);
        dw_update_drdy(s);
    }
}

/* ---- command path ------------------------------------------------------ */

static bool dw_cmd_is_data(DWMMCState *s, uint32_t idx, bool app, bool *write)
{
    *write = false;
    if (app) {
        return idx == 13 || idx == 22 || idx == 51;
    }
    switch (idx) {
    case 17: case 18: case 30:
        return true;
    case 20: case 24: case 25: case 26: case 27: case 42:
        *write = true;
        return true;
    case 6:
        return !s->card_is_mmc;
    case 8:
        return s->card_is_mmc && s->card_selected;
    case 19: case 21:
        return true;
    default:
        return false;
    }
}

/* Block length that the card will use for the data of this command. */
static uint32_t dw_card_block(DWMMCState *s, uint32_t idx, bool app)
{
    if (app) {
        return idx == 51 ? 8 : idx == 13 ? 64 : idx == 22 ? 4 : 0;
    }
    switch (idx) {
    case 17: case 18: case 24: case 25:
        return s->card_sdhc ? 512 : s->card_blklen;
    case 6: case 19:
        return 64;
    case 8:
        return 512;
    default:
        return 0;
    }
}

/* What the traffic tells about the card, for the consistency checks. */
static void dw_snoop(DWMMCState *s, uint32_t idx, bool app, uint32_t arg,
                     const uint8_t *rsp, size_t rsplen)
{
    bool ok = rsplen == 4 || rsplen == 16;

    s->app_cmd = false;
    if (idx == 0) {
        s->card_sdhc = false;
        s->card_is_mmc = false;
        s->card_hs = false;
        s->card_selected = false;
        s->card_rca = 0;
        s->card_blklen = 512;
        s->card_width = 1;
        return;
    }
    if (!ok) {
        return;
    }
    if (app) {
        switch (idx) {
        case 6:
            s->card_width = (arg & 3) == 2 ? 4 : 1;
            break;
        case 41:
            if (ldl_be_p(rsp) & BIT(31)) {
                s->card_sdhc = ldl_be_p(rsp) & BIT(30);
            }
            break;
        }
        return;
    }
    switch (idx) {
    case 1:
        s->card_is_mmc = true;
        if (ldl_be_p(rsp) & BIT(31)) {
            s->card_sdhc = ldl_be_p(rsp) & BIT(30);
        }
        break;
    case 3:
        s->card_rca = s->card_is_mmc ? arg >> 16 : lduw_be_p(rsp);
        break;
    case 6:
        if (s->card_is_mmc && extract32(arg, 24, 2) == 3) {
            uint32_t val = extract32(arg, 8, 8);

            switch (extract32(arg, 16, 8)) {
            case 183:
                s->card_width = (val & 3) == 2 ? 8 : (val & 3) == 1 ? 4 : 1;
                break;
            case 185:
                s->card_hs = val != 0;
                break;
            }
        } else if (!s->card_is_mmc && (arg & BIT(31)) && (arg & 0xf) == 1) {
            s->card_hs = true;
        }
        break;
    case 7:
        s->card_selected = true;
        break;
    case 16:
        s->card_blklen = arg;
        break;
    case 55:
        s->app_cmd = ldl_be_p(rsp) & APP_CMD;
        break;
    }
}

static bool dw_cmd_busy_resp(DWMMCState *s, uint32_t idx, bool app)
{
    if (app) {
        return false;
    }
    switch (idx) {
    case 7: case 12: case 28: case 29: case 38:
        return true;
    case 5: case 6:
        return s->card_is_mmc;
    default:
        return false;
    }
}

static uint64_t dw_cmd_clocks(DWMMCState *s, uint32_t cmd)
{
    uint64_t clocks = 48 + 16;

    if (FIELD_EX32(cmd, CMD, SEND_INIT)) {
        clocks += 80;
    }
    if (FIELD_EX32(cmd, CMD, RESP_EXPECT)) {
        clocks += FIELD_EX32(cmd, CMD, RESP_LONG) ? 136 : 48;
    }
    return clocks;
}

static void dw_check_new_cmd(DWMMCState *s)
{
    uint32_t idx = FIELD_EX32(s->cur_cmd, CMD, INDEX);
    bool data = FIELD_EX32(s->cur_cmd, CMD, DATA_EXPECTED);
    bool write, is_data;

    is_data = dw_cmd_is_data(s, idx, s->cur_app, &write);
    if (is_data && !data) {
        dw_guest_error(s, "%sCMD%u transfers data but data_expected is 0",
                       s->cur_app ? "A" : "", idx);
    } else if (!is_data && data && !(idx == 56) && !s->card_is_mmc) {
        dw_guest_error(s, "%sCMD%u has no data but data_expected is 1",
                       s->cur_app ? "A" : "", idx);
    } else if (is_data && write != FIELD_EX32(s->cur_cmd, CMD, WRITE)) {
        dw_guest_error(s, "%sCMD%u: wrong CMD.read_write",
                       s->cur_app ? "A" : "", idx);
    }
    if (idx == 12 && !FIELD_EX32(s->cur_cmd, CMD, STOP_ABORT)) {
        dw_guest_error(s, "CMD12 without stop_abort_cmd");
    }
    dw_poll_reset(s);
    if (s->reset_pending) {
        dw_guest_error(s, "CMD%u while a reset bit of CTRL is still set", idx);
    }
    if (data && s->data_active) {
        dw_guest_error(s, "CMD%u: data command while the data path is busy "
                       "(wait_prvdata_complete = 0)", idx);
        dw_data_abort(s);
    } else if (data && dw_busy(s)) {
        dw_guest_error(s, "CMD%u: data command while the card signals busy "
                       "(wait_prvdata_complete = 0)", idx);
    }
    if (!(s->regs[R_PWREN] & 1)) {
        dw_guest_error(s, "CMD%u with PWREN = 0", idx);
    }
    if (s->strict) {
        uint64_t hz = dw_cclk_hz(s);

        if (!s->card_selected && hz > 420000 &&
            (idx <= 3 || idx == 8 || (s->cur_app && idx == 41))) {
            dw_guest_error(s, "CMD%u in identification mode at %" PRIu64
                           " Hz", idx, hz);
        }
        /* an MMC's CSD may allow more than 26 MHz right away */
        if (s->card_selected && !s->card_hs && !s->card_is_mmc &&
            hz > 26 * 1000 * 1000) {
            dw_guest_error(s, "CMD%u at %" PRIu64 " Hz but the card is not in "
                           "high speed mode", idx, hz);
        }
    }
}

static void dw_cmd_load(DWMMCState *s)
{
    uint32_t cmd = s->regs[R_CMD];
    uint32_t idx = FIELD_EX32(cmd, CMD, INDEX);

    if (!clock_is_enabled(s->ciu)) {
        if (!s->cmd_stuck) {
            dw_guest_error(s, "start_cmd while the ciu clock is gated");
        }
        s->cmd_stuck = true;
        return;
    }
    s->cmd_stuck = false;

    if (FIELD_EX32(cmd, CMD, WAIT_PRVDATA)) {
        if (s->data_active) {
            if (idx == 12 && !FIELD_EX32(cmd, CMD, UPDATE_CLK)) {
                dw_guest_error(s, "CMD12 with wait_prvdata_complete during a "
                               "data transfer waits for that transfer");
            }
            return; /* dw_data_end() comes back */
        }
        if (dw_busy(s)) {
            timer_mod(s->cmd_timer, s->busy_until);
            return;
        }
    }

    if (FIELD_EX32(cmd, CMD, UPDATE_CLK)) {
        if ((s->ciu_clkena & s->regs[R_CLKENA] & CLKENA_ENABLE) &&
            (s->ciu_clkdiv != s->regs[R_CLKDIV] ||
             s->ciu_clksrc != s->regs[R_CLKSRC])) {
            dw_guest_error(s, "divider changed while the card clock runs");
        }
        s->ciu_clkdiv = s->regs[R_CLKDIV];
        s->ciu_clksrc = s->regs[R_CLKSRC];
        s->ciu_clkena = s->regs[R_CLKENA];
        s->start_pending = false;
        s->cmd_state = DW_CMD_IDLE;
        trace_dw_mmc_clock(dw_name(s), s->ciu_clkena & 1, dw_cclk_hz(s));
        dw_cmd_kick(s);
        return;
    }

    s->cur_cmd = cmd;
    s->cur_arg = s->regs[R_CMDARG];
    s->cur_blksiz = s->regs[R_BLKSIZ] & 0xffff;
    s->cur_bytcnt = s->regs[R_BYTCNT];
    s->cur_app = s->app_cmd;
    s->start_pending = false;
    s->cmd_state = DW_CMD_RUNNING;
    dw_check_new_cmd(s);
    timer_mod(s->cmd_timer,
              dw_now() + dw_card_ns(s, dw_cmd_clocks(s, cmd)));
}

static void dw_store_response(DWMMCState *s, const uint8_t *rsp, size_t len)
{
    if (len == 16) {
        s->regs[R_RESP3] = ldl_be_p(rsp);
        s->regs[R_RESP2] = ldl_be_p(rsp + 4);
        s->regs[R_RESP1] = ldl_be_p(rsp + 8);
        s->regs[R_RESP0] = ldl_be_p(rsp + 12);
    } else {
        s->regs[R_RESP0] = ldl_be_p(rsp);
    }
}

static void dw_cmd_complete(DWMMCState *s)
{
    uint32_t cmd = s->cur_cmd;
    uint32_t idx = FIELD_EX32(cmd, CMD, INDEX);
    bool expect = FIELD_EX32(cmd, CMD, RESP_EXPECT);
    bool want_long = FIELD_EX32(cmd, CMD, RESP_LONG);
    bool app = s->cur_app;
    uint8_t rsp[16] = { 0 };
    uint32_t bits = INT_CMD_DONE;
    size_t len = 0;
    bool reached = true;

    s->cmd_state = DW_CMD_IDLE;
    s->stat_cmds++;

    if (!(s->ciu_clkena & CLKENA_ENABLE)) {
        dw_guest_error(s, "CMD%u while the card clock is off", idx);
        reached = false;
    }
    if (FIELD_EX32(cmd, CMD, CARD_NUMBER)) {
        dw_guest_error(s, "CMD%u for card number %u, there is only card 0",
                       idx, FIELD_EX32(cmd, CMD, CARD_NUMBER));
        reached = false;
    }
    if (reached) {
        SDRequest req = { .cmd = idx, .arg = s->cur_arg };
        bool stopped = dw_time_stop(s);

        s->expect_blk = dw_card_block(s, idx, app);
        len = sdbus_do_command(&s->sdbus, &req, rsp);
        dw_time_go(stopped);
        if (idx == 7 && !app && s->cur_arg >> 16 != s->card_rca) {
            /* deselection: a real card stays silent, QEMU's answers */
            len = 0;
            s->card_selected = false;
        }
        dw_snoop(s, idx, app, s->cur_arg, rsp, len);
    }
    trace_dw_mmc_cmd(dw_name(s), app ? "A" : "", idx, s->cur_arg, cmd, len,
                     len ? ldl_be_p(rsp) : 0);

    if (expect) {
        if (len == 0) {
            bits |= INT_RTO;
        } else if (want_long != (len == 16)) {
            dw_guest_error(s, "CMD%u: response_length is %s but the card "
                           "answers with %s", idx,
                           want_long ? "long" : "short",
                           len == 16 ? "136 bits" : "48 bits");
            bits |= want_long ? INT_RTO : INT_RE | INT_RCRC;
        } else {
            dw_store_response(s, rsp, len);
            s->resp_index = idx;
            if (FIELD_EX32(cmd, CMD, CHECK_CRC) &&
                ((app && idx == 41) || (!app && (idx == 1 || idx == 5)))) {
                dw_guest_error(s, "CMD%u: R3/R4 has no CRC but "
                               "check_response_crc is 1", idx);
                bits |= INT_RCRC;
            }
        }
    } else if (len) {
        dw_guest_error(s, "CMD%u: the card answers but response_expect is 0",
                       idx);
    }

    if (FIELD_EX32(cmd, CMD, VOLT_SWITCH) && idx == 11 &&
        !(bits & (INT_RTO | INT_RE | INT_RCRC))) {
        bits = INT_HTO;         /* means "voltage switch" here */
    }
    if (len && dw_cmd_busy_resp(s, idx, app)) {
        s->busy_until = dw_now() + s->busy_ns * (int64_t)s->timing / 100;
    }
    dw_raise(s, bits);

    if (FIELD_EX32(cmd, CMD, STOP_ABORT) && s->data_active) {
        dw_data_abort(s);
        dw_raise(s, INT_DTO);
    }
    if (FIELD_EX32(cmd, CMD, DATA_EXPECTED)) {
        if (bits & INT_RTO) {
            trace_dw_mmc_no_data(dw_name(s), idx);
        } else {
            dw_data_start(s);
        }
    }
    dw_cmd_kick(s);
    dw_update_irq(s);
}

static void dw_autostop_complete(DWMMCState *s)
{
    SDRequest req = { .cmd = 12, .arg = 0 };
    uint8_t rsp[16] = { 0 };
    size_t len;

    s->cmd_state = DW_CMD_IDLE;
    len = sdbus_do_command(&s->sdbus, &req, rsp);
    trace_dw_mmc_cmd(dw_name(s), "auto-", 12, 0, 0, len,
                     len ? ldl_be_p(rsp) : 0);
    if (len == 4) {
        s->regs[R_RESP1] = ldl_be_p(rsp);
        s->resp_index = 12;
        dw_raise(s, INT_ACD);
    } else {
        dw_raise(s, INT_ACD | INT_RTO);
    }
    s->busy_until = dw_now() + s->busy_ns * (int64_t)s->timing / 100;
    dw_cmd_kick(s);
    dw_update_irq(s);
}

static void dw_cmd_timer(void *opaque)
{
    DWMMCState *s = opaque;

    switch (s->cmd_state) {
    case DW_CMD_LOADING:
        dw_cmd_load(s);
        break;
    case DW_CMD_RUNNING:
        dw_cmd_complete(s);
        break;
    case DW_CMD_AUTOSTOP:
        dw_autostop_complete(s);
        break;
    default:
        break;
    }
}

static void dw_cmd_kick(DWMMCState *s)
{
    if (s->autostop_queued && (s->cmd_state == DW_CMD_IDLE ||
                               s->cmd_state == DW_CMD_LOADING)) {
        s->autostop_queued = false;
        s->cmd_state = DW_CMD_AUTOSTOP;
        timer_mod(s->cmd_timer, dw_now() + dw_card_ns(s, 48 + 16 + 48));
        return;
    }
    if (!s->start_pending || s->cmd_state == DW_CMD_RUNNING ||
        s->cmd_state == DW_CMD_AUTOSTOP) {
        return;
    }
    s->cmd_state = DW_CMD_LOADING;
    timer_mod(s->cmd_timer, dw_now() + dw_handover_ns(s));
}

/* ---- resets ------------------------------------------------------------ */

static void dw_controller_reset(DWMMCState *s)
{
    timer_del(s->cmd_timer);
    dw_data_abort(s);
    s->cmd_state = DW_CMD_IDLE;
    s->start_pending = false;
    s->cmd_stuck = false;
    s->busy_until = 0;
    /* the CIU forgets the clock setup until the next update command */
    s->ciu_clkdiv = 0;
    s->ciu_clksrc = 0;
    s->ciu_clkena = 0;
}

static void dw_poll_reset(DWMMCState *s)
{
    if (s->reset_pending && dw_now() >= s->reset_done_at) {
        if ((s->reset_pending & R_CTRL_CONTROLLER_RESET_MASK) &&
            !clock_is_enabled(s->ciu)) {
            return;     /* needs two cycles of cclk_in */
        }
        s->regs[R_CTRL] &= ~s->reset_pending;
        s->reset_pending = 0;
    }
}

static void dw_write_ctrl(DWMMCState *s, uint32_t value)
{
    uint32_t resets = value & (R_CTRL_CONTROLLER_RESET_MASK |
                               R_CTRL_FIFO_RESET_MASK |
                               R_CTRL_DMA_RESET_MASK);

    dw_poll_reset(s);
    if (resets & R_CTRL_CONTROLLER_RESET_MASK) {
        dw_controller_reset(s);
    }
    if (resets & R_CTRL_FIFO_RESET_MASK) {
        if (s->data_active) {
            dw_guest_error(s, "FIFO reset during a data transfer");
        }
        dw_fifo_clear(s);
    }
    if (resets & R_CTRL_DMA_RESET_MASK) {
        dw_idmac_soft_reset(s);
    }
    s->regs[R_CTRL] = (value & 0x03ff0fff) | s->reset_pending;
    if (resets) {
        s->reset_pending |= resets;
        s->reset_done_at = dw_now() + dw_handover_ns(s);
    }
    if (FIELD_EX32(value, CTRL, ABORT_READ_DATA)) {
        s->regs[R_CTRL] &= ~R_CTRL_ABORT_READ_DATA_MASK;
        if (s->data_active && !s->data_write) {
            dw_data_abort(s);
            dw_raise(s, INT_DTO);
            dw_cmd_kick(s);
        }
    }
}

static void dw_hw_reset(DWMMCState *s)
{
    bool inserted = sdbus_get_inserted(&s->sdbus);

    timer_del(s->cmd_timer);
    timer_del(s->data_timer);
    timer_del(s->hto_timer);
    memset(s->regs, 0, sizeof(s->regs));
    s->regs[R_CTRL] = BIT(24);
    s->regs[R_TMOUT] = 0xffffff40;
    s->regs[R_BLKSIZ] = 0x200;
    s->regs[R_BYTCNT] = 0x200;
    s->regs[R_CMD] = R_CMD_USE_HOLD_MASK;
    s->regs[R_FIFOTH] = (s->fifo_depth - 1) << 16;
    s->regs[R_DEBNCE] = 0x00ffffff;
    s->regs[R_USRID] = s->usrid;
    s->regs[R_VERID] = s->verid;
    s->regs[R_HCON] = s->hcon;
    s->regs[R_RST_N] = 1;
    s->regs[R_CDETECT] = inserted ? 0 : 1;

    s->reset_pending = 0;
    s->ciu_clkdiv = 0;
    s->ciu_clksrc = 0;
    s->ciu_clkena = 0;
    s->cmd_state = DW_CMD_IDLE;
    s->start_pending = false;
    s->cmd_stuck = false;
    s->autostop_queued = false;
    s->resp_index = 0;
    s->busy_until = 0;
    s->data_active = false;
    s->data_failed = false;
    s->data_stalled = false;
    s->data_write = false;
    s->data_dma = false;
    s->tcbcnt = 0;
    s->tbbcnt = 0;
    s->dma_running = false;
    s->dma_suspended = false;
    s->dma_dead = false;
    s->dma_desc_valid = false;
    s->dscaddr = 0;
    s->bufaddr = 0;
    dw_fifo_clear(s);
    dw_update_irq(s);
}

/*
 * Events whose time has come happen before the guest looks, even if the main
 * loop has not got to the timer yet.
 */
static void dw_pump(DWMMCState *s)
{
    int64_t now = dw_now();

    if (timer_expired(s->cmd_timer, now)) {
        timer_del(s->cmd_timer);
        dw_cmd_timer(s);
    }
    if (timer_expired(s->data_timer, now)) {
        timer_del(s->data_timer);
        dw_data_timer(s);
    }
}

/* ---- register file ----------------------------------------------------- */

static uint32_t dw_status(DWMMCState *s)
{
    uint32_t v = 0;

    if (s->fifo_count > dw_rx_wmark(s)) {
        v |= STATUS_RX_WMARK;
    }
    if (s->fifo_count <= dw_tx_wmark(s)) {
        v |= STATUS_TX_WMARK;
    }
    if (s->fifo_count == 0) {
        v |= STATUS_FIFO_EMPTY;
    }
    if (s->fifo_count == s->fifo_depth) {
        v |= STATUS_FIFO_FULL;
    }
    if (s->cmd_state == DW_CMD_RUNNING || s->cmd_state == DW_CMD_AUTOSTOP) {
        v |= 4 << STATUS_FSM_SHIFT;
    }
    if (sdbus_get_inserted(&s->sdbus)) {
        v |= STATUS_DATA3;
    }
    if (dw_busy(s)) {
        v |= STATUS_DATA_BUSY;
    }
    if (s->data_active) {
        v |= STATUS_MC_BUSY;
    }
    v |= s->resp_index << STATUS_RESP_IDX_SHIFT;
    v |= s->fifo_count << STATUS_FCNT_SHIFT;
    return v;
}

static uint32_t dw_fifo_read(DWMMCState *s)
{
    uint32_t word;

    if (s->data_active && s->data_dma) {
        dw_guest_error(s, "FIFO read by the CPU during an IDMAC transfer");
    }
    if (!s->fifo_count) {
        dw_guest_error(s, "FIFO underrun: read from the empty FIFO");
        dw_raise(s, INT_FRUN);
        dw_update_irq(s);
        return 0;
    }
    word = dw_fifo_pop(s);
    s->tbbcnt += 4;
    s->stat_pio_rd_bytes += 4;
    if (s->data_active && !s->data_write && s->data_stalled) {
        dw_data_run(s);
    } else {
        dw_update_drdy(s);
        dw_update_irq(s);
    }
    return word;
}

static void dw_fifo_write(DWMMCState *s, uint32_t word)
{
    if (s->data_active && s->data_dma) {
        dw_guest_error(s, "FIFO write by the CPU during an IDMAC transfer");
    }
    if (s->data_active && !s->data_write) {
        dw_guest_error(s, "FIFO write by the CPU during a read");
    }
    if (s->fifo_count == s->fifo_depth) {
        dw_guest_error(s, "FIFO overrun: write to the full FIFO");
        dw_raise(s, INT_FRUN);
        dw_update_irq(s);
        return;
    }
    dw_fifo_push(s, word);
    s->tbbcnt += 4;
    s->stat_pio_wr_bytes += 4;
    if (s->data_active && s->data_write && s->data_stalled) {
        dw_data_run(s);
    } else {
        dw_update_drdy(s);
        dw_update_irq(s);
    }
}

static bool dw_gated(DWMMCState *s, hwaddr offset, const char *dir)
{
    if (s->in_reset) {
        dw_guest_error(s, "%s of offset 0x%" HWADDR_PRIx " while in reset",
                       dir, offset);
        return true;
    }
    if (!clock_is_enabled(s->biu)) {
        dw_guest_error(s, "%s of offset 0x%" HWADDR_PRIx " while the biu "
                       "(AHB) clock is gated: the bus would hang",
                       dir, offset);
        return true;
    }
    return false;
}

static uint64_t dw_mmc_read(void *opaque, hwaddr offset, unsigned size)
{
    DWMMCState *s = opaque;
    uint32_t v = 0;

    if (dw_gated(s, offset, "read")) {
        return 0;
    }
    dw_pump(s);
    if (offset >= dw_fifo_offset(s)) {
        v = dw_fifo_read(s);
        trace_dw_mmc_fifo_read(dw_name(s), v);
        return v;
    }

    switch (offset / 4) {
    case R_CTRL:
        dw_poll_reset(s);
        v = s->regs[R_CTRL];
        break;
    case R_CMD:
        v = s->regs[R_CMD] & ~R_CMD_START_MASK;
        v = FIELD_DP32(v, CMD, START, s->start_pending);
        break;
    case R_MINTSTS:
        v = s->regs[R_RINTSTS] & s->regs[R_INTMASK];
        break;
    case R_STATUS:
        v = dw_status(s);
        break;
    case R_CDETECT:
        v = sdbus_get_inserted(&s->sdbus) ? 0 : 1;
        break;
    case R_WRTPRT:
        v = sdbus_get_inserted(&s->sdbus) && sdbus_get_readonly(&s->sdbus);
        break;
    case R_TCBCNT:
        v = s->tcbcnt;
        break;
    case R_TBBCNT:
        v = s->tbbcnt;
        break;
    case R_BMOD:
        v = FIELD_DP32(s->regs[R_BMOD], BMOD, PBL,
                       FIELD_EX32(s->regs[R_FIFOTH], FIFOTH, MSIZE));
        break;
    case R_PLDMND:
        dw_guest_error(s, "read of write-only PLDMND");
        break;
    case R_DSCADDR:
        if (!dw_is64(s)) {
            v = s->dscaddr;
        } else {
            v = s->regs[R_IDINTEN64];
        }
        break;
    case R_DSCADDRL:        /* also R_BUFADDR */
        v = dw_is64(s) ? s->dscaddr : s->bufaddr;
        break;
    case R_DSCADDRU:
        v = dw_is64(s) ? s->dscaddr >> 32 : 0;
        break;
    case R_BUFADDRL:
        v = dw_is64(s) ? s->bufaddr : 0;
        break;
    case R_BUFADDRU:
        v = dw_is64(s) ? s->bufaddr >> 32 : 0;
        break;
    default:
        if (offset / 4 < DW_MMC_NUM_REGS) {
            v = s->regs[offset / 4];
        } else {
            dw_guest_error(s, "read of bad offset 0x%" HWADDR_PRIx, offset);
        }
        break;
    }
    trace_dw_mmc_read(dw_name(s), offset, v);
    return v;
}

/* Registers that belong to the CIU while a command is being handed over. */
static bool dw_locked_reg(uint32_t reg)
{
    switch (reg) {
    case R_CLKDIV:
    case R_CLKSRC:
    case R_CLKENA:
    case R_TMOUT:
    case R_CTYPE:
    case R_BLKSIZ:
    case R_BYTCNT:
    case R_CMDARG:
    case R_CMD:
        return true;
    default:
        return false;
    }
}

static void dw_write_idsts(DWMMCState *s, uint32_t v)
{
    uint32_t *ids = &s->regs[dw_r_idsts(s)];

    *ids &= ~(v & IDMAC_W1C);
    if (!(*ids & IDMAC_FBE)) {
        *ids = deposit32(*ids, IDMAC_EB_SHIFT, 3, 0);
    }
}

static void dw_mmc_write(void *opaque, hwaddr offset, uint64_t value,
                         unsigned size)
{
    DWMMCState *s = opaque;
    uint32_t reg = offset / 4;
    uint32_t v = value;

    if (dw_gated(s, offset, "write")) {
        return;
    }
    dw_pump(s);
    if (offset >= dw_fifo_offset(s)) {
        trace_dw_mmc_fifo_write(dw_name(s), v);
        dw_fifo_write(s, v);
        return;
    }
    trace_dw_mmc_write(dw_name(s), offset, v);

    if (s->start_pending && dw_locked_reg(reg)) {
        dw_guest_error(s, "write 0x%08x to offset 0x%02" HWADDR_PRIx " while "
                       "start_cmd is set (hardware locked)", v, offset);
        dw_raise(s, INT_HLE);
        dw_update_irq(s);
        return;
    }

    switch (reg) {
    case R_CTRL:
        dw_write_ctrl(s, v);
        break;
    case R_CMD:
        s->regs[R_CMD] = v & ~R_CMD_START_MASK;
        if (v & R_CMD_START_MASK) {
            s->start_pending = true;
            dw_cmd_kick(s);
        }
        break;
    case R_INTMASK:
        s->regs[R_INTMASK] = v & 0x1ffff;
        break;
    case R_RINTSTS:
        s->regs[R_RINTSTS] &= ~v;
        dw_update_drdy(s);
        break;
    case R_FIFOTH:
        if (FIELD_EX32(v, FIFOTH, TX_WMARK) >= s->fifo_depth ||
            FIELD_EX32(v, FIFOTH, RX_WMARK) >= s->fifo_depth) {
            dw_guest_error(s, "FIFOTH 0x%08x: water mark beyond the FIFO "
                           "depth of %u", v, s->fifo_depth);
        }
        s->regs[R_FIFOTH] = v & 0x7fff0fff;
        dw_update_drdy(s);
        break;
    case R_BLKSIZ:
        s->regs[R_BLKSIZ] = v & 0xffff;
        break;
    case R_BMOD:
        if (FIELD_EX32(v, BMOD, SWR)) {
            dw_idmac_soft_reset(s);
            s->dscaddr = 0;
            s->bufaddr = 0;
        }
        s->regs[R_BMOD] = v & (R_BMOD_FB_MASK | R_BMOD_DSL_MASK |
                               R_BMOD_DE_MASK);
        break;
    case R_PLDMND:
        if (s->dma_suspended) {
            s->dma_suspended = false;
            if (s->data_active && s->data_dma) {
                dw_data_run(s);
            }
        }
        break;
    case R_DBADDR:
        if (s->data_active && s->data_dma && s->dma_running) {
            dw_guest_error(s, "DBADDR written while the IDMAC runs");
        }
        s->regs[R_DBADDR] = v;
        break;
    case R_IDSTS:           /* also R_DBADDRU */
        if (dw_is64(s)) {
            s->regs[reg] = v;
        } else {
            dw_write_idsts(s, v);
        }
        break;
    case R_IDINTEN:         /* also R_IDSTS64 */
        if (dw_is64(s)) {
            dw_write_idsts(s, v);
        } else {
            s->regs[reg] = v & IDMAC_W1C;
        }
        break;
    case R_DSCADDR:         /* also R_IDINTEN64 */
        if (dw_is64(s)) {
            s->regs[reg] = v & IDMAC_W1C;
        } else {
            dw_guest_error(s, "write to read-only DSCADDR");
        }
        break;
    case R_RESP0:
    case R_RESP1:
    case R_RESP2:
    case R_RESP3:
    case R_MINTSTS:
    case R_STATUS:
    case R_CDETECT:
    case R_WRTPRT:
    case R_TCBCNT:
    case R_TBBCNT:
    case R_VERID:
    case R_HCON:
    case R_DSCADDRL:
    case R_DSCADDRU:
    case R_BUFADDRL:
    case R_BUFADDRU:
        dw_guest_error(s, "write 0x%08x to read-only offset 0x%02" HWADDR_PRIx,
                       v, offset);
        break;
    default:
        if (reg < DW_MMC_NUM_REGS) {
            s->regs[reg] = v;
        } else {
            dw_guest_error(s, "write 0x%08x to bad offset 0x%" HWADDR_PRIx,
                           v, offset);
        }
        break;
    }
    dw_update_irq(s);
}

static const MemoryRegionOps dw_mmc_ops = {
    .read = dw_mmc_read,
    .write = dw_mmc_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = {
        .min_access_size = 4,
        .max_access_size = 4,
    },
    .impl = {
        .min_access_size = 4,
        .max_access_size = 4,
    },
};

/* ---- QEMU glue --------------------------------------------------------- */

static void dw_mmc_set_inserted(DeviceState *dev, bool inserted)
{
    DWMMCState *s = DW_MMC(dev);

    trace_dw_mmc_inserted(dw_name(s), inserted);
    qemu_set_irq(s->card_detect_n, !inserted);
    s->regs[R_CDETECT] = inserted ? 0 : 1;
    dw_raise(s, INT_CD);
    dw_update_irq(s);
}

static void dw_mmc_clk_update(void *opaque, ClockEvent event)
{
    DWMMCState *s = opaque;

    if (s->cmd_stuck && clock_is_enabled(s->ciu)) {
        dw_cmd_kick(s);
    }
}

static void dw_mmc_reset_input(void *opaque, int n, int level)
{
    DWMMCState *s = opaque;

    if (level && !s->in_reset) {
        dw_hw_reset(s);
    }
    s->in_reset = level;
}

static void dw_mmc_reset_hold(Object *obj, ResetType type)
{
    DWMMCState *s = DW_MMC(obj);

    s->card_sdhc = false;
    s->card_is_mmc = false;
    s->card_hs = false;
    s->card_selected = false;
    s->card_rca = 0;
    s->card_blklen = 512;
    s->card_width = 1;
    s->app_cmd = false;
    dw_hw_reset(s);
}

static void dw_mmc_init(Object *obj)
{
    DWMMCState *s = DW_MMC(obj);
    DeviceState *dev = DEVICE(obj);

    qbus_init(&s->sdbus, sizeof(s->sdbus), TYPE_DW_MMC_BUS, dev, "sd-bus");
    memory_region_init_io(&s->iomem, obj, &dw_mmc_ops, s, TYPE_DW_MMC,
                          DW_MMC_MMIO_SIZE);
    sysbus_init_mmio(SYS_BUS_DEVICE(obj), &s->iomem);
    sysbus_init_irq(SYS_BUS_DEVICE(obj), &s->irq);
    qdev_init_gpio_in_named(dev, dw_mmc_reset_input, "reset", 1);
    qdev_init_gpio_out_named(dev, &s->card_detect_n, "card-detect-n", 1);
    s->biu = qdev_init_clock_in(dev, "biu", dw_mmc_clk_update, s, ClockUpdate);
    s->ciu = qdev_init_clock_in(dev, "ciu", dw_mmc_clk_update, s, ClockUpdate);

    object_property_add_uint64_ptr(obj, "guest-errors", &s->guest_errors,
                                   OBJ_PROP_FLAG_READ);
    object_property_add_uint64_ptr(obj, "stat-commands", &s->stat_cmds,
                                   OBJ_PROP_FLAG_READ);
    object_property_add_uint64_ptr(obj, "stat-dma-read-bytes",
                                   &s->stat_dma_rd_bytes, OBJ_PROP_FLAG_READ);
    object_property_add_uint64_ptr(obj, "stat-dma-write-bytes",
                                   &s->stat_dma_wr_bytes, OBJ_PROP_FLAG_READ);
    object_property_add_uint64_ptr(obj, "stat-pio-read-bytes",
                                   &s->stat_pio_rd_bytes, OBJ_PROP_FLAG_READ);
    object_property_add_uint64_ptr(obj, "stat-pio-write-bytes",
                                   &s->stat_pio_wr_bytes, OBJ_PROP_FLAG_READ);
}

static void dw_mmc_realize(DeviceState *dev, Error **errp)
{
    DWMMCState *s = DW_MMC(dev);

    if (!s->dma_mr) {
        error_setg(errp, TYPE_DW_MMC " 'dma-memory' link not set");
        return;
    }
    if (s->fifo_depth < 8 || s->fifo_depth > DW_MMC_MAX_FIFO_WORDS) {
        error_setg(errp, "fifo-depth must be between 8 and %d",
                   DW_MMC_MAX_FIFO_WORDS);
        return;
    }
    if (extract32(s->hcon, 7, 3) != 1) {
        error_setg(errp, "only a 32-bit host data width is implemented");
        return;
    }
    address_space_init(&s->dma_as, s->dma_mr, TYPE_DW_MMC);
    s->cmd_timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, dw_cmd_timer, s);
    s->data_timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, dw_data_timer, s);
    s->hto_timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, dw_hto_timer, s);
}

/*
 * HCON default: SD/MMC, one card, AHB, 32-bit data, 16 address bits, internal
 * DMA, hold register implemented, 32-bit IDMAC addresses.
 */
#define DW_MMC_HCON_DEFAULT \
    (1 | 1 << 6 | 1 << 7 | 15 << 10 | 0 << 16 | 1 << 18 | 1 << 22)

static const Property dw_mmc_properties[] = {
    DEFINE_PROP_LINK("dma-memory", DWMMCState, dma_mr,
                     TYPE_MEMORY_REGION, MemoryRegion *),
    DEFINE_PROP_STRING("label", DWMMCState, name),
    DEFINE_PROP_UINT32("fifo-depth", DWMMCState, fifo_depth, 32),
    DEFINE_PROP_UINT32("verid", DWMMCState, verid, 0x5342290a),
    DEFINE_PROP_UINT32("usrid", DWMMCState, usrid, 0),
    DEFINE_PROP_UINT32("hcon", DWMMCState, hcon, DW_MMC_HCON_DEFAULT),
    /* percent of the real time that bus activity takes, 0: as soon as */
    DEFINE_PROP_UINT32("timing", DWMMCState, timing, 100),
    DEFINE_PROP_UINT32("busy-ns", DWMMCState, busy_ns, 250000),
    DEFINE_PROP_UINT32("handover-ns", DWMMCState, handover_ns, 50000),
    /* hide the host's disk latency from the guest's clocks */
    DEFINE_PROP_BOOL("freeze-clock", DWMMCState, freeze_clock, true),
    DEFINE_PROP_BOOL("fatal", DWMMCState, fatal, false),
    DEFINE_PROP_BOOL("strict", DWMMCState, strict, true),
};

static const VMStateDescription vmstate_dw_mmc = {
    .name = TYPE_DW_MMC,
    .unmigratable = 1,
};

static void dw_mmc_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    ResettableClass *rc = RESETTABLE_CLASS(klass);

    rc->phases.hold = dw_mmc_reset_hold;
    dc->realize = dw_mmc_realize;
    dc->vmsd = &vmstate_dw_mmc;
    dc->desc = "DesignWare Mobile Storage Host";
    device_class_set_props(dc, dw_mmc_properties);
}

static void dw_mmc_bus_class_init(ObjectClass *klass, void *data)
{
    SDBusClass *sbc = SD_BUS_CLASS(klass);

    sbc->set_inserted = dw_mmc_set_inserted;
}

static const TypeInfo dw_mmc_types[] = {
    {
        .name = TYPE_DW_MMC,
        .parent = TYPE_SYS_BUS_DEVICE,
        .instance_size = sizeof(DWMMCState),
        .instance_init = dw_mmc_init,
        .class_init = dw_mmc_class_init,
    },
    {
        .name = TYPE_DW_MMC_BUS,
        .parent = TYPE_SD_BUS,
        .instance_size = sizeof(SDBus),
        .class_init = dw_mmc_bus_class_init,
    },
};

DEFINE_TYPES(dw_mmc_types)
