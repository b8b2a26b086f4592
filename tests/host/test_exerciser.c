// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Random operations on one file against a model: every block size, with as little memory, cache and buffers as there
 * can be, and with plenty; at the file's beginning, and where its doubly and triply indirect blocks begin.
 */
#include "fs/buffer.h"
#include "tests/host/exercise.h"
#include "tests/host/harness.h"

#define PAGE 4096ul
#define DOUBLY (4143ul * PAGE)	// with blocks of 4 KiB, 20 pages before the first doubly indirect one
#define TRIPLY (16431ul * PAGE) // with blocks of 1 KiB, before the first triply indirect one

static const struct {
	struct exercise_machine machine;
	uint64_t base;
	unsigned lock;
	bool scarce;
} runs[] = {
    {{.block = 1024, .frames = 160, .cache = 12, .buffers = BUFFERS_MIN, .disk = 1}, 0, 2, true},
    {{.block = 4096, .frames = 160, .cache = 8, .buffers = BUFFERS_MIN, .disk = 2, .preempt = 2}, 0, 2, true},
    {{.block = 2048, .frames = 4096, .disk = 3, .preempt = 3}, 0, 16, false},
    {{.block = 1024, .frames = 4096}, 0, 16, false},
    {{.block = 1024, .frames = 512, .cache = 24, .buffers = BUFFERS_MIN, .disk = 5}, TRIPLY, 2, true},
    {{.block = 2048, .frames = 128, .buffers = BUFFERS_MIN, .disk = 6, .preempt = 6}, 0, 2, true},
    {{.block = 4096, .frames = 128, .disk = 7, .preempt = 7}, DOUBLY, 2, true},
};

static void test_exerciser(void **state)
{
	const enum harness_effort effort = harness_effort();

	(void)state;
	if (exercise_repeat())
		return;
	for (size_t i = 0; i < array_size(runs); i++) {
		struct exerciser_config config = EXERCISER_DEFAULT;

		config.base = runs[i].base;
		config.lock_pages = runs[i].lock;
		config.scarce = runs[i].scarce;
		config.seed = i + 1;
		config.ops = effort == EFFORT_QUICK ? 3000 : effort == EFFORT_LONG ? 145000 : 20000;
		exercise_run(&runs[i].machine, &config);
	}
	exercise_check_kinds();
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_exerciser)};

	return cmocka_run_group_tests_name("exerciser", tests, NULL, NULL);
}
