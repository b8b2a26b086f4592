// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* The calls one by one: what each gives for good and bad arguments, and what it costs the card. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arch/page.h"
#include "fs/buffer.h"
#include "fs/fs.h"
#include "kernel/time.h"
#include "mm/pcache.h"
#include "tests/host/harness.h"
#include "tests/host/image.h"
#include "tests/host/stack.h"

static const char *out;	   // the image that a run leaves
static const char *synced; // and what was on the card once it had synced

/* mke2fs, what debugfs is to put there, the run, and e2fsck. */
static void run(void (*body)(void *), const char *size, const char *options, const char *commands)
{
	const char *image = image_path("calls");

	out = image_path("calls-out");
	image_mke2fs(image, size, options);
	if (commands)
		image_debugfs(image, commands);
	harness_run(&(struct harness){.frames = 2048, .disk = {.image = image, .save = out}}, body, NULL);
	assert_int_equal(image_e2fsck(out, "-n"), 0);
}

static int make(const char *path)
{
	int fd = fs_open(AT_FDCWD, path, O_CREAT | O_RDWR, 0640);

	if (fd < 0)
		fail_msg("%s: %d", path, fd);
	return fd;
}

static void put_file(const char *path)
{
	assert_int_equal(fs_close(make(path)), 0);
}

/* ---- paths ---- */

static void paths(void *arg)
{
	char name[400], *deep = malloc(5000);
	struct stat st;

	(void)arg;
	harness_start();
	put_file("/file");
	assert_int_equal(fs_mkdir(AT_FDCWD, "/dir", 0755), 0);
	put_file("/dir/inner");

	assert_int_equal(fs_open(AT_FDCWD, "", O_RDONLY, 0), -ENOENT);
	assert_int_equal(fs_open(AT_FDCWD, "/none", O_RDONLY, 0), -ENOENT);
	assert_int_equal(fs_open(AT_FDCWD, "/none/x", O_CREAT | O_RDWR, 0), -ENOENT);
	assert_int_equal(fs_open(AT_FDCWD, "/file/x", O_RDONLY, 0), -ENOTDIR);
	assert_int_equal(fs_open(AT_FDCWD, "/file/", O_RDONLY, 0), -ENOTDIR);
	assert_int_equal(fs_open(AT_FDCWD, "/new/", O_CREAT | O_RDWR, 0), -EISDIR);
	assert_int_equal(fs_open(AT_FDCWD, "/dir", O_RDWR, 0), -EISDIR);
	assert_int_equal(fs_open(AT_FDCWD, "/file", O_RDONLY | O_DIRECTORY, 0), -ENOTDIR);
	assert_int_equal(fs_open(AT_FDCWD, "/file", O_CREAT | O_EXCL | O_RDWR, 0), -EEXIST);
	assert_int_equal(fs_open(AT_FDCWD, NULL, O_RDONLY, 0), -EFAULT);
	memset(name, 'n', 300);
	name[0] = '/';
	name[300] = 0;
	assert_int_equal(fs_open(AT_FDCWD, name, O_RDONLY, 0), -ENAMETOOLONG);
	name[256] = 0;
	put_file(name);
	assert_int_equal(fs_unlink(AT_FDCWD, name, 0), 0);
	memset(deep, '/', 4999);
	deep[4999] = 0;
	assert_int_equal(fs_stat(AT_FDCWD, deep, &st, 0), -ENAMETOOLONG);
	deep[4000] = 0;
	assert_int_equal(fs_stat(AT_FDCWD, deep, &st, 0), 0);
	assert_int_equal(st.st_ino, 2);
	free(deep);

	/* Dots, slashes, and names without a leading one. */
	assert_int_equal(fs_stat(AT_FDCWD, "/dir/../dir/./inner", &st, 0), 0);
	assert_int_equal(fs_stat(AT_FDCWD, "//dir///inner", &st, 0), 0);
	assert_int_equal(fs_stat(AT_FDCWD, "dir/inner", &st, 0), 0);
	assert_int_equal(fs_stat(AT_FDCWD, "/../..", &st, 0), 0);
	assert_int_equal(st.st_ino, 2);
	assert_int_equal(fs_stat(AT_FDCWD, "/dir/", &st, 0), 0);
	assert_int_equal(fs_stat(AT_FDCWD, "/file/.", &st, 0), -ENOTDIR);
	assert_int_equal(fs_stat(AT_FDCWD, "/file/..", &st, 0), -ENOTDIR);

	/* Symbolic links, made by debugfs. */
	assert_int_equal(fs_stat(AT_FDCWD, "/to-dir/inner", &st, 0), 0);
	assert_int_equal(fs_stat(AT_FDCWD, "/to-file", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(fs_stat(AT_FDCWD, "/to-file", &st, 0), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(fs_stat(AT_FDCWD, "/long", &st, 0), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(fs_stat(AT_FDCWD, "/loop1", &st, 0), -ELOOP);
	assert_int_equal(fs_stat(AT_FDCWD, "/loop1", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(fs_open(AT_FDCWD, "/to-file", O_RDONLY | O_NOFOLLOW, 0), -ELOOP);
	assert_int_equal(fs_open(AT_FDCWD, "/dangling", O_RDONLY, 0), -ENOENT);
	assert_int_equal(fs_open(AT_FDCWD, "/dangling", O_CREAT | O_EXCL | O_RDWR, 0), -EEXIST);
	put_file("/dangling");
	assert_int_equal(fs_stat(AT_FDCWD, "/target", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(fs_unlink(AT_FDCWD, "/to-file", 0), 0);
	assert_int_equal(fs_unlink(AT_FDCWD, "/long", 0), 0);
	assert_int_equal(fs_stat(AT_FDCWD, "/file", &st, 0), 0);
	assert_int_equal(harness_stop(), 0);
}

static void test_paths(void **state)
{
	char commands[2048], *p = commands;

	(void)state;
	p += sprintf(p, "symlink to-dir dir\nsymlink to-file /file\nsymlink loop1 loop2\nsymlink loop2 loop1\n"
			"symlink dangling target\nsymlink long ");
	for (unsigned i = 0; i < 30; i++)
		p += sprintf(p, "dir/../");
	sprintf(p, "file\n");
	run(paths, "2M", "-b 1024", commands);
}

/* ---- the tree ---- */

static void tree(void *arg)
{
	struct fs_space before, after;
	char path[64];
	struct stat st;

	(void)arg;
	harness_start();
	assert_int_equal(fs_space(AT_FDCWD, "/", &before), 0);
	assert_int_equal(fs_mkdir(AT_FDCWD, "/a", 0755), 0);
	assert_int_equal(fs_mkdir(AT_FDCWD, "/a", 0755), -EEXIST);
	assert_int_equal(fs_mkdir(AT_FDCWD, "/a/b/", 0755), 0);
	assert_int_equal(fs_mkdir(AT_FDCWD, "/", 0755), -EEXIST);
	assert_int_equal(fs_mkdir(AT_FDCWD, "/a/.", 0755), -EEXIST);
	assert_int_equal(fs_stat(AT_FDCWD, "/a", &st, 0), 0);
	assert_int_equal(st.st_nlink, 3);
	assert_int_equal(fs_unlink(AT_FDCWD, "/a", AT_REMOVEDIR), -ENOTEMPTY);
	assert_int_equal(fs_unlink(AT_FDCWD, "/a/b/.", AT_REMOVEDIR), -EINVAL);
	assert_int_equal(fs_unlink(AT_FDCWD, "/a/b/..", AT_REMOVEDIR), -ENOTEMPTY);
	assert_int_equal(fs_unlink(AT_FDCWD, "/", AT_REMOVEDIR), -EBUSY);
	assert_int_equal(fs_unlink(AT_FDCWD, "/a", 0), -EISDIR);
	assert_int_equal(fs_unlink(AT_FDCWD, "/none", 0), -ENOENT);
	put_file("/f");
	assert_int_equal(fs_unlink(AT_FDCWD, "/f", AT_REMOVEDIR), -ENOTDIR);
	assert_int_equal(fs_unlink(AT_FDCWD, "/f/", 0), -ENOTDIR);

	assert_int_equal(fs_rename(AT_FDCWD, "/a", AT_FDCWD, "/a/b/c", 0), -EINVAL);
	assert_int_equal(fs_rename(AT_FDCWD, "/a", AT_FDCWD, "/a", 0), 0);
	assert_int_equal(fs_rename(AT_FDCWD, "/a", AT_FDCWD, "/a/x", 0), -EINVAL);
	assert_int_equal(fs_rename(AT_FDCWD, "/f", AT_FDCWD, "/a", 0), -EISDIR);
	assert_int_equal(fs_rename(AT_FDCWD, "/a", AT_FDCWD, "/f", 0), -ENOTDIR);
	assert_int_equal(fs_rename(AT_FDCWD, "/a/b", AT_FDCWD, "/a", 0), -ENOTEMPTY);
	assert_int_equal(fs_rename(AT_FDCWD, "/none", AT_FDCWD, "/x", 0), -ENOENT);
	assert_int_equal(fs_rename(AT_FDCWD, "/f", AT_FDCWD, "/none/x", 0), -ENOENT);
	assert_int_equal(fs_rename(AT_FDCWD, "/f", AT_FDCWD, "/g/", 0), -ENOTDIR);
	assert_int_equal(fs_rename(AT_FDCWD, "/", AT_FDCWD, "/x", 0), -EBUSY);
	assert_int_equal(fs_rename(AT_FDCWD, "/a/b", AT_FDCWD, "/c", 0), 0);
	assert_int_equal(fs_stat(AT_FDCWD, "/c/..", &st, 0), 0);
	assert_int_equal(st.st_ino, 2);
	assert_int_equal(fs_stat(AT_FDCWD, "/a", &st, 0), 0);
	assert_int_equal(st.st_nlink, 2);
	assert_int_equal(fs_rename(AT_FDCWD, "/c", AT_FDCWD, "/a", 0), 0); // over an empty one
	assert_int_equal(fs_stat(AT_FDCWD, "/c", &st, 0), -ENOENT);
	assert_int_equal(fs_unlink(AT_FDCWD, "/a", AT_REMOVEDIR), 0);
	assert_int_equal(fs_unlink(AT_FDCWD, "/f", 0), 0);

	/* A directory that outgrows its first blocks, then is emptied. */
	assert_int_equal(fs_mkdir(AT_FDCWD, "/many", 0755), 0);
	for (unsigned i = 0; i < 150; i++) {
		snprintf(path, sizeof(path), "/many/a-name-that-is-rather-long-%u", i);
		put_file(path);
	}
	assert_int_equal(fs_stat(AT_FDCWD, "/many", &st, 0), 0);
	assert_true(st.st_size > 4096);
	for (unsigned i = 0; i < 150; i++) {
		snprintf(path, sizeof(path), "/many/a-name-that-is-rather-long-%u", (i * 7) % 150);
		assert_int_equal(fs_unlink(AT_FDCWD, path, 0), 0);
	}
	assert_int_equal(fs_unlink(AT_FDCWD, "/many", AT_REMOVEDIR), 0);
	assert_int_equal(fs_space(AT_FDCWD, "/", &after), 0);
	assert_int_equal(after.blocks_free, before.blocks_free);
	assert_int_equal(after.inodes_free, before.inodes_free);
	assert_int_equal(harness_stop(), 0);
}

static void test_tree(void **state)
{
	(void)state;
	run(tree, "4M", "-b 1024 -N 256", NULL);
	run(tree, "4M", "-b 4096 -N 256 -O ^filetype", NULL);
}

static void indexed(void *arg)
{
	char path[64];
	struct stat st;

	(void)arg;
	harness_start();
	/* More names than before in a directory that e2fsck -D indexed. */
	for (unsigned i = 0; i < 200; i++) {
		snprintf(path, sizeof(path), "/many/f%u", i);
		assert_int_equal(fs_stat(AT_FDCWD, path, &st, 0), 0);
	}
	for (unsigned i = 0; i < 100; i += 3) {
		snprintf(path, sizeof(path), "/many/f%u", i);
		assert_int_equal(fs_unlink(AT_FDCWD, path, 0), 0);
	}
	for (unsigned i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), "/many/another-%u", i);
		put_file(path);
	}
	assert_int_equal(harness_stop(), 0);
}

static void test_indexed_directory(void **state)
{
	const char *image = image_path("indexed"), *saved = image_path("indexed-out");
	char *commands = malloc(20000), *p = commands;

	(void)state;
	image_mke2fs(image, "4M", "-b 1024 -N 1024");
	p += sprintf(p, "mkdir many\ncd many\n");
	for (unsigned i = 0; i < 200; i++)
		p += sprintf(p, "write /dev/null f%u\n", i);
	image_debugfs(image, commands);
	free(commands);
	assert_true(image_e2fsck(image, "-y -D") <= 1);
	harness_run(&(struct harness){.frames = 2048, .disk = {.image = image, .save = saved}}, indexed, NULL);
	assert_int_equal(image_e2fsck(saved, "-n"), 0);
}

/* ---- descriptors ---- */

static void descriptors(void *arg)
{
	char text[8] = "";
	int fd, other, fds[1100], n = 0;

	(void)arg;
	harness_start();
	assert_int_equal(fs_close(7), -EBADF);
	assert_int_equal(fs_read(-1, text, 1), -EBADF);
	fd = make("/f");
	assert_int_equal(fs_write(fd, "abcdef", 6), 6);
	other = fs_dup(fd);
	assert_int_equal(fs_lseek(other, 2, SEEK_SET), 2);
	assert_int_equal(fs_read(fd, text, 2), 2); // one offset for both
	assert_string_equal(text, "cd");
	assert_int_equal(fs_lseek(fd, -1, SEEK_END), 5);
	assert_int_equal(fs_lseek(fd, 0, SEEK_CUR), 5);
	assert_int_equal(fs_lseek(fd, -9, SEEK_CUR), -EINVAL);
	assert_int_equal(fs_lseek(fd, 0, 99), -EINVAL);
	assert_int_equal(fs_lseek(fd, INT64_MAX, SEEK_CUR), -EINVAL);
	assert_int_equal(fs_dup3(fd, 77, 0), 77);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(fs_close(other), 0);
	assert_int_equal(fs_pread(77, text, 3, 3), 3);
	assert_memory_equal(text, "def", 3);
	assert_int_equal(fs_dup3(77, 77, 0), -EINVAL);
	assert_int_equal(fs_fcntl(77, F_SETFL, O_APPEND), 0);
	assert_true(fs_fcntl(77, F_GETFL, 0) & O_APPEND);
	assert_int_equal(fs_lseek(77, 0, SEEK_SET), 0);
	assert_int_equal(fs_write(77, "g", 1), 1);
	assert_int_equal(fs_lseek(77, 0, SEEK_CUR), 7);
	assert_int_equal(fs_fcntl(77, F_GETFD, 0), 0);
	assert_int_equal(fs_fcntl(77, F_SETFD, FD_CLOEXEC), 0);
	assert_int_equal(fs_fcntl(77, F_GETFD, 0), FD_CLOEXEC);
	assert_int_equal(fs_fcntl(77, F_DUPFD, 100), 100);
	assert_int_equal(fs_close(100), 0);
	assert_int_equal(fs_close(77), 0);

	fd = fs_open(AT_FDCWD, "/f", O_RDONLY, 0);
	assert_int_equal(fs_write(fd, "x", 1), -EBADF);
	assert_int_equal(fs_ftruncate(fd, 0), -EINVAL);
	assert_int_equal(fs_close(fd), 0);
	fd = fs_open(AT_FDCWD, "/f", O_WRONLY, 0);
	assert_int_equal(fs_read(fd, text, 1), -EBADF);
	assert_int_equal(fs_write(fd, (void *)16, 5), -EFAULT);
	assert_int_equal(fs_close(fd), 0);
	fd = fs_open(AT_FDCWD, "/", O_RDONLY, 0);
	assert_int_equal(fs_read(fd, text, 1), -EISDIR);
	assert_int_equal(fs_fsync(fd, false), 0);
	assert_int_equal(fs_close(fd), 0);
	while ((fd = fs_open(AT_FDCWD, "/f", O_RDONLY, 0)) >= 0 && n < 1100)
		fds[n++] = fd;
	assert_int_equal(fd, -EMFILE);
	while (n > 0)
		assert_int_equal(fs_close(fds[--n]), 0);

	/* Devices, which need no card. */
	fd = fs_open(AT_FDCWD, "/dev/zero", O_RDWR, 0);
	assert_int_equal(fs_read(fd, text, 4), 4);
	assert_memory_equal(text, "\0\0\0\0", 4);
	assert_int_equal(fs_lseek(fd, 5, SEEK_SET), 0); // as on Linux
	assert_int_equal(fs_isatty(fd), -ENOTTY);
	assert_int_equal(fs_close(fd), 0);
	fd = fs_open(AT_FDCWD, "/dev/null", O_RDWR | O_CREAT | O_TRUNC, 0);
	assert_int_equal(fs_write(fd, "gone", 4), 4);
	assert_int_equal(fs_read(fd, text, 4), 0);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(fs_open(AT_FDCWD, "/dev/none", O_RDONLY, 0), -ENOENT);
	assert_int_equal(fs_open(AT_FDCWD, "/dev/none", O_RDWR | O_CREAT, 0), -EROFS);
	assert_int_equal(fs_mkdir(AT_FDCWD, "/dev/x", 0755), -EROFS);
	assert_int_equal(harness_stop(), 0);
	assert_int_equal(fs_open(AT_FDCWD, "/f", O_RDONLY, 0), -ENODEV);
	assert_true(fs_open(AT_FDCWD, "/dev/null", O_RDONLY, 0) >= 0);
}

static void test_descriptors(void **state)
{
	(void)state;
	run(descriptors, "2M", "-b 2048", NULL);
}

/* ---- sizes ---- */

static uint64_t triple(unsigned block)
{
	const uint64_t p = block / 4;

	return (12 + p + p * p) * block;
}

/* Around each step of the block tree; the holes between read as zeros. */
static void sparse(void *arg)
{
	const unsigned block = *(const unsigned *)arg;
	const uint64_t p = block / 4;
	const uint64_t places[] = {0, 12 * block, (12 + p) * block, triple(block), triple(block) + 5 * p * block};
	int fd;

	harness_start();
	fd = make("/sparse");
	for (size_t i = 0; i < array_size(places); i++) {
		char text[32];

		snprintf(text, sizeof(text), "place %zu", i);
		assert_int_equal(fs_pwrite(fd, text, sizeof(text), (int64_t)places[i] - (i ? 7 : 0)), sizeof(text));
	}
	assert_int_equal(fs_fsync(fd, false), 0);
	(void)pcache_drop_clean();
	for (size_t i = 0; i < array_size(places); i++) {
		char text[32], read[96];

		snprintf(text, sizeof(text), "place %zu", i);
		assert_int_equal(fs_pread(fd, read, i ? sizeof(read) : sizeof(text), (int64_t)places[i] - (i ? 39 : 0)),
				 i == 0			       ? sizeof(text)
				 : i + 1 == array_size(places) ? 64
							       : sizeof(read));
		assert_string_equal(read + (i ? 32 : 0), text);
		for (size_t b = 0; i && b < 32; b++)
			assert_int_equal(read[b], 0);
	}
	assert_int_equal(fs_pwrite(fd, "x", 1, INT64_MAX - 1), -EFBIG);
	assert_int_equal(fs_ftruncate(fd, INT64_MAX), -EFBIG);
	/* Down through the levels. */
	for (size_t i = array_size(places); i-- > 1;) {
		struct stat st;

		assert_int_equal(fs_ftruncate(fd, (int64_t)places[i] - 3), 0);
		assert_int_equal(fs_fstat(fd, &st), 0);
		assert_int_equal(st.st_size, places[i] - 3);
	}
	assert_int_equal(fs_ftruncate(fd, 0), 0);
	assert_int_equal(fs_sync(), 0);
	struct stat st;

	assert_int_equal(fs_fstat(fd, &st), 0);
	assert_int_equal(st.st_blocks, 0);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(harness_stop(), 0);
}

static void test_sparse(void **state)
{
	(void)state;
	for (unsigned block = 1024; block <= 4096; block *= 2) {
		const char *image = image_path("sparse"), *saved = image_path("sparse-out");
		char options[32];

		snprintf(options, sizeof(options), "-b %u -O ^large_file", block);
		image_mke2fs(image, "8M", options);
		harness_run(&(struct harness){.frames = 2048, .disk = {.image = image, .save = saved}}, sparse, &block);
		assert_int_equal(image_e2fsck(saved, "-n"), 0);
	}
}

/* A growing log is contiguous, also with another file growing beside it. */
static void contiguous(void *arg)
{
	static uint8_t chunk[4096];
	int a, b;

	(void)arg;
	harness_start();
	a = make("/a");
	b = make("/b");
	assert_int_equal(fs_fallocate(a, 0, 2 << 20), 0);
	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(fs_write(b, chunk, sizeof(chunk)), sizeof(chunk));
	assert_int_equal(fs_close(a), 0);
	assert_int_equal(fs_close(b), 0);
	assert_int_equal(harness_stop(), 0);
}

static void test_contiguous(void **state)
{
	char command[256];

	(void)state;
	run(contiguous, "8M", "-b 4096", NULL);
	for (const char *name = "ab"; *name; name++) {
		FILE *f;
		int extents = 0, c;

		snprintf(command, sizeof(command),
			 "PATH=$PATH:/sbin:/usr/sbin debugfs -R 'blocks %c' %s 2>/dev/null | tr ' ' '\\n' | "
			 "awk 'NF{ if ($1 != p+1) n++; p=$1 } END { print n }'",
			 *name, out);
		f = popen(command, "r");
		assert_non_null(f);
		while ((c = fgetc(f)) != EOF && c >= '0' && c <= '9')
			extents = extents * 10 + c - '0';
		assert_int_equal(pclose(f), 0);
		/* The indirect block lies between. */
		if (extents < 1 || extents > 3)
			fail_msg("/%c is in %d pieces", *name, extents);
	}
}

/* ---- what durability costs ---- */

static void costs(void *arg)
{
	const unsigned reads = 1u << BLK_READ, writes = 1u << BLK_WRITE, flushes = 1u << BLK_FLUSH;
	uint64_t w, f, r;
	uint8_t *p;
	int fd;

	(void)arg;
	harness_start();
	fd = make("/log");
	assert_int_equal(fs_fallocate(fd, 0, 1 << 20), 0);
	p = stack_map(fd, 1 << 20, MAP_R | MAP_W, MAP_KIND_SHARED);
	p[5] = 1;
	assert_int_equal(map_sync((vaddr_t)p, PAGE_SIZE, true), 0);
	assert_int_equal(fs_sync(), 0);
	for (unsigned i = 0; i < 5; i++) {
		p[5] = (uint8_t)(i + 2);
		w = simdisk_count(writes);
		f = simdisk_count(flushes);
		r = simdisk_count(reads);
		assert_int_equal(map_sync((vaddr_t)p, PAGE_SIZE, true), 0);
		assert_int_equal(simdisk_count(writes) - w, 1);
		assert_int_equal(simdisk_count(flushes) - f, 1);
		assert_int_equal(simdisk_count(reads) - r, 0);
		/* Nothing written since: nothing to flush. */
		assert_int_equal(map_sync((vaddr_t)p, PAGE_SIZE, true), 0);
		assert_int_equal(simdisk_count(flushes) - f, 1);
	}
	/* Other files' metadata is not dragged along. */
	put_file("/other");
	p[6] = 1;
	w = simdisk_count(writes);
	assert_int_equal(map_sync((vaddr_t)p, PAGE_SIZE, true), 0);
	assert_int_equal(simdisk_count(writes) - w, 1);
	/* fsync takes the time stamps along: one inode block more. */
	assert_int_equal(fs_sync(), 0);
	p[7] = 1;
	w = simdisk_count(writes);
	f = simdisk_count(flushes);
	assert_int_equal(fs_fsync(fd, false), 0);
	assert_int_equal(simdisk_count(writes) - w, 2);
	assert_int_equal(simdisk_count(flushes) - f, 1);
	stack_unmap(p, 1 << 20);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(harness_stop(), 0);
}

static void test_costs(void **state)
{
	(void)state;
	run(costs, "4M", "-b 1024", NULL);
	run(costs, "4M", "-b 4096", NULL);
}

/* ---- time stamps ---- */

static int64_t mtime_of(int fd)
{
	struct stat st;

	assert_int_equal(fs_fstat(fd, &st), 0);
	return st.st_mtime;
}

static void times(void *arg)
{
	uint8_t *p;
	int fd;

	(void)arg;
	harness_start();
	time_set_wall(2000000000ull * NSEC_PER_SEC, CLOCK_SET);
	fd = make("/f");
	assert_int_equal(fs_fallocate(fd, 0, 8192), 0);
	time_set_wall(2000001000ull * NSEC_PER_SEC, CLOCK_SET);
	assert_int_equal(mtime_of(fd), 2000000000);
	p = stack_map(fd, 8192, MAP_R | MAP_W, MAP_KIND_SHARED);
	p[0] = 1;
	assert_int_equal(mtime_of(fd), 2000001000);
	stack_unmap(p, 8192);
	time_set_wall(2000002000ull * NSEC_PER_SEC, CLOCK_SET);
	assert_int_equal(fs_pwrite(fd, "x", 1, 0), 1);
	assert_int_equal(mtime_of(fd), 2000002000);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(harness_stop(), 0);
	assert_int_equal(fs_mount_root(blkdev_find("sim0"), false), 0);
	fd = fs_open(AT_FDCWD, "/f", O_RDONLY, 0);
	assert_int_equal(mtime_of(fd), 2000002000);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(harness_stop(), 0);
}

static void test_times(void **state)
{
	(void)state;
	run(times, "2M", "-b 1024 -I 128", NULL);
	run(times, "2M", "-b 1024 -I 256", NULL);
}

/* ---- files that are gone but in use, volumes that are ---- */

static void unlinked(void *arg)
{
	struct fs_space before, after;
	uint8_t *p, value;
	int fd, error;

	(void)arg;
	harness_start();
	assert_int_equal(fs_space(AT_FDCWD, "/", &before), 0);
	fd = make("/f");
	assert_int_equal(fs_fallocate(fd, 0, 40960), 0);
	p = stack_map(fd, 40960, MAP_R | MAP_W, MAP_KIND_SHARED);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(fs_unlink(AT_FDCWD, "/f", 0), 0);
	assert_int_equal(fs_sync(), 0);
	p[40000] = 7; // still a file, of the mapping's
	assert_int_equal(map_sync((vaddr_t)p, 40960, true), 0);
	(void)pcache_drop_clean();
	assert_int_equal(p[40000], 7);
	stack_unmap(p, 40960);
	assert_int_equal(fs_space(AT_FDCWD, "/", &after), 0);
	assert_int_equal(after.blocks_free, before.blocks_free);

	/* Mapped and open across the unmount. */
	fd = make("/g");
	assert_int_equal(fs_fallocate(fd, 0, 40960), 0);
	p = stack_map(fd, 40960, MAP_R | MAP_W, MAP_KIND_SHARED);
	assert_int_equal(fs_unlink(AT_FDCWD, "/g", 0), 0);
	assert_int_equal(harness_stop(), 0);
	assert_int_equal(fs_pread(fd, &value, 1, 0), -EIO);
	assert_int_equal(fs_fsync(fd, false), -EIO);
	assert_int_not_equal(harness_load(p + 40000, &value, &error), 0);
}

static void test_unlinked(void **state)
{
	(void)state;
	run(unlinked, "2M", "-b 1024", NULL);
	run(unlinked, "2M", "-b 4096", NULL);
}

/* Shrunk to inside a hole that blocks follow in the same page, which is cached: they do not come back. */
static void shrink_to_hole(void *arg)
{
	uint8_t data[4096], zeros[4096] = {0};
	int fd;

	(void)arg;
	memset(data, 0x5a, sizeof(data));
	harness_start();
	fd = make("/f");
	assert_int_equal(fs_write(fd, data, 1), 1);
	assert_int_equal(fs_close(fd), 0);
	fd = fs_open(AT_FDCWD, "/sparse", O_RDWR, 0);
	assert_int_equal(fs_pread(fd, data, 4096, 0), 4096);
	assert_int_equal(data[3000], 'x');
	assert_int_equal(fs_ftruncate(fd, 1500), 0);
	assert_int_equal(fs_ftruncate(fd, 4096), 0);
	assert_int_equal(fs_pread(fd, data, 4096, 0), 4096);
	assert_memory_equal(data, zeros, 4096);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(harness_stop(), 0);
}

static void test_shrink_to_hole(void **state)
{
	const char *source = image_path("sparse-source");
	char commands[256];
	FILE *f = fopen(source, "w");

	(void)state;
	assert_non_null(f);
	for (unsigned i = 0; i < 4096; i++)
		assert_int_not_equal(fputc(i < 2048 ? 0 : 'x', f), EOF);
	assert_int_equal(fclose(f), 0);
	snprintf(commands, sizeof(commands), "write %s sparse\n", source);
	run(shrink_to_hole, "2M", "-b 1024", commands);
}

/* A rename whose commit fails leaves things as they were. */
static void rename_fails(void *arg)
{
	const struct simdisk_fault fault = {.ops = 1u << BLK_FLUSH, .from = 1, .count = 1};
	static const char *const names[][2] = {
	    {"/a", "/dir/b"}, {"/a", "/dir/there"}, {"/d", "/dir/e"}, {"/d", "/dir/empty"}};
	struct stat before, there, st;

	(void)arg;
	harness_start();
	put_file("/a");
	assert_int_equal(fs_mkdir(AT_FDCWD, "/d", 0755), 0);
	assert_int_equal(fs_mkdir(AT_FDCWD, "/dir", 0755), 0);
	assert_int_equal(fs_mkdir(AT_FDCWD, "/dir/empty", 0755), 0);
	put_file("/dir/there");
	assert_int_equal(fs_sync(), 0);
	for (unsigned i = 0; i < array_size(names); i++) {
		const char *from = names[i][0], *to = names[i][1];
		int found = fs_stat(AT_FDCWD, to, &there, AT_SYMLINK_NOFOLLOW);

		assert_int_equal(fs_stat(AT_FDCWD, from, &before, AT_SYMLINK_NOFOLLOW), 0);
		simdisk_fail(&fault);
		assert_int_equal(fs_rename(AT_FDCWD, from, AT_FDCWD, to, 0), -EIO);
		simdisk_fail(&(struct simdisk_fault){.ops = 0});
		for (unsigned again = 0; again < 2; again++) {
			assert_int_equal(fs_stat(AT_FDCWD, from, &st, AT_SYMLINK_NOFOLLOW), 0);
			assert_int_equal(st.st_ino, before.st_ino);
			assert_int_equal(st.st_nlink, before.st_nlink);
			assert_int_equal(fs_stat(AT_FDCWD, to, &st, AT_SYMLINK_NOFOLLOW), found);
			if (!found) {
				assert_int_equal(st.st_ino, there.st_ino);
				assert_int_equal(st.st_nlink, there.st_nlink);
			}
			assert_int_equal(fs_sync(), 0);
		}
	}
	assert_int_equal(harness_stop(), 0);
}

static void test_rename_fails(void **state)
{
	(void)state;
	run(rename_fails, "2M", "-b 1024", NULL);
	run(rename_fails, "2M", "-b 4096", NULL);
}

/* A write whose inode cannot be read just then: its size is on the card once fdatasync says so. */
static void size_late(void *arg)
{
	const struct simdisk_fault fault = {.ops = 1u << BLK_READ, .from = 1, .count = 1};
	char text[100], path[256];
	struct stat st;
	int fd;

	(void)arg;
	memset(text, 't', sizeof(text));
	harness_start();
	fd = make("/f");
	assert_int_equal(fs_write(fd, text, sizeof(text)), sizeof(text));
	assert_int_equal(fs_mkdir(AT_FDCWD, "/many", 0755), 0);
	for (unsigned i = 0; i < 60; i++) {
		snprintf(path, sizeof(path), "/many/%0200u", i);
		put_file(path);
	}
	assert_int_equal(fs_sync(), 0);
	/* The search takes all the buffers there are. */
	assert_int_equal(fs_stat(AT_FDCWD, "/many/none", &st, AT_SYMLINK_NOFOLLOW), -ENOENT);
	simdisk_fail(&fault);
	assert_int_equal(fs_write(fd, text, sizeof(text)), sizeof(text));
	assert_int_equal(simdisk_fired(), 1);
	assert_int_equal(fs_fsync(fd, true), 0);
	simdisk_save(synced);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(harness_stop(), 0);
}

static void test_size_late(void **state)
{
	const char *image = image_path("calls");
	uint8_t *data;
	size_t len;

	(void)state;
	synced = image_path("calls-synced");
	image_mke2fs(image, "2M", "-b 1024 -N 128");
	harness_run(&(struct harness){.frames = 2048, .fs_buffers = BUFFERS_MIN, .disk = {.image = image}}, size_late,
		    NULL);
	data = image_read(synced, "/f", &len);
	assert_non_null(data);
	assert_int_equal(len, 200);
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_paths),
	    cmocka_unit_test(test_tree),
	    cmocka_unit_test(test_indexed_directory),
	    cmocka_unit_test(test_descriptors),
	    cmocka_unit_test(test_sparse),
	    cmocka_unit_test(test_contiguous),
	    cmocka_unit_test(test_costs),
	    cmocka_unit_test(test_times),
	    cmocka_unit_test(test_unlinked),
	    cmocka_unit_test(test_shrink_to_hole),
	    cmocka_unit_test(test_rename_fails),
	    cmocka_unit_test(test_size_late),
	};

	return cmocka_run_group_tests_name("fs: calls", tests, NULL, NULL);
}
