// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * A test program for the board: a table of functions, run in order, one TAP line each. CHECK may be used from any
 *thread of a test. argv[1] is how much to run: quick, default, long.
 *
 *	static void test_something(void) { CHECK(1 + 1 == 2); }
 *	TAP_MAIN({"something", test_something})
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static atomic_uint tap_failures; // of the test that runs
static const char *tap_effort = "default";

#define CHECK(what)                                                                                                    \
	do {                                                                                                           \
		if (!(what)) {                                                                                         \
			printf("# %s:%d: %s\n", __FILE__, __LINE__, #what);                                            \
			atomic_fetch_add(&tap_failures, 1);                                                            \
		}                                                                                                      \
	} while (0)

struct tap_test {
	const char *name;
	void (*run)(void);
};

static inline bool tap_is_quick(void)
{
	return strcmp(tap_effort, "quick") == 0;
}

/* How often something is done, by effort. */
static inline int tap_times(int quick, int usual, int more)
{
	return tap_is_quick() ? quick : strcmp(tap_effort, "long") == 0 ? more : usual;
}

static inline int tap_run(const struct tap_test *tests, size_t count, int argc, char **argv)
{
	int failed = 0;

	if (argc > 1)
		tap_effort = argv[1];
	printf("1..%zu\n", count);
	for (size_t i = 0; i < count; i++) {
		tap_failures = 0;
		tests[i].run();
		failed |= tap_failures > 0;
		printf("%sok %zu - %s\n", tap_failures ? "not " : "", i + 1, tests[i].name);
		fflush(stdout);
	}
	return failed;
}

#define TAP_MAIN(...)                                                                                                  \
	int main(int argc, char **argv)                                                                                \
	{                                                                                                              \
		static const struct tap_test tests[] = {__VA_ARGS__};                                                  \
                                                                                                                       \
		return tap_run(tests, sizeof(tests) / sizeof(*tests), argc, argv);                                     \
	}
