// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * DISCARD on SD cards and eMMC: what may be erased is, in pieces that no card is busy with for long, and nothing beside
 * it; by the command that the card offers; also where each command fails once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/block/blkdev.h"
#include "kernel/time.h"
#include "tests/host/sdcase.h"
#include "tests/host/simslot.h"

#define LARGE 65536 // blocks
#define LONGEST 8192

static struct simslot slot;

static const struct variant {
	const char *name;
	enum simcard_kind kind;
	bool groups, discard, old;
	uint32_t unit, arg;
} variants[] = {
    {"SDSC of single blocks", SIMCARD_SDSC, false, false, false, 1, 0},
    {"SDSC of groups", SIMCARD_SDSC, true, false, false, SIMCARD_GROUP, 0},
    {"SDSC of version 1, groups", SIMCARD_SDSC1, true, false, false, SIMCARD_GROUP, 0},
    {"SDHC", SIMCARD_SDHC, false, false, false, 1, 0},
    {"SDHC with DISCARD", SIMCARD_SDHC, false, true, false, 1, 1},
    {"eMMC with DISCARD", SIMCARD_EMMC, false, false, false, 1, 3},
    {"eMMC with TRIM", SIMCARD_EMMC, false, false, true, 1, 1},
    {"eMMC of groups", SIMCARD_EMMC, true, false, true, SIMCARD_GROUP, 0},
};

static int attach(struct simcard *card, bool knows)
{
	simslot_init(&slot, card);
	slot.knows = slot.host.tells = knows;
	return sd_host_add(&slot.host);
}

static uint8_t content(uint64_t block)
{
	const uint8_t byte = (uint8_t)(block * 7 + block / 256 + 1);

	return byte == SIMCARD_ERASED ? 0 : byte;
}

static void start(const struct variant *v)
{
	sdcase_make(v->kind);
	sdcase_card.blocks = LARGE;
	sdcase_card.media = malloc((size_t)LARGE * 512);
	assert_non_null(sdcase_card.media);
	sdcase_card.erase_groups = v->groups;
	sdcase_card.discard = v->discard;
	sdcase_card.old = v->old;
	sdcase_start(attach);
	assert_int_equal(sdcase_dev->sectors, LARGE);
}

/* Discards, and looks at every block of the card. */
static void discard(const struct variant *v, sector_t at, uint32_t len)
{
	const uint64_t first = (at + v->unit - 1) / v->unit * v->unit, end = (at + len) / v->unit * v->unit;

	for (uint64_t b = 0; b < LARGE; b++)
		memset(sdcase_card.media + 512 * b, content(b), 512);
	sdcase_card.erased = sdcase_card.erases = sdcase_card.erase_longest = 0;
	assert_int_equal(blk_discard(sdcase_dev, at, len), 0);
	for (uint64_t b = 0; b < LARGE; b++)
		if (sdcase_card.media[512 * b] != (b >= first && b < end ? SIMCARD_ERASED : content(b)))
			fail_msg("%s, %u at %llu: block %llu is wrong", v->name, (unsigned)len, (unsigned long long)at,
				 (unsigned long long)b);
	assert_int_equal(sdcase_card.erased > 0, end > first);
	assert_true(sdcase_card.erase_longest <= LONGEST);
	assert_true(!sdcase_card.erases || sdcase_card.erase_arg == v->arg);
}

static void body_ranges(void *arg)
{
	static const struct {
		sector_t at;
		uint32_t len;
	} ranges[] = {{0, 1},	  {31, 1},    {31, 2},	  {32, 32},	    {33, 63},	      {1, 62},
		      {17, 4711}, {0, LARGE}, {5, 40000}, {LARGE - 40, 40}, {LARGE - 33, 33}, {100, 2 * LONGEST}};
	const struct variant *v = arg;

	start(v);
	for (size_t i = 0; i < array_size(ranges); i++)
		discard(v, ranges[i].at, ranges[i].len);
	discard(v, 64, 3 * LONGEST + 64);
	assert_int_equal(sdcase_card.erases, 4);
	/* It goes on to work, and what is written then is there. */
	sdcase_use(1);
	sdcase_check();
	assert_int_equal(sdcase_told, 0);
}

static void test_ranges(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(variants); i++)
		harness_run(&(struct harness){0}, body_ranges, (void *)&variants[i]);
}

/* A partition that begins and ends within groups. */
static void body_partition(void *arg)
{
	static const uint8_t entry[16] = {[4] = 0x83, [8] = 49, [12] = 0xe8, [13] = 3}; // 1000 sectors from 49 on
	struct blkdev *part;

	(void)arg;
	sdcase_make(SIMCARD_SDSC);
	sdcase_card.erase_groups = true;
	memset(sdcase_card.media, 0x11, (size_t)SDCASE_BLOCKS * 512);
	memset(sdcase_card.media, 0, 512);
	memcpy(sdcase_card.media + 446, entry, sizeof(entry));
	sdcase_card.media[510] = 0x55;
	sdcase_card.media[511] = 0xaa;
	sdcase_start(attach);
	part = blkdev_find("mmcblk0p1");
	assert_non_null(part);
	assert_int_equal(blk_discard(part, 0, 1000), 0);
	for (unsigned b = 1; b < SDCASE_BLOCKS; b++)
		assert_int_equal(sdcase_card.media[512 * b], b >= 64 && b < 1024 ? SIMCARD_ERASED : 0x11);
	assert_int_equal(blk_discard(part, 0, 1001), -EIO);
}

static void test_partition(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, body_partition, NULL);
}

/* ---- faults ---- */

struct step {
	const struct variant *variant;
	enum simcard_fault fault;
	uint64_t at;
	/* Out. */
	uint64_t commands, fired;
};

static void body_fault(void *arg)
{
	struct step *step = arg;

	start(step->variant);
	sdcase_card.fault = step->fault;
	sdcase_card.fault_at = sdcase_card.commands + step->at;
	sdcase_card.fault_times = 1;
	sdcase_card.fault_busy = 3 * NSEC_PER_SEC;
	discard(step->variant, 40, 2 * LONGEST);
	step->commands = sdcase_card.commands - (sdcase_card.fault_at - step->at);
	step->fired = sdcase_card.fired;
}

/* Bit 19 in an answer too: it says that the command before, or this one, was not carried out. */
static void test_faults(void **state)
{
	static const enum simcard_fault faults[] = {SIMCARD_NO_ANSWER, SIMCARD_BAD_ANSWER, SIMCARD_BUSY, SIMCARD_ERROR};
	static struct step *step;
	unsigned runs = 0;

	(void)state;
	step = harness_shared(sizeof(*step));
	for (size_t f = 0; f < array_size(faults); f++)
		for (size_t v = 1; v < array_size(variants); v += harness_effort() == EFFORT_LONG ? 1 : 6) {
			uint64_t end = 1;

			for (uint64_t at = 0; at < end; at++, runs++) {
				*step = (struct step){
				    .variant = &variants[v], .fault = faults[f], .at = at ? at - 1 : 1000};
				harness_run(&(struct harness){0}, body_fault, step);
				assert_int_equal(step->fired, at > 0);
				end = at ? end : step->commands + 1;
			}
		}
	print_message("%u runs\n", runs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_ranges), cmocka_unit_test(test_partition),
					   cmocka_unit_test(test_faults)};

	return cmocka_run_group_tests_name("SD erasing", tests, NULL, NULL);
}
