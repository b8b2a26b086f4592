// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The nth request to the disk fails, for every n until n is not reached, once for a single failure and once for a disk
 * that fails from then on. What must hold: nobody crashes or waits for ever, an error is told and never becomes data,
 * what was acknowledged is on the card, e2fsck can repair the rest.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/buffer.h"
#include "kernel/thread.h"
#include "tests/host/stack.h"

#define DATA_LEN (300 * 1024 + 123)
#define NEW_LEN (40 * PAGE_SIZE)
#define N_MAX 2000

/* So often in a row, in the device: more than the block layer tries. Torn. */
#define DEVICE_FAILURES 4

#define ALL_OPS (1u << BLK_READ | 1u << BLK_WRITE | 1u << BLK_FLUSH)

/* What a run tells its test. */
struct outcome {
	uint64_t from, count; // in: which requests fail
	unsigned ops;	      // in
	bool at_mount;	      // in: from before the mount, else after it
	uint64_t fired;
	bool synced;   // /new was acknowledged
	bool stopped;  // the unmount was
	unsigned told; // errors that calls returned
};

static struct outcome *outcome;

static int tell(long err)
{
	outcome->told += err < 0;
	return err < 0;
}

static void read_all(void)
{
	int fd = fs_open(AT_FDCWD, "/data", O_RDONLY, 0), error;
	struct map_request req = {.len = DATA_LEN, .prot = MAP_R, .max_prot = MAP_R, .kind = MAP_KIND_SHARED};
	bool readable, writable;
	vaddr_t va;

	if (tell(fd))
		return;
	assert_int_equal(fs_object(fd, &req.object, &req.errors, &readable, &writable), 0);
	assert_int_equal(map_create(&req, &va), 0);
	req.object->ops->ref(req.object, -1);
	pcache_errors_put(req.errors);
	for (uint64_t at = 0; at < DATA_LEN; at += 1500) {
		uint8_t value;
		int result = harness_load((uint8_t *)va + at, &value, &error);

		if (result == FAULT_OK) {
			assert_int_equal(value, stack_byte(1, at));
			continue;
		}
		assert_int_equal(result, FAULT_ADRERR);
		assert_int_equal(error, EIO);
		outcome->told++;
	}
	stack_unmap((uint8_t *)va, DATA_LEN);
	tell(fs_close(fd));
}

/* Stores all it can and tries msync; true if every store was served. */
static bool write_new(int fd)
{
	struct map_request req = {
	    .len = NEW_LEN, .prot = MAP_R | MAP_W, .max_prot = MAP_R | MAP_W, .kind = MAP_KIND_SHARED};
	bool readable, writable, all = true;
	uint8_t *p;
	vaddr_t va;
	int error;

	assert_int_equal(fs_object(fd, &req.object, &req.errors, &readable, &writable), 0);
	assert_int_equal(map_create(&req, &va), 0);
	req.object->ops->ref(req.object, -1);
	pcache_errors_put(req.errors);
	p = (uint8_t *)va;
	for (uint64_t at = 0; at < NEW_LEN; at += PAGE_SIZE) {
		if (harness_store(p + at, stack_byte(2, at), &error) != FAULT_OK) {
			outcome->told++;
			all = false;
			continue;
		}
		stack_fill(p + at, 2, at, PAGE_SIZE);
	}
	tell(map_sync(va, NEW_LEN, true));
	stack_unmap(p, NEW_LEN);
	return all;
}

/* What failed once stays dirty: a second try, with the disk well again, makes it durable. */
static void sync_new(int fd)
{
	outcome->synced = !tell(fs_fsync(fd, false)) || !tell(fs_fsync(fd, false));
	if (outcome->count == 1)
		assert_true(outcome->synced);
}

static void arm(void)
{
	simdisk_fail(&(struct simdisk_fault){.ops = outcome->ops,
					     .from = outcome->from,
					     .count = outcome->count,
					     .device = outcome->count == DEVICE_FAILURES,
					     .torn = true});
}

static int start(void)
{
	struct blkdev *disk = harness_start_disk();

	harness_start_mm();
	buffer_cache_init(harness_config()->fs_buffers);
	assert_int_equal(fs_init(), 0);
	if (outcome->at_mount)
		arm();
	int err = fs_mount_root(disk, false);

	if (!outcome->at_mount)
		arm();
	return err;
}

static void body(void *arg)
{
	int fd;

	(void)arg;
	if (!tell(start())) {
		read_all();
		tell(fs_mkdir(AT_FDCWD, "/dir", 0755));
		fd = fs_open(AT_FDCWD, "/dir/new", O_RDWR | O_CREAT, 0644);
		if (!tell(fd)) {
			if (!tell(fs_fallocate(fd, 0, NEW_LEN)) && write_new(fd))
				sync_new(fd);
			tell(fs_close(fd));
		}
		fd = fs_open(AT_FDCWD, "/empty", O_RDWR | O_CREAT, 0644);
		if (!tell(fd) && !tell(fs_close(fd)) && !tell(fs_rename(AT_FDCWD, "/empty", AT_FDCWD, "/still", 0)))
			tell(fs_unlink(AT_FDCWD, "/still", 0));
		(void)pcache_drop_clean();
		read_all();
		outcome->stopped = !tell(harness_stop());
	}
	outcome->fired = simdisk_fired();
}

static void check_new(const char *out)
{
	size_t len;
	uint8_t *data = image_read(out, "/dir/new", &len);

	if (!data || len != NEW_LEN || stack_differs(data, 2, 0, len) != len)
		fail_msg("what fsync acknowledged is not on the card");
	free(data);
}

static void check_data(const char *out)
{
	size_t len;
	uint8_t *data = image_read(out, "/data", &len);

	if (!data || len != DATA_LEN || stack_differs(data, 1, 0, len) != len)
		fail_msg("a file that nobody wrote has changed");
	free(data);
}

/* An error of the kind that no retry can heal must have been told to somebody. */
static void check_told(void)
{
	bool for_ever = outcome->count == UINT64_MAX;

	if (!outcome->fired) {
		assert_true(outcome->synced && outcome->stopped);
		assert_int_equal(outcome->told, 0);
		return;
	}
	if (for_ever || outcome->ops == 1u << BLK_FLUSH)
		assert_true(outcome->told > 0);
	if (for_ever && outcome->ops != 1u << BLK_READ)
		assert_false(outcome->stopped);
}

/* One run with n as given; false when nothing was left to fail. */
static bool run(const struct harness *h, const char *what, uint64_t n)
{
	const char *out = h->disk.save, *log;
	int status;

	outcome->from = n;
	outcome->fired = outcome->told = 0;
	outcome->synced = outcome->stopped = false;
	status = harness_status(h, body, NULL, &log);
	if (status)
		fail_msg("%s, n = %llu: status %d\n%s", what, (unsigned long long)n, status, log);
	if (outcome->stopped && image_e2fsck(out, "-n") != 0)
		fail_msg("the unmount said yes, and e2fsck finds faults");
	if (!outcome->stopped && image_e2fsck(out, "-y") > 1)
		fail_msg("e2fsck cannot repair the card");
	if (outcome->synced)
		check_new(out);
	check_data(out);
	check_told();
	return outcome->fired != 0;
}

/* Every n, for one kind of request at one place; asserts that there were at least `least` to fail. */
static void loop(unsigned block, size_t cache, unsigned ops, uint64_t count, bool at_mount, uint64_t least)
{
	char name[32], what[96];
	uint64_t n = 1;

	snprintf(name, sizeof(name), "errors-%u", block);
	snprintf(what, sizeof(what), "block %u, cache %zu, ops %#x, %s%s", block, cache, ops,
		 count == 1		    ? "one failure"
		 : count == DEVICE_FAILURES ? "in the device"
					    : "failing on",
		 at_mount ? ", from the mount on" : "");
	struct harness h = {
	    .frames = cache ? 512 : 4096,
	    .cache_pages = cache,
	    .disk = {.image = stack_image(name, "4M", block, DATA_LEN), .save = image_path("errors-out")}};

	if (harness_effort() == EFFORT_QUICK && block != 1024)
		return;
	if (!outcome)
		outcome = harness_shared(sizeof(*outcome));
	outcome->ops = ops;
	outcome->count = count;
	outcome->at_mount = at_mount;
	while (run(&h, what, n)) {
		n++;
		assert_true(n < N_MAX);
	}
	print_message("%s: %llu requests\n", what, (unsigned long long)n - 1);
	if (n <= least)
		fail_msg("fewer than %llu requests were there to fail", (unsigned long long)least);
}

static void test_reads(void **state)
{
	(void)state;
	loop(1024, 0, 1u << BLK_READ, 1, false, 4);
	loop(4096, 32, 1u << BLK_READ, 1, false, 4);
}

static void test_reads_for_ever(void **state)
{
	(void)state;
	loop(1024, 32, 1u << BLK_READ, UINT64_MAX, false, 4);
}

static void test_writes(void **state)
{
	(void)state;
	loop(1024, 0, 1u << BLK_WRITE, 1, false, 4);
	loop(4096, 32, 1u << BLK_WRITE, 1, false, 4);
}

static void test_writes_for_ever(void **state)
{
	(void)state;
	loop(1024, 32, 1u << BLK_WRITE, UINT64_MAX, false, 4);
}

static void test_torn_writes(void **state)
{
	(void)state;
	loop(2048, 32, 1u << BLK_WRITE, DEVICE_FAILURES, false, 4);
}

static void test_flushes(void **state)
{
	(void)state;
	loop(1024, 0, 1u << BLK_FLUSH, 1, false, 1);
	loop(1024, 0, 1u << BLK_FLUSH, UINT64_MAX, false, 1);
}

static void test_mount(void **state)
{
	(void)state;
	loop(1024, 0, ALL_OPS, 1, true, 8);
	loop(2048, 32, ALL_OPS, UINT64_MAX, true, 8);
}

/* ---- somebody else's FLUSH ---- */
static struct {
	struct blk_request request;
	bool armed;
} other;

static void other_done(struct blk_request *req)
{
	(void)req;
}

/* Just before the next FLUSH another one fails, of which its issuer does not hear. */
static int fail_other(struct blkdev *dev, const struct blk_request *req)
{
	if (req == &other.request)
		return -EIO;
	if (req->op == BLK_FLUSH && other.armed) {
		other.armed = false;
		other.request = (struct blk_request){.op = BLK_FLUSH, .done = other_done};
		blk_submit(dev, &other.request);
	}
	return 0;
}

static void other_flush_body(void *arg)
{
	uint8_t *a, *b;
	int fd_a, fd_b, second_a;

	(void)arg;
	harness_start();
	fd_a = stack_open("/data", O_RDWR);
	second_a = stack_open("/data", O_RDWR);
	fd_b = stack_open("/b", O_RDWR | O_CREAT);
	assert_int_equal(fs_fallocate(fd_b, 0, NEW_LEN), 0);
	assert_int_equal(fs_sync(), 0);
	a = stack_map(fd_a, NEW_LEN, MAP_R | MAP_W, MAP_KIND_SHARED);
	b = stack_map(fd_b, NEW_LEN, MAP_R | MAP_W, MAP_KIND_SHARED);
	assert_int_equal(harness_store(a, 1, NULL), FAULT_OK);
	assert_int_equal(harness_store(b, 2, NULL), FAULT_OK);
	assert_int_equal(pcache_write_all(), 0);
	blk_fault_hook = fail_other;
	other.armed = true;
	assert_int_equal(map_sync((vaddr_t)a, NEW_LEN, true), -EIO);
	assert_false(other.armed);
	assert_int_equal(map_sync((vaddr_t)b, NEW_LEN, true), -EIO);
	assert_int_equal(map_sync((vaddr_t)a, NEW_LEN, true), 0);
	assert_int_equal(map_sync((vaddr_t)b, NEW_LEN, true), 0);

	/* Of metadata, the commit has the only copy. */
	assert_int_equal(fs_mkdir(AT_FDCWD, "/dir", 0755), 0);
	other.armed = true;
	assert_int_equal(fs_sync(), -EIO);
	assert_int_equal(fs_sync(), 0);
	blk_fault_hook = NULL;
	stack_unmap(a, NEW_LEN);
	stack_unmap(b, NEW_LEN);
	assert_int_equal(fs_close(fd_a), 0); // told, by its mapping
	assert_int_equal(fs_close(fd_b), 0);
	assert_int_equal(fs_close(second_a), -EIO); // each open file is told
	assert_int_equal(harness_stop(), 0);
}

/* A good FLUSH proves nothing about what an earlier one, that failed, was to cover. */
static void test_other_flush(void **state)
{
	struct harness h = {
	    .disk = {.image = stack_image("errors-other", "4M", 1024, DATA_LEN), .save = image_path("errors-out")}};

	(void)state;
	harness_run(&h, other_flush_body, NULL);
	assert_int_equal(image_e2fsck(h.disk.save, "-n"), 0);
}

/* ---- beside a sync ---- */
static uint64_t beside_after; // writes of the disk's: one of the sync's has ended
static uint8_t *beside_map;

static int fail_beside(struct blkdev *dev, const struct blk_request *req)
{
	(void)dev;
	if (req->op != BLK_FLUSH || !other.armed)
		return 0;
	other.armed = false;
	return -EIO;
}

static void *sync_beside(void *arg)
{
	(void)arg;
	while (simdisk_count(1u << BLK_WRITE) < beside_after)
		thread_yield();
	assert_int_equal(map_sync((vaddr_t)beside_map, NEW_LEN, true), -EIO);
	assert_false(other.armed);
	return NULL;
}

static uint8_t *beside_open(const char *path, int *fd)
{
	*fd = stack_open(path, O_RDWR | O_CREAT);
	assert_int_equal(fs_fallocate(*fd, 0, NEW_LEN), 0);
	return stack_map(*fd, NEW_LEN, MAP_R | MAP_W, MAP_KIND_SHARED);
}

static void beside_body(void *arg)
{
	struct thread *thread;
	uint8_t *a, *c;
	int fd_a, fd_b, fd_c;

	(void)arg;
	harness_start();
	a = beside_open("/a", &fd_a);
	beside_map = beside_open("/b", &fd_b);
	c = beside_open("/c", &fd_c);
	assert_int_equal(fs_sync(), 0);
	/* Of b, an msync has nothing to write, and a FLUSH to ask for: when a has been written, and c is being so. */
	assert_int_equal(harness_store(beside_map, 2, NULL), FAULT_OK);
	assert_int_equal(pcache_write_all(), 0);
	assert_int_equal(harness_store(a, 1, NULL), FAULT_OK);
	assert_int_equal(harness_store(c, 3, NULL), FAULT_OK);
	assert_int_equal(thread_create("beside", THREAD_STACK_SIZE, sync_beside, NULL, &thread), 0);
	beside_after = simdisk_count(1u << BLK_WRITE) + 1;
	blk_fault_hook = fail_beside;
	other.armed = true;
	assert_int_equal(fs_sync(), -EIO);
	assert_int_equal(thread_join(thread, NULL), 0);
	blk_fault_hook = NULL;
	assert_int_equal(fs_sync(), 0);
	stack_unmap(a, NEW_LEN);
	stack_unmap(beside_map, NEW_LEN);
	stack_unmap(c, NEW_LEN);
	assert_int_equal(fs_close(fd_a), -EIO);
	assert_int_equal(fs_close(fd_b), 0); // told, by its mapping
	assert_int_equal(fs_close(fd_c), 0);
	assert_int_equal(harness_stop(), 0);
}

/* What fs_sync has written may be lost by a FLUSH of which another thread is told. */
static void test_flush_beside_sync(void **state)
{
	struct harness h = {
	    .disk = {.image = stack_image("errors-other", "4M", 1024, DATA_LEN), .save = image_path("errors-out")}};

	(void)state;
	harness_run(&h, beside_body, NULL);
	assert_int_equal(image_e2fsck(h.disk.save, "-n"), 0);
}

/* A card that takes no writes: who has to wait for them is told, however much others read. */
static struct {
	int fd;
	atomic_bool over;
	long result;
} stuck;

static void *writer_main(void *arg)
{
	static uint8_t page[PAGE_SIZE];

	stuck.result = 0;
	for (int i = 0; i < 100 && stuck.result >= 0; i++)
		stuck.result = fs_pwrite(stuck.fd, page, sizeof(page), (int64_t)i * (int64_t)PAGE_SIZE);
	atomic_store(&stuck.over, true);
	return arg;
}

static void dead_card_beside_reader(void *arg)
{
	static uint8_t data[DATA_LEN];
	struct thread *writer;

	(void)arg;
	harness_start();
	stuck.fd = stack_open("/data", O_RDWR);
	atomic_store(&stuck.over, false);
	simdisk_fail(&(struct simdisk_fault){.ops = 1u << BLK_WRITE, .from = 1, .count = UINT64_MAX});
	assert_int_equal(thread_create("writer", THREAD_STACK_SIZE, writer_main, NULL, &writer), 0);
	for (unsigned round = 0; round < 3000 && !atomic_load(&stuck.over); round++)
		assert_int_equal(fs_pread(stuck.fd, data, sizeof(data), 0), sizeof(data));
	assert_true(atomic_load(&stuck.over));
	assert_true(stuck.result < 0);
	assert_int_equal(thread_join(writer, NULL), 0);
}

static void test_dead_card_beside_reader(void **state)
{
	(void)state;
	harness_run(&(struct harness){.frames = 2048,
				      .cache_pages = 48,
				      .disk = {.image = stack_image("dead_reader", "16M", 1024, DATA_LEN)}},
		    dead_card_beside_reader, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_reads),
	    cmocka_unit_test(test_reads_for_ever),
	    cmocka_unit_test(test_writes),
	    cmocka_unit_test(test_writes_for_ever),
	    cmocka_unit_test(test_torn_writes),
	    cmocka_unit_test(test_flushes),
	    cmocka_unit_test(test_mount),
	    cmocka_unit_test(test_other_flush),
	    cmocka_unit_test(test_flush_beside_sync),
	    cmocka_unit_test(test_dead_card_beside_reader),
	};

	return cmocka_run_group_tests_name("stack: the nth request fails", tests, NULL, NULL);
}
