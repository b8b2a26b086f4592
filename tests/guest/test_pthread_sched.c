// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Policies, priorities, priority inheritance. Main has the highest priority while threads compete, and waits asleep; so
 * that a test means the same on one hart and on several, there are more hogs than harts.
 */

#include <semaphore.h>
#include <unistd.h>

#include "pthreads.h"

#define HARTS_MAX 8

static void *report_own(void *arg)
{
	struct sched_param *param = arg;
	int policy = -1;

	CHECK(pthread_getschedparam(pthread_self(), &policy, param) == 0);
	return (void *)(intptr_t)policy;
}

static void test_limits(void)
{
	struct timespec slice = {0};
	int cpu = sched_getcpu();

	CHECK(sched_get_priority_min(SCHED_OTHER) == 0 && sched_get_priority_max(SCHED_OTHER) == 0);
	CHECK(sched_get_priority_min(SCHED_FIFO) == 1 && sched_get_priority_max(SCHED_FIFO) == TOP);
	CHECK(sched_get_priority_min(SCHED_RR) == 1 && sched_get_priority_max(SCHED_RR) == TOP);
	errno = 0;
	CHECK(sched_get_priority_min(77) == -1 && errno == EINVAL);
	CHECK(sched_rr_get_interval(0, &slice) == 0 && slice.tv_sec == 0 && slice.tv_nsec > 0);
	errno = 0;
	CHECK(sched_rr_get_interval(4711, &slice) == -1 && errno == ESRCH);
	CHECK(cpu >= 0 && cpu < HARTS_MAX);
}

static void test_attributes(void)
{
	struct sched_param param = {.sched_priority = 9}, got;
	pthread_attr_t attr;
	pthread_t thread;
	int value;

	CHECK(pthread_attr_init(&attr) == 0);
	CHECK(pthread_attr_getinheritsched(&attr, &value) == 0 && value == PTHREAD_INHERIT_SCHED);
	CHECK(pthread_attr_getschedpolicy(&attr, &value) == 0 && value == SCHED_OTHER);
	CHECK(pthread_attr_getschedparam(&attr, &got) == 0 && got.sched_priority == 0);
	CHECK(pthread_attr_getscope(&attr, &value) == 0 && value == PTHREAD_SCOPE_SYSTEM);
	CHECK(pthread_attr_setscope(&attr, PTHREAD_SCOPE_SYSTEM) == 0);
	CHECK(pthread_attr_setscope(&attr, PTHREAD_SCOPE_PROCESS) == ENOTSUP);
	CHECK(pthread_attr_setscope(&attr, 5) == EINVAL && pthread_attr_setinheritsched(&attr, 5) == EINVAL);
	CHECK(pthread_attr_setschedpolicy(&attr, 77) == EINVAL);
	CHECK(pthread_attr_setschedparam(&attr, &(struct sched_param){.sched_priority = TOP + 1}) == EINVAL);
	CHECK(pthread_attr_setschedparam(&attr, &(struct sched_param){.sched_priority = -1}) == EINVAL);

	CHECK(pthread_attr_setschedpolicy(&attr, SCHED_RR) == 0 && pthread_attr_setschedparam(&attr, &param) == 0);
	CHECK(join(start_with(&attr, report_own, &got)) == (void *)SCHED_OTHER); // inherited, all the same
	CHECK(got.sched_priority == 0);
	CHECK(pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED) == 0);
	CHECK(join(start_with(&attr, report_own, &got)) == (void *)SCHED_RR && got.sched_priority == 9);
	CHECK(pthread_attr_setschedpolicy(&attr, SCHED_OTHER) == 0);
	CHECK(pthread_create(&thread, &attr, report_own, &got) == EINVAL); // none has 9
	param.sched_priority = 0;
	CHECK(pthread_attr_setschedpolicy(&attr, SCHED_FIFO) == 0 && pthread_attr_setschedparam(&attr, &param) == 0);
	CHECK(pthread_create(&thread, &attr, report_own, &got) == EINVAL);
}

static void test_own_parameters(void)
{
	struct sched_param param = {.sched_priority = 0}, got;
	pthread_t thread;
	int policy;

	CHECK(pthread_setschedparam(pthread_self(), SCHED_FIFO, &param) == EINVAL);
	CHECK(pthread_setschedparam(pthread_self(), 77, &param) == EINVAL);
	CHECK(pthread_setschedprio(pthread_self(), 1) == EINVAL); // SCHED_OTHER
	set_own(SCHED_FIFO, 4);
	CHECK(join(start(report_own, &got)) == (void *)SCHED_FIFO && got.sched_priority == 4); // inherited
	CHECK(pthread_setschedprio(pthread_self(), 5) == 0);
	CHECK(pthread_getschedparam(pthread_self(), &policy, &got) == 0);
	CHECK(policy == SCHED_FIFO && got.sched_priority == 5);
	CHECK(sched_getscheduler(0) == SCHED_FIFO && sched_getparam(getpid(), &got) == 0 && got.sched_priority == 5);
	param.sched_priority = 6;
	CHECK(sched_setscheduler(0, SCHED_RR, &param) == SCHED_FIFO && sched_getscheduler(0) == SCHED_RR);
	errno = 0;
	param.sched_priority = TOP + 1;
	CHECK(sched_setparam(0, &param) == -1 && errno == EINVAL);
	errno = 0;
	CHECK(sched_getscheduler(4711) == -1 && errno == ESRCH);
	set_own(SCHED_OTHER, 0);
	thread = start(report_own, &got);
	join(thread);
	CHECK(pthread_setschedprio(thread, 0) == ESRCH && pthread_getschedparam(thread, &policy, &got) == ESRCH);
	param.sched_priority = 0;
	CHECK(pthread_setschedparam(thread, SCHED_OTHER, &param) == ESRCH);
}

/* ---- slices ---- */

#define SPINNERS (2 * HARTS_MAX)

static sem_t gate;
static atomic_int begun, most_begun;

static void *spin_200_ms(void *arg)
{
	struct timespec end;
	int now_begun, most = 0;

	CHECK(sem_wait(&gate) == 0);
	end = in_us(CLOCK_MONOTONIC, 200000);
	now_begun = atomic_fetch_add(&begun, 1) + 1;
	while (most < now_begun && !atomic_compare_exchange_weak(&most_begun, &most, now_begun))
		;
	while (!is_past(CLOCK_MONOTONIC, &end))
		;
	atomic_fetch_sub(&begun, 1);
	return arg;
}

static int begun_at_once(int policy)
{
	pthread_t threads[SPINNERS];

	begun = most_begun = 0;
	CHECK(sem_init(&gate, 0, 0) == 0);
	set_own(SCHED_FIFO, TOP);
	for (int i = 0; i < SPINNERS; i++)
		threads[i] = start_at(policy, 10, spin_200_ms, NULL);
	for (int i = 0; i < SPINNERS; i++)
		CHECK(sem_post(&gate) == 0);
	for (int i = 0; i < SPINNERS; i++)
		join(threads[i]);
	set_own(SCHED_OTHER, 0);
	printf("# of %d spinners %d had begun at once\n", SPINNERS, most_begun);
	return most_begun;
}

/* Without slices no more have begun than there are harts. */
static void test_slices(void)
{
	CHECK(begun_at_once(SCHED_RR) > HARTS_MAX);
	CHECK(begun_at_once(SCHED_FIFO) <= HARTS_MAX);
}

/* ---- priority inheritance ---- */

static pthread_mutex_t mutex;
static sem_t held, go;
static atomic_bool stop;

static void make_mutex(int protocol, int type)
{
	pthread_mutexattr_t attr;
	int got;

	CHECK(pthread_mutexattr_init(&attr) == 0);
	CHECK(pthread_mutexattr_settype(&attr, type) == 0);
	CHECK(pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_PROTECT) == ENOTSUP);
	CHECK(pthread_mutexattr_setprotocol(&attr, 17) == EINVAL);
	CHECK(pthread_mutexattr_getprotocol(&attr, &got) == 0 && got == PTHREAD_PRIO_NONE);
	CHECK(pthread_mutexattr_setprotocol(&attr, protocol) == 0);
	CHECK(pthread_mutexattr_getprotocol(&attr, &got) == 0 && got == protocol);
	CHECK(pthread_mutex_init(&mutex, &attr) == 0);
}

static void *hold_low(void *arg)
{
	CHECK(pthread_mutex_lock(&mutex) == 0);
	CHECK(sem_post(&held) == 0);
	CHECK(sem_wait(&go) == 0);
	CHECK(pthread_mutex_unlock(&mutex) == 0);
	return arg;
}

static void *hog(void *arg)
{
	while (!stop)
		;
	return arg;
}

static void *want_high(void *arg)
{
	struct timespec deadline = in_us(CLOCK_MONOTONIC, *(long *)arg);
	int err = pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &deadline);

	stop = true;
	if (!err)
		CHECK(pthread_mutex_unlock(&mutex) == 0);
	return (void *)(intptr_t)err;
}

/* Low holds, high waits, as many in the middle as there are harts never give way. What high gets. */
static int invert(int protocol, long us)
{
	pthread_t low, high, hogs[HARTS_MAX];
	int err;

	make_mutex(protocol, PTHREAD_MUTEX_NORMAL);
	CHECK(sem_init(&held, 0, 0) == 0 && sem_init(&go, 0, 0) == 0);
	stop = false;
	set_own(SCHED_FIFO, TOP);
	low = start_at(SCHED_FIFO, 1, hold_low, NULL);
	CHECK(sem_wait(&held) == 0);
	high = start_at(SCHED_FIFO, 20, want_high, &us);
	for (int i = 0; i < HARTS_MAX; i++)
		hogs[i] = start_at(SCHED_FIFO, 10, hog, NULL);
	CHECK(sem_post(&go) == 0);
	err = (int)(intptr_t)join(high);
	for (int i = 0; i < HARTS_MAX; i++)
		join(hogs[i]);
	join(low);
	set_own(SCHED_OTHER, 0);
	CHECK(pthread_mutex_destroy(&mutex) == 0);
	return err;
}

static void test_inheritance(void)
{
	CHECK(invert(PTHREAD_PRIO_NONE, 300000) == ETIMEDOUT); // the trouble is there without
	CHECK(invert(PTHREAD_PRIO_INHERIT, 60000000) == 0);
}

#define THREADS 5
#define ROUNDS 1000

static int shared;

static void *add_with_gap(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		struct timespec ts = in_us(i % 2 ? CLOCK_MONOTONIC : CLOCK_REALTIME, 50);
		int before;

		if (i % 3 == 0 && pthread_mutex_clocklock(&mutex, i % 2 ? CLOCK_MONOTONIC : CLOCK_REALTIME, &ts))
			CHECK(pthread_mutex_lock(&mutex) == 0);
		else if (i % 3)
			CHECK(pthread_mutex_lock(&mutex) == 0);
		before = shared;
		if (i % 16 == 0)
			sched_yield();
		shared = before + 1;
		CHECK(pthread_mutex_unlock(&mutex) == 0);
	}
	return arg;
}

static void *not_mine(void *arg)
{
	struct timespec ts = in_us(CLOCK_REALTIME, 500);

	CHECK(pthread_mutex_trylock(&mutex) == EBUSY);
	CHECK(pthread_mutex_unlock(&mutex) == EPERM);
	CHECK(pthread_mutex_timedlock(&mutex, &ts) == ETIMEDOUT && is_past(CLOCK_REALTIME, &ts));
	return arg;
}

/* They are mutexes like the others. */
static void test_inheriting_mutexes(void)
{
	static const int kinds[] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK};
	pthread_t threads[THREADS];

	for (int k = 0; k < 3; k++) {
		struct timespec ts = in_us(CLOCK_REALTIME, 500);
		int again = kinds[k] == PTHREAD_MUTEX_RECURSIVE ? 0 : ETIMEDOUT;

		make_mutex(PTHREAD_PRIO_INHERIT, kinds[k]);
		CHECK(pthread_mutex_unlock(&mutex) == EPERM);
		CHECK(pthread_mutex_lock(&mutex) == 0);
		if (kinds[k] == PTHREAD_MUTEX_ERRORCHECK)
			again = EDEADLK;
		CHECK(pthread_mutex_timedlock(&mutex, &ts) == again);
		CHECK(pthread_mutex_destroy(&mutex) == EBUSY);
		join(start(not_mine, NULL));
		for (int n = again ? 1 : 2; n > 0; n--)
			CHECK(pthread_mutex_unlock(&mutex) == 0);
		CHECK(pthread_mutex_unlock(&mutex) == EPERM);
		shared = 0;
		for (int i = 0; i < THREADS; i++)
			threads[i] = start_at(i % 2 ? SCHED_RR : SCHED_OTHER, i % 2 ? i : 0, add_with_gap, NULL);
		for (int i = 0; i < THREADS; i++)
			join(threads[i]);
		CHECK(shared == THREADS * ROUNDS);
		CHECK(pthread_mutex_destroy(&mutex) == 0);
	}
}

static void *end_holding(void *arg)
{
	CHECK(pthread_mutex_lock(&mutex) == 0);
	return arg;
}

/* Nobody gets it any more; and nobody's priority goes to a thread that is no more. */
static void test_owner_has_ended(void)
{
	make_mutex(PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_NORMAL);
	join(start(end_holding, NULL));
	set_own(SCHED_RR, 5);
	not_mine(NULL);
	set_own(SCHED_OTHER, 0);
	CHECK(pthread_mutex_destroy(&mutex) == EBUSY);
}

static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int turn;

static void *take_turns(void *arg)
{
	int me = (int)(intptr_t)arg;

	CHECK(pthread_mutex_lock(&mutex) == 0);
	for (int i = 0; i < 200; i++) {
		while (turn != me)
			CHECK(pthread_cond_wait(&cond, &mutex) == 0);
		turn = (turn + 1) % 3;
		CHECK(pthread_cond_broadcast(&cond) == 0);
	}
	CHECK(pthread_mutex_unlock(&mutex) == 0);
	return NULL;
}

static void test_condition(void)
{
	pthread_t threads[3];

	make_mutex(PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_NORMAL);
	turn = 0;
	for (intptr_t i = 0; i < 3; i++)
		threads[i] = start_at(SCHED_RR, (int)i + 1, take_turns, (void *)i);
	for (int i = 0; i < 3; i++)
		join(threads[i]);
	CHECK(pthread_mutex_destroy(&mutex) == 0);
}

TAP_MAIN({"limits", test_limits}, {"attributes", test_attributes}, {"a thread's own parameters", test_own_parameters},
	 {"slices, or none", test_slices}, {"priority inheritance", test_inheritance},
	 {"mutexes that inherit are mutexes", test_inheriting_mutexes}, {"the owner has ended", test_owner_has_ended},
	 {"condition variables with them", test_condition})
