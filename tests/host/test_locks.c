// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Advisory locks: ranges against a model that knows each byte's owners, what is no range, when locks end, flock,
 * waiting and what ends it; on several harts at once too, also under the thread sanitizer.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "arch/clock.h"
#include "fs/fs.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "mm/kmalloc.h"
#include "tests/host/stack.h"

static void with_files(const struct harness *h, void (*body)(void *arg), void *arg)
{
	struct harness own = *h;

	own.disk.image = stack_image("locks", "8M", 4096, PAGE_SIZE);
	harness_run(&own, body, arg);
}

static int lock(int fd, int cmd, short type, off_t from, off_t len)
{
	struct flock fl = {.l_type = type, .l_whence = SEEK_SET, .l_start = from, .l_len = len};

	return fs_record_lock(fd, cmd, &fl);
}

static int open_one(void)
{
	int fd = fs_open(AT_FDCWD, "/locked", O_CREAT | O_RDWR, 0600);

	assert_true(fd >= 0);
	return fd;
}

static void body_arguments(void *arg)
{
	struct flock fl = {.l_type = F_RDLCK, .l_whence = 77};
	int fd, reader, writer;

	(void)arg;
	harness_start();
	fd = open_one();
	reader = fs_open(AT_FDCWD, "/locked", O_RDONLY, 0);
	writer = fs_open(AT_FDCWD, "/locked", O_WRONLY, 0);
	assert_int_equal(fs_record_lock(77, F_SETLK, &fl), -EBADF);
	assert_int_equal(fs_record_lock(fd, F_SETLK, &fl), -EINVAL);
	assert_int_equal(lock(fd, F_SETLK, 77, 0, 0), -EINVAL);
	assert_int_equal(lock(fd, F_GETLK, F_UNLCK, 0, 0), -EINVAL);
	assert_int_equal(lock(fd, F_SETLK, F_WRLCK, -1, 0), -EINVAL);
	assert_int_equal(lock(fd, F_SETLK, F_WRLCK, 5, -6), -EINVAL);
	assert_int_equal(lock(fd, F_SETLK, F_WRLCK, 5, -5), 0);
	assert_int_equal(lock(fd, F_SETLK, F_WRLCK, INT64_MAX, 2), -EOVERFLOW);
	assert_int_equal(lock(fd, F_SETLK, F_WRLCK, INT64_MAX, 1), 0);
	assert_int_equal(lock(fd, F_SETLK, F_WRLCK, 0, INT64_MAX), 0);
	fl = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_start = INT64_MAX};
	assert_int_equal(fs_lseek(fd, 1, SEEK_SET), 1);
	assert_int_equal(fs_record_lock(fd, F_SETLK, &fl), -EOVERFLOW);
	fl = (struct flock){.l_type = F_WRLCK, .l_pid = 1};
	assert_int_equal(fs_record_lock(fd, F_OFD_SETLK, &fl), -EINVAL);

	assert_int_equal(lock(reader, F_SETLK, F_WRLCK, 0, 0), -EBADF);
	assert_int_equal(lock(writer, F_SETLK, F_RDLCK, 0, 0), -EBADF);
	assert_int_equal(lock(reader, F_GETLK, F_WRLCK, 0, 0), 0);
	assert_int_equal(lock(writer, F_SETLK, F_UNLCK, 0, 0), 0);
	assert_int_equal(fs_flock(fd, LOCK_SH | LOCK_EX), -EINVAL);
	assert_int_equal(fs_flock(fd, 0), -EINVAL);
	assert_int_equal(fs_flock(77, LOCK_SH), -EBADF);
	assert_int_equal(harness_stop(), 0);
}

/* What one is told of the other's: whence, from the file's end and place, and to the end of all files. */
static void body_told(void *arg)
{
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = -10};
	int fd, other;

	(void)arg;
	harness_start();
	fd = open_one();
	other = open_one();
	assert_int_equal(fs_ftruncate(fd, 100), 0);
	assert_int_equal(fs_record_lock(fd, F_SETLK, &fl), 0);
	fl = (struct flock){.l_type = F_RDLCK};
	assert_int_equal(fs_record_lock(other, F_OFD_GETLK, &fl), 0);
	assert_int_equal(fl.l_type, F_WRLCK);
	assert_int_equal(fl.l_whence, SEEK_SET);
	assert_int_equal(fl.l_start, 90);
	assert_int_equal(fl.l_len, 0);
	assert_int_equal(fl.l_pid, 0); // the process
	fl = (struct flock){.l_type = F_RDLCK, .l_len = 90};
	assert_int_equal(fs_record_lock(other, F_OFD_GETLK, &fl), 0);
	assert_int_equal(fl.l_type, F_UNLCK);

	/* The process does not meet itself, but it meets an open file. */
	fl = (struct flock){.l_type = F_WRLCK};
	assert_int_equal(fs_record_lock(other, F_GETLK, &fl), 0);
	assert_int_equal(fl.l_type, F_UNLCK);
	assert_int_equal(lock(other, F_OFD_SETLK, F_RDLCK, 10, 20), 0);
	fl = (struct flock){.l_type = F_WRLCK};
	assert_int_equal(fs_record_lock(other, F_GETLK, &fl), 0);
	assert_int_equal(fl.l_type, F_RDLCK);
	assert_int_equal(fl.l_start, 10);
	assert_int_equal(fl.l_len, 20);
	assert_int_equal(fl.l_pid, -1);
	assert_int_equal(lock(fd, F_SETLK, F_RDLCK, 0, 50), 0);
	assert_int_equal(lock(fd, F_SETLK, F_WRLCK, 0, 50), -EAGAIN);

	/* Neighbours of one type are one, on either side; of the other type they stay. */
	assert_int_equal(lock(other, F_OFD_SETLK, F_RDLCK, 30, 10), 0);
	fl = (struct flock){.l_type = F_WRLCK};
	assert_int_equal(fs_record_lock(fd, F_GETLK, &fl), 0);
	assert_int_equal(fl.l_start, 10);
	assert_int_equal(fl.l_len, 30);
	assert_int_equal(lock(other, F_OFD_SETLK, F_RDLCK, 5, 5), 0);
	fl = (struct flock){.l_type = F_WRLCK};
	assert_int_equal(fs_record_lock(fd, F_GETLK, &fl), 0);
	assert_int_equal(fl.l_start, 5);
	assert_int_equal(fl.l_len, 35);
	assert_int_equal(lock(fd, F_SETLK, F_UNLCK, 0, 0), 0);
	assert_int_equal(lock(other, F_OFD_SETLK, F_WRLCK, 10, 10), 0);
	fl = (struct flock){.l_type = F_WRLCK};
	assert_int_equal(fs_record_lock(fd, F_GETLK, &fl), 0);
	assert_int_equal(fl.l_type, F_RDLCK);
	assert_int_equal(fl.l_len, 5);
	assert_int_equal(harness_stop(), 0);
}

static void body_ends(void *arg)
{
	int fd, other, copy;
	size_t used;

	(void)arg;
	harness_start();
	fd = open_one();
	other = open_one();
	copy = fs_dup(fd);
	used = kmalloc_used();
	/* Any descriptor's end is that of the process's locks, but not of an open file's. */
	assert_int_equal(lock(fd, F_SETLK, F_WRLCK, 0, 10), 0);
	assert_int_equal(lock(fd, F_OFD_SETLK, F_WRLCK, 20, 10), 0);
	assert_int_equal(lock(other, F_OFD_SETLK, F_RDLCK, 0, 10), -EAGAIN);
	assert_int_equal(fs_close(copy), 0);
	assert_int_equal(lock(other, F_OFD_SETLK, F_RDLCK, 0, 10), 0);
	assert_int_equal(lock(other, F_OFD_SETLK, F_RDLCK, 20, 10), -EAGAIN);
	assert_int_equal(lock(other, F_OFD_SETLK, F_UNLCK, 0, 10), 0);

	/* Replaced is closed. */
	assert_int_equal(lock(fd, F_SETLK, F_WRLCK, 0, 10), 0);
	copy = fs_dup(fd);
	assert_int_equal(fs_dup3(other, copy, 0), copy);
	assert_int_equal(lock(other, F_OFD_SETLK, F_RDLCK, 0, 10), 0);
	assert_int_equal(lock(other, F_OFD_SETLK, F_UNLCK, 0, 10), 0);
	assert_int_equal(fs_close(copy), 0);

	/* An open file's go with the last descriptor, and flock's too. */
	assert_int_equal(fs_flock(fd, LOCK_EX), 0);
	copy = fs_dup(fd);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(lock(other, F_SETLK, F_RDLCK, 20, 10), -EAGAIN);
	assert_int_equal(fs_flock(other, LOCK_SH | LOCK_NB), -EWOULDBLOCK);
	assert_int_equal(fs_close(copy), 0);
	assert_int_equal(lock(other, F_SETLK, F_RDLCK, 20, 10), 0);
	assert_int_equal(fs_flock(other, LOCK_SH | LOCK_NB), 0);
	assert_int_equal(lock(other, F_SETLK, F_UNLCK, 0, 0), 0);
	assert_int_equal(fs_flock(other, LOCK_UN), 0);
	assert_true(kmalloc_used() <= used);
	assert_int_equal(harness_stop(), 0);
}

static void body_flock(void *arg)
{
	int fd, other;

	(void)arg;
	harness_start();
	fd = open_one();
	other = open_one();
	assert_int_equal(fs_flock(fd, LOCK_SH), 0);
	assert_int_equal(fs_flock(fd, LOCK_SH), 0);
	assert_int_equal(fs_flock(other, LOCK_SH), 0);
	/* The shared one is lost by the attempt, as on Linux. */
	assert_int_equal(fs_flock(fd, LOCK_EX | LOCK_NB), -EWOULDBLOCK);
	assert_int_equal(fs_flock(other, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(fs_flock(fd, LOCK_SH | LOCK_NB), -EWOULDBLOCK);
	assert_int_equal(fs_flock(other, LOCK_SH), 0);
	assert_int_equal(fs_flock(fd, LOCK_SH | LOCK_NB), 0);
	assert_int_equal(fs_flock(fd, LOCK_UN), 0);
	assert_int_equal(fs_flock(fd, LOCK_UN), 0);
	/* The kinds do not see each other. */
	assert_int_equal(fs_flock(other, LOCK_EX), 0);
	assert_int_equal(lock(fd, F_OFD_SETLK, F_WRLCK, 0, 0), 0);
	assert_int_equal(lock(fd, F_SETLK, F_WRLCK, 0, 0), -EAGAIN);
	assert_int_equal(lock(fd, F_OFD_SETLK, F_UNLCK, 0, 0), 0);
	assert_int_equal(fs_flock(fd, LOCK_SH | LOCK_NB), -EWOULDBLOCK);
	assert_int_equal(harness_stop(), 0);
}

/* ---- against a model ---- */

#define OWNERS 3 // two open files, and the process
#define BYTES 24

static char model[OWNERS][BYTES + 1]; // 0, r, w; the last for all that follow

static bool model_conflicts(unsigned owner, char type, unsigned at)
{
	for (unsigned o = 0; o < OWNERS; o++)
		if (o != owner && model[o][at] && (type == 'w' || model[o][at] == 'w'))
			return true;
	return false;
}

static void body_model(void *arg)
{
	unsigned seed = *(unsigned *)arg;
	int fds[OWNERS];
	size_t used;

	harness_start();
	for (unsigned o = 0; o < OWNERS; o++)
		fds[o] = open_one();
	memset(model, 0, sizeof(model));
	used = kmalloc_used();
	for (unsigned step = 0; step < 5000; step++) {
		unsigned owner, from, last;
		bool free = true, to_end, process;
		char type;
		int want, got;

		seed = seed * 1103515245u + 12345u;
		owner = (seed >> 8) % OWNERS;
		from = (seed >> 12) % BYTES;
		last = from + (seed >> 20) % (BYTES - from);
		to_end = (seed >> 4) % 8 == 0;
		type = "rwu"[(seed >> 28) % 3];
		process = owner == OWNERS - 1;
		last = to_end ? BYTES : last;
		for (unsigned at = from; at <= last && type != 'u'; at++)
			free &= !model_conflicts(owner, type, at);
		want = free ? 0 : -EAGAIN;
		got = lock(fds[owner], process ? F_SETLK : F_OFD_SETLK,
			   type == 'r'	 ? F_RDLCK
			   : type == 'w' ? F_WRLCK
					 : F_UNLCK,
			   from, to_end ? 0 : last - from + 1);
		assert_int_equal(got, want);
		if (!got)
			memset(model[owner] + from, type == 'u' ? 0 : type, last - from + 1);
		for (unsigned at = 0; at <= BYTES; at++) {
			struct flock fl = {.l_type = F_WRLCK, .l_start = at, .l_len = 1};

			assert_int_equal(fs_record_lock(fds[owner], process ? F_GETLK : F_OFD_GETLK, &fl), 0);
			assert_int_equal(fl.l_type != F_UNLCK, model_conflicts(owner, 'w', at));
		}
	}
	for (unsigned o = 0; o < OWNERS; o++)
		assert_int_equal(fs_close(fds[o]), 0);
	assert_true(kmalloc_used() <= used);
	assert_int_equal(harness_stop(), 0);
}

/* ---- waiting ---- */

static int waiter_fd;
static atomic_int inside;
static unsigned rounds;

static void *wait_range(void *arg)
{
	return (void *)(intptr_t)lock(waiter_fd, F_OFD_SETLKW, F_WRLCK, (off_t)(uintptr_t)arg, 1);
}

static void *wait_flock(void *arg)
{
	(void)arg;
	return (void *)(intptr_t)fs_flock(waiter_fd, LOCK_EX);
}

static int join(struct thread *t)
{
	void *result;

	assert_int_equal(thread_join(t, &result), 0);
	return (int)(intptr_t)result;
}

static struct thread *begin(void *(*entry)(void *), void *arg)
{
	struct thread *t;

	assert_int_equal(thread_create("waiter", THREAD_STACK_SIZE, entry, arg, &t), 0);
	thread_sleep_until(clock_now() + NSEC_PER_SEC);
	return t;
}

static void body_waiting(void *arg)
{
	struct thread *t;
	int fd;

	(void)arg;
	harness_start();
	fd = open_one();
	waiter_fd = open_one();
	assert_int_equal(lock(fd, F_SETLK, F_RDLCK, 0, 10), 0);
	t = begin(wait_range, (void *)5);
	assert_int_equal(lock(fd, F_SETLK, F_UNLCK, 0, 5), 0);
	thread_sleep_until(clock_now() + NSEC_PER_SEC);
	assert_int_equal(lock(fd, F_SETLK, F_UNLCK, 5, 1), 0);
	assert_int_equal(join(t), 0);
	assert_int_equal(lock(fd, F_SETLK, F_RDLCK, 5, 1), -EAGAIN);

	t = begin(wait_range, (void *)7);
	thread_interrupt(t);
	assert_int_equal(join(t), -EINTR);
	assert_int_equal(lock(fd, F_SETLK, F_WRLCK, 6, 4), 0);

	/* The holder goes. */
	t = begin(wait_range, (void *)7);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(join(t), 0);
	fd = open_one();
	assert_int_equal(fs_flock(fd, LOCK_SH), 0);
	t = begin(wait_flock, NULL);
	assert_int_equal(fs_flock(fd, LOCK_UN), 0);
	assert_int_equal(join(t), 0);

	/* The descriptor goes while it is waited on: the process's lock is not left behind. */
	assert_int_equal(fs_flock(waiter_fd, LOCK_UN), 0);
	assert_int_equal(harness_stop(), 0);
}

/* Who has the range is alone in it. */
static void *take_turns(void *arg)
{
	const unsigned id = (unsigned)(uintptr_t)arg;
	int fd = fs_open(AT_FDCWD, "/locked", O_RDWR, 0);

	assert_true(fd >= 0);
	for (unsigned i = 0; i < rounds; i++) {
		if (id % 2)
			assert_int_equal(lock(fd, F_OFD_SETLKW, F_WRLCK, id, 100), 0);
		else
			assert_int_equal(lock(fd, F_OFD_SETLKW, F_WRLCK, 0, 50), 0);
		assert_int_equal(atomic_fetch_add(&inside, 1), 0);
		thread_yield();
		assert_int_equal(atomic_fetch_sub(&inside, 1), 1);
		assert_int_equal(lock(fd, F_OFD_SETLKW, F_UNLCK, 0, 0), 0);
	}
	assert_int_equal(fs_close(fd), 0);
	return NULL;
}

static void body_turns(void *arg)
{
	struct thread *t[4];

	(void)arg;
	harness_start();
	assert_int_equal(fs_close(open_one()), 0);
	for (uintptr_t i = 0; i < array_size(t); i++)
		assert_int_equal(thread_create("turns", THREAD_STACK_SIZE, take_turns, (void *)i, &t[i]), 0);
	for (unsigned i = 0; i < array_size(t); i++)
		assert_int_equal(join(t[i]), 0);
	assert_int_equal(harness_stop(), 0);
}

#define TEST(name)                                                                                                     \
	static void test_##name(void **state)                                                                          \
	{                                                                                                              \
		(void)state;                                                                                           \
		with_files(&(struct harness){0}, body_##name, NULL);                                                   \
	}

TEST(arguments)
TEST(told)
TEST(ends)
TEST(flock)
TEST(waiting)

static void test_model(void **state)
{
	(void)state;
	for (unsigned seed = 0; seed < (harness_effort() == EFFORT_QUICK ? 2 : 10); seed++)
		with_files(&(struct harness){0}, body_model, &seed);
}

static void test_turns(void **state)
{
	const bool quick = harness_effort() == EFFORT_QUICK;

	(void)state;
	rounds = 100;
	for (uint64_t seed = 1; seed <= (quick ? 3 : 20); seed++)
		with_files(&(struct harness){.seed = seed, .preempt_in = 3}, body_turns, NULL);
	rounds = quick ? 300 : 3000;
	for (unsigned harts = 2; harts <= 4; harts += 2)
		with_files(&(struct harness){.harts = harts, .seed = harts, .preempt_in = 50}, body_turns, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_arguments), cmocka_unit_test(test_told),  cmocka_unit_test(test_ends),
	    cmocka_unit_test(test_flock),     cmocka_unit_test(test_model), cmocka_unit_test(test_waiting),
	    cmocka_unit_test(test_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
