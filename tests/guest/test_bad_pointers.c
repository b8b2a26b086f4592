// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Bad pointers for the kernel: tests/guest/bad_pointers.h. */

#include "bad_pointers.h"
#include "pthreads.h"

static void fail(const char *call, const char *pointer, long got, long expected)
{
	printf("# %s, %s: %ld, expected %ld\n", call, pointer, got, expected);
	CHECK(!"as expected");
}

static void *run(void *arg)
{
	size_t *made = arg;

	*made = bp_run(fail);
	return NULL;
}

static void test_all(void)
{
	size_t made = 0;

	join(start(run, &made));
	printf("# %zu calls\n", made);
	CHECK(made > 500);
}

static void *run_often(void *arg)
{
	static const struct bp_pointer bad[] = {{"NULL", NULL, 0, 0},
						{"no such address", (char *)0x123456789000, 0, 0}};

	for (int round = 0; round < (tap_is_quick() ? 5 : 50); round++)
		for (size_t i = 0; i < sizeof(bp_calls) / sizeof(*bp_calls); i++)
			if (bp_calls[i].use != BP_TARGET && bp_calls[i].use != BP_SOURCE)
				CHECK(bp_calls[i].call(bad[round % 2].p) == -EFAULT);
	return arg;
}

/* At once, on all harts: nobody waits for what another has left. */
static void test_threads(void)
{
	const sigset_t usr2 = bp_usr2();
	pthread_t threads[6];

	CHECK(pthread_sigmask(SIG_BLOCK, &usr2, NULL) == 0);
	bp_fd = open(BP_FILE, O_RDWR | O_CREAT | O_TRUNC, 0644);
	CHECK(bp_fd >= 0 && symlink("target", BP_LINK) == 0);
	for (size_t i = 0; i < 6; i++)
		threads[i] = start(run_often, NULL);
	for (size_t i = 0; i < 6; i++)
		join(threads[i]);
	CHECK(bp_goes_on() == 0 && close(bp_fd) == 0 && unlink(BP_FILE) == 0 && unlink(BP_LINK) == 0);
}

TAP_MAIN({"every call and every pointer", test_all}, {"by many threads", test_threads})
