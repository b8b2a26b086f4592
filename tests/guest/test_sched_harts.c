// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Priorities across harts: the highest ready ones run, whatever queue they wait in, and equals share. What is shown by
 * time has a bound that is far beyond what it takes, since the machine's processors are threads of a busy PC.
 */

#include <semaphore.h>
#include <unistd.h>

#include "pthreads.h"

static atomic_bool stop;
struct counter {
	atomic_ulong n;
};
static void *count(void *arg)
{
	struct counter *c = arg;
	while (!atomic_load(&stop))
		atomic_fetch_add(&c->n, 1);
	return NULL;
}
static void *hog_for_1s(void *arg)
{
	struct timespec end = in_us(CLOCK_MONOTONIC, 900000);
	struct counter *c = arg;
	unsigned long r = atomic_load(&c[0].n), s = atomic_load(&c[1].n);
	while (!is_past(CLOCK_MONOTONIC, &end))
		;
	printf("# while a FIFO 1 thread ran 0.9 s, two SCHED_OTHER threads counted %lu and %lu\n",
	       atomic_load(&c[0].n) - r, atomic_load(&c[1].n) - s);
	CHECK(atomic_load(&c[0].n) != r && atomic_load(&c[1].n) != s);
	return NULL;
}
static void test_equal_starves(void)
{
	static struct counter c[2];
	pthread_t a, b, f;
	stop = false;
	set_own(SCHED_FIFO, TOP);
	a = start_at(SCHED_OTHER, 0, count, &c[0]);
	b = start_at(SCHED_OTHER, 0, count, &c[1]);
	usleep(100000);
	f = start_at(SCHED_FIFO, 1, hog_for_1s, c);
	join(f);
	stop = true;
	join(a);
	join(b);
}

static pthread_mutex_t m;
static atomic_bool go, got;
static void *holder(void *arg)
{
	struct timespec end;
	(void)arg;
	CHECK(pthread_mutex_lock(&m) == 0);
	while (!atomic_load(&go))
		;
	end = in_us(CLOCK_MONOTONIC, 1000000);
	CHECK(pthread_mutex_unlock(&m) == 0);
	while (!atomic_load(&got) && !is_past(CLOCK_MONOTONIC, &end))
		;
	printf("# W (10) %s within 1 s while the former holder (0) ran\n", got ? "got it" : "did NOT get it");
	CHECK(got);
	stop = true;
	return NULL;
}
static void *waiter(void *arg)
{
	(void)arg;
	CHECK(pthread_mutex_lock(&m) == 0);
	atomic_store(&got, true);
	CHECK(pthread_mutex_unlock(&m) == 0);
	return NULL;
}
static void test_deboost(void)
{
	pthread_mutexattr_t attr;
	static struct counter c;
	pthread_t h, w, x;
	stop = go = got = false;
	set_own(SCHED_FIFO, TOP);
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
	CHECK(pthread_mutex_init(&m, &attr) == 0);
	h = start_at(SCHED_OTHER, 0, holder, NULL);
	usleep(50000);
	w = start_at(SCHED_FIFO, 10, waiter, NULL);
	usleep(50000);
	x = start_at(SCHED_FIFO, 10, count, &c);
	usleep(50000);
	go = true;
	join(h);
	join(w);
	join(x);
}

static atomic_bool wanted;
static void *count_some(void *arg)
{
	struct counter *c = arg;
	while (!atomic_load(&stop) && atomic_load(&c->n) < 1000)
		if (wanted)
			atomic_fetch_add(&c->n, 1);
	return NULL;
}
static void queued_behind_hog(int t_priority, int own, bool raise)
{
	static struct counter t, hog;
	struct sched_param ten = {.sched_priority = 10};
	struct timespec end;
	unsigned long before;
	pthread_t pt, ph;
	stop = wanted = false;
	set_own(SCHED_FIFO, TOP);
	t.n = 0;
	pt = start_at(SCHED_FIFO, t_priority, count_some, &t);
	usleep(50000);
	set_own(SCHED_FIFO, own);
	ph = start_at(SCHED_FIFO, 20, count, &hog);
	end = in_us(CLOCK_MONOTONIC, 100000);
	while (!is_past(CLOCK_MONOTONIC, &end))
		;
	wanted = true;
	before = atomic_load(&t.n);
	if (raise)
		CHECK(pthread_setschedparam(pt, SCHED_FIFO, &ten) == 0);
	else
		set_own(SCHED_OTHER, 0);
	end = in_us(CLOCK_MONOTONIC, 500000);
	while (!is_past(CLOCK_MONOTONIC, &end))
		;
	printf("# T (10) counted %lu in 0.5 s beside main (%d)\n", atomic_load(&t.n) - before, raise ? own : 0);
	CHECK(atomic_load(&t.n) != before);
	stop = true;
	set_own(SCHED_FIFO, TOP);
	join(pt);
	join(ph);
}
static void test_raise_queued(void)
{
	queued_behind_hog(1, 5, true);
}
static void test_lower_running(void)
{
	queued_behind_hog(10, 15, false);
}

static sem_t sems[2];
static atomic_int round_no, ran, ended;
static atomic_bool quit;
static atomic_int stuck;
static void *w2(void *arg)
{
	sem_t *sem = arg;
	for (;;) {
		sem_wait(sem);
		if (quit)
			return NULL;
		atomic_fetch_add(&ran, 1);
		struct timespec end = in_us(CLOCK_MONOTONIC, 3000000);
		bool late = false;
		while (atomic_load(&ran) < 2 && !(late = is_past(CLOCK_MONOTONIC, &end)))
			;
		if (late)
			atomic_fetch_add(&stuck, 1);
		atomic_fetch_add(&ended, 1);
	}
}
static void *poster(void *arg)
{
	sem_t *sem = arg;
	int seen = 0;
	for (;;) {
		while (atomic_load(&round_no) == seen)
			;
		seen++;
		if (quit)
			return NULL;
		sem_post(sem);
	}
}
static void test_two_wakers(void)
{
	pthread_t w[2], p[2];
	set_own(SCHED_FIFO, TOP);
	for (int i = 0; i < 2; i++) {
		sem_init(&sems[i], 0, 0);
		w[i] = start_at(SCHED_FIFO, 1, w2, &sems[i]);
	}
	usleep(20000);
	for (int i = 0; i < 2; i++)
		p[i] = start_at(SCHED_OTHER, 0, poster, &sems[i]);
	usleep(20000);
	int rounds = 0;
	for (; rounds < tap_times(60, 120, 300) && stuck < 2; rounds++) {
		atomic_store(&ended, 0);
		atomic_store(&ran, 0);
		usleep(2000);
		atomic_fetch_add(&round_no, 1);
		usleep(1000);
		while (atomic_load(&ended) < 2)
			usleep(20000);
	}
	printf("# two woken at once on 4 harts, 2 busy: one waited for 3 s in %d of %d rounds\n", atomic_load(&stuck),
	       rounds);
	CHECK(stuck == 0);
	quit = true;
	atomic_fetch_add(&round_no, 1);
	sem_post(&sems[0]);
	sem_post(&sems[1]);
	for (int i = 0; i < 2; i++) {
		join(w[i]);
		join(p[i]);
	}
}
static atomic_int hogged;
static void *hog300(void *arg)
{
	struct timespec end = in_us(CLOCK_MONOTONIC, 300000);
	(void)arg;
	hogged = 1;
	while (!is_past(CLOCK_MONOTONIC, &end))
		;
	return NULL;
}
static void stale_top(bool raise)
{
	pthread_mutexattr_t attr;
	pthread_t w, h;
	set_own(SCHED_FIFO, 30);
	hogged = 0;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
	CHECK(pthread_mutex_init(&m, &attr) == 0);
	pthread_mutex_lock(&m);
	w = start_at(SCHED_FIFO, raise ? 1 : 20, waiter, NULL);
	usleep(50000);
	pthread_mutex_unlock(&m);
	if (raise)
		CHECK(pthread_setschedprio(w, 20) == 0);
	pthread_mutex_lock(&m);
	h = start_at(SCHED_FIFO, 10, hog300, NULL);
	set_own(SCHED_OTHER, 0);
	printf("# %s: the holder (0) of what W (20) waits for %s the hog (10)\n",
	       raise ? "W raised while woken" : "W not raised", hogged ? "ran AFTER" : "ran before");
	CHECK(!hogged);
	pthread_mutex_unlock(&m);
	set_own(SCHED_FIFO, 30);
	join(w);
	join(h);
}
static void test_stale_top(void)
{
	stale_top(false);
	stale_top(true);
}
static void test_fair(void)
{
	static struct counter c[4];
	unsigned long sum = 0;
	pthread_t t[4];
	set_own(SCHED_FIFO, TOP);
	stop = false;
	for (int i = 0; i < 4; i++)
		t[i] = start_at(SCHED_OTHER, 0, count, &c[i]);
	usleep(3000000);
	stop = true;
	for (int i = 0; i < 4; i++) {
		join(t[i]);
		sum += c[i].n;
	}
	for (int i = 0; i < 4; i++) {
		printf("# %lu %% of what four equals did\n", c[i].n * 100 / sum);
		CHECK(c[i].n > sum / 10); // a quarter each; if one had a hart for itself, the others would have a sixth
	}
}
#define TEST(what, function)                                                                                           \
	{                                                                                                              \
		what, function                                                                                         \
	}

int main(int argc, char **argv)
{
	static const struct tap_test one[] = {TEST("a waiter's risen priority is inherited", test_stale_top)};
	static const struct tap_test two[] = {
	    TEST("equals run beside a higher thread", test_equal_starves),
	    TEST("a mutex goes on when its holder sinks", test_deboost),
	    TEST("a thread that rises in a queue", test_raise_queued),
	    TEST("a thread that sinks", test_lower_running),
	    TEST("four equals on all harts", test_fair),
	};
	static const struct tap_test four[] = {TEST("two woken at once", test_two_wakers)};

	switch (sysconf(_SC_NPROCESSORS_ONLN)) {
	case 1:
		return tap_run(one, 1, argc, argv);
	case 2:
		return tap_run(two, sizeof(two) / sizeof(*two), argc, argv);
	default:
		return tap_run(four, 1, argc, argv);
	}
}
