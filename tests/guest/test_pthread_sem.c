// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Semaphores, thread-specific data beyond one key, and the precision of sleeping. */

#include <semaphore.h>
#include <unistd.h>

#include "pthreads.h"

#define THREADS 4

static sem_t sem;

static int value_of(sem_t *s)
{
	int value = -1;

	CHECK(sem_getvalue(s, &value) == 0);
	return value;
}

static void test_values(void)
{
	CHECK(sem_init(&sem, 0, (unsigned)SEM_VALUE_MAX + 1) == -1 && errno == EINVAL);
	CHECK(sem_init(&sem, 0, 2) == 0 && value_of(&sem) == 2);
	CHECK(sem_wait(&sem) == 0 && sem_trywait(&sem) == 0 && value_of(&sem) == 0);
	errno = 0;
	CHECK(sem_trywait(&sem) == -1 && errno == EAGAIN);
	CHECK(sem_post(&sem) == 0 && value_of(&sem) == 1);
	CHECK(sem_destroy(&sem) == 0);
	CHECK(sem_init(&sem, 1, SEM_VALUE_MAX) == 0 && value_of(&sem) == SEM_VALUE_MAX);
	errno = 0;
	CHECK(sem_post(&sem) == -1 && errno == EOVERFLOW && value_of(&sem) == SEM_VALUE_MAX);
	CHECK(sem_wait(&sem) == 0 && sem_post(&sem) == 0);
}

static void test_times(void)
{
	static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC};
	struct timespec ts, bad = {.tv_nsec = 1000000000};

	CHECK(sem_init(&sem, 0, 0) == 0);
	for (int i = 0; i < 2; i++) {
		ts = in_us(clocks[i], 700);
		errno = 0;
		CHECK(sem_clockwait(&sem, clocks[i], &ts) == -1 && errno == ETIMEDOUT && is_past(clocks[i], &ts));
		errno = 0;
		CHECK(sem_clockwait(&sem, clocks[i], &bad) == -1 && errno == EINVAL);
	}
	ts = in_us(CLOCK_REALTIME, 700);
	CHECK(sem_timedwait(&sem, &ts) == -1 && errno == ETIMEDOUT && is_past(CLOCK_REALTIME, &ts));
	errno = 0;
	CHECK(sem_clockwait(&sem, (clockid_t)99, &ts) == -1 && errno == EINVAL);
	CHECK(sem_post(&sem) == 0);
	CHECK(sem_timedwait(&sem, &bad) == 0); // the time is not looked at
	CHECK(value_of(&sem) == 0 && sem_destroy(&sem) == 0);
}

static sem_t items, places;
static atomic_int produced, taken;

static int item_count; // of each producer

static void *produce(void *arg)
{
	for (int i = 0; i < item_count; i++) {
		int before;

		CHECK(sem_wait(&places) == 0);
		before = atomic_fetch_add(&produced, 1);
		CHECK(before - taken < 3); // which only grows meanwhile
		CHECK(sem_post(&items) == 0);
	}
	return arg;
}

static void *consume(void *arg)
{
	for (int i = 0; i < item_count;) {
		struct timespec ts = in_us(CLOCK_MONOTONIC, 5000);

		if (i % 4 == 0 ? sem_clockwait(&items, CLOCK_MONOTONIC, &ts) : sem_wait(&items)) {
			CHECK(errno == ETIMEDOUT);
			continue;
		}
		atomic_fetch_add(&taken, 1);
		CHECK(sem_post(&places) == 0);
		i++;
	}
	return arg;
}

static void test_counting(void)
{
	pthread_t threads[THREADS];

	produced = taken = 0;
	item_count = tap_times(200, 400, 1000); // slow where harts outnumber processors
	CHECK(sem_init(&items, 0, 0) == 0 && sem_init(&places, 0, 3) == 0);
	for (int i = 0; i < THREADS; i++)
		threads[i] = start(i % 2 ? produce : consume, NULL);
	for (int i = 0; i < THREADS; i++)
		join(threads[i]);
	CHECK(produced == item_count * THREADS / 2 && taken == produced);
	CHECK(value_of(&items) == 0 && value_of(&places) == 3);
	CHECK(sem_destroy(&items) == 0 && sem_destroy(&places) == 0);
}

static void *post(void *arg)
{
	CHECK(sem_post(arg) == 0);
	return arg;
}

/* Whom the post lets go may end the semaphore at once. */
static void test_destroy_after_wait(void)
{
	for (int round = 0; round < 300; round++) {
		sem_t *s = malloc(sizeof(*s));
		pthread_t thread;

		CHECK(s && sem_init(s, 0, 0) == 0);
		thread = start(post, s);
		if (round % 2)
			sched_yield();
		CHECK(sem_wait(s) == 0);
		CHECK(sem_destroy(s) == 0);
		memset(s, 0xff, sizeof(*s));
		free(s);
		join(thread);
	}
}

static void *wait_on(void *arg)
{
	CHECK(sem_wait(arg) == 0);
	return arg;
}

static void test_destroy_of_a_waited_one(void)
{
	pthread_t thread;

	CHECK(sem_init(&sem, 0, 0) == 0);
	thread = start(wait_on, &sem);
	while (!(__atomic_load_n(&sem.state, __ATOMIC_RELAXED) >> 32))
		sched_yield();
	errno = 0;
	CHECK(sem_destroy(&sem) == -1 && errno == EBUSY);
	CHECK(sem_post(&sem) == 0);
	join(thread);
	CHECK(sem_destroy(&sem) == 0);
}

/* ---- thread-specific data ---- */

static pthread_key_t keys[PTHREAD_KEYS_MAX];
static atomic_int destroyed;

static void count_destroyed(void *value)
{
	CHECK(value != NULL);
	atomic_fetch_add(&destroyed, 1);
}

static void *set_all(void *arg)
{
	int n = *(int *)arg;

	for (int i = 0; i < n; i++) {
		CHECK(pthread_getspecific(keys[i]) == NULL);
		CHECK(pthread_setspecific(keys[i], &keys[i]) == 0);
	}
	for (int i = 0; i < n; i++)
		CHECK(pthread_getspecific(keys[i]) == &keys[i]);
	CHECK(pthread_setspecific(keys[0], NULL) == 0); // nothing to destroy
	return NULL;
}

static void test_all_keys(void)
{
	int n = 0;
	pthread_key_t more;

	while (n < PTHREAD_KEYS_MAX && pthread_key_create(&keys[n], count_destroyed) == 0)
		n++;
	CHECK(n == PTHREAD_KEYS_MAX);
	CHECK(pthread_key_create(&more, NULL) == EAGAIN);
	destroyed = 0;
	join(start(set_all, &n));
	CHECK(destroyed == n - 1);
	for (int i = 0; i < n; i++)
		CHECK(pthread_key_delete(keys[i]) == 0);
	CHECK(pthread_setspecific(keys[0], keys) == EINVAL && pthread_getspecific(keys[0]) == NULL);
	CHECK(pthread_setspecific(PTHREAD_KEYS_MAX, keys) == EINVAL);
	CHECK(pthread_key_delete(PTHREAD_KEYS_MAX) == EINVAL);
}

static void set_again(void *value)
{
	atomic_fetch_add(&destroyed, 1);
	CHECK(pthread_setspecific(keys[0], value) == 0);
}

static void *set_one(void *arg)
{
	CHECK(pthread_setspecific(keys[0], keys) == 0);
	return arg;
}

static void test_destructor_rounds(void)
{
	CHECK(pthread_key_create(&keys[0], set_again) == 0);
	destroyed = 0;
	join(start(set_one, NULL));
	CHECK(destroyed == PTHREAD_DESTRUCTOR_ITERATIONS);
	CHECK(pthread_key_delete(keys[0]) == 0);
}

static void *set_and_delete(void *arg)
{
	CHECK(pthread_setspecific(keys[0], keys) == 0);
	CHECK(pthread_key_delete(keys[0]) == 0);
	return arg;
}

static void test_deleted_key_destroys_nothing(void)
{
	CHECK(pthread_key_create(&keys[0], count_destroyed) == 0);
	destroyed = 0;
	join(start(set_and_delete, NULL));
	CHECK(destroyed == 0);
}

/* ---- sleeping ---- */

static long long elapsed_ns(const struct timespec *since)
{
	struct timespec at = now(CLOCK_MONOTONIC);

	return (at.tv_sec - since->tv_sec) * 1000000000ll + at.tv_nsec - since->tv_nsec;
}

/* Never shorter than asked for; and of many at least one not a millisecond longer, or sleeping is coarser than that. */
static void test_sleep_precision(void)
{
	static const long lengths[] = {1, 50000, 300000};

	for (int i = 0; i < 3; i++) {
		long long least = 1000000000;

		for (int n = 0; n < 50; n++) {
			struct timespec start_at = now(CLOCK_MONOTONIC), ts = {.tv_nsec = lengths[i]};
			long long taken_ns;

			if (n % 2) {
				CHECK(nanosleep(&ts, NULL) == 0);
			} else {
				ts.tv_nsec += start_at.tv_nsec;
				ts.tv_sec = start_at.tv_sec + ts.tv_nsec / 1000000000;
				ts.tv_nsec %= 1000000000;
				CHECK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == 0);
			}
			taken_ns = elapsed_ns(&start_at);
			CHECK(taken_ns >= lengths[i]);
			least = taken_ns < least ? taken_ns : least;
		}
		printf("# %ld ns took %lld ns at best\n", lengths[i], least);
		CHECK(least < lengths[i] + 1000000);
	}
}

static void test_sleep_errors(void)
{
	struct timespec bad = {.tv_nsec = 1000000000}, past = {0};

	CHECK(clock_nanosleep(CLOCK_MONOTONIC, 0, &bad, NULL) == EINVAL);
	CHECK(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &bad, NULL) == EINVAL);
	CHECK(clock_nanosleep((clockid_t)99, 0, &past, NULL) == EINVAL);
	CHECK(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &past, NULL) == 0);
	bad.tv_nsec = 0;
	bad.tv_sec = -1;
	errno = 0;
	CHECK(nanosleep(&bad, NULL) == -1 && errno == EINVAL);
	CHECK(usleep(0) == 0 && sleep(0) == 0);
}

TAP_MAIN({"semaphore values and errors", test_values}, {"semaphore times on both clocks", test_times},
	 {"counting", test_counting}, {"destroyed as soon as the wait returned", test_destroy_after_wait},
	 {"destroying one that is waited for", test_destroy_of_a_waited_one}, {"all keys at once", test_all_keys},
	 {"destructors are called so many times", test_destructor_rounds},
	 {"a deleted key destroys nothing", test_deleted_key_destroys_nothing},
	 {"sleeping is finer than a millisecond", test_sleep_precision}, {"errors of sleeping", test_sleep_errors})
