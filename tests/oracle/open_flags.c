// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* open with each set of flags of each kind of file: the error, what the descriptor then says, and what was changed. */

#include "files.h"

static const struct {
	const char *name;
	int flags;
} sets[] = {
    {"read", O_RDONLY},
    {"write", O_WRONLY},
    {"read and write", O_RDWR},
    {"create", O_RDONLY | O_CREAT},
    {"create to write", O_WRONLY | O_CREAT},
    {"create new", O_RDWR | O_CREAT | O_EXCL},
    {"new without create", O_RDWR | O_TRUNC},
    {"truncate", O_WRONLY | O_TRUNC},
    {"create and truncate", O_RDWR | O_CREAT | O_TRUNC},
    {"create new and truncate", O_RDWR | O_CREAT | O_EXCL | O_TRUNC},
    {"append", O_WRONLY | O_APPEND},
    {"append and read", O_RDWR | O_APPEND},
    {"append and truncate", O_WRONLY | O_APPEND | O_TRUNC},
    {"create to append", O_WRONLY | O_APPEND | O_CREAT},
    {"folder", O_RDONLY | O_DIRECTORY},
    {"folder to write", O_WRONLY | O_DIRECTORY},
    {"folder to read and write", O_RDWR | O_DIRECTORY},
    {"folder to truncate", O_RDWR | O_DIRECTORY | O_TRUNC},
    {"no link", O_RDONLY | O_NOFOLLOW},
    {"no link to write", O_WRONLY | O_NOFOLLOW},
    {"no link to create", O_WRONLY | O_NOFOLLOW | O_CREAT},
    {"no link to create new", O_WRONLY | O_NOFOLLOW | O_CREAT | O_EXCL},
    {"no link to truncate", O_WRONLY | O_NOFOLLOW | O_TRUNC},
    {"no link, folder", O_RDONLY | O_NOFOLLOW | O_DIRECTORY},
    {"close on exec", O_RDONLY | O_CLOEXEC},
    {"close on exec, folder", O_RDONLY | O_CLOEXEC | O_DIRECTORY},
    {"sync", O_WRONLY | O_SYNC},
    {"data sync", O_WRONLY | O_DSYNC},
    {"sync, create and truncate", O_RDWR | O_SYNC | O_CREAT | O_TRUNC},
    {"no delay", O_RDWR | O_NONBLOCK},
    {"no terminal", O_RDWR | O_NOCTTY},
    {"all that may be",
     O_RDWR | O_APPEND | O_CREAT | O_TRUNC | O_CLOEXEC | O_SYNC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY},
};

/* What F_GETFL says, but for what it says of size. */
static const char *state(int fd)
{
	int flags = fcntl(fd, F_GETFL), access = flags & O_ACCMODE;

	MUST(flags != -1);
	return text("%s%s%s%s%s%s",
		    access == O_RDONLY	 ? "r"
		    : access == O_WRONLY ? "w"
					 : "rw",
		    flags & O_APPEND ? " append" : "", flags & O_NONBLOCK ? " nonblock" : "",
		    (flags & O_SYNC) == O_SYNC ? " sync"
		    : flags & O_DSYNC	       ? " dsync"
					       : "",
		    flags & (O_CREAT | O_EXCL | O_TRUNC | O_NOCTTY) ? " once" : "",
		    fcntl(fd, F_GETFD) & FD_CLOEXEC ? " cloexec" : "");
}

/* Where it begins, what can be read and written. */
static const char *use(int fd)
{
	const char *at, *got;
	byte one;

	if (fd < 0)
		return error_name(errno);
	at = ret(lseek(fd, 0, SEEK_CUR));
	got = ret(read(fd, &one, 1));
	return text("%s, at %s, read %s, write %s", state(fd), at, got, ret(write(fd, "+", 1)));
}

static void open_all(const char *what, const char *path)
{
	for (unsigned i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		int fd;

		enter(text("%s-%u", what, i));
		put("file", "content");
		MUST(mkdir("dir", 0755) == 0 && symlink("file", "to-file") == 0 && symlink("dir", "to-dir") == 0);
		MUST(symlink("gone", "to-none") == 0 && symlink("loop", "loop") == 0);
		fd = open(path, sets[i].flags, 0644);
		STEPS(text("%s: %s", what, sets[i].name), use(fd), content("file"), listing("."));
		if (fd >= 0)
			must_close(fd);
		leave();
	}
}

/* A device: what reading and writing do is devices.c's. */
static void open_device(void)
{
	for (unsigned i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		int fd = open("/dev/null", sets[i].flags, 0644);

		check(text("null: %s", sets[i].name), "%s", fd < 0 ? error_name(errno) : state(fd));
		if (fd >= 0)
			must_close(fd);
	}
}

static void modes(void)
{
	int fd = open("modes.data", O_RDONLY | O_CREAT | O_EXCL, 0);

	check_root("made to read: written", "%s", ret(write(fd, "x", 1)));
	must_close(fd);
	MUST(unlink("modes.data") == 0);
	fd = open("modes.data", O_RDWR | O_CREAT | O_EXCL, 0);
	STEPS("made without rights: used", ret(write(fd, "x", 1)), ret(pread(fd, &(byte){0}, 1, 0)),
	      mode_at("modes.data"));
	must_close(fd);
	check_root("made without rights: opened again", "%s", opened(open("modes.data", O_RDWR)));
	fd = open("modes.data", O_RDWR | O_CREAT, 0777);
	check_root("mode of what was there", "%s", mode_at("modes.data"));
	if (fd >= 0)
		must_close(fd);
	MUST(unlink("modes.data") == 0);
	must_close(open("modes.data", O_RDWR | O_CREAT, 0777));
	check("mode without the mask's bits", "%s", mode_at("modes.data"));
	MUST(unlink("modes.data") == 0);
	must_close(creat("modes.data", 0640));
	check("creat: mode", "%s", mode_at("modes.data"));
	put("modes.data", "content");
	fd = creat("modes.data", 0600);
	STEPS("creat of what was there", state(fd), content("modes.data"), mode_at("modes.data"));
	must_close(fd);
	check("creat of a folder", "%s", opened(creat("absent-0", 0600)));
}

/* The first of several things that are wrong. */
static void first_error(void)
{
	enter("first");
	put("file", "content");
	MUST(mkdir("dir", 0755) == 0 && symlink("dir", "to-dir") == 0 && symlink("file", "to-file") == 0);
	check("new, in what is absent", "%s", opened(open("absent/file", O_RDWR | O_CREAT | O_EXCL, 0644)));
	check("new, a folder, to write", "%s", opened(open("dir", O_WRONLY | O_CREAT | O_EXCL, 0644)));
	check("new, a link to a folder", "%s", opened(open("to-dir", O_WRONLY | O_CREAT | O_EXCL, 0644)));
	check("a file as a folder, to truncate", "%s", opened(open("file", O_RDWR | O_DIRECTORY | O_TRUNC)));
	check("is not truncated", "%s", content("file"));
	check("a folder to truncate, to read", "%s", opened(open("dir", O_RDONLY | O_TRUNC)));
	check("a link as a folder, not followed", "%s", opened(open("to-file", O_RDONLY | O_DIRECTORY | O_NOFOLLOW)));
	check("a link in the middle, not followed", "%s", opened(open("to-dir/absent", O_RDONLY | O_NOFOLLOW)));
	check("a file in the middle, new", "%s", opened(open("file/x", O_RDWR | O_CREAT | O_EXCL, 0644)));
	check("name too long, new", "%s", opened(open(long_name(NAME_LIMIT + 1), O_RDWR | O_CREAT | O_EXCL, 0644)));
	check("name too long in what is absent", "%s",
	      opened(open(text("absent/%.140s", long_name(140)), O_RDWR | O_CREAT, 0644)));
	leave();
}

int main(void)
{
	open_all("file", "file");
	open_all("folder", "dir");
	open_all("absent", "new");
	open_all("link to a file", "to-file");
	open_all("link to a folder", "to-dir");
	open_all("dangling", "to-none");
	open_all("loop", "loop");
	open_device();
	modes();
	first_error();
	return done();
}
