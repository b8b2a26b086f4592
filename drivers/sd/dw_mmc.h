// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Synopsys DesignWare Mobile Storage Host (DW MSHC), between its files; where it lies is the device tree's to say. */
#pragma once

#include "drivers/sd/pins.h"

enum {
	DW_CTRL = 0x00,
	DW_PWREN = 0x04,
	DW_CLKDIV = 0x08,
	DW_CLKSRC = 0x0c,
	DW_CLKENA = 0x10,
	DW_TMOUT = 0x14,
	DW_CTYPE = 0x18,
	DW_BLKSIZ = 0x1c,
	DW_BYTCNT = 0x20,
	DW_INTMASK = 0x24,
	DW_CMDARG = 0x28,
	DW_CMD = 0x2c,
	DW_RESP = 0x30, // four; of a long answer the last has bits 127 .. 96
	DW_RINTSTS = 0x44,
	DW_STATUS = 0x48,
	DW_FIFOTH = 0x4c,
	DW_VERID = 0x6c,
	DW_HCON = 0x70,
	DW_BMOD = 0x80,
	DW_DBADDR = 0x88, // the internal DMA's others follow, after an upper half where addresses have 64 bits
	DW_REGS_SIZE = 0x204
};

#define DW_CTRL_RESET 7u // controller, FIFO, DMA; each clears itself
#define DW_CTRL_RESET_FIFO 2u
#define DW_CTRL_INT (1u << 4)
#define DW_CTRL_DMA (1u << 5 | 1u << 25) // DMA, and that it is the internal one
#define DW_STATUS_RX 1u			 // above the water mark
#define DW_STATUS_TX 2u			 // not above
#define DW_STATUS_BUSY (1u << 9)	 // the card holds DAT0
#define DW_STATUS_WORDS(status) ((status) >> 17 & 0x1fffu)
#define DW_BMOD_RESET 1u
#define DW_BMOD_ON (1u << 1 | 1u << 7) // fixed bursts, enabled

/* Of RINTSTS and INTMASK. */
#define DW_INT_RESPONSE (1u << 1)
#define DW_INT_COMMAND (1u << 2)
#define DW_INT_DATA (1u << 3)
#define DW_INT_TX (1u << 4)
#define DW_INT_RX (1u << 5)
#define DW_INT_RESPONSE_CRC (1u << 6)
#define DW_INT_DATA_CRC (1u << 7)
#define DW_INT_NO_RESPONSE (1u << 8)
#define DW_INT_NO_DATA (1u << 9)
#define DW_INT_STARVED (1u << 10)
#define DW_INT_FIFO (1u << 11)
#define DW_INT_LOCKED (1u << 12)
#define DW_INT_START_BIT (1u << 13) // while a card sends; else that it is not busy any more
#define DW_INT_STOP (1u << 14)
#define DW_INT_END_BIT (1u << 15) // or no CRC status
#define DW_INT_WANTED 0xffceu	  // all but card detection and the two that ask for words

/* Of IDSTS and IDINTEN. */
#define DW_DMA_DONE 3u // sent, received
#define DW_DMA_BUS_ERROR (1u << 2)
#define DW_DMA_NO_DESCRIPTOR (1u << 4)
#define DW_DMA_WANTED 0x337u // with the two summaries

struct dw_mmc {
	/* The probe's, before dw_mmc_init. */
	const char *name;
	volatile void *regs;
	uint32_t ciu;	     // Hz, which the card's clock is divided from
	uint32_t fifo_words; // 0: as the register says, which has just been reset
	bool has_irq;
	struct sd_pins pins;

	/* dw_mmc.c's. */
	struct sd_host host; // what the slot can is the probe's
	struct sd_ios ios;
	uint32_t fifo; // offset of the data register
	bool has_dma, wide_dma;
	uint32_t dma_status, dma_enable; // offsets
	void *ring;			 // of descriptors

	/* Guarded by host.lock. */
	uint32_t noted, dma_noted; // what was reported since the command began
	bool gone;		   // the card was taken out since
	/* The CPU's place in a transfer: data is NULL when there is none. */
	const struct sd_data *data;
	uint32_t segment, offset;
	uint32_t left; // bytes
};

/* Takes hold of the controller, whose clocks run. 0, -EIO, -EINVAL, -ENOMEM. */
int dw_mmc_init(struct dw_mmc *d);
/* Lets the interrupt through, whose handler is there, and announces the slot. As sd_host_add. */
int dw_mmc_add(struct dw_mmc *d);
void dw_mmc_irq(void *d);
/* The slot changed; a dw_mmc. Any context. */
void dw_mmc_slot_changed(void *dw);

/* ---- dw_mmc_data.c ---- */

/* Memory for descriptors, where the DMA reaches it. 0, -ENOMEM. */
int dw_dma_init(struct dw_mmc *d);
/* Before the command: FIFO and DMA, or the CPU's place, made ready for data. 0, -EIO. */
int dw_data_begin(struct dw_mmc *d, const struct sd_data *data);
/* Moves what words there are, or is room for. host.lock held. */
void dw_words_move_locked(struct dw_mmc *d);
/* No more words are asked for. host.lock held. */
void dw_words_end_locked(struct dw_mmc *d);
/* After the command, or its failure: nobody moves any more. */
void dw_data_end(struct dw_mmc *d);
/* Waits until the bits of a register are clear, which takes microseconds. */
bool dw_wait_clear(struct dw_mmc *d, uint32_t off, uint32_t bits);
#define DW_MAX_BLOCKS 2048u // of a transfer: 1 MiB
