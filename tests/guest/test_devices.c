// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* /dev, random numbers and /tmp as an application finds them on a board with a card. */

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "mappings.h"

/* So many bytes are not all alike: no two words are the same. */
static bool looks_random(const uint64_t *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < i; j++)
			if (words[i] == words[j])
				return false;
	return true;
}

static void test_random(void)
{
	uint64_t words[64] = {0};
	int fd = open("/dev/urandom", O_RDONLY);

	CHECK(fd >= 0 && read(fd, words, sizeof(words)) == sizeof(words) && looks_random(words, 64) && close(fd) == 0);
	fd = open("/dev/random", O_RDONLY);
	CHECK(fd >= 0 && read(fd, words, sizeof(words)) == sizeof(words) && looks_random(words, 64) && close(fd) == 0);
	CHECK(getrandom(words, sizeof(words), 0) == sizeof(words) && looks_random(words, 64));
	CHECK(getrandom(words, 0, GRND_NONBLOCK | GRND_RANDOM) == 0);
	CHECK(FAILS(getrandom(words, 1, 8), EINVAL) && FAILS(getrandom(words, 1, GRND_RANDOM | GRND_INSECURE), EINVAL));
	CHECK(FAILS(getrandom(NULL, 1, 0), EFAULT));
	CHECK(getentropy(words, 256) == 0 && looks_random(words, 32));
	CHECK(FAILS(getentropy(words, 257), EIO) && FAILS(getentropy(NULL, 1), EFAULT));
	arc4random_buf(words, sizeof(words));
	CHECK(looks_random(words, 64));
}

static void test_tmp(void)
{
	struct statvfs space;
	struct stat st;
	unsigned char *p;
	int fd = open("/tmp/file", O_RDWR | O_CREAT | O_EXCL, 0600);

	CHECK(fd >= 0 && unlink("/tmp/file") == 0 && FAILS(open("/tmp/file", O_RDONLY), ENOENT));
	CHECK(ftruncate(fd, 64 * PAGE) == 0 && fstat(fd, &st) == 0 && st.st_blocks == 0 && st.st_nlink == 0);
	p = mmap(NULL, 64 * PAGE, RW, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED && is_all(p, PAGE, 0));
	memset(p + PAGE, 7, PAGE);
	CHECK(pread(fd, p, 2 * PAGE, PAGE) == 2 * PAGE && p[0] == 7 && p[PAGE] == 0);
	CHECK(fstat(fd, &st) == 0 && st.st_blocks == 2 * 8);
	CHECK(close(fd) == 0 && munmap(p, 64 * PAGE) == 0);
	CHECK(statvfs("/tmp", &space) == 0 && space.f_bfree == space.f_blocks && space.f_bavail > 0);
	CHECK(mkdir("/tmp/dir", 0755) == 0 && rename("/tmp/dir", "/tmp/other") == 0 && rmdir("/tmp/other") == 0);
}

/* The card that the root is on: read, mapped, not written. */
static void test_card(void)
{
	static unsigned char sector[512];
	struct stat st;
	unsigned char *p;
	int fd = open("/dev/vda", O_RDONLY), block;
	uint64_t bytes;
	off_t size;

	CHECK(fd >= 0 && fstat(fd, &st) == 0 && S_ISBLK(st.st_mode));
	size = lseek(fd, 0, SEEK_END);
	CHECK(size > 0 && size % 512 == 0);
	CHECK(ioctl(fd, BLKGETSIZE64, &bytes) == 0 && bytes == (uint64_t)size);
	CHECK(ioctl(fd, BLKSSZGET, &block) == 0 && block == 512 && FAILS(ioctl(fd, FIONREAD, &block), ENOTTY));
	CHECK(pread(fd, sector, 512, 0) == 512 && pread(fd, sector, 512, size) == 0);
	p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(pread(fd, sector, 512, 512) == 512 && p != MAP_FAILED && memcmp(p + 512, sector, 512) == 0);
	CHECK(FAILS(open("/dev/vda", O_RDWR), EBUSY));
	CHECK(munmap(p, PAGE) == 0 && close(fd) == 0);
	CHECK(stat("/dev/tty", &st) == 0 && S_ISCHR(st.st_mode));
}

/* Another one, of a size of its own. */
static void test_mount(void)
{
	struct statvfs space;
	char page[4096] = {0};
	int fd;

	CHECK(mkdir("/mine", 0755) == 0 && mount("none", "/mine", "tmpfs", 0, "size=64k,mode=700") == 0);
	CHECK(mount("none", "/mine", "tmpfs", 0, "size=4k") == 0 && umount("/mine") == 0);
	CHECK(statvfs("/mine", &space) == 0 && space.f_blocks == 16);
	fd = open("/mine/f", O_RDWR | O_CREAT, 0600);
	for (int i = 0; i < 16; i++)
		CHECK(write(fd, page, sizeof(page)) == sizeof(page));
	CHECK(FAILS(write(fd, page, sizeof(page)), ENOSPC) && FAILS(umount("/mine"), EBUSY));
	CHECK(close(fd) == 0 && umount("/mine") == 0 && FAILS(open("/mine/f", O_RDONLY), ENOENT));
	CHECK(FAILS(mount("none", "/mine", "tmpfs", 0, "sise=64k"), EINVAL) && rmdir("/mine") == 0);
}

/* A store that lacks space has that of a file that was deleted just now. */
static void test_settled(void)
{
	unsigned char *p;
	int fd;

	CHECK(mkdir("/mine", 0755) == 0 && mount("none", "/mine", "tmpfs", 0, "size=1m") == 0);
	for (int round = 0; round < 20; round++) {
		fd = open("/mine/f", O_RDWR | O_CREAT | O_EXCL, 0600);
		CHECK(fd >= 0 && ftruncate(fd, 256 * PAGE) == 0);
		p = mmap(NULL, 256 * PAGE, RW, MAP_SHARED, fd, 0);
		CHECK(p != MAP_FAILED);
		for (int i = 0; i < 256; i++)
			p[i * PAGE] = 1;
		CHECK(munmap(p, 256 * PAGE) == 0 && close(fd) == 0 && unlink("/mine/f") == 0);
	}
	CHECK(umount("/mine") == 0 && rmdir("/mine") == 0);
}

TAP_MAIN({"random", test_random}, {"tmp", test_tmp}, {"card", test_card}, {"mount", test_mount},
	 {"settled", test_settled})
