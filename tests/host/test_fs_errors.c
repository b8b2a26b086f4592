// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Metadata work of every kind while the nth transfer fails, for every n until n is not reached, with the fewest
 * buffers. What fsync or sync acknowledged is on the card after e2fsck, whatever failed around it; errors are told;
 * nothing crashes, and an unmount that says yes leaves nothing for e2fsck to find. With a journal nothing is found
 * after its replay in any case; an error of writing it ends all writing, and no other does.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/buffer.h"
#include "fs/fs.h"
#include "mm/pcache.h"
#include "tests/host/harness.h"
#include "tests/host/image.h"
#include "tests/host/journalimage.h"
#include "tests/host/mountimage.h"

#define READS (1u << BLK_READ)
#define WRITES (1u << BLK_WRITE)
#define FLUSHES (1u << BLK_FLUSH)
#define ALL (READS | WRITES | FLUSHES)

#define FILES 8
#define N_MAX 5000

static struct outcome {
	struct simdisk_fault fault;
	unsigned buffers;
	bool journalled;
	uint64_t fired;
	unsigned told;
	bool stopped;
	unsigned aborts;       // of all runs
	int made;	       // what making a file said at the end
	size_t written[FILES]; // so many bytes of /keepN are,
	size_t durable[FILES]; // and acknowledged
} * outcome;

static uint8_t byte_of(unsigned file, size_t at)
{
	return (uint8_t)((file + 1) * 37 + at + (at >> 8) * 3 + (at >> 16));
}

static bool tell(long err)
{
	outcome->told += err < 0;
	return err < 0;
}

static void keep_file(unsigned i, size_t len)
{
	uint8_t *data = malloc(len);
	char path[32];
	int fd;
	long r;

	for (size_t b = 0; b < len; b++)
		data[b] = byte_of(i, b);
	snprintf(path, sizeof(path), "/keep%u", i);
	fd = fs_open(AT_FDCWD, path, O_CREAT | O_RDWR, 0644);
	if (!tell(fd)) {
		r = fs_write(fd, data, len);
		outcome->written[i] = tell(r) ? 0 : (size_t)r;
		if (outcome->written[i] && !tell(fs_fsync(fd, i % 2)))
			outcome->durable[i] = (size_t)r;
		tell(fs_close(fd));
	}
	free(data);
}

static void read_back(unsigned i)
{
	static uint8_t data[400000];
	char path[32];
	int fd;
	long r;

	snprintf(path, sizeof(path), "/keep%u", i);
	fd = fs_open(AT_FDCWD, path, O_RDONLY, 0);
	if (tell(fd))
		return;
	r = fs_read(fd, data, sizeof(data));
	if (!tell(r)) {
		/* Short for a failed read further on; what came is right. */
		for (long b = 0; b < r; b++) {
			if (data[b] != byte_of(i, (size_t)b))
				fail_msg("%s: byte %ld is %#x", path, b, data[b]);
		}
	}
	tell(fs_close(fd));
}

static void churn(void)
{
	char path[64], other[64];

	tell(fs_mkdir(AT_FDCWD, "/dir", 0755));
	tell(fs_mkdir(AT_FDCWD, "/dir/sub", 0755));
	for (unsigned i = 0; i < 12; i++) {
		int fd;

		snprintf(path, sizeof(path), "/dir/%u-a-rather-long-name-so-that-the-directory-grows", i);
		fd = fs_open(AT_FDCWD, path, O_CREAT | O_RDWR, 0644);
		if (tell(fd))
			continue;
		tell(fs_pwrite(fd, path, sizeof(path), i * 5000));
		if (i % 4 == 0)
			tell(fs_fallocate(fd, 0, 100000));
		if (i % 4 == 1)
			tell(fs_ftruncate(fd, 700));
		tell(fs_close(fd));
	}
	for (unsigned i = 0; i < 12; i += 2) {
		snprintf(path, sizeof(path), "/dir/%u-a-rather-long-name-so-that-the-directory-grows", i);
		snprintf(other, sizeof(other), "/dir/sub/%u", i / 4);
		tell(fs_rename(AT_FDCWD, path, AT_FDCWD, other, 0));
	}
	for (unsigned i = 1; i < 12; i += 4) {
		snprintf(path, sizeof(path), "/dir/%u-a-rather-long-name-so-that-the-directory-grows", i);
		tell(fs_unlink(AT_FDCWD, path, 0));
	}
	tell(fs_rename(AT_FDCWD, "/dir/sub", AT_FDCWD, "/moved", 0));
	tell(fs_unlink(AT_FDCWD, "/moved/0", 0));
	tell(fs_unlink(AT_FDCWD, "/moved/1", 0));
	tell(fs_unlink(AT_FDCWD, "/moved/2", 0));
	tell(fs_unlink(AT_FDCWD, "/moved", AT_REMOVEDIR));
}

static void body(void *arg)
{
	struct blkdev *disk = harness_start_disk();

	(void)arg;
	buffer_cache_init(outcome->buffers);
	harness_start_mm();
	assert_int_equal(fs_init(), 0);
	assert_int_equal(fs_mount_root(disk, false), 0);
	simdisk_fail(&outcome->fault);
	keep_file(0, 100);
	keep_file(1, 20000);
	churn();
	keep_file(2, 330000);
	keep_file(3, 70000);
	if (!tell(fs_sync()))
		memcpy(outcome->durable, outcome->written, sizeof(outcome->durable));
	(void)pcache_drop_clean();
	for (unsigned i = 0; i < 4; i++)
		read_back(i);
	outcome->made = fs_open(AT_FDCWD, "/made", O_CREAT | O_RDWR, 0644);
	if (!tell(outcome->made))
		tell(fs_close(outcome->made));
	else if (outcome->made == -EROFS) // what was given up is not forgotten
		assert_true(fs_sync() < 0);
	outcome->stopped = !tell(fs_unmount_all());
	outcome->fired = simdisk_fired();
}

static void check_files(const char *out)
{
	for (unsigned i = 0; i < FILES; i++) {
		char path[32];
		uint8_t *data;
		size_t len;

		if (!outcome->durable[i])
			continue;
		snprintf(path, sizeof(path), "/keep%u", i);
		data = image_read(out, path, &len);
		if (!data || len < outcome->durable[i])
			fail_msg("%s was acknowledged and is gone or short (%zu)", path, data ? len : 0);
		for (size_t b = 0; b < outcome->durable[i]; b++) {
			if (data[b] != byte_of(i, b))
				fail_msg("%s was acknowledged and differs at %zu", path, b);
		}
		free(data);
	}
}

/* What was given up, and nothing else, says why; then it is replayed, by the mount and by e2fsck. */
static void check_journal(const char *out, const char *log)
{
	const bool given_up = strstr(log, "the journal cannot be written");
	const char *mounted = image_path("fs-errors-mounted");
	struct journalimage ji;
	int result;

	journalimage_open(&ji, out);
	if (given_up && outcome->fault.count == 1)
		assert_int_equal((int32_t)be32_get(journalimage_super(&ji)->error), -EIO);
	if (!given_up)
		assert_int_equal(be32_get(journalimage_super(&ji)->error), 0);
	journalimage_drop(&ji);
	if (given_up) {
		assert_true(outcome->made == -EROFS || outcome->made >= 0); // or it came with the unmount
		assert_false(outcome->stopped);
	}
	outcome->aborts += given_up;
	mountimage_run(out, false, mounted, &result);
	if (result || image_e2fsck(mounted, "-n"))
		fail_msg("the mount said %d, or left something to be repaired", result);
	check_files(mounted);
	/* A failed FLUSH and a card that is away for a while leave the batch for the next try. */
	if (outcome->fault.error == -ENODEV || outcome->fault.ops == FLUSHES)
		assert_false(given_up);
	if ((given_up ? image_e2fsck(out, "-y") : image_replay(out)) > 1)
		fail_msg("e2fsck cannot replay the journal");
}

static void check_image(const char *out)
{
	int fsck = image_e2fsck(out, "-n");

	if (outcome->stopped && fsck)
		fail_msg("the unmount said yes, and e2fsck finds faults");
	if (fsck && outcome->journalled)
		fail_msg("e2fsck finds faults after the replay");
	if (fsck && image_e2fsck(out, "-y") > 1)
		fail_msg("e2fsck cannot repair the card");
	check_files(out);
}

/* Writes that e2fsck would complain about are possible after errors only; its output is of no interest then. */
static bool run(const struct harness *h, uint64_t n)
{
	const char *log;
	int status;

	outcome->fault.from = n;
	outcome->fired = outcome->told = 0;
	memset(outcome->durable, 0, sizeof(outcome->durable));
	memset(outcome->written, 0, sizeof(outcome->written));
	status = harness_status(h, body, NULL, &log);
	if (status)
		fail_msg("n = %llu: status %d\n%s", (unsigned long long)n, status, log);
	if (outcome->journalled)
		check_journal(h->disk.save, log);
	check_image(h->disk.save);
	if (outcome->fired)
		return true;
	assert_int_equal(outcome->told, 0);
	assert_true(outcome->stopped);
	for (unsigned i = 0; i < 4; i++)
		assert_true(outcome->durable[i] > 0);
	return false;
}

static void loop_on(unsigned block, unsigned buffers, const struct simdisk_fault *fault, bool journalled, uint64_t step)
{
	char options[32], size[16];
	const char *image = image_path("fs-errors");
	uint64_t n = 1;

	if (!outcome)
		outcome = harness_shared(sizeof(*outcome));
	snprintf(options, sizeof(options), "-b %u -N 256%s", block, journalled ? " -j" : "");
	snprintf(size, sizeof(size), "%uK", journalled ? 3 * block : 3072);
	image_mke2fs(image, size, options);
	outcome->fault = *fault;
	outcome->journalled = journalled;
	outcome->aborts = 0;
	outcome->buffers = buffers;
	struct harness h = {.frames = 2048, .disk = {.image = image, .save = image_path("fs-errors-out")}};

	while (run(&h, n)) {
		n += harness_effort() == EFFORT_QUICK		     ? 5 * step
		     : harness_effort() == EFFORT_LONG || journalled ? step
								     : 2 * step;
		assert_true(n < N_MAX);
	}
	print_message("block %u, %u buffers%s, ops %#x: %llu transfers could fail, %u journals were given up\n", block,
		      buffers, journalled ? ", journal" : "", fault->ops, (unsigned long long)n - 1, outcome->aborts);
	assert_true(n > 5);
}

static void loop(unsigned block, unsigned buffers, unsigned ops, uint64_t count, bool torn, uint64_t step)
{
	loop_on(block, buffers, &(struct simdisk_fault){.ops = ops, .count = count, .torn = torn}, false, step);
}

static void test_reads(void **state)
{
	(void)state;
	loop(1024, BUFFERS_MIN, READS, 1, false, 1);
	loop(4096, BUFFERS_MIN, READS, 1, false, 1);
	loop(1024, 0, READS, UINT64_MAX, false, 1);
}

static void test_writes(void **state)
{
	(void)state;
	loop(1024, 0, WRITES, 1, false, 3);
	loop(4096, 0, WRITES, 1, true, 1);
	loop(2048, BUFFERS_MIN, WRITES, UINT64_MAX, false, 7);
}

static void test_flushes(void **state)
{
	(void)state;
	loop(1024, 0, FLUSHES, 1, false, 1);
	loop(1024, 0, FLUSHES, UINT64_MAX, false, 1);
	loop(4096, BUFFERS_MIN, FLUSHES, 1, false, 3);
}

static void test_journal_reads(void **state)
{
	(void)state;
	loop_on(1024, BUFFERS_MIN, &(struct simdisk_fault){.ops = READS, .count = 1}, true, 1);
	loop_on(4096, BUFFERS_MIN, &(struct simdisk_fault){.ops = READS, .count = UINT64_MAX}, true, 2);
}

/* The journal's superblock, what it holds, each commit block, checkpoints. */
static void test_journal_writes(void **state)
{
	(void)state;
	loop_on(1024, BUFFERS_MIN, &(struct simdisk_fault){.ops = WRITES, .count = 1}, true, 1);
	assert_true(outcome->aborts > 0);
	loop_on(1024, 0, &(struct simdisk_fault){.ops = WRITES, .count = UINT64_MAX}, true, 2);
	assert_true(outcome->aborts > 0);
	loop_on(4096, 0, &(struct simdisk_fault){.ops = WRITES, .count = 4, .device = true, .torn = true}, true, 2);
}

static void test_journal_flushes(void **state)
{
	(void)state;
	loop_on(1024, BUFFERS_MIN, &(struct simdisk_fault){.ops = FLUSHES, .count = 1}, true, 1);
	loop_on(1024, 0, &(struct simdisk_fault){.ops = FLUSHES, .count = UINT64_MAX}, true, 1);
}

/* Out and in again, and out for good. */
static void test_journal_removal(void **state)
{
	(void)state;
	for (uint64_t count = 1; count <= 81; count *= 9)
		loop_on(1024, BUFFERS_MIN, &(struct simdisk_fault){.ops = ALL, .count = count, .error = -ENODEV}, true,
			5);
	loop_on(1024, 0, &(struct simdisk_fault){.ops = ALL, .count = UINT64_MAX, .error = -ENODEV}, true, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_reads),	    cmocka_unit_test(test_writes),
	    cmocka_unit_test(test_flushes),	    cmocka_unit_test(test_journal_reads),
	    cmocka_unit_test(test_journal_writes),  cmocka_unit_test(test_journal_flushes),
	    cmocka_unit_test(test_journal_removal),
	};

	return cmocka_run_group_tests_name("fs: the nth transfer fails", tests, NULL, NULL);
}
