// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * /proc and /dev as synthetic directories; tunables: their files, their bounds, their page in docs/. The program runs
 * in the project's root.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/synth.h"
#include "mm/tunable.h"
#include "tests/host/stack.h"

static const char *image(void)
{
	return stack_image("proc", "8M", 4096, 40 * PAGE_SIZE);
}

static void with_files(void (*body)(void *arg))
{
	harness_run(&(struct harness){.disk = {.image = image()}}, body, NULL);
}

static long get(const char *path, char *buf, size_t size)
{
	int fd = stack_open(path, O_RDONLY);
	long n = fs_read(fd, buf, size - 1);

	assert_int_equal(fs_close(fd), 0);
	buf[n > 0 ? n : 0] = 0;
	return n;
}

static long put(const char *path, const char *text)
{
	int fd = stack_open(path, O_WRONLY);
	long n = fs_write(fd, text, strlen(text));

	assert_int_equal(fs_close(fd), 0);
	return n;
}

static void tunable_path(char *path, size_t size, const struct tunable *t)
{
	snprintf(path, size, "/proc/sys/vm/%s", t->name);
}

static void tunables_body(void *arg)
{
	char path[80], text[40], want[40];

	(void)arg;
	harness_start();
	for (size_t i = 0; i < TUNABLES; i++) {
		struct tunable *t = &tunables[i];
		const unsigned long bad[] = {t->least - 1, t->most + 1, t->power_of_two ? 12 : t->most + 1};
		const unsigned long other = t->def == t->most ? t->least : t->most;

		tunable_path(path, sizeof(path), t);
		snprintf(want, sizeof(want), "%lu\n", t->def);
		assert_int_equal(get(path, text, sizeof(text)), strlen(want));
		assert_string_equal(text, want);
		for (size_t b = 0; b < array_size(bad); b++) {
			snprintf(text, sizeof(text), "%lu", bad[b]);
			assert_int_equal(put(path, text), -EINVAL);
		}
		assert_int_equal(put(path, ""), 0);
		assert_int_equal(put(path, "\n"), -EINVAL);
		assert_int_equal(put(path, "1x"), -EINVAL);
		assert_int_equal(put(path, "-1"), -EINVAL);
		assert_int_equal(put(path, "99999999999999999999999"), -EINVAL);
		assert_int_equal(tunable(i), t->def);
		snprintf(want, sizeof(want), " %lu\n", other);
		assert_int_equal(put(path, want), strlen(want));
		assert_int_equal(tunable(i), other);
		assert_int_equal(tunable_set((enum tunable_id)i, t->def), 0);
	}
	assert_int_equal(harness_stop(), 0);
}

static void test_tunables(void **state)
{
	(void)state;
	with_files(tunables_body);
}

/* What each stands for follows it at once. */
static void effect_body(void *arg)
{
	struct map_stats before, after;
	uint8_t *p;
	int fd;

	(void)arg;
	harness_start();
	assert_int_equal(put("/proc/sys/vm/min_free_kbytes", "4096"), 4);
	assert_int_equal(frame_reserve(), 1024);
	map_stats(&before);
	assert_int_equal(put("/proc/sys/vm/overcommit_ratio", "50\n"), 3);
	map_stats(&after);
	assert_int_equal(after.commit_limit, before.commit_limit / 2);
	assert_int_equal(put("/proc/sys/vm/overcommit_ratio", "100"), 3);
	assert_int_equal(put("/proc/sys/vm/cache_reserve_kbytes", "64"), 2);
	map_stats(&after);
	assert_true(after.commit_limit > before.commit_limit);

	fd = stack_open("/data", O_RDONLY);
	p = stack_map(fd, 32 * PAGE_SIZE, MAP_R, MAP_KIND_SHARED);
	assert_int_equal(put("/proc/sys/vm/readahead_kbytes", "0"), 1);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(p[i * PAGE_SIZE], stack_byte(1, i * PAGE_SIZE));
	{
		struct pcache_stats s;

		pcache_stats(&s);
		assert_int_equal(s.fills, 8);
		stack_unmap(p, 32 * PAGE_SIZE);
		assert_int_equal(put("/proc/sys/vm/drop_caches", "1\n"), 2);
		pcache_stats(&s);
		assert_int_equal(s.pages, 0);
	}
	assert_int_equal(put("/proc/sys/vm/drop_caches", "3"), 1);
	assert_int_equal(put("/proc/sys/vm/drop_caches", "4"), -EINVAL);
	assert_int_equal(put("/proc/sys/vm/drop_caches", "0"), -EINVAL);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(harness_stop(), 0);
}

static void test_effect(void **state)
{
	(void)state;
	with_files(effect_body);
}

/* ---- the file system ---- */
static unsigned list(const char *path, const char *wanted, unsigned char type, uint64_t *ino)
{
	int fd = stack_open(path, O_RDONLY | O_DIRECTORY);
	struct fs_dirent entry;
	unsigned count = 0, found = 0;
	int r;

	while ((r = fs_readdir(fd, &entry)) == 1) {
		count++;
		if (!strcmp(entry.name, wanted)) {
			assert_int_equal(entry.type, type);
			*ino = entry.ino;
			found++;
		}
	}
	assert_int_equal(r, 0);
	assert_int_equal(found, 1);
	assert_int_equal(fs_lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(fs_readdir(fd, &entry), 1);
	assert_string_equal(entry.name, ".");
	assert_int_equal(fs_close(fd), 0);
	return count;
}

static uint64_t stat_of(const char *path, mode_t mode)
{
	struct stat st;

	assert_int_equal(fs_stat(AT_FDCWD, path, &st, 0), 0);
	assert_int_equal(st.st_mode, mode);
	return st.st_ino;
}

static void tree_body(void *arg)
{
	uint64_t ino, parent;

	(void)arg;
	harness_start();
	list("/proc", "meminfo", 8, &ino);
	assert_int_equal(stat_of("/proc/meminfo", S_IFREG | 0444), ino);
	list("/proc", "sys", 4, &ino);
	assert_int_equal(stat_of("/proc/sys", S_IFDIR | 0555), ino);
	assert_int_equal(list("/proc/sys/vm", "dirty_ratio", 8, &ino), TUNABLES + 3);
	assert_int_equal(stat_of("/proc/sys/vm/dirty_ratio", S_IFREG | 0644), ino);
	list("/proc/sys/vm", "drop_caches", 8, &ino);
	assert_int_equal(stat_of("/proc/sys/vm/drop_caches", S_IFREG | 0200), ino);
	list("/proc/sys/vm", "..", 4, &parent);
	assert_int_equal(stat_of("/proc/sys", S_IFDIR | 0555), parent);
	assert_int_equal(stat_of("/proc/sys/vm/../../sys/./vm/", S_IFDIR | 0555),
			 stat_of("/proc/sys/vm", S_IFDIR | 0555));
	assert_true(stat_of("/proc/..", S_IFDIR | 0755) == 2);
	list("/dev", "null", 2, &ino);
	assert_int_equal(stat_of("/dev/null", S_IFCHR | 0666), ino);

	assert_int_equal(fs_open(AT_FDCWD, "/proc/none", O_RDONLY, 0), -ENOENT);
	assert_int_equal(fs_open(AT_FDCWD, "/proc/meminfo/x", O_RDONLY, 0), -ENOTDIR);
	assert_int_equal(fs_open(AT_FDCWD, "/proc/meminfo/", O_RDONLY, 0), -ENOTDIR);
	assert_int_equal(fs_open(AT_FDCWD, "/proc/meminfo", O_RDWR, 0), -EACCES);
	assert_int_equal(fs_open(AT_FDCWD, "/proc/sys/vm/drop_caches", O_RDONLY, 0), -EACCES);
	assert_int_equal(fs_open(AT_FDCWD, "/proc/sys", O_WRONLY, 0), -EISDIR);
	assert_int_equal(fs_open(AT_FDCWD, "/proc/new", O_WRONLY | O_CREAT, 0644), -EROFS);
	assert_int_equal(fs_mkdir(AT_FDCWD, "/proc/new", 0755), -EROFS);
	assert_int_equal(fs_unlink(AT_FDCWD, "/proc/meminfo", 0), -EROFS);
	assert_int_equal(fs_rename(AT_FDCWD, "/data", AT_FDCWD, "/proc/data", 0), -EXDEV);
	assert_int_equal(fs_unlink(AT_FDCWD, "/proc", AT_REMOVEDIR), -EBUSY);
	assert_int_equal(harness_stop(), 0);
}

static void test_tree(void **state)
{
	(void)state;
	with_files(tree_body);
}

/* In pieces of any size, from anywhere, a file is one text. */
static void reading_body(void *arg)
{
	static char whole[4096], piece[64];
	struct pcache_errors *errors;
	struct pcache_object *object;
	bool readable, writable;
	long n, at = 0, got;
	int fd;

	(void)arg;
	harness_start();
	n = get("/proc/meminfo", whole, sizeof(whole));
	assert_true(n > 100 && !strncmp(whole, "MemTotal:", 9) && whole[n - 1] == '\n');
	fd = stack_open("/proc/meminfo", O_RDONLY);
	while ((got = fs_read(fd, piece, 7)) > 0) {
		for (long k = 0; k < got; k++) // figures may change; the form does not
			assert_int_equal(piece[k] == '\n', whole[at + k] == '\n');
		at += got;
	}
	assert_int_equal(got, 0);
	assert_int_equal(at, n);
	assert_int_equal(fs_lseek(fd, 3, SEEK_SET), 3);
	assert_int_equal(fs_read(fd, piece, 5), 5);
	assert_memory_equal(piece, "Total", 5);
	assert_int_equal(fs_pread(fd, piece, 3, 0), 3);
	assert_memory_equal(piece, "Mem", 3);
	assert_int_equal(fs_pread(fd, piece, 3, 1 << 20), 0);
	assert_int_equal(fs_read(fd, NULL, 5), -EFAULT);
	assert_int_equal(fs_write(fd, "x", 1), -EBADF);
	assert_int_equal(fs_ftruncate(fd, 0), -EINVAL);
	assert_int_equal(fs_object(fd, &object, &errors, &readable, &writable), -ENODEV);
	assert_int_equal(fs_isatty(fd), -ENOTTY);
	assert_int_equal(fs_fsync(fd, false), -EINVAL);
	assert_int_equal(fs_close(fd), 0);
	fd = stack_open("/proc/sys", O_RDONLY);
	assert_int_equal(fs_read(fd, piece, 5), -EISDIR);
	assert_int_equal(fs_close(fd), 0);
	fd = stack_open("/proc/sys/vm/dirty_ratio", O_RDWR);
	assert_int_equal(fs_pwrite(fd, "33", 2, 0), 2);
	assert_int_equal(fs_pread(fd, piece, 10, 0), 3);
	assert_memory_equal(piece, "33\n", 3);
	assert_int_equal(fs_write(fd, NULL, 2), -EFAULT);
	assert_int_equal(fs_ftruncate(fd, 0), -EINVAL);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(harness_stop(), 0);
}

static void test_reading(void **state)
{
	(void)state;
	with_files(reading_body);
}

/* ---- the page ---- */
static void row_of(char *row, size_t size, const struct tunable *small, const struct tunable *large)
{
	char most[32];

	snprintf(most, sizeof(most), small->most == large->most ? "%lu" : "RAM/4", large->most);
	snprintf(row, size, "| `%s` | %s | %lu | %lu | %lu..%s |\n", small->name, small->unit, small->def, large->def,
		 small->least, most);
}

static void test_page(void **state)
{
	static struct tunable small[TUNABLES];
	size_t rows = 0;
	char line[1024];
	FILE *page = fopen("docs/tunables.md", "r");

	(void)state;
	assert_non_null(page);
	tunables_init((size_t)8192);
	memcpy(small, tunables, sizeof(small));
	tunables_init((size_t)2 << 20);
	while (fgets(line, sizeof(line), page)) {
		char row[256];

		if (strncmp(line, "| `", 3))
			continue;
		assert_in_range(rows, 0, TUNABLES - 1);
		row_of(row, sizeof(row), &small[rows], &tunables[rows]);
		assert_string_equal(line, row);
		assert_true(small[rows].most == tunables[rows].most ||
			    (small[rows].most == 8192 * 4 / 4 && tunables[rows].most == (2ul << 20) * 4 / 4));
		rows++;
	}
	assert_int_equal(rows, TUNABLES);
	assert_int_equal(fclose(page), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_tunables), cmocka_unit_test(test_effect), cmocka_unit_test(test_tree),
	    cmocka_unit_test(test_reading),  cmocka_unit_test(test_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
