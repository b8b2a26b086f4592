// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* maplog on Linux files: what is appended is read, across sizes, openings, segments and policies. */
#include "tests/host/maplog_dir.h"

#include "maplog/crc32c.h"
#include "maplog/format.h"

static void test_checksum(void **state)
{
	uint8_t zeros[32] = {0};

	(void)state;
	/* RFC 3720, appendix B.4, and the usual check value. */
	assert_int_equal(maplog_crc32c(0, zeros, sizeof(zeros)), 0x8a9136aa);
	assert_int_equal(maplog_crc32c(0, "123456789", 9), 0xe3069283);
	for (size_t cut = 0; cut <= 9; cut++)
		assert_int_equal(maplog_crc32c(maplog_crc32c(0, "123456789", cut), "123456789" + cut, 9 - cut),
				 0xe3069283);
}

static void test_sizes(void **state)
{
	struct maplog_options options = {SMALL_LOG(64)};
	struct maplog *log = log_open(*state, &options);
	size_t max = maplog_record_max(log), sizes[600], count = 0;
	struct maplog_reader *reader;
	struct maplog_record record;

	assert_int_equal(max, 16 * KIB);
	for (size_t len = 0; len <= 300; len++)
		sizes[count++] = len;
	for (size_t len = 300; len <= max; len += 311)
		sizes[count++] = len;
	sizes[count++] = max;
	for (size_t i = 0; i < count; i++)
		assert_int_equal(log_append(log, sizes[i], i), i + 1);
	assert_int_equal(maplog_append(log, sizes, max + 1, 0, NULL), -EMSGSIZE);
	assert_int_equal(maplog_append(log, sizes, 1, 8, NULL), -EINVAL);
	assert_int_equal(maplog_commit(log, count), 0);
	assert_int_equal(maplog_commit(log, count + 1), -EINVAL);
	assert_int_equal(maplog_durable(log), count);

	reader = reader_open(log, 0, 0);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(maplog_read(reader, &record, 0), 1);
		assert_int_equal(record.sequence, i + 1);
		assert_int_equal(record.length, sizes[i]);
		assert_int_equal(record.boot, 1);
		assert_true(payload_is(record.data, record.length, i));
	}
	assert_int_equal(maplog_read(reader, &record, 0), 0);
	maplog_reader_close(reader);
	assert_int_equal(maplog_close(log), 0);
}

/* Every record kept, in order; returns how many were read. */
static uint64_t check_all(struct maplog *log, uint64_t from, const uint16_t *lengths)
{
	struct maplog_reader *reader = reader_open(log, from, 0);
	struct maplog_record record;
	uint64_t count = 0, last = 0, mono = 0;
	uint32_t boot = 0;
	int status;

	while ((status = maplog_read(reader, &record, 0)) == 1) {
		assert_true(last == 0 || record.sequence == last + 1);
		assert_int_equal(record.length, lengths[record.sequence]);
		assert_true(payload_is(record.data, record.length, record.sequence));
		assert_true(record.boot > boot || (record.boot == boot && record.monotonic_ns >= mono));
		assert_true(record.durable < record.sequence);
		boot = record.boot;
		mono = record.monotonic_ns;
		last = record.sequence;
		count++;
	}
	assert_int_equal(status, 0);
	maplog_reader_close(reader);
	return count;
}

/* Random sizes, commits, openings and alignments against a list of what was appended. */
static void test_model(void **state)
{
	static uint16_t lengths[20000];
	uint64_t seed = 1, next = 1;
	struct maplog_stats stats;

	for (unsigned opening = 1; opening <= 40; opening++) {
		static const uint32_t aligns[] = {8, 512, 4096};
		struct maplog_options options = {SMALL_LOG(200), .commit_align = aligns[opening / 4 % 3]};
		struct maplog *log = log_open(*state, &options);

		maplog_stats(log, &stats);
		assert_int_equal(stats.boot, opening);
		assert_int_equal(stats.published, next - 1);
		assert_int_equal(stats.durable, next - 1);
		assert_int_equal(stats.torn_bytes, 0);
		for (unsigned i = random_next(&seed) % 300; i > 0; i--) {
			lengths[next] = random_next(&seed) % 8 ? random_next(&seed) % 200 : random_next(&seed) % 16384;
			assert_int_equal(log_append(log, lengths[next], next), next);
			if (random_next(&seed) % 10 == 0)
				assert_int_equal(maplog_commit(log, next), 0);
			next++;
		}
		assert_int_equal(check_all(log, 0, lengths), next - 1);
		assert_int_equal(maplog_close(log), 0);
	}
	struct maplog_options options = {.read_only = true};
	struct maplog *log = log_open(*state, &options);

	assert_int_equal(check_all(log, 0, lengths), next - 1);
	for (uint64_t from = 1; from < next; from += 97)
		assert_int_equal(check_all(log, from, lengths), next - from);
	assert_int_equal(maplog_append(log, "x", 1, 0, NULL), -EROFS);
	assert_int_equal(maplog_commit(log, 1), -EROFS);
	assert_int_equal(maplog_brownout(log), -EROFS);
	assert_int_equal(maplog_close(log), 0);
}

static void test_flags_and_clock(void **state)
{
	struct maplog_options options = {SMALL_LOG(4), .clock = MAPLOG_CLOCK_RTC};
	struct maplog *log = log_open(*state, &options);
	struct maplog_reader *reader = reader_open(log, 0, 0);
	struct maplog_record record;
	const unsigned flags[] = {MAPLOG_MORE, MAPLOG_MORE | MAPLOG_CONT, MAPLOG_CONT | MAPLOG_NO_NEWLINE, 0};

	for (size_t i = 0; i < 4; i++) {
		if (i == 2)
			maplog_set_clock(log, MAPLOG_CLOCK_SET);
		if (i == 3)
			maplog_set_clock(log, MAPLOG_CLOCK_GUESS);
		assert_int_equal(maplog_append(log, "part", 4, flags[i], NULL), 0);
	}
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(maplog_read(reader, &record, 0), 1);
		assert_int_equal(record.flags, flags[i]);
		assert_int_equal(record.clock, i < 2	? MAPLOG_CLOCK_RTC
					       : i == 2 ? MAPLOG_CLOCK_SET
							: MAPLOG_CLOCK_BOUND);
		assert_true((int64_t)record.monotonic_ns + record.wall_offset_ns > 1577836800ll * 1000000000);
	}
	maplog_reader_close(reader);
	assert_int_equal(maplog_close(log), 0);
}

static void test_options(void **state)
{
	const struct maplog_options wrong[] = {
	    {.segment_bytes = 1000},	     {.segment_bytes = 2u << 30}, {.segments = 1},
	    {.commit_align = 100},	     {.policy = MAPLOG_STOP + 1}, {.ahead_bytes = 2u << 30},
	    {.clock = MAPLOG_CLOCK_SET + 1},
	};
	char missing[MAPLOG_PATH_MAX], longest[MAPLOG_DIR_MAX + 1];
	struct maplog *log = NULL;
	struct maplog_stats stats;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(maplog_open(*state, &wrong[i], &log), -EINVAL);
	segment_path(*state, "a/b", missing);
	assert_int_equal(maplog_open(missing, NULL, &log), -ENOENT);
	segment_path(*state, "a", missing);
	assert_int_equal(maplog_open(missing, &(struct maplog_options){.read_only = true}, &log), -ENOENT);
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	assert_int_equal(maplog_open(longest, NULL, &log), -ENAMETOOLONG);

	log = log_open(missing, NULL); // made, with default sizes
	maplog_stats(log, &stats);
	assert_true(stats.segment_bytes == 1024 * KIB || stats.segment_bytes == 64 * KIB);
	assert_in_range(stats.segments_max, 2, 64);
	assert_int_equal(stats.oldest, 0);
	assert_int_equal(maplog_close(log), 0);
}

/* As check_all on the closed log, where nothing is recycled meanwhile. */
static uint64_t check_closed(const char *dir, const uint16_t *lengths, struct maplog_stats *stats)
{
	struct maplog *log = log_open(dir, &(struct maplog_options){.read_only = true});
	uint64_t count = check_all(log, 0, lengths);

	maplog_stats(log, stats);
	assert_int_equal(maplog_close(log), 0);
	return count;
}

/* Appends until the log has lost records, and checks the account of them. */
static void test_recycle(void **state)
{
	static uint16_t lengths[3001];

	for (unsigned segments = 2; segments <= 4; segments++) {
		struct maplog_options options = {SMALL_LOG(segments)};
		struct maplog *log = log_open(*state, &options);
		struct maplog_stats stats;
		uint64_t lost, count;

		for (uint64_t i = 1; i <= 3000; i++) {
			lengths[i] = i % 311;
			assert_int_equal(log_append(log, lengths[i], i), i);
		}
		assert_int_equal(maplog_commit(log, 3000), 0);
		maplog_stats(log, &stats);
		lost = stats.recycled;
		assert_true(lost > 0);
		assert_int_equal(stats.oldest, lost + 1);
		assert_true(stats.segments <= segments);
		assert_int_equal(maplog_close(log), 0);

		count = check_closed(*state, lengths, &stats);
		assert_in_range(stats.oldest, lost + 1, 3000);
		assert_int_equal(stats.published, 3000);
		assert_int_equal(count, 3001 - stats.oldest);
		assert_int_equal(stats.torn_bytes, 0);
		dir_empty(*state);
	}
}

static void test_refuse_and_stop(void **state)
{
	for (enum maplog_policy policy = MAPLOG_REFUSE; policy <= MAPLOG_STOP; policy++) {
		struct maplog_options options = {SMALL_LOG(3), .policy = policy};
		struct maplog *log = log_open(*state, &options);
		struct maplog_stats stats;
		uint64_t sequence = 0;
		uint8_t data[1000] = {1};
		int err;

		while ((err = maplog_append(log, data, sizeof(data), 0, &sequence)) == 0)
			;
		assert_int_equal(err, -ENOSPC);
		assert_in_range(sequence, 3 * 50, 3 * 61); // three segments of 60 KiB for records of 1 KiB and a header
		/* What still fits is taken by the one policy and not by the other. */
		err = maplog_append(log, data, 1, 0, NULL);
		assert_int_equal(err, policy == MAPLOG_REFUSE ? 0 : -ENOSPC);
		assert_int_equal(maplog_commit(log, maplog_published(log)), 0);
		maplog_stats(log, &stats);
		assert_int_equal(stats.recycled, 0);
		assert_int_equal(stats.oldest, 1);
		assert_int_equal(maplog_close(log), 0);
		dir_empty(*state);
	}
}

/* A reader that falls behind is told how many records it missed. */
static void test_reader_too_slow(void **state)
{
	struct maplog_options options = {SMALL_LOG(3)};
	struct maplog *log = log_open(*state, &options);
	struct maplog_reader *reader = reader_open(log, 0, 0);
	struct maplog_record record;
	struct maplog_stats stats;
	uint64_t i;

	log_append(log, 100, 1);
	assert_int_equal(maplog_read(reader, &record, 0), 1);
	for (i = 2; i <= 2000; i++)
		log_append(log, 100, i);
	assert_int_equal(maplog_read(reader, &record, 0), -EBADMSG);
	assert_int_equal(maplog_reader_gap(reader)->kind, MAPLOG_GAP_RECYCLED);
	assert_int_equal(maplog_reader_gap(reader)->first, 2);
	assert_true(maplog_reader_gap(reader)->next > 2);
	assert_int_equal(maplog_read(reader, &record, 0), 1);
	assert_int_equal(record.sequence, maplog_reader_gap(reader)->next);
	maplog_stats(log, &stats);
	assert_true(record.sequence <= stats.oldest);
	maplog_reader_close(reader);
	assert_int_equal(maplog_close(log), 0);
}

/* Another segment size or a smaller number of segments than the log was made with. */
static void test_resize(void **state)
{
	struct maplog_options options = {SMALL_LOG(6)};
	struct maplog *log = log_open(*state, &options);
	static uint16_t lengths[5001];
	struct maplog_stats stats;
	uint64_t next = 1, count;

	for (unsigned round = 0; round < 5; round++) {
		for (unsigned i = 0; i < 1000; i++, next++) {
			lengths[next] = 150;
			assert_int_equal(log_append(log, 150, next), next);
		}
		assert_int_equal(maplog_close(log), 0);
		count = check_closed(*state, lengths, &stats);
		assert_int_equal(count, next - stats.oldest);
		assert_int_equal(stats.published, next - 1);
		options.segments = 6 - round;
		options.segment_bytes = (round % 2 ? 64 : 128) * KIB;
		log = log_open(*state, &options);
	}
	for (unsigned i = 0; i < 2000; i++)
		log_append(log, 150, 0);
	maplog_stats(log, &stats);
	assert_int_equal(stats.segments_max, 2);
	assert_true(stats.segments <= 3); // the previous one goes as soon as it is durable
	assert_int_equal(maplog_close(log), 0);
}

/* Openings that append nothing and cannot use each other's segment cost no record and no room. */
static void test_openings_in_vain(void **state)
{
	static uint16_t lengths[101];
	struct maplog_options options = {SMALL_LOG(2), .commit_align = 8};
	struct maplog *log = log_open(*state, &options);
	struct maplog_stats stats;
	uint64_t count;

	for (uint64_t i = 1; i <= 100; i++) {
		lengths[i] = 50;
		log_append(log, 50, i);
	}
	assert_int_equal(maplog_close(log), 0);
	for (unsigned i = 0; i < 12; i++) {
		options.segment_bytes = (i % 3 ? 64 : 128) * KIB;
		options.commit_align = i % 2 ? 512 : 8;
		log = log_open(*state, &options);
		maplog_stats(log, &stats);
		assert_int_equal(stats.published, 100);
		assert_int_equal(stats.boot, i + 2);
		assert_int_equal(maplog_close(log), 0);
		count = check_closed(*state, lengths, &stats);
		assert_int_equal(count, 100);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_checksum),
	    cmocka_unit_test_setup_teardown(test_sizes, dir_make, dir_remove),
	    cmocka_unit_test_setup_teardown(test_model, dir_make, dir_remove),
	    cmocka_unit_test_setup_teardown(test_flags_and_clock, dir_make, dir_remove),
	    cmocka_unit_test_setup_teardown(test_options, dir_make, dir_remove),
	    cmocka_unit_test_setup_teardown(test_recycle, dir_make, dir_remove),
	    cmocka_unit_test_setup_teardown(test_refuse_and_stop, dir_make, dir_remove),
	    cmocka_unit_test_setup_teardown(test_reader_too_slow, dir_make, dir_remove),
	    cmocka_unit_test_setup_teardown(test_resize, dir_make, dir_remove),
	    cmocka_unit_test_setup_teardown(test_openings_in_vain, dir_make, dir_remove),
	};

	return cmocka_run_group_tests_name("maplog", tests, NULL, NULL);
}
