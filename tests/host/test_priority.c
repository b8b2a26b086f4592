// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Priorities: who runs, who is woken first, and that the holder of a mutex inherits those of who waits for it, along
 * chains too, and loses them again. Threads other than the body use assert(), as in test_kernel.c.
 */
#include "tests/host/harness.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "arch/hart.h"
#include "kernel/mutex.h"
#include "kernel/thread.h"

#define SEEDS 20

static struct mutex a = MUTEX_INIT(a, "a"), b = MUTEX_INIT(b, "b");
static char order[64];
static atomic_bool medium_done;

static void note(char who)
{
	size_t len = strlen(order);

	assert(len + 1 < sizeof(order));
	order[len] = who;
}

static struct thread *start(unsigned priority, void *(*entry)(void *), void *arg)
{
	struct thread *t;
	int err = thread_create("worker", THREAD_STACK_SIZE, entry, arg, &t);

	assert(err == 0);
	(void)err;
	thread_set_priority(t, priority);
	return t;
}

static void join(struct thread *t)
{
	int err = thread_join(t, NULL);

	assert(err == 0);
	(void)err;
}

static void for_all_seeds(void (*body)(void *))
{
	for (uint64_t seed = 0; seed < SEEDS; seed++)
		harness_run(&(struct harness){.seed = seed}, body, NULL);
}

static void *note_self(void *arg)
{
	note((char)(uintptr_t)arg);
	return NULL;
}

/* The body is above them until it waits; they were made in another order. */
static void highest_first_body(void *arg)
{
	struct thread *t[4];

	(void)arg;
	thread_set_priority(thread_self(), 20);
	t[0] = start(1, note_self, (void *)'1');
	t[1] = start(3, note_self, (void *)'3');
	t[2] = start(2, note_self, (void *)'2');
	t[3] = start(3, note_self, (void *)'4'); // after the other of its level
	assert_string_equal(order, "");
	for (int i = 0; i < 4; i++)
		join(t[i]);
	assert_string_equal(order, "3421");
	/* One above the body runs at once. */
	t[0] = start(21, note_self, (void *)'!');
	assert_string_equal(order, "3421!");
	join(t[0]);
}

static void test_highest_first(void **state)
{
	(void)state;
	harness_run(&(struct harness){.seed = 0}, highest_first_body, NULL); // equals change places at random otherwise
}

static void *wait_for_a(void *arg)
{
	mutex_lock(&a);
	note((char)(uintptr_t)arg);
	mutex_unlock(&a);
	return NULL;
}

static void woken_first_body(void *arg)
{
	struct thread *t[3];

	(void)arg;
	mutex_lock(&a);
	t[0] = start(1, wait_for_a, (void *)'1');
	t[1] = start(2, wait_for_a, (void *)'2');
	t[2] = start(3, wait_for_a, (void *)'3');
	assert_int_equal(thread_priority(thread_self()), 3); // inherited: all of them wait
	assert_string_equal(order, "");
	mutex_unlock(&a);
	for (int i = 0; i < 3; i++)
		join(t[i]);
	assert_string_equal(order, "321");
	assert_int_equal(thread_priority(thread_self()), 0);
}

static void test_woken_first(void **state)
{
	(void)state;
	for_all_seeds(woken_first_body);
}

/* Keeps the hart for itself, as far as the priorities let it. */
static void *medium(void *arg)
{
	(void)arg;
	for (int i = 0; i < 2000; i++)
		thread_yield();
	atomic_store(&medium_done, true);
	return NULL;
}

static void *want_a(void *arg)
{
	(void)arg;
	mutex_lock(&a);
	assert(!atomic_load(&medium_done)); // else it waited for one below it
	mutex_unlock(&a);
	return NULL;
}

/* Runs on as the thread of priority 1, while those started before are above it. */
static void work_below(unsigned inherited)
{
	thread_set_priority(thread_self(), 1);
	assert_int_equal(thread_priority(thread_self()), inherited);
	for (int i = 0; i < 50; i++)
		thread_yield();
	assert_false(atomic_load(&medium_done));
}

/* 1 holds what 3 wants, and 2 never pauses. */
static void inversion_body(void *arg)
{
	struct thread *mid, *high;

	(void)arg;
	thread_set_priority(thread_self(), 10);
	mutex_lock(&a);
	mid = start(2, medium, NULL);
	high = start(3, want_a, NULL);
	work_below(3);
	mutex_unlock(&a);
	assert_true(atomic_load(&medium_done)); // 1 again
	join(high);
	join(mid);
	assert_int_equal(thread_priority(thread_self()), 1);
}

static void test_inversion(void **state)
{
	(void)state;
	for_all_seeds(inversion_body);
}

static void *hold_b_want_a(void *arg)
{
	(void)arg;
	mutex_lock(&b);
	mutex_lock(&a);
	assert(thread_priority(thread_self()) == 4);
	mutex_unlock(&a);
	mutex_unlock(&b);
	assert(thread_priority(thread_self()) == 2);
	return NULL;
}

static void *want_b(void *arg)
{
	(void)arg;
	mutex_lock(&b);
	assert(!atomic_load(&medium_done));
	mutex_unlock(&b);
	return NULL;
}

/* 1 holds what 2 wants, 2 holds what 4 wants, and 3 never pauses. */
static void chain_body(void *arg)
{
	struct thread *between, *mid, *high;

	(void)arg;
	thread_set_priority(thread_self(), 1);
	mutex_lock(&a);
	between = start(2, hold_b_want_a, NULL);
	assert_int_equal(thread_priority(thread_self()), 2);
	thread_set_priority(thread_self(), 10);
	mid = start(3, medium, NULL);
	high = start(4, want_b, NULL);
	work_below(4);
	mutex_unlock(&a);
	assert_true(atomic_load(&medium_done));
	join(high);
	join(between);
	join(mid);
	assert_int_equal(thread_priority(thread_self()), 1);
}

static void test_chain(void **state)
{
	(void)state;
	for_all_seeds(chain_body);
}

/* A priority that changes while its thread waits is inherited too. */
static void late_rise_body(void *arg)
{
	struct thread *t;

	(void)arg;
	thread_set_priority(thread_self(), 1);
	mutex_lock(&a);
	t = start(2, wait_for_a, (void *)'2');
	assert_int_equal(thread_priority(thread_self()), 2);
	thread_set_priority(t, 7);
	assert_int_equal(thread_priority(thread_self()), 7);
	mutex_unlock(&a);
	assert_int_equal(thread_priority(thread_self()), 1);
	join(t);
	assert_string_equal(order, "2");
}

static void test_late_rise(void **state)
{
	(void)state;
	for_all_seeds(late_rise_body);
}

#define MIXERS 6

static void *mix(void *arg)
{
	const unsigned own = 1 + (unsigned)(uintptr_t)arg;

	for (int i = 0; i < 200; i++) {
		if (i % 3) {
			mutex_lock(&a);
			thread_yield();
			mutex_lock(&b);
			assert(thread_priority(thread_self()) >= own);
			mutex_unlock(&b);
			mutex_unlock(&a);
		} else if (mutex_trylock(&b)) {
			thread_yield();
			mutex_unlock(&b);
		}
	}
	assert(thread_priority(thread_self()) == own); // nothing is held
	return NULL;
}

static void mix_body(void *arg)
{
	struct thread *t[MIXERS];

	(void)arg;
	thread_set_priority(thread_self(), MIXERS + 1);
	for (uintptr_t i = 0; i < MIXERS; i++)
		t[i] = start(1 + (unsigned)i, mix, (void *)i);
	for (int i = 0; i < MIXERS; i++)
		join(t[i]);
}

static void test_mix(void **state)
{
	(void)state;
	for_all_seeds(mix_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_highest_first), cmocka_unit_test(test_woken_first), cmocka_unit_test(test_inversion),
	    cmocka_unit_test(test_chain),	  cmocka_unit_test(test_late_rise),   cmocka_unit_test(test_mix),
	};

	return cmocka_run_group_tests_name("priorities", tests, NULL, NULL);
}
