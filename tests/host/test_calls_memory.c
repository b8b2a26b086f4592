// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Pipes, locks, fifos and lists of buffers when memory is out: each allocation of each call fails in its turn, the
 * error is the one that is promised, nothing is left behind, and the call works the next time.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fs/fs.h"
#include "tests/host/allocfail.h"
#include "tests/host/stack.h"

#define ROUNDS 20

static int file, ends[2];
static char bytes[20000];

static long make_pipe(void)
{
	int fds[2];
	int err = fs_pipe(fds, 0);

	return err ? err : fs_close(fds[0]) + fs_close(fds[1]);
}

static long open_file(void)
{
	int fd = fs_open(AT_FDCWD, "/data", O_RDWR, 0);

	return fd < 0 ? fd : fs_close(fd);
}

static long open_fifo(void)
{
	int fd = fs_open(AT_FDCWD, "/fifo", O_RDWR, 0);

	return fd < 0 ? fd : fs_close(fd);
}

/* Where it fails, nothing is cut. */
static long cut_file(void)
{
	int fd = fs_open(AT_FDCWD, "/cut", O_WRONLY | O_TRUNC, 0);
	struct stat st;

	allocfail_disarm();
	assert_int_equal(fs_stat(AT_FDCWD, "/cut", &st, 0), 0);
	assert_int_equal(st.st_size, fd < 0 ? 100 : 0);
	if (fd < 0)
		return fd;
	assert_int_equal(fs_write(fd, bytes, 100), 100); // for the next time
	return fs_close(fd);
}

/* The first bytes of a pipe need its pages. */
static long write_pipe(void)
{
	int fds[2];
	long r = fs_pipe(fds, 0);

	if (r)
		return r;
	r = fs_write(fds[1], bytes, 4000);
	return fs_close(fds[0]) || fs_close(fds[1]) ? -EBADF : r < 0 ? r : r == 4000 ? 0 : -EINVAL;
}

static long split_lock(void)
{
	struct flock all = {.l_type = F_WRLCK}, middle = {.l_type = F_UNLCK, .l_start = 10, .l_len = 10};
	struct flock none = {.l_type = F_UNLCK};
	long r = fs_record_lock(file, F_OFD_SETLK, &all);

	if (!r)
		r = fs_record_lock(file, F_OFD_SETLK, &middle);
	allocfail_disarm();
	return fs_record_lock(file, F_OFD_SETLK, &none) ? -EINVAL : r;
}

static long write_list(void)
{
	const struct iovec iov[] = {{bytes, 10}, {bytes, 300}};
	long r = fs_writev(ends[1], iov, 2);

	if (r > 0 && (r != 310 || fs_read(ends[0], bytes, 1000) != 310))
		return -EINVAL;
	return r < 0 ? r : 0;
}

static long read_list(void)
{
	const struct iovec iov[] = {{bytes, 10}, {bytes, 300}};
	long r;

	if (fs_write(ends[1], bytes, 20) != 20)
		return -EINVAL;
	r = fs_readv(ends[0], iov, 2);
	allocfail_disarm();
	if (r < 0 && fs_read(ends[0], bytes, 1000) != 20)
		return -EINVAL;
	return r < 0 ? r : 0;
}

static const struct {
	const char *name;
	long (*call)(void);
	int error; // that it may give
} calls[] = {
    {"pipe", make_pipe, -ENOMEM},
    {"open", open_file, -ENOMEM},
    {"open and cut", cut_file, -ENOMEM},
    {"open of a fifo", open_fifo, -ENOMEM},
    {"write to a pipe", write_pipe, -ENOMEM},
    {"lock", split_lock, -ENOLCK},
    {"writev", write_list, -ENOMEM},
    {"readv", read_list, -ENOMEM},
};

/* How many pieces of the kernel's heap are in use once caches have given up what they can. */
static size_t pieces_in_use(long (*call)(void))
{
	size_t last, now = SIZE_MAX;

	do {
		last = now;
		allocfail_arm(1, UINT64_MAX / 2);
		assert_true(call() < 0);
		allocfail_disarm();
		assert_int_equal(make_pipe(), 0); // no closed pipe's structure but one
		now = allocfail_pieces();
	} while (now < last);
	return now;
}

/* All allocations from the nth on fail, so that reclaim finds none either. How many there are. */
static unsigned fail_each(const char *name, long (*call)(void), int error)
{
	for (unsigned n = 1;; n++) {
		long r;

		allocfail_arm(n, UINT64_MAX / 2);
		r = call();
		allocfail_disarm();
		if (!allocfail_fired())
			return n - 1;
		if (r != error)
			fail_msg("%s, allocation %u: %ld", name, n, r);
		assert_int_equal(call(), 0);
	}
}

static void body(void *arg)
{
	int cut;

	(void)arg;
	harness_start();
	file = stack_open("/data", O_RDWR);
	assert_int_equal(fs_pipe(ends, 0), 0);
	cut = stack_open("/cut", O_CREAT | O_WRONLY);
	assert_int_equal(fs_write(cut, bytes, 100), 100);
	assert_int_equal(fs_close(cut), 0);
	assert_int_equal(fs_mkfifo(AT_FDCWD, "/fifo", 0600), 0);
	for (size_t i = 0; i < array_size(calls); i++) {
		size_t before;

		assert_int_equal(calls[i].call(), 0);
		before = pieces_in_use(calls[i].call);
		/* Often: caches may have given up a few pieces more by then, which hides no leak of as many. */
		for (unsigned round = 0; round < ROUNDS; round++)
			assert_true(fail_each(calls[i].name, calls[i].call, calls[i].error) > 0);
		if (pieces_in_use(calls[i].call) > before)
			fail_msg("%s: %zu pieces, and before %zu", calls[i].name, pieces_in_use(calls[i].call), before);
	}
	assert_int_equal(harness_stop(), 0);
}

static void test_memory(void **state)
{
	const char *image = stack_image("memory", "8M", 4096, PAGE_SIZE);

	(void)state;
	harness_run(&(struct harness){.disk = {.image = image}}, body, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_memory)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
