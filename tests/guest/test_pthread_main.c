// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The first thread ends before the others: they go on, may join it, and the program ends with the last one's exit. It
 * has pushed a handler and set a key, which its end calls as any other thread's would.
 */

#include "pthreads.h"

static pthread_t main_thread;
static pthread_key_t key;
static atomic_int handlers, destructors;
static int argument_count;
static char **arguments;

static void count(void *counter)
{
	atomic_fetch_add((atomic_int *)counter, 1);
}

static void test_join_main(void)
{
	CHECK(join(main_thread) == &main_thread);
	CHECK(handlers == 1 && destructors == 1);
	CHECK(pthread_join(main_thread, NULL) == ESRCH);
}

static void *give_back(void *arg)
{
	return arg;
}

static void test_threads_go_on(void)
{
	CHECK(join(start(give_back, &key)) == &key);
}

static void *run_tests(void *arg)
{
	static const struct tap_test tests[] = {{"joining main's thread", test_join_main},
						{"threads after main's", test_threads_go_on}};

	(void)arg;
	exit(tap_run(tests, sizeof(tests) / sizeof(*tests), argument_count, arguments));
}

int main(int argc, char **argv)
{
	argument_count = argc;
	arguments = argv;
	main_thread = pthread_self();
	CHECK(pthread_key_create(&key, count) == 0);
	CHECK(pthread_setspecific(key, &destructors) == 0);
	pthread_cleanup_push(count, &handlers);
	CHECK(pthread_detach(start(run_tests, NULL)) == 0);
	pthread_exit(&main_thread);
	pthread_cleanup_pop(0);
}
