// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Pipes: order, ends that are closed, what does not wait, what is written as a whole, who waits for whom. How much goes
 * in is looked at in whole pages only, of a pipe that is empty: Linux keeps pages, not bytes.
 */

#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "files.h"

static int in, out; // what is written into in is read from out
static atomic_int signals;

static void make(int flags)
{
	int ends[2];

	MUST(pipe2(ends, flags) == 0);
	out = ends[0];
	in = ends[1];
}

static void drop(void)
{
	must_close(in);
	must_close(out);
}

static void on_signal(int sig)
{
	atomic_fetch_add(&signals, sig == SIGPIPE || sig == SIGUSR1);
}

static const char *caught(void)
{
	return text("%d caught", atomic_exchange(&signals, 0));
}

static void bytes(void)
{
	byte page[PAGE];

	make(0);
	STEPS("in and out", ret(write(in, "hello", 5)), rest(out));
	STEPS("two writes, one read", ret(write(in, "ab", 2)), ret(write(in, "cd", 2)), rest(out));
	STEPS("one write, two reads", ret(write(in, "abcd", 4)), ret(read(out, page, 3)), rest(out));
	STEPS("a read of nothing", ret(read(out, page, 0)), ret(write(in, "", 0)));
	STEPS("nothing is taken by reading nothing", ret(write(in, "x", 1)), ret(read(out, page, 0)), rest(out));
	STEPS("wrong ends", ret(write(out, "x", 1)), ret(read(in, page, 1)), ret(write(out, "", 0)),
	      ret(read(in, page, 0)));
	memset(page, 'p', PAGE);
	for (int i = 0; i < 5; i++)
		MUST(write(in, page, PAGE) == (ssize_t)PAGE);
	STEPS("more than is asked for", ret(read(out, page, 100)), ret(read(out, page, PAGE)), runs(page, PAGE));
	STEPS("less than is asked for", ret(write(in, "end", 3)),
	      text("%zd", read(out, (byte[8 * PAGE]){0}, 8 * PAGE)));
	drop();
}

static void closed(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	sigemptyset(&action.sa_mask);
	MUST(sigaction(SIGPIPE, &action, NULL) == 0);
	make(0);
	MUST(write(in, "left", 4) == 4);
	must_close(in);
	STEPS("no writer: what was left", rest(out), rest(out), rest(out));
	must_close(out);
	make(0);
	must_close(out);
	STEPS("no reader: write", ret(write(in, "x", 1)), caught());
	STEPS("no reader: again", ret(write(in, "x", 1)), caught());
	STEPS("no reader: nothing written", ret(write(in, "", 0)), caught());
	MUST(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	STEPS("no reader: ignored", ret(write(in, "x", 1)), caught());
	must_close(in);
	make(O_NONBLOCK);
	must_close(out);
	STEPS("no reader: without waiting", ret(write(in, "x", 1)));
	must_close(in);
	make(0);
	MUST(dup2(in, 50) == 50);
	must_close(in);
	STEPS("a dup of the writer", ret(write(50, "dup", 3)), rest(out), ret(close(50)), rest(out));
	must_close(out);
}

static size_t fill(size_t unit)
{
	static byte chunk[16 * PAGE];
	size_t total = 0;
	ssize_t put_in;

	while ((put_in = write(in, chunk, unit)) > 0)
		total += (size_t)put_in;
	return total;
}

static void full(void)
{
	static byte chunk[32 * PAGE];
	byte page[PAGE];

	check("PIPE_BUF", "%d", PIPE_BUF);
	check("PIPE_BUF by fpathconf", "%s", (make(O_NONBLOCK), ret(fpathconf(in, _PC_PIPE_BUF))));
	check("empty: read", "%s", ret(read(out, page, 1)));
	check("full, in pages", "%zu", fill(PAGE));
	check("full: write", "%s", ret(write(in, page, 1)));
	check("full: write of a page", "%s", ret(write(in, page, PAGE)));
	check("full: write of much", "%s", ret(write(in, chunk, sizeof(chunk))));
	STEPS("a page of room", ret(read(out, page, PAGE)), ret(write(in, chunk, 2 * PAGE)), ret(write(in, page, 1)));
	STEPS("a page of room, a page", ret(read(out, page, PAGE)), ret(write(in, page, PAGE)),
	      ret(write(in, page, PAGE)));
	STEPS("two pages of room", ret(read(out, chunk, 2 * PAGE)), ret(write(in, chunk, PAGE)),
	      ret(write(in, chunk, PAGE)), ret(write(in, chunk, 1)));
	drop();
	make(O_NONBLOCK);
	check("full, in large pieces", "%zu", fill(sizeof(chunk) / 2));
	STEPS("more than it holds", text("%zd", read(out, chunk, sizeof(chunk))), ret(write(in, chunk, sizeof(chunk))));
	STEPS("drained", ret(read(out, chunk, sizeof(chunk))), ret(read(out, chunk, 1)));
	drop();
}

static void flags(void)
{
	byte *volatile bad = (byte *)16; // the compiler would not take it
	int ends[2];
	struct stat st;

	STEPS("unknown flags", ret(pipe2(ends, O_APPEND)), ret(pipe2(ends, 1)), ret(pipe2(ends, O_CREAT)));
	make(O_CLOEXEC | O_NONBLOCK);
	STEPS("flags", ret(fcntl(in, F_GETFD)), ret(fcntl(out, F_GETFD)),
	      fcntl(in, F_GETFL) & O_NONBLOCK ? "nonblock" : "", fcntl(out, F_GETFL) & O_NONBLOCK ? "nonblock" : "");
	STEPS("made to wait", ret(fcntl(out, F_SETFL, 0)), ret(write(in, "x", 1)), rest(out),
	      ret(fcntl(out, F_SETFL, O_NONBLOCK)), rest(out));
	STEPS("stat", ret(fstat(in, &st)), kind_of(st.st_mode), text("%ld", (long)st.st_size),
	      text("%ld", (long)st.st_nlink));
	STEPS("no file", ret(lseek(out, 0, SEEK_SET)), ret(ftruncate(in, 0)), ret(fsync(in)), ret(isatty(in)),
	      mapped(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, out, 0)));
	STEPS("no folder", ret(fchdir(out)), opened(openat(out, "x", O_RDONLY)));
	STEPS("no file: space", error_name(posix_fallocate(in, 0, 1)),
	      error_name(posix_fadvise(in, 0, 0, POSIX_FADV_NORMAL)));
	STEPS("bad buffers", ret(write(in, bad, 1)), ret(write(in, "x", 1)), ret(read(out, bad, 1)));
	drop();
}

/* ---- waiting ---- */

static atomic_int state; // of the other thread: 0 not begun, 1 about to call, 2 has returned
static char waited[40];
static size_t other_size;
static byte other_buffer[64 * PAGE];

static void *read_there(void *arg)
{
	atomic_store(&state, 1);
	snprintf(waited, sizeof(waited), "%s", ret(read(out, other_buffer, other_size)));
	atomic_store(&state, 2);
	return arg;
}

static void *write_there(void *arg)
{
	atomic_store(&state, 1);
	snprintf(waited, sizeof(waited), "%s", ret(write(in, other_buffer, other_size)));
	atomic_store(&state, 2);
	return arg;
}

static pthread_t begin(void *(*run)(void *), size_t size)
{
	pthread_t thread;

	other_size = size;
	atomic_store(&state, 0);
	MUST(pthread_create(&thread, NULL, run, NULL) == 0);
	while (atomic_load(&state) == 0)
		sched_yield();
	for (int turn = 0; turn < 100; turn++)
		sched_yield();
	return thread;
}

/* What a call said that cannot have ended before. */
static const char *ended(pthread_t thread)
{
	MUST(pthread_join(thread, NULL) == 0);
	return waited;
}

static const char *still_waits(void)
{
	return atomic_load(&state) == 2 ? "did not wait" : "waits";
}

static size_t take(size_t bytes_wanted)
{
	static byte chunk[PAGE];
	size_t total = 0;
	ssize_t got;

	while (total < bytes_wanted && (got = read(out, chunk, PAGE)) > 0)
		total += (size_t)got;
	return total;
}

static bool has_room(void)
{
	struct pollfd end = {.fd = in, .events = POLLOUT};

	MUST(poll(&end, 1, 0) >= 0);
	return end.revents & POLLOUT;
}

static void waiting(void)
{
	pthread_t thread;

	make(0);
	thread = begin(read_there, 10);
	STEPS("reader", still_waits(), ret(write(in, "abc", 3)), ended(thread), runs(other_buffer, 3));
	memset(other_buffer, 'w', sizeof(other_buffer));
	thread = begin(write_there, 64 * PAGE);
	STEPS("writer of much", still_waits(), text("%zu", take(64 * PAGE)), ended(thread));
	thread = begin(read_there, 10);
	STEPS("reader, the writer closes", still_waits(), ret(close(in)), ended(thread));
	must_close(out);
	make(0);
	thread = begin(write_there, 64 * PAGE);
	while (has_room())
		sched_yield();
	STEPS("writer, the reader closes", still_waits(), ret(close(out)), ended(thread));
	must_close(in);
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

static void interrupted(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	pthread_t thread;

	sigemptyset(&action.sa_mask);
	MUST(sigaction(SIGUSR1, &action, NULL) == 0);
	make(0);
	thread = begin(read_there, 10);
	STEPS("interrupted: reader", interrupt(thread), atomic_exchange(&signals, 0) ? "caught" : "not caught");
	MUST(fcntl(in, F_SETFL, O_NONBLOCK) == 0 && fill(PAGE) > 0 && fcntl(in, F_SETFL, 0) == 0);
	thread = begin(write_there, PAGE);
	STEPS("interrupted: writer", interrupt(thread), atomic_exchange(&signals, 0) ? "caught" : "not caught");
	action.sa_flags = SA_RESTART;
	MUST(sigaction(SIGUSR1, &action, NULL) == 0 && take(16 * PAGE) == 16 * PAGE);
	thread = begin(read_there, 10);
	while (!atomic_load(&signals)) {
		MUST(pthread_kill(thread, SIGUSR1) == 0);
		sched_yield();
	}
	STEPS("restarted: reader", still_waits(), ret(write(in, "xyz", 3)), ended(thread));
	drop();
}

/* ---- whole writes ---- */

#define RECORDS 50

static void *write_records(void *arg)
{
	byte record[PIPE_BUF];

	memset(record, 'a' + (int)(uintptr_t)arg, sizeof(record));
	for (int i = 0; i < RECORDS; i++)
		MUST(write(in, record, sizeof(record)) == (ssize_t)sizeof(record));
	return NULL;
}

static void whole_writes(void)
{
	pthread_t threads[3];
	byte record[PIPE_BUF];
	unsigned mixed = 0, counts[3] = {0};

	make(0);
	for (uintptr_t i = 0; i < 3; i++)
		MUST(pthread_create(&threads[i], NULL, write_records, (void *)i) == 0);
	for (int i = 0; i < 3 * RECORDS; i++) {
		for (size_t got = 0; got < sizeof(record);) {
			ssize_t n = read(out, record + got, sizeof(record) - got);

			MUST(n > 0);
			got += (size_t)n;
		}
		for (size_t at = 1; at < sizeof(record); at++)
			mixed += record[at] != record[0];
		MUST(record[0] >= 'a' && record[0] < 'a' + 3);
		counts[record[0] - 'a']++;
	}
	for (int i = 0; i < 3; i++)
		MUST(pthread_join(threads[i], NULL) == 0);
	check("whole writes: bytes of others", "%u", mixed);
	check("whole writes: records", "%u %u %u", counts[0], counts[1], counts[2]);
	drop();
}

int main(void)
{
	bytes();
	closed();
	full();
	flags();
	waiting();
	interrupted();
	whole_writes();
	return done();
}
