// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * maplog under power cuts on a simulated medium. The calls that make things durable come here: they copy what they sync
 * to the medium, and at the one chosen by lot the power goes, after which nothing is synced or renamed any more. The
 * files then become what the medium holds plus any subset of the sectors written since, and the log is opened again.
 * Names count as durable at once, which is what a directory sync after each rename comes to.
 */
#include "tests/host/maplog_dir.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define FILES 64
#define FILE_BYTES (64 * KIB)
#define SECTOR 512u
#define RECORDS 60000

static struct medium {
	const char *dir;
	bool on;	 // watches the calls
	bool off;	 // the power is gone
	bool lying;	 // syncs are acknowledged and not done
	unsigned cut_in; // sync calls until the power goes
	pthread_mutex_t lock;
	struct {
		ino_t inode; // 0: free
		uint8_t bytes[FILE_BYTES];
	} files[FILES];
} medium = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint8_t *medium_file(ino_t inode)
{
	unsigned i = 0;

	while (medium.files[i].inode != inode && medium.files[i].inode != 0)
		assert_true(++i < FILES);
	medium.files[i].inode = inode;
	return medium.files[i].bytes;
}

/* False: the power is gone, or goes now. */
static bool power_use(bool sync)
{
	bool there;

	pthread_mutex_lock(&medium.lock);
	if (medium.on && sync && !medium.off)
		medium.off = medium.cut_in-- == 0;
	there = !medium.on || !medium.off;
	pthread_mutex_unlock(&medium.lock);
	if (!there)
		errno = EIO;
	return there;
}

static void power_off(void)
{
	pthread_mutex_lock(&medium.lock);
	medium.off = true;
	pthread_mutex_unlock(&medium.lock);
}

int fsync(int fd)
{
	struct stat st;

	if (!power_use(true))
		return -1;
	if (!medium.on || medium.lying)
		return 0;
	assert_int_equal(fstat(fd, &st), 0);
	pthread_mutex_lock(&medium.lock);
	if (S_ISREG(st.st_mode) && st.st_size == FILE_BYTES)
		assert_int_equal(pread(fd, medium_file(st.st_ino), FILE_BYTES, 0), FILE_BYTES);
	pthread_mutex_unlock(&medium.lock);
	return 0;
}

/* The file behind a mapping: with segments of 64 KiB every sync starts at the header, and that tells the name. */
static ino_t mapping_file(const void *addr)
{
	const struct segment_header *header = addr;
	char name[MAPLOG_NAME_MAX], path[MAPLOG_PATH_MAX];
	struct stat st;

	assert_memory_equal(header->magic, MAPLOG_MAGIC, sizeof(header->magic));
	snprintf(name, sizeof(name), "%010u.seg", (unsigned)header->generation);
	segment_path(medium.dir, name, path);
	assert_int_equal(stat(path, &st), 0);
	return st.st_ino;
}

int msync(void *addr, size_t len, int flags)
{
	ino_t inode;

	assert_int_equal(flags, MS_SYNC);
	assert_int_equal((uintptr_t)addr % 4096, 0);
	if (!power_use(true))
		return -1;
	if (!medium.on || medium.lying)
		return 0;
	inode = mapping_file(addr);
	pthread_mutex_lock(&medium.lock);
	memcpy(medium_file(inode), addr, len);
	pthread_mutex_unlock(&medium.lock);
	return 0;
}

int rename(const char *from, const char *to)
{
	return power_use(false) ? (int)syscall(SYS_rename, from, to) : -1;
}

int unlink(const char *path)
{
	return power_use(false) ? (int)syscall(SYS_unlink, path) : -1;
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
	return power_use(false) ? syscall(SYS_pwrite64, fd, data, len, offset) : -1;
}

int posix_fallocate(int fd, off_t offset, off_t len)
{
	if (!power_use(false))
		return EIO;
	return syscall(SYS_fallocate, fd, 0, offset, len) ? errno : 0;
}

/* ---- what must hold ---- */

struct history {
	uint64_t tags[RECORDS]; // of the records appended, by sequence
	uint64_t next, durable;
	uint64_t tag; // of the next record: never used twice
	/* That the test saw what it is about. */
	unsigned torn, dropped, survived, failed_opens;
};

/* How long the records are. */
enum lengths {
	LENGTHS_MIXED,
	LENGTHS_SECTOR, // records of 512 bytes: stale ones lie where new ones may start
	LENGTHS_BOOT,	// records that differ by the size of a boot record: so that stale sequences fit there too
};

static size_t length_of(uint64_t tag, enum lengths lengths)
{
	uint64_t state = tag;

	if (lengths == LENGTHS_SECTOR)
		return SECTOR - RECORD_HEADER;
	if (lengths == LENGTHS_BOOT)
		return random_next(&state) % 2 ? 8 : 8 + RECORD_HEADER;
	return random_next(&state) % 8 ? random_next(&state) % 100 : random_next(&state) % 5000;
}

/* The files become the medium's content, with some of what was written later. */
static void power_return(const char *dir, uint64_t *seed)
{
	static uint8_t now[FILE_BYTES];
	unsigned odds = random_next(seed) % 5, unreadable; // odds of four: 0 keeps nothing newer, 4 all of it
	struct segment *list;
	size_t count;

	medium.on = false;
	assert_int_equal(segment_list(dir, true, &list, &count, &unreadable), 0);
	for (size_t i = 0; i < count; i++) {
		char path[MAPLOG_PATH_MAX];
		uint8_t *bytes;
		struct stat st;
		int fd;

		segment_path(dir, list[i].name, path);
		fd = open(path, O_RDWR);
		assert_true(fd >= 0);
		assert_int_equal(fstat(fd, &st), 0);
		bytes = medium_file(st.st_ino);
		assert_int_equal(pread(fd, now, FILE_BYTES, 0), FILE_BYTES);
		for (size_t at = 0; at < FILE_BYTES; at += SECTOR)
			if (random_next(seed) % 4 < odds)
				memcpy(bytes + at, now + at, SECTOR);
		assert_int_equal(pwrite(fd, bytes, FILE_BYTES, 0), FILE_BYTES);
		assert_int_equal(close(fd), 0);
	}
	free(list);
	memset(medium.files, 0, sizeof(medium.files));
	assert_int_equal(segment_list(dir, true, &list, &count, &unreadable), 0);
	for (size_t i = 0; i < count; i++) {
		char path[MAPLOG_PATH_MAX];
		struct stat st;
		int fd;

		segment_path(dir, list[i].name, path);
		fd = open(path, O_RDONLY);
		assert_true(fd >= 0);
		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(pread(fd, medium_file(st.st_ino), FILE_BYTES, 0), FILE_BYTES);
		assert_int_equal(close(fd), 0);
	}
	free(list);
}

/* The records that are kept are those appended, in order, at least to the durable one. False: they are not. */
static bool history_holds(struct history *history, const char *dir, enum lengths lengths)
{
	struct maplog *log = log_open(dir, &(struct maplog_options){.read_only = true});
	struct maplog_reader *reader = reader_open(log, 0, 0);
	struct maplog_record record;
	uint64_t last = 0;
	bool holds = true;
	int status;

	while (holds && (status = maplog_read(reader, &record, 0)) != 0) {
		if (status == -EBADMSG) {
			holds = maplog_reader_gap(reader)->kind == MAPLOG_GAP_TORN;
			history->torn++;
			continue;
		}
		assert_int_equal(status, 1);
		holds = (last == 0 || record.sequence == last + 1) && record.sequence < history->next &&
			record.length == length_of(history->tags[record.sequence], lengths) &&
			payload_is(record.data, record.length, history->tags[record.sequence]) &&
			record.durable <= history->durable;
		last = record.sequence;
	}
	holds = holds && last >= history->durable;
	maplog_reader_close(reader);
	assert_int_equal(maplog_close(log), 0);
	history->survived += last > history->durable;
	history->dropped += last < history->next - 1;
	history->durable = last;
	history->next = last + 1;
	return holds;
}

/* Appends and commits until the power goes, or for a while. */
static void log_use(struct history *history, const char *dir, const struct maplog_options *options, uint64_t *seed,
		    enum lengths lengths)
{
	struct maplog *log;
	unsigned operations = random_next(seed) % 300;
	int err = maplog_open(dir, options, &log);

	if (err) {
		assert_int_equal(err, -EIO);
		history->failed_opens++;
		return;
	}
	assert_int_equal(maplog_published(log), history->next - 1);
	while (!err && operations-- > 0) {
		static uint8_t data[8192];
		size_t len = length_of(history->tag, lengths);

		payload_fill(data, len, history->tag);
		history->tags[history->next] = history->tag++;
		err = maplog_append(log, data, len, 0, NULL);
		history->next += !err;
		if (!err && random_next(seed) % 20 == 0)
			err = maplog_commit(log, maplog_published(log));
	}
	assert_true(!err || err == -EIO);
	if (random_next(seed) % 2 || err)
		power_off(); // between two syncs
	history->durable = maplog_durable(log);
	if (maplog_close(log) == 0)
		history->durable = history->next - 1;
}

static unsigned power_cuts(const char *dir, uint64_t seed, struct maplog_options options, enum lengths lengths,
			   struct history *history)
{
	unsigned violations = 0;

	*history = (struct history){.next = 1, .tag = seed << 32};
	medium.dir = dir;
	for (unsigned cut = 0; cut < 60 && violations == 0; cut++) {
		medium.off = false;
		medium.cut_in = random_next(&seed) % 60;
		medium.on = true;
		log_use(history, dir, &options, &seed, lengths);
		power_return(dir, &seed);
		violations += !history_holds(history, dir, lengths);
	}
	memset(medium.files, 0, sizeof(medium.files));
	dir_empty(dir);
	return violations;
}

static void test_power_cuts(void **state)
{
	static const uint32_t aligns[] = {8, 512, 4096};
	static struct history history;
	unsigned torn = 0, dropped = 0, survived = 0, failed_opens = 0;

	for (uint64_t seed = 1; seed <= 27; seed++) {
		struct maplog_options options = {SMALL_LOG(2 + seed / 9), .commit_align = aligns[seed / 3 % 3]};

		options.group_bytes = seed % 2 ? UINT32_MAX : 8 * KIB;
		if (power_cuts(*state, seed, options, (enum lengths)(seed % 3), &history))
			fail_msg("seed %u: the log does not hold what it should", (unsigned)seed);
		torn += history.torn;
		dropped += history.dropped;
		survived += history.survived;
		failed_opens += history.failed_opens;
	}
	assert_true(torn > 20 && dropped > 100 && survived > 20 && failed_opens > 20);
}

/* The test is able to fail: with syncs that do nothing, acknowledged records are missed. */
static void test_lying_medium(void **state)
{
	static struct history history;
	unsigned violations = 0;

	medium.lying = true;
	for (uint64_t seed = 1; seed <= 5; seed++)
		violations += power_cuts(*state, seed, (struct maplog_options){SMALL_LOG(3)}, LENGTHS_MIXED, &history);
	medium.lying = false;
	assert_int_equal(violations, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_power_cuts, dir_make, dir_remove),
	    cmocka_unit_test_setup_teardown(test_lying_medium, dir_make, dir_remove),
	};

	return cmocka_run_group_tests_name("maplog under power cuts", tests, NULL, NULL);
}
