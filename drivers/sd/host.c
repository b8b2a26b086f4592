// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * A slot: its host's waiting, the block device of the card in it, and the thread that carries out what the block
 * queue hands over, one request after the other. The first card makes the device; from then on only that card is
 * used. Without one at start the thread waits until the slot reports one.
 *
 * sd_card.lock guards what the queue and the thread share; it nests inside the block queue's lock (start).
 * sd_host.lock is the host's. Completions are handed up without either. In a panic the panicking hart takes the card
 * over, and polls.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arch/clock.h"
#include "arch/hart.h"
#include "arch/irq.h"
#include "drivers/sd/card.h"
#include "drivers/wired.h"
#include "kernel/bootargs.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/time.h"

#define REQUEST_TIMEOUT (300 * NSEC_PER_SEC) // beyond what the card's own limits add up to

#define LOOK_PERIOD (3 * NSEC_PER_SEC)

static unsigned slots_found;

/* ---- waiting ---- */

static bool may_sleep(void)
{
	return thread_self() && irq_enabled() && !spin_depth() && !panic_begun();
}

int sd_host_wait(struct sd_host *host, bool (*done)(struct sd_host *host), nsec_t deadline)
{
	const bool sleeps = may_sleep() && host->transfer != SD_POLLED;

	for (bool late = false, last = false;; last = late) {
		unsigned long flags = spin_lock(&host->lock);
		bool is_done = done(host);

		while (sleeps && !is_done && !late) {
			late = waitq_wait_until(&host->waitq, &host->lock, &flags, deadline);
			is_done = done(host);
		}
		spin_unlock(&host->lock, flags);
		if (is_done)
			return 0;
		if (last)
			return -ETIMEDOUT;
		late = late || clock_now() >= deadline;
		host->ops->poll(host);
	}
}

static bool never(struct sd_host *host)
{
	(void)host;
	return false;
}

void sd_host_sleep(struct sd_host *host, nsec_t until)
{
	(void)sd_host_wait(host, never, until);
}

void sd_host_wake(struct sd_host *host)
{
	unsigned long flags = spin_lock(&host->lock);

	waitq_wake_all(&host->waitq);
	spin_unlock(&host->lock, flags);
}

enum sd_transfer sd_transfer_wanted(void)
{
	char value[8];
	int len = bootargs_get("sd.transfer", value, sizeof(value));

	if (len == -ENOENT || (len > 0 && !strcmp(value, "dma")))
		return SD_DMA;
	if (len > 0 && !strcmp(value, "pio"))
		return SD_PIO;
	if (len > 0 && !strcmp(value, "polled"))
		return SD_POLLED;
	log_warning("sd.transfer= must be dma, pio or polled: dma is used");
	return SD_DMA;
}

/* ---- the block device ---- */

static struct sd_card *card_of(struct blkdev *dev)
{
	return dev->driver;
}

static int card_start(struct blkdev *dev, struct blk_request *req)
{
	struct sd_card *card = card_of(dev);
	unsigned long flags = spin_lock(&card->lock);
	int error = card->count < SD_TAKEN_MAX ? 0 : -EAGAIN;

	if (!error) {
		card->taken[card->count++] = req;
		waitq_wake_all(&card->work);
	}
	spin_unlock(&card->lock, flags);
	return error;
}

static struct blk_request *card_next(struct sd_card *card, bool *giving_up)
{
	unsigned long flags = spin_lock(&card->lock);
	struct blk_request *req = card->count ? card->taken[0] : NULL;

	*giving_up = card->giving_up;
	card->host->transfer = card->way;
	card->working = req;
	spin_unlock(&card->lock, flags);
	return req;
}

/* Gives its place to the next before it is completed, so that there is one while the queue looks for more. */
static void card_end(struct sd_card *card, struct blk_request *req, int error)
{
	unsigned long flags = spin_lock(&card->lock);

	card->count--;
	for (unsigned i = 0; i < card->count; i++)
		card->taken[i] = card->taken[i + 1];
	spin_unlock(&card->lock, flags);
	blk_complete(&card->blk, req, error);
	flags = spin_lock(&card->lock);
	card->working = false;
	waitq_wake_all(&card->idle);
	spin_unlock(&card->lock, flags);
}

/* One request; false: there is none. */
static bool card_work(struct sd_card *card)
{
	bool giving_up;
	struct blk_request *req = card_next(card, &giving_up);

	if (req)
		card_end(card, req, giving_up ? -EIO : sd_carry_out(card, req));
	return req;
}

/* The thread works, but in a panic, when nobody runs any more: then what was under way is begun anew. */
static void card_poll(struct blkdev *dev)
{
	struct sd_card *card = card_of(dev);
	static struct sd_card *taken_over;

	if (!panic_begun()) {
		card->host->ops->poll(card->host);
		return;
	}
	if (taken_over != card) {
		taken_over = card;
		(void)card->host->ops->reset(card->host); // what fails now fails again where it is reported
	}
	(void)card_work(card);
}

/* Every wait of the thread has an end: it is told to fail what it has, and waited for. */
static int card_reset(struct blkdev *dev)
{
	struct sd_card *card = card_of(dev);
	unsigned long flags = spin_lock(&card->lock);

	card->giving_up = true;
	while ((card->count || card->working) && !panic_begun())
		waitq_wait(&card->idle, &card->lock, &flags);
	spin_unlock(&card->lock, flags);
	while (panic_begun() && card_work(card))
		continue;
	flags = spin_lock(&card->lock);
	card->giving_up = false;
	spin_unlock(&card->lock, flags);
	return 0;
}

static const struct blkdev_ops card_ops = {.start = card_start, .poll = card_poll, .reset = card_reset};

static void card_describe(struct sd_card *card)
{
	const struct sd_host *host = card->host;
	struct blkdev *blk = &card->blk;

	blk->sectors = card->csd.sectors;
	blk->read_only = card->csd.write_protected || (host->ops->state(card->host) & SD_STATE_LOCKED);
	blk->has_flush = true;
	blk->max_segments = host->max_segments;
	blk->max_segment_bytes = host->max_segment_bytes;
	blk->max_sectors = host->max_blocks;
	blk->depth = SD_TAKEN_MAX;
	blk->max_discard_sectors = card->erase_unit ? SD_DISCARD_SECTORS : 0;
	blk->block_size = SECTOR_SIZE;
	blk->timeout = REQUEST_TIMEOUT;
	blk->reach = host->reach;
	blk->ops = &card_ops;
	blk->driver = card;
}

static void card_log(const struct sd_card *card)
{
	static const char *const timings[] = {"", "default speed", "high speed"};
	static const char *const transfers[] = {"DMA", "PIO", "polled"};
	char name[7];

	for (unsigned i = 0; i < 6; i++) {
		char c = (char)sd_bits(card->cid, 103 - 8 * i, 96 - 8 * i);

		name[i] = c >= ' ' && c < 127 ? c : '?';
	}
	name[card->kind == SD_MMC ? 6 : 5] = 0;
	log_info("%s: %s card %s on %s: %s, %u line%s, at most %u kHz, %s", card->blk.name,
		 card->kind == SD_MMC ? "MMC"
		 : card->bytes	      ? "SDSC"
				      : "SDHC",
		 name, card->host->name, timings[card->ios.timing], (unsigned)card->ios.width,
		 card->ios.width == 1 ? "" : "s", (unsigned)(card->ios.clock / 1000), transfers[card->host->transfer]);
}

/* ---- the thread ---- */

/* Nobody would tell of a card that comes. */
static bool must_look(const struct sd_card *card)
{
	struct sd_host *host = card->host;

	if (card->blk.sectors || !host->removable)
		return false;
	return !host->tells || !(host->ops->state(host) & SD_STATE_KNOWN);
}

/* True: there is work; false: the slot changed, or is to be looked at. */
static bool card_wait(struct sd_card *card)
{
	const nsec_t until = must_look(card) ? clock_now() + LOOK_PERIOD : UINT64_MAX;
	unsigned long flags = spin_lock(&card->lock);
	bool work;

	while (!card->count && !card->changed && !waitq_wait_until(&card->work, &card->lock, &flags, until))
		continue;
	work = card->count;
	card->changed = false;
	spin_unlock(&card->lock, flags);
	return work;
}

/* The first card: the device is made of it. Its partitions are read by the thread, so another one registers it. */
static int card_found(struct sd_card *card)
{
	int error = sd_bring_up(card);

	if (error)
		return error;
	card_describe(card);
	card_log(card);
	return 0;
}

static void *card_register(void *arg)
{
	struct sd_card *card = arg;

	if (blkdev_register(&card->blk))
		log_error("%s: cannot be used", card->blk.name);
	return NULL;
}

static void card_look(struct sd_card *card)
{
	if (card->blk.sectors) {
		/* It is brought up by the next request. */
		if (sd_slot_empty(card))
			sd_card_gone(card);
		return;
	}
	if (!card_found(card) && thread_create("sd-found", THREAD_STACK_SIZE, card_register, card, NULL))
		log_error("%s: no memory for the card", card->blk.name);
}

static void *card_main(void *arg)
{
	struct sd_card *card = arg;

	for (;;) {
		if (card_wait(card))
			(void)card_work(card);
		else
			card_look(card);
	}
	return NULL;
}

void sd_host_card_changed(struct sd_host *host)
{
	unsigned long flags = spin_lock(&host->lock);
	struct sd_card *card = host->card;

	spin_unlock(&host->lock, flags);
	if (!card)
		return; // it has not been looked at yet
	flags = spin_lock(&card->lock);
	card->changed = true;
	waitq_wake_all(&card->work);
	spin_unlock(&card->lock, flags);
}

void sd_host_init(struct sd_host *host)
{
	spin_init(&host->lock, "sd host");
	waitq_init(&host->waitq);
}

int sd_host_add(struct sd_host *host)
{
	struct sd_card *card = wired_alloc(sizeof(*card));
	unsigned long flags;
	int error;

	if (!card)
		return -ENOMEM;
	card->buf = wired_alloc(PAGE_SIZE);
	if (!card->buf)
		return -ENOMEM;
	card->host = host;
	card->deadline = UINT64_MAX;
	snprintf(card->blk.name, sizeof(card->blk.name), "mmcblk%u", slots_found++);
	spin_init(&card->lock, "sd card");
	waitq_init(&card->work);
	waitq_init(&card->idle);
	sd_facts_add(card);
	/* Before the first look, so that what changes after it is not missed. */
	flags = spin_lock(&host->lock);
	host->card = card;
	spin_unlock(&host->lock, flags);
	/* Whatever is wrong with what is in it: another card may come. */
	if (card_found(card) == -ENODEV)
		log_info("%s: no card in the slot %s", card->blk.name, host->name);
	error = thread_create("sd", THREAD_STACK_SIZE, card_main, card, &card->thread);
	return error || !card->blk.sectors ? error : blkdev_register(&card->blk);
}
