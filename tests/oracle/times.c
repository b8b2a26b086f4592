// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Time stamps: what utimensat sets, and which of them each call changes, of a file and of the folder that holds it.
 * When reading changes atime depends on how a file system is mounted, so atime is looked at only where it is set.
 */

#include <sys/file.h>
#include <time.h>

#include "files.h"

#define OLD 1000000000
#define NOW ((struct timespec){.tv_nsec = UTIME_NOW})
#define OMIT ((struct timespec){.tv_nsec = UTIME_OMIT})

static int fd;

static struct stat stat_of(const char *path)
{
	struct stat st;

	MUST(lstat(path, &st) == 0);
	return st;
}

static bool later(struct timespec a, struct timespec b)
{
	return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec);
}

static bool equal(struct timespec a, struct timespec b)
{
	return !later(a, b) && !later(b, a);
}

/* Until a change would have a later stamp than anything has now. The clock of stamps may tick coarsely. */
static void wait_for_tick(void)
{
	struct timespec first;

	put("../clock", "");
	first = stat_of("../clock").st_mtim;
	do
		MUST(utimensat(AT_FDCWD, "../clock", NULL, 0) == 0);
	while (!later(stat_of("../clock").st_mtim, first));
}

static struct stat before_file, before_folder;

static void remember(void)
{
	const struct timespec old[2] = {{.tv_sec = OLD, .tv_nsec = 1}, {.tv_sec = OLD, .tv_nsec = 2}};

	MUST(utimensat(AT_FDCWD, "file", old, AT_SYMLINK_NOFOLLOW) == 0 && utimensat(AT_FDCWD, ".", old, 0) == 0);
	before_file = stat_of("file");
	before_folder = stat_of(".");
	wait_for_tick();
}

static const char *changes(const struct stat *before, const struct stat *now)
{
	return text("%s%s", equal(before->st_mtim, now->st_mtim) ? "" : "m",
		    equal(before->st_ctim, now->st_ctim) ? "" : "c");
}

/* What changed of the file that is now at path, or of nothing if that is NULL, and of the folder. */
static void say(const char *name, const char *result, const char *path)
{
	struct stat file = path ? stat_of(path) : before_file, folder = stat_of(".");

	check(name, "%s, file %s, folder %s", result, changes(&before_file, &file), changes(&before_folder, &folder));
}

/* A call of which file and folder keep their names. */
#define SAY(name, call)                                                                                                \
	do {                                                                                                           \
		const char *result;                                                                                    \
		remember();                                                                                            \
		result = call;                                                                                         \
		say(name, result, "file");                                                                             \
	} while (0)

static void contents(void)
{
	byte *p;

	SAY("nothing", ret(0));
	SAY("write", ret(write(fd, "x", 1)));
	SAY("write of nothing", ret(write(fd, "x", 0)));
	SAY("pwrite behind the end", ret(pwrite(fd, "x", 1, 100)));
	SAY("ftruncate, shorter", ret(ftruncate(fd, 10)));
	SAY("ftruncate, longer", ret(ftruncate(fd, 100)));
	SAY("ftruncate, the same", ret(ftruncate(fd, 100)));
	SAY("truncate, shorter", ret(truncate("file", 10)));
	SAY("truncate, longer", ret(truncate("file", 5000)));
	SAY("open", opened(open("file", O_RDWR)));
	SAY("open to create what is there", opened(open("file", O_RDWR | O_CREAT, 0644)));
	SAY("open to truncate", opened(open("file", O_RDWR | O_TRUNC)));
	SAY("open to truncate what is empty", opened(open("file", O_RDWR | O_TRUNC)));
	SAY("posix_fallocate, longer", error_name(posix_fallocate(fd, 0, 8192)));
	SAY("fsync", ret(fsync(fd)));
	p = map(1, RW, MAP_SHARED, fd, 0);
	SAY("mapped and not stored", load(p));
	unmap(p, 1);
	SAY("write that fails", ret(pwrite(fd, "x", 1, -1)));
	SAY("failing open to create", opened(open("file", O_RDWR | O_CREAT | O_EXCL, 0644)));
}

static void names(void)
{
	SAY("link", ret(link("file", "linked")));
	SAY("link that fails", ret(link("file", "linked")));
	SAY("unlink of the other name", ret(unlink("linked")));
	SAY("unlink that fails", ret(unlink("linked")));
	SAY("a new file beside it", opened(open("new", O_RDWR | O_CREAT, 0644)));
	SAY("unlink beside it", ret(unlink("new")));
	SAY("a new folder beside it", ret(mkdir("dir", 0755)));
	SAY("a new link beside it", ret(symlink("file", "to")));
	SAY("rename of the link", ret(rename("to", "to-too")));
	SAY("a new file below", opened(open("dir/new", O_RDWR | O_CREAT, 0644)));
	SAY("rename out of here", ret(rename("to-too", "dir/to")));
	SAY("rename into here", ret(rename("dir/to", "to")));
	SAY("rename below", ret(rename("dir/new", "dir/newer")));
	SAY("rename to itself", ret(rename("file", "file")));
	SAY("rename that fails", ret(rename("file", "dir")));
	remember();
	MUST(rename("file", "moved") == 0);
	say("rename", "0", "moved");
	MUST(rename("moved", "file") == 0);
	put("victim", "");
	MUST(link("victim", "other") == 0);
	before_file = stat_of("other");
	wait_for_tick();
	MUST(rename("file", "victim") == 0);
	say("rename over it, of the other name", "0", "other");
	MUST(rename("victim", "file") == 0);
	SAY("rmdir that fails", ret(rmdir("dir")));
	MUST(unlink("dir/newer") == 0);
	SAY("rmdir", ret(rmdir("dir")));
	SAY("chmod", ret(chmod("file", 0600)));
	SAY("chmod to what it is", ret(chmod("file", 0600)));
	SAY("chmod through a link", ret(chmod("to", 0640)));
	SAY("readlink beside it", target("to"));
	SAY("stat and access", text("%s %s", kind("file"), ret(access("file", R_OK))));
	SAY("exchange with the link", ret(renameat2(AT_FDCWD, "other", AT_FDCWD, "to", RENAME_EXCHANGE)));
	SAY("chdir", ret(chdir(".")));
	SAY("flock", text("%s %s", ret(flock(fd, LOCK_EX)), ret(lseek(fd, 0, SEEK_CUR))));
	SAY("dup", opened(dup(fd)));
}

/* A folder's own. */
static void folders(void)
{
	struct stat dir, up;

	MUST(mkdir("a", 0755) == 0 && mkdir("b", 0755) == 0 && mkdir("a/moved", 0755) == 0);
	dir = stat_of("a/moved");
	up = stat_of("b");
	wait_for_tick();
	MUST(rename("a/moved", "b/moved") == 0);
	check("folder moved to another: that one", "%s", changes(&up, (struct stat[]){stat_of("b")}));
	check("folder moved to another: ctime", "%s",
	      equal(dir.st_ctim, stat_of("b/moved").st_ctim) ? "as it was" : "new");
	up = stat_of("b");
	wait_for_tick();
	put("b/moved/file", "");
	check("file made below: folder above", "%s", changes(&up, (struct stat[]){stat_of("b")}));
}

static const char *shown(const char *path)
{
	struct stat st = stat_of(path);

	return text("%ld.%09ld %ld.%09ld", (long)st.st_atim.tv_sec, st.st_atim.tv_nsec, (long)st.st_mtim.tv_sec,
		    st.st_mtim.tv_nsec);
}

/* Which of the two are what they were set to by remember. */
static const char *which_now(void)
{
	struct stat st = stat_of("file");
	struct timespec now;

	MUST(clock_gettime(CLOCK_REALTIME, &now) == 0);
	return text("atime %s, mtime %s, ctime %s",
		    st.st_atim.tv_sec == OLD		  ? "old"
		    : now.tv_sec - st.st_atim.tv_sec < 60 ? "now"
							  : "other",
		    st.st_mtim.tv_sec == OLD		  ? "old"
		    : now.tv_sec - st.st_mtim.tv_sec < 60 ? "now"
							  : "other",
		    equal(st.st_ctim, before_file.st_ctim) ? "as it was" : "new");
}

static const char *set(struct timespec a, struct timespec m)
{
	return ret(utimensat(AT_FDCWD, "file", (struct timespec[]){a, m}, 0));
}

static void setting(void)
{
	struct timespec some = {.tv_sec = 1234567890, .tv_nsec = 987654321}, none = {0}, early = {.tv_sec = -5},
			late = {.tv_sec = 4000000000, .tv_nsec = 5};
	const struct timespec both[2] = {some, none};

	STEPS("set", set(some, some), shown("file"));
	STEPS("set: nanoseconds", set((struct timespec){1, 1}, (struct timespec){2, 999999999}), shown("file"));
	STEPS("set: the epoch", set(none, none), shown("file"));
	STEPS("set: before the epoch", set(early, early), shown("file"));
	STEPS("set: after 2038", set(late, late), shown("file"));
	STEPS("set: by descriptor", ret(futimens(fd, both)), shown("file"));
	remember();
	STEPS("now: both", set(NOW, NOW), which_now());
	remember();
	STEPS("now: by default", ret(utimensat(AT_FDCWD, "file", NULL, 0)), which_now());
	remember();
	STEPS("now: atime", set(NOW, OMIT), which_now());
	remember();
	STEPS("now: mtime", set(OMIT, NOW), which_now());
	remember();
	STEPS("neither", set(OMIT, OMIT), which_now());
	remember();
	STEPS("some and left out", set(some, OMIT), which_now());
	remember();
	STEPS("through a link", ret(symlink("file", "link")), ret(utimensat(AT_FDCWD, "link", NULL, 0)), which_now());
	remember();
	STEPS("a link's own", ret(utimensat(AT_FDCWD, "link", both, AT_SYMLINK_NOFOLLOW)), shown("link"), which_now());
}

static void setting_errors(void)
{
	struct timespec good = {.tv_sec = 5}, much = {.tv_nsec = 1000000000}, negative = {.tv_nsec = -1};
	const struct timespec odd[2] = {{.tv_sec = 77, .tv_nsec = UTIME_OMIT}, {.tv_sec = 78, .tv_nsec = UTIME_OMIT}};
	const struct timespec none[2] = {OMIT, OMIT};

	check("error: nanoseconds of a second", "%s", set(good, much));
	check("error: nanoseconds of a second, atime", "%s", set(much, good));
	check("error: nanoseconds of less than none", "%s", set(good, negative));
	check("seconds where nothing is set", "%s", ret(utimensat(AT_FDCWD, "file", odd, 0)));
	check("error: absent", "%s", ret(utimensat(AT_FDCWD, "absent", NULL, 0)));
	check("neither of what is absent", "%s", ret(utimensat(AT_FDCWD, "absent", none, 0)));
	check("error: unknown flag", "%s", ret(utimensat(AT_FDCWD, "file", NULL, 1 << 20)));
	check("error: unknown flag, neither", "%s", ret(utimensat(AT_FDCWD, "file", none, 1 << 20)));
	check("error: futimens of no descriptor", "%s", ret(futimens(-1, NULL)));
	check("neither of no descriptor", "%s", ret(futimens(-1, none)));
	check("error: no descriptor, path", "%s", ret(utimensat(-1, "file", NULL, 0)));
	STEPS("as a reader", ret(futimens(fd, NULL)), ret(futimens(open("file", O_RDONLY), NULL)));
}

int main(void)
{
	enter("times");
	put("clock", "");
	enter("in");
	catch_faults();
	put("file", "content");
	fd = open("file", O_RDWR);
	MUST(fd >= 0);
	contents();
	names();
	folders();
	setting();
	setting_errors();
	return done();
}
