// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The scheduler: one run queue, round robin, and the sleepers in the order of their waking. The timer is armed only for
 * the first sleeper, or for the end of the slice when somebody else is runnable; a timer that has become too early is
 * left as it is, since setting it costs a call to the firmware, and is set right when it fires.
 * The lock is held across a switch and given up by the thread switched to.
 */

#include "kernel/sched.h"

#include <assert.h>
#include <errno.h>

#include "arch/clock.h"
#include "arch/hart.h"
#include "arch/irq.h"
#include "kernel/panic.h"
#include "kernel/time.h"

#define IDLE_STACK_SIZE (16 * 1024)

static struct {
	struct spinlock lock;	   // guards all here, and the threads' scheduling fields
	struct list_node runnable; // struct thread.run_node
	struct list_node sleepers; // struct thread.sleep_node, soonest first
	nsec_t armed;		   // what the timer is set to
	struct thread boot;
} sched = {
    .lock = SPINLOCK_INIT("sched"),
    .runnable = LIST_INIT(sched.runnable),
    .sleepers = LIST_INIT(sched.sleepers),
    .armed = NEVER,
};

static nsec_t next_deadline_locked(const struct hart *hart)
{
	struct list_node *first = list_first(&sched.sleepers);
	nsec_t deadline = first ? list_entry(first, struct thread, sleep_node)->wake_at : NEVER;

	if (!list_empty(&sched.runnable) && hart->current != hart->idle && !hart->need_resched)
		deadline = min_of(deadline, hart->current->slice_end);
	return deadline;
}

static void timer_update_locked(const struct hart *hart)
{
	nsec_t deadline = next_deadline_locked(hart);

	if (deadline < sched.armed) {
		sched.armed = deadline;
		clock_arm(deadline);
	}
}

static void make_runnable_locked(struct thread *t)
{
	struct hart *hart = hart_self();

	list_remove(&t->sleep_node);
	t->state = THREAD_RUNNABLE;
	list_push_back(&sched.runnable, &t->run_node);
	if (hart->current == hart->idle)
		hart->need_resched = true;
	timer_update_locked(hart);
}

static void sleeper_insert_locked(struct thread *t)
{
	struct list_node *at = sched.sleepers.prev;

	while (at != &sched.sleepers && list_entry(at, struct thread, sleep_node)->wake_at > t->wake_at)
		at = at->prev;
	list_insert(at, at->next, &t->sleep_node);
}

/* Runs the next thread. The current one has its new state already, and is queued if it is to run again. */
static void switch_locked(void)
{
	struct hart *hart = hart_self();
	struct thread *prev = hart->current;
	struct list_node *node = list_pop_front(&sched.runnable);
	struct thread *next = node ? list_entry(node, struct thread, run_node) : hart->idle;

	hart->need_resched = false;
	next->state = THREAD_RUNNING;
	next->slice_end = clock_now() + SLICE_NS;
	hart->current = next;
	hart->kstack_base = next->kstack_base;
	hart->kstack_top = next->kstack_top;
	timer_update_locked(hart);
	if (next != prev)
		context_switch(&prev->context, &next->context);
}

/* Gives way if somebody else is runnable. */
static void yield_locked(void)
{
	struct hart *hart = hart_self();
	struct thread *self = hart->current;

	hart->need_resched = false;
	if (list_empty(&sched.runnable))
		return;
	self->state = THREAD_RUNNABLE;
	if (self != hart->idle)
		list_push_back(&sched.runnable, &self->run_node);
	switch_locked();
}

void sched_block(enum thread_state state, nsec_t wake_at, struct spinlock *outer, unsigned long flags)
{
	struct thread *self = thread_self();
	unsigned long inner_flags = spin_lock(&sched.lock);

	if (outer)
		spin_unlock(outer, inner_flags);
	if (state != THREAD_INTERRUPTIBLE || !atomic_load_explicit(&self->interrupted, memory_order_relaxed)) {
		self->state = state;
		self->wake_at = wake_at;
		if (wake_at != NEVER)
			sleeper_insert_locked(self);
		switch_locked();
	}
	spin_unlock(&sched.lock, outer ? flags : inner_flags);
}

void sched_wake(struct thread *t)
{
	unsigned long flags = spin_lock(&sched.lock);

	if (t->state == THREAD_WAITING || t->state == THREAD_INTERRUPTIBLE)
		make_runnable_locked(t);
	spin_unlock(&sched.lock, flags);
}

void thread_interrupt(struct thread *t)
{
	unsigned long flags = spin_lock(&sched.lock);

	atomic_store_explicit(&t->interrupted, true, memory_order_relaxed);
	if (t->state == THREAD_INTERRUPTIBLE)
		make_runnable_locked(t);
	spin_unlock(&sched.lock, flags);
}

bool thread_interrupted(void)
{
	const struct thread *self = hart_self()->current;

	return self && atomic_load_explicit(&self->interrupted, memory_order_relaxed);
}

void sched_entered(void)
{
	spin_unlock(&sched.lock, irq_save());
	irq_enable();
}

void sched_wait_left(struct thread *t)
{
	unsigned long flags = spin_lock(&sched.lock);

	assert(t->state == THREAD_DEAD);
	(void)t;
	spin_unlock(&sched.lock, flags);
}

void sched_timer(nsec_t now)
{
	struct hart *hart = hart_self();
	unsigned long flags = spin_lock(&sched.lock);
	struct list_node *node;

	sched.armed = 0; // nothing is earlier, so the timer is set once, below
	while ((node = list_first(&sched.sleepers)) && list_entry(node, struct thread, sleep_node)->wake_at <= now)
		make_runnable_locked(list_entry(node, struct thread, sleep_node));
	if (!list_empty(&sched.runnable) && (hart->current == hart->idle || hart->current->slice_end <= now))
		hart->need_resched = true;
	sched.armed = next_deadline_locked(hart);
	clock_arm(sched.armed);
	spin_unlock(&sched.lock, flags);
}

void sched_preempt(void)
{
	struct hart *hart = hart_self();
	struct thread *self = hart->current;
	unsigned long flags;

	if (!self || !hart->need_resched || hart->irq_depth || self->preempt_off || self->spin_depth)
		return;
	flags = spin_lock(&sched.lock);
	yield_locked();
	spin_unlock(&sched.lock, flags);
}

void preempt_disable(void)
{
	thread_self()->preempt_off++;
}

void preempt_enable(void)
{
	struct thread *self = thread_self();
	unsigned long flags;

	assert(self->preempt_off > 0);
	if (--self->preempt_off > 0 || !irq_enabled())
		return;
	flags = irq_save();
	sched_preempt();
	irq_restore(flags);
}

void thread_yield(void)
{
	unsigned long flags;

	assert(thread_may_sleep());
	flags = spin_lock(&sched.lock);
	yield_locked();
	spin_unlock(&sched.lock, flags);
}

void thread_sleep_until(nsec_t deadline)
{
	assert(thread_may_sleep());
	if (deadline > clock_now())
		sched_block(THREAD_WAITING, deadline, NULL, 0);
}

int thread_sleep_interruptible(nsec_t deadline)
{
	struct thread *self = thread_self();

	assert(thread_may_sleep());
	if (deadline > clock_now())
		sched_block(THREAD_INTERRUPTIBLE, deadline, NULL, 0);
	return deadline > clock_now() && atomic_load_explicit(&self->interrupted, memory_order_relaxed) ? -EINTR : 0;
}

static _Noreturn void *idle_main(void *arg)
{
	unsigned long flags;

	(void)arg;
	for (;;) {
		flags = irq_save();
		/* Masked, so an interrupt that makes somebody runnable is either seen here or ends the waiting. */
		if (list_empty(&sched.runnable))
			irq_wait();
		irq_restore(flags);
		thread_yield();
	}
}

void sched_init(void)
{
	struct hart *hart = hart_self();
	struct thread *boot = &sched.boot;

	boot->state = THREAD_RUNNING;
	boot->kstack_base = hart->kstack_base;
	boot->kstack_top = hart->kstack_top;
	boot->wake_at = NEVER;
	list_init(&boot->run_node);
	list_init(&boot->sleep_node);
	list_init(&boot->wait_node);
	hart->current = boot;
	if (thread_make("idle", IDLE_STACK_SIZE, idle_main, NULL, &hart->idle))
		panic("no memory for the idle thread");
	thread_init(boot);
}
