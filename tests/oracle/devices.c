// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* /dev/null, zero, full, random, urandom: what is read, what writing does, and what is no file of theirs. */

#include <sys/uio.h>

#include "files.h"

static const char *const names[] = {"null", "zero", "full", "random", "urandom"};

#define DEVICES (sizeof(names) / sizeof(names[0]))
#define RANDOM 3u // from here on

static int open_device(unsigned i, int flags)
{
	int fd = open(text("/dev/%s", names[i]), flags);

	MUST(fd >= 0);
	return fd;
}

/* Random bytes are only looked at whether they are. */
static const char *seen(unsigned i, const byte *bytes, size_t n)
{
	unsigned zeros = 0;

	if (i < RANDOM)
		return runs(bytes, n);
	for (size_t at = 0; at < n; at++)
		zeros += bytes[at] == 0;
	return zeros < n / 16 ? "random" : "too many zeros";
}

static void used(unsigned i)
{
	byte bytes[1000];
	const char *name = names[i];
	int fd = open_device(i, O_RDWR);
	struct iovec pieces[2] = {{bytes, 10}, {bytes + 500, 490}};

	memset(bytes, 0xee, sizeof(bytes));
	STEPS(text("%s: read", name), ret(read(fd, bytes, sizeof(bytes))), seen(i, bytes, sizeof(bytes)));
	memset(bytes, 0xee, sizeof(bytes));
	STEPS(text("%s: readv", name), ret(readv(fd, pieces, 2)), seen(i, bytes + 500, 490), runs(bytes + 10, 490));
	STEPS(text("%s: write", name), ret(write(fd, bytes, 100)), ret(write(fd, bytes, 0)),
	      ret(writev(fd, pieces, 2)));
	STEPS(text("%s: read of nothing", name), ret(read(fd, bytes, 0)));
	must_close(fd);
}

static void descriptors(unsigned i)
{
	const char *name = names[i];
	char path[20];
	int reader = open_device(i, O_RDONLY), writer = open_device(i, O_WRONLY);
	byte bytes[10];
	struct stat st;

	snprintf(path, sizeof(path), "/dev/%s", name);
	STEPS(text("%s: rights", name), ret(write(reader, bytes, 1)), ret(read(writer, bytes, 1)));
	STEPS(text("%s: stat", name), ret(fstat(reader, &st)), kind_of(st.st_mode), text("%ld", (long)st.st_size),
	      kind(path));
	check(text("%s: is what stat says", name), "%s", same_file(path, path));
	STEPS(text("%s: open", name), opened(open(path, O_RDWR | O_TRUNC)), opened(open(path, O_RDWR | O_CREAT, 0644)),
	      opened(open(path, O_RDWR | O_CREAT | O_EXCL, 0644)), opened(open(path, O_RDONLY | O_DIRECTORY)),
	      opened(open(path, O_RDWR | O_APPEND | O_NONBLOCK)));
	STEPS(text("%s: no folder", name), kind(text("%s/x", path)), kind(text("%s/", path)),
	      opened(open(text("%s/", path), O_RDONLY)), ret(fchdir(reader)), listing(path));
	STEPS(text("%s: no file", name), ret(ftruncate(writer, 0)), ret(truncate(path, 5)),
	      error_name(posix_fallocate(writer, 0, 10)), ret(isatty(reader)));
	steps_root(text("%s: rmdir", name), ret(rmdir(path)));
	check(text("%s: readlink", name), "%s", target(path));
	STEPS(text("%s: made in its place", name), ret(mkdir(path, 0755)), ret(symlink("x", path)));
	must_close(reader);
	must_close(writer);
}

static void mappings(void)
{
	for (unsigned i = 0; i < DEVICES; i++) {
		int fd = open_device(i, O_RDWR);
		const char *shared, *private;

		if (!strcmp(names[i], "zero")) { // the one that can be: anon_shared.c
			must_close(fd);
			continue;
		}
		shared = mapped(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0));
		private = mapped(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
		STEPS(text("%s: mapped", names[i]), shared, private);
		must_close(fd);
	}
}

static void differ(void)
{
	byte one[64], two[64];
	int fd = open_device(RANDOM, O_RDONLY), other = open_device(RANDOM + 1, O_RDONLY);

	MUST(read(fd, one, sizeof(one)) == (ssize_t)sizeof(one) && read(fd, two, sizeof(two)) == (ssize_t)sizeof(two));
	check("random: two reads", "%s", memcmp(one, two, sizeof(one)) ? "differ" : "are the same");
	MUST(read(other, two, sizeof(two)) == (ssize_t)sizeof(two));
	check("random and urandom", "%s", memcmp(one, two, sizeof(one)) ? "differ" : "are the same");
	must_close(fd);
	must_close(other);
}

static void bad_pointers(void)
{
	byte *good = map(2, RW, ANON, -1, 0), *bad = good + PAGE;

	unmap(bad, 1);
	for (unsigned i = 0; i < DEVICES; i++) {
		int fd = open_device(i, O_RDWR);

		check(text("%s: read into nothing", names[i]), "%s", ret(read(fd, bad, 10)));
		if (strcmp(names[i], "null")) // which looks at nothing that it is given
			check(text("%s: write from nothing", names[i]), "%s", ret(write(fd, bad, 10)));
		must_close(fd);
	}
}

static void absent(void)
{
	check("absent", "%s", kind("/dev/no-such-device"));
	check("absent: open", "%s", opened(open("/dev/no-such-device", O_RDONLY)));
	check("absent: read through", "%s", opened(open("/dev/no-such-device/x", O_RDONLY)));
	check("folder", "%s", kind("/dev"));
	check("folder: to write", "%s", opened(open("/dev", O_WRONLY)));
	check("folder: rmdir", "%s", ret(rmdir("/dev/.")));
	check("by another path", "%s", same_file("/dev/../dev/./null", "/dev/null"));
	check("from its folder", "%s", same_file("/dev/null", "/dev/zero"));
}

int main(void)
{
	for (unsigned i = 0; i < DEVICES; i++) {
		used(i);
		descriptors(i);
	}
	mappings();
	differ();
	bad_pointers();
	absent();
	return done();
}
