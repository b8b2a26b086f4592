// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Random operations on one file against a model (tests/exerciser), by one thread and by several. With arguments like
 * seed=5 ops=1000 that one run is done, as a report says. Runs on Linux as well, where it proves the model.
 */
#include <stdlib.h>

#include "exerciser.h"
#include "tap.h"

static struct exerciser_config config = EXERCISER_DEFAULT;

static struct exerciser_result run_config(void)
{
	const struct exerciser_result result = exerciser_run(&config);
	const uint64_t missing = exerciser_expected(&config) & ~result.kinds;

	CHECK(result.failed_at == 0);
	if (result.ops >= 5000 && !config.drops && missing) {
		printf("# never carried out:%s\n", exerciser_names(missing));
		CHECK(!"every kind of operation");
	}
	return result;
}

static void run(void)
{
	(void)run_config(); // it has checked what there is
}

/* Operations of each thread, with as many seeds as that takes; fewer on a machine that is not quick enough. */
static void run_seeds(unsigned long quick, unsigned long usual, unsigned long more)
{
	const bool is_long = strcmp(tap_effort, "long") == 0;
	unsigned long left = tap_is_quick() ? quick : is_long ? more : usual, begun = 0;

	config.seconds = tap_is_quick() ? 20 : is_long ? 0 : 60;
	while (left && !tap_failures) {
		config.ops = left < 20000 ? left : 20000;
		begun += run_config().ops;
		left -= config.ops;
		config.seed++;
	}
	printf("# %lu operations\n", begun);
}

static void test_alone(void)
{
	run_seeds(4000, 10000, 1000000);
}

/* Single, double and triple indirect blocks begin in the part that is used, for some size of blocks. */
static void test_far(void)
{
	const struct exerciser_config before = config;

	config.base = 65804ul * 1024 - 80 * 1024;
	config.base -= config.base % 4096;
	run_seeds(2000, 5000, 200000);
	config = before;
}

static void test_threads(void)
{
	config.threads = 4;
	run_seeds(1000, 3000, 50000);
}

static bool take_options(int argc, char **argv)
{
	bool one = false;

	config.replay = "./cairn run tests/guest/test_exerciser.c --";
	for (int i = 1; i < argc; i++) {
		if (exerciser_option(&config, argv[i]))
			one |= strncmp(argv[i], "path=", 5) != 0 && strncmp(argv[i], "skip=", 5) != 0;
		else if (strchr(argv[i], '=')) {
			printf("%s: no such option\n", argv[i]);
			exit(EXIT_FAILURE);
		} else {
			tap_effort = argv[i];
		}
	}
	return one;
}

int main(int argc, char **argv)
{
	static const struct tap_test all[] = {{"random operations by one thread", test_alone},
					      {"the same behind a long hole", test_far},
					      {"random operations by four threads", test_threads}},
				     one[] = {{"one run", run}};

	if (take_options(argc, argv))
		return tap_run(one, 1, 0, NULL);
	return tap_run(all, sizeof(all) / sizeof(*all), 0, NULL);
}
