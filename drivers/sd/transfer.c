// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Carrying out requests, and what follows when that fails. A write has ended when the card says that it is programmed:
 * in the state of transfers, ready for data. An error is answered with a reset of the lines and CMD12; a card that does
 * not settle then is brought up anew, slower after the second failure in a row. Then the request is tried again,
 * SD_TRIES times in all, and for no longer than REQUEST_LIMIT: no command is begun, or waited for, beyond that. The
 * block queue has its own count on top of that, and its own limit. Sleeps in the host.
 */
#include <errno.h>

#include "arch/cache.h"
#include "arch/clock.h"
#include "drivers/sd/card.h"
#include "kernel/log.h"
#include "kernel/time.h"

#define SD_TRIES 4
#define REQUEST_LIMIT (20 * NSEC_PER_SEC) // all tries together, beyond four times what the bus needs
#define READ_LIMIT (2 * NSEC_PER_SEC)
#define DISCARD_SECTORS 8192 // of one command: 4 MiB, so that no card is busy for too long
#define STATUS_OUT_OF_RANGE (1u << 31)

/* Four times what the bus needs. */
static nsec_t bus_limit(const struct sd_card *card, const struct blk_request *req)
{
	const bool moves = req->op == BLK_READ || req->op == BLK_WRITE;
	const uint64_t bits = moves ? ((uint64_t)req->sectors << SECTOR_SHIFT) * 8 : 0,
		       rate = (uint64_t)card->ios.clock * card->ios.width;

	return 4 * bits * NSEC_PER_SEC / max_of(rate, (uint64_t)1);
}

static nsec_t limit_of(const struct sd_card *card, const struct blk_request *req)
{
	return (req->op == BLK_READ ? READ_LIMIT : SD_BUSY_LIMIT) + bus_limit(card, req);
}

static void sync_segments(const struct blk_request *req, bool to_device)
{
	const enum dma_dir dir = req->op == BLK_READ ? DMA_FROM_DEVICE : DMA_TO_DEVICE;

	for (uint32_t i = 0; i < req->segment_count; i++) {
		if (to_device)
			dma_sync_for_device(req->segments[i].pa, req->segments[i].len, dir);
		else
			dma_sync_for_cpu(req->segments[i].pa, req->segments[i].len, dir);
	}
}

/* How many blocks come, told before: SET_BLOCK_COUNT, which ends the transfer too, or a hint for the card's erasing. */
static int announce(struct sd_card *card, bool write, uint32_t blocks)
{
	if (card->cmd23)
		return sd_simple(card, SD_SET_BLOCK_COUNT, blocks, SD_R1, NULL);
	if (write && card->kind == SD_CARD)
		return sd_app(card, ACMD_PRE_ERASE, blocks, SD_R1, NULL);
	return 0;
}

static void report(const struct sd_card *card, const struct sd_command *cmd, const struct blk_request *req, int error)
{
	const char *what = error == -ETIMEDOUT ? "no answer in time"
			   : error == -EILSEQ  ? "CRC or framing error"
			   : error == -ENODEV  ? "no card"
					       : "error";

	log_warning("%s: %s, %u sectors at %llu: %s (%d), card status %08x", card->blk.name, sd_name(cmd->index, false),
		    (unsigned)req->sectors, (unsigned long long)req->sector, what, -error, (unsigned)cmd->response[0]);
}

static int transfer_once(struct sd_card *card, struct blk_request *req)
{
	static const uint8_t indices[2][2] = {{SD_READ, SD_READ_MULTIPLE}, {SD_WRITE, SD_WRITE_MULTIPLE}};
	const bool write = req->op == BLK_WRITE, many = req->sectors > 1;
	const struct sd_data data = {.write = write,
				     .stop = many && !card->cmd23,
				     .block_size = SECTOR_SIZE,
				     .blocks = req->sectors,
				     .segments = req->segments,
				     .segment_count = req->segment_count};
	struct sd_command cmd = {.index = indices[write][many],
				 .answer = SD_R1,
				 .arg = sd_address(card, req->sector),
				 .data = &data,
				 .limit = limit_of(card, req)};
	int error = many ? announce(card, write, req->sectors) : 0;

	if (error)
		return error;
	sync_segments(req, true);
	error = sd_execute(card, &cmd);
	sync_segments(req, false);
	req->cpu_bytes = cmd.cpu_bytes;
	if (!error)
		error = sd_status_error(cmd.response[0]);
	/* A card may have read ahead, beyond its end. */
	if (!error && data.stop)
		error = sd_status_error(cmd.stop_response & ~(write ? 0 : STATUS_OUT_OF_RANGE));
	/* What went wrong behind the last block of a write is in the next status. */
	if (!error && write)
		error = sd_settle(card, SD_BUSY_LIMIT);
	if (error)
		report(card, &cmd, req, error);
	return error;
}

/* ---- erasing ---- */

static int erase_range(struct sd_card *card, sector_t first, sector_t last)
{
	const bool mmc = card->kind == SD_MMC;
	int error = sd_simple(card, mmc ? MMC_ERASE_START : SD_ERASE_START, sd_address(card, first), SD_R1, NULL);

	if (!error)
		error = sd_simple(card, mmc ? MMC_ERASE_END : SD_ERASE_END, sd_address(card, last), SD_R1, NULL);
	if (!error)
		error = sd_simple(card, SD_ERASE, card->erase_arg, SD_R1B, NULL);
	return error ? error : sd_settle(card, SD_BUSY_LIMIT);
}

/* Rounded inward: where only whole groups can be erased, a part of one would take its neighbours with it. */
static int discard(struct sd_card *card, const struct blk_request *req)
{
	const sector_t unit = card->erase_unit;
	sector_t at = (req->sector + unit - 1) / unit * unit;
	const sector_t end = (req->sector + req->sectors) / unit * unit;
	int error = 0;

	while (at < end && !error) {
		const sector_t n = min_of(end - at, max_of(DISCARD_SECTORS / unit * unit, unit));

		error = erase_range(card, at, at + n - 1);
		at += n;
	}
	return error;
}

static int flush(struct sd_card *card)
{
	int error = sd_settle(card, SD_BUSY_LIMIT);

	return !error && card->cached ? mmc_flush_cache(card) : error;
}

/* ---- recovery ---- */

/* Whatever the card was doing. 0: it is in the state of transfers again. */
static int stop(struct sd_card *card)
{
	int error;

	/* A card that was not transferring does not know the command, which is as well. */
	(void)sd_simple(card, SD_STOP, 0, SD_R1B, NULL);
	error = sd_settle(card, SD_BUSY_LIMIT);
	/* The status may have told of the command before; once. */
	return error == -EIO || error == -EINVAL ? sd_settle(card, SD_BUSY_LIMIT) : error;
}

/* 0: it can be tried again. What the card itself reports has nothing to do with the bus. */
static int recover(struct sd_card *card, int why, unsigned failures)
{
	const bool bus = why == -EILSEQ || why == -ETIMEDOUT;
	const unsigned slow = card->slow;
	/* Whatever comes next: the memory of a request that ends is nobody's to write to. */
	const int reset = card->host->ops->reset(card->host);

	if (!reset && !sd_slot_empty(card) && !(bus && failures > 1) && !stop(card))
		return 0;
	card->ready = false;
	blk_writes_lost(&card->blk);
	if (reset)
		return reset;
	if (clock_now() >= card->deadline)
		return -ETIMEDOUT; // the next request finds out whether it can be brought up
	blk_count_trouble(&card->blk, BLK_RESTARTED);
	if (bus && failures > 1 && card->slow < 2)
		card->slow++;
	const int error = sd_bring_up(card);

	if (error == -ENODEV) {
		card->slow = slow; // it was being pulled out
	} else if (card->slow > slow) {
		blk_count_trouble(&card->blk, BLK_SLOWER);
		log_warning("%s: errors on the bus: goes on more slowly (step %u of 2)", card->blk.name, card->slow);
	}
	return error;
}

static int once(struct sd_card *card, struct blk_request *req)
{
	switch (req->op) {
	case BLK_READ:
	case BLK_WRITE:
		return transfer_once(card, req);
	case BLK_DISCARD:
		return discard(card, req);
	case BLK_WRITE_ZEROES: // not offered
	case BLK_FLUSH:
		break;
	}
	return flush(card);
}

/* What the queue and those above it know. */
static int request_error(int error)
{
	return error == -ETIMEDOUT || error == -EILSEQ || error == -EOPNOTSUPP || error == -EINVAL ? -EIO : error;
}

static int carry_out(struct sd_card *card, struct blk_request *req)
{
	int error = 0;

	if (!card->ready) {
		/* It was out of the slot: what it had not yet programmed is lost. */
		blk_writes_lost(&card->blk);
		error = sd_bring_up(card);
		if (error)
			return error;
		log_info("%s: the card is back", card->blk.name);
	}
	if ((req->op == BLK_WRITE || req->op == BLK_DISCARD) && card->host->ops->state(card->host) & SD_STATE_LOCKED)
		return -EROFS; // the switch may have been moved while it was out
	for (unsigned failures = 0;;) {
		error = once(card, req);
		if (!error || error == -EROFS || error == -EINVAL)
			return error;
		failures++;
		blk_count_trouble(&card->blk, error == -EILSEQ	    ? BLK_DAMAGED
					      : error == -ETIMEDOUT ? BLK_LATE
								    : BLK_DEVICE_ERROR);
		int brought = recover(card, error, failures);

		if (brought)
			return brought;
		/* A FLUSH is never tried again: it would prove nothing about what the first one was to cover. */
		if (failures == SD_TRIES || req->op == BLK_FLUSH)
			return error;
	}
}

int sd_carry_out(struct sd_card *card, struct blk_request *req)
{
	int error;

	card->deadline = clock_now() + REQUEST_LIMIT + bus_limit(card, req);
	error = carry_out(card, req);
	card->deadline = UINT64_MAX;
	return request_error(error);
}
