// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Advisory locks of fcntl: a process's own, which never conflict with each other, and those of open files (F_OFD_*),
 * which do. Ranges are joined and split; the view is F_OFD_GETLK's of a descriptor that holds nothing.
 */

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>

#include "files.h"

#define NAME "locks.data"

static int one, two, viewer; // open files of NAME

static const char *type_of(short type)
{
	return type == F_RDLCK ? "read" : type == F_WRLCK ? "write" : type == F_UNLCK ? "none" : "other";
}

static const char *lock(int fd, int command, short type, off_t start, off_t len)
{
	struct flock range = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};

	return ret(fcntl(fd, command, &range));
}

/* What keeps a lock of the type from being made. */
static const char *get(int fd, int command, short type, off_t start, off_t len)
{
	struct flock range = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};

	if (fcntl(fd, command, &range))
		return error_name(errno);
	if (range.l_type == F_UNLCK)
		return "none";
	return text("%s %ld+%ld of %s", type_of(range.l_type), (long)range.l_start, (long)range.l_len,
		    range.l_pid == -1	      ? "a file"
		    : range.l_pid == getpid() ? "us"
					      : "another");
}

/* All locks of bytes 0 to 999, as the viewer sees them. */
static const char *view(void)
{
	char line[140] = "";
	off_t at = 0;
	size_t used = 0;

	while (at < 1000) {
		struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};

		if (fcntl(viewer, F_OFD_GETLK, &range))
			return error_name(errno);
		if (range.l_type == F_UNLCK) {
			at++;
			continue;
		}
		if (used < sizeof(line))
			used += (size_t)snprintf(line + used, sizeof(line) - used, " %s %ld-%ld",
						 range.l_type == F_WRLCK ? "W" : "R", (long)range.l_start,
						 range.l_len ? (long)(range.l_start + range.l_len - 1) : -1);
		if (!range.l_len)
			break;
		at = range.l_start + range.l_len;
	}
	return text("[%s]", line[0] ? line + 1 : "");
}

static void open_all(void)
{
	put(NAME, "0123456789");
	one = open(NAME, O_RDWR);
	two = open(NAME, O_RDWR);
	viewer = open(NAME, O_RDWR);
	MUST(one >= 0 && two >= 0 && viewer >= 0);
}

static void close_all(void)
{
	must_close(one);
	must_close(two);
	must_close(viewer);
}

static void own(void)
{
	int other;

	open_all();
	STEPS("own: read", lock(one, F_SETLK, F_RDLCK, 0, 10), view());
	STEPS("own: write beside it", lock(two, F_SETLK, F_WRLCK, 20, 10), view());
	STEPS("own: no conflict", lock(two, F_SETLK, F_WRLCK, 5, 20), view());
	STEPS("own: seen by none of us", get(one, F_GETLK, F_WRLCK, 0, 0), get(two, F_GETLK, F_RDLCK, 0, 0));
	STEPS("own: a hole in it", lock(one, F_SETLK, F_UNLCK, 10, 5), view());
	STEPS("own: filled", lock(one, F_SETLK, F_WRLCK, 10, 5), view());
	STEPS("own: made reading", lock(one, F_SETLK, F_RDLCK, 8, 4), view());
	STEPS("own: all to the end", lock(one, F_SETLK, F_WRLCK, 100, 0), view());
	STEPS("own: nothing left", lock(one, F_SETLK, F_UNLCK, 0, 0), view());
	STEPS("own: waiting is not needed", lock(one, F_SETLKW, F_WRLCK, 0, 10), lock(two, F_SETLKW, F_WRLCK, 0, 10),
	      view());
	STEPS("own: an open file's conflicts", lock(two, F_OFD_SETLK, F_WRLCK, 5, 1),
	      lock(two, F_OFD_SETLK, F_RDLCK, 10, 1), get(two, F_OFD_GETLK, F_RDLCK, 5, 10));
	STEPS("own: conflicts with an open file's", lock(one, F_SETLK, F_WRLCK, 10, 1),
	      get(one, F_GETLK, F_WRLCK, 0, 0), lock(one, F_SETLK, F_RDLCK, 10, 1));
	other = open(NAME, O_RDONLY);
	STEPS("own: any descriptor's close unlocks", view(), ret(close(other)), view());
	close_all();
	open_all();
	STEPS("own: of a dup", lock(one, F_SETLK, F_WRLCK, 0, 1), ret(close(dup(one))), view());
	STEPS("own: dup2 over one closes it", lock(one, F_SETLK, F_WRLCK, 0, 1), ret(dup2(viewer, two) == two ? 0 : -1),
	      view());
	MUST(lock(one, F_SETLK, F_WRLCK, 0, 1)[0] == '0' && unlink(NAME) == 0);
	put(NAME, "another");
	other = open(NAME, O_RDONLY);
	STEPS("own: of a file without a name", view(), ret(close(other)), view());
	close_all();
}

static void ranges(void)
{
	static const struct {
		const char *name;
		short type;
		long start, len;
	} steps[] = {
	    {"write 100-199", F_WRLCK, 100, 100},
	    {"write behind it", F_WRLCK, 200, 100},
	    {"write before it", F_WRLCK, 50, 50},
	    {"write far off", F_WRLCK, 500, 100},
	    {"write between", F_WRLCK, 250, 300},
	    {"read in the middle", F_RDLCK, 200, 50},
	    {"read over the border", F_RDLCK, 240, 50},
	    {"write over the border", F_WRLCK, 180, 40},
	    {"unlock the first byte", F_UNLCK, 50, 1},
	    {"unlock the last", F_UNLCK, 599, 1},
	    {"unlock in the middle", F_UNLCK, 300, 10},
	    {"unlock what is not locked", F_UNLCK, 700, 10},
	    {"unlock more than all", F_UNLCK, 550, 200},
	    {"read over all", F_RDLCK, 0, 600},
	    {"write the same", F_WRLCK, 0, 600},
	    {"read one byte", F_RDLCK, 7, 1},
	    {"write it", F_WRLCK, 7, 1},
	    {"write to the end", F_WRLCK, 900, 0},
	    {"unlock from a byte on", F_UNLCK, 950, 0},
	    {"unlock all", F_UNLCK, 0, 0},
	};
	static const struct {
		const char *name;
		int command;
	} kinds[] = {{"process", F_SETLK}, {"file", F_OFD_SETLK}};

	for (unsigned k = 0; k < 2; k++) {
		open_all();
		for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
			STEPS(text("%s's: %s", kinds[k].name, steps[i].name),
			      lock(one, kinds[k].command, steps[i].type, steps[i].start, steps[i].len), view());
		close_all();
	}
}

static void of_files(void)
{
	int twin;

	open_all();
	STEPS("files: two readers", lock(one, F_OFD_SETLK, F_RDLCK, 0, 10), lock(two, F_OFD_SETLK, F_RDLCK, 5, 10),
	      view());
	STEPS("files: a writer", lock(two, F_OFD_SETLK, F_WRLCK, 0, 1), lock(two, F_OFD_SETLK, F_WRLCK, 5, 10),
	      lock(two, F_OFD_SETLK, F_WRLCK, 10, 5), view());
	STEPS("files: who is in the way", get(one, F_OFD_GETLK, F_RDLCK, 0, 0), get(two, F_OFD_GETLK, F_WRLCK, 0, 0),
	      get(one, F_OFD_GETLK, F_RDLCK, 0, 10));
	STEPS("files: refused as a whole", lock(one, F_OFD_SETLK, F_WRLCK, 0, 100), view());
	STEPS("files: unlocked by the other", lock(one, F_OFD_SETLK, F_UNLCK, 0, 0), view());
	twin = dup(one);
	STEPS("files: a dup's are the same", lock(one, F_OFD_SETLK, F_WRLCK, 50, 10),
	      lock(twin, F_OFD_SETLK, F_WRLCK, 55, 10), view());
	STEPS("files: a dup's close", ret(close(twin)), view());
	twin = open(NAME, O_RDONLY);
	STEPS("files: another's close", ret(close(twin)), view());
	STEPS("files: the last close", ret(close(one)), view());
	one = open(NAME, O_RDWR);
	STEPS("files: seen by a process's", get(one, F_GETLK, F_RDLCK, 0, 0), lock(one, F_SETLK, F_RDLCK, 10, 1));
	STEPS("files: one's own open file too", lock(two, F_SETLK, F_RDLCK, 10, 1), lock(two, F_SETLK, F_RDLCK, 0, 10),
	      view());
	close_all();
}

static void whences(void)
{
	struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_start = 2, .l_len = 3};

	open_all();
	MUST(lseek(one, 5, SEEK_SET) == 5);
	STEPS("from here", ret(fcntl(one, F_SETLK, &range)), view());
	MUST(lock(one, F_SETLK, F_UNLCK, 0, 0)[0] == '0');
	range = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = -4, .l_len = 2};
	STEPS("from the end", ret(fcntl(one, F_SETLK, &range)), view());
	MUST(lock(one, F_SETLK, F_UNLCK, 0, 0)[0] == '0');
	range = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 8, .l_len = -3};
	STEPS("negative length", ret(fcntl(one, F_SETLK, &range)), view());
	range = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 8, .l_len = -9};
	STEPS("negative length before the beginning", ret(fcntl(one, F_SETLK, &range)), view());
	range = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = -11};
	STEPS("before the beginning", ret(fcntl(one, F_SETLK, &range)), lock(one, F_SETLK, F_RDLCK, -1, 1));
	range = (struct flock){.l_type = F_RDLCK, .l_whence = SEEK_CUR, .l_start = 1};
	STEPS("query from here", ret(fcntl(viewer, F_OFD_GETLK, &range)), type_of(range.l_type),
	      text("%d %ld %ld", range.l_whence, (long)range.l_start, (long)range.l_len));
	range = (struct flock){.l_type = F_RDLCK, .l_whence = SEEK_END, .l_start = 100, .l_len = 7};
	STEPS("query of what is free", ret(fcntl(viewer, F_OFD_GETLK, &range)), type_of(range.l_type),
	      text("%d %ld %ld", range.l_whence, (long)range.l_start, (long)range.l_len));
	check("query of nothing", "%s", get(one, F_GETLK, F_UNLCK, 0, 0));
	STEPS("far", lock(one, F_SETLK, F_WRLCK, INT64_MAX, 1), lock(one, F_SETLK, F_WRLCK, INT64_MAX, 2),
	      lock(one, F_SETLK, F_WRLCK, INT64_MAX - 5, 6), lock(one, F_SETLK, F_WRLCK, 1, INT64_MAX));
	close_all();
}

static void errors(void)
{
	int reader, writer, dir, ends[2];
	struct flock range = {.l_type = F_WRLCK, .l_whence = 7};

	open_all();
	reader = open(NAME, O_RDONLY);
	writer = open(NAME, O_WRONLY);
	dir = open(".", O_RDONLY);
	MUST(reader >= 0 && writer >= 0 && dir >= 0 && pipe(ends) == 0);
	STEPS("error: whence", ret(fcntl(one, F_SETLK, &range)), ret(fcntl(one, F_GETLK, &range)),
	      ret(fcntl(one, F_OFD_SETLK, &range)));
	STEPS("error: type", lock(one, F_SETLK, 77, 0, 1), get(one, F_GETLK, 77, 0, 1),
	      lock(one, F_OFD_SETLK, -1, 0, 1));
	STEPS("error: reader", lock(reader, F_SETLK, F_WRLCK, 0, 1), lock(reader, F_SETLK, F_RDLCK, 0, 1),
	      lock(reader, F_OFD_SETLK, F_WRLCK, 0, 1), get(reader, F_GETLK, F_WRLCK, 0, 1));
	STEPS("error: writer", lock(writer, F_SETLK, F_RDLCK, 0, 1), lock(writer, F_SETLK, F_WRLCK, 0, 1),
	      lock(writer, F_OFD_SETLK, F_RDLCK, 0, 1), get(writer, F_GETLK, F_RDLCK, 0, 1));
	STEPS("error: reader unlocks", lock(reader, F_SETLK, F_UNLCK, 0, 1), lock(writer, F_SETLK, F_UNLCK, 0, 1));
	STEPS("error: none", lock(-1, F_SETLK, F_RDLCK, 0, 1), get(99, F_GETLK, F_RDLCK, 0, 1),
	      lock(99, F_OFD_SETLKW, F_RDLCK, 0, 1));
	STEPS("folder", lock(dir, F_SETLK, F_RDLCK, 0, 1), lock(dir, F_SETLK, F_WRLCK, 0, 1));
	range = (struct flock){.l_type = F_WRLCK, .l_pid = 1};
	STEPS("error: process of an open file's", ret(fcntl(one, F_OFD_SETLK, &range)),
	      ret(fcntl(one, F_OFD_GETLK, &range)), ret(fcntl(one, F_SETLK, &range)));
	STEPS("error: no pointer", ret(fcntl(one, F_SETLK, NULL)), ret(fcntl(one, F_GETLK, NULL)),
	      ret(fcntl(one, F_OFD_GETLK, NULL)), ret(fcntl(99, F_GETLK, NULL)));
	must_close(reader);
	must_close(writer);
	must_close(dir);
	must_close(ends[0]);
	must_close(ends[1]);
	close_all();
}

/* ---- waiting ---- */

static atomic_int state; // of the other thread: 0 not begun, 1 about to lock, 2 has returned
static char waited[40];

static void *wait_for_lock(void *arg)
{
	atomic_store(&state, 1);
	snprintf(waited, sizeof(waited), "%s", lock(two, F_OFD_SETLKW, *(short *)arg, 0, 10));
	atomic_store(&state, 2);
	return NULL;
}

/* The waiter cannot have it before the holder lets go; if it ever did, state would say so. */
static void waiting(void)
{
	static short write_type = F_WRLCK, read_type = F_RDLCK;
	pthread_t thread;

	open_all();
	for (int i = 0; i < 3; i++) {
		MUST(lock(one, F_OFD_SETLK, i == 2 ? F_RDLCK : F_WRLCK, 5, 10)[0] == '0');
		atomic_store(&state, 0);
		MUST(pthread_create(&thread, NULL, wait_for_lock, i == 1 ? &read_type : &write_type) == 0);
		while (atomic_load(&state) == 0)
			sched_yield();
		for (int turn = 0; turn < 100; turn++)
			sched_yield();
		check(text("wait %d: has it before", i), "%s", atomic_load(&state) == 2 ? "yes" : "no");
		MUST(lock(one, F_OFD_SETLK, F_UNLCK, 0, 0)[0] == '0' && pthread_join(thread, NULL) == 0);
		STEPS(text("wait %d: has it after", i), waited, view());
		MUST(lock(two, F_OFD_SETLK, F_UNLCK, 0, 0)[0] == '0');
	}
	close_all();
}

static atomic_int handled;

static void on_signal(int sig)
{
	atomic_fetch_add(&handled, sig == SIGUSR1);
}

/* A wait that a signal ends. Signals are sent until it has ended, since the first may come before the wait. */
static void interrupted(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	static short type = F_WRLCK;
	pthread_t thread;

	sigemptyset(&action.sa_mask);
	MUST(sigaction(SIGUSR1, &action, NULL) == 0);
	open_all();
	MUST(lock(one, F_OFD_SETLK, F_WRLCK, 0, 1)[0] == '0');
	atomic_store(&state, 0);
	MUST(pthread_create(&thread, NULL, wait_for_lock, &type) == 0);
	while (atomic_load(&state) != 2) {
		if (atomic_load(&state) == 1)
			MUST(pthread_kill(thread, SIGUSR1) == 0);
		sched_yield();
	}
	MUST(pthread_join(thread, NULL) == 0);
	STEPS("interrupted wait", waited, atomic_load(&handled) ? "handled" : "not handled", view());
	close_all();
}

int main(void)
{
	enter("record_locks");
	own();
	ranges();
	of_files();
	whences();
	errors();
	waiting();
	interrupted();
	return done();
}
