// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Several threads at once (fsstress.h), switched at random by seed. */
#include "fs/buffer.h"
#include "tests/host/fsstress.h"
#include "tests/host/harness.h"

static void test_seeds(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++) {
		fsstress(
		    &(struct fsstress){.block = 1024u << seed % 3, .seed = seed, .rounds = 25, .journal = seed % 2});
		fsstress(&(struct fsstress){.block = 1024u << seed % 3,
					    .buffers = BUFFERS_MIN,
					    .cache_pages = 32,
					    .seed = seed + 100,
					    .journal = seed / 2 % 2,
					    .rounds = 25});
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_seeds)};

	return cmocka_run_group_tests_name("fs: threads", tests, NULL, NULL);
}
