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
#include "tests/host/sdcase.h"
#include "tests/host/simslot.h"

static struct simslot slot;

static int attach(struct simcard *card, bool knows)
{
	simslot_init(&slot, card);
	slot.knows = slot.host.tells = knows;
	return sd_host_add(&slot.host);
}

/* ---- as it should be ---- */

static void body_comes_up(void *arg)
{
	const enum simcard_kind kind = *(const enum simcard_kind *)arg;
	uint64_t before;

	sdcase_make(kind);
	sdcase_start(attach);
	assert_int_equal(sdcase_dev->sectors, SDCASE_BLOCKS);
	assert_false(sdcase_dev->read_only);
	assert_int_equal(sdcase_card.width, kind == SIMCARD_EMMC ? 8 : 4);
	assert_int_equal(sdcase_card.timing, 1);
	for (unsigned place = 0; place < SDCASE_PLACES; place++) {
		sdcase_fill(1, place);
		assert_int_equal(blk_write(sdcase_dev, sdcase_at(place), sdcase_buf, SDCASE_LEN), 0);
	}
	assert_int_equal(blk_flush(sdcase_dev), 0);
	for (unsigned place = 0; place < SDCASE_PLACES; place++) {
		assert_true(sdcase_matches(sdcase_card.media + 512 * sdcase_at(place), 1, place));
		memset(sdcase_buf, 0, SDCASE_LEN * SECTOR_SIZE);
		assert_int_equal(blk_read(sdcase_dev, sdcase_at(place), sdcase_buf, SDCASE_LEN), 0);
		assert_true(sdcase_matches(sdcase_buf, 1, place));
	}
	assert_int_equal(sdcase_card.multi_reads, SDCASE_PLACES);
	assert_int_equal(sdcase_card.multi_writes, SDCASE_PLACES);
	/* The count sdcase_told before, or the transfer stopped after. */
	assert_int_equal(sdcase_card.counts, sdcase_card.cmd23 ? 2 * SDCASE_PLACES : 0);
	assert_int_equal(sdcase_card.stops, sdcase_card.cmd23 ? 0 : 2 * SDCASE_PLACES);
	before = sdcase_card.commands;
	assert_int_equal(blk_read(sdcase_dev, 7, sdcase_buf, 1), 0);
	assert_int_equal(sdcase_card.commands - before, 1);
	/* The last sector, and beyond. */
	assert_int_equal(blk_read(sdcase_dev, SDCASE_BLOCKS - 1, sdcase_buf, 1), 0);
	assert_int_equal(blk_read(sdcase_dev, SDCASE_BLOCKS, sdcase_buf, 1), -EIO);
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
	sdcase_make(SIMCARD_SDHC);
	sdcase_start(attach);
	assert_int_equal(blk_read(sdcase_dev, 0, sdcase_buf, SDCASE_LEN), 0);
	assert_int_equal(sdcase_card.counts, 0);
	assert_int_equal(sdcase_card.stops, 1);
}

static void body_protected(void *arg)
{
	(void)arg;
	sdcase_make(SIMCARD_SDHC);
	sdcase_card.write_protected = true;
	sdcase_start(attach);
	assert_true(sdcase_dev->read_only);
	assert_int_equal(blk_write(sdcase_dev, 0, sdcase_buf, 1), -EROFS);
	assert_int_equal(blk_read(sdcase_dev, 0, sdcase_buf, 1), 0);
}

/* Fewer lines reach it than it and the host have. */
static void body_lines(void *arg)
{
	const uint32_t lines = *(const uint32_t *)arg;

	sdcase_make(SIMCARD_EMMC);
	sdcase_card.lines = lines;
	sdcase_start(attach);
	assert_int_equal(sdcase_card.width, lines);
	assert_int_equal(sdcase_card.timing, 1);
	sdcase_use(1);
	sdcase_check();
	assert_int_equal(sdcase_told, 0);
}

/* The model fails the test for data of the boot area. */
static void body_boot_area(void *arg)
{
	(void)arg;
	sdcase_make(SIMCARD_EMMC);
	sdcase_card.partition = 0x49;
	sdcase_start(attach);
	sdcase_use(1);
	assert_int_equal(sdcase_told, 0);
	assert_int_equal(sdcase_card.partition, 0x48); // what it boots from stays
}

static void test_mmc(void **state)
{
	static const uint32_t lines[] = {8, 4, 1};

	(void)state;
	for (size_t i = 0; i < array_size(lines); i++)
		harness_run(&(struct harness){0}, body_lines, (void *)&lines[i]);
	harness_run(&(struct harness){0}, body_boot_area, NULL);
}

static void test_settings(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, body_cmd23, NULL);
	harness_run(&(struct harness){0}, body_protected, NULL);
}

/* Busy for seconds after a write: it has not ended before the sdcase_card has. */
static void body_busy(void *arg)
{
	nsec_t start;

	(void)arg;
	sdcase_make(SIMCARD_SDHC);
	sdcase_card.write_busy = 4 * NSEC_PER_SEC;
	sdcase_start(attach);
	start = clock_now();
	sdcase_fill(1, 0);
	assert_int_equal(blk_write(sdcase_dev, sdcase_at(0), sdcase_buf, SDCASE_LEN), 0);
	assert_true(clock_now() - start >= 4 * NSEC_PER_SEC);
	assert_int_equal(blk_flush(sdcase_dev), 0);
	assert_true(sdcase_matches(sdcase_card.media + 512 * sdcase_at(0), 1, 0));
	/* For ever, as far as anybody waits. */
	sdcase_card.write_busy = 4000 * NSEC_PER_SEC;
	assert_int_equal(blk_write(sdcase_dev, sdcase_at(1), sdcase_buf, SDCASE_LEN), -EIO);
}

static void test_busy(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, body_busy, NULL);
}

/* ---- everything fails ---- */

static void test_faults(void **state)
{
	(void)state;
	for (enum simcard_kind kind = SIMCARD_SDSC; kind <= SIMCARD_EMMC; kind++)
		sdcase_card_faults(&(struct sdcase){.name = "slot", .attach = attach, .kind = kind});
}

/* ---- out, in, another ---- */

static void body_another(void *arg)
{
	struct simcard other;
	char *copy;

	(void)arg;
	sdcase_make(SIMCARD_SDHC);
	sdcase_start(attach);
	sdcase_use(1);
	assert_int_equal(sdcase_told, 0);
	other = sdcase_card;
	other.s = NULL;
	other.serial = 78;
	other.media = calloc(SDCASE_BLOCKS, 512);
	copy = calloc(SDCASE_BLOCKS, 512);
	assert_non_null(other.media);
	simcard_remove(&sdcase_card);
	assert_int_equal(blk_write(sdcase_dev, 0, sdcase_buf, 1), -ENODEV);
	assert_int_equal(blk_read(sdcase_dev, 0, sdcase_buf, 1), -ENODEV);
	simcard_insert(&other);
	slot.card = &other;
	assert_int_equal(blk_write(sdcase_dev, 0, sdcase_buf, 1), -ENODEV);
	assert_int_equal(blk_flush(sdcase_dev), -ENODEV);
	assert_memory_equal(other.media, copy, SDCASE_BLOCKS * 512);
	assert_int_equal(other.multi_writes, sdcase_card.multi_writes);
	/* The first one again: everything goes on. */
	slot.card = &sdcase_card;
	simcard_insert(&sdcase_card);
	assert_int_equal(blk_write(sdcase_dev, sdcase_at(0), sdcase_buf, SDCASE_LEN), 0);
	sdcase_use(2);
	assert_int_equal(blk_flush(sdcase_dev), 0);
	sdcase_check();
}

/* What was completed and not flushed before it went may be lost: the next FLUSH says so, the one after it not. */
static void body_lost(void *arg)
{
	(void)arg;
	sdcase_make(SIMCARD_EMMC); // it has a cache
	sdcase_start(attach);
	sdcase_fill(1, 0);
	assert_int_equal(blk_write(sdcase_dev, sdcase_at(0), sdcase_buf, SDCASE_LEN), 0);
	simcard_remove(&sdcase_card);
	simcard_insert(&sdcase_card);
	assert_int_equal(blk_read(sdcase_dev, 0, sdcase_buf, 1), 0);
	assert_int_equal(blk_flush(sdcase_dev), -EIO);
	sdcase_fill(2, 0);
	assert_int_equal(blk_write(sdcase_dev, sdcase_at(0), sdcase_buf, SDCASE_LEN), 0);
	assert_int_equal(blk_flush(sdcase_dev), 0);
	assert_true(sdcase_matches(sdcase_card.media + 512 * sdcase_at(0), 2, 0));
}

/* Into an empty slot: it is told of, or looked for. */
static void body_late(void *arg)
{
	const bool knows = *(const bool *)arg;

	sdcase_make(SIMCARD_SDHC);
	sdcase_card.present = false;
	assert_int_equal(attach(&sdcase_card, knows), 0);
	assert_null(blkdev_find("mmcblk0"));
	simcard_insert(&sdcase_card);
	while (!(sdcase_dev = blkdev_find("mmcblk0")))
		thread_yield();
	sdcase_use(1);
	sdcase_check();
	assert_int_equal(sdcase_told, 0);
}

static void test_exchange(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, body_another, NULL);
	harness_run(&(struct harness){0}, body_lost, NULL);
	for (unsigned knows = 0; knows < 2; knows++)
		harness_run(&(struct harness){0}, body_late, &(bool){knows});
}

/* ---- a host that does what the test says ---- */

static const struct sd_host_ops *real;
static struct sd_host_ops scripted;
static unsigned calls;

static int attach_scripted(struct simcard *card, bool knows)
{
	simslot_init(&slot, card);
	slot.knows = slot.host.tells = knows;
	real = slot.host.ops;
	scripted.execute = scripted.execute ? scripted.execute : real->execute;
	scripted.state = scripted.state ? scripted.state : real->state;
	scripted.configure = real->configure;
	scripted.reset = real->reset;
	scripted.poll = scripted.poll ? scripted.poll : real->poll;
	slot.host.ops = &scripted;
	return sd_host_add(&slot.host);
}

static unsigned insert_after_look(struct sd_host *host)
{
	const unsigned state = real->state(host);

	if (!sdcase_card.present && !calls++)
		simcard_insert(&sdcase_card);
	return state;
}

/* Between the first look at the slot and the time when somebody waits for what it tells. */
static void body_just_after(void *arg)
{
	const nsec_t deadline = clock_now() + 10 * NSEC_PER_SEC;

	(void)arg;
	scripted.state = insert_after_look;
	sdcase_make(SIMCARD_SDHC);
	simcard_remove(&sdcase_card);
	assert_int_equal(attach_scripted(&sdcase_card, true), 0);
	assert_int_equal(calls, 1);
	while (!(sdcase_dev = blkdev_find("mmcblk0")) && clock_now() < deadline)
		thread_sleep_until(clock_now() + NSEC_PER_SEC / 10);
	assert_non_null(sdcase_dev);
	sdcase_use(1);
	sdcase_check();
	assert_int_equal(sdcase_told, 0);
}

/* Two errors on the bus, as of a card that is being pulled out, and it is out. */
static int damage_and_remove(struct sd_host *host, struct sd_command *cmd)
{
	if (cmd->index != 18 || !calls)
		return real->execute(host, cmd);
	if (!--calls)
		simcard_remove(&sdcase_card);
	return -EILSEQ;
}

/* That was no fault of the bus: back in, it is as fast as before. */
static void body_not_slower(void *arg)
{
	struct blkdev_stats stats;
	unsigned pending;

	(void)arg;
	scripted.execute = damage_and_remove;
	sdcase_make(SIMCARD_SDHC);
	sdcase_start(attach_scripted);
	calls = 2;
	assert_int_equal(blk_read(sdcase_dev, 0, sdcase_buf, SDCASE_LEN), -ENODEV);
	assert_int_equal(calls, 0);
	simcard_insert(&sdcase_card);
	sdcase_use(1);
	sdcase_check();
	assert_int_equal(sdcase_card.width, 4);
	assert_int_equal(sdcase_card.timing, 1);
	blk_stats(sdcase_dev, &stats, &pending);
	assert_int_equal(stats.troubles[BLK_SLOWER], 0);
}

/* The status of the hint before a write has ERROR, once a write. */
static int fail_hint(struct sd_host *host, struct sd_command *cmd)
{
	const int error = real->execute(host, cmd);

	if (cmd->index == 23 && calls) {
		calls--;
		cmd->response[0] |= 1u << 19;
	}
	return error;
}

static void body_said(void *arg)
{
	(void)arg;
	scripted.execute = fail_hint;
	sdcase_make(SIMCARD_SDSC); // it knows no SET_BLOCK_COUNT: the hint is the application command
	sdcase_card.cmd23 = false;
	sdcase_start(attach_scripted);
	for (unsigned i = 0; i < 3; i++) {
		calls = 1;
		sdcase_use(1 + i);
		sdcase_check();
		assert_int_equal(calls, 0);
	}
	assert_int_equal(sdcase_told, 0);
}

static bool flag(struct sd_host *host)
{
	(void)host;
	return calls;
}

static void note_poll(struct sd_host *host)
{
	(void)host;
	calls++;
}

static bool not_yet(struct sd_host *host)
{
	(void)host;
	return false;
}

/* The interrupt did not come: the controller is looked at before the time is over for good. */
static void body_last_look(void *arg)
{
	const struct sd_host_ops ops = {.poll = note_poll};
	struct sd_host host = {.ops = &ops, .transfer = SD_PIO};
	const nsec_t start = clock_now();

	(void)arg;
	sd_host_init(&host);
	assert_int_equal(sd_host_wait(&host, flag, start + NSEC_PER_MSEC), 0);
	assert_int_equal(calls, 1);
	assert_true(clock_now() - start >= NSEC_PER_MSEC);
	assert_int_equal(sd_host_wait(&host, not_yet, clock_now() + NSEC_PER_MSEC), -ETIMEDOUT);
	assert_int_equal(calls, 2);
}

static unsigned count_of(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)); text += strlen(what))
		n++;
	return n;
}

static void test_scripted(void **state)
{
	const char *log;

	(void)state;
	harness_run(&(struct harness){0}, body_just_after, NULL);
	harness_run(&(struct harness){0}, body_not_slower, NULL);
	harness_run(&(struct harness){0}, body_last_look, NULL);
	assert_int_equal(harness_status(&(struct harness){0}, body_said, NULL, &log), 0);
	assert_int_equal(count_of(log, "mmcblk0: SET_WR_BLK_ERASE_COUNT: error (5), card status 00080920"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_comes_up), cmocka_unit_test(test_settings), cmocka_unit_test(test_busy),
	    cmocka_unit_test(test_mmc),	     cmocka_unit_test(test_faults),   cmocka_unit_test(test_exchange),
	    cmocka_unit_test(test_scripted),
	};

	return cmocka_run_group_tests_name("SD card", tests, NULL, NULL);
}
