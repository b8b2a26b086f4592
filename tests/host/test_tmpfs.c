// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* /tmp and other tmpfs: names, contents, mappings, and what memory they take and give back. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "arch/clock.h"
#include "fs/inode.h"
#include "kernel/thread.h"
#include "mm/map.h"
#include "mm/pcache.h"
#include "tests/host/harness.h"
#include "tests/host/image.h"
#include "tests/host/stack.h"

#define RW (MAP_R | MAP_W)
#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)
#define KEEP FALLOC_FL_KEEP_SIZE
#define ZERO FALLOC_FL_ZERO_RANGE

static void run(void (*body)(void *))
{
	harness_run(&(struct harness){.frames = 4096, .disk = {.image = stack_image("tmpfs", "4M", 1024, 4096)}}, body,
		    NULL);
}

static size_t promised(void)
{
	struct map_stats map;

	map_stats(&map);
	return map.committed;
}

static void put_file(const char *path)
{
	assert_int_equal(fs_close(stack_open(path, O_CREAT | O_EXCL | O_RDWR)), 0);
}

static struct stat stat_of(const char *path)
{
	struct stat st;

	if (fs_stat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW))
		fail_msg("stat %s", path);
	return st;
}

static struct stat stat_of_fd(int fd)
{
	struct stat st;

	assert_int_equal(fs_fstat(fd, &st), 0);
	return st;
}

static int create_at(const char *path)
{
	return fs_open(AT_FDCWD, path, O_CREAT | O_EXCL | O_RDWR, 0644);
}

/* ---- names ---- */

static void names_body(void *arg)
{
	char buf[64];
	struct stat st;

	(void)arg;
	harness_start();
	st = stat_of("/tmp");
	assert_int_equal(st.st_mode, S_IFDIR | 01777);
	assert_int_equal(st.st_nlink, 2);
	assert_true(st.st_dev != stat_of("/").st_dev);
	assert_int_equal(stat_of("/tmp/..").st_ino, stat_of("/").st_ino);

	put_file("/tmp/file");
	assert_int_equal(fs_mkdir(AT_FDCWD, "/tmp/dir", 0755), 0);
	assert_int_equal(stat_of("/tmp").st_nlink, 3);
	assert_int_equal(create_at("/tmp/file"), -EEXIST);
	assert_int_equal(fs_mkdir(AT_FDCWD, "/tmp/file", 0755), -EEXIST);
	assert_int_equal(fs_open(AT_FDCWD, "/tmp/none", O_RDONLY, 0), -ENOENT);
	assert_int_equal(fs_open(AT_FDCWD, "/tmp/file/x", O_RDONLY, 0), -ENOTDIR);
	assert_int_equal(stat_of("/tmp/dir/..").st_ino, stat_of("/tmp").st_ino);

	assert_int_equal(fs_link(AT_FDCWD, "/tmp/file", AT_FDCWD, "/tmp/dir/same", 0), 0);
	assert_int_equal(stat_of("/tmp/file").st_nlink, 2);
	assert_int_equal(stat_of("/tmp/file").st_ino, stat_of("/tmp/dir/same").st_ino);
	assert_int_equal(fs_link(AT_FDCWD, "/tmp/file", AT_FDCWD, "/tmp/dir/same", 0), -EEXIST);
	assert_int_equal(fs_link(AT_FDCWD, "/tmp/dir", AT_FDCWD, "/tmp/d2", 0), -EPERM);
	assert_int_equal(fs_link(AT_FDCWD, "/data", AT_FDCWD, "/tmp/data", 0), -EXDEV);
	assert_int_equal(fs_rename(AT_FDCWD, "/tmp/file", AT_FDCWD, "/file", 0), -EXDEV);

	assert_int_equal(fs_symlink("dir/same", AT_FDCWD, "/tmp/link"), 0);
	assert_int_equal(stat_of("/tmp/link").st_size, 8);
	assert_int_equal(fs_readlink(AT_FDCWD, "/tmp/link", buf, sizeof(buf)), 8);
	assert_memory_equal(buf, "dir/same", 8);
	assert_int_equal(fs_readlink(AT_FDCWD, "/tmp/file", buf, sizeof(buf)), -EINVAL);
	assert_int_equal(fs_stat(AT_FDCWD, "/tmp/link", &st, 0), 0);
	assert_int_equal(st.st_ino, stat_of("/tmp/file").st_ino);

	assert_int_equal(fs_unlink(AT_FDCWD, "/tmp/dir", AT_REMOVEDIR), -ENOTEMPTY);
	assert_int_equal(fs_unlink(AT_FDCWD, "/tmp/dir", 0), -EISDIR);
	assert_int_equal(fs_unlink(AT_FDCWD, "/tmp/file", AT_REMOVEDIR), -ENOTDIR);
	assert_int_equal(fs_unlink(AT_FDCWD, "/tmp/file", 0), 0);
	assert_int_equal(stat_of("/tmp/dir/same").st_nlink, 1);
	assert_int_equal(fs_unlink(AT_FDCWD, "/tmp/dir/same", 0), 0);
	assert_int_equal(fs_unlink(AT_FDCWD, "/tmp/dir", AT_REMOVEDIR), 0);
	assert_int_equal(fs_unlink(AT_FDCWD, "/tmp/link", 0), 0);
	assert_int_equal(stat_of("/tmp").st_nlink, 2);
	assert_int_equal(fs_unlink(AT_FDCWD, "/tmp", AT_REMOVEDIR), -EBUSY);
	assert_int_equal(harness_stop(), 0);
}

static void test_names(void **state)
{
	(void)state;
	run(names_body);
}

static int rename_to(const char *from, const char *to, unsigned flags)
{
	return fs_rename(AT_FDCWD, from, AT_FDCWD, to, flags);
}

static void rename_body(void *arg)
{
	ino_t a, b, d;

	(void)arg;
	harness_start();
	put_file("/tmp/a");
	put_file("/tmp/b");
	assert_int_equal(fs_mkdir(AT_FDCWD, "/tmp/d", 0755), 0);
	assert_int_equal(fs_mkdir(AT_FDCWD, "/tmp/e", 0755), 0);
	assert_int_equal(fs_mkdir(AT_FDCWD, "/tmp/d/sub", 0755), 0);
	a = stat_of("/tmp/a").st_ino;
	b = stat_of("/tmp/b").st_ino;
	d = stat_of("/tmp/d").st_ino;

	assert_int_equal(rename_to("/tmp/a", "/tmp/b", RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(rename_to("/tmp/a", "/tmp/d/a", RENAME_NOREPLACE), 0);
	assert_int_equal(stat_of("/tmp/d/a").st_ino, a);
	assert_int_equal(rename_to("/tmp/d/a", "/tmp/d/a", 0), 0);
	assert_int_equal(rename_to("/tmp/a", "/tmp/x", 0), -ENOENT);
	assert_int_equal(rename_to("/tmp/d/a", "/tmp/none", RENAME_EXCHANGE), -ENOENT);

	/* Exchange, a file and a directory, in two directories. */
	assert_int_equal(rename_to("/tmp/d/a", "/tmp/e", RENAME_EXCHANGE), 0);
	assert_int_equal(stat_of("/tmp/e").st_ino, a);
	assert_int_equal(stat_of("/tmp/d/a/..").st_ino, d);
	assert_int_equal(stat_of("/tmp").st_nlink, 3);
	assert_int_equal(stat_of("/tmp/d").st_nlink, 4);

	/* Replacing. */
	assert_int_equal(rename_to("/tmp/e", "/tmp/b", 0), 0);
	assert_int_equal(stat_of("/tmp/b").st_ino, a);
	assert_int_equal(rename_to("/tmp/b", "/tmp/d", 0), -EISDIR);
	assert_int_equal(rename_to("/tmp/d", "/tmp/b", 0), -ENOTDIR);
	assert_int_equal(rename_to("/tmp/d", "/tmp/d/sub/x", 0), -EINVAL);
	assert_int_equal(rename_to("/tmp/d/sub", "/tmp/d", 0), -ENOTEMPTY);
	assert_int_equal(rename_to("/tmp/d/sub", "/tmp/sub", 0), 0);
	assert_int_equal(stat_of("/tmp/sub/..").st_ino, stat_of("/tmp").st_ino);
	assert_int_equal(stat_of("/tmp").st_nlink, 4);
	assert_int_equal(stat_of("/tmp/d").st_nlink, 3);
	put_file("/tmp/sub/inner");
	assert_int_equal(rename_to("/tmp/d/a", "/tmp/sub", 0), -ENOTEMPTY);
	assert_int_equal(rename_to("/tmp/sub", "/tmp/d/a", 0), 0);
	assert_int_equal(stat_of("/tmp/d/a/inner").st_nlink, 1);
	assert_int_equal(stat_of("/tmp").st_nlink, 3);
	assert_int_equal(stat_of("/tmp/d").st_nlink, 3);
	assert_true(b != a);
	assert_int_equal(harness_stop(), 0);
}

static void test_rename(void **state)
{
	(void)state;
	run(rename_body);
}

/* ---- big directories ---- */

#define MANY 10000

static char *many_name(unsigned i)
{
	static char path[64];

	snprintf(path, sizeof(path), "/m/%u-name", i);
	return path;
}

/* Reads on from where the directory is: how many entries, each of which is counted in seen[]. */
static unsigned list_on(int fd, unsigned most, unsigned char *seen)
{
	struct fs_dirent entry;
	unsigned n = 0;
	int r = 1;

	while (n < most && (r = fs_readdir(fd, &entry)) == 1) {
		if (entry.name[0] != '.')
			seen[strtoul(entry.name, NULL, 10)]++;
		n++;
	}
	assert_true(r >= 0);
	return n;
}

static void many_body(void *arg)
{
	static unsigned char seen[MANY];
	int64_t middle;
	int fd;

	(void)arg;
	harness_start();
	assert_int_equal(fs_mkdir(AT_FDCWD, "/m", 0755), 0);
	assert_int_equal(fs_mount("none", "/m", "tmpfs", 0, "nr_inodes=100k"), 0);
	for (unsigned i = 0; i < MANY; i++)
		put_file(many_name(i));
	for (unsigned i = 0; i < MANY; i++)
		assert_true(S_ISREG(stat_of(many_name(i)).st_mode));
	fd = stack_open("/m", O_RDONLY);

	/* In two parts, with half of the names gone between, and as many new ones. */
	assert_int_equal(list_on(fd, MANY / 2 + 2, seen), MANY / 2 + 2);
	middle = fs_lseek(fd, 0, SEEK_CUR);
	for (unsigned i = 0; i < MANY; i += 2)
		assert_int_equal(fs_unlink(AT_FDCWD, many_name(i), 0), 0);
	list_on(fd, MANY * 2, seen);
	for (unsigned i = 0; i < MANY; i++) {
		const bool early = i < MANY / 2;

		assert_int_equal(seen[i], early || i % 2 ? 1 : 0);
	}
	for (unsigned i = 0; i < MANY; i += 2)
		put_file(many_name(i));
	assert_int_equal(fs_lseek(fd, middle, SEEK_SET), middle);
	memset(seen, 0, sizeof(seen));
	assert_int_equal(list_on(fd, MANY * 2, seen), MANY / 4 + MANY / 2);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(seen[i], i % 2 == 0 || i >= MANY / 2);
	assert_int_equal(fs_close(fd), 0);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(fs_unlink(AT_FDCWD, many_name(i), 0), 0);
	assert_int_equal(fs_umount("/m", 0), 0);
	assert_int_equal(harness_stop(), 0);
}

static void test_many(void **state)
{
	(void)state;
	harness_run(&(struct harness){.frames = 16384, .disk = {.image = stack_image("tmpfs", "4M", 1024, 4096)}},
		    many_body, NULL);
}

/* ---- contents ---- */

static void check_zeros(int fd, uint64_t from, size_t len)
{
	static uint8_t buf[65536];

	assert_in_range(len, 1, sizeof(buf));
	memset(buf, 1, sizeof(buf));
	assert_int_equal(fs_pread(fd, buf, len, (int64_t)from), len);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(buf[i], 0);
}

static void check_pattern(int fd, unsigned n, uint64_t from, size_t len)
{
	static uint8_t buf[65536];

	assert_in_range(len, 1, sizeof(buf));
	assert_int_equal(fs_pread(fd, buf, len, (int64_t)from), len);
	assert_int_equal(stack_differs(buf, n, from, len), len);
}

static void put_pattern(int fd, unsigned n, uint64_t from, size_t len)
{
	static uint8_t buf[65536];

	assert_in_range(len, 1, sizeof(buf));
	stack_fill(buf, n, from, len);
	assert_int_equal(fs_pwrite(fd, buf, len, (int64_t)from), len);
}

static void data_body(void *arg)
{
	char byte;
	int fd;

	(void)arg;
	harness_start();
	fd = stack_open("/tmp/f", O_CREAT | O_RDWR);
	assert_int_equal(fs_read(fd, &byte, 1), 0);
	put_pattern(fd, 1, 0, 10000);
	check_pattern(fd, 1, 0, 10000);
	check_pattern(fd, 1, 4000, 200);
	assert_int_equal(fs_pread(fd, &byte, 1, 10000), 0);
	assert_int_equal(stat_of_fd(fd).st_size, 10000);
	assert_int_equal(stat_of_fd(fd).st_blocks, 3 * 8);

	/* A hole takes nothing, also when it is read. */
	put_pattern(fd, 2, 1000000, 100);
	assert_int_equal(stat_of_fd(fd).st_blocks, 4 * 8);
	check_zeros(fd, 10000, 60000);
	check_zeros(fd, 999000, 1000);
	assert_int_equal(stat_of_fd(fd).st_blocks, 4 * 8);
	assert_int_equal(fs_lseek(fd, 0, SEEK_HOLE), 3 * PAGE_SIZE);
	assert_int_equal(fs_lseek(fd, 20000, SEEK_DATA), 999424);
	assert_int_equal(fs_lseek(fd, 5000, SEEK_DATA), 5000);
	assert_int_equal(fs_lseek(fd, 999500, SEEK_HOLE), 1000100);
	assert_int_equal(fs_lseek(fd, 20000, SEEK_HOLE), 20000);
	assert_int_equal(fs_lseek(fd, 1000100, SEEK_DATA), -ENXIO);

	/* Shorter, and longer again: zeros. */
	assert_int_equal(fs_ftruncate(fd, 5000), 0);
	assert_int_equal(stat_of_fd(fd).st_blocks, 2 * 8);
	assert_int_equal(fs_ftruncate(fd, 2000000), 0);
	assert_int_equal(stat_of_fd(fd).st_blocks, 2 * 8);
	check_pattern(fd, 1, 0, 5000);
	check_zeros(fd, 5000, 20000);
	assert_int_equal(fs_lseek(fd, 8192, SEEK_DATA), -ENXIO);
	assert_int_equal(fs_ftruncate(fd, 0), 0);
	assert_int_equal(stat_of_fd(fd).st_blocks, 0);

	/* Far out. */
	put_pattern(fd, 3, (uint64_t)1 << 40, 100);
	check_pattern(fd, 3, (uint64_t)1 << 40, 100);
	assert_int_equal(stat_of_fd(fd).st_size, ((uint64_t)1 << 40) + 100);
	assert_int_equal(fs_pwrite(fd, "x", 1, INT64_MAX), -EFBIG);
	assert_int_equal(fs_pwrite(fd, "xy", 2, INT64_MAX - 1), 1);
	assert_int_equal(fs_ftruncate(fd, INT64_MAX), 0);
	assert_int_equal(fs_fsync(fd, false), 0);
	assert_int_equal(fs_syncfs(fd), 0);
	assert_int_equal(fs_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED), 0);
	assert_int_equal(fs_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	assert_int_equal(fs_sync_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER), 0);
	check_pattern(fd, 3, (uint64_t)1 << 40, 100);
	assert_int_equal(fs_close(fd), 0);

	fd = stack_open("/tmp/f", O_RDWR | O_TRUNC | O_APPEND | O_SYNC);
	assert_int_equal(fs_write(fd, "ab", 2), 2);
	assert_int_equal(fs_lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(fs_write(fd, "cd", 2), 2);
	assert_int_equal(stat_of_fd(fd).st_size, 4);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(harness_stop(), 0);
}

static void test_data(void **state)
{
	(void)state;
	run(data_body);
}

static void falloc_body(void *arg)
{
	int fd;

	(void)arg;
	harness_start();
	fd = stack_open("/tmp/f", O_CREAT | O_RDWR);
	assert_int_equal(fs_fallocate(fd, 5000, 10000), 0);
	assert_int_equal(stat_of_fd(fd).st_size, 15000);
	assert_int_equal(stat_of_fd(fd).st_blocks, 3 * 8);
	check_zeros(fd, 0, 15000);
	put_pattern(fd, 1, 0, 15000);

	/* Ends within pages, at their borders, inside one. */
	assert_int_equal(fs_fallocate_mode(fd, PUNCH, 4000, 4300), 0);
	check_pattern(fd, 1, 0, 4000);
	check_zeros(fd, 4000, 4300);
	check_pattern(fd, 1, 8300, 15000 - 8300);
	assert_int_equal(stat_of_fd(fd).st_blocks, 3 * 8);
	assert_int_equal(fs_fallocate_mode(fd, PUNCH, 12288, 100000), 0);
	assert_int_equal(stat_of_fd(fd).st_size, 15000);
	assert_int_equal(stat_of_fd(fd).st_blocks, 2 * 8);
	check_zeros(fd, 12288, 15000 - 12288);
	assert_int_equal(fs_fallocate_mode(fd, PUNCH, 100, 50), 0);
	check_pattern(fd, 1, 0, 100);
	check_zeros(fd, 100, 50);
	check_pattern(fd, 1, 150, 4000 - 150);

	assert_int_equal(fs_fallocate_mode(fd, ZERO, 10000, 20000), 0);
	assert_int_equal(stat_of_fd(fd).st_size, 30000);
	check_pattern(fd, 1, 8300, 10000 - 8300);
	check_zeros(fd, 10000, 20000);
	assert_int_equal(fs_fallocate_mode(fd, KEEP, 29000, 3768), 0);
	assert_int_equal(fs_fallocate_mode(fd, KEEP, 29000, 3769), -EOPNOTSUPP);
	assert_int_equal(stat_of_fd(fd).st_size, 30000);

	/* More than there may be: nothing has changed. */
	assert_int_equal(fs_fallocate(fd, 0, (int64_t)1 << 40), -ENOSPC);
	assert_int_equal(stat_of_fd(fd).st_size, 30000);
	check_pattern(fd, 1, 8300, 10000 - 8300);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(harness_stop(), 0);
}

static void test_falloc(void **state)
{
	(void)state;
	run(falloc_body);
}

/* ---- mappings ---- */

static void map_body(void *arg)
{
	uint8_t *p, *copy, byte;
	struct stat st;
	int fd, error;

	(void)arg;
	harness_start();
	fd = stack_open("/tmp/f", O_CREAT | O_RDWR);
	put_pattern(fd, 1, 0, 5 * PAGE_SIZE);
	p = stack_map(fd, 8 * PAGE_SIZE, RW, MAP_KIND_SHARED);
	copy = stack_map(fd, 8 * PAGE_SIZE, RW, MAP_KIND_PRIVATE);
	assert_int_equal(stack_differs(p, 1, 0, 5 * PAGE_SIZE), 5 * PAGE_SIZE);
	assert_int_equal(stack_differs(copy, 1, 0, PAGE_SIZE), PAGE_SIZE);

	/* One truth, and private copies. */
	p[100] = 7;
	p[PAGE_SIZE] = 8;
	assert_int_equal(copy[100], 7);
	copy[100] = 9;
	assert_int_equal(p[100], 7);
	assert_int_equal(fs_pread(fd, &byte, 1, 100), 1);
	assert_int_equal(byte, 7);
	assert_int_equal(fs_pwrite(fd, "w", 1, PAGE_SIZE), 1);
	assert_int_equal(p[PAGE_SIZE], 'w');
	assert_int_equal(copy[PAGE_SIZE], 'w');
	assert_int_equal(map_sync((vaddr_t)p, 5 * PAGE_SIZE, true), 0);
	assert_int_equal(map_advise((vaddr_t)p, 5 * PAGE_SIZE, MAP_ADV_PAGEOUT), 0);
	assert_int_equal(map_advise((vaddr_t)p, 5 * PAGE_SIZE, MAP_ADV_DONTNEED), 0);
	assert_int_equal(p[100], 7);

	/* From its own mapping into itself. */
	assert_int_equal(fs_pwrite(fd, p, 2 * PAGE_SIZE, 3 * PAGE_SIZE), 2 * PAGE_SIZE);
	assert_memory_equal(p, p + 3 * PAGE_SIZE, 2 * PAGE_SIZE);
	assert_int_equal(fs_pread(fd, p + PAGE_SIZE, PAGE_SIZE, 0), PAGE_SIZE);
	assert_memory_equal(p, p + PAGE_SIZE, PAGE_SIZE);

	/* Beyond the end, and what was stored there. */
	assert_int_equal(harness_load(p + 5 * PAGE_SIZE, &byte, NULL), FAULT_ADRERR);
	assert_int_equal(harness_load(copy + 5 * PAGE_SIZE, &byte, NULL), FAULT_ADRERR);
	assert_int_equal(fs_ftruncate(fd, PAGE_SIZE + 10), 0);
	assert_int_equal(harness_store(p + 2 * PAGE_SIZE, 1, NULL), FAULT_ADRERR);
	assert_int_equal(harness_store(copy + 2 * PAGE_SIZE, 1, NULL), FAULT_ADRERR);
	p[PAGE_SIZE + 20] = 55;
	assert_int_equal(fs_ftruncate(fd, 3 * PAGE_SIZE), 0);
	assert_int_equal(p[PAGE_SIZE + 20], 0);
	assert_int_equal(p[2 * PAGE_SIZE], 0);
	p[2 * PAGE_SIZE + 5] = 66;
	assert_int_equal(fs_fallocate_mode(fd, PUNCH, 2 * PAGE_SIZE, PAGE_SIZE), 0);
	assert_int_equal(p[2 * PAGE_SIZE + 5], 0);

	/* A store is seen in the time stamps; a load is not. */
	assert_int_equal(fs_ftruncate(fd, 8 * PAGE_SIZE), 0);
	st = stat_of_fd(fd); // which takes earlier ones
	thread_sleep_until(clock_now() + NSEC_PER_SEC);
	assert_int_equal(p[6 * PAGE_SIZE], 0);
	assert_int_equal(stat_of_fd(fd).st_mtim.tv_sec, st.st_mtim.tv_sec);
	p[6 * PAGE_SIZE] = 1;
	assert_true(stat_of_fd(fd).st_mtim.tv_sec > st.st_mtim.tv_sec);

	/* Deleted, closed, and still there. */
	assert_int_equal(fs_unlink(AT_FDCWD, "/tmp/f", 0), 0);
	assert_int_equal(fs_close(fd), 0);
	p[7 * PAGE_SIZE] = 77;
	assert_int_equal(copy[7 * PAGE_SIZE], 77);
	assert_int_equal(harness_store(p, 5, &error), FAULT_OK);
	assert_int_equal(map_wire((vaddr_t)p, PAGE_SIZE), -EINVAL);
	stack_unmap(p, 8 * PAGE_SIZE);
	assert_int_equal(copy[100], 9);
	stack_unmap(copy, 8 * PAGE_SIZE);
	assert_int_equal(harness_stop(), 0);
}

static void test_map(void **state)
{
	(void)state;
	run(map_body);
}

/* ---- space ---- */

static struct fs_space space_of(const char *path)
{
	struct fs_space space;

	assert_int_equal(fs_space(AT_FDCWD, path, &space), 0);
	return space;
}

static void limits_body(void *arg)
{
	static uint8_t buf[20 * PAGE_SIZE];
	struct fs_space space;
	uint8_t *p;
	int fd, error;

	(void)arg;
	harness_start();
	assert_int_equal(space_of("/tmp").blocks, frame_total() / 2);
	assert_int_equal(fs_mkdir(AT_FDCWD, "/m", 0755), 0);
	assert_int_equal(fs_mount("none", "/m", "tmpfs", 0, "size=64k,nr_inodes=4,mode=700"), 0);
	assert_int_equal(stat_of("/m").st_mode, S_IFDIR | 0700);
	space = space_of("/m");
	assert_int_equal(space.blocks, 16);
	assert_int_equal(space.blocks_free, 16);
	assert_int_equal(space.inodes, 4);
	assert_int_equal(space.inodes_free, 3);

	fd = stack_open("/m/f", O_CREAT | O_RDWR);
	assert_int_equal(fs_write(fd, buf, sizeof(buf)), 16 * PAGE_SIZE);
	assert_int_equal(fs_write(fd, buf, 1), -ENOSPC);
	assert_int_equal(stat_of_fd(fd).st_size, 16 * PAGE_SIZE);
	assert_int_equal(space_of("/m").blocks_free, 0);
	assert_int_equal(fs_ftruncate(fd, 20 * PAGE_SIZE), 0);
	p = stack_map(fd, 20 * PAGE_SIZE, RW, MAP_KIND_SHARED);
	assert_int_equal(harness_store(p + 17 * PAGE_SIZE, 1, &error), FAULT_ADRERR);
	assert_int_equal(error, ENOSPC);
	assert_int_equal(fs_fallocate_mode(fd, PUNCH, 0, PAGE_SIZE), 0);
	p[17 * PAGE_SIZE] = 1;
	assert_int_equal(fs_fallocate(fd, 0, 2 * PAGE_SIZE), -ENOSPC);
	stack_unmap(p, 20 * PAGE_SIZE);

	put_file("/m/g");
	assert_int_equal(fs_mkdir(AT_FDCWD, "/m/d", 0755), 0);
	assert_int_equal(create_at("/m/h"), -ENOSPC);
	assert_int_equal(fs_symlink("x", AT_FDCWD, "/m/h"), -ENOSPC);
	assert_int_equal(fs_link(AT_FDCWD, "/m/g", AT_FDCWD, "/m/h", 0), 0);
	assert_int_equal(fs_unlink(AT_FDCWD, "/m/h", 0), 0);
	assert_int_equal(fs_unlink(AT_FDCWD, "/m/g", 0), 0);
	put_file("/m/h"); // there is room at once

	/* A deleted file that is open has its space; who needs it after the close has it at once. */
	assert_int_equal(fs_unlink(AT_FDCWD, "/m/f", 0), 0);
	assert_int_equal(space_of("/m").blocks_free, 0);
	assert_int_equal(fs_close(fd), 0);
	fd = stack_open("/m/h", O_RDWR);
	assert_int_equal(fs_write(fd, buf, 16 * PAGE_SIZE), 16 * PAGE_SIZE);
	assert_int_equal(fs_umount("/m", 0), -EBUSY);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(fs_umount("/m", 0), 0);
	assert_int_equal(fs_umount("/m", 0), -EINVAL);
	assert_int_equal(fs_umount("/tmp", 0), -EBUSY);
	assert_int_equal(harness_stop(), 0);
}

static void test_limits(void **state)
{
	(void)state;
	run(limits_body);
}

/* Whatever is in /tmp, what was promised to the application is there. */
static void starve_body(void *arg)
{
	static uint8_t buf[65536];
	struct map_stats map;
	size_t mine, before, files = 0;
	char path[64];
	uint8_t *p;
	long n;
	int fd;

	(void)arg;
	harness_start();
	map_stats(&map);
	before = map.committed;
	mine = (map.commit_limit - map.committed) * 3 / 4;
	p = stack_map(-1, mine * PAGE_SIZE, RW, MAP_KIND_ANON);
	fd = stack_open("/tmp/big", O_CREAT | O_RDWR);
	while ((n = fs_write(fd, buf, sizeof(buf))) == sizeof(buf))
		;
	assert_true(n == -ENOSPC || n < (long)sizeof(buf));
	assert_int_equal(fs_write(fd, buf, sizeof(buf)), -ENOSPC);
	assert_true(space_of("/tmp").blocks_free > 0); // not its own limit
	assert_int_equal(space_of("/tmp").blocks_avail, 0);
	for (;; files++) { // empty ones take memory, too
		int err;

		snprintf(path, sizeof(path), "/tmp/%zu", files);
		err = create_at(path);
		if (err < 0) {
			assert_int_equal(err, -ENOSPC);
			break;
		}
		assert_int_equal(fs_close(err), 0);
	}
	for (size_t i = 0; i < mine; i++)
		p[i * PAGE_SIZE] = (uint8_t)i;
	for (size_t i = 0; i < mine; i++)
		assert_int_equal(p[i * PAGE_SIZE], (uint8_t)i);
	stack_unmap(p, mine * PAGE_SIZE);

	/* And all of it comes back. */
	assert_int_equal(fs_ftruncate(fd, 0), 0);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(fs_unlink(AT_FDCWD, "/tmp/big", 0), 0);
	while (files-- > 0) {
		snprintf(path, sizeof(path), "/tmp/%zu", files);
		assert_int_equal(fs_unlink(AT_FDCWD, path, 0), 0);
	}
	assert_int_equal(space_of("/tmp").blocks_free, space_of("/tmp").blocks);
	assert_int_equal(space_of("/tmp").inodes_free, space_of("/tmp").inodes - 1);
	assert_int_equal(promised(), before);
	assert_int_equal(harness_stop(), 0);
}

static void test_starve(void **state)
{
	(void)state;
	run(starve_body);
}

/* ---- mounting ---- */

static void mounting_body(void *arg)
{
	static const char *const bad[] = {"size",
					  "size=",
					  "size=x",
					  "size=1x",
					  "size=101%",
					  "mode=8",
					  "mode=17777",
					  "nr_inodes=1%",
					  "uid=0",
					  "size=-1",
					  "size=99999999999999999999",
					  "size=1k k",
					  ",size=1k"};
	const size_t before = promised();
	uint8_t *p, byte;
	int fd, dir;

	(void)arg;
	harness_start();
	assert_int_equal(fs_mkdir(AT_FDCWD, "/m", 0755), 0);
	for (size_t i = 0; i < array_size(bad); i++) {
		if (fs_mount("none", "/m", "tmpfs", 0, bad[i]) != -EINVAL)
			fail_msg("option %s", bad[i]);
	}
	assert_int_equal(fs_mount(NULL, "/none", "tmpfs", 0, NULL), -ENOENT);
	assert_int_equal(fs_mount(NULL, "/data", "tmpfs", 0, NULL), -ENOTDIR);
	assert_int_equal(fs_mount(NULL, "/m", "ramfs", 0, NULL), -ENODEV);
	assert_int_equal(fs_mount(NULL, "/m", "ext2", 0, NULL), -EFAULT);
	assert_int_equal(fs_mount(NULL, "/m", "tmpfs", 0, "size=25%"), 0);
	assert_int_equal(space_of("/m").blocks, (frame_total() + 3) / 4);
	assert_int_equal(fs_mkdir(AT_FDCWD, "/m/sub", 0755), 0);
	assert_int_equal(fs_mount(NULL, "/m/sub/..", "tmpfs", 0, "size=64k"), 0); // over it
	assert_int_equal(space_of("/m").blocks, 16);
	assert_int_equal(fs_umount("/m", 0), 0);
	assert_int_equal(fs_mount(NULL, "/", "tmpfs", 0, NULL), -EBUSY);
	assert_int_equal(fs_mount(NULL, "/m/sub", "tmpfs", MS_RDONLY, ""), 0);
	assert_int_equal(create_at("/m/sub/x"), -EROFS);
	assert_int_equal(fs_umount("/m", 0), -EBUSY);
	assert_int_equal(fs_umount("/m/sub", 0), 0);

	/* With files open and mapped, a link and a deleted one. */
	fd = stack_open("/m/f", O_CREAT | O_RDWR);
	dir = stack_open("/m/sub", O_RDONLY);
	put_pattern(fd, 1, 0, 3 * PAGE_SIZE);
	p = stack_map(fd, 3 * PAGE_SIZE, RW, MAP_KIND_SHARED);
	assert_int_equal(fs_symlink("f", AT_FDCWD, "/m/l"), 0);
	put_file("/m/gone");
	assert_int_equal(fs_unlink(AT_FDCWD, "/m/gone", 0), 0);
	assert_int_equal(fs_umount("/m", 0), -EBUSY);
	assert_int_equal(fs_umount("/m", MNT_DETACH), 0);
	assert_int_equal(fs_pread(fd, &byte, 1, 0), -EIO);
	assert_int_equal(fs_open(dir, "..", O_RDONLY, 0), -EIO);
	assert_int_equal(p[2 * PAGE_SIZE], stack_byte(1, 2 * PAGE_SIZE));
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(fs_close(dir), 0);
	stack_unmap(p, 3 * PAGE_SIZE);
	assert_int_equal(fs_mount(NULL, "/m", "tmpfs", 0, NULL), 0); // which forgets the one before
	assert_int_equal(fs_umount("/m", 0), 0);
	assert_int_equal(promised(), before + 1); // of /tmp's root
	assert_int_equal(harness_stop(), 0);
}

static void test_mounting(void **state)
{
	(void)state;
	run(mounting_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names),  cmocka_unit_test(test_rename), cmocka_unit_test(test_many),
	    cmocka_unit_test(test_data),   cmocka_unit_test(test_falloc), cmocka_unit_test(test_map),
	    cmocka_unit_test(test_limits), cmocka_unit_test(test_starve), cmocka_unit_test(test_mounting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
