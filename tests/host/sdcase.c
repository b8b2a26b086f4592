// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#include "tests/host/sdcase.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arch/clock.h"
#include "arch/host/host.h"
#include "drivers/block/blkdev.h"
#include "drivers/wired.h"
#include "kernel/thread.h"
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

static bool comes_back; // a card that is out is put in again as soon as that was told
static nsec_t longest;	// of a call
static unsigned flushes_failed;

/* Counts what a call told, and how long it took: a result of a call that was begun at `start`. */
static bool failed(nsec_t start, int error)
{
	longest = max_of(longest, clock_now() - start);
	sdcase_told += error != 0;
	if (comes_back && error && !sdcase_card.present)
		simcard_insert(&sdcase_card);
	return error;
}

/* A failed write leaves the place unknown until the next that works, a failed FLUSH what a cache may have lost. */
void sdcase_use(unsigned round)
{
	nsec_t start;
	bool lost;

	for (unsigned place = 0; place < SDCASE_PLACES; place++) {
		sdcase_fill(round, place);
		places[place].flushed = 0;
		start = clock_now();
		lost = failed(start, blk_write(sdcase_dev, sdcase_at(place), sdcase_buf, SDCASE_LEN));
		places[place].written = lost ? 0 : round;
	}
	start = clock_now();
	lost = failed(start, blk_flush(sdcase_dev));
	flushes_failed += lost;
	for (unsigned place = 0; place < SDCASE_PLACES; place++) {
		if (!lost)
			places[place].flushed = places[place].written;
		else if (sdcase_card.kind == SIMCARD_EMMC)
			places[place].written = 0;
	}
}

static void pull_out(struct host_event *event)
{
	(void)event;
	simcard_remove(&sdcase_card);
}

void sdcase_pull(nsec_t after)
{
	static struct host_event pull = {.fire = pull_out};
	const nsec_t start = clock_now();

	host_event_post(&pull, start + after);
	assert_int_equal(blk_read(sdcase_dev, sdcase_at(0), sdcase_buf, SDCASE_LEN), -ENODEV);
	assert_true(clock_now() - start < 100 * NSEC_PER_MSEC);
	assert_int_equal(blk_write(sdcase_dev, sdcase_at(0), sdcase_buf, SDCASE_LEN), -ENODEV);
	simcard_insert(&sdcase_card);
	(void)blk_flush(sdcase_dev);
	sdcase_use(2);
	sdcase_check();
	assert_int_equal(sdcase_told, 0);
}

void sdcase_check(void)
{
	for (unsigned place = 0; place < SDCASE_PLACES; place++) {
		const nsec_t start = clock_now();

		if (places[place].flushed)
			assert_true(
			    sdcase_matches(sdcase_card.media + 512 * sdcase_at(place), places[place].flushed, place));
		memset(sdcase_buf, 0, SDCASE_LEN * SECTOR_SIZE);
		if (!failed(start, blk_read(sdcase_dev, sdcase_at(place), sdcase_buf, SDCASE_LEN)) &&
		    places[place].written)
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
	const struct sdcase *what;
	uint64_t at, times;
	bool knows;
	/* Out. */
	uint64_t counted, fired;
	unsigned told, flushes; // calls that failed, and FLUSHes of these
	nsec_t longest;
};

static struct sdcase_knobs knobs_of(const struct sdcase *what)
{
	if (what->knobs)
		return *what->knobs;
	return (struct sdcase_knobs){.at = &sdcase_card.fault_at,
				     .times = &sdcase_card.fault_times,
				     .counted = &sdcase_card.commands,
				     .fired = &sdcase_card.fired};
}

static bool is_out(const struct sdcase *what)
{
	return !what->knobs && what->fault >= SIMCARD_REMOVED;
}

/* Of a slot where nothing could be made of the card: out and in again, and it is noticed. */
static void put_in_again(void)
{
	const nsec_t deadline = clock_now() + 10 * NSEC_PER_SEC;

	if (sdcase_card.present)
		simcard_remove(&sdcase_card);
	thread_sleep_until(clock_now() + NSEC_PER_SEC);
	simcard_insert(&sdcase_card);
	while (!(sdcase_dev = blkdev_find("mmcblk0")) && clock_now() < deadline)
		thread_sleep_until(clock_now() + NSEC_PER_SEC / 10);
	assert_non_null(sdcase_dev);
}

static void body_fault(void *arg)
{
	static const uint32_t blocks[] = {SDCASE_LEN / 2, 0, SDCASE_LEN - 1};
	struct step *step = arg;
	const struct sdcase *what = step->what;
	const struct sdcase_knobs knobs = knobs_of(what);

	sdcase_make(what->kind);
	sdcase_card.fault = what->fault;
	sdcase_card.fault_block = blocks[step->at % array_size(blocks)];
	sdcase_card.fault_busy = what->polled ? 100 * NSEC_PER_MSEC : (what->for_good ? 30 : 3) * NSEC_PER_SEC;
	*knobs.at = step->at;
	*knobs.times = step->times;
	comes_back = !what->for_good;
	assert_int_equal(what->attach(&sdcase_card, step->knows), 0);
	sdcase_dev = blkdev_find("mmcblk0");
	if (sdcase_dev) {
		sdcase_use(1);
		sdcase_check();
		sdcase_use(2);
		sdcase_check();
	}
	step->counted = *knobs.counted;
	step->fired = *knobs.fired;
	step->told = sdcase_told;
	step->flushes = flushes_failed;
	step->longest = longest;
	/* All is well again, and so must be the rest. */
	*knobs.times = 0;
	thread_sleep_until(clock_now() + sdcase_card.fault_busy);
	sdcase_dev = blkdev_find("mmcblk0");
	if (!sdcase_dev && !step->knows && sdcase_card.kind == SIMCARD_EMMC)
		return; // soldered: nobody looks again
	if (!sdcase_dev)
		put_in_again();
	if (!sdcase_card.present)
		simcard_insert(&sdcase_card);
	(void)blk_flush(sdcase_dev);
	sdcase_told = 0;
	sdcase_use(3);
	sdcase_check();
	assert_int_equal(sdcase_told, 0);
	for (unsigned place = 0; place < SDCASE_PLACES; place++)
		assert_true(sdcase_matches(sdcase_card.media + 512 * sdcase_at(place), 3, place));
}

static struct step *run_one(const struct step *step)
{
	static struct step *shared;

	if (!shared)
		shared = harness_shared(sizeof(*shared));
	*shared = *step;
	harness_run(&(struct harness){.seconds = 120}, body_fault, shared);
	return shared;
}

void sdcase_faults(const struct sdcase *what)
{
	static const unsigned strides[] = {[EFFORT_QUICK] = 53, [EFFORT_DEFAULT] = 23, [EFFORT_LONG] = 1};
	static unsigned turn;
	const unsigned stride = strides[harness_effort()];
	unsigned runs = 0, failed_calls = 0;
	uint64_t fired = 0, end;

	end = run_one(&(struct step){.what = what, .knows = true})->counted;
	/* Other places each time. */
	for (uint64_t at = turn++ * 7 % min_of((uint64_t)stride, end); at < end; at += stride) {
		const struct step *step = run_one(&(struct step){
		    .what = what, .at = at, .times = what->for_good ? UINT64_MAX / 2 : 1, .knows = (at + turn) % 2});

		runs++;
		fired += step->fired;
		failed_calls += step->told;
		assert_true(step->longest <= SDCASE_LIMIT);
		assert_true(what->for_good || step->told <= 3);
		/*
		 * What happens once is mended without a word, unless the card was out or says that it failed: but a
		 * FLUSH is not tried again.
		 */
		if (!what->for_good && !is_out(what) && (what->knobs || what->fault != SIMCARD_ERROR))
			assert_int_equal(step->told, step->flushes);
	}
	print_message("%s, kind %d, fault %d%s: %u runs, %llu faults, %u calls were told\n", what->name, what->kind,
		      what->fault, what->for_good ? " for good" : "", runs, (unsigned long long)fired, failed_calls);
	assert_true(fired >= runs);
}

void sdcase_card_faults(const struct sdcase *all)
{
	for (enum simcard_fault fault = 0; fault < SIMCARD_FAULTS; fault++)
		for (unsigned for_good = 0; for_good < 2; for_good++) {
			struct sdcase what = *all;

			what.fault = fault;
			what.for_good = for_good;
			if (!what.polled || !for_good || (fault != SIMCARD_NO_DATA && fault != SIMCARD_REMOVED_MID))
				sdcase_faults(&what);
		}
}
