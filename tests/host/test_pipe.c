// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Pipes: order, whole writes, ends, waiting and what ends it, against a model; with threads on one hart in seeded
 * orders, and on several harts at once, also under the thread sanitizer.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "arch/clock.h"
#include "fs/fs.h"
#include "kernel/mutex.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "mm/kmalloc.h"
#include "tests/host/harness.h"

#define SIZE 65536 // of a pipe

static int fds[2];

static void start(int flags)
{
	harness_start_mm();
	assert_int_equal(fs_init(), 0);
	assert_int_equal(fs_pipe(fds, flags), 0);
}

static struct thread *run(void *(*entry)(void *), void *arg)
{
	struct thread *t;

	assert_int_equal(thread_create("worker", THREAD_STACK_SIZE, entry, arg, &t), 0);
	return t;
}

static void *join(struct thread *t)
{
	void *result;

	assert_int_equal(thread_join(t, &result), 0);
	return result;
}

static short ready(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};

	(void)fs_poll(&p, 1, 0);
	return p.revents;
}

/* ---- alone ---- */

static void body_basics(void *arg)
{
	char buf[64];
	struct stat st;
	int n, more[2];

	(void)arg;
	start(0);
	assert_int_equal(fds[0], 0);
	assert_int_equal(fds[1], 1);
	assert_int_equal(fs_write(fds[1], "hello ", 6), 6);
	assert_int_equal(fs_write(fds[1], "world", 5), 5);
	assert_int_equal(fs_ioctl(fds[0], FIONREAD, &n), 0);
	assert_int_equal(n, 11);
	assert_int_equal(fs_read(fds[0], buf, 8), 8);
	assert_memory_equal(buf, "hello wo", 8);
	assert_int_equal(fs_read(fds[0], buf, 0), 0);
	assert_int_equal(fs_read(fds[0], buf, sizeof(buf)), 3);
	assert_memory_equal(buf, "rld", 3);
	assert_int_equal(fs_write(fds[1], buf, 0), 0);

	assert_int_equal(fs_fstat(fds[0], &st), 0);
	assert_true(S_ISFIFO(st.st_mode));
	assert_int_equal(st.st_size, 0);
	assert_int_equal(st.st_nlink, 1);
	assert_int_equal(fs_lseek(fds[0], 0, SEEK_CUR), -ESPIPE);
	assert_int_equal(fs_pread(fds[0], buf, 1, 0), -ESPIPE);
	assert_int_equal(fs_pwrite(fds[1], buf, 1, 0), -ESPIPE);
	assert_int_equal(fs_read(fds[1], buf, 1), -EBADF);
	assert_int_equal(fs_write(fds[0], buf, 1), -EBADF);
	assert_int_equal(fs_fsync(fds[0], false), -EINVAL);
	assert_int_equal(fs_isatty(fds[0]), -ENOTTY);
	assert_int_equal(fs_pipe(more, O_APPEND), -EINVAL);

	/* What is for files only. */
	assert_int_equal(fs_ftruncate(fds[1], 0), -EINVAL);
	assert_int_equal(fs_fallocate(fds[1], 0, 1), -ESPIPE);
	assert_int_equal(fs_fadvise(fds[0], 0, 0, POSIX_FADV_NORMAL), -ESPIPE);
	assert_int_equal(fs_readahead(fds[0], 0, 1), -EINVAL);
	assert_int_equal(fs_sync_range(fds[1], 0, 0, SYNC_FILE_RANGE_WRITE), -ESPIPE);
	assert_int_equal(fs_syncfs(fds[1]), 0);
	assert_int_equal(fs_fspace(fds[1], &(struct fs_space){0}), 0);
	assert_int_equal(fs_fchdir(fds[0]), -ENOTDIR);
	assert_int_equal(fs_readdir(fds[0], &(struct fs_dirent){0}), -ENOTDIR);
	assert_int_equal(fs_fsetattr(fds[0], &(struct fs_attr){.what = FS_ATTR_MODE, .mode = 0640}), 0);
	assert_int_equal(fs_fstat(fds[1], &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);

	/* Bad memory takes and gives nothing. */
	assert_int_equal(fs_write(fds[1], NULL, 10), -EFAULT);
	assert_int_equal(fs_write(fds[1], "x", 1), 1);
	assert_int_equal(fs_read(fds[0], NULL, 10), -EFAULT);
	assert_int_equal(fs_read(fds[0], buf, 10), 1);

	/* What is in it when the writer goes is still read. */
	assert_int_equal(fs_write(fds[1], "last", 4), 4);
	assert_int_equal(fs_close(fds[1]), 0);
	assert_int_equal(fs_read(fds[0], buf, 3), 3);
	assert_int_equal(fs_read(fds[0], buf, 3), 1);
	assert_int_equal(fs_read(fds[0], buf, 3), 0);
	assert_int_equal(fs_read(fds[0], buf, 3), 0);
	assert_int_equal(fs_close(fds[0]), 0);
}

static void body_broken(void *arg)
{
	(void)arg;
	start(O_CLOEXEC);
	assert_int_equal(fs_fcntl(fds[0], F_GETFD, 0), FD_CLOEXEC);
	assert_int_equal(fs_dup(fds[0]), 2);
	assert_int_equal(fs_close(fds[0]), 0);
	assert_int_equal(fs_write(fds[1], "x", 1), 1); // there is a reader yet
	assert_int_equal(fs_close(2), 0);
	assert_int_equal(fs_write(fds[1], "x", 1), -EPIPE);
	assert_int_equal(fs_write(fds[1], "x", 0), 0);
	assert_int_equal(ready(fds[1]), POLLOUT | POLLERR);
	assert_int_equal(fs_close(fds[1]), 0);
}

static void body_full(void *arg)
{
	static char buf[2 * SIZE];

	(void)arg;
	start(O_NONBLOCK);
	assert_int_equal(ready(fds[0]), 0);
	assert_int_equal(ready(fds[1]), POLLOUT);
	assert_int_equal(fs_read(fds[0], buf, 1), -EAGAIN);
	assert_int_equal(fs_write(fds[1], buf, sizeof(buf)), SIZE);
	assert_int_equal(fs_write(fds[1], buf, 1), -EAGAIN);
	assert_int_equal(fs_write(fds[1], buf, PIPE_BUF + 1), -EAGAIN);
	assert_int_equal(ready(fds[0]), POLLIN);
	assert_int_equal(ready(fds[1]), 0);
	assert_int_equal(fs_read(fds[0], buf, 100), 100);
	assert_int_equal(ready(fds[1]), 0);
	assert_int_equal(fs_write(fds[1], buf, 101), -EAGAIN); // whole or not at all
	assert_int_equal(fs_write(fds[1], buf, PIPE_BUF + 1), 100);
	assert_int_equal(fs_read(fds[0], buf, PIPE_BUF), PIPE_BUF);
	assert_int_equal(ready(fds[1]), POLLOUT);
	assert_int_equal(fs_write(fds[1], buf, PIPE_BUF), PIPE_BUF);
	assert_int_equal(fs_read(fds[0], buf, sizeof(buf)), SIZE);
	assert_int_equal(fs_read(fds[0], buf, 1), -EAGAIN);
	assert_int_equal(fs_close(fds[1]), 0);
	assert_int_equal(ready(fds[0]), POLLHUP);
	assert_int_equal(fs_read(fds[0], buf, 1), 0);
	assert_int_equal(fs_close(fds[0]), 0);
}

/* Any sizes, against a model; and nothing is left of it in memory. */
static void body_model(void *arg)
{
	static char buf[2 * SIZE];
	unsigned seed = *(unsigned *)arg;
	uint64_t in = 0, out = 0;
	size_t used;

	start(O_NONBLOCK);
	assert_int_equal(fs_close(fds[0]) + fs_close(fds[1]), 0);
	used = kmalloc_used();
	assert_int_equal(fs_pipe(fds, O_NONBLOCK), 0);
	for (unsigned step = 0; step < 3000; step++) {
		const unsigned limits[] = {10, 5000, sizeof(buf)};
		size_t n;
		long r;

		seed = seed * 1103515245u + 12345u;
		n = 1 + (seed >> 8) % limits[(seed >> 4) % 3];
		if (seed & 0x80000000) {
			for (size_t i = 0; i < n; i++)
				buf[i] = (char)((in + i) * 7 + (in + i) / 251);
			r = fs_write(fds[1], buf, n);
			if (n <= PIPE_BUF)
				assert_int_equal(r, SIZE - (in - out) >= n ? (long)n : -EAGAIN);
			else
				assert_int_equal(r, in - out == SIZE ? -EAGAIN : (long)min_of(n, SIZE - (in - out)));
			in += r > 0 ? (uint64_t)r : 0;
		} else {
			r = fs_read(fds[0], buf, n);
			assert_int_equal(r, in == out ? -EAGAIN : (long)min_of(n, in - out));
			for (long i = 0; i < r; i++)
				assert_int_equal(buf[i], (char)((out + (uint64_t)i) * 7 + (out + (uint64_t)i) / 251));
			out += r > 0 ? (uint64_t)r : 0;
		}
	}
	assert_true(out > SIZE);
	assert_int_equal(fs_close(fds[0]) + fs_close(fds[1]), 0);
	assert_int_equal(kmalloc_used(), used);
}

/* ---- waiting ---- */

static void *read_some(void *arg)
{
	char buf[SIZE];

	return (void *)fs_read(fds[0], buf, (size_t)arg);
}

static void *write_some(void *arg)
{
	static char buf[4 * SIZE];

	return (void *)fs_write(fds[1], buf, (size_t)arg);
}

static void let_others_run(void)
{
	thread_sleep_until(clock_now() + NSEC_PER_SEC);
}

static void body_waiting(void *arg)
{
	static char buf[4 * SIZE];
	struct thread *t;
	size_t got = 0;

	(void)arg;
	start(0);
	t = run(read_some, (void *)100);
	let_others_run();
	assert_int_equal(fs_write(fds[1], buf, 10), 10);
	assert_int_equal((long)join(t), 10);

	t = run(read_some, (void *)100);
	let_others_run();
	thread_interrupt(t);
	assert_int_equal((long)join(t), -EINTR);

	/* A long write goes on as it is read; interrupted, it says how far it came. */
	t = run(write_some, (void *)(2 * SIZE));
	while (got < 2 * SIZE)
		got += (size_t)fs_read(fds[0], buf, 1000);
	assert_int_equal((long)join(t), 2 * SIZE);
	t = run(write_some, (void *)(2 * SIZE));
	let_others_run();
	thread_interrupt(t);
	assert_int_equal((long)join(t), SIZE);
	t = run(write_some, (void *)1);
	let_others_run();
	thread_interrupt(t);
	assert_int_equal((long)join(t), -EINTR);

	/* A short one waits until there is room for all of it. */
	t = run(write_some, (void *)PIPE_BUF);
	let_others_run();
	assert_int_equal(fs_read(fds[0], buf, PIPE_BUF - 1), PIPE_BUF - 1);
	let_others_run();
	assert_int_equal(fs_read(fds[0], buf, 2 * SIZE), SIZE - PIPE_BUF + 1);
	assert_int_equal((long)join(t), PIPE_BUF);
	assert_int_equal(fs_read(fds[0], buf, 2 * SIZE), PIPE_BUF);

	/* The other end goes. */
	t = run(read_some, (void *)100);
	let_others_run();
	assert_int_equal(fs_close(fds[1]), 0);
	assert_int_equal((long)join(t), 0);
	assert_int_equal(fs_close(fds[0]), 0);
	assert_int_equal(fs_pipe(fds, 0), 0);
	t = run(write_some, (void *)(SIZE + 1));
	let_others_run();
	assert_int_equal(fs_close(fds[0]), 0);
	assert_int_equal((long)join(t), SIZE);
	assert_int_equal(fs_write(fds[1], buf, 1), -EPIPE);
	assert_int_equal(fs_close(fds[1]), 0);
}

/* ---- many at once ---- */

#define WRITERS 3
#define READERS 2

static unsigned rounds;
static atomic_uint records[WRITERS];

/* Records whose length and writer are in front: each arrives whole, whoever reads it. */
struct record {
	uint16_t len;
	uint8_t writer, fill;
};

static void *write_records(void *arg)
{
	const uint8_t id = (uint8_t)(uintptr_t)arg;
	uint8_t *buf = kmalloc(PIPE_BUF);
	unsigned seed = id;

	assert_non_null(buf);
	for (unsigned i = 0; i < rounds; i++) {
		struct record head = {.writer = id, .fill = (uint8_t)i};

		seed = seed * 1103515245u + 12345u;
		/* Of four bytes or a page, so that a reader knows how much belongs together. */
		head.len = seed & 0x10000 ? PIPE_BUF : sizeof(head);
		memset(buf, head.fill, head.len);
		memcpy(buf, &head, sizeof(head));
		assert_int_equal(fs_write(fds[1], buf, head.len), head.len);
	}
	kfree(buf);
	return NULL;
}

static struct mutex reading; // a record is read by one, in two calls

static bool read_whole(uint8_t *buf, size_t len)
{
	for (size_t done = 0; done < len;) {
		long r = fs_read(fds[0], buf + done, len - done);

		assert_true(r >= 0);
		if (r == 0) {
			assert_int_equal(done, 0);
			return false;
		}
		done += (size_t)r;
	}
	return true;
}

static void *read_records(void *arg)
{
	uint8_t *buf = kmalloc(PIPE_BUF);
	struct record head;
	bool more = true;

	(void)arg;
	assert_non_null(buf);
	while (more) {
		mutex_lock(&reading);
		more = read_whole((uint8_t *)&head, sizeof(head));
		if (more && head.len > sizeof(head))
			assert_true(read_whole(buf, head.len - sizeof(head)));
		mutex_unlock(&reading);
		if (!more)
			break;
		assert_true(head.writer < WRITERS && (head.len == sizeof(head) || head.len == PIPE_BUF));
		for (size_t i = 0; i < head.len - sizeof(head); i++)
			assert_int_equal(buf[i], head.fill);
		atomic_fetch_add(&records[head.writer], 1);
	}
	kfree(buf);
	return NULL;
}

static void body_many(void *arg)
{
	struct thread *writers[WRITERS], *readers[READERS];

	(void)arg;
	start(0);
	mutex_init(&reading, "test");
	for (uintptr_t i = 0; i < READERS; i++)
		readers[i] = run(read_records, NULL);
	for (uintptr_t i = 0; i < WRITERS; i++)
		writers[i] = run(write_records, (void *)i);
	for (unsigned i = 0; i < WRITERS; i++)
		(void)join(writers[i]);
	assert_int_equal(fs_close(fds[1]), 0);
	for (unsigned i = 0; i < READERS; i++)
		(void)join(readers[i]);
	for (unsigned i = 0; i < WRITERS; i++)
		assert_int_equal(records[i], rounds);
	assert_int_equal(fs_close(fds[0]), 0);
}

/* A pipe passed on between threads that poll for it. */
static void *echo(void *arg)
{
	const int *ends = arg;
	struct pollfd p = {.fd = ends[0], .events = POLLIN};
	char byte;

	while (fs_poll(&p, 1, UINT64_MAX) == 1 && fs_read(ends[0], &byte, 1) == 1)
		assert_int_equal(fs_write(ends[1], &byte, 1), 1);
	assert_int_equal(fs_close(ends[1]), 0);
	return NULL;
}

static void body_ring(void *arg)
{
	struct thread *t[3];
	int pipes[4][2], ends[3][2];
	char byte;

	(void)arg;
	start(0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(fs_pipe(pipes[i], 0), 0);
	for (unsigned i = 0; i < 3; i++) {
		ends[i][0] = pipes[i][0];
		ends[i][1] = pipes[i + 1][1];
		t[i] = run(echo, ends[i]);
	}
	for (unsigned i = 0; i < rounds; i++) {
		struct pollfd p = {.fd = pipes[3][0], .events = POLLIN};

		assert_int_equal(fs_write(pipes[0][1], &(char){(char)i}, 1), 1);
		assert_int_equal(fs_poll(&p, 1, UINT64_MAX), 1);
		assert_int_equal(fs_read(pipes[3][0], &byte, 1), 1);
		assert_int_equal(byte, (char)i);
	}
	assert_int_equal(fs_close(pipes[0][1]), 0);
	for (unsigned i = 0; i < 3; i++)
		(void)join(t[i]);
	assert_int_equal(fs_read(pipes[3][0], &byte, 1), 0);
}

#define TEST(name)                                                                                                     \
	static void test_##name(void **state)                                                                          \
	{                                                                                                              \
		(void)state;                                                                                           \
		harness_run(&(struct harness){0}, body_##name, NULL);                                                  \
	}

TEST(basics)
TEST(broken)
TEST(full)
TEST(waiting)

static void test_model(void **state)
{
	(void)state;
	for (unsigned seed = 0; seed < 10; seed++)
		harness_run(&(struct harness){0}, body_model, &seed);
}

static void at_once(void (*body)(void *))
{
	static const unsigned seeds[] = {[EFFORT_QUICK] = 3, [EFFORT_DEFAULT] = 10, [EFFORT_LONG] = 20};
	static const unsigned rounds_of[] = {[EFFORT_QUICK] = 500, [EFFORT_DEFAULT] = 2000, [EFFORT_LONG] = 5000};

	rounds = 200;
	for (uint64_t seed = 1; seed <= seeds[harness_effort()]; seed++)
		harness_run(&(struct harness){.seed = seed, .preempt_in = 3}, body, NULL);
	rounds = rounds_of[harness_effort()];
	for (unsigned harts = 2; harts <= 4; harts += 2)
		harness_run(&(struct harness){.harts = harts, .seed = harts, .preempt_in = 50}, body, NULL);
}

static void test_many(void **state)
{
	(void)state;
	at_once(body_many);
}

static void test_ring(void **state)
{
	(void)state;
	at_once(body_ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_basics),  cmocka_unit_test(test_broken), cmocka_unit_test(test_full),
	    cmocka_unit_test(test_waiting), cmocka_unit_test(test_model),  cmocka_unit_test(test_many),
	    cmocka_unit_test(test_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
