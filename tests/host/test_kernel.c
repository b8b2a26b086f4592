// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Threads, locks, waiting, the log, boot arguments and the clock, under many seeds of random preemption. Threads other
 * than the body use assert(): cmocka's assertions belong to the body.
 */
#include "tests/host/harness.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "arch/clock.h"
#include "arch/hart.h"
#include "arch/host/host.h"
#include "arch/page.h"
#include "arch/uaccess.h"
#include "kernel/bootargs.h"
#include "kernel/log.h"
#include "kernel/mutex.h"
#include "kernel/panic.h"
#include "kernel/sched.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "posix/futex.h"

#define SEEDS 12
#define WORKERS 6
#define ROUNDS 300

static void start(struct thread **t, void *(*entry)(void *), void *arg)
{
	int err = thread_create("worker", THREAD_STACK_SIZE, entry, arg, t);

	assert(err == 0);
	(void)err;
}

static void *join(struct thread *t)
{
	void *result;
	int err = thread_join(t, &result);

	assert(err == 0);
	(void)err;
	return result;
}

static void run_workers(void *(*entry)(void *))
{
	struct thread *t[WORKERS];

	for (uintptr_t i = 0; i < WORKERS; i++)
		start(&t[i], entry, (void *)i);
	for (int i = 0; i < WORKERS; i++)
		join(t[i]);
}

static void for_all_seeds(void (*body)(void *))
{
	for (uint64_t seed = 0; seed < SEEDS; seed++)
		harness_run(&(struct harness){.seed = seed, .preempt_in = 5}, body, NULL);
}

/* ---- locks ---- */

static struct mutex mutex = MUTEX_INIT(mutex, "test");
static struct rwlock rwlock = RWLOCK_INIT(rwlock, "test");
static struct cond cond = COND_INIT(cond, "test");
static int shared, readers, writers, queued;

static void *use_locks(void *arg)
{
	for (uintptr_t i = (uintptr_t)arg; i < ROUNDS; i++) {
		int before;

		mutex_lock(&mutex);
		assert(mutex_owned(&mutex) && !mutex_trylock(&mutex));
		before = shared;
		if (i % 3 == 0)
			thread_yield();
		shared = before + 1;
		mutex_unlock(&mutex);
		if (i % 7 == 0) {
			rwlock_lock_write(&rwlock);
			assert(readers == 0 && writers++ == 0 && rwlock_owned_write(&rwlock));
			thread_yield();
			writers--;
			rwlock_unlock_write(&rwlock);
		} else {
			rwlock_lock_read(&rwlock);
			assert(writers == 0 && !rwlock_trylock_write(&rwlock));
			readers++;
			if (i % 5 == 0)
				thread_sleep_until(clock_now() + 1000 * (i % 50));
			readers--;
			rwlock_unlock_read(&rwlock);
		}
	}
	return NULL;
}

static void locks_body(void *arg)
{
	(void)arg;
	shared = readers = writers = 0;
	run_workers(use_locks);
	assert_int_equal(shared, WORKERS * ROUNDS - WORKERS * (WORKERS - 1) / 2);
	assert_true(mutex_trylock(&mutex) && rwlock_trylock_write(&rwlock)); // all free again
}

static void test_locks(void **state)
{
	(void)state;
	for_all_seeds(locks_body);
}

static void *produce(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		mutex_lock(&mutex);
		queued++;
		if (i % 2)
			cond_signal(&cond);
		else
			cond_broadcast(&cond);
		mutex_unlock(&mutex);
	}
	return arg;
}

static void *consume(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		mutex_lock(&mutex);
		while (queued == 0) {
			nsec_t deadline = clock_now() + 3000;
			int err = cond_wait_until(&cond, &mutex, deadline);

			assert(err == 0 || (err == -ETIMEDOUT && clock_now() >= deadline));
			assert(mutex_owned(&mutex));
		}
		queued--;
		mutex_unlock(&mutex);
	}
	return arg;
}

static void *produce_or_consume(void *arg)
{
	return (uintptr_t)arg % 2 ? produce(arg) : consume(arg);
}

static void cond_body(void *arg)
{
	(void)arg;
	queued = 0;
	run_workers(produce_or_consume);
	assert_int_equal(queued, 0);
}

static void test_cond(void **state)
{
	(void)state;
	for_all_seeds(cond_body);
}

/* Holds the locks nearly always, across its sleeps: whoever waits must get them all the same. */
static atomic_bool enough;

#define HOG_NS 100000

static void *hog(void *arg)
{
	uintptr_t rounds = 0;

	(void)arg;
	while (!enough) {
		mutex_lock(&mutex);
		rwlock_lock_write(&rwlock);
		thread_sleep_until(clock_now() + HOG_NS);
		rounds++;
		rwlock_unlock_write(&rwlock);
		mutex_unlock(&mutex);
	}
	return (void *)rounds;
}

static void *hog_reading(void *arg)
{
	uintptr_t rounds = 0;

	while (!enough) {
		rwlock_lock_read(&rwlock);
		thread_sleep_until(clock_now() + HOG_NS + (uintptr_t)arg);
		rounds++;
		rwlock_unlock_read(&rwlock);
	}
	return (void *)rounds;
}

static void *hog_writing(void *arg)
{
	uintptr_t rounds = 0;

	(void)arg;
	while (!enough) {
		rwlock_lock_write(&rwlock);
		thread_sleep_until(clock_now() + HOG_NS);
		rounds++;
		rwlock_unlock_write(&rwlock);
	}
	return (void *)rounds;
}

static void hog_body(void *arg)
{
	struct thread *t, *other;

	(void)arg;
	start(&t, hog, NULL);
	thread_sleep_until(clock_now() + HOG_NS / 2);
	assert_false(mutex_trylock(&mutex) || rwlock_trylock_read(&rwlock));
	rwlock_lock_read(&rwlock);
	rwlock_unlock_read(&rwlock);
	mutex_lock(&mutex);
	mutex_unlock(&mutex);
	enough = true;
	assert_in_range((uintptr_t)join(t), 1, 9);

	enough = false; // two writers, one of which always waits
	start(&t, hog_writing, NULL);
	start(&other, hog_writing, NULL);
	thread_sleep_until(clock_now() + HOG_NS / 2);
	rwlock_lock_read(&rwlock);
	enough = true;
	rwlock_unlock_read(&rwlock);
	assert_in_range((uintptr_t)join(t) + (uintptr_t)join(other), 1, 9);

	enough = false; // readers whose times overlap
	start(&t, hog_reading, (void *)0);
	start(&other, hog_reading, (void *)(HOG_NS / 3));
	thread_sleep_until(clock_now() + HOG_NS / 2);
	assert_false(rwlock_trylock_write(&rwlock));
	rwlock_lock_write(&rwlock);
	enough = true;
	rwlock_unlock_write(&rwlock);
	assert_in_range((uintptr_t)join(t), 1, 9);
	assert_in_range((uintptr_t)join(other), 1, 9);
}

static void test_no_starvation(void **state)
{
	(void)state;
	harness_run(&(struct harness){.seconds = 20}, hog_body, NULL);
}

static void recursion_body(void *arg)
{
	struct spinlock lock = SPINLOCK_INIT("twice");

	(void)arg;
	(void)spin_lock(&lock);
	(void)spin_lock(&lock);
}

static void sleep_under_spinlock_body(void *arg)
{
	struct spinlock lock = SPINLOCK_INIT("held");
	unsigned long flags = spin_lock(&lock);

	(void)arg;
	mutex_lock(&mutex);
	spin_unlock(&lock, flags);
}

static void copy_under_spinlock_body(void *arg)
{
	struct spinlock lock = SPINLOCK_INIT("held");
	unsigned long flags = spin_lock(&lock);
	char from[4] = "abc", to[4];

	(void)arg;
	assert_int_equal(uaccess_copy(to, from, sizeof(to)), 0);
	spin_unlock(&lock, flags);
}

static void wait_in_interrupt(struct host_event *event)
{
	struct spinlock lock = SPINLOCK_INIT("held");
	unsigned long flags = spin_lock(&lock);
	struct waitq queue = WAITQ_INIT(queue);

	(void)event;
	waitq_wait(&queue, &lock, &flags);
}

static void wait_in_interrupt_body(void *arg)
{
	struct host_event event = {.fire = wait_in_interrupt};

	(void)arg;
	host_event_post(&event, 0);
	thread_sleep_until(clock_now() + NSEC_PER_SEC);
}

static void test_misuse_is_caught(void **state)
{
	(void)state;
	assert_int_not_equal(harness_status(&(struct harness){.seconds = 10}, copy_under_spinlock_body, NULL, NULL), 0);
	assert_int_not_equal(harness_status(&(struct harness){.seconds = 10}, wait_in_interrupt_body, NULL, NULL), 0);
	assert_int_not_equal(harness_status(&(struct harness){.seconds = 10}, recursion_body, NULL, NULL), 0);
	assert_int_not_equal(harness_status(&(struct harness){.seconds = 10}, sleep_under_spinlock_body, NULL, NULL),
			     0);
}

/* ---- the order of locks: with names of kernel/lockrank.h ---- */

struct order {
	const char *first, *second; // names, in the order in which they are taken
	void (*body)(void *arg);
	const char *panic; // NULL: all is well
};

static void two_mutexes(void *arg)
{
	const struct order *order = arg;
	struct mutex a, b;

	mutex_init(&a, order->first);
	mutex_init(&b, order->second);
	mutex_lock(&a);
	mutex_lock(&b);
	mutex_unlock(&a); // not in turn
	mutex_unlock(&b);
	mutex_lock(&b); // what was given up does not count
	mutex_unlock(&b);
	mutex_lock(&a);
	mutex_unlock(&a);
}

static void mutex_and_rwlock(void *arg)
{
	const struct order *order = arg;
	struct rwlock a;
	struct mutex b;

	rwlock_init(&a, order->first);
	mutex_init(&b, order->second);
	rwlock_lock_read(&a);
	mutex_lock(&b);
	mutex_unlock(&b);
	rwlock_unlock_read(&a);
	rwlock_lock_write(&a);
	rwlock_unlock_write(&a);
	mutex_lock(&b);
	mutex_unlock(&b);
	assert_true(rwlock_trylock_write(&a));
	mutex_lock(&b);
}

static void rwlock_under_mutex(void *arg)
{
	const struct order *order = arg;
	struct mutex a;
	struct rwlock b;

	mutex_init(&a, order->first);
	rwlock_init(&b, order->second);
	mutex_lock(&a);
	if (order->panic)
		rwlock_lock_read(&b);
	else
		rwlock_lock_write(&b);
}

static void two_spinlocks(void *arg)
{
	const struct order *order = arg;
	struct spinlock a = SPINLOCK_INIT(order->first), b = SPINLOCK_INIT(order->second);
	unsigned long flags = spin_lock(&a), inner = spin_lock(&b);

	spin_unlock(&b, inner);
	spin_unlock(&a, flags);
}

/* A try-lock cannot wait; but it counts for what comes after. */
static void try_locks(void *arg)
{
	const struct order *order = arg;
	struct mutex a, b, c;

	mutex_init(&a, order->first);
	mutex_init(&b, order->second);
	mutex_init(&c, "bmap");
	mutex_lock(&a);
	assert_true(mutex_trylock(&b));
	mutex_unlock(&a);
	mutex_lock(&c);
	mutex_unlock(&c);
	mutex_unlock(&b);
	assert_true(mutex_trylock(&a));
	if (order->panic)
		mutex_lock(&b);
}

/* Several of one name: only under the lock that the list names. */
static void two_inodes(void *arg)
{
	const struct order *order = arg;
	struct mutex names, a, b;

	mutex_init(&names, order->first);
	mutex_init(&a, order->second);
	mutex_init(&b, order->second);
	if (!order->panic)
		mutex_lock(&names);
	mutex_lock(&a);
	mutex_lock(&b);
	mutex_unlock(&a);
	mutex_unlock(&b);
}

static void *hold_and_switch(void *arg)
{
	use_locks((void *)(ROUNDS - 20));
	return arg;
}

/* The scheduler's lock changes hands at a switch, and locks are waited for in the middle of it all: nothing is left. */
static void order_over_switches(void *arg)
{
	(void)arg;
	run_workers(hold_and_switch);
	assert_null(lockcheck_name(&thread_self()->held, 0));
}

static void fault_under_a_lock(void *arg)
{
	const struct order *order = arg;
	struct mutex a;

	mutex_init(&a, order->first);
	harness_start_mm();
	mutex_lock(&a);
	assert_int_equal(harness_load((void *)MMAP_MIN, &(uint8_t){0}, NULL), FAULT_MAPERR);
	mutex_unlock(&a);
}

#define WRONG(first, second) "panic: lock order (I2): \"" second "\" is taken while \"" first "\" is held"

static void test_lock_order(void **state)
{
	static struct order orders[] = {
	    {"inode", "txn", two_mutexes, NULL},
	    {"txn", "inode", two_mutexes, WRONG("txn", "inode")},
	    {"txn", "txn", two_mutexes, WRONG("txn", "txn")},
	    {"map", "bmap", mutex_and_rwlock, NULL},
	    {"map", "inode", mutex_and_rwlock, WRONG("map", "inode")},
	    {"txn", "map", rwlock_under_mutex, WRONG("txn", "map")},
	    {"inode", "map", rwlock_under_mutex, NULL},
	    {"address space", "frames", two_spinlocks, NULL},
	    {"frames", "address space", two_spinlocks, WRONG("frames", "address space")},
	    {"log", "run queue", two_spinlocks, NULL},
	    {"run queue", "log", two_spinlocks, WRONG("run queue", "log")},
	    {"txn", "inode", try_locks, NULL},
	    {"inode", "names", try_locks, WRONG("inode", "names")},
	    {"names", "inode", two_inodes, NULL},
	    {"names", "inode", two_inodes, WRONG("inode", "inode")},
	    {"", "", order_over_switches, NULL},
	    {"inode", "", fault_under_a_lock, NULL},
	    {"map", "", fault_under_a_lock, "panic: lock order (I2): a page fault while \"map\" is held"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(orders); i++) {
		const struct order *order = &orders[i];
		const char *log;
		int status = harness_status(&(struct harness){.seconds = 20}, order->body, &orders[i], &log);

		if (order->panic && !strstr(log, order->panic))
			fail_msg("%zu: not said: %s", i, order->panic);
		if (status != (order->panic ? 134 : 0))
			fail_msg("%zu: status %d: %s", i, status, log);
	}
}

/* ---- waiting ---- */

static struct spinlock wait_lock = SPINLOCK_INIT("wait");
static struct waitq wait_queue = WAITQ_INIT(wait_queue);
static nsec_t wait_deadline;

static void *wait_once(void *arg)
{
	unsigned long flags = spin_lock(&wait_lock);
	long err = waitq_wait_until(&wait_queue, &wait_lock, &flags, arg ? UINT64_MAX : wait_deadline);

	spin_unlock(&wait_lock, flags);
	return (void *)err;
}

/* A waiter that has timed out but not run yet takes the wake-up: then it must say that it was woken. */
static void timeout_race_body(void *arg)
{
	struct thread *impatient, *patient;
	unsigned long flags;

	(void)arg;
	wait_deadline = clock_now() + 1000000;
	start(&impatient, wait_once, NULL);
	start(&patient, wait_once, &patient);
	thread_sleep_until(clock_now() + 10000);
	flags = spin_lock(&wait_lock);
	while (clock_now() <= wait_deadline)
		;
	spin_unlock(&wait_lock, flags); // the timer comes in here
	flags = spin_lock(&wait_lock);
	assert_int_equal(impatient->state, THREAD_RUNNABLE);
	waitq_wake_one(&wait_queue);
	spin_unlock(&wait_lock, flags);
	assert_int_equal((long)join(impatient), 0);
	flags = spin_lock(&wait_lock);
	assert_int_equal(patient->state, THREAD_WAITING);
	waitq_wake_all(&wait_queue);
	spin_unlock(&wait_lock, flags);
	assert_int_equal((long)join(patient), 0);

	wait_deadline = clock_now() + 50000;
	start(&impatient, wait_once, NULL);
	assert_int_equal((long)join(impatient), -ETIMEDOUT);
	assert_true(clock_now() >= wait_deadline && list_empty(&wait_queue.waiters));
}

static void test_timeout_race(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, timeout_race_body, NULL);
}

static uint32_t words[128] __attribute__((aligned(4096))); // 0 and 64 share a bucket
#define word words[0]
static const struct wait_note futex_note = {.kind = "word", .object = words};

static void *ping_pong(void *arg)
{
	uint32_t mine = (uint32_t)(uintptr_t)arg;

	for (int i = 0; i < ROUNDS; i++) {
		while (word != mine)
			(void)futex_wait(&word, 1 - mine, NULL, &futex_note);
		word = 1 - mine;
		futex_wake(&word, 1);
	}
	return NULL;
}

static void *wait_for_64(void *arg)
{
	int err = futex_wait(&words[64], 0, NULL, &futex_note);

	assert(err == 0);
	(void)err;
	return arg;
}

static void futex_body(void *arg)
{
	struct thread *t[2], *waiter;

	(void)arg;
	start(&waiter, wait_for_64, NULL);
	for (uintptr_t i = 0; i < 2; i++)
		start(&t[i], ping_pong, (void *)i);
	join(t[0]);
	join(t[1]);
	assert_int_equal(waiter->state, THREAD_INTERRUPTIBLE); // none of the wake-ups was for its word
	futex_wake(&words[64], 1);
	join(waiter);
	assert_int_equal(futex_wait(&word, 7, NULL, &futex_note), -EAGAIN);
	assert_int_equal(futex_wait(&word, word, &(struct deadline){.ns = clock_now() + 5000}, &futex_note),
			 -ETIMEDOUT);
	futex_wake(&word, UINT_MAX); // nobody waits
}

static void test_futex(void **state)
{
	(void)state;
	for_all_seeds(futex_body);
}

/* ---- threads ---- */

static nsec_t woken_at[4];

static void *sleep_long(void *arg)
{
	uintptr_t i = (uintptr_t)arg;

	thread_sleep_until((4 - i) * NSEC_PER_SEC);
	woken_at[i] = clock_now();
	return NULL;
}

static void sleepers_body(void *arg)
{
	struct thread *t[4];

	(void)arg;
	for (uintptr_t i = 0; i < 4; i++)
		start(&t[i], sleep_long, (void *)i);
	for (uintptr_t i = 0; i < 4; i++) {
		join(t[i]);
		assert_in_range(woken_at[i], (4 - i) * NSEC_PER_SEC, (4 - i) * NSEC_PER_SEC + NSEC_PER_MSEC);
	}
}

static void test_sleepers(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, sleepers_body, NULL);
}

static atomic_uint turns[2];

static void *spin_for_a_second(void *arg)
{
	while (clock_now() < NSEC_PER_SEC) {
		struct spinlock lock = SPINLOCK_INIT("chance"); // where the host build can preempt
		unsigned long flags = spin_lock(&lock);

		turns[(uintptr_t)arg]++;
		spin_unlock(&lock, flags);
	}
	return NULL;
}

static void slices_body(void *arg)
{
	struct thread *t[2];

	(void)arg;
	for (uintptr_t i = 0; i < 2; i++)
		start(&t[i], spin_for_a_second, (void *)i);
	join(t[0]);
	join(t[1]);
	assert_in_range(turns[0], turns[1] / 10 * 8, turns[1] / 8 * 10);
}

static void test_slices(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, slices_body, NULL);
}

static int inside;

static void *not_preempted(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		unsigned long flags;

		preempt_disable();
		preempt_disable();
		assert(inside++ == 0 && !thread_may_sleep());
		flags = spin_lock(&wait_lock);
		spin_unlock(&wait_lock, flags);
		inside--;
		preempt_enable();
		preempt_enable();
	}
	return arg;
}

static void preempt_off_body(void *arg)
{
	(void)arg;
	run_workers(not_preempted);
	assert_true(thread_may_sleep());
}

static void test_preempt_off(void **state)
{
	(void)state;
	for_all_seeds(preempt_off_body);
}

static void *end_at_once(void *arg)
{
	return arg;
}

static void ends_body(void *arg)
{
	struct thread *t;

	(void)arg;
	assert_int_equal(thread_join(thread_self(), NULL), -EDEADLK);
	for (int i = 0; i < 300; i++) {
		start(&t, end_at_once, NULL);
		if (i % 3 == 0)
			thread_sleep_until(clock_now() + 1000); // it has ended by now
		assert_int_equal(thread_detach(t), 0);
		if (i % 5 == 0)
			thread_yield();
	}
	start(&t, sleep_long, (void *)3);
	assert_int_equal(thread_detach(t), 0);
	assert_int_equal(thread_detach(t), -EINVAL);
	assert_int_equal(thread_join(t, NULL), -EINVAL);
}

static void test_ends(void **state)
{
	(void)state;
	for_all_seeds(ends_body);
}

/* ---- the report of threads ---- */

static struct mutex first = MUTEX_INIT(first, "first"), second = MUTEX_INIT(second, "second");
static struct rwlock table = RWLOCK_INIT(table, "table");

static void *wait_for_each_other(void *arg)
{
	bool turned = arg != NULL;

	mutex_lock(turned ? &second : &first);
	thread_sleep_until(clock_now() + NSEC_PER_MSEC);
	mutex_lock(turned ? &first : &second);
	return NULL;
}

static void *wait_for_all_kinds(void *arg)
{
	int err = 0;

	switch ((uintptr_t)arg) {
	case 0:
		rwlock_lock_write(&table);
		mutex_lock(&mutex);
		cond_wait(&cond, &mutex);
		break;
	case 1:
		rwlock_lock_read(&table);
		break;
	case 2:
		err = futex_wait(&word, word, &(struct deadline){.ns = clock_now() + 9 * NSEC_PER_SEC}, &futex_note);
		break;
	case 3:
		thread_sleep_until(clock_now() + 5 * NSEC_PER_SEC);
		break;
	}
	return (void *)(intptr_t)err;
}

static void *join_it(void *arg)
{
	return join(arg);
}

static void start_waiters(void)
{
	struct thread *t;

	start(&t, wait_for_each_other, NULL); // 4: boot, idle and reaper are there
	start(&t, wait_for_each_other, &second);
	for (uintptr_t i = 0; i < 4; i++)
		start(&t, wait_for_all_kinds, (void *)i);
	start(&t, join_it, t);
	thread_sleep_until(clock_now() + NSEC_PER_SEC);
}

/* Says of its holder what cannot be true. */
static void *wait_for_wild(void *arg)
{
	unsigned long flags = spin_lock(&wait_lock);

	wait_note_set((struct wait_note){.holder = arg});
	waitq_wait(&wait_queue, &wait_lock, &flags);
	spin_unlock(&wait_lock, flags);
	return NULL;
}

static void report_body(void *arg)
{
	struct thread *t;

	(void)arg;
	start_waiters();
	words[32] = words[33] = 0x1234;
	start(&t, wait_for_wild, (void *)8);
	start(&t, wait_for_wild, (void *)(uintptr_t)-8);
	start(&t, wait_for_wild, (char *)words + 3);
	start(&t, wait_for_wild, &words[32]);
	thread_yield();
	threads_print();
}

static void report_says(const char *log, const char *text)
{
	if (!strstr(log, text)) {
		fprintf(stderr, "%s", log);
		fail_msg("the report lacks: %s", text);
	}
}

static void test_report(void **state)
{
	const char *log, *own;

	(void)state;
	assert_int_equal(harness_status(&(struct harness){.seconds = 20}, report_body, NULL, &log), 0);
	report_says(log, "thread 2 boot: running");
	report_says(log, "thread 4 worker: waiting 0.99");
	report_says(log, " for mutex \"second\" of thread 5 worker; holds 1 lock \"first\"\n");
	report_says(log, " for mutex \"first\" of thread 4 worker; holds 1 lock \"second\"\n");
	report_says(log, "thread 6 worker: waiting 1.00");
	report_says(log, " for condition \"test\"; holds 1 lock \"table\"\n");
	report_says(log, " for rwlock to read \"table\" of thread 6 worker\n");
	report_says(log, " for word 0x");
	report_says(log, ", at most 7.99");
	report_says(log, ", at most 3.99");
	report_says(log, " for join \"threads\" of thread 9 worker");
	report_says(log, " for queue \"wait\"\n");
	assert_null(strstr(log, "for queue \"wait\" of"));
	own = strstr(log, "for mutex \"second\"");
	own = own ? strstr(own, "wait_for_each_other") : NULL; // its backtrace
	assert_true(own && own < strstr(log, "thread 5 worker: "));
}

static void report_in_panic_body(void *arg)
{
	(void)arg;
	start_waiters();
	panic("on purpose");
}

/* Whatever is held: with the list's lock, and the log's that every line needs, it must still come to its end. */
static void report_with_locks_body(void *arg)
{
	unsigned long flags;

	(void)arg;
	start_waiters();
	assert_true(threads_trylock(&flags));
	panic("on purpose");
}

static void test_report_in_panic(void **state)
{
	const char *log;

	(void)state;
	assert_int_equal(harness_status(&(struct harness){.seconds = 20}, report_in_panic_body, NULL, &log), 134);
	report_says(log, "panic: on purpose");
	report_says(strstr(log, "panic: on purpose"), " for mutex \"second\" of thread 5 worker");
	assert_int_equal(harness_status(&(struct harness){.seconds = 20}, report_with_locks_body, NULL, &log), 134);
	report_says(log, "threads: the list is held by somebody");
}

/* ---- log ---- */

static char logged[200000];
static size_t logged_len;

static void keep_log(const char *text, size_t len)
{
	assert(len > 0 && text[len - 1] == '\n' && !memchr(text, '\n', len - 1)); // a line at a time
	memcpy(logged + logged_len, text, len);
	logged_len += len;
	logged[logged_len] = '\0';
}

/* More lines than the ring holds: the newest come, whole and in order, wherever the oldest are cut. */
static void log_overflow(int shift)
{
	const char *line = logged;
	int number = 0, found;

	logged_len = 0;
	log_set_sink(NULL);
	for (int i = 0; i < 2000; i++)
		log_info("line %d of many that are too many for the ring", i);
	log_info("%0*d", shift + 1, 0);
	log_set_sink(keep_log);
	assert_in_range(logged_len, 60000, 66000);
	for (; sscanf(line, "[%*d.%*d] line %d of many", &found) == 1; line = strchr(line, '\n') + 1, number++) {
		if (line == logged)
			number = found;
		assert_int_equal(found, number);
	}
	assert_int_equal(number, 2000);
	assert_true(sscanf(line, "[%*d.%*d] %d", &found) == 1 && found == 0 && !strchr(strchr(line, '\n') + 1, '\n'));
}

static void log_body(void *arg)
{
	(void)arg;
	for (int shift = 0; shift < 64; shift++)
		log_overflow(shift);

	logged_len = 0;
	log_debug("not shown");
	log_set_level(LOG_WARNING);
	log_info("nor this");
	log_warning("bad name \x1b[2J\n%s", "x");
	assert_non_null(strstr(logged, "] warning: bad name ?[2J?x\n"));
	assert_null(strstr(logged, "this"));
	log_error("%0500d", 1);
	assert_in_range(logged_len, 300, 400);
	log_emergency();
	log_error("last words");
	assert_non_null(strstr(logged, "last words\n"));
}

static void test_log(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, log_body, NULL);
}

/* ---- boot arguments, wall clock: no thread needed ---- */

static void set_bootargs(const char *line)
{
	bootargs_set(line, strlen(line));
}

static void test_bootargs(void **state)
{
	static char full[BOOTARGS_MAX + 100];
	char value[8];
	char **argv;
	int argc;

	(void)state;
	set_bootargs("  console=hvc0 quiet root=vda1 empty=  --  a%20b %00 c%zz d%41% --  e%4");
	assert_int_equal(bootargs_get("console", value, sizeof(value)), 4);
	assert_string_equal(value, "hvc0");
	assert_int_equal(bootargs_get("quiet", value, sizeof(value)), 0);
	assert_int_equal(bootargs_get("empty", value, sizeof(value)), 0);
	assert_int_equal(bootargs_get("con", value, sizeof(value)), -ENOENT);
	assert_int_equal(bootargs_get("a%20b", value, sizeof(value)), -ENOENT);
	assert_int_equal(bootargs_get("root", value, 4), -ENAMETOOLONG);
	bootargs_argv("app", &argc, &argv);
	assert_int_equal(argc, 7);
	assert_string_equal(argv[0], "app");
	assert_string_equal(argv[1], "a b");
	assert_string_equal(argv[2], "");
	assert_string_equal(argv[3], "c%zz");
	assert_string_equal(argv[4], "dA%");
	assert_string_equal(argv[5], "--");
	assert_string_equal(argv[6], "e%4");
	assert_null(argv[7]);

	set_bootargs("root=--x");
	bootargs_argv("app", &argc, &argv);
	assert_int_equal(argc, 1);
	assert_null(argv[1]);

	memset(full, 'y', sizeof(full));
	memcpy(full, "-- ", 3);
	for (size_t i = 4; i < sizeof(full); i += 2)
		full[i] = ' ';
	bootargs_set(full, sizeof(full));
	bootargs_argv("app", &argc, &argv);
	assert_in_range(argc, 100, 300);
	assert_null(argv[argc]);
}

static void wall_body(void *arg)
{
	(void)arg;
	assert_int_equal(time_quality(), CLOCK_UNSET);
	assert_true(time_wall() < NSEC_PER_SEC);
	time_set_wall(5000 * NSEC_PER_SEC, CLOCK_RTC);
	time_set_wall(4000 * NSEC_PER_SEC, CLOCK_FS); // worse: not taken
	assert_int_equal(time_quality(), CLOCK_RTC);
	thread_sleep_until(clock_now() + 2 * NSEC_PER_SEC);
	assert_in_range(time_wall(), 5002 * NSEC_PER_SEC, 5003 * NSEC_PER_SEC);
	time_set_wall(6000 * NSEC_PER_SEC, CLOCK_FS); // ahead: the device must be wrong
	assert_int_equal(time_quality(), CLOCK_FS);
	assert_in_range(time_wall(), 6000 * NSEC_PER_SEC, 6001 * NSEC_PER_SEC);
	time_set_wall(5000 * NSEC_PER_SEC, CLOCK_RTC);
	assert_int_equal(time_quality(), CLOCK_FS);
	time_set_wall(7000 * NSEC_PER_SEC, CLOCK_RTC);
	assert_int_equal(time_quality(), CLOCK_RTC);
	nsec_t before = clock_now();
	time_set_wall(100 * NSEC_PER_SEC, CLOCK_SET); // back, as asked
	assert_in_range(time_wall(), 100 * NSEC_PER_SEC, 101 * NSEC_PER_SEC);
	assert_in_range(clock_now(), before, before + NSEC_PER_MSEC);
	time_set_wall(8000 * NSEC_PER_SEC, CLOCK_FS);
	time_set_wall(8000 * NSEC_PER_SEC, CLOCK_RTC);
	assert_int_equal(time_quality(), CLOCK_SET);
	assert_in_range(time_wall(), 100 * NSEC_PER_SEC, 101 * NSEC_PER_SEC);
}

static void test_wall_clock(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, wall_body, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_locks),	  cmocka_unit_test(test_cond),
	    cmocka_unit_test(test_no_starvation), cmocka_unit_test(test_misuse_is_caught),
	    cmocka_unit_test(test_lock_order),	  cmocka_unit_test(test_timeout_race),
	    cmocka_unit_test(test_futex),	  cmocka_unit_test(test_sleepers),
	    cmocka_unit_test(test_slices),	  cmocka_unit_test(test_preempt_off),
	    cmocka_unit_test(test_ends),	  cmocka_unit_test(test_log),
	    cmocka_unit_test(test_bootargs),	  cmocka_unit_test(test_wall_clock),
	    cmocka_unit_test(test_report),	  cmocka_unit_test(test_report_in_panic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
