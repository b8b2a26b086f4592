// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Data between the FIFO of a DW MSHC and memory: by its internal DMA, through a chain of descriptors that lead straight
 * to the frames; or by the CPU, in the interrupt's handler (or who polls), as many words as there are or fit. Nothing
 * sleeps.
 */
#include <assert.h>
#include <errno.h>

#include "arch/barrier.h"
#include "arch/clock.h"
#include "arch/io.h"
#include "arch/page.h"
#include "drivers/sd/dw_mmc.h"
#include "drivers/wired.h"
#include "kernel/time.h"

#define PIECE 4096u // bytes of a descriptor; its field has 13 bits
#define DESCRIPTORS (DW_MAX_BLOCKS * SECTOR_SIZE / PIECE + BLK_SEGMENTS_MAX)
#define REGISTER_LIMIT (100 * NSEC_PER_MSEC)

/* First word of a descriptor. */
#define DESC_QUIET (1u << 1)
#define DESC_LAST (1u << 2)
#define DESC_FIRST (1u << 3)
#define DESC_CHAINED (1u << 4)
#define DESC_OWN (1u << 31)

struct desc32 {
	uint32_t control, size, buffer, next;
};

struct desc64 {
	uint32_t control, reserved0, size, reserved1;
	uint32_t buffer, buffer_high, next, next_high;
};

bool dw_wait_clear(struct dw_mmc *d, uint32_t off, uint32_t bits)
{
	const nsec_t deadline = clock_now() + REGISTER_LIMIT;

	while (io_read32(d->regs, off) & bits)
		if (clock_now() >= deadline)
			return false;
	return true;
}

int dw_dma_init(struct dw_mmc *d)
{
	/* Drivers' memory is near once it is known what near is. */
	if (!d->wide_dma && frame_limit_reach(UINT32_MAX))
		return -ENOMEM;
	d->ring = wired_alloc(DESCRIPTORS * (d->wide_dma ? sizeof(struct desc64) : sizeof(struct desc32)));
	return d->ring ? 0 : -ENOMEM;
}

/* ---- DMA ---- */

static void put_descriptor(struct dw_mmc *d, uint32_t i, uint32_t control, paddr_t buffer, uint32_t size)
{
	if (d->wide_dma) {
		struct desc64 *desc = (struct desc64 *)d->ring + i;
		const uint64_t next = va_to_pa(desc + 1);

		*desc = (struct desc64){.control = control,
					.size = size,
					.buffer = (uint32_t)buffer,
					.buffer_high = (uint32_t)(buffer >> 32),
					.next = (uint32_t)next,
					.next_high = (uint32_t)(next >> 32)};
	} else {
		struct desc32 *desc = (struct desc32 *)d->ring + i;

		*desc = (struct desc32){
		    .control = control, .size = size, .buffer = (uint32_t)buffer, .next = (uint32_t)va_to_pa(desc + 1)};
	}
}

static void build_chain(struct dw_mmc *d, const struct sd_data *data)
{
	uint32_t count = 0, left = data->blocks * data->block_size;

	for (uint32_t s = 0; s < data->segment_count; s++) {
		const struct blk_segment *segment = &data->segments[s];

		assert(segment->pa % 4 == 0 && segment->len % 4 == 0);
		for (uint32_t off = 0; off < segment->len; off += PIECE) {
			const uint32_t size = min_of(segment->len - off, PIECE);

			left -= size;
			assert(count < DESCRIPTORS);
			put_descriptor(d, count,
				       DESC_OWN | DESC_CHAINED | (count ? 0 : DESC_FIRST) |
					   (left ? DESC_QUIET : DESC_LAST),
				       segment->pa + off, size);
			count++;
		}
	}
	assert(!left);
}

static void dma_begin(struct dw_mmc *d, const struct sd_data *data)
{
	const uint64_t ring = va_to_pa(d->ring);

	build_chain(d, data);
	io_write32(d->regs, DW_DBADDR, (uint32_t)ring);
	if (d->wide_dma)
		io_write32(d->regs, DW_DBADDR + 4, (uint32_t)(ring >> 32));
	io_write32(d->regs, d->dma_status, DW_DMA_WANTED);
	io_write32(d->regs, d->dma_enable, DW_DMA_WANTED);
	io_write32(d->regs, DW_CTRL, io_read32(d->regs, DW_CTRL) | DW_CTRL_DMA);
	io_write32(d->regs, DW_BMOD, DW_BMOD_ON);
	dma_wmb(); // descriptors and data before the command's write, which the DMA reads them after
}

/* ---- the CPU ---- */

static void cpu_begin(struct dw_mmc *d, const struct sd_data *data)
{
	unsigned long flags = spin_lock(&d->host.lock);

	if (d->has_dma)
		io_write32(d->regs, DW_BMOD, 0); // an earlier command's
	d->data = data;
	d->segment = d->offset = 0;
	d->left = data->blocks * data->block_size;
	io_write32(d->regs, DW_RINTSTS, DW_INT_TX | DW_INT_RX);
	if (d->host.transfer != SD_POLLED)
		io_write32(d->regs, DW_INTMASK, DW_INT_WANTED | (data->write ? DW_INT_TX : DW_INT_RX));
	spin_unlock(&d->host.lock, flags);
}

void dw_words_end_locked(struct dw_mmc *d)
{
	d->data = NULL;
	if (d->host.transfer != SD_POLLED)
		io_write32(d->regs, DW_INTMASK, DW_INT_WANTED);
}

static char *next_word_locked(struct dw_mmc *d)
{
	char *at;

	if (d->offset == d->data->segments[d->segment].len) {
		d->segment++;
		d->offset = 0;
	}
	at = (char *)pa_to_va(d->data->segments[d->segment].pa) + d->offset;
	d->offset += 4;
	d->left -= 4;
	return at;
}

static void move_all_locked(struct dw_mmc *d)
{
	const bool write = d->data->write;
	uint32_t words, word;

	while (d->left) {
		words = DW_STATUS_WORDS(io_read32(d->regs, DW_STATUS));
		words = write ? d->fifo_words - min_of(words, d->fifo_words) : words;
		if (!words)
			break;
		for (; words && d->left; words--) {
			char *at = next_word_locked(d);

			if (write) {
				__builtin_memcpy(&word, at, 4);
				io_write32(d->regs, d->fifo, word);
			} else {
				word = io_read32(d->regs, d->fifo);
				__builtin_memcpy(at, &word, 4);
			}
		}
	}
}

/* A water mark that was passed again before the request was cleared may not be told anew: it is looked at after. */
void dw_words_move_locked(struct dw_mmc *d)
{
	const uint32_t mark = d->data->write ? DW_STATUS_TX : DW_STATUS_RX;

	do {
		move_all_locked(d);
		io_write32(d->regs, DW_RINTSTS, DW_INT_TX | DW_INT_RX);
	} while (d->left && io_read32(d->regs, DW_STATUS) & mark);
	if (!d->left)
		dw_words_end_locked(d); // a FIFO that runs empty asks for more
}

/* ---- both ---- */

/*
 * Bursts as long as divide a block and the room in the FIFO, and water marks to match: so the last words of a block
 * are a burst too, which some FIFOs need to hand them over.
 */
static uint32_t water_marks(const struct dw_mmc *d, uint32_t block_size)
{
	static const uint16_t bursts[] = {1, 4, 8, 16, 32, 64, 128, 256};
	const uint32_t words = block_size / 4, tx = d->fifo_words / 2, room = d->fifo_words - tx;
	uint32_t code = array_size(bursts) - 1;

	while (code && (words % bursts[code] || room % bursts[code]))
		code--;
	return code << 28 | (bursts[code] - 1u) << 16 | tx;
}

int dw_data_begin(struct dw_mmc *d, const struct sd_data *data)
{
	io_write32(d->regs, DW_CTRL, DW_CTRL_RESET_FIFO | (io_read32(d->regs, DW_CTRL) & ~DW_CTRL_DMA));
	if (!dw_wait_clear(d, DW_CTRL, DW_CTRL_RESET_FIFO))
		return -EIO;
	io_write32(d->regs, DW_FIFOTH, water_marks(d, data->block_size));
	io_write32(d->regs, DW_BLKSIZ, data->block_size);
	io_write32(d->regs, DW_BYTCNT, data->blocks * data->block_size);
	if (d->host.transfer == SD_DMA)
		dma_begin(d, data);
	else
		cpu_begin(d, data);
	return 0;
}

void dw_data_end(struct dw_mmc *d)
{
	unsigned long flags;

	if (d->host.transfer == SD_DMA) {
		dma_rmb(); // what was reported before the data: pairs with the DMA, which writes the data first
		io_write32(d->regs, d->dma_enable, 0);
		return;
	}
	flags = spin_lock(&d->host.lock);
	dw_words_end_locked(d);
	spin_unlock(&d->host.lock, flags);
}
