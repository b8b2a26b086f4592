// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Each call that takes a path, with each kind of path that is wrong or odd: the error, and what is in the folder
 * afterwards.
 */

#include <sys/statvfs.h>

#include "files.h"

typedef const char *call(const char *path);

static const char *call_open(const char *path)
{
	return opened(open(path, O_RDONLY));
}

static const char *call_create(const char *path)
{
	return opened(open(path, O_RDWR | O_CREAT, 0644));
}

static const char *call_create_new(const char *path)
{
	return opened(open(path, O_RDWR | O_CREAT | O_EXCL, 0644));
}

static const char *call_open_folder(const char *path)
{
	return opened(open(path, O_RDONLY | O_DIRECTORY));
}

static const char *call_open_nofollow(const char *path)
{
	return opened(open(path, O_RDONLY | O_NOFOLLOW));
}

static const char *call_stat(const char *path)
{
	struct stat st;

	return stat(path, &st) ? error_name(errno) : kind_of(st.st_mode);
}

static const char *call_access(const char *path)
{
	return ret(access(path, F_OK));
}

static const char *call_chmod(const char *path)
{
	return ret(chmod(path, 0755));
}

static const char *call_truncate(const char *path)
{
	return ret(truncate(path, 0));
}

static const char *call_utimensat(const char *path)
{
	return ret(utimensat(AT_FDCWD, path, NULL, 0));
}

static const char *call_utimensat_link(const char *path)
{
	return ret(utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW));
}

static const char *call_statvfs(const char *path)
{
	struct statvfs st;

	return ret(statvfs(path, &st));
}

static const char *call_mkdir(const char *path)
{
	return ret(mkdir(path, 0755));
}

static const char *call_rmdir(const char *path)
{
	return ret(rmdir(path));
}

static const char *call_unlink(const char *path)
{
	return ret(unlink(path));
}

static const char *call_rename_from(const char *path)
{
	return ret(rename(path, "to"));
}

static const char *call_rename_to(const char *path)
{
	return ret(rename("file", path));
}

static const char *call_rename_folder_to(const char *path)
{
	return ret(rename("empty", path));
}

static const char *call_link_from(const char *path)
{
	return ret(link(path, "to"));
}

static const char *call_link_to(const char *path)
{
	return ret(link("file", path));
}

static const char *call_symlink_to(const char *path)
{
	return ret(symlink("file", path));
}

static const char *call_opendir(const char *path)
{
	DIR *dir = opendir(path);

	if (!dir)
		return error_name(errno);
	MUST(closedir(dir) == 0);
	return "opened";
}

/* Goes there and back. */
static const char *call_chdir(const char *path)
{
	int here = open(".", O_RDONLY | O_DIRECTORY);
	const char *seen = ret(chdir(path));

	MUST(fchdir(here) == 0);
	must_close(here);
	return seen;
}

static const struct {
	const char *name;
	call *call;
} calls[] = {
    {"open", call_open},
    {"create", call_create},
    {"create new", call_create_new},
    {"open folder", call_open_folder},
    {"open no link", call_open_nofollow},
    {"stat", call_stat},
    {"lstat", kind},
    {"access", call_access},
    {"chmod", call_chmod},
    {"truncate", call_truncate},
    {"utimensat", call_utimensat},
    {"utimensat of a link", call_utimensat_link},
    {"statvfs", call_statvfs},
    {"readlink", target},
    {"opendir", call_opendir},
    {"chdir", call_chdir},
    {"mkdir", call_mkdir},
    {"rmdir", call_rmdir},
    {"unlink", call_unlink},
    {"rename from", call_rename_from},
    {"rename to", call_rename_to},
    {"rename folder to", call_rename_folder_to},
    {"link from", call_link_from},
    {"link to", call_link_to},
    {"symlink to", call_symlink_to},
};

static void make_all(void)
{
	put("file", "content");
	MUST(mkdir("empty", 0755) == 0 && mkdir("full", 0755) == 0);
	put("full/inner", "inner");
	MUST(symlink("file", "to-file") == 0 && symlink("full", "to-full") == 0 && symlink("gone", "to-none") == 0);
	MUST(symlink("loop", "loop") == 0);
}

static void with_path(const char *what, const char *path)
{
	for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		enter(text("%s-%u", what, i));
		make_all();
		STEPS(text("%s: %s", what, calls[i].name), calls[i].call(path), listing("."), listing("full"));
		leave();
	}
}

int main(void)
{
	with_path("empty", "");
	with_path("name of 256", long_name(NAME_LIMIT + 1));
	with_path("path of 4096", long_path(PATH_LIMIT, "file"));
	with_path("absent", "absent");
	with_path("absent, slash", "absent/");
	with_path("in what is absent", "absent/new");
	with_path("in a file", "file/new");
	with_path("file, slash", "file/");
	with_path("file, dot", "file/.");
	with_path("file, dots", "file/..");
	with_path("loop", "loop");
	with_path("loop, slash", "loop/");
	with_path("in a loop", "loop/new");
	with_path("dangling", "to-none");
	with_path("dangling, slash", "to-none/");
	with_path("in what dangles", "to-none/new");
	with_path("link to a file", "to-file");
	with_path("link to a file, slash", "to-file/");
	with_path("link to a folder", "to-full");
	with_path("link to a folder, slash", "to-full/");
	with_path("in a link to a folder", "to-full/new");
	with_path("folder", "full");
	with_path("folder, slash", "full/");
	with_path("folder, slashes", "full///");
	with_path("folder, dot", "full/.");
	with_path("folder, dots", "full/..");
	with_path("empty folder", "empty");
	with_path("empty folder, slash", "empty/");
	with_path("file in a folder", "full/inner");
	with_path("dot", ".");
	return done();
}
