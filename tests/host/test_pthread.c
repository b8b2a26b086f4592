// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * POSIX threads under many seeds of random preemption: what races with cancellation, and who leaves last. Threads other
 * than the body use assert(): cmocka's assertions belong to the body.
 */
#include "posix/host_names.h"

#undef exit
#undef main

#include "tests/host/harness.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define SEEDS 40
#define THREADS 5

static void for_all_seeds(void (*body)(void *))
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		harness_run(&(struct harness){.seed = seed, .preempt_in = 4}, body, NULL);
}

static pthread_t start(void *(*function)(void *), void *arg)
{
	pthread_t thread;
	int err = pthread_create(&thread, NULL, function, arg);

	assert(err == 0);
	(void)err;
	return thread;
}

static void *join(pthread_t thread)
{
	void *value;
	int err = pthread_join(thread, &value);

	assert(err == 0);
	(void)err;
	return value;
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static sem_t sem;
static int tokens, waiting;

/* ---- one is cancelled while one is signalled ---- */

static void unlock(void *arg)
{
	int err = pthread_mutex_unlock(arg);

	assert(err == 0); // it was taken again
	(void)err;
}

static void *take_token(void *arg)
{
	pthread_mutex_lock(&mutex);
	pthread_cleanup_push(unlock, &mutex);
	waiting++;
	while (tokens == 0)
		pthread_cond_wait(&cond, &mutex);
	tokens--;
	pthread_cleanup_pop(true);
	return arg;
}

static void give_token(void)
{
	pthread_mutex_lock(&mutex);
	tokens++;
	pthread_cond_signal(&cond);
	pthread_mutex_unlock(&mutex);
}

static void *cancel_it(void *arg)
{
	int err = pthread_cancel(*(pthread_t *)arg);

	assert(err == 0); // it is not joined before this has ended
	(void)err;
	return arg;
}

static void cond_body(void *arg)
{
	(void)arg;
	for (int round = 0; round < 20; round++) {
		pthread_t victim = start(take_token, &tokens), other = start(take_token, &tokens), killer;
		void *value;

		if (round % 2)
			sched_yield();
		killer = start(cancel_it, &victim);
		give_token();
		join(killer);
		value = join(victim);
		if (value == &tokens)
			give_token();
		else
			assert_ptr_equal(value, PTHREAD_CANCELED);
		assert_ptr_equal(join(other), &tokens);
		assert_int_equal(tokens, 0);
		assert_int_equal(cond.waiters, 0);
	}
}

static void test_cancel_and_signal(void **state)
{
	(void)state;
	for_all_seeds(cond_body);
}

/* ---- one is cancelled while its semaphore is posted ---- */

static void *wait_for_post(void *arg)
{
	int err = sem_wait(&sem);

	assert(err == 0);
	(void)err;
	return arg;
}

static void sem_body(void *arg)
{
	int value;

	(void)arg;
	assert_int_equal(sem_init(&sem, 0, 0), 0);
	for (int round = 0; round < 20; round++) {
		pthread_t victim = start(wait_for_post, &sem), killer = start(cancel_it, &victim);
		void *result;

		assert_int_equal(sem_post(&sem), 0);
		join(killer);
		result = join(victim);
		assert_true(result == &sem || result == PTHREAD_CANCELED);
		assert_int_equal(sem_getvalue(&sem, &value), 0);
		assert_int_equal(value, result == PTHREAD_CANCELED);
		assert_int_equal(sem_trywait(&sem), value ? 0 : -1);
		assert_int_equal(sem_destroy(&sem), 0); // nobody is counted as waiting
	}
}

static void test_cancel_and_post(void **state)
{
	(void)state;
	for_all_seeds(sem_body);
}

/* ---- one that joins is cancelled while the other ends ---- */

static void *join_it(void *arg)
{
	return join(*(pthread_t *)arg);
}

static void join_body(void *arg)
{
	(void)arg;
	assert_int_equal(sem_init(&sem, 0, 0), 0);
	for (int round = 0; round < 20; round++) {
		pthread_t target = start(wait_for_post, &sem), joiner = start(join_it, &target);
		pthread_t killer = start(cancel_it, &joiner);
		void *value;

		assert_int_equal(sem_post(&sem), 0);
		join(killer);
		value = join(joiner);
		if (value == PTHREAD_CANCELED)
			assert_ptr_equal(join(target), &sem); // left for somebody else
		else
			assert_int_equal(pthread_join(target, NULL), ESRCH);
	}
}

static void test_cancel_and_join(void **state)
{
	(void)state;
	for_all_seeds(join_body);
}

/* ---- two that join each other: one learns of it, and a request frees the other, which then can be joined ---- */

static void *try_join(void *arg)
{
	return (void *)(intptr_t)pthread_join(*(pthread_t *)arg, NULL);
}

static void cycle_body(void *arg)
{
	pthread_t body = pthread_self();

	(void)arg;
	for (int round = 0; round < 20; round++) {
		pthread_t thread = start(try_join, &body);
		void *value;
		int err;

		if (round % 2)
			sched_yield();
		err = pthread_join(thread, &value);
		if (err) {
			assert_int_equal(err, EDEADLK);
			assert_int_equal(pthread_cancel(thread), 0);
			value = join(thread);
			assert_ptr_equal(value, PTHREAD_CANCELED);
		} else {
			assert_int_equal((intptr_t)value, EDEADLK);
		}
	}
}

static void test_join_cycle(void **state)
{
	(void)state;
	for_all_seeds(cycle_body);
}

/* ---- ending and detaching at once ---- */

static void *end_at_once(void *arg)
{
	pthread_mutex_lock(&mutex);
	waiting++;
	pthread_mutex_unlock(&mutex);
	return arg;
}

static void detach_body(void *arg)
{
	(void)arg;
	waiting = 0;
	for (int round = 1; round <= 30; round++) {
		pthread_t thread = start(end_at_once, NULL);
		int err;

		if (round % 3 == 0)
			sched_yield();
		err = pthread_detach(thread);
		assert_int_equal(err, 0);
		err = pthread_detach(thread);
		assert_true(err == EINVAL || err == ESRCH);
		while (__atomic_load_n(&waiting, __ATOMIC_RELAXED) < round)
			sched_yield();
	}
}

static void test_end_and_detach(void **state)
{
	(void)state;
	for_all_seeds(detach_body);
}

/* ---- reader-writer locks ---- */

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static int readers, writers;

static void hold(int *mine, const int *others)
{
	int before = __atomic_fetch_add(mine, 1, __ATOMIC_RELAXED);

	assert(*others == 0 && (mine == &readers || before == 0));
	(void)before;
	(void)others;
	sched_yield();
	__atomic_fetch_sub(mine, 1, __ATOMIC_RELAXED);
	pthread_rwlock_unlock(&rwlock);
}

static void *use_rwlock(void *arg)
{
	struct timespec ts;

	for (int i = 0; i < 40; i++) {
		clock_gettime(CLOCK_MONOTONIC, &ts);
		ts.tv_nsec += 2000;
		ts.tv_sec += ts.tv_nsec / 1000000000;
		ts.tv_nsec %= 1000000000;
		if (i % 4 == 0 && pthread_rwlock_wrlock(&rwlock) == 0)
			hold(&writers, &readers);
		else if (i % 4 == 1 && pthread_rwlock_clockwrlock(&rwlock, CLOCK_MONOTONIC, &ts) == 0)
			hold(&writers, &readers);
		else if (i % 4 == 2 && pthread_rwlock_rdlock(&rwlock) == 0)
			hold(&readers, &writers);
		else if (i % 4 == 3 && pthread_rwlock_clockrdlock(&rwlock, CLOCK_MONOTONIC, &ts) == 0)
			hold(&readers, &writers);
	}
	return arg;
}

static void run_all(void *(*function)(void *), void *arg)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		threads[i] = start(function, arg);
	for (int i = 0; i < THREADS; i++)
		join(threads[i]);
}

static void rwlock_body(void *arg)
{
	run_all(use_rwlock, arg);
	assert_int_equal(rwlock.readers_waiting + rwlock.readers, 0);
	assert_null(rwlock.writers);
	assert_int_equal(pthread_rwlock_destroy(&rwlock), 0);
}

static void test_rwlock(void **state)
{
	(void)state;
	for_all_seeds(rwlock_body);
}

/* ---- a barrier's memory goes when the first has left ---- */

static void *meet_and_destroy(void *arg)
{
	pthread_barrier_t *b = arg;

	if (pthread_barrier_wait(b) == PTHREAD_BARRIER_SERIAL_THREAD) {
		int err = pthread_barrier_destroy(b);

		assert(err == 0);
		(void)err;
		memset(b, 0xff, sizeof(*b));
		free(b); // the sanitizer sees whoever comes later
	}
	return NULL;
}

static void barrier_body(void *arg)
{
	(void)arg;
	for (int round = 0; round < 10; round++) {
		pthread_barrier_t *b = malloc(sizeof(*b));

		assert_non_null(b);
		assert_int_equal(pthread_barrier_init(b, NULL, THREADS), 0);
		run_all(meet_and_destroy, b);
	}
}

static void test_barrier(void **state)
{
	(void)state;
	for_all_seeds(barrier_body);
}

/* ---- once: the first is cancelled in it while others wait for it ---- */

static pthread_once_t once;
static int inits;

static void init(void)
{
	sched_yield();
	if (__atomic_fetch_add(&inits, 1, __ATOMIC_RELAXED) == 0) {
		pthread_cancel(pthread_self());
		pthread_testcancel();
	}
}

static void *use_once(void *arg)
{
	pthread_once(&once, init);
	assert(inits == 2);
	return arg;
}

static void once_body(void *arg)
{
	pthread_t threads[THREADS];
	int cancelled = 0;

	(void)arg;
	for (int i = 0; i < THREADS; i++)
		threads[i] = start(use_once, NULL);
	for (int i = 0; i < THREADS; i++)
		cancelled += join(threads[i]) == PTHREAD_CANCELED;
	assert_int_equal(cancelled, 1);
}

static void test_once(void **state)
{
	(void)state;
	for_all_seeds(once_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cancel_and_signal), cmocka_unit_test(test_cancel_and_post),
	    cmocka_unit_test(test_cancel_and_join),   cmocka_unit_test(test_join_cycle),
	    cmocka_unit_test(test_end_and_detach),    cmocka_unit_test(test_rwlock),
	    cmocka_unit_test(test_barrier),	      cmocka_unit_test(test_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
