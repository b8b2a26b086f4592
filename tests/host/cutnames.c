// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#include "tests/host/cutnames.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "fs/fs.h"
#include "tests/host/harness.h"

#define LONG_TARGET 150u // bytes: it has a block of its own
#define SIZE 700u	 // of files

static const char *path_of(const char *format, unsigned round)
{
	static char paths[4][128];
	static unsigned turn;
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof(paths[0]), format, round);
	return path;
}

/* A file full of one letter. */
static void make_file(const char *path, char letter)
{
	int fd = fs_open(AT_FDCWD, path, O_CREAT | O_EXCL | O_RDWR, 0644);
	char data[SIZE];

	assert_true(fd >= 0);
	memset(data, letter, sizeof(data));
	assert_int_equal(fs_write(fd, data, sizeof(data)), sizeof(data));
	assert_int_equal(fs_close(fd), 0);
}

/* Its letter; 0: there is none. Fails the run if it is not whole. */
static char letter_of(const char *path)
{
	int fd = fs_open(AT_FDCWD, path, O_RDONLY, 0);
	char data[SIZE + 1];

	if (fd == -ENOENT)
		return 0;
	assert_true(fd >= 0);
	assert_int_equal(fs_read(fd, data, sizeof(data)), SIZE);
	for (unsigned i = 1; i < SIZE; i++)
		assert_int_equal(data[i], data[0]);
	assert_int_equal(fs_close(fd), 0);
	return data[0];
}

static void target_of(char *buf, unsigned round, unsigned len)
{
	const int n = snprintf(buf, len + 1, "target-of-round-%u", round);

	for (unsigned i = (unsigned)n; i < len; i++)
		buf[i] = (char)('a' + (round + i) % 26);
	buf[len] = 0;
}

/* ---- work ---- */

static void begin(void)
{
	assert_int_equal(fs_mkdir(AT_FDCWD, "/links", 0755), 0);
	assert_int_equal(fs_mkdir(AT_FDCWD, "/links/in", 0755), 0);
	make_file("/links/file", 'l');
	make_file("/links/attr", 'a');
	make_file("/links/p", 'P'); // with q in one sector
	make_file("/links/q", 'Q');
	make_file("/links/x", 'X'); // and y in another directory
	make_file("/links/in/y", 'Y');
	assert_int_equal(fs_mkdir(AT_FDCWD, "/links/da", 0755), 0);
	assert_int_equal(fs_mkdir(AT_FDCWD, "/links/in/db", 0755), 0);
	make_file("/links/da/file", 'A');
	make_file("/links/in/db/file", 'B');
	make_file("/links/step-0", 's');
}

static void make_links(unsigned round)
{
	char target[LONG_TARGET + 1];

	assert_int_equal(fs_link(AT_FDCWD, "/links/file", AT_FDCWD, path_of("/links/link-%u", round), 0), 0);
	target_of(target, round, 20);
	assert_int_equal(fs_symlink(target, AT_FDCWD, path_of("/links/short-%u", round)), 0);
	target_of(target, round, LONG_TARGET);
	assert_int_equal(fs_symlink(target, AT_FDCWD, path_of("/links/in/long-%u", round)), 0);
	if (round == 0)
		return;
	assert_int_equal(fs_unlink(AT_FDCWD, path_of("/links/link-%u", round - 1), 0), 0);
	assert_int_equal(fs_unlink(AT_FDCWD, path_of("/links/short-%u", round - 1), 0), 0);
	assert_int_equal(fs_unlink(AT_FDCWD, path_of("/links/in/long-%u", round - 1), 0), 0);
	assert_int_equal(fs_rename(AT_FDCWD, path_of("/links/step-%u", round - 1), AT_FDCWD,
				   path_of("/links/step-%u", round), RENAME_NOREPLACE),
			 0);
}

static void change_places(const char *a, const char *b)
{
	assert_int_equal(fs_rename(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE), 0);
}

static void set_attributes(unsigned round)
{
	const struct timespec time = {.tv_sec = 1000000 + round, .tv_nsec = 0};
	const struct fs_attr mode = {.what = FS_ATTR_MODE, .mode = 0600 + round},
			     owner = {.what = FS_ATTR_OWNER, .uid = 70000 + round, .gid = 80000 + round},
			     times = {.what = FS_ATTR_TIMES, .atime = time, .mtime = time};
	int fd = fs_open(AT_FDCWD, "/links/attr", O_RDWR, 0);

	assert_true(fd >= 0);
	assert_int_equal(fs_fsetattr(fd, &owner), 0);
	assert_int_equal(fs_fsetattr(fd, &mode), 0);
	assert_int_equal(fs_setattr(AT_FDCWD, "/links/attr", &times, 0), 0);
	if (round % 2)
		assert_int_equal(fs_fsync(fd, false), 0);
	assert_int_equal(fs_close(fd), 0);
}

void cutnames_round(unsigned round)
{
	if (round == 0)
		begin();
	make_links(round);
	if (round > 0) {
		change_places("/links/p", "/links/q");
		change_places("/links/x", "/links/in/y");
		change_places("/links/in/db", "/links/da");
	}
	set_attributes(round);
}

/* ---- what is left ---- */

/* The round's, or the next one's: which, with the other perhaps. */
static unsigned there(const char *format, unsigned round)
{
	struct stat st;

	for (unsigned r = round; r <= round + 1; r++)
		if (!fs_stat(AT_FDCWD, path_of(format, r), &st, AT_SYMLINK_NOFOLLOW))
			return r;
	fail_msg("neither %s nor the next one is there", path_of(format, round));
	return 0;
}

static void check_target(const char *format, unsigned round, unsigned len)
{
	const unsigned r = there(format, round);
	char want[LONG_TARGET + 1], got[LONG_TARGET + 2];

	target_of(want, r, len);
	assert_int_equal(fs_readlink(AT_FDCWD, path_of(format, r), got, sizeof(got)), len);
	assert_memory_equal(got, want, len);
}

static void check_links(unsigned round)
{
	unsigned names = 1;
	struct stat st, other;

	(void)there("/links/link-%u", round);
	(void)there("/links/step-%u", round);
	assert_int_equal(fs_stat(AT_FDCWD, "/links/file", &st, 0), 0);
	for (unsigned r = round ? round - 1 : 0; r <= round + 1; r++) {
		if (fs_stat(AT_FDCWD, path_of("/links/link-%u", r), &other, 0))
			continue;
		assert_int_equal(other.st_ino, st.st_ino);
		names++;
	}
	assert_int_equal(st.st_nlink, names);
	assert_int_equal(letter_of("/links/file"), 'l');
}

/* The letter of the file with a third name, which an exchange that was cut off may have left. 0: none. */
static char third(const char *dir, const char *below)
{
	int fd = fs_open(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0), r;
	struct fs_dirent entry;
	char path[400], letter = 0;
	struct stat st;

	assert_true(fd >= 0);
	while ((r = fs_readdir(fd, &entry)) > 0) {
		if (strncmp(entry.name, ".exchange.", 10) != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, entry.name);
		assert_int_equal(fs_stat(AT_FDCWD, path, &st, 0), 0);
		if (S_ISDIR(st.st_mode) != (*below != 0))
			continue;
		strcat(path, below);
		letter = letter_of(path);
	}
	assert_int_equal(r, 0);
	assert_int_equal(fs_close(fd), 0);
	return letter;
}

/*
 * Two names that changed places: both are there, and lead to both; or to the second one alone, while the first has its
 * third name. In which order does not matter: it is that of the round, or of the next. Of a directory under two names
 * the mount takes one away.
 */
static void check_places(const char *a, const char *b, char extra, const char *both)
{
	const char letters[] = {letter_of(a), letter_of(b), extra};
	const bool directories = *both == 'A';

	if (!directories && (!letters[0] || !letters[1]))
		fail_msg("%s or %s is gone", a, b);
	for (unsigned i = 0; i < 3; i++)
		assert_true(!letters[i] || letters[i] == both[0] || letters[i] == both[1]);
	if (!memchr(letters, both[0], 3) || !memchr(letters, both[1], 3))
		fail_msg("of %s and %s one is lost: '%c', '%c', '%c'", a, b, letters[0], letters[1], extra);
}

static void check_attributes(unsigned round)
{
	struct stat st;

	assert_int_equal(fs_stat(AT_FDCWD, "/links/attr", &st, 0), 0);
	assert_in_range(st.st_uid, 70000 + round, 70001 + round);
	assert_in_range(st.st_gid, 80000 + round, 80001 + round);
	assert_in_range(st.st_mode & 07777, 0600 + round, 0601 + round);
	assert_in_range(st.st_mtim.tv_sec, 1000000 + round, 1000001 + round);
}

void cutnames_check(unsigned round)
{
	check_links(round);
	check_target("/links/short-%u", round, 20);
	check_target("/links/in/long-%u", round, LONG_TARGET);
	check_places("/links/p", "/links/q", 0, "PQ");
	check_places("/links/x", "/links/in/y", third("/links", ""), "XY");
	check_places("/links/in/db/file", "/links/da/file", third("/links/in", "/file"), "AB");
	check_attributes(round);
}
