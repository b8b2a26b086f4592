// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Threads, locks, waiting, memory and the log on several harts that run at once; built with the address sanitizer and
 * with the thread sanitizer. That the parallel mode and the thread sanitizer see what they are to see is shown first.
 */
#include "tests/host/harness.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "arch/clock.h"
#include "arch/hart.h"
#include "kernel/log.h"
#include "kernel/mutex.h"
#include "kernel/panic.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "mm/frame.h"
#include "mm/kmalloc.h"
#include "posix/futex.h"

#define WORKERS 6
#define STATUS_RACE 66 // the thread sanitizer's

void __tsan_init(void) __attribute__((weak)); // in programs built with the thread sanitizer

static unsigned rounds;

static void run_workers(void *(*entry)(void *))
{
	struct thread *t[WORKERS];

	for (uintptr_t i = 0; i < WORKERS; i++)
		assert_int_equal(thread_create("worker", THREAD_STACK_SIZE, entry, (void *)i, &t[i]), 0);
	for (int i = 0; i < WORKERS; i++)
		assert_int_equal(thread_join(t[i], NULL), 0);
}

static void on_harts(void (*body)(void *))
{
	static const unsigned rounds_of[] = {[EFFORT_QUICK] = 60, [EFFORT_DEFAULT] = 300, [EFFORT_LONG] = 3000};

	rounds = rounds_of[harness_effort()];
	for (unsigned harts = 2; harts <= 4; harts++)
		harness_run(&(struct harness){.harts = harts, .seed = harts, .preempt_in = 20}, body, NULL);
}

/* ---- the means ---- */
static atomic_uint arrived;
static int counter;

/* Both run at once, for each waits until the other has come. Relaxed: that orders nothing. */
static void *count_unlocked(void *arg)
{
	atomic_fetch_add_explicit(&arrived, 1, memory_order_relaxed);
	while (atomic_load_explicit(&arrived, memory_order_relaxed) < 2)
		hart_relax();
	for (int i = 0; i < 1000; i++)
		*(volatile int *)&counter += 1;
	return arg;
}

static void race_body(void *arg)
{
	struct thread *t[2];

	(void)arg;
	for (int i = 0; i < 2; i++)
		assert_int_equal(thread_create("racer", THREAD_STACK_SIZE, count_unlocked, NULL, &t[i]), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(thread_join(t[i], NULL), 0);
}

static void test_race_is_seen(void **state)
{
	const struct harness two = {.harts = 2, .seconds = 30};

	(void)state;
	assert_int_equal(harness_status(&two, race_body, NULL, NULL), __tsan_init ? STATUS_RACE : 0);
}

static void deadlock_body(void *arg)
{
	struct mutex m = MUTEX_INIT(m, "test");
	struct cond c = COND_INIT(c, "test");

	(void)arg;
	mutex_lock(&m);
	for (;;)
		cond_wait(&c, &m);
}

static void panic_body(void *arg)
{
	(void)arg;
	panic("as asked");
}

static void test_ends(void **state)
{
	const struct harness three = {.harts = 3, .seconds = 30};
	const char *log;

	(void)state;
	assert_int_equal(harness_status(&three, deadlock_body, NULL, &log), 128 + 6);
	assert_non_null(strstr(log, "boot: waiting"));
	assert_int_equal(harness_status(&three, panic_body, NULL, &log), 134);
	assert_non_null(strstr(log, "as asked"));
}

/* Each of as many threads as there are harts waits for all the others without giving its hart up. */
static void *meet(void *arg)
{
	atomic_fetch_add(&arrived, 1);
	while (atomic_load(&arrived) < harness_config()->harts)
		hart_relax();
	return arg;
}

static void all_run_body(void *arg)
{
	struct thread *t[4];

	(void)arg;
	for (unsigned i = 0; i < harness_config()->harts; i++)
		assert_int_equal(thread_create("guest", THREAD_STACK_SIZE, meet, NULL, &t[i]), 0);
	for (unsigned i = 0; i < harness_config()->harts; i++)
		assert_int_equal(thread_join(t[i], NULL), 0);
}

static void test_all_harts_run(void **state)
{
	(void)state;
	on_harts(all_run_body);
}

/* ---- locks ---- */
static struct mutex mutex = MUTEX_INIT(mutex, "test");
static struct rwlock rwlock = RWLOCK_INIT(rwlock, "test");
static struct cond cond = COND_INIT(cond, "test");
static int under_mutex, under_rwlock, queued;

static void *use_locks(void *arg)
{
	for (unsigned i = 0; i < rounds; i++) {
		mutex_lock(&mutex);
		assert(mutex_owned(&mutex));
		under_mutex++;
		if (i % 7 == 0)
			thread_yield();
		mutex_unlock(&mutex);
		if (mutex_trylock(&mutex)) {
			under_mutex++;
			mutex_unlock(&mutex);
		} else {
			assert(!mutex_owned(&mutex));
		}
		if (i % 5 == 0) {
			rwlock_lock_write(&rwlock);
			assert(rwlock_owned_write(&rwlock));
			under_rwlock++;
			rwlock_unlock_write(&rwlock);
		} else {
			int before;

			rwlock_lock_read(&rwlock);
			before = under_rwlock;
			if (i % 11 == 0)
				thread_sleep_until(clock_now() + 20000);
			assert(under_rwlock == before);
			rwlock_unlock_read(&rwlock);
		}
		if (i % 13 == 0)
			thread_set_priority(thread_self(), i % 3);
	}
	return arg;
}

static void *produce_or_consume(void *arg)
{
	bool produces = (uintptr_t)arg % 2;

	for (unsigned i = 0; i < rounds; i++) {
		mutex_lock(&mutex);
		while (!produces && queued == 0) {
			int err = cond_wait_until(&cond, &mutex, clock_now() + 30000);

			assert(err == 0 || err == -ETIMEDOUT);
			(void)err;
		}
		queued += produces ? 1 : -1;
		if (produces && i % 2)
			cond_signal(&cond);
		else if (produces)
			cond_broadcast(&cond);
		mutex_unlock(&mutex);
	}
	return NULL;
}

static void locks_body(void *arg)
{
	(void)arg;
	run_workers(use_locks);
	assert_in_range(under_mutex, WORKERS * rounds, 2 * WORKERS * rounds);
	assert_int_equal(under_rwlock, WORKERS * ((rounds + 4) / 5));
	run_workers(produce_or_consume);
	assert_int_equal(queued, 0);
}

static void test_locks(void **state)
{
	(void)state;
	on_harts(locks_body);
}

/* ---- waiting ---- */
static struct spinlock ring_lock = SPINLOCK_INIT("ring");
static struct waitq ring_waitq = WAITQ_INIT(ring_waitq);
static unsigned turn;

/* The turn goes round; who has it passes it on. */
static void *take_turns(void *arg)
{
	const unsigned self = (unsigned)(uintptr_t)arg;

	for (unsigned i = 0; i < rounds; i++) {
		unsigned long flags = spin_lock(&ring_lock);

		while (turn % WORKERS != self)
			if (i % 3)
				waitq_wait(&ring_waitq, &ring_lock, &flags);
			else
				(void)waitq_wait_until(&ring_waitq, &ring_lock, &flags, clock_now() + 50000);
		turn++;
		waitq_wake_all(&ring_waitq);
		spin_unlock(&ring_lock, flags);
	}
	return NULL;
}

static _Atomic uint32_t word;
static const struct wait_note word_note = {.kind = "word", .object = &word};

static void *pass_word(void *arg)
{
	const uint32_t self = (uint32_t)(uintptr_t)arg;

	for (unsigned i = 0; i < rounds; i++) {
		uint32_t now;

		while ((now = atomic_load(&word)) % WORKERS != self)
			(void)futex_wait((const uint32_t *)&word, now, NULL, &word_note);
		atomic_store(&word, now + 1);
		futex_wake((const uint32_t *)&word, FUTEX_ALL);
	}
	return NULL;
}

static void waiting_body(void *arg)
{
	(void)arg;
	run_workers(take_turns);
	assert_int_equal(turn, WORKERS * rounds);
	run_workers(pass_word);
	assert_int_equal(atomic_load(&word), WORKERS * rounds);
}

static void test_waiting(void **state)
{
	(void)state;
	on_harts(waiting_body);
}

/* ---- life, reports, time, memory ---- */
static void *end_at_once(void *arg)
{
	return arg;
}

static void *make_threads(void *arg)
{
	for (unsigned i = 0; i < rounds / 10; i++) {
		struct thread *t;
		void *result;
		int err = thread_create("short", THREAD_STACK_SIZE, end_at_once, &rounds, &t);

		assert(err == 0);
		if (i % 2) {
			err = thread_join(t, &result);
			assert(err == 0 && result == &rounds);
		} else {
			err = thread_detach(t);
			assert(err == 0);
		}
		(void)err;
		if ((uintptr_t)arg == 0 && i % 8 == 0)
			threads_print();
		log_info("worker %u: round %u", (unsigned)(uintptr_t)arg, i);
		time_set_wall(i * NSEC_PER_SEC, CLOCK_RTC);
		(void)time_wall();
	}
	return NULL;
}

/* What was got is nobody else's until it is given back. */
static void *use_memory(void *arg)
{
	const int self = (int)(uintptr_t)arg + 1;

	for (unsigned i = 0; i < rounds; i++) {
		const size_t size = 1 + (i * 131 + (unsigned)self * 977) % 9000;
		uint8_t *piece = kmalloc(size);
		struct page *frame = frame_alloc();

		assert(piece && frame);
		memset(piece, self, size);
		memset(page_va(frame), self, PAGE_SIZE);
		if (i % 16 == 0)
			thread_yield();
		for (size_t at = 0; at < size; at++)
			assert(piece[at] == self);
		assert(*(uint8_t *)page_va(frame) == self);
		kfree(piece);
		frame_free(frame);
	}
	return NULL;
}

static void life_body(void *arg)
{
	const size_t used = kmalloc_used();

	(void)arg;
	run_workers(make_threads);
	run_workers(use_memory);
	assert_in_range(kmalloc_used(), used, used + 64); // size classes may keep some
}

static void test_life(void **state)
{
	(void)state;
	on_harts(life_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_race_is_seen), cmocka_unit_test(test_ends),	 cmocka_unit_test(test_all_harts_run),
	    cmocka_unit_test(test_locks),	 cmocka_unit_test(test_waiting), cmocka_unit_test(test_life),
	};

	return cmocka_run_group_tests_name("harts in parallel: kernel", tests, NULL, NULL);
}
