// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The scheduler. Each hart has a run queue: threads that are ready, by priority and then in order; and the sleepers
 * that went to sleep there, in the order of their waking. A thread becomes ready in the queue that it belongs to, of
 * the hart that it ran on last; and the hart that runs the lowest priority, if that is below the thread's, is told to
 * look. A hart that looks, blocks or is idle runs the first of its highest level, or of another hart's if that is
 * higher: so the highest priorities run, and a hart is idle only if nobody is ready. At the end of a slice equals are
 * taken from others' queues too, so that all of them come to run.
 *
 * Locks: one spinlock a run queue guards it and the scheduling fields of the threads that belong to it (thread.rq). It
 * is held across a switch and given up by the thread switched to, so whoever takes it afterwards knows that the thread
 * switched away from has left its stack. Two are held at once only by a hart that takes a thread from another's queue,
 * and the second is only tried; the hart looks again after the switch, and so tries again. Order: any other spinlock ->
 * a run queue's.
 *
 * The hints (running, best) are read without the lock. Who makes a thread ready raises best and then looks at what the
 * harts run; a hart says what it runs and then looks at the best of all. Both are sequentially consistent, so one of
 * the two sees the other, and no thread waits beside a hart that it ought to have.
 *
 * The timer of a hart is armed only for its first sleeper, or for the end of the slice when somebody of the same
 * priority is ready; a timer that has become too early is left as it is, since setting it costs a call to the firmware,
 * and is set right when it fires.
 */

#include "kernel/sched.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>

#include "arch/cache.h"
#include "arch/clock.h"
#include "arch/hart.h"
#include "arch/irq.h"
#include "arch/trap.h"
#include "kernel/interrupts.h"
#include "kernel/panic.h"

#define IDLE_STACK_SIZE (16 * 1024)
#define IDLE (-1)	// below every priority
#define OFFLINE INT_MAX // above every one: nothing is given to a hart that has not begun

struct runqueue {
	struct spinlock lock; // guards all here, and the scheduling fields of the threads that belong to it
	struct list_node ready[THREAD_PRIORITIES]; // struct thread.run_node
	uint32_t levels;			   // bit p: ready[p] holds somebody
	struct list_node sleepers;		   // struct thread.sleep_node, soonest first
	nsec_t armed;				   // what the hart's timer is set to
	unsigned index;				   // of the hart

	atomic_int running;	 // hint: priority of the thread that runs, or ought to; IDLE; OFFLINE
	atomic_int best;	 // hint: highest level with somebody ready; IDLE: none
	atomic_bool interrupted; // the hart was sent an interrupt and has not looked yet

	/* Written by the hart alone, read by all; relaxed, and it is as of some moment near. */
	atomic_uint_least64_t online, idle_from,
	    idled; // since when; the same of its waiting, 0: it runs; waited so far
};

_Static_assert(THREAD_PRIORITIES <= 32, "levels");

static struct runqueue queues[HARTS_MAX];
static atomic_uint queue_count; // of harts that were added: the others' queues are not looked at
static struct thread boot_thread;

#define for_each_rq(rq)                                                                                                \
	for (struct runqueue *rq = queues; rq < queues + atomic_load_explicit(&queue_count, memory_order_relaxed); rq++)

static struct runqueue *rq_self(void)
{
	return &queues[hart_self()->index];
}

/* Of the hart that runs, which it then is for as long as the lock is held. */
static struct runqueue *rq_lock_self(unsigned long *flags)
{
	struct runqueue *rq;

	*flags = irq_save();
	rq = rq_self();
	(void)spin_lock(&rq->lock);
	return rq;
}

/* The one that the thread belongs to, locked. */
static struct runqueue *rq_lock_of(struct thread *t, unsigned long *flags)
{
	for (;;) {
		/* Relaxed: what else is read of the thread is read under the lock, and the check below is too. */
		struct runqueue *rq = atomic_load_explicit(&t->rq, memory_order_relaxed);

		*flags = spin_lock(&rq->lock);
		if (rq == atomic_load_explicit(&t->rq, memory_order_relaxed))
			return rq;
		spin_unlock(&rq->lock, *flags);
	}
}

/* Relaxed: for reports; who relies on it holds the lock. */
static void state_set(struct thread *t, enum thread_state state)
{
	__atomic_store_n(&t->state, state, __ATOMIC_RELAXED);
}

/* ---- the levels ---- */
static void best_update_locked(struct runqueue *rq)
{
	/* Most threads have priority 0. */
	atomic_store(&rq->best, rq->levels > 1 ? 31 - __builtin_clz(rq->levels) : (int)rq->levels - 1);
}

static void ready_add_locked(struct runqueue *rq, struct thread *t, bool first)
{
	if (first)
		list_push_front(&rq->ready[thread_priority(t)], &t->run_node);
	else
		list_push_back(&rq->ready[thread_priority(t)], &t->run_node);
	rq->levels |= 1u << thread_priority(t);
	best_update_locked(rq);
}

static void ready_remove_locked(struct runqueue *rq, struct thread *t)
{
	list_remove(&t->run_node);
	if (list_empty(&rq->ready[thread_priority(t)]))
		rq->levels &= ~(1u << thread_priority(t));
	best_update_locked(rq);
}

/* The first of the highest level, if that is at least `least`. */
static struct thread *ready_take_locked(struct runqueue *rq, int least)
{
	int best = atomic_load_explicit(&rq->best, memory_order_relaxed);
	struct thread *t;

	if (best == IDLE || best < least)
		return NULL;
	t = list_entry(list_first(&rq->ready[best]), struct thread, run_node);
	ready_remove_locked(rq, t);
	return t;
}

/* Another hart's thread, of a higher level than the own ones and at least of `least`. */
static struct thread *ready_steal_locked(struct runqueue *rq, int least)
{
	int best = max_of(atomic_load_explicit(&rq->best, memory_order_relaxed), least - 1);
	struct runqueue *from = NULL;
	struct thread *t;
	unsigned long flags;

	if (atomic_load_explicit(&queue_count, memory_order_relaxed) == 1)
		return NULL;
	for_each_rq (other) {
		int level = atomic_load(&other->best);

		if (level > best) {
			best = level;
			from = other;
		}
	}
	if (!from || from == rq || !spin_trylock(&from->lock, &flags))
		return NULL;
	t = ready_take_locked(from, max_of(atomic_load_explicit(&rq->best, memory_order_relaxed) + 1, least));
	if (t)
		atomic_store_explicit(&t->rq, rq, memory_order_relaxed);
	spin_unlock(&from->lock, flags);
	return t;
}

static int best_anywhere(void)
{
	int best = IDLE;

	for_each_rq (rq)
		best = max_of(best, atomic_load(&rq->best));
	return best;
}

/* ---- the timer ---- */
static nsec_t next_deadline_locked(struct runqueue *rq, const struct hart *hart)
{
	struct list_node *first = list_first(&rq->sleepers);
	nsec_t deadline = first ? list_entry(first, struct thread, sleep_node)->wake_at : NEVER;

	if (hart->current != hart->idle && !hart->need_resched &&
	    best_anywhere() >= (int)thread_priority(hart->current))
		deadline = min_of(deadline, hart->current->slice_end);
	return deadline;
}

static void timer_update_locked(struct runqueue *rq, const struct hart *hart)
{
	nsec_t deadline = next_deadline_locked(rq, hart);

	if (deadline < rq->armed) {
		rq->armed = deadline;
		clock_arm(deadline);
	}
}

static void sleeper_insert_locked(struct runqueue *rq, struct thread *t)
{
	struct list_node *at = rq->sleepers.prev;

	while (at != &rq->sleepers && list_entry(at, struct thread, sleep_node)->wake_at > t->wake_at)
		at = at->prev;
	list_insert(at, at->next, &t->sleep_node);
}

/* ---- making threads ready ---- */
static int running_priority(const struct hart *hart)
{
	return hart->current == hart->idle ? IDLE : (int)thread_priority(hart->current);
}

/* This hart looks: whether another thread ought to run, and when it wants to look next. */
static void look_locked(struct runqueue *rq, struct hart *hart)
{
	int running = running_priority(hart);

	atomic_store(&rq->running, running); // whoever raised it may have been taken elsewhere
	if (best_anywhere() > running && !hart->need_resched) {
		hart->need_resched = true;
		/* In an interrupt, the way out of it sees to the rest; a thread needs one. */
		if (!hart->irq_depth)
			hart_interrupt(hart);
	}
	timer_update_locked(rq, hart);
}

/* Has the hart of a queue look; `held` is locked, or NULL. */
static void look_ask(struct runqueue *rq, const struct runqueue *held)
{
	struct hart *hart = hart_self();

	if (rq == held && rq->index == hart->index)
		look_locked(rq, hart);
	else if (!atomic_exchange(&rq->interrupted, true))
		hart_interrupt(hart_at(rq->index));
}

void trap_soft(void)
{
	unsigned long flags;
	struct runqueue *rq = rq_lock_self(&flags);

	interrupt_count(INTERRUPT_SOFT);
	atomic_store(&rq->interrupted, false);
	look_locked(rq, hart_self());
	spin_unlock(&rq->lock, flags);
}

/*
 * A thread of this level is ready in the queue, whose best was raised before: tells the hart that ought to run it. If
 * that runs an equal, the thread shares its slices, which begin to end.
 */
static void tell_locked(struct runqueue *rq, int level)
{
	const int here = atomic_load(&rq->running);
	struct runqueue *to = rq;
	int lowest = here;

	for_each_rq (other) {
		int running = atomic_load(&other->running);

		if (running < lowest) {
			lowest = running;
			to = other;
		}
	}
	if (lowest > level)
		return;
	if (lowest < level) // so that the next one is told elsewhere; if it has changed, that hart has looked
		(void)atomic_compare_exchange_strong(&to->running, &lowest, level);
	look_ask(to, rq);
}

static void ready_wake_locked(struct runqueue *rq, struct thread *t)
{
	list_remove(&t->sleep_node);
	state_set(t, THREAD_RUNNABLE);
	ready_add_locked(rq, t, false);
	tell_locked(rq, (int)thread_priority(t));
}

void sched_wake(struct thread *t)
{
	unsigned long flags;
	struct runqueue *rq = rq_lock_of(t, &flags);

	if (t->state == THREAD_WAITING || t->state == THREAD_INTERRUPTIBLE)
		ready_wake_locked(rq, t);
	spin_unlock(&rq->lock, flags);
}

void sched_timer(nsec_t now)
{
	struct hart *hart = hart_self();
	struct list_node *node;
	unsigned long flags;
	struct runqueue *rq = rq_lock_self(&flags);

	rq->armed = 0; // nothing is earlier, so the timer is set once, below
	while ((node = list_first(&rq->sleepers)) && list_entry(node, struct thread, sleep_node)->wake_at <= now)
		ready_wake_locked(rq, list_entry(node, struct thread, sleep_node));
	if (hart->current != hart->idle && hart->current->slice_end <= now && best_anywhere() >= running_priority(hart))
		hart->need_resched = true;
	rq->armed = next_deadline_locked(rq, hart);
	clock_arm(rq->armed);
	spin_unlock(&rq->lock, flags);
}

/* ---- switching ---- */
/* Runs `next`, or the idle thread. The current one has its new state already, and is queued if it is to run again. */
static void switch_locked(struct runqueue *rq, struct thread *next)
{
	struct hart *hart = hart_self();
	struct thread *prev = hart->current;
	const nsec_t now = clock_now();

	next = next ? next : hart->idle;
	hart->need_resched = false;
	state_set(next, THREAD_RUNNING);
	__atomic_store_n(&prev->left_at, now, __ATOMIC_RELAXED);
	next->slice_end = atomic_load_explicit(&next->unsliced, memory_order_relaxed) ? NEVER : now + SLICE_NS;
	hart->current = next;
	hart->kstack_base = next->kstack_base;
	hart->kstack_top = next->kstack_top;
	look_locked(rq, hart); // for what could not be taken, or has become ready meanwhile
	if (next->hart != rq->index) {
		__atomic_store_n(&next->hart, rq->index, __ATOMIC_RELAXED);
		icache_follow();
	}
	if (next != prev)
		context_switch(&prev->context, &next->context);
}

/* The other side of a switch, perhaps on another hart than before it. */
static void rq_unlock_self(unsigned long flags)
{
	spin_unlock(&rq_self()->lock, flags);
}

static struct thread *next_locked(struct runqueue *rq, int least)
{
	struct thread *t = ready_steal_locked(rq, least);

	return t ? t : ready_take_locked(rq, least);
}

/* The current thread is ready and not to run on. One that is put off in its slice is the first of its level. */
static void put_off_locked(struct runqueue *rq, struct thread *self, const struct thread *next)
{
	const bool displaced = thread_priority(next) > thread_priority(self);

	ready_add_locked(rq, self, displaced && self->slice_end > clock_now());
	if (displaced) {
		atomic_store(&rq->running, (int)thread_priority(next));
		tell_locked(rq, (int)thread_priority(self)); // another hart may run a lower one
	}
}

/* Gives way to a thread that is ready, if its priority is not lower. rq is locked, and given up. */
static void give_way_locked(struct runqueue *rq, unsigned long flags)
{
	struct hart *hart = hart_self();
	struct thread *self = hart->current, *next;
	bool idle = self == hart->idle;

	hart->need_resched = false;
	next = next_locked(rq, idle ? 0 : (int)thread_priority(self));
	if (next) {
		state_set(self, THREAD_RUNNABLE);
		if (!idle)
			put_off_locked(rq, self, next);
		switch_locked(rq, next);
	} else {
		if (self->slice_end != NEVER)
			self->slice_end = clock_now() + SLICE_NS;
		look_locked(rq, hart);
	}
	rq_unlock_self(flags);
}

void sched_block(enum thread_state state, nsec_t wake_at, struct spinlock *outer, unsigned long flags)
{
	struct thread *self = thread_self();
	unsigned long inner_flags;
	struct runqueue *rq = rq_lock_self(&inner_flags);

	if (outer)
		spin_unlock(outer, inner_flags);
	if (state != THREAD_INTERRUPTIBLE || !atomic_load_explicit(&self->interrupted, memory_order_relaxed)) {
		state_set(self, state);
		__atomic_store_n(&self->wake_at, wake_at, __ATOMIC_RELAXED);
		if (wake_at != NEVER)
			sleeper_insert_locked(rq, self);
		switch_locked(rq, next_locked(rq, 0));
	}
	rq_unlock_self(outer ? flags : inner_flags);
}

void thread_interrupt(struct thread *t)
{
	unsigned long flags;
	struct runqueue *rq = rq_lock_of(t, &flags);
	bool again = atomic_exchange_explicit(&t->interrupted, true, memory_order_relaxed);

	if (t->state == THREAD_INTERRUPTIBLE)
		ready_wake_locked(rq, t);
	else if (t->state == THREAD_RUNNING && rq != rq_self() && !again)
		hart_interrupt(hart_at(rq->index)); // trap_soft takes the lock, and so sees it
	spin_unlock(&rq->lock, flags);
}

bool thread_interrupted(void)
{
	const struct thread *self = hart_self()->current;

	return self && atomic_load_explicit(&self->interrupted, memory_order_relaxed);
}

void sched_entered(void)
{
	rq_unlock_self(irq_save());
	irq_enable();
}

void sched_wait_left(struct thread *t)
{
	unsigned long flags;
	struct runqueue *rq = rq_lock_of(t, &flags);

	assert(t->state == THREAD_DEAD);
	spin_unlock(&rq->lock, flags);
}

void sched_preempt(void)
{
	struct hart *hart = hart_self();
	struct thread *self = hart->current;
	struct runqueue *rq;
	unsigned long flags;

	if (!self || !hart->need_resched || hart->irq_depth || self->preempt_off || self->spin_depth)
		return;
	rq = rq_lock_self(&flags);
	give_way_locked(rq, flags);
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
	struct runqueue *rq;
	unsigned long flags;

	assert(thread_may_sleep());
	rq = rq_lock_self(&flags);
	give_way_locked(rq, flags);
}

void thread_sleep_until(nsec_t deadline)
{
	assert(thread_may_sleep());
	if (deadline > clock_now())
		sched_block(THREAD_WAITING, deadline, NULL, 0);
}

/* ---- priorities ---- */
void sched_set_priority(struct thread *t, unsigned priority)
{
	unsigned long flags;
	struct runqueue *rq = rq_lock_of(t, &flags);
	bool queued = !list_empty(&t->run_node);

	if (queued)
		ready_remove_locked(rq, t);
	atomic_store_explicit(&t->priority, priority, memory_order_relaxed);
	if (queued) {
		ready_add_locked(rq, t, false);
		tell_locked(rq, (int)priority);
	} else if (t->state == THREAD_RUNNING) {
		look_ask(rq, rq);
	}
	spin_unlock(&rq->lock, flags);
}

/* ---- harts ---- */
unsigned harts_online(void)
{
	unsigned count = 0;

	for_each_rq (rq)
		count += atomic_load_explicit(&rq->running, memory_order_relaxed) != OFFLINE;
	return count;
}

static void idle_wait(struct runqueue *rq)
{
	const nsec_t from = clock_now();

	atomic_store_explicit(&rq->idle_from, from, memory_order_relaxed);
	irq_wait();
	atomic_store_explicit(&rq->idled, atomic_load_explicit(&rq->idled, memory_order_relaxed) + clock_now() - from,
			      memory_order_relaxed);
	atomic_store_explicit(&rq->idle_from, 0, memory_order_relaxed);
}

static _Noreturn void *idle_main(void *arg)
{
	unsigned long flags;

	(void)arg;
	for (;;) {
		flags = irq_save();
		/* Masked, so an interrupt that makes somebody ready is either seen here or ends the waiting. */
		if (best_anywhere() == IDLE)
			idle_wait(rq_self());
		irq_restore(flags);
		thread_yield();
	}
}

void sched_times(nsec_t *busy, nsec_t *idle)
{
	const nsec_t now = clock_now();

	*busy = *idle = 0;
	for_each_rq (rq) {
		const nsec_t online = atomic_load_explicit(&rq->online, memory_order_relaxed);
		const nsec_t from = atomic_load_explicit(&rq->idle_from, memory_order_relaxed);
		nsec_t idled = atomic_load_explicit(&rq->idled, memory_order_relaxed);

		if (atomic_load_explicit(&rq->running, memory_order_relaxed) == OFFLINE)
			continue;
		idled += from && from < now ? now - from : 0;
		*idle += idled;
		*busy += now - online > idled ? now - online - idled : 0;
	}
}

static void rq_init(struct runqueue *rq, unsigned index)
{
	spin_init(&rq->lock, "run queue");
	for (unsigned i = 0; i < THREAD_PRIORITIES; i++)
		list_init(&rq->ready[i]);
	list_init(&rq->sleepers);
	rq->armed = NEVER;
	rq->index = index;
	atomic_init(&rq->running, OFFLINE);
	atomic_init(&rq->best, IDLE);
}

void sched_adopt(struct thread *t)
{
	unsigned long flags = irq_save();

	state_set(t, THREAD_WAITING);
	__atomic_store_n(&t->wake_at, NEVER, __ATOMIC_RELAXED);
	list_init(&t->run_node);
	list_init(&t->sleep_node);
	list_init(&t->wait_node);
	list_init(&t->pi_held);
	t->hart = HARTS_MAX;
	atomic_init(&t->rq, rq_self());
	irq_restore(flags);
}

int sched_hart_add(struct hart *hart)
{
	char name[THREAD_NAME_MAX];
	int err;

	snprintf(name, sizeof(name), "idle %u", hart->index);
	err = thread_make(name, &(struct thread_stack){.size = IDLE_STACK_SIZE}, idle_main, NULL, &hart->idle);
	if (err)
		return err;
	atomic_init(&hart->idle->rq, &queues[hart->index]);
	atomic_store(&queue_count, hart->index + 1);
	return 0;
}

void sched_hart_enter(void)
{
	struct hart *hart = hart_self();
	struct runqueue *rq = rq_self();
	struct thread *idle = hart->idle;
	struct context begin = {0}; // nobody comes back to it

	(void)spin_lock(&rq->lock);
	state_set(idle, THREAD_RUNNING);
	atomic_store_explicit(&rq->online, clock_now(), memory_order_relaxed);
	hart->current = idle;
	hart->kstack_base = idle->kstack_base;
	hart->kstack_top = idle->kstack_top;
	atomic_store(&rq->running, IDLE);
	context_switch(&begin, &idle->context);
	panic("hart %u has left its idle thread", hart->index);
}

void sched_init(void)
{
	struct hart *hart = hart_self();
	struct thread *boot = &boot_thread;

	for (unsigned i = 0; i < HARTS_MAX; i++)
		rq_init(&queues[i], i);
	sched_adopt(boot);
	state_set(boot, THREAD_RUNNING);
	boot->kstack_base = hart->kstack_base;
	boot->kstack_top = hart->kstack_top;
	hart->current = boot;
	atomic_store(&rq_self()->running, (int)thread_priority(boot));
	if (sched_hart_add(hart))
		panic("no memory for the idle thread");
	thread_init(boot);
}
