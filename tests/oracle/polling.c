// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* poll and select: what is ready, of what kind of file; time-outs, which last at least as long as asked; waiting. */

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/select.h>
#include <time.h>

#include "files.h"
#include "limit.h"

#define LIMIT 1024

static int in, out;

static void make(void)
{
	int ends[2];

	MUST(pipe(ends) == 0);
	out = ends[0];
	in = ends[1];
}

static void drop(void)
{
	must_close(in);
	must_close(out);
}

static const char *events(short bits)
{
	return text("%s%s%s%s%s%s%s", bits & POLLIN ? "IN " : "", bits & POLLOUT ? "OUT " : "",
		    bits & POLLPRI ? "PRI " : "", bits & POLLERR ? "ERR " : "", bits & POLLHUP ? "HUP " : "",
		    bits & POLLNVAL ? "NVAL " : "",
		    bits & ~(POLLIN | POLLOUT | POLLPRI | POLLERR | POLLHUP | POLLNVAL) ? "others" : "");
}

/* Without waiting. */
static const char *ready(int fd, short wanted)
{
	struct pollfd one = {.fd = fd, .events = wanted, .revents = -1};
	int count = poll(&one, 1, 0);

	return count < 0 ? error_name(errno) : text("%d %s", count, events(one.revents));
}

static const char *all_of(int fd)
{
	return ready(fd, POLLIN | POLLOUT | POLLPRI);
}

static void fill(void)
{
	static byte page[PAGE];

	MUST(fcntl(in, F_SETFL, O_NONBLOCK) == 0);
	while (write(in, page, PAGE) > 0)
		;
	MUST(errno == EAGAIN);
}

static void pipe_ends(void)
{
	static byte pages[16 * PAGE];

	make();
	STEPS("empty", all_of(out), all_of(in));
	STEPS("only what is asked for", ready(in, POLLIN), ready(out, POLLOUT), ready(in, 0));
	MUST(write(in, "x", 1) == 1);
	STEPS("a byte", all_of(out), all_of(in), ready(out, POLLOUT), ready(out, 0));
	must_close(in);
	STEPS("no writer, a byte left", all_of(out), ready(out, 0));
	MUST(read(out, pages, 1) == 1);
	STEPS("no writer", all_of(out), ready(out, POLLOUT), ready(out, 0));
	must_close(out);
	make();
	must_close(out);
	STEPS("no reader", all_of(in), ready(in, POLLIN), ready(in, 0));
	must_close(in);
	make();
	fill();
	STEPS("full", all_of(in), all_of(out));
	MUST(read(out, pages, PAGE) == (ssize_t)PAGE);
	STEPS("a page of room", all_of(in));
	fill();
	must_close(out);
	STEPS("full, no reader", all_of(in));
	must_close(in);
}

static void others(void)
{
	static const char *const names[] = {"file", ".", "/dev/null", "/dev/zero", "/dev/full"};

	put("file", "content");
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int fd = open(names[i], O_RDONLY);

		MUST(fd >= 0);
		STEPS(text("%s", names[i]), all_of(fd), ready(fd, POLLIN), ready(fd, POLLOUT), ready(fd, 0));
		must_close(fd);
	}
	STEPS("none", all_of(99), ready(99, 0), ready(-1, POLLIN), ready(-99, POLLIN));
}

static void many(void)
{
	struct pollfd list[4];

	make();
	MUST(write(in, "x", 1) == 1);
	list[0] = (struct pollfd){.fd = out, .events = POLLIN, .revents = 77};
	list[1] = (struct pollfd){.fd = -1, .events = POLLIN, .revents = 77};
	list[2] = (struct pollfd){.fd = in, .events = POLLIN, .revents = 77};
	list[3] = (struct pollfd){.fd = 99, .events = POLLIN, .revents = 77};
	STEPS("several", ret(poll(list, 4, 0)), events(list[0].revents), events(list[1].revents),
	      events(list[2].revents), events(list[3].revents));
	STEPS("what is ready ends the wait", ret(poll(list, 4, -1)), ret(poll(list, 1, -1)),
	      ret(poll(list, 2, 1000000)));
	list[1] = list[0];
	STEPS("one twice", ret(poll(list, 2, 0)), events(list[0].revents), events(list[1].revents));
	STEPS("none of them", ret(poll(list, 0, 0)), ret(poll(NULL, 0, 0)), ret(poll(NULL, 0, 1)));
	drop();
}

static void many_more(void)
{
	static struct pollfd list[LIMIT + 1];
	volatile nfds_t all = (nfds_t)-1; // the compiler would not take it

	make();
	for (int i = 0; i <= LIMIT; i++)
		list[i] = (struct pollfd){.fd = i == LIMIT / 2 ? in : -1, .events = POLLOUT};
	STEPS("as many as may be open", ret(poll(list, LIMIT, 0)), events(list[LIMIT / 2].revents));
	STEPS("one more", ret(poll(list, LIMIT + 1, 0)), ret(poll(list, all, 0)));
	drop();
}

static long milliseconds(void)
{
	struct timespec now;

	MUST(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static const char *took(long since, long at_least)
{
	return milliseconds() - since >= at_least ? "in time" : "too early";
}

static void time_outs(void)
{
	struct pollfd one;
	struct timeval wait = {.tv_usec = 20000};
	fd_set set;
	long since;

	make();
	one = (struct pollfd){.fd = out, .events = POLLIN, .revents = -1};
	since = milliseconds();
	STEPS("poll for 20 ms", ret(poll(&one, 1, 20)), took(since, 19), events(one.revents));
	since = milliseconds();
	STEPS("poll of nothing for 20 ms", ret(poll(NULL, 0, 20)), took(since, 19));
	FD_ZERO(&set);
	FD_SET(out, &set);
	since = milliseconds();
	STEPS("select for 20 ms", ret(select(out + 1, &set, NULL, NULL, &wait)), took(since, 19),
	      FD_ISSET(out, &set) ? "set" : "not set");
	wait = (struct timeval){.tv_usec = 20000};
	since = milliseconds();
	STEPS("select of nothing for 20 ms", ret(select(0, NULL, NULL, NULL, &wait)), took(since, 19));
	drop();
}

/* ---- select ---- */

static const char *sets(int nfds, bool read_out, bool write_in, bool except)
{
	fd_set r, w, e;
	struct timeval now = {0};
	int count;

	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_ZERO(&e);
	if (read_out)
		FD_SET(out, &r);
	if (write_in)
		FD_SET(in, &w);
	if (except)
		FD_SET(out, &e);
	count = select(nfds, &r, &w, &e, &now);
	if (count < 0)
		return error_name(errno);
	return text("%d%s%s%s", count, FD_ISSET(out, &r) ? " r" : "", FD_ISSET(in, &w) ? " w" : "",
		    FD_ISSET(out, &e) ? " e" : "");
}

static void selecting(void)
{
	struct timeval now = {0}, bad = {.tv_sec = -1}, negative = {.tv_usec = -1};
	int most, file;
	fd_set set;

	make();
	most = in > out ? in + 1 : out + 1;
	STEPS("select: empty", sets(most, true, true, true), sets(most, true, false, false),
	      sets(most, false, true, false));
	MUST(write(in, "x", 1) == 1);
	STEPS("select: a byte", sets(most, true, true, true), sets(most, true, false, true));
	must_close(in);
	in = open("file", O_RDWR);
	STEPS("select: no writer, a byte; a file", sets(most > in ? most : in + 1, true, true, true));
	must_close(in);
	must_close(out);
	make();
	must_close(out);
	out = 60; // Linux's table begins with 64, and select looks no further than it reaches
	STEPS("select: one that is not open", sets(61, true, true, false), sets(in + 1, true, true, false));
	must_close(in);
	file = open("file", O_RDONLY);
	MUST(file >= 0);
	FD_ZERO(&set);
	FD_SET(file, &set);
	STEPS("select: a file to read", ret(select(file + 1, &set, NULL, NULL, NULL)),
	      FD_ISSET(file, &set) ? "set" : "not set");
	STEPS("select: a file to write", ret(select(file + 1, NULL, &set, NULL, NULL)),
	      FD_ISSET(file, &set) ? "set" : "not set");
	STEPS("select: a file's exceptions", ret(select(file + 1, NULL, NULL, &set, &now)),
	      FD_ISSET(file, &set) ? "set" : "not set");
	STEPS("select: times", ret(select(0, NULL, NULL, NULL, &bad)), ret(select(0, NULL, NULL, NULL, &negative)),
	      ret(select(0, NULL, NULL, NULL, &now)));
	STEPS("select: negative number", ret(select(-1, NULL, NULL, NULL, &now)));
	MUST(dup2(file, FD_SETSIZE - 1) == FD_SETSIZE - 1);
	FD_ZERO(&set);
	FD_SET(FD_SETSIZE - 1, &set);
	STEPS("select: the last", ret(select(FD_SETSIZE, &set, NULL, NULL, &now)),
	      FD_ISSET(FD_SETSIZE - 1, &set) ? "set" : "not set");
	must_close(FD_SETSIZE - 1);
	must_close(file);
}

/* ---- waiting ---- */

static atomic_int state, signals; // 0 not begun, 1 about to wait, 2 has returned
static char waited[60];
static struct pollfd awaited, other[2];

static void *poll_there(void *arg)
{
	int count;

	atomic_store(&state, 1);
	count = poll(other, 2, -1);
	snprintf(waited, sizeof(waited), "%s, %s %s", ret(count), events(other[0].revents), events(other[1].revents));
	atomic_store(&state, 2);
	return arg;
}

static void *select_there(void *arg)
{
	fd_set set;
	int count;

	FD_ZERO(&set);
	FD_SET(out, &set);
	atomic_store(&state, 1);
	count = select(out + 1, &set, NULL, NULL, NULL);
	snprintf(waited, sizeof(waited), "%s", ret(count));
	atomic_store(&state, 2);
	return arg;
}

static pthread_t begin(void *(*run)(void *))
{
	pthread_t thread;

	other[0] = awaited;
	other[1] = (struct pollfd){.fd = -1};
	atomic_store(&state, 0);
	MUST(pthread_create(&thread, NULL, run, NULL) == 0);
	while (atomic_load(&state) == 0)
		sched_yield();
	for (int turn = 0; turn < 100; turn++)
		sched_yield();
	return thread;
}

static const char *ended(pthread_t thread)
{
	MUST(pthread_join(thread, NULL) == 0);
	return waited;
}

static const char *still_waits(void)
{
	return atomic_load(&state) == 2 ? "did not wait" : "waits";
}

static void on_signal(int sig)
{
	atomic_fetch_add(&signals, sig == SIGUSR1);
}

/* Signals are sent until the call has ended, since the first may come before it waits. */
static const char *interrupt(pthread_t thread)
{
	while (atomic_load(&state) != 2) {
		MUST(pthread_kill(thread, SIGUSR1) == 0);
		sched_yield();
	}
	return ended(thread);
}

static void waiting(void)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	pthread_t thread;

	make();
	awaited = (struct pollfd){.fd = out, .events = POLLIN};
	thread = begin(poll_there);
	STEPS("poll waits for a byte", still_waits(), ret(write(in, "x", 1)), ended(thread), rest(out));
	thread = begin(select_there);
	STEPS("select waits for a byte", still_waits(), ret(write(in, "x", 1)), ended(thread), rest(out));
	thread = begin(poll_there);
	STEPS("poll waits for the end", still_waits(), ret(close(in)), ended(thread));
	must_close(out);
	make();
	awaited.fd = out;
	sigemptyset(&action.sa_mask);
	MUST(sigaction(SIGUSR1, &action, NULL) == 0);
	thread = begin(poll_there);
	STEPS("poll is interrupted", interrupt(thread), atomic_exchange(&signals, 0) ? "handled" : "not handled");
	thread = begin(select_there);
	STEPS("select is interrupted", interrupt(thread), atomic_exchange(&signals, 0) ? "handled" : "not handled");
	drop();
}

/* A poll for room, which a reader makes. */
static void waiting_for_room(void)
{
	static byte page[PAGE];
	pthread_t thread;

	make();
	fill();
	awaited = (struct pollfd){.fd = in, .events = POLLOUT};
	thread = begin(poll_there);
	STEPS("poll waits for room", still_waits(), ret(read(out, page, PAGE)), ended(thread));
	fill();
	thread = begin(poll_there);
	STEPS("poll waits, the reader closes", still_waits(), ret(close(out)), ended(thread));
	must_close(in);
}

int main(void)
{
	limit_descriptors(LIMIT);
	enter("polling");
	pipe_ends();
	others();
	many();
	many_more();
	time_outs();
	selecting();
	waiting();
	waiting_for_room();
	return done();
}
