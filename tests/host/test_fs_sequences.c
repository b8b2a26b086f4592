// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Sequences of two operations with something made durable after each, of which some or all are carried out
 * (sequence.h), each in a directory of its own and from a synced volume. The power is cut after each call that
 * acknowledged something, with nothing on the card but what is durable; and somewhere in the midst, with a subset of
 * the rest. The journal is replayed by the mount, and for some images by e2fsck; then nothing is left to be repaired,
 * what was promised is there, and nothing is half done. On plain ext2 the mount puts right what the cut left (P2).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/host/harness.h"
#include "tests/host/image.h"
#include "tests/host/sequence.h"
#include "tests/host/simlog.h"
#include "tests/host/stack.h"

#define RECORDED 24u // sequences in a recording
#define BY_E2FSCK 4u // images of which one is replayed by e2fsck as well
#define STRIDE 7919u // prime: so a few sequences are of all kinds

static const unsigned wanted[] = {[EFFORT_QUICK] = 24, [EFFORT_DEFAULT] = 144, [EFFORT_LONG] = UINT32_MAX};

static struct shared {
	bool journalled;
	unsigned numbers[RECORDED], count;
	/* The cut: in which sequence, and how many of its operations had been acknowledged, and may have begun. */
	unsigned at, acknowledged, begun;
} * shared;

static struct sequence sequence; // the one that is worked on

/* Facts in the recording: so many operations of a sequence are acknowledged. */
static uint64_t fact_of(unsigned i, unsigned acknowledged)
{
	return i * 4 + acknowledged;
}

static const char *top_of(unsigned i)
{
	static char path[16];

	(void)snprintf(path, sizeof(path), "/s%u", i);
	return path;
}

static void prepare(void *arg)
{
	(void)arg;
	harness_start();
	for (unsigned i = 0; i < RECORDED; i++)
		sequence_prepare(top_of(i));
	assert_int_equal(harness_stop(), 0);
}

static void work(void *arg)
{
	(void)arg;
	harness_start();
	for (unsigned i = 0; i < shared->count; i++) {
		assert_true(sequence_make(&sequence, shared->numbers[i]));
		simdisk_mark(fact_of(i, 0));
		for (unsigned n = 0; n < 2; n++) {
			sequence_operate(&sequence, top_of(i), n);
			sequence_persist(&sequence, top_of(i), n);
			simdisk_mark(fact_of(i, n + 1));
		}
		assert_int_equal(fs_sync(), 0);
	}
}

static void look(void *arg)
{
	(void)arg;
	harness_start();
	for (unsigned i = 0; i < shared->count; i++) {
		const unsigned begun = i < shared->at ? 2 : i > shared->at ? 0 : shared->begun;
		struct sequence_promise promise;

		assert_true(sequence_make(&sequence, shared->numbers[i]));
		promise = sequence_promised(&sequence, i == shared->at ? shared->acknowledged : begun);
		if (i < shared->at) { // synced as a whole
			promise.names = promise.old = 2;
			for (unsigned o = 0; o < SEQUENCE_OBJECTS; o++)
				promise.data[o] = 2;
		}
		sequence_check(&sequence, top_of(i), &promise, begun, shared->journalled);
	}
	assert_int_equal(harness_stop(), 0);
}

static void check_mount(const char *image, const char *what)
{
	const char *mounted = image_path("mounted"), *said;
	const int status = harness_status(&(struct harness){.frames = 2048, .disk = {.image = image, .save = mounted}},
					  look, NULL, &said);

	if (status)
		fail_msg("%s: the mount run ended with %d\n%s", what, status, said);
	if (shared->journalled && strstr(said, "recounting"))
		fail_msg("%s: the mount had to recount\n%s", what, said);
	if (image_e2fsck(mounted, "-n"))
		fail_msg("%s: e2fsck finds something after a mount and an unmount\n%s", what, said);
}

static void check_cut(const struct simlog *log, uint64_t tick, uint64_t seed, bool by_e2fsck)
{
	const char *cut = image_path("cut");
	char what[400];

	assert_true(sequence_make(&sequence, shared->numbers[shared->at]));
	(void)snprintf(what, sizeof(what), "sequence %u (%s), tick %llu, subset %llu, %u acknowledged",
		       shared->numbers[shared->at], sequence_text(&sequence), (unsigned long long)tick,
		       (unsigned long long)seed, shared->acknowledged);
	simlog_cut(log, tick, seed, cut);
	check_mount(cut, what);
	if (!shared->journalled || !by_e2fsck)
		return;
	if (image_replay(cut) > 1)
		fail_msg("%s: e2fsck cannot replay the journal", what);
	if (image_e2fsck(cut, "-n"))
		fail_msg("%s: e2fsck finds something after its replay", what);
	check_mount(cut, what);
}

/* Cuts of one recording. */
static unsigned check_recording(const struct simlog *log)
{
	unsigned images = 0;

	for (unsigned i = 0; i < shared->count; i++) {
		const uint64_t from = simlog_marked(log, fact_of(i, 0)), to = simlog_marked(log, fact_of(i, 2));
		const uint64_t middle = from + shared->numbers[i] * (uint64_t)STRIDE % (to - from);

		assert_true(sequence_make(&sequence, shared->numbers[i]));
		shared->at = i;
		for (unsigned n = 1; n <= 2; n++) {
			if (sequence.persist[n - 1] == SEQUENCE_NOTHING)
				continue;
			shared->acknowledged = n;
			shared->begun = n;
			check_cut(log, simlog_marked(log, fact_of(i, n)), 0, images % BY_E2FSCK == 0);
			images++;
		}
		shared->acknowledged = simlog_marked(log, fact_of(i, 1)) <= middle;
		shared->begun = 2;
		check_cut(log, middle, 2 + shared->numbers[i], images % BY_E2FSCK == 0);
		images++;
	}
	return images;
}

/* The next numbers, from *n on, of sequences that there are. */
static void choose(unsigned *n, unsigned most)
{
	for (shared->count = 0; *n < sequence_count() && shared->count < most; ++*n) {
		const unsigned number = (unsigned)(*n * (uint64_t)STRIDE % sequence_count());

		if (sequence_make(&sequence, number))
			shared->numbers[shared->count++] = number;
	}
}

/* The image that recordings begin with. */
static const char *make_base(unsigned block, bool journalled)
{
	const char *fresh = image_path("fresh"), *base = image_path("base");
	char options[32], size[16];

	if (!shared)
		shared = harness_shared(sizeof(*shared));
	assert_true(sequence_count() % STRIDE != 0);
	shared->journalled = journalled;
	(void)snprintf(options, sizeof(options), "-b %u -N 512%s", block, journalled ? " -j" : "");
	(void)snprintf(size, sizeof(size), "%uK", block * 3);
	image_mke2fs(fresh, size, options);
	harness_run(&(struct harness){.frames = 2048, .disk = {.image = fresh, .save = base}}, prepare, NULL);
	return base;
}

static void cuts(unsigned block, bool journalled)
{
	const char *base = make_base(block, journalled), *record = image_path("record");
	unsigned sequences = 0, images = 0, n = 0;

	while (sequences < wanted[harness_effort()]) {
		struct simlog *log;

		choose(&n, min_of(RECORDED, wanted[harness_effort()] - sequences));
		if (!shared->count)
			break;
		harness_run(&(struct harness){.frames = 2048, .disk = {.image = base, .record = record, .seed = n}},
			    work, NULL);
		log = simlog_open(record, base);
		images += check_recording(log);
		sequences += shared->count;
		simlog_close(log);
	}
	print_message("block %u%s: %u sequences, %u crash images\n", block, journalled ? ", journal" : "", sequences,
		      images);
}

/* Where FLUSH does nothing, nothing that was promised is there: this must be found. Prints what it finds. */
static void test_dropped_flush(void **state)
{
	const char *base = make_base(1024, true), *record = image_path("record"), *cut = image_path("cut");
	struct simlog *log;
	unsigned n = 0;

	(void)state;
	choose(&n, 4);
	harness_run(&(struct harness){.frames = 2048, .disk = {.image = base, .record = record, .drop_flush = true}},
		    work, NULL);
	log = simlog_open(record, base);
	shared->acknowledged = shared->begun = 2;
	for (shared->at = 0; shared->at < shared->count; shared->at++) {
		simlog_cut(log, simlog_marked(log, fact_of(shared->at, 2)), 0, cut);
		assert_int_not_equal(
		    harness_status(&(struct harness){.frames = 2048, .disk = {.image = cut}}, look, NULL, NULL), 0);
	}
	simlog_close(log);
}

static void test_journal(void **state)
{
	(void)state;
	cuts(1024, true);
}

static void test_plain(void **state)
{
	(void)state;
	cuts(1024, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_dropped_flush),
	    cmocka_unit_test(test_journal),
	    cmocka_unit_test(test_plain),
	};

	return cmocka_run_group_tests_name("fs: every sequence of two operations", tests, NULL, NULL);
}
