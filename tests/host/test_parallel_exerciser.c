// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The exerciser's threads on several harts that run at once: each has bytes of its own in every page of one file, which
 * all map, read, write and sync. Built with the address sanitizer and with the thread sanitizer.
 */
#include "fs/buffer.h"
#include "tests/host/exercise.h"
#include "tests/host/harness.h"

static void test_threads(void **state)
{
	const enum harness_effort effort = harness_effort();

	(void)state;
	if (exercise_repeat())
		return;
	for (unsigned harts = 2; harts <= 4; harts += effort == EFFORT_QUICK ? 2 : 1) {
		const struct exercise_machine machine = {.block = 1024u << harts % 3,
							 .frames = 1024,
							 .cache = harts % 2 ? 24 : 0,
							 .buffers = harts % 2 ? BUFFERS_MIN : 0,
							 .disk = harts,
							 .preempt = harts,
							 .harts = harts};
		struct exerciser_config config = EXERCISER_DEFAULT;

		config.threads = harts;
		config.seed = harts;
		config.lock_pages = 2;
		config.scarce = true;
		config.ops = effort == EFFORT_QUICK ? 1000 : effort == EFFORT_LONG ? 50000 : 3000;
		exercise_run(&machine, &config);
	}
	exercise_check_kinds();
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_threads)};

	return cmocka_run_group_tests_name("harts in parallel: exerciser", tests, NULL, NULL);
}
