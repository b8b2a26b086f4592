// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#include "tests/host/sdcase.h"

#include <stdlib.h>
#include <string.h>

#include "drivers/block/blkdev.h"
#include "drivers/wired.h"
#include "kernel/time.h"

struct simcard sdcase_card;
struct blkdev *sdcase_dev;
char *sdcase_buf;
unsigned sdcase_told;

void sdcase_make(enum simcard_kind kind)
{
	sdcase_card = (struct simcard){.kind = kind,
				       .blocks = SDCASE_BLOCKS,
				       .media = calloc(SDCASE_BLOCKS, 512),
				       .serial = 77,
				       .cmd23 = kind >= SIMCARD_SDHC,
				       .write_busy = 300000};
	assert_non_null(sdcase_card.media);
	simcard_insert(&sdcase_card);
	sdcase_buf = wired_alloc(SDCASE_LEN * SECTOR_SIZE);
	assert_non_null(sdcase_buf);
}

void sdcase_start(sdcase_attach *attach)
{
	assert_int_equal(attach(&sdcase_card, true), 0);
	sdcase_dev = blkdev_find("mmcblk0");
	assert_non_null(sdcase_dev);
}

void sdcase_fill(unsigned round, unsigned place)
{
	for (unsigned i = 0; i < SDCASE_LEN * SECTOR_SIZE; i++)
		sdcase_buf[i] = (char)(i * 7 + i / 512 + round * 31 + place * 5);
}

bool sdcase_matches(const void *data, unsigned round, unsigned place)
{
	const char *p = data;

	for (unsigned i = 0; i < SDCASE_LEN * SECTOR_SIZE; i++)
		if (p[i] != (char)(i * 7 + i / 512 + round * 31 + place * 5))
			return false;
	return true;
}

sector_t sdcase_at(unsigned place)
{
	return 100 + place * 300;
}

/* What a step must have left: 0 no idea, else the round. */
static struct {
	unsigned written, flushed;
} places[SDCASE_PLACES];

/* A failed write leaves the place unknown until the next that works. */
void sdcase_use(unsigned round)
{
	for (unsigned place = 0; place < SDCASE_PLACES; place++) {
		sdcase_fill(round, place);
		places[place].flushed = 0;
		if (blk_write(sdcase_dev, sdcase_at(place), sdcase_buf, SDCASE_LEN)) {
			places[place].written = 0;
			sdcase_told++;
		} else {
			places[place].written = round;
		}
	}
	if (blk_flush(sdcase_dev)) {
		sdcase_told++;
		return;
	}
	for (unsigned place = 0; place < SDCASE_PLACES; place++)
		places[place].flushed = places[place].written;
}

void sdcase_check(void)
{
	for (unsigned place = 0; place < SDCASE_PLACES; place++) {
		if (places[place].flushed)
			assert_true(
			    sdcase_matches(sdcase_card.media + 512 * sdcase_at(place), places[place].flushed, place));
		memset(sdcase_buf, 0, SDCASE_LEN * SECTOR_SIZE);
		if (blk_read(sdcase_dev, sdcase_at(place), sdcase_buf, SDCASE_LEN))
			sdcase_told++;
		else if (places[place].written)
			assert_true(sdcase_matches(sdcase_buf, places[place].written, place));
	}
}

static struct spinlock done_lock = SPINLOCK_INIT("block sync");
static struct waitq done_waitq = WAITQ_INIT(done_waitq);

void sdcase_done(struct blk_request *req)
{
	unsigned long flags = spin_lock(&done_lock);

	*(bool *)req->arg = true;
	waitq_wake_all(&done_waitq);
	spin_unlock(&done_lock, flags);
}

void sdcase_wait(const bool *done)
{
	unsigned long flags = spin_lock(&done_lock);

	while (!*done)
		waitq_wait(&done_waitq, &done_lock, &flags);
	spin_unlock(&done_lock, flags);
}

struct step {
	sdcase_attach *attach;
	enum simcard_kind kind;
	enum simcard_fault fault;
	uint64_t at, times;
	bool knows;
	/* Out. */
	uint64_t commands, fired;
	unsigned told;
};

static void body_fault(void *arg)
{
	struct step *step = arg;
	int error;

	sdcase_make(step->kind);
	sdcase_card.fault = step->fault;
	sdcase_card.fault_at = step->at;
	sdcase_card.fault_times = step->times;
	sdcase_card.fault_block = SDCASE_LEN / 2;
	sdcase_card.fault_busy = step->times == 1 ? 3 * NSEC_PER_SEC : 30 * NSEC_PER_SEC;
	error = step->attach(&sdcase_card, step->knows);
	sdcase_dev = blkdev_find("mmcblk0");
	if (sdcase_dev) {
		sdcase_use(1);
		sdcase_check();
		sdcase_use(2);
		sdcase_check();
	} else {
		/* The slot looks empty, or its sdcase_card cannot be used, and that was said. */
		assert_true(error || step->times > 1 || sdcase_card.fault >= SIMCARD_REMOVED);
	}
	step->commands = sdcase_card.commands;
	step->fired = sdcase_card.fired;
	step->told = sdcase_told;
	/* All is well again, and so must be the rest. */
	sdcase_card.fault_times = 0;
	if (!sdcase_card.present)
		simcard_insert(&sdcase_card);
	if (!sdcase_dev)
		return;
	(void)blk_flush(sdcase_dev);
	sdcase_told = 0;
	sdcase_use(3);
	sdcase_check();
	assert_int_equal(sdcase_told, 0);
	for (unsigned place = 0; place < SDCASE_PLACES; place++)
		assert_true(sdcase_matches(sdcase_card.media + 512 * sdcase_at(place), 3, place));
}

void sdcase_faults(sdcase_attach *attach, enum simcard_kind kind, enum simcard_fault fault, bool for_good)
{
	static struct step *step;
	const enum harness_effort effort = harness_effort();
	const unsigned every = effort == EFFORT_QUICK ? 11 : effort == EFFORT_LONG ? 1 : 4;
	unsigned runs = 0, failed_calls = 0;
	uint64_t fired = 0;

	if (!step)
		step = harness_shared(sizeof(*step));
	*step = (struct step){.attach = attach, .kind = kind};
	harness_run(&(struct harness){0}, body_fault, step);
	for (uint64_t at = 0, end = step->commands; at < end; at += every) {
		*step = (struct step){.attach = attach,
				      .kind = kind,
				      .fault = fault,
				      .at = at,
				      .times = for_good ? UINT64_MAX / 2 : 1,
				      .knows = at % 2};
		harness_run(&(struct harness){.seconds = 120}, body_fault, step);
		runs++;
		fired += step->fired;
		failed_calls += step->told;
	}
	print_message("kind %d, fault %d%s: %u runs, %llu faults, %u calls were told\n", kind, fault,
		      for_good ? " for good" : "", runs, (unsigned long long)fired, failed_calls);
	assert_true(fired >= runs);
	/* What happens once is mended without a word, unless the sdcase_card was out. */
	if (!for_good && fault < SIMCARD_REMOVED && fault != SIMCARD_ERROR)
		assert_true(failed_calls <= runs / 4);
	if (for_good || fault >= SIMCARD_REMOVED)
		assert_true(failed_calls > 0 || fault == SIMCARD_BUSY || fault == SIMCARD_REMOVED_MID);
}
