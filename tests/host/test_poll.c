// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Waiting for descriptors: what is ready at once, what comes later, time-outs to the nanosecond, and interruption. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include "arch/clock.h"
#include "fs/fs.h"
#include "kernel/poll.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "tests/host/stack.h"

static int fds[2];

static void with_files(void (*body)(void *arg))
{
	harness_run(&(struct harness){.disk = {.image = stack_image("poll", "8M", 4096, PAGE_SIZE)}}, body, NULL);
}

static void body_at_once(void *arg)
{
	struct pollfd p[6];
	nsec_t before;

	(void)arg;
	harness_start();
	assert_int_equal(fs_pipe(fds, 0), 0);
	p[0] = (struct pollfd){.fd = fds[0], .events = POLLIN | POLLRDNORM, .revents = 77};
	p[1] = (struct pollfd){.fd = fds[1], .events = POLLOUT | POLLWRNORM};
	p[2] = (struct pollfd){.fd = -1, .events = POLLIN, .revents = 77};
	p[3] = (struct pollfd){.fd = 77, .events = 0};
	p[4] = (struct pollfd){.fd = stack_open("/data", O_RDONLY), .events = POLLIN | POLLOUT | POLLPRI};
	p[5] = (struct pollfd){.fd = stack_open("/", O_RDONLY), .events = POLLIN};
	before = clock_now();
	assert_int_equal(fs_poll(p, 6, UINT64_MAX), 4);
	assert_int_equal(p[0].revents, 0);
	assert_int_equal(p[1].revents, POLLOUT | POLLWRNORM);
	assert_int_equal(p[2].revents, 0);
	assert_int_equal(p[3].revents, POLLNVAL);
	assert_int_equal(p[4].revents, POLLIN | POLLOUT);
	assert_int_equal(p[5].revents, POLLIN);
	assert_int_equal(fs_poll(p, 1, 0), 0);
	assert_true(clock_now() - before < NSEC_PER_SEC);

	before = clock_now();
	assert_int_equal(fs_poll(p, 1, before + 1234567), 0);
	assert_true(clock_now() - before >= 1234567 && clock_now() - before < 2 * 1234567);
	before = clock_now();
	assert_int_equal(fs_poll(NULL, 0, before + NSEC_PER_SEC), 0);
	assert_true(clock_now() - before >= NSEC_PER_SEC);
	assert_int_equal(harness_stop(), 0);
}

static struct pollfd waited[2];

static void *wait_main(void *arg)
{
	(void)arg;
	return (void *)(intptr_t)fs_poll(waited, 2, UINT64_MAX);
}

static struct thread *begin(void)
{
	struct thread *t;

	assert_int_equal(thread_create("poller", THREAD_STACK_SIZE, wait_main, NULL, &t), 0);
	thread_sleep_until(clock_now() + NSEC_PER_SEC);
	return t;
}

static int join(struct thread *t)
{
	void *result;

	assert_int_equal(thread_join(t, &result), 0);
	return (int)(intptr_t)result;
}

static void body_later(void *arg)
{
	struct thread *t, *second;
	int more[2];
	char buf[8];

	(void)arg;
	harness_start();
	assert_int_equal(fs_pipe(fds, 0), 0);
	assert_int_equal(fs_pipe(more, 0), 0);
	waited[0] = (struct pollfd){.fd = fds[0], .events = POLLIN};
	waited[1] = (struct pollfd){.fd = more[0], .events = POLLIN};
	t = begin();
	second = begin();
	assert_int_equal(fs_write(more[1], "x", 1), 1);
	assert_int_equal(join(t), 1);
	assert_int_equal(join(second), 1);
	assert_int_equal(waited[0].revents, 0);
	assert_int_equal(waited[1].revents, POLLIN);
	assert_int_equal(fs_read(more[0], buf, sizeof(buf)), 1);

	/* Changes of what nobody asked for do not end it. */
	t = begin();
	for (unsigned i = 0; i < 10; i++)
		poll_wake();
	thread_sleep_until(clock_now() + NSEC_PER_SEC);
	assert_int_equal(fs_close(fds[1]), 0);
	assert_int_equal(join(t), 1);
	assert_int_equal(waited[0].revents, POLLHUP);

	waited[0].fd = -1;
	t = begin();
	thread_interrupt(t);
	assert_int_equal(join(t), -EINTR);
	assert_int_equal(harness_stop(), 0);
}

static void test_at_once(void **state)
{
	(void)state;
	with_files(body_at_once);
}

static void test_later(void **state)
{
	(void)state;
	with_files(body_later);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_at_once), cmocka_unit_test(test_later)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
