// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * maplog with threads: when groups become durable, appenders and followers at once, write errors, brown-out. Nothing
 * here sleeps to let something happen: tests wait for it, and a wait that would never end fails by its time-out.
 */
#include "tests/host/maplog_dir.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define PATIENCE_MS 20000

/* The calls of the log that a test counts or lets fail. */
static atomic_uint msync_calls;
static atomic_int msync_error, mlock_error, madvise_error, fallocate_error;

int msync(void *addr, size_t len, int flags)
{
	atomic_fetch_add(&msync_calls, 1);
	errno = atomic_load(&msync_error);
	return errno ? -1 : (int)syscall(SYS_msync, addr, len, flags);
}

int mlock(const void *addr, size_t len)
{
	errno = atomic_load(&mlock_error);
	return errno ? -1 : (int)syscall(SYS_mlock, addr, len);
}

int madvise(void *addr, size_t len, int advice)
{
	errno = atomic_load(&madvise_error);
	return errno ? -1 : (int)syscall(SYS_madvise, addr, len, advice);
}

int posix_fallocate(int fd, off_t offset, off_t len)
{
	int err = atomic_load(&fallocate_error);
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	if (st.st_size >= offset + len)
		err = 0; // the blocks are there
	return err ? err : syscall(SYS_fallocate, fd, 0, offset, len) ? errno : 0;
}

/* cmocka's assertions serve the main thread only. */
#define thread_assert(condition)                                                                                       \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

static int setup(void **state)
{
	msync_error = mlock_error = madvise_error = fallocate_error = 0;
	return dir_make(state);
}

/* Until the record is durable, by nobody's asking. */
static void durable_await(struct maplog *log, uint64_t sequence)
{
	struct maplog_reader *reader = reader_open(log, sequence, MAPLOG_READ_DURABLE);
	struct maplog_record record;

	assert_int_equal(maplog_read(reader, &record, PATIENCE_MS), 1);
	assert_int_equal(record.sequence, sequence);
	maplog_reader_close(reader);
}

static void test_group_by_bytes(void **state)
{
	struct maplog_options options = {.segment_bytes = 1024 * KIB, .segments = 3, .delay_ms = UINT32_MAX};
	struct maplog_stats stats;
	struct maplog *log;
	uint64_t sequence = 0;
	unsigned calls;

	options.group_bytes = 32 * KIB;
	log = log_open(*state, &options);
	calls = msync_calls;
	for (unsigned i = 0; i < 31; i++)
		sequence = log_append(log, 1024 - 48, i);
	assert_int_equal(msync_calls, calls);
	assert_int_equal(maplog_durable(log), 0);
	assert_int_equal(maplog_published(log), 31);
	sequence = log_append(log, 1024 - 48, 31); // the byte that makes the group full
	durable_await(log, sequence);
	maplog_stats(log, &stats);
	assert_int_equal(stats.commits, 2); // the boot record and this group
	assert_int_equal(maplog_close(log), 0);
}

static void test_group_by_delay(void **state)
{
	struct maplog_options options = {.segment_bytes = 64 * KIB, .segments = 3, .delay_ms = 30};
	struct maplog *log;

	options.group_bytes = UINT32_MAX;
	log = log_open(*state, &options);
	for (unsigned i = 0; i < 5; i++)
		durable_await(log, log_append(log, 100, i));
	assert_int_equal(maplog_close(log), 0);
}

/* Commits that arrive together share a sync. */
#define COMMITTERS 8
#define COMMITS 40

static void *committer(void *arg)
{
	struct maplog *log = arg;

	for (unsigned i = 0; i < COMMITS; i++) {
		uint64_t sequence = log_append(log, 30, i);

		thread_assert(maplog_commit(log, sequence) == 0);
		thread_assert(maplog_durable(log) >= sequence);
	}
	return NULL;
}

static void test_commits_together(void **state)
{
	struct maplog *log = log_open(*state, &(struct maplog_options){SMALL_LOG(3)});
	pthread_t threads[COMMITTERS];
	struct maplog_stats stats;

	for (unsigned i = 0; i < COMMITTERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, committer, log), 0);
	for (unsigned i = 0; i < COMMITTERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	maplog_stats(log, &stats);
	assert_int_equal(stats.durable, COMMITTERS * COMMITS);
	assert_true(stats.commits <= COMMITTERS * COMMITS + 1);
	assert_int_equal(maplog_close(log), 0);
}

/* ---- appenders and followers ---- */

#define APPENDERS 4
#define EACH 3000

struct party {
	struct maplog *log;
	unsigned number; // of an appender; of a follower: its flags
	uint64_t seen;
};

static void *appender(void *arg)
{
	struct party *party = arg;
	uint64_t seed = party->number, last = 0, sequence = 0;

	for (uint64_t i = 0; i < EACH; i++) {
		uint8_t data[400];
		size_t len = 16 + random_next(&seed) % (sizeof(data) - 16);
		uint64_t tag = (uint64_t)party->number << 32 | i;

		memcpy(data, &tag, 8);
		payload_fill(data + 8, len - 8, tag);
		thread_assert(maplog_append(party->log, data, len, 0, &sequence) == 0);
		thread_assert(sequence > last);
		last = sequence;
		if (i % 500 == 0)
			thread_assert(maplog_commit(party->log, sequence) == 0);
	}
	return NULL;
}

/*
 * Reads to the last record, in order, from the oldest when it starts; each appender's records come in its order.
 */
static void *follower(void *arg)
{
	struct party *party = arg;
	struct maplog_reader *reader = reader_open(party->log, 0, party->number);
	uint64_t next[APPENDERS] = {0}, expected = 0;
	struct maplog_record record;

	while (expected <= APPENDERS * EACH) {
		int status = maplog_read(reader, &record, PATIENCE_MS);
		uint64_t tag;

		if (status == -EBADMSG) {
			thread_assert(maplog_reader_gap(reader)->kind == MAPLOG_GAP_RECYCLED);
			thread_assert(maplog_reader_gap(reader)->first == expected || expected == 0);
			expected = maplog_reader_gap(reader)->next;
			continue;
		}
		thread_assert(status == 1);
		thread_assert(record.sequence == expected || expected == 0);
		expected = record.sequence + 1;
		if (party->number & MAPLOG_READ_DURABLE)
			thread_assert(maplog_durable(party->log) >= record.sequence);
		memcpy(&tag, record.data, 8);
		thread_assert(payload_is((const uint8_t *)record.data + 8, record.length - 8, tag));
		thread_assert((uint32_t)tag >= next[tag >> 32]);
		next[tag >> 32] = (uint32_t)tag + 1;
		party->seen++;
	}
	thread_assert(maplog_read(reader, &record, 0) == 0);
	maplog_reader_close(reader);
	return NULL;
}

static void appenders_and_followers(const char *dir, const struct maplog_options *options, bool all_seen)
{
	struct maplog *log = log_open(dir, options);
	struct party appenders[APPENDERS], followers[3];
	pthread_t threads[APPENDERS + 3];

	for (unsigned i = 0; i < 3; i++) {
		followers[i] = (struct party){.log = log, .number = i % 2 ? MAPLOG_READ_DURABLE : 0};
		assert_int_equal(pthread_create(&threads[APPENDERS + i], NULL, follower, &followers[i]), 0);
	}
	for (unsigned i = 0; i < APPENDERS; i++) {
		appenders[i] = (struct party){.log = log, .number = i};
		assert_int_equal(pthread_create(&threads[i], NULL, appender, &appenders[i]), 0);
	}
	for (unsigned i = 0; i < APPENDERS + 3; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_true(all_seen ? followers[i].seen == APPENDERS * EACH : followers[i].seen > 0);
	assert_int_equal(maplog_close(log), 0);
}

static void test_appenders_and_followers(void **state)
{
	struct maplog_options options = {
	    .segment_bytes = 64 * KIB, .segments = 100, .delay_ms = 5, .group_bytes = 16384};

	appenders_and_followers(*state, &options, true);
	dir_empty(*state);
	options.segments = 3; // followers are overtaken by recycling
	options.commit_align = 512;
	appenders_and_followers(*state, &options, false);
}

static void *late_appender(void *arg)
{
	log_append(arg, 10, 1);
	return NULL;
}

static void test_follower_waits(void **state)
{
	struct maplog *log = log_open(*state, &(struct maplog_options){SMALL_LOG(3)});
	struct maplog_reader *reader = reader_open(log, 1, 0);
	struct maplog_record record;
	pthread_t thread;

	assert_int_equal(maplog_read(reader, &record, 0), 0);
	assert_int_equal(maplog_read(reader, &record, 20), 0);
	assert_int_equal(pthread_create(&thread, NULL, late_appender, log), 0);
	assert_int_equal(maplog_read(reader, &record, -1), 1);
	assert_int_equal(record.sequence, 1);
	assert_int_equal(pthread_join(thread, NULL), 0);
	maplog_reader_close(reader);
	assert_int_equal(maplog_close(log), 0);
}

/* ---- errors ---- */

static void test_write_error(void **state)
{
	struct maplog *log = log_open(*state, &(struct maplog_options){SMALL_LOG(3)});
	struct maplog_reader *reader = reader_open(log, 0, 0);
	struct maplog_record record;
	struct maplog_stats stats;
	uint64_t sequence;

	assert_int_equal(maplog_commit(log, log_append(log, 10, 1)), 0);
	sequence = log_append(log, 10, 2);
	msync_error = EIO;
	assert_int_equal(maplog_commit(log, sequence), -EIO);
	msync_error = 0; // a later success proves nothing
	assert_int_equal(maplog_commit(log, sequence), -EIO);
	assert_int_equal(maplog_commit(log, 1), 0);
	assert_int_equal(maplog_append(log, "x", 1, 0, NULL), -EIO);
	assert_int_equal(maplog_durable(log), 1);
	maplog_stats(log, &stats);
	assert_int_equal(stats.error, -EIO);
	assert_int_equal(maplog_read(reader, &record, -1), 1);
	assert_int_equal(maplog_read(reader, &record, -1), 1);
	assert_int_equal(maplog_read(reader, &record, -1), -ECANCELED); // nothing more will ever come
	maplog_reader_close(reader);
	assert_int_equal(maplog_close(log), -EIO);
}

/* In the background too: whoever comes next is told. */
static void test_write_error_unasked(void **state)
{
	struct maplog_options options = {.segment_bytes = 64 * KIB, .segments = 3, .delay_ms = 1};
	struct maplog *log = log_open(*state, &options);
	struct maplog_reader *reader = reader_open(log, 0, MAPLOG_READ_DURABLE);
	struct maplog_record record;

	msync_error = ENOSPC;
	log_append(log, 10, 1);
	assert_int_equal(maplog_read(reader, &record, PATIENCE_MS), -ECANCELED);
	assert_int_equal(maplog_append(log, "x", 1, 0, NULL), -ENOSPC);
	maplog_reader_close(reader);
	assert_int_equal(maplog_close(log), -ENOSPC);
}

/* The nth sync fails, for every n until none does: never an acknowledgement after it. */
static void test_every_sync_fails(void **state)
{
	bool fired = true;

	for (unsigned n = 1; fired; n++) {
		struct maplog_options options = {SMALL_LOG(3)};
		struct maplog *log = NULL;
		uint64_t acknowledged = 0;
		int err;

		fired = false;
		msync_error = 0;
		err = maplog_open(*state, &options, &log);
		for (unsigned i = 1; i <= 20 && !err; i++) {
			uint64_t sequence = 0;

			if (i == n)
				msync_error = EIO;
			err = maplog_append(log, "record", 6, 0, &sequence);
			if (!err)
				err = maplog_commit(log, sequence);
			if (!err)
				acknowledged = sequence;
			fired |= err == -EIO;
		}
		assert_int_equal(maplog_durable(log), acknowledged);
		assert_int_equal(maplog_close(log), fired ? -EIO : 0);
		assert_int_equal(fired, n <= 20);
		dir_empty(*state);
	}
	msync_error = EIO;
	assert_int_equal(maplog_open(*state, NULL, &(struct maplog *){NULL}), -EIO);
}

/* A card without room: recycling makes do with the segments there are; refusing goes on once there is room. */
static void test_no_space(void **state)
{
	struct maplog_options options = {SMALL_LOG(10)};
	struct maplog *log;
	struct maplog_stats stats;
	uint8_t data[8192] = {0};
	int err = 0;

	fallocate_error = ENOSPC;
	assert_int_equal(maplog_open(*state, &options, &log), -ENOSPC);
	fallocate_error = 0;
	log = log_open(*state, &options);
	for (unsigned i = 0; i < 20; i++)
		log_append(log, 8000, i);
	fallocate_error = ENOSPC;
	for (unsigned i = 0; i < 100; i++)
		log_append(log, 8000, i);
	maplog_stats(log, &stats);
	assert_true(stats.recycled > 0);
	assert_int_equal(maplog_close(log), 0);
	dir_empty(*state);

	fallocate_error = 0;
	options.policy = MAPLOG_REFUSE;
	log = log_open(*state, &options);
	fallocate_error = ENOSPC;
	while (!err)
		err = maplog_append(log, data, sizeof(data), 0, NULL);
	assert_int_equal(err, -ENOSPC);
	fallocate_error = 0;
	assert_int_equal(maplog_append(log, data, sizeof(data), 0, NULL), 0);
	assert_int_equal(maplog_close(log), 0);
}

static void test_brownout(void **state)
{
	struct maplog *log = log_open(*state, &(struct maplog_options){SMALL_LOG(3)});
	struct maplog_reader *reader = reader_open(log, 0, 0);
	struct maplog_record record;

	for (unsigned i = 0; i < 10; i++)
		log_append(log, 100, i);
	assert_int_equal(maplog_durable(log), 0);
	assert_int_equal(maplog_brownout(log), 0);
	assert_int_equal(maplog_durable(log), 10);
	assert_int_equal(maplog_append(log, "x", 1, 0, NULL), -ECANCELED);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(maplog_read(reader, &record, -1), 1);
	assert_int_equal(maplog_read(reader, &record, -1), -ECANCELED);
	maplog_reader_close(reader);
	assert_int_equal(maplog_close(log), 0);
}

/* Without mlock and madvise the log works, and says that it runs degraded; an error of the card is one. */
static void test_residency(void **state)
{
	struct maplog_options options = {SMALL_LOG(3)};
	struct maplog_stats stats;
	struct maplog *log;

	mlock_error = ENOSYS;
	madvise_error = ENOSYS;
	log = log_open(*state, &options);
	for (unsigned i = 0; i < 2000; i++)
		log_append(log, 100, i);
	assert_int_equal(maplog_commit(log, 2000), 0);
	maplog_stats(log, &stats);
	assert_int_equal(stats.degraded, 2);
	assert_int_equal(maplog_close(log), 0);

	mlock_error = EIO;
	assert_int_equal(maplog_open(*state, &(struct maplog_options){.segment_bytes = 128 * KIB, .segments = 3}, &log),
			 -EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_group_by_bytes, setup, dir_remove),
	    cmocka_unit_test_setup_teardown(test_group_by_delay, setup, dir_remove),
	    cmocka_unit_test_setup_teardown(test_commits_together, setup, dir_remove),
	    cmocka_unit_test_setup_teardown(test_appenders_and_followers, setup, dir_remove),
	    cmocka_unit_test_setup_teardown(test_follower_waits, setup, dir_remove),
	    cmocka_unit_test_setup_teardown(test_write_error, setup, dir_remove),
	    cmocka_unit_test_setup_teardown(test_write_error_unasked, setup, dir_remove),
	    cmocka_unit_test_setup_teardown(test_every_sync_fails, setup, dir_remove),
	    cmocka_unit_test_setup_teardown(test_no_space, setup, dir_remove),
	    cmocka_unit_test_setup_teardown(test_brownout, setup, dir_remove),
	    cmocka_unit_test_setup_teardown(test_residency, setup, dir_remove),
	};

	return cmocka_run_group_tests_name("maplog and threads", tests, NULL, NULL);
}
