// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The harts of the host build: one, or several that run at once (the parallel mode). A hart is held by the Linux thread
 * that has its baton; each Linux thread notes which one that is when it is given the baton. A hart that waits for an
 * interrupt sleeps on a futex of its own.
 *
 * host_machine guards what harts do to each other. It is no lock of the kernel's, and this file is not compiled with
 * the thread sanitizer, so the order that it brings about hides no race: a board's interrupts bring about none. Never
 * sleeps but in irq_wait; any context.
 */
#include <assert.h>
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arch/clock.h"
#include "arch/hart.h"
#include "arch/host/host.h"
#include "arch/irq.h"
#include "arch/trap.h"

void (*host_stuck_hook)(void);

struct host_lock host_machine;
struct host_hart host_harts[HARTS_MAX] = {[0 ... HARTS_MAX - 1] = {.deadline = HOST_NEVER}};

static unsigned hart_count = 1; // constant once there are several
static _Thread_local struct host_hart *held = &host_harts[0];
static _Atomic(struct host_hart *) stopper; // the hart that the others have stopped for

struct host_hart *host_hart(void)
{
	return held;
}

void host_hart_hold(struct host_hart *hart)
{
	held = hart;
}

bool host_is_parallel(void)
{
	return hart_count > 1;
}

struct hart *hart_self(void)
{
	return &held->hart;
}

struct thread *thread_self(void)
{
	return held->hart.current;
}

struct hart *hart_at(unsigned index)
{
	return &host_harts[index].hart;
}

/* Who is waited for may be a Linux thread that does not run. */
void hart_relax(void)
{
	if (sched_yield() < 0)
		host_die("sched_yield");
}

void host_lock(struct host_lock *lock)
{
	while (atomic_exchange_explicit(&lock->held, true, memory_order_acquire))
		hart_relax();
}

void host_unlock(struct host_lock *lock)
{
	atomic_store_explicit(&lock->held, false, memory_order_release);
}

/* ---- waiting and waking ---- */
void host_hart_wake_locked(struct host_hart *hart)
{
	if (!hart->waits)
		return;
	hart->waits = false;
	atomic_fetch_add_explicit(&hart->wakes, 1, memory_order_relaxed);
	if (syscall(SYS_futex, &hart->wakes, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) < 0)
		host_die("futex");
}

/* Of its own hart: irq_enable looks at need_resched, which is all that the interrupt would do. */
void hart_interrupt(struct hart *to)
{
	struct host_hart *hart = container_of(to, struct host_hart, hart);

	if (hart == held)
		return;
	host_lock(&host_machine);
	hart->soft = true;
	host_hart_wake_locked(hart);
	host_unlock(&host_machine);
}

bool host_soft_take(struct host_hart *self)
{
	bool soft;

	if (!host_is_parallel())
		return false;
	host_lock(&host_machine);
	soft = self->soft;
	self->soft = false;
	host_unlock(&host_machine);
	return soft;
}

/* Nothing can ever happen again: a lost wake-up, or a deadlock. */
_Noreturn void host_stuck(void)
{
	if (host_stuck_hook)
		host_stuck_hook();
	errno = EDEADLK;
	host_die("every thread waits and no interrupt is due");
}

static bool all_wait_for_ever_locked(void)
{
	for (unsigned i = 0; i < hart_count; i++)
		if (!host_harts[i].waits || host_harts[i].waits_until != HOST_NEVER)
			return false;
	return true;
}

void host_hart_wait(struct host_hart *self)
{
	unsigned seen = atomic_load_explicit(&self->wakes, memory_order_relaxed);
	nsec_t now = clock_now(), until;
	bool waits, stuck;

	host_lock(&host_machine);
	until = host_next_locked(self);
	waits = !self->soft && until > now;
	self->waits = waits;
	self->waits_until = until;
	stuck = waits && all_wait_for_ever_locked();
	host_unlock(&host_machine);
	if (stuck)
		host_stuck();
	if (waits) {
		nsec_t left = until - now;
		struct timespec ts = {.tv_sec = (time_t)(left / 1000000000u), .tv_nsec = (long)(left % 1000000000u)};

		if (syscall(SYS_futex, &self->wakes, FUTEX_WAIT_PRIVATE, seen, until == HOST_NEVER ? NULL : &ts, NULL,
			    0) < 0 &&
		    errno != EAGAIN && errno != EINTR && errno != ETIMEDOUT)
			host_die("futex");
	}
	host_lock(&host_machine);
	self->waits = false;
	host_unlock(&host_machine);
}

/* ---- the end, and the beginning ---- */
/* They stop where they next unmask interrupts or wait for one. */
void harts_stop(void)
{
	struct host_hart *nobody = NULL;

	if (!host_is_parallel() || !atomic_compare_exchange_strong(&stopper, &nobody, held))
		return;
	host_lock(&host_machine);
	for (unsigned i = 0; i < hart_count; i++)
		host_hart_wake_locked(&host_harts[i]);
	host_unlock(&host_machine);
}

void host_stop_if_told(void)
{
	struct host_hart *other = atomic_load_explicit(&stopper, memory_order_relaxed);

	while (other && other != held)
		pause();
}

static void *hart_main(void *arg)
{
	host_thread_enter();
	held = arg;
	sched_hart_enter();
}

void host_harts_start(unsigned count)
{
	pthread_t thread;

	assert(hart_count == 1 && count > 1 && count <= HARTS_MAX);
	host_clock_real();
	hart_count = count;
	for (unsigned i = 1; i < count; i++) {
		errno = pthread_create(&thread, NULL, hart_main, &host_harts[i]);
		if (errno)
			host_die("pthread_create");
	}
}
