// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Calls about files that are handed a bad pointer: EFAULT, never a signal, and nothing is done. What bad_pointers.c
 * does not have. Only calls that the C library hands on without a look of its own.
 */

#include <poll.h>
#include <sys/select.h>
#include <sys/statvfs.h>
#include <sys/uio.h>

#include "files.h"

static byte *nothing, *forbidden, *read_only;
static void *const kernel = (void *)0xffffffff80000000;

static const struct bad {
	const char *name;
	void *p;
} * bad_pointers(void)
{
	static struct bad list[5];

	forbidden = map(2, PROT_NONE, ANON, -1, 0);
	read_only = map(2, PROT_READ, ANON, -1, 0);
	nothing = room(256);
	list[0] = (struct bad){"NULL", NULL};
	list[1] = (struct bad){"nothing", nothing};
	list[2] = (struct bad){"forbidden", forbidden};
	list[3] = (struct bad){"kernel", kernel};
	return list;
}

static void paths(const struct bad *bad)
{
	struct stat st;
	int dir = open(".", O_RDONLY);

	for (; bad->name; bad++) {
		const char *path = bad->p;

		check(text("openat of %s", bad->name), "%s", ret(openat(dir, path, O_RDONLY)));
		check(text("openat of %s, no descriptor", bad->name), "%s", ret(openat(-1, path, O_RDONLY)));
		check(text("open of a folder of %s", bad->name), "%s", ret(open(path, O_RDONLY | O_DIRECTORY)));
		check(text("lstat of %s", bad->name), "%s", ret(lstat(path, &st)));
		check(text("chmod of %s", bad->name), "%s", ret(chmod(path, 0644)));
		check(text("mkdirat of %s", bad->name), "%s", ret(mkdirat(dir, path, 0755)));
		check(text("unlinkat of %s", bad->name), "%s", ret(unlinkat(dir, path, 0)));
		check(text("link of %s", bad->name), "%s", ret(link(path, "new")));
		check(text("link as %s", bad->name), "%s", ret(link("file", path)));
		check(text("symlink to %s", bad->name), "%s", ret(symlink(path, "new")));
		check(text("symlink as %s", bad->name), "%s", ret(symlink("file", path)));
		check(text("readlink of %s", bad->name), "%s", ret(readlink(path, (char[10]){0}, 10)));
		check(text("renameat of %s", bad->name), "%s", ret(renameat(dir, path, dir, "new")));
		check(text("renameat to %s", bad->name), "%s", ret(renameat(dir, "file", dir, path)));
		check(text("renameat2 to %s", bad->name), "%s",
		      ret(renameat2(dir, "file", dir, path, RENAME_NOREPLACE)));
		check(text("chdir of %s", bad->name), "%s", ret(chdir(path)));
		check(text("faccessat of %s", bad->name), "%s", ret(faccessat(dir, path, F_OK, 0)));
		check(text("truncate of %s", bad->name), "%s", ret(truncate(path, 1)));
	}
	check("all is as it was", "%s", listing("."));
	must_close(dir);
}

static void results(const struct bad *bad)
{
	struct stat st;
	struct statvfs space;

	for (; bad->name; bad++) {
		check(text("lstat into %s", bad->name), "%s", ret(lstat("file", bad->p)));
		check(text("lstat of what is absent into %s", bad->name), "%s", ret(lstat("absent", bad->p)));
		check(text("fstatat into %s", bad->name), "%s", ret(fstatat(AT_FDCWD, "to", bad->p, 0)));
		check(text("readlink into %s", bad->name), "%s", ret(readlink("to", bad->p, 10)));
		check(text("readlink of a file into %s", bad->name), "%s", ret(readlink("file", bad->p, 10)));
		check(text("utimensat of %s", bad->name), "%s",
		      bad->p ? ret(utimensat(AT_FDCWD, "file", bad->p, 0)) : "none");
		check(text("utimensat of what is absent, %s", bad->name), "%s",
		      bad->p ? ret(utimensat(AT_FDCWD, "absent", bad->p, 0)) : "none");
	}
	check("stat into what is read-only", "%s", ret(stat("file", (struct stat *)read_only)));
	check("readlink into what is read-only", "%s", ret(readlink("to", (char *)read_only, 10)));
	STEPS("and into what is good", ret(stat("file", &st)), ret(statvfs("file", &space)), target("to"));
}

static void descriptors(const struct bad *bad)
{
	int ends[2], fd;
	struct timeval now = {0};

	MUST(pipe(ends) == 0);
	for (; bad->name; bad++) {
		struct iovec one = {bad->p, 10};

		check(text("pipe into %s", bad->name), "%s", ret(pipe(bad->p)));
		check(text("pipe2 into %s", bad->name), "%s", ret(pipe2(bad->p, O_CLOEXEC)));
		check(text("write into a pipe from %s", bad->name), "%s", ret(write(ends[1], bad->p, 10)));
		check(text("writev into a pipe from %s", bad->name), "%s", ret(writev(ends[1], &one, 1)));
		MUST(write(ends[1], "0123456789", 10) == 10);
		check(text("read from a pipe into %s", bad->name), "%s", ret(read(ends[0], bad->p, 10)));
		STEPS(text("what is left, %s", bad->name), rest(ends[0]));
		check(text("poll of %s", bad->name), "%s", ret(poll(bad->p, 1, 0)));
		if (bad->p)
			check(text("select of %s", bad->name), "%s", ret(select(1, bad->p, NULL, NULL, &now)));
		check(text("lock of %s", bad->name), "%s", ret(fcntl(ends[0], F_SETLK, bad->p)));
	}
	check("pipe into what is read-only", "%s", ret(pipe((int *)read_only)));
	fd = open("file", O_RDONLY);
	check("no descriptor was lost", "%s", fd == ends[1] + 1 ? "yes" : "no");
	must_close(fd);
	must_close(ends[0]);
	must_close(ends[1]);
}

/* A name that ends where memory does, and one that does not. */
static void borders(void)
{
	byte *p = map(2, RW, ANON, -1, 0);
	char *end = (char *)p + PAGE;

	unmap(end, 1);
	strcpy(end - 5, "file");
	check("border: a name before it", "%s", content(end - 5));
	check("border: a name of one byte", "%s", kind((end[-2] = '.', end - 2)));
	check("border: the end of a name", "%s", kind(end - 1));
	strcpy(end - 5, "file");
	end[-1] = '/';
	check("border: a name that goes on", "%s", ret(open(end - 5, O_RDONLY)));
	check("border: create", "%s", ret(open(end - 5, O_WRONLY | O_CREAT, 0644)));
	check("border: rename", "%s", ret(rename("file", end - 5)));
	check("border: symlink", "%s", ret(symlink(end - 5, "new")));
	check("border: readlink of what fits", "%s", ret(readlink("to", end - 4, 100)));
	check("border: readlink of what does not", "%s", ret(readlink("to", end - 3, 100)));
	check("border: readlink into the last byte", "%s", ret(readlink("to", end - 1, 1)));
	check("border: all is as it was", "%s", listing("."));
}

int main(void)
{
	const struct bad *bad;

	enter("file_pointers");
	put("file", "content");
	MUST(symlink("file", "to") == 0);
	bad = bad_pointers();
	catch_faults();
	paths(bad);
	results(bad);
	descriptors(bad);
	borders();
	return done();
}
