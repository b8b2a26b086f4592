// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The card protocol on a simulated card: each kind comes up as it should, transfers with as few commands as possible,
 * and then everything goes wrong: every command fails, once and for good, in every way; the card is busy for seconds;
 * it is taken out before every command, and comes back, or another one does. What was acknowledged is on the card,
 * nothing hangs, and a failure is told to who asked.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arch/clock.h"
#include "arch/page.h"
#include "drivers/wired.h"
#include "kernel/bootargs.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "tests/host/harness.h"
#include "tests/host/simslot.h"

#define BLOCKS 4096
#define LEN 64 // sectors of a transfer
#define PLACES 4

static struct simcard card;
static struct simslot slot;
static struct blkdev *dev;
static char *buf;

static void make_card(enum simcard_kind kind)
{
	card = (struct simcard){.kind = kind,
				.blocks = BLOCKS,
				.media = calloc(BLOCKS, 512),
				.serial = 77,
				.cmd23 = kind >= SIMCARD_SDHC,
				.write_busy = 300000};
	assert_non_null(card.media);
	simcard_insert(&card);
	simslot_init(&slot, &card);
	buf = wired_alloc(LEN * SECTOR_SIZE);
	assert_non_null(buf);
}

static void add_slot(void)
{
	assert_int_equal(sd_host_add(&slot.host), 0);
	dev = blkdev_find("mmcblk0");
	assert_non_null(dev);
}

static void fill(unsigned round, unsigned place)
{
	for (unsigned i = 0; i < LEN * SECTOR_SIZE; i++)
		buf[i] = (char)(i * 7 + i / 512 + round * 31 + place * 5);
}

static bool matches(const void *data, unsigned round, unsigned place)
{
	const char *p = data;

	for (unsigned i = 0; i < LEN * SECTOR_SIZE; i++)
		if (p[i] != (char)(i * 7 + i / 512 + round * 31 + place * 5))
			return false;
	return true;
}

static sector_t place_at(unsigned place)
{
	return 100 + place * 300;
}

/* ---- as it should be ---- */

static void body_comes_up(void *arg)
{
	const enum simcard_kind kind = *(const enum simcard_kind *)arg;
	uint64_t before;

	make_card(kind);
	add_slot();
	assert_int_equal(dev->sectors, BLOCKS);
	assert_false(dev->read_only);
	assert_int_equal(card.width, kind == SIMCARD_EMMC ? 8 : 4);
	assert_int_equal(card.timing, 1);
	for (unsigned place = 0; place < PLACES; place++) {
		fill(1, place);
		assert_int_equal(blk_write(dev, place_at(place), buf, LEN), 0);
	}
	assert_int_equal(blk_flush(dev), 0);
	for (unsigned place = 0; place < PLACES; place++) {
		assert_true(matches(card.media + 512 * place_at(place), 1, place));
		memset(buf, 0, LEN * SECTOR_SIZE);
		assert_int_equal(blk_read(dev, place_at(place), buf, LEN), 0);
		assert_true(matches(buf, 1, place));
	}
	assert_int_equal(card.multi_reads, PLACES);
	assert_int_equal(card.multi_writes, PLACES);
	/* The count told before, or the transfer stopped after. */
	assert_int_equal(card.counts, card.cmd23 ? 2 * PLACES : 0);
	assert_int_equal(card.stops, card.cmd23 ? 0 : 2 * PLACES);
	before = card.commands;
	assert_int_equal(blk_read(dev, 7, buf, 1), 0);
	assert_int_equal(card.commands - before, 1);
	/* The last sector, and beyond. */
	assert_int_equal(blk_read(dev, BLOCKS - 1, buf, 1), 0);
	assert_int_equal(blk_read(dev, BLOCKS, buf, 1), -EIO);
}

static void test_comes_up(void **state)
{
	(void)state;
	for (enum simcard_kind kind = SIMCARD_SDSC1; kind <= SIMCARD_EMMC; kind++)
		harness_run(&(struct harness){0}, body_comes_up, &kind);
}

static void body_cmd23(void *arg)
{
	(void)arg;
	bootargs_set("sd.cmd23=off", 12);
	make_card(SIMCARD_SDHC);
	add_slot();
	assert_int_equal(blk_read(dev, 0, buf, LEN), 0);
	assert_int_equal(card.counts, 0);
	assert_int_equal(card.stops, 1);
}

static void body_protected(void *arg)
{
	(void)arg;
	make_card(SIMCARD_SDHC);
	card.write_protected = true;
	add_slot();
	assert_true(dev->read_only);
	assert_int_equal(blk_write(dev, 0, buf, 1), -EROFS);
	assert_int_equal(blk_read(dev, 0, buf, 1), 0);
}

static void test_settings(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, body_cmd23, NULL);
	harness_run(&(struct harness){0}, body_protected, NULL);
}

/* Busy for seconds after a write: it has not ended before the card has. */
static void body_busy(void *arg)
{
	nsec_t start;

	(void)arg;
	make_card(SIMCARD_SDHC);
	card.write_busy = 4 * NSEC_PER_SEC;
	add_slot();
	start = clock_now();
	fill(1, 0);
	assert_int_equal(blk_write(dev, place_at(0), buf, LEN), 0);
	assert_true(clock_now() - start >= 4 * NSEC_PER_SEC);
	assert_int_equal(blk_flush(dev), 0);
	assert_true(matches(card.media + 512 * place_at(0), 1, 0));
	/* For ever, as far as anybody waits. */
	card.write_busy = 4000 * NSEC_PER_SEC;
	assert_int_equal(blk_write(dev, place_at(1), buf, LEN), -EIO);
}

static void test_busy(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, body_busy, NULL);
}

/* ---- everything fails ---- */

/* What a step must have left: 0 no idea, else the round. */
static struct {
	unsigned written, flushed;
} places[PLACES];

static unsigned told;

/* A failed write leaves the place unknown until the next that works. */
static void use(unsigned round)
{
	for (unsigned place = 0; place < PLACES; place++) {
		fill(round, place);
		places[place].flushed = 0;
		if (blk_write(dev, place_at(place), buf, LEN)) {
			places[place].written = 0;
			told++;
		} else {
			places[place].written = round;
		}
	}
	if (blk_flush(dev)) {
		told++;
		return;
	}
	for (unsigned place = 0; place < PLACES; place++)
		places[place].flushed = places[place].written;
}

static void check(void)
{
	for (unsigned place = 0; place < PLACES; place++) {
		if (places[place].flushed)
			assert_true(matches(card.media + 512 * place_at(place), places[place].flushed, place));
		memset(buf, 0, LEN * SECTOR_SIZE);
		if (blk_read(dev, place_at(place), buf, LEN))
			told++;
		else if (places[place].written)
			assert_true(matches(buf, places[place].written, place));
	}
}

struct step {
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

	make_card(step->kind);
	slot.knows = step->knows;
	card.fault = step->fault;
	card.fault_at = step->at;
	card.fault_times = step->times;
	card.fault_block = LEN / 2;
	card.fault_busy = step->times == 1 ? 3 * NSEC_PER_SEC : 30 * NSEC_PER_SEC;
	error = sd_host_add(&slot.host);
	dev = blkdev_find("mmcblk0");
	if (dev) {
		use(1);
		check();
		use(2);
		check();
	} else {
		/* The slot looks empty, or its card cannot be used, and that was said. */
		assert_true(error || step->times > 1 || card.fault >= SIMCARD_REMOVED);
	}
	step->commands = card.commands;
	step->fired = card.fired;
	step->told = told;
	/* All is well again, and so must be the rest. */
	card.fault_times = 0;
	if (!card.present)
		simcard_insert(&card);
	if (!dev)
		return;
	(void)blk_flush(dev);
	told = 0;
	use(3);
	check();
	assert_int_equal(told, 0);
	for (unsigned place = 0; place < PLACES; place++)
		assert_true(matches(card.media + 512 * place_at(place), 3, place));
}

static void faults(enum simcard_kind kind, enum simcard_fault fault, bool for_good)
{
	static struct step *step;
	const enum harness_effort effort = harness_effort();
	const unsigned every = effort == EFFORT_QUICK ? 11 : effort == EFFORT_LONG ? 1 : 4;
	unsigned runs = 0, failed_calls = 0;
	uint64_t fired = 0;

	if (!step)
		step = harness_shared(sizeof(*step));
	*step = (struct step){.kind = kind};
	harness_run(&(struct harness){0}, body_fault, step);
	for (uint64_t at = 0, end = step->commands; at < end; at += every) {
		*step = (struct step){
		    .kind = kind, .fault = fault, .at = at, .times = for_good ? UINT64_MAX / 2 : 1, .knows = at % 2};
		harness_run(&(struct harness){.seconds = 120}, body_fault, step);
		runs++;
		fired += step->fired;
		failed_calls += step->told;
	}
	print_message("kind %d, fault %d%s: %u runs, %llu faults, %u calls were told\n", kind, fault,
		      for_good ? " for good" : "", runs, (unsigned long long)fired, failed_calls);
	assert_true(fired >= runs);
	/* What happens once is mended without a word, unless the card was out. */
	if (!for_good && fault < SIMCARD_REMOVED && fault != SIMCARD_ERROR)
		assert_true(failed_calls <= runs / 4);
	if (for_good || fault >= SIMCARD_REMOVED)
		assert_true(failed_calls > 0 || fault == SIMCARD_BUSY || fault == SIMCARD_REMOVED_MID);
}

static void test_faults_once(void **state)
{
	(void)state;
	for (enum simcard_fault fault = 0; fault < SIMCARD_FAULTS; fault++) {
		faults(SIMCARD_SDHC, fault, false);
		faults(SIMCARD_SDSC, fault, false);
		faults(SIMCARD_EMMC, fault, false);
	}
}

static void test_faults_for_good(void **state)
{
	(void)state;
	for (enum simcard_fault fault = 0; fault < SIMCARD_FAULTS; fault++) {
		faults(SIMCARD_SDHC, fault, true);
		faults(SIMCARD_EMMC, fault, true);
	}
}

/* ---- out, in, another ---- */

static void body_another(void *arg)
{
	struct simcard other;
	char *copy;

	(void)arg;
	make_card(SIMCARD_SDHC);
	add_slot();
	use(1);
	assert_int_equal(told, 0);
	other = card;
	other.s = NULL;
	other.serial = 78;
	other.media = calloc(BLOCKS, 512);
	copy = calloc(BLOCKS, 512);
	assert_non_null(other.media);
	simcard_remove(&card);
	assert_int_equal(blk_write(dev, 0, buf, 1), -ENODEV);
	assert_int_equal(blk_read(dev, 0, buf, 1), -ENODEV);
	simcard_insert(&other);
	slot.card = &other;
	assert_int_equal(blk_write(dev, 0, buf, 1), -ENODEV);
	assert_int_equal(blk_flush(dev), -ENODEV);
	assert_memory_equal(other.media, copy, BLOCKS * 512);
	assert_int_equal(other.multi_writes, card.multi_writes);
	/* The first one again: everything goes on. */
	slot.card = &card;
	simcard_insert(&card);
	assert_int_equal(blk_write(dev, place_at(0), buf, LEN), 0);
	use(2);
	assert_int_equal(blk_flush(dev), 0);
	check();
}

/* What was completed and not flushed before it went may be lost: the next FLUSH says so, the one after it not. */
static void body_lost(void *arg)
{
	(void)arg;
	make_card(SIMCARD_EMMC); // it has a cache
	add_slot();
	fill(1, 0);
	assert_int_equal(blk_write(dev, place_at(0), buf, LEN), 0);
	simcard_remove(&card);
	simcard_insert(&card);
	assert_int_equal(blk_read(dev, 0, buf, 1), 0);
	assert_int_equal(blk_flush(dev), -EIO);
	fill(2, 0);
	assert_int_equal(blk_write(dev, place_at(0), buf, LEN), 0);
	assert_int_equal(blk_flush(dev), 0);
	assert_true(matches(card.media + 512 * place_at(0), 2, 0));
}

static void body_late(void *arg)
{
	(void)arg;
	make_card(SIMCARD_SDHC);
	card.present = false;
	slot.knows = true;
	assert_int_equal(sd_host_add(&slot.host), 0);
	assert_null(blkdev_find("mmcblk0"));
	simcard_insert(&card);
	sd_host_card_changed(&slot.host);
	while (!(dev = blkdev_find("mmcblk0")))
		thread_yield();
	use(1);
	check();
	assert_int_equal(told, 0);
}

static void test_exchange(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, body_another, NULL);
	harness_run(&(struct harness){0}, body_lost, NULL);
	harness_run(&(struct harness){0}, body_late, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_comes_up),	cmocka_unit_test(test_settings),	cmocka_unit_test(test_busy),
	    cmocka_unit_test(test_faults_once), cmocka_unit_test(test_faults_for_good), cmocka_unit_test(test_exchange),
	};

	return cmocka_run_group_tests_name("SD card", tests, NULL, NULL);
}
