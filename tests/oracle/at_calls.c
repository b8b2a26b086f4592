// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The calls that take a folder's descriptor: from where a path leads, with each kind of descriptor, and AT_EMPTY_PATH.
 */

#include "files.h"

static int dir, file, ends[2];

typedef const char *call(int at, const char *path);

static const char *call_openat(int at, const char *path)
{
	return opened(openat(at, path, O_RDONLY));
}

static const char *call_create(int at, const char *path)
{
	return opened(openat(at, path, O_WRONLY | O_CREAT | O_EXCL, 0644));
}

static const char *call_fstatat(int at, const char *path)
{
	struct stat st;

	return fstatat(at, path, &st, 0) ? error_name(errno) : kind_of(st.st_mode);
}

static const char *call_lstatat(int at, const char *path)
{
	struct stat st;

	return fstatat(at, path, &st, AT_SYMLINK_NOFOLLOW) ? error_name(errno) : kind_of(st.st_mode);
}

static const char *call_faccessat(int at, const char *path)
{
	return ret(faccessat(at, path, F_OK, 0));
}

static const char *call_fchmodat(int at, const char *path)
{
	return ret(fchmodat(at, path, 0700, 0));
}

static const char *call_utimensat(int at, const char *path)
{
	return ret(utimensat(at, path, NULL, 0));
}

static const char *call_readlinkat(int at, const char *path)
{
	char found[100];

	return ret(readlinkat(at, path, found, sizeof(found)));
}

static const char *call_mkdirat(int at, const char *path)
{
	return ret(mkdirat(at, path, 0755));
}

static const char *call_symlinkat(int at, const char *path)
{
	return ret(symlinkat("file", at, path));
}

static const char *call_unlinkat(int at, const char *path)
{
	return ret(unlinkat(at, path, 0));
}

static const char *call_rmdirat(int at, const char *path)
{
	return ret(unlinkat(at, path, AT_REMOVEDIR));
}

static const char *call_linkat_from(int at, const char *path)
{
	return ret(linkat(at, path, dir, "linked", 0));
}

static const char *call_linkat_to(int at, const char *path)
{
	return ret(linkat(dir, "file", at, path, 0));
}

static const char *call_renameat_from(int at, const char *path)
{
	return ret(renameat(at, path, dir, "renamed"));
}

static const char *call_renameat_to(int at, const char *path)
{
	return ret(renameat(dir, "file", at, path));
}

static const struct {
	const char *name;
	call *call;
} calls[] = {
    {"openat", call_openat},
    {"openat, new", call_create},
    {"fstatat", call_fstatat},
    {"fstatat, no link", call_lstatat},
    {"faccessat", call_faccessat},
    {"fchmodat", call_fchmodat},
    {"utimensat", call_utimensat},
    {"readlinkat", call_readlinkat},
    {"mkdirat", call_mkdirat},
    {"symlinkat", call_symlinkat},
    {"unlinkat", call_unlinkat},
    {"unlinkat of a folder", call_rmdirat},
    {"linkat from", call_linkat_from},
    {"linkat to", call_linkat_to},
    {"renameat from", call_renameat_from},
    {"renameat to", call_renameat_to},
};

#define CALLS (sizeof(calls) / sizeof(calls[0]))

static void make_all(void)
{
	MUST(mkdir("dir", 0755) == 0 && mkdir("dir/sub", 0755) == 0 && symlink("file", "dir/to") == 0);
	put("dir/file", "inner");
	put("file", "outer");
	dir = open("dir", O_RDONLY | O_DIRECTORY);
	file = open("file", O_RDWR);
	MUST(dir >= 0 && file >= 0 && pipe(ends) == 0);
}

static void close_all(void)
{
	must_close(dir);
	must_close(file);
	must_close(ends[0]);
	must_close(ends[1]);
}

enum at { DIR_FD, CWD, FILE_FD, PIPE_FD, NO_FD, CLOSED_FD };

static int descriptor(enum at at)
{
	switch (at) {
	case DIR_FD:
		return dir;
	case CWD:
		return AT_FDCWD;
	case FILE_FD:
		return file;
	case PIPE_FD:
		return ends[0];
	case NO_FD:
		return -1;
	case CLOSED_FD:
		break;
	}
	return 77;
}

/* Each call alone in a folder of its own. */
static void from(const char *what, enum at at, const char *path)
{
	static unsigned folder;

	for (unsigned i = 0; i < CALLS; i++) {
		enter(text("%u", folder++));
		make_all();
		STEPS(text("%s, \"%s\": %s", what, path, calls[i].name), calls[i].call(descriptor(at), path),
		      listing("."), listing("dir"));
		close_all();
		leave();
	}
}

/* A whole path does not ask for the descriptor. */
static void absolute(const char *what, enum at at, const char *name)
{
	char path[PATH_LIMIT];

	for (unsigned i = 0; i < CALLS; i++) {
		enter(text("%s-%s-%u", what, name, i));
		MUST(getcwd(path, sizeof(path) - NAME_LIMIT));
		strcat(strcat(path, "/"), name);
		make_all();
		STEPS(text("%s, all of the path to %s: %s", what, name, calls[i].name),
		      calls[i].call(descriptor(at), path), listing("."), listing("dir"));
		close_all();
		leave();
	}
}

static void same_folder(void)
{
	int two;

	enter("same_folder");
	make_all();
	two = openat(dir, "sub", O_RDONLY | O_DIRECTORY);
	MUST(two >= 0);
	STEPS("below it", opened(openat(two, "new", O_WRONLY | O_CREAT, 0644)), kind("dir/sub/new"));
	STEPS("above it", call_fstatat(two, "../file"), call_fstatat(two, "../../file"), call_openat(two, "../to"));
	STEPS("moved between", ret(renameat(dir, "file", two, "moved")), content("dir/sub/moved"), listing("dir"));
	STEPS("linked between", ret(linkat(two, "moved", dir, "linked", 0)), links_of("dir/linked"));
	STEPS("exchanged between", ret(renameat2(dir, "linked", two, "new", RENAME_EXCHANGE)), content("dir/linked"),
	      content("dir/sub/new"));
	STEPS("not replaced", ret(renameat2(dir, "linked", two, "new", RENAME_NOREPLACE)), kind("dir/linked"));
	MUST(rename("dir/sub", "away") == 0);
	STEPS("the folder has moved", opened(openat(two, "newer", O_WRONLY | O_CREAT, 0644)), kind("away/newer"),
	      call_fstatat(two, "../dir"));
	MUST(unlink("away/new") == 0 && unlink("away/newer") == 0 && unlink("away/moved") == 0 && rmdir("away") == 0);
	STEPS("the folder is gone", call_create(two, "x"), call_mkdirat(two, "x"), call_fstatat(two, "."),
	      call_fstatat(two, "file"), call_renameat_to(two, "x"));
	must_close(two);
	close_all();
	leave();
}

static const char *empty_stat(int fd, int flags)
{
	struct stat st;

	return fstatat(fd, "", &st, flags) ? error_name(errno) : kind_of(st.st_mode);
}

static void empty_paths(void)
{
	struct stat st;

	enter("empty_paths");
	make_all();
	check("empty path: file", "%s", empty_stat(file, AT_EMPTY_PATH));
	check("empty path: folder", "%s", empty_stat(dir, AT_EMPTY_PATH));
	check("empty path: pipe", "%s", empty_stat(ends[0], AT_EMPTY_PATH));
	check("empty path: here", "%s", empty_stat(AT_FDCWD, AT_EMPTY_PATH));
	check("empty path: none", "%s", empty_stat(-1, AT_EMPTY_PATH));
	check("empty path: without the flag", "%s", empty_stat(dir, 0));
	check("empty path: with another flag", "%s", empty_stat(file, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW));
	check("flag without an empty path", "%s", ret(fstatat(dir, "file", &st, AT_EMPTY_PATH)));
	check("flag, an absent path", "%s", ret(fstatat(dir, "absent", &st, AT_EMPTY_PATH)));
	check("flag, a path of a file's descriptor", "%s", ret(fstatat(file, "x", &st, AT_EMPTY_PATH)));
	check("fstatat: unknown flag", "%s", ret(fstatat(dir, "file", &st, 1 << 20)));
	check("faccessat: empty path", "%s", ret(faccessat(file, "", F_OK, AT_EMPTY_PATH)));
	check("unlinkat: that flag", "%s", ret(unlinkat(dir, "", AT_EMPTY_PATH)));
	close_all();
	leave();
}

int main(void)
{
	enter("at_calls"); // so that a path from the root has two components
	from("folder", DIR_FD, "file");
	from("folder", DIR_FD, "new");
	from("folder", DIR_FD, "sub");
	from("folder", DIR_FD, "to");
	from("folder", DIR_FD, "../file");
	from("folder", DIR_FD, ".");
	from("folder", DIR_FD, "");
	from("here", CWD, "file");
	from("here", CWD, "dir/sub");
	from("file", FILE_FD, "new");
	from("file", FILE_FD, ".");
	from("file", FILE_FD, "");
	from("pipe", PIPE_FD, "new");
	from("none", NO_FD, "new");
	from("none", NO_FD, "");
	from("closed", CLOSED_FD, "file");
	absolute("file", FILE_FD, "file");
	absolute("none", NO_FD, "new");
	same_folder();
	empty_paths();
	return done();
}
