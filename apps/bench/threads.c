// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Costs of threads. Meant for one processor (on Linux: taskset), where handing over means switching. Of two threads,
 * the one that measures is main's; its partner has begun and waits for its turn before the clock is looked at.
 */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "bench.h"

enum { MEASURER, PARTNER };

static uint64_t milli_each(uint64_t begin, uint64_t operations)
{
	return (bench_now() - begin) * 1000 / operations;
}

/* For calls that say -1 and errno. */
static void must_not_fail(int result, const char *what)
{
	bench_must(result ? errno : 0, what);
}

static pthread_t partner_start(void *(*function)(void *), void *arg)
{
	pthread_t partner;

	bench_must(pthread_create(&partner, NULL, function, arg), "pthread_create");
	return partner;
}

static void partner_join(pthread_t partner)
{
	bench_must(pthread_join(partner, NULL), "pthread_join");
}

/* ---- sched_yield ---- */

static uint64_t thread_yield_alone(unsigned rounds)
{
	uint64_t begin = bench_now();

	for (unsigned i = 0; i < rounds; i++)
		must_not_fail(sched_yield(), "sched_yield");
	return milli_each(begin, rounds);
}

/* All relaxed: they are counts and hints, no other data hangs on them. */
static struct {
	atomic_int last; // who ran last
	atomic_uint switches;
	atomic_bool stop;
} yielding;

static void yield_as(int self)
{
	if (atomic_load_explicit(&yielding.last, memory_order_relaxed) != self) {
		atomic_store_explicit(&yielding.last, self, memory_order_relaxed);
		atomic_fetch_add_explicit(&yielding.switches, 1, memory_order_relaxed);
	}
	must_not_fail(sched_yield(), "sched_yield");
}

static void *yielding_partner(void *arg)
{
	while (!atomic_load_explicit(&yielding.stop, memory_order_relaxed))
		yield_as(PARTNER);
	return arg;
}

/* Counts the switches that took place: a yield need not be one. */
static uint64_t thread_switch_yield(unsigned rounds)
{
	pthread_t partner;
	uint64_t begin, milli;
	unsigned before, switches;

	atomic_store_explicit(&yielding.last, MEASURER, memory_order_relaxed);
	atomic_store_explicit(&yielding.stop, false, memory_order_relaxed);
	partner = partner_start(yielding_partner, NULL);
	while (atomic_load_explicit(&yielding.last, memory_order_relaxed) == MEASURER)
		must_not_fail(sched_yield(), "sched_yield");
	before = atomic_load_explicit(&yielding.switches, memory_order_relaxed);
	begin = bench_now();
	for (unsigned i = 0; i < rounds; i++)
		yield_as(MEASURER);
	switches = atomic_load_explicit(&yielding.switches, memory_order_relaxed) - before;
	milli = milli_each(begin, switches ? switches : 1);
	bench_must(switches ? 0 : EAGAIN, "sched_yield between two threads never switched");
	atomic_store_explicit(&yielding.stop, true, memory_order_relaxed);
	partner_join(partner);
	return milli;
}

/* ---- condition variables ---- */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed[2]; // to whom
	int turn;		   // guarded by lock
} table = {PTHREAD_MUTEX_INITIALIZER, {PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER}, PARTNER};

/* Waits for the turn and gives it to the other. */
static void turn_take(int self)
{
	bench_must(pthread_mutex_lock(&table.lock), "pthread_mutex_lock");
	while (table.turn != self)
		bench_must(pthread_cond_wait(&table.changed[self], &table.lock), "pthread_cond_wait");
	table.turn = !self;
	bench_must(pthread_cond_signal(&table.changed[!self]), "pthread_cond_signal");
	bench_must(pthread_mutex_unlock(&table.lock), "pthread_mutex_unlock");
}

static void *turn_partner(void *arg)
{
	const unsigned *rounds = arg;

	for (unsigned i = 0; i <= *rounds; i++)
		turn_take(PARTNER);
	return NULL;
}

static uint64_t thread_switch_cond(unsigned rounds)
{
	pthread_t partner = partner_start(turn_partner, &rounds);
	uint64_t begin, milli;

	turn_take(MEASURER);
	begin = bench_now();
	for (unsigned i = 0; i < rounds; i++)
		turn_take(MEASURER);
	milli = milli_each(begin, 2ull * rounds);
	partner_join(partner);
	return milli;
}

/* ---- semaphores ---- */

static struct {
	sem_t go, done;
	uint64_t begun_at; // written by the partner between the two
	unsigned rounds;
	bool timed; // the partner notes when it begins
} ball;

static void *ball_partner(void *arg)
{
	for (unsigned i = 0; i <= ball.rounds; i++) {
		must_not_fail(sem_wait(&ball.go), "sem_wait");
		if (ball.timed)
			ball.begun_at = bench_now();
		must_not_fail(sem_post(&ball.done), "sem_post");
	}
	return arg;
}

static void ball_throw(void)
{
	must_not_fail(sem_post(&ball.go), "sem_post");
	must_not_fail(sem_wait(&ball.done), "sem_wait");
}

static pthread_t ball_begin(unsigned rounds, bool timed)
{
	pthread_t partner;

	must_not_fail(sem_init(&ball.go, 0, 0), "sem_init");
	must_not_fail(sem_init(&ball.done, 0, 0), "sem_init");
	ball.rounds = rounds;
	ball.timed = timed;
	partner = partner_start(ball_partner, NULL);
	ball_throw();
	return partner;
}

static void ball_end(pthread_t partner)
{
	partner_join(partner);
	must_not_fail(sem_destroy(&ball.go), "sem_destroy");
	must_not_fail(sem_destroy(&ball.done), "sem_destroy");
}

static uint64_t thread_switch_sem(unsigned rounds)
{
	pthread_t partner = ball_begin(rounds, false);
	uint64_t begin = bench_now(), milli;

	for (unsigned i = 0; i < rounds; i++)
		ball_throw();
	milli = milli_each(begin, 2ull * rounds);
	ball_end(partner);
	return milli;
}

/* The clock may tick every 100 instructions: rounds begin at different distances from a tick, so that errors even out.
 */
static void tick_apart(unsigned round)
{
	for (volatile unsigned i = round % 101; i > 0; i--)
		;
}

/* From the post to the first instruction of who waited; the poster waits next. One reading of the clock is in it. */
static uint64_t wake_to_run(unsigned rounds)
{
	pthread_t partner = ball_begin(rounds, true);
	uint64_t sum = 0;

	for (unsigned i = 0; i < rounds; i++) {
		uint64_t begin;

		tick_apart(i);
		begin = bench_now();
		ball_throw();
		sum += ball.begun_at - begin;
	}
	ball_end(partner);
	return sum * 1000 / rounds;
}

/* ---- mutexes, creation ---- */

static uint64_t mutex_lock_unlock(int type, unsigned rounds)
{
	pthread_mutexattr_t attr;
	pthread_mutex_t mutex;
	uint64_t begin, milli;

	bench_must(pthread_mutexattr_init(&attr), "pthread_mutexattr_init");
	bench_must(pthread_mutexattr_settype(&attr, type), "pthread_mutexattr_settype");
	bench_must(pthread_mutex_init(&mutex, &attr), "pthread_mutex_init");
	bench_must(pthread_mutexattr_destroy(&attr), "pthread_mutexattr_destroy");
	begin = bench_now();
	for (unsigned i = 0; i < rounds; i++) {
		bench_must(pthread_mutex_lock(&mutex), "pthread_mutex_lock");
		bench_must(pthread_mutex_unlock(&mutex), "pthread_mutex_unlock");
	}
	milli = milli_each(begin, rounds);
	bench_must(pthread_mutex_destroy(&mutex), "pthread_mutex_destroy");
	return milli;
}

static uint64_t mutex_uncontended(unsigned rounds)
{
	return mutex_lock_unlock(PTHREAD_MUTEX_NORMAL, rounds);
}

static uint64_t mutex_recursive(unsigned rounds)
{
	return mutex_lock_unlock(PTHREAD_MUTEX_RECURSIVE, rounds);
}

static void *do_nothing(void *arg)
{
	return arg;
}

static uint64_t thread_create_join(unsigned rounds)
{
	uint64_t begin = bench_now();

	for (unsigned i = 0; i < rounds; i++)
		partner_join(partner_start(do_nothing, NULL));
	return milli_each(begin, rounds);
}

static uint64_t clock_read(unsigned rounds)
{
	uint64_t begin = bench_now();

	for (unsigned i = 0; i < rounds; i++)
		(void)bench_now();
	return milli_each(begin, rounds);
}

const struct bench_case thread_cases[] = {
    {"clock_read", clock_read, 20000},
    {"mutex_uncontended", mutex_uncontended, 20000},
    {"mutex_recursive", mutex_recursive, 20000},
    {"thread_yield_alone", thread_yield_alone, 10000},
    {"thread_switch_yield", thread_switch_yield, 2000},
    {"thread_switch_sem", thread_switch_sem, 2000},
    {"thread_switch_cond", thread_switch_cond, 2000},
    {"wake_to_run", wake_to_run, 2000},
    {"thread_create_join", thread_create_join, 200},
    {0},
};
