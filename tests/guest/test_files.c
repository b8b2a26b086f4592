// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* The file calls at their POSIX edges. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "tap.h"

#define FAILS(call, error) (errno = 0, (call) == -1 && errno == (error))

static int make(const char *path, const char *text)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);

	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	return fd;
}

static void test_open(void)
{
	int fd = make("/f", "content");
	char buf[10];

	CHECK(close(fd) == 0 && FAILS(close(fd), EBADF) && FAILS(read(fd, buf, 1), EBADF));
	CHECK(FAILS(open("/f", O_RDWR | O_CREAT | O_EXCL, 0644), EEXIST));
	CHECK(FAILS(open("/none", O_RDONLY), ENOENT) && FAILS(open("/none/x", O_RDWR | O_CREAT, 0644), ENOENT));
	CHECK(FAILS(open("/f/x", O_RDONLY), ENOTDIR) && FAILS(open("/", O_RDWR), EISDIR));
	CHECK(FAILS(open("/f", O_RDONLY | O_DIRECTORY), ENOTDIR));
	fd = open("/f", O_RDONLY);
	CHECK(fd >= 0 && FAILS(write(fd, "x", 1), EBADF) && read(fd, buf, sizeof(buf)) == 7);
	CHECK(read(fd, buf, sizeof(buf)) == 0 && close(fd) == 0);
	fd = open("/f", O_WRONLY | O_APPEND);
	CHECK(fd >= 0 && FAILS(read(fd, buf, 1), EBADF) && write(fd, "+", 1) == 1 && lseek(fd, 0, SEEK_CUR) == 8);
	CHECK((fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND)) == (O_WRONLY | O_APPEND));
	CHECK(close(fd) == 0 && unlink("/f") == 0 && FAILS(unlink("/f"), ENOENT));
}

static void test_offsets(void)
{
	int fd = make("/f", "0123456789"), other;
	char buf[5000];

	CHECK(lseek(fd, 4, SEEK_SET) == 4 && read(fd, buf, 2) == 2 && memcmp(buf, "45", 2) == 0);
	CHECK(pread(fd, buf, 3, 7) == 3 && memcmp(buf, "789", 3) == 0 && lseek(fd, 0, SEEK_CUR) == 6);
	CHECK(pwrite(fd, "AB", 2, 0) == 2 && lseek(fd, 0, SEEK_CUR) == 6);
	CHECK(FAILS(lseek(fd, -1, SEEK_SET), EINVAL) && FAILS(lseek(fd, 0, 77), EINVAL));
	other = dup(fd);
	CHECK(other >= 0 && lseek(other, 2, SEEK_SET) == 2 && lseek(fd, 0, SEEK_CUR) == 2); // one open file
	CHECK(close(other) == 0);
	CHECK(lseek(fd, 100000, SEEK_SET) == 100000 && write(fd, "end", 3) == 3);
	memset(buf, 1, sizeof(buf));
	CHECK(pread(fd, buf, 5000, 50000) == 5000 && buf[0] == 0 && memcmp(buf, buf + 1, 4999) == 0);
	CHECK(ftruncate(fd, 5) == 0 && lseek(fd, 0, SEEK_END) == 5 && ftruncate(fd, 10) == 0);
	CHECK(pread(fd, buf, 20, 0) == 10 && memcmp(buf, "AB234\0\0\0\0\0", 10) == 0);
	CHECK(FAILS(ftruncate(fd, -1), EINVAL) && truncate("/f", 1) == 0 && lseek(fd, 0, SEEK_END) == 1);
	CHECK(close(fd) == 0 && unlink("/f") == 0);
	CHECK(FAILS(lseek(STDOUT_FILENO, 0, SEEK_CUR), ESPIPE));
}

static void test_fallocate(void)
{
	struct stat st;
	int fd = make("/f", "abc");
	char buf[8192];

	CHECK(posix_fallocate(fd, 0, 1 << 20) == 0 && fstat(fd, &st) == 0);
	CHECK(st.st_size == 1 << 20 && st.st_blocks * 512 >= 1 << 20);
	memset(buf, 1, sizeof(buf));
	CHECK(pread(fd, buf, 8192, 4096) == 8192 && buf[0] == 0 && memcmp(buf, buf + 1, 8191) == 0);
	CHECK(pread(fd, buf, 3, 0) == 3 && memcmp(buf, "abc", 3) == 0);
	CHECK(posix_fallocate(fd, -1, 10) == EINVAL && posix_fallocate(fd, 0, 0) == EINVAL);
	CHECK(posix_fallocate(99, 0, 10) == EBADF);
	CHECK(fsync(fd) == 0 && fdatasync(fd) == 0 && close(fd) == 0 && FAILS(fsync(fd), EBADF));
	fd = open("/f", O_RDONLY);
	CHECK(posix_fallocate(fd, 0, 10) == EBADF && close(fd) == 0 && unlink("/f") == 0);
}

static void test_directories(void)
{
	int found = 0;
	struct dirent *entry;
	struct stat st;
	char name[32];
	DIR *dir;

	CHECK(mkdir("/d", 0755) == 0 && FAILS(mkdir("/d", 0755), EEXIST) && FAILS(mkdir("/x/y", 0755), ENOENT));
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "/d/a-longer-name-%d", i);
		CHECK(close(make(name, "x")) == 0);
	}
	dir = opendir("/d");
	CHECK(dir != NULL);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "/d/%.20s", entry->d_name);
		CHECK(stat(name, &st) == 0 && st.st_ino == entry->d_ino && S_ISREG(st.st_mode));
		CHECK(entry->d_type == DT_REG || entry->d_type == DT_UNKNOWN);
		found++;
	}
	CHECK(found == 300);
	rewinddir(dir);
	CHECK(readdir(dir) != NULL && closedir(dir) == 0);
	CHECK(FAILS(rmdir("/d"), ENOTEMPTY) && FAILS(unlink("/d"), EISDIR));
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "/d/a-longer-name-%d", i);
		CHECK(unlink(name) == 0);
	}
	CHECK(rmdir("/d") == 0 && FAILS(rmdir("/d"), ENOENT) && opendir("/d") == NULL);
}

static void test_rename(void)
{
	char buf[4];
	int fd = make("/a", "one"), other = make("/b", "two");

	CHECK(rename("/a", "/b") == 0 && access("/a", F_OK) == -1);
	CHECK(pread(other, buf, 3, 0) == 3 && memcmp(buf, "two", 3) == 0); // unlinked, still open
	CHECK(close(other) == 0 && close(fd) == 0);
	fd = open("/b", O_RDONLY);
	CHECK(read(fd, buf, 3) == 3 && memcmp(buf, "one", 3) == 0 && close(fd) == 0);
	CHECK(mkdir("/d", 0755) == 0 && rename("/b", "/d/c") == 0 && rename("/d", "/e") == 0);
	CHECK(access("/e/c", R_OK) == 0 && FAILS(rename("/none", "/x"), ENOENT) &&
	      FAILS(rename("/e", "/e/in"), EINVAL));
	CHECK(FAILS(rename("/e/c", "/e"), EISDIR) || errno == ENOTEMPTY || errno == EEXIST);
	CHECK(unlink("/e/c") == 0 && rmdir("/e") == 0);
}

static void test_stat(void)
{
	struct statvfs space;
	struct stat st, dir;
	int fd = make("/f", "12345");

	CHECK(fstat(fd, &st) == 0 && st.st_size == 5 && S_ISREG(st.st_mode) && (st.st_mode & 0777) == 0644);
	CHECK(st.st_nlink == 1 && st.st_ino > 0);
	CHECK(stat("/", &dir) == 0 && S_ISDIR(dir.st_mode) && dir.st_ino == 2);
	CHECK(isatty(STDOUT_FILENO) == 1 || errno == ENOTTY);
	CHECK(isatty(fd) == 0 && errno == ENOTTY && FAILS(fstat(77, &st), EBADF));
	CHECK(statvfs("/", &space) == 0 && space.f_bfree <= space.f_blocks && space.f_bfree > 0 &&
	      space.f_namemax == 255);
	CHECK(close(fd) == 0 && remove("/f") == 0);
}

/* Pointers that lead nowhere are errors of the call, not faults of the program. */
static void test_bad_pointers(void)
{
	char *nowhere = (char *)0x1000;
	int fd = make("/f", "12345");

	CHECK(FAILS(write(fd, nowhere, 10), EFAULT) && FAILS(pread(fd, nowhere, 5, 0), EFAULT));
	CHECK(FAILS(open(nowhere, O_RDONLY), EFAULT) && FAILS(stat("/f", (struct stat *)nowhere), EFAULT));
	CHECK(FAILS(unlink(nowhere), EFAULT) && FAILS(mkdir(nowhere, 0755), EFAULT));
	CHECK(close(fd) == 0 && unlink("/f") == 0);
}

TAP_MAIN({"open", test_open}, {"offsets and holes", test_offsets}, {"fallocate", test_fallocate},
	 {"directories", test_directories}, {"rename", test_rename}, {"stat", test_stat},
	 {"bad pointers", test_bad_pointers})
