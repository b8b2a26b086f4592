// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Bad pointers for the kernel on the host build: tests/guest/bad_pointers.h. */
#include "posix/host_names.h"
#undef main

#include "posix/process.h"
#include "posix/thread.h"
#include "tests/guest/bad_pointers.h"
#include "tests/host/harness.h"
#include "tests/host/image.h"

static unsigned failures;

static void note(const char *call, const char *pointer, long got, long expected)
{
	fprintf(stderr, "%s, %s: %ld, expected %ld\n", call, pointer, got, expected);
	failures++;
}

static void *run(void *arg)
{
	size_t *made = arg;

	*made = bp_run(note);
	assert_int_equal(posix_self()->thread->locks_held, 0);
	return NULL;
}

static void body(void *arg)
{
	pthread_t thread;
	size_t made = 0;

	(void)arg;
	harness_start();
	process_begin();
	assert_int_equal(pthread_create(&thread, NULL, run, &made), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(failures, 0);
	assert_in_range(made, 500, 5000);
	assert_int_equal(harness_stop(), 0);
}

static void test_all(void **state)
{
	const char *image = image_path("pointers"), *out = image_path("pointers-out");

	(void)state;
	image_mke2fs(image, "8M", "-b 1024");
	harness_run(&(struct harness){.disk = {.image = image, .save = out}}, body, NULL);
	harness_run(&(struct harness){.frames = 200, .seed = 3, .disk = {.image = image, .save = out}}, body, NULL);
	assert_int_equal(image_e2fsck(out, "-n"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
