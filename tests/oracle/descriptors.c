// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Descriptors: which number comes next, dup and its kin, flags, and what happens when there are no more: 1024. */

#include "files.h"
#include "limit.h"

#define LIMIT 1024
#define FIRST 3

static void numbers(void)
{
	int ends[2];

	put("file", "content");
	check("first", "%d", open("file", O_RDONLY));
	check("second", "%d", open("file", O_RDONLY));
	check("third", "%d", dup(3));
	STEPS("the least free", ret(close(4)), ret(open("file", O_RDONLY)));
	STEPS("of two", ret(close(5)), ret(close(3)), ret(dup(4)), ret(dup(4)), ret(dup(4)));
	STEPS("a pipe's", ret(close(4)), ret(pipe(ends)), text("%d %d", ends[0], ends[1]));
	for (int fd = FIRST; fd < 10; fd++)
		(void)close(fd); // which of them are open was seen
}

static void duplicates(void)
{
	int fd = open("file", O_RDWR);

	MUST(fd == FIRST);
	STEPS("dup2 to a free one", ret(dup2(fd, 10)), whole(10), ret(close(10)));
	STEPS("dup2 to one that is open", ret(open("/dev/null", O_RDONLY)), ret(dup2(fd, 4)), whole(4), ret(close(4)));
	STEPS("dup2 to itself", ret(dup2(fd, fd)), whole(fd));
	STEPS("dup2 of none", ret(dup2(-1, 5)), ret(dup2(99, 5)), ret(dup2(99, 99)), ret(dup2(99, fd)), whole(fd));
	STEPS("dup2 to none", ret(dup2(fd, -1)), ret(dup2(fd, LIMIT)), ret(dup2(fd, 1 << 20)),
	      ret(dup2(fd, INT32_MAX)));
	STEPS("dup2 to the last", ret(dup2(fd, LIMIT - 1)), whole(LIMIT - 1), ret(close(LIMIT - 1)));
	STEPS("dup2 of none to none", ret(dup2(-1, -1)), ret(dup2(99, LIMIT)));
	MUST(fcntl(fd, F_SETFD, FD_CLOEXEC) == 0);
	STEPS("dup2 does not copy close-on-exec", ret(dup2(fd, 10)), ret(fcntl(10, F_GETFD)), ret(fcntl(fd, F_GETFD)));
	STEPS("dup2 to itself keeps it", ret(dup2(fd, fd)), ret(fcntl(fd, F_GETFD)));
	STEPS("dup does not copy it", ret(dup(fd)), ret(fcntl(4, F_GETFD)), ret(close(4)), ret(close(10)));
	STEPS("dup3", ret(dup3(fd, 10, 0)), ret(fcntl(10, F_GETFD)), ret(close(10)));
	STEPS("dup3, close on exec", ret(dup3(fd, 10, O_CLOEXEC)), ret(fcntl(10, F_GETFD)), ret(close(10)));
	STEPS("dup3 to itself", ret(dup3(fd, fd, 0)), ret(dup3(99, 99, 0)), whole(fd));
	STEPS("dup3, unknown flag", ret(dup3(fd, 10, O_APPEND)), ret(dup3(fd, 10, 1)), ret(dup3(fd, fd, 1)));
	STEPS("dup3 of none", ret(dup3(-1, 10, 0)), ret(dup3(99, 10, O_CLOEXEC)), ret(dup3(fd, -1, 0)));
	check("dup of none", "%s", ret(dup(-1)));
	check("dup of what is not open", "%s", ret(dup(99)));
	STEPS("close of none", ret(close(-1)), ret(close(99)), ret(close(LIMIT)), ret(close(1 << 30)));
	STEPS("close twice", ret(close(fd)), ret(close(fd)));
}

static void by_fcntl(void)
{
	int fd = open("file", O_RDWR);

	MUST(fd == FIRST);
	STEPS("F_DUPFD", ret(fcntl(fd, F_DUPFD, 0)), ret(fcntl(fd, F_DUPFD, 20)), ret(fcntl(fd, F_DUPFD, 20)));
	STEPS("F_DUPFD: same file", whole(20), whole(21), ret(close(20)), ret(close(21)), ret(close(4)));
	STEPS("F_DUPFD: the last", ret(fcntl(fd, F_DUPFD, LIMIT - 1)), ret(fcntl(fd, F_DUPFD, LIMIT - 1)),
	      ret(close(LIMIT - 1)));
	STEPS("F_DUPFD: too high", ret(fcntl(fd, F_DUPFD, LIMIT)), ret(fcntl(fd, F_DUPFD, 1 << 20)));
	STEPS("F_DUPFD: negative", ret(fcntl(fd, F_DUPFD, -1)), ret(fcntl(99, F_DUPFD, -1)));
	MUST(fcntl(fd, F_SETFD, FD_CLOEXEC) == 0);
	STEPS("F_DUPFD: close on exec", ret(fcntl(fd, F_DUPFD, 5)), ret(fcntl(5, F_GETFD)), ret(close(5)));
	STEPS("F_DUPFD_CLOEXEC", ret(fcntl(fd, F_DUPFD_CLOEXEC, 5)), ret(fcntl(5, F_GETFD)), ret(close(5)));
	STEPS("F_DUPFD_CLOEXEC: errors", ret(fcntl(fd, F_DUPFD_CLOEXEC, -1)), ret(fcntl(fd, F_DUPFD_CLOEXEC, LIMIT)),
	      ret(fcntl(99, F_DUPFD_CLOEXEC, 5)));
	STEPS("F_SETFD", ret(fcntl(fd, F_SETFD, 0)), ret(fcntl(fd, F_GETFD)), ret(fcntl(fd, F_SETFD, FD_CLOEXEC)),
	      ret(fcntl(fd, F_GETFD)));
	STEPS("F_SETFD: other bits", ret(fcntl(fd, F_SETFD, 0xf0)), ret(fcntl(fd, F_GETFD)),
	      ret(fcntl(fd, F_SETFD, 0xff)), ret(fcntl(fd, F_GETFD)));
	STEPS("of none", ret(fcntl(-1, F_GETFD)), ret(fcntl(99, F_SETFD, 0)), ret(fcntl(99, F_GETFL)),
	      ret(fcntl(99, F_SETFL, 0)), ret(fcntl(99, F_DUPFD, 0)));
	STEPS("unknown command", ret(fcntl(fd, 9999)), ret(fcntl(fd, -1)), ret(fcntl(99, 9999)));
	must_close(fd);
}

static const char *flags_of(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags == -1 ? error_name(errno)
			   : text("%d%s%s%s", flags & O_ACCMODE, flags & O_APPEND ? " append" : "",
				  flags & O_NONBLOCK ? " nonblock" : "",
				  flags & (O_CREAT | O_EXCL | O_TRUNC | O_NOCTTY | O_CLOEXEC) ? " others" : "");
}

static void status_flags(void)
{
	int fd = open("file", O_RDWR | O_CREAT | O_CLOEXEC), ends[2];

	MUST(fd == FIRST && pipe(ends) == 0);
	check("flags", "%s", flags_of(fd));
	STEPS("append", ret(fcntl(fd, F_SETFL, O_APPEND)), flags_of(fd));
	STEPS("both", ret(fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK)), flags_of(fd));
	STEPS("neither", ret(fcntl(fd, F_SETFL, 0)), flags_of(fd));
	STEPS("rights stay", ret(fcntl(fd, F_SETFL, O_WRONLY)), flags_of(fd), ret(pread(fd, &(byte){0}, 1, 0)));
	STEPS("what is only for open", ret(fcntl(fd, F_SETFL, O_CREAT | O_EXCL | O_TRUNC | O_NOCTTY)), flags_of(fd),
	      whole(fd));
	STEPS("sync is not set", ret(fcntl(fd, F_SETFL, O_SYNC)), fcntl(fd, F_GETFL) & O_SYNC ? "set" : "not set");
	STEPS("ends of a pipe", flags_of(ends[0]), flags_of(ends[1]), ret(fcntl(ends[0], F_GETFD)));
	STEPS("one end alone", ret(fcntl(ends[0], F_SETFL, O_NONBLOCK)), flags_of(ends[0]), flags_of(ends[1]));
	must_close(fd);
	must_close(ends[0]);
	must_close(ends[1]);
}

/* All that there are; in each way to ask for one more. */
static void no_more(void)
{
	int ends[2], count = 0, last = -1, fd;
	struct stat st;

	while ((fd = open("file", O_RDONLY)) >= 0) {
		last = fd;
		count++;
	}
	check("all: open", "%s", error_name(errno));
	STEPS("all: how many", text("%d", count), text("%d", last));
	check("all: create", "%s", opened(open("new", O_WRONLY | O_CREAT, 0644)));
	check("all: nothing was made", "%s", kind("new"));
	check("all: absent", "%s", opened(open("absent", O_RDONLY)));
	check("all: truncate", "%s", opened(open("file", O_WRONLY | O_TRUNC)));
	check("all: nothing was cut", "%s", stat("file", &st) ? error_name(errno) : text("%ld", (long)st.st_size));
	check("all: dup", "%s", ret(dup(FIRST)));
	check("all: F_DUPFD", "%s", ret(fcntl(FIRST, F_DUPFD, 0)));
	check("all: F_DUPFD, high", "%s", ret(fcntl(FIRST, F_DUPFD, LIMIT - 1)));
	check("all: pipe", "%s", ret(pipe(ends)));
	check("all: opendir", "%s", opendir(".") ? "opened" : error_name(errno));
	check("all: dup2", "%s", ret(dup2(FIRST, FIRST + 1)));
	check("all: mkdir", "%s", ret(mkdir("dir", 0755)));
	check("all: stat", "%s", ret(stat("dir", &st)));
	STEPS("one is free: pipe", ret(close(500)), ret(pipe(ends)));
	STEPS("one is free: open", ret(open("file", O_RDONLY)), ret(open("file", O_RDONLY)));
	STEPS("two are free: pipe", ret(close(700)), ret(close(600)), ret(pipe(ends)), text("%d %d", ends[0], ends[1]));
	count = 0;
	for (fd = FIRST; fd < LIMIT; fd++)
		count += close(fd) == 0;
	STEPS("all are closed", text("%d", count), ret(open("file", O_RDONLY)), ret(close(FIRST)));
}

int main(void)
{
	limit_descriptors(LIMIT);
	enter("descriptors");
	numbers();
	duplicates();
	by_fcntl();
	status_flags();
	no_more();
	return done();
}
