// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* /dev: what is made of nothing, random numbers, and block devices as files. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "drivers/block/blkdev.h"
#include "fs/blkfile.h"
#include "fs/inode.h"
#include "kernel/random.h"
#include "lib/chacha.h"
#include "mm/map.h"
#include "mm/pcache.h"
#include "tests/host/harness.h"
#include "tests/host/image.h"
#include "tests/host/stack.h"

#define RW (MAP_R | MAP_W)

static struct stat stat_of(const char *path)
{
	struct stat st;

	if (fs_stat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW))
		fail_msg("stat %s", path);
	return st;
}

/* ---- random numbers ---- */

/* RFC 8439, A.1, the first two vectors: a key of zeros, blocks 0 and 1. */
static void test_chacha(void **state)
{
	static const uint8_t want[2][16] = {
	    {0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90, 0x40, 0x5d, 0x6a, 0xe5, 0x53, 0x86, 0xbd, 0x28},
	    {0x9f, 0x07, 0xe7, 0xbe, 0x55, 0x51, 0x38, 0x7a, 0x98, 0xba, 0x97, 0x7c, 0x73, 0x2d, 0x08, 0x0d}};
	const uint32_t key[8] = {0};
	uint32_t out[16];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		chacha20_block(key, i, out);
		assert_memory_equal(out, want[i], sizeof(want[i]));
	}
}

static void random_body(void *arg)
{
	uint8_t first[100], second[100];

	(void)arg;
	harness_start_mm();
	assert_false(random_is_seeded());
	random_bytes(first, sizeof(first));
	random_bytes(second, sizeof(second));
	assert_memory_not_equal(first, second, sizeof(first));
	random_seed("short", 5);
	random_mix(first, sizeof(first));
	assert_false(random_is_seeded());
	random_seed(first, 32);
	assert_true(random_is_seeded());
	random_bytes(second, sizeof(second));
}

/* Who asks before there is a seed is warned of, once. */
static void test_unseeded(void **state)
{
	const char *log, *line;

	(void)state;
	assert_int_equal(harness_status(&(struct harness){0}, random_body, NULL, &log), 0);
	line = strstr(log, "random numbers can be guessed");
	assert_non_null(line);
	assert_null(strstr(line + 1, "random numbers"));
}

static void seeds_body(void *arg)
{
	uint8_t *out = arg;

	harness_start_mm();
	random_seed(out, 64);
	random_bytes(out + 64, 1 << 16);
}

/* The same seed at the same moment is the same stream; one bit in any of its words is another. */
static void test_seeds(void **state)
{
	const size_t size = 64 + (1 << 16);
	uint8_t *one = harness_shared(size), *other = harness_shared(size);
	size_t ones = 0;
	const char *log;

	(void)state;
	harness_run(&(struct harness){0}, seeds_body, one);
	harness_run(&(struct harness){0}, seeds_body, other);
	assert_memory_equal(one, other, size);
	for (size_t i = 64; i < size; i++)
		ones += (size_t)__builtin_popcount(one[i]);
	assert_in_range(ones, (4 << 16) - 2500, (4 << 16) + 2500); // seven deviations
	for (unsigned at = 0; at < 64; at += 7) {
		memset(other, 0, size);
		other[at] = 1;
		assert_int_equal(harness_status(&(struct harness){0}, seeds_body, other, &log), 0);
		assert_memory_not_equal(one + 64, other + 64, 64);
		assert_null(strstr(log, "guessed"));
	}
}

static void made_body(void *arg)
{
	static uint8_t buf[5000], other[5000];
	int fd;

	(void)arg;
	harness_start();
	fd = stack_open("/dev/zero", O_RDWR);
	memset(buf, 1, sizeof(buf));
	assert_int_equal(fs_read(fd, buf, sizeof(buf)), sizeof(buf));
	assert_memory_equal(buf, other, sizeof(buf));
	assert_int_equal(fs_pread(fd, buf, 10, 1000), 10);
	assert_int_equal(fs_read(fd, NULL, 10), -EFAULT);
	assert_int_equal(fs_write(fd, buf, sizeof(buf)), sizeof(buf));
	assert_int_equal(fs_fsync(fd, false), -EINVAL);
	assert_int_equal(fs_close(fd), 0);
	fd = stack_open("/dev/full", O_RDWR);
	assert_int_equal(fs_read(fd, buf, 10), 10);
	assert_int_equal(fs_write(fd, buf, 10), -ENOSPC);
	assert_int_equal(fs_write(fd, buf, 0), -ENOSPC);
	assert_int_equal(fs_close(fd), 0);
	fd = stack_open("/dev/urandom", O_RDWR);
	assert_int_equal(fs_read(fd, buf, sizeof(buf)), sizeof(buf));
	assert_int_equal(fs_read(fd, other, sizeof(other)), sizeof(other));
	assert_memory_not_equal(buf, other, sizeof(buf));
	assert_int_equal(fs_write(fd, buf, sizeof(buf)), sizeof(buf));
	assert_int_equal(fs_write(fd, NULL, 1), -EFAULT);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(stat_of("/dev/null").st_rdev, 1 << 8 | 3);
	assert_int_equal(stat_of("/dev/random").st_rdev, 1 << 8 | 8);
	assert_int_equal(harness_stop(), 0);
}

static void test_made(void **state)
{
	(void)state;
	harness_run(&(struct harness){.disk = {.image = stack_image("dev", "4M", 1024, 4096)}}, made_body, NULL);
}

/* ---- block devices ---- */

#define DISK_SIZE (4u << 20)

static void check_device(int fd, unsigned n, uint64_t from, size_t len)
{
	static uint8_t buf[65536];

	assert_in_range(len, 1, sizeof(buf));
	assert_int_equal(fs_pread(fd, buf, len, (int64_t)from), len);
	assert_int_equal(stack_differs(buf, n, from, len), len);
}

static void put_device(int fd, unsigned n, uint64_t from, size_t len)
{
	static uint8_t buf[65536];

	assert_in_range(len, 1, sizeof(buf));
	stack_fill(buf, n, from, len);
	assert_int_equal(fs_pwrite(fd, buf, len, (int64_t)from), len);
}

static void check_disk(struct blkdev *dev, unsigned n, sector_t sector, uint32_t sectors)
{
	static uint8_t buf[64 * SECTOR_SIZE];

	assert_in_range(sectors, 1, 64);
	assert_int_equal(blk_read(dev, sector, buf, sectors), 0);
	assert_int_equal(stack_differs(buf, n, sector * SECTOR_SIZE, sectors * SECTOR_SIZE), sectors * SECTOR_SIZE);
}

/* A disk of its own: no file system is on it. */
static void block_body(void *arg)
{
	struct blkdev *dev;
	struct pcache_stats cache;
	uint8_t *p, byte;
	int fd, reader;

	(void)arg;
	harness_start_mm();
	assert_int_equal(fs_init(), 0);
	dev = harness_start_disk();
	assert_int_equal(stat_of("/dev/sim0").st_mode, S_IFBLK | 0666);
	assert_int_equal(stat_of("/dev/sim0").st_rdev, BLKFILE_MAJOR << 8);
	assert_int_equal(stat_of("/dev/sim0").st_size, 0);
	fd = stack_open("/dev/sim0", O_RDWR);
	assert_int_equal(fs_lseek(fd, 0, SEEK_END), DISK_SIZE - 3 * SECTOR_SIZE);

	/* Anywhere, whatever the sectors; the end is the end. */
	put_device(fd, 1, 0, 65536);
	put_device(fd, 1, 65536, 1000);
	put_device(fd, 1, DISK_SIZE - 10 * SECTOR_SIZE - 5, 7 * SECTOR_SIZE + 5);
	check_device(fd, 1, 0, 65536);
	check_device(fd, 1, 65000, 1536);
	check_device(fd, 1, DISK_SIZE - 10 * SECTOR_SIZE - 5, 7 * SECTOR_SIZE + 5);
	assert_int_equal(fs_pread(fd, &byte, 1, DISK_SIZE - 3 * SECTOR_SIZE), 0);
	assert_int_equal(fs_pwrite(fd, &byte, 1, DISK_SIZE - 3 * SECTOR_SIZE), -ENOSPC);
	assert_int_equal(fs_pwrite(fd, (char[10]){0}, 10, DISK_SIZE - 3 * SECTOR_SIZE - 4), 4);
	put_device(fd, 1, DISK_SIZE - 10 * SECTOR_SIZE - 5, 7 * SECTOR_SIZE + 5);
	assert_int_equal(fs_fsync(fd, false), 0);
	check_disk(dev, 1, 0, 64);
	check_disk(dev, 1, 64, 64);
	check_disk(dev, 1, DISK_SIZE / SECTOR_SIZE - 10, 7);
	assert_int_equal(fs_ftruncate(fd, 0), -EINVAL);
	assert_int_equal(fs_fallocate(fd, 0, 10), -ENODEV);

	/* Mapped; and what was stored is on the card when nobody has it any more. */
	p = stack_map(fd, 20 * PAGE_SIZE, RW, MAP_KIND_SHARED);
	assert_int_equal(stack_differs(p, 1, 0, 16 * PAGE_SIZE), 16 * PAGE_SIZE);
	stack_fill(p, 2, 0, 4 * PAGE_SIZE);
	check_device(fd, 2, 0, 4 * PAGE_SIZE);
	assert_int_equal(map_sync((vaddr_t)p, PAGE_SIZE, true), 0);
	check_disk(dev, 2, 0, 8);
	assert_int_equal(fs_close(fd), 0);
	stack_fill(p + 4 * PAGE_SIZE, 2, 4 * PAGE_SIZE, PAGE_SIZE);
	stack_unmap(p, 20 * PAGE_SIZE);
	check_disk(dev, 2, 0, 40);
	pcache_stats(&cache);
	assert_int_equal(cache.pages, 0);

	/* Who opens it sees the card as it is then. */
	reader = stack_open("/dev/sim0", O_RDONLY);
	check_device(reader, 2, 0, 4096);
	assert_int_equal(fs_close(reader), 0);
	assert_int_equal(blk_write(dev, 0, (char[SECTOR_SIZE]){7}, 1), 0);
	reader = stack_open("/dev/sim0", O_RDONLY);
	assert_int_equal(fs_pread(reader, &byte, 1, 0), 1);
	assert_int_equal(byte, 7);
	assert_int_equal(fs_write(reader, &byte, 1), -EBADF);
	assert_int_equal(fs_close(reader), 0);
}

static void test_block(void **state)
{
	const char *image = image_path("raw");
	FILE *f = fopen(image, "wb");

	(void)state;
	assert_non_null(f);
	assert_int_equal(ftruncate(fileno(f), DISK_SIZE - 3 * SECTOR_SIZE), 0);
	assert_int_equal(fclose(f), 0);
	harness_run(&(struct harness){.disk = {.image = image}}, block_body, NULL);
}

/* A device is mounted, or open for writing. */
static void claims_body(void *arg)
{
	uint8_t *p;
	int fd;

	(void)arg;
	harness_start();
	assert_int_equal(fs_open(AT_FDCWD, "/dev/sim0", O_RDWR, 0), -EBUSY);
	assert_int_equal(fs_open(AT_FDCWD, "/dev/sim0", O_WRONLY, 0), -EBUSY);
	fd = stack_open("/dev/sim0", O_RDONLY);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(fs_mkdir(AT_FDCWD, "/m", 0755), 0);
	assert_int_equal(fs_mount("/dev/sim0", "/m", "ext2", 0, NULL), -EBUSY);
	assert_int_equal(fs_mount("/dev/null", "/m", "ext2", 0, NULL), -ENOTBLK);
	assert_int_equal(fs_mount("/dev/none", "/m", "ext2", 0, NULL), -ENOENT);
	assert_int_equal(fs_unmount_all(), 0);

	fd = stack_open("/dev/sim0", O_RDWR);
	assert_int_equal(fs_mount_root(blkdev_find("sim0"), false), -EBUSY);
	p = stack_map(fd, PAGE_SIZE, RW, MAP_KIND_SHARED);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(fs_mount_root(blkdev_find("sim0"), false), -EBUSY); // it can be stored into
	p[0] = 'b';							     // the boot block is nobody's
	stack_unmap(p, PAGE_SIZE);
	fd = stack_open("/dev/sim0", O_RDONLY);
	p = stack_map(fd, PAGE_SIZE, MAP_R, MAP_KIND_SHARED);
	assert_int_equal(p[0], 'b');
	assert_int_equal(fs_mount_root(blkdev_find("sim0"), false), 0);
	stack_unmap(p, PAGE_SIZE);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(harness_stop(), 0);
}

static void test_claims(void **state)
{
	(void)state;
	harness_run(&(struct harness){.disk = {.image = stack_image("dev", "4M", 1024, 4096)}}, claims_body, NULL);
}

/* What is written to the device is what a later mount sees: a name in the superblock. */
static void later_body(void *arg)
{
	static const char label[16] = "written";
	char back[16];
	int fd;

	(void)arg;
	harness_start_mm();
	assert_int_equal(fs_init(), 0);
	harness_start_disk();
	fd = stack_open("/dev/sim0", O_RDWR);
	assert_int_equal(fs_pwrite(fd, label, sizeof(label), 1024 + 120), sizeof(label));
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(fs_mount_root(blkdev_find("sim0"), false), 0);
	assert_int_equal(fs_mkdir(AT_FDCWD, "/made", 0755), 0);
	assert_int_equal(fs_unmount_all(), 0);
	fd = stack_open("/dev/sim0", O_RDONLY);
	assert_int_equal(fs_pread(fd, back, sizeof(back), 1024 + 120), sizeof(back));
	assert_memory_equal(back, label, sizeof(label));
	assert_int_equal(fs_close(fd), 0);
}

static void test_later(void **state)
{
	const char *out = image_path("later");

	(void)state;
	harness_run(&(struct harness){.disk = {.image = stack_image("dev", "4M", 1024, 4096), .save = out}}, later_body,
		    NULL);
	assert_int_equal(image_e2fsck(out, "-n"), 0);
}

/* ---- errors ---- */

static int (*const no_hook)(struct blkdev *, const struct blk_request *);
static enum blk_op failing;

static int fail_hook(struct blkdev *dev, const struct blk_request *req)
{
	(void)dev;
	return req->op == failing ? -EIO : 0;
}

static void errors_body(void *arg)
{
	uint8_t byte;
	int fd;

	(void)arg;
	harness_start_mm();
	assert_int_equal(fs_init(), 0);
	harness_start_disk();
	fd = stack_open("/dev/sim0", O_RDWR);
	failing = BLK_READ;
	blk_fault_hook = fail_hook;
	assert_int_equal(fs_pread(fd, &byte, 1, 0), -EIO);
	blk_fault_hook = no_hook;
	put_device(fd, 1, 0, 4096);
	failing = BLK_WRITE;
	blk_fault_hook = fail_hook;
	assert_int_equal(fs_fsync(fd, false), -EIO);
	blk_fault_hook = no_hook;
	check_device(fd, 1, 0, 4096);
	assert_int_equal(fs_fsync(fd, false), 0);
	put_device(fd, 2, 0, 4096);
	failing = BLK_FLUSH;
	blk_fault_hook = fail_hook;
	assert_int_equal(fs_fsync(fd, false), -EIO);
	blk_fault_hook = no_hook;
	assert_int_equal(fs_fsync(fd, false), 0);
	check_disk(blkdev_find("sim0"), 2, 0, 8);

	/* The last close tells. */
	put_device(fd, 3, 0, 4096);
	failing = BLK_WRITE;
	blk_fault_hook = fail_hook;
	assert_int_equal(fs_close(fd), -EIO);
	blk_fault_hook = no_hook;
	fd = stack_open("/dev/sim0", O_RDWR);
	check_device(fd, 2, 0, 4096);
	assert_int_equal(fs_close(fd), 0);
}

static void test_errors(void **state)
{
	(void)state;
	harness_run(&(struct harness){.disk = {.image = stack_image("dev", "4M", 1024, 4096)}}, errors_body, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_chacha), cmocka_unit_test(test_unseeded), cmocka_unit_test(test_seeds),
	    cmocka_unit_test(test_made),   cmocka_unit_test(test_block),    cmocka_unit_test(test_claims),
	    cmocka_unit_test(test_later),  cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
