// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What maplog makes of damaged files: flipped bits, files cut short, garbage. What a power cut leaves is the matter of
 * test_maplog_powercut.c.
 */
#include "tests/host/maplog_dir.h"

#include "maplog/format.h"

/* ---- the file under the test ---- */

struct victim {
	const char *dir;
	char path[MAPLOG_PATH_MAX];
	uint64_t generation;
	unsigned records;
	uint64_t offsets[32]; // of each record; the last is the end
};

#define TAG(i) (1000 + (i))
#define LENGTH(i) (20 + (i)*13 % 50)

/* Six records, durable each by itself (so that later ones prove earlier ones) or all at once. */
static void victim_make(struct victim *victim, const char *dir, bool one_group)
{
	struct maplog *log = log_open(dir, &(struct maplog_options){SMALL_LOG(4)});
	struct segment segment;

	victim->dir = dir;
	victim->records = 6;
	for (unsigned i = 0; i < victim->records; i++) {
		uint64_t sequence = log_append(log, LENGTH(i), TAG(i));

		if (!one_group)
			assert_int_equal(maplog_commit(log, sequence), 0);
	}
	assert_int_equal(maplog_close(log), 0);
	segment_newest(dir, victim->path, &segment);
	victim->generation = segment.generation;
	victim->offsets[0] = MAPLOG_DATA + RECORD_HEADER; // behind the boot record
	for (unsigned i = 0; i < victim->records; i++)
		victim->offsets[i + 1] = victim->offsets[i] + record_size(LENGTH(i));
}

static void byte_flip(const char *path, uint64_t offset, uint8_t mask)
{
	int fd = open(path, O_RDWR);
	uint8_t byte;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
	byte ^= mask;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)offset), 1);
	assert_int_equal(close(fd), 0);
}

struct seen {
	bool record[32];
	unsigned gaps;
	struct maplog_gap gap; // the last
};

/* Reads all; every record must be one of the victim's, in order, whole. */
static void victim_read(const struct victim *victim, struct seen *seen)
{
	struct maplog *log = log_open(victim->dir, &(struct maplog_options){.read_only = true});
	struct maplog_reader *reader = reader_open(log, 0, 0);
	struct maplog_record record;
	uint64_t last = 0;
	int status;

	*seen = (struct seen){0};
	while ((status = maplog_read(reader, &record, 0)) != 0) {
		if (status == -EBADMSG) {
			seen->gaps++;
			seen->gap = *maplog_reader_gap(reader);
			continue;
		}
		assert_int_equal(status, 1);
		assert_in_range(record.sequence, last + 1, victim->records);
		last = record.sequence;
		assert_int_equal(record.length, LENGTH(last - 1));
		assert_true(payload_is(record.data, record.length, TAG(last - 1)));
		seen->record[last - 1] = true;
	}
	maplog_reader_close(reader);
	assert_int_equal(maplog_close(log), 0);
}

/* Opens for appending after damage: the sequence goes on, what was dropped stays away, the next opening is clean. */
static void victim_append(const struct victim *victim, const struct seen *before)
{
	struct maplog_options options = {SMALL_LOG(4)};
	struct maplog *log = log_open(victim->dir, &options);
	struct maplog_reader *reader;
	struct maplog_record record;
	uint64_t kept = maplog_published(log), last = 0;
	unsigned gaps = 0;
	int status;

	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(log_append(log, LENGTH(kept + i), 77 + i), kept + i + 1);
	assert_int_equal(maplog_close(log), 0);

	log = log_open(victim->dir, &options);
	reader = reader_open(log, 0, 0);
	while ((status = maplog_read(reader, &record, 0)) != 0) {
		gaps += status == -EBADMSG;
		if (status == -EBADMSG)
			continue;
		assert_int_equal(status, 1);
		assert_true(record.sequence > last);
		last = record.sequence;
		assert_true(last > kept || before->record[last - 1]);
		assert_true(payload_is(record.data, record.length, last > kept ? 76 + last - kept : TAG(last - 1)));
	}
	assert_int_equal(last, kept + 3);
	assert_int_equal(gaps, before->gap.kind == MAPLOG_GAP_DAMAGE ? before->gaps : 0);
	maplog_reader_close(reader);
	assert_int_equal(maplog_close(log), 0);
}

/* ---- damage ---- */

/* Every bit of the last three records, and of the empty place behind them. */
static void test_flip_every_bit(void **state)
{
	for (unsigned one_group = 0; one_group <= 1; one_group++) {
		char copy[MAPLOG_PATH_MAX];
		struct victim victim;
		uint64_t seed = 5;
		struct seen seen;

		victim_make(&victim, *state, one_group);
		snprintf(copy, sizeof(copy), "%s-copy", (char *)*state);
		for (uint64_t bit = victim.offsets[3] * 8; bit < (victim.offsets[6] + RECORD_HEADER) * 8; bit++) {
			unsigned hit = 3;

			while (bit / 8 >= victim.offsets[hit + 1] && hit < 6)
				hit++;
			bool fill = hit < 6 && bit / 8 >= victim.offsets[hit] + RECORD_HEADER + LENGTH(hit);

			byte_flip(victim.path, bit / 8, (uint8_t)(1 << bit % 8));
			victim_read(&victim, &seen);
			for (unsigned i = 0; i < hit; i++)
				assert_true(seen.record[i]);
			assert_int_equal(seen.gaps, fill ? 0 : 1);
			if (hit < 6)
				assert_int_equal(seen.record[hit], fill);
			if (!fill) {
				/* The last record is never proved to have been durable; in one group none is. */
				bool proved = !one_group && hit < 5;

				assert_int_equal(seen.gap.kind, proved ? MAPLOG_GAP_DAMAGE : MAPLOG_GAP_TORN);
				assert_int_equal(seen.gap.first, hit + 1);
				assert_int_equal(seen.gap.offset, victim.offsets[hit]);
				for (unsigned i = hit + 1; i < 6; i++)
					assert_int_equal(seen.record[i], proved);
			}
			if (random_next(&seed) % 40 == 0) {
				struct victim other = victim;

				dir_copy(victim.dir, copy);
				other.dir = copy;
				victim_append(&other, &seen);
			}
			byte_flip(victim.path, bit / 8, (uint8_t)(1 << bit % 8));
		}
		dir_empty(copy);
		assert_int_equal(rmdir(copy), 0);
		dir_empty(*state);
	}
}

/* The file ends at every byte of the last three records. */
static void test_cut_at_every_byte(void **state)
{
	char copy[MAPLOG_PATH_MAX], path[MAPLOG_PATH_MAX];
	struct victim victim, other;
	struct segment segment;
	struct seen seen;

	victim_make(&victim, *state, false);
	snprintf(copy, sizeof(copy), "%s-copy", (char *)*state);
	for (uint64_t size = victim.offsets[3]; size <= victim.offsets[6] + RECORD_HEADER; size++) {
		unsigned whole = 3;

		while (whole < 6 && victim.offsets[whole] + RECORD_HEADER + LENGTH(whole) <= size)
			whole++;
		dir_copy(victim.dir, copy);
		other = victim;
		other.dir = copy;
		segment_newest(copy, path, &segment);
		assert_int_equal(truncate(path, (off_t)size), 0);
		victim_read(&other, &seen);
		for (unsigned i = 0; i < 6; i++) {
			/* A record whose last bytes are zeros may be whole all the same. */
			if (i != whole)
				assert_int_equal(seen.record[i], i < whole);
		}
		assert_int_equal(seen.gaps, size < victim.offsets[6] + RECORD_HEADER);
		victim_append(&other, &seen);
	}
	dir_empty(copy);
	assert_int_equal(rmdir(copy), 0);
}

/* Garbage of every kind in the header sector, in whole segments, and beside them. */
static void test_garbage_files(void **state)
{
	uint64_t seed = 9;
	char path[MAPLOG_PATH_MAX];
	struct maplog_stats stats;

	for (unsigned round = 0; round < 60; round++) {
		struct maplog_options options = {SMALL_LOG(4)};
		struct maplog *log = log_open(*state, &options);
		uint8_t *garbage = malloc(64 * KIB);
		size_t from = round % 3 == 0 ? 0 : random_next(&seed) % (64 * KIB),
		       len = random_next(&seed) % (64 * KIB);
		int fd;

		for (unsigned i = 0; i < 300; i++)
			log_append(log, random_next(&seed) % 300, i);
		assert_int_equal(maplog_close(log), 0);
		payload_fill(garbage, 64 * KIB, seed);
		snprintf(path, sizeof(path), "%s/%010u.seg", (char *)*state, 1 + round % 5);
		len = len > 64 * KIB - from ? 64 * KIB - from : len;
		fd = open(path, O_RDWR | O_CREAT, 0644);
		assert_true(fd >= 0);
		assert_int_equal(pwrite(fd, garbage, len, (off_t)from), len);
		assert_int_equal(close(fd), 0);
		free(garbage);

		struct maplog_reader *reader;
		struct maplog_record record;
		uint64_t last = 0;
		int status;

		log = log_open(*state, &(struct maplog_options){.read_only = true});
		reader = reader_open(log, 0, 0);
		while ((status = maplog_read(reader, &record, 0)) != 0) {
			assert_true(status == 1 || status == -EBADMSG);
			if (status == 1) {
				assert_true(record.sequence > last);
				last = record.sequence;
			}
		}
		maplog_stats(log, &stats);
		assert_int_equal(last, stats.published);
		maplog_reader_close(reader);
		assert_int_equal(maplog_close(log), 0);
		log = log_open(*state, &options);
		assert_true(maplog_published(log) >= last);
		log_append(log, 5, 5);
		assert_int_equal(maplog_close(log), 0);
		if (round % 10 == 9)
			dir_empty(*state);
	}
}

/* A damaged header costs no record: the name tells the generation, and opening repairs it. */
static void test_header_repaired(void **state)
{
	struct maplog_stats stats;
	struct victim victim;
	struct maplog *log;
	struct seen seen;

	victim_make(&victim, *state, false);
	byte_flip(victim.path, 20, 4);
	victim_read(&victim, &seen);
	for (unsigned i = 0; i < 6; i++)
		assert_true(seen.record[i]);
	log = log_open(*state, &(struct maplog_options){SMALL_LOG(4)});
	maplog_stats(log, &stats);
	assert_int_equal(stats.damaged_segments, 1);
	assert_int_equal(log_append(log, 9, 9), 7);
	assert_int_equal(maplog_close(log), 0);
	log = log_open(*state, &(struct maplog_options){SMALL_LOG(4)});
	maplog_stats(log, &stats);
	assert_int_equal(stats.damaged_segments, 0);
	assert_int_equal(stats.published, 7);
	assert_int_equal(maplog_close(log), 0);
}

static void file_bytes(const char *path, uint64_t offset, void *bytes, size_t len, bool write)
{
	int fd = open(path, O_RDWR);

	assert_true(fd >= 0);
	assert_int_equal(write ? pwrite(fd, bytes, len, (off_t)offset) : pread(fd, bytes, len, (off_t)offset), len);
	assert_int_equal(close(fd), 0);
}

/*
 * A whole record from before a power cut, with the right checksum and exactly the next sequence, right behind the last
 * record: it was dropped once and must not come back. Sectors are laid out so that this can happen.
 */
static void test_no_resurrection(void **state)
{
	struct maplog_options options = {SMALL_LOG(4)};
	const uint64_t torn = 4608 - 104; // a record of 104 bytes that ends with its sector
	uint8_t zeros[104] = {0}, stale[512];
	char path[MAPLOG_PATH_MAX];
	struct maplog_stats stats;
	struct segment segment;
	struct maplog *log;

	log = log_open(*state, &options);
	log_append(log, torn - MAPLOG_DATA - 2 * RECORD_HEADER, 1);
	log_append(log, 104 - RECORD_HEADER, 2);
	log_append(log, 10, 3);
	assert_int_equal(maplog_close(log), 0);
	segment_newest(*state, path, &segment);
	file_bytes(path, 4608, stale, sizeof(stale), false);
	file_bytes(path, torn, zeros, sizeof(zeros), true); // the cut: record 2 never arrived, record 3 did

	log = log_open(*state, &options);
	maplog_stats(log, &stats);
	assert_int_equal(stats.published, 1);
	assert_int_equal(stats.torn_records, 1);
	assert_int_equal(stats.torn_offset, torn);
	assert_int_equal(stats.torn_bytes, 104 + record_size(10));
	/* With the boot record this is 104 bytes as well. */
	assert_int_equal(log_append(log, 104 - 2 * RECORD_HEADER, 4), 2);
	assert_int_equal(maplog_close(log), 0);
	file_bytes(path, 4608, stale, sizeof(stale), true); // the second cut: the sector behind it never arrived

	log = log_open(*state, &options);
	maplog_stats(log, &stats);
	assert_int_equal(stats.published, 2);
	assert_int_equal(stats.torn_offset, 4608);
	assert_int_equal(maplog_close(log), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_flip_every_bit, dir_make, dir_remove),
	    cmocka_unit_test_setup_teardown(test_cut_at_every_byte, dir_make, dir_remove),
	    cmocka_unit_test_setup_teardown(test_garbage_files, dir_make, dir_remove),
	    cmocka_unit_test_setup_teardown(test_header_repaired, dir_make, dir_remove),
	    cmocka_unit_test_setup_teardown(test_no_resurrection, dir_make, dir_remove),
	};

	return cmocka_run_group_tests_name("maplog recovery", tests, NULL, NULL);
}
