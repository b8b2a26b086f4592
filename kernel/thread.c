// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Life of threads. The structure lies at the upper end of the thread's kernel stack. A thread cannot free what it
 * stands on: whoever joins it does, or for a detached one the reaper, after the scheduler has seen it leave its stack.
 * One spinlock guards the list of all threads, how each ended, and the reaper's list; order: it -> a run queue's.
 */

#include "kernel/thread.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arch/hart.h"
#include "arch/irq.h"
#include "arch/page.h"
#include "kernel/panic.h"
#include "kernel/sched.h"

#define REAPER_STACK_SIZE (16 * 1024)

static struct {
	struct spinlock lock;	// guards all here
	struct list_node all;	// struct thread.all_node
	struct list_node ended; // struct thread.all_node: detached threads for the reaper
	struct waitq reaper_waitq;
	unsigned last_id;
} threads = {
    .lock = SPINLOCK_INIT("threads"),
    .all = LIST_INIT(threads.all),
    .ended = LIST_INIT(threads.ended),
    .reaper_waitq = WAITQ_INIT(threads.reaper_waitq),
};

static void thread_enter(void *arg)
{
	struct thread *self = arg;

	sched_entered();
	thread_exit(self->entry(self->arg));
}

static void thread_enlist(struct thread *t, const char *name)
{
	unsigned long flags = spin_lock(&threads.lock);

	snprintf(t->name, sizeof(t->name), "%s", name);
	waitq_init(&t->join_waitq);
	t->id = ++threads.last_id;
	list_push_back(&threads.all, &t->all_node);
	spin_unlock(&threads.lock, flags);
}

/* Fills in the rest of what is wanted: the bounds, and a guard of 0 for a stack that is the creator's. */
static int stack_prepare(struct thread_stack *stack, vaddr_t *top)
{
	if (stack->base) {
		*top = stack->base + stack->size;
		stack->guard = 0;
		return 0;
	}
	if (stack->size > SIZE_MAX - PAGE_SIZE || stack->guard > SIZE_MAX - PAGE_SIZE)
		return -ENOMEM;
	stack->size = align_up(max_of(stack->size, (size_t)1), PAGE_SIZE);
	stack->guard = align_up(max_of(stack->guard, (size_t)1), PAGE_SIZE);
	return stack_alloc(stack->size, stack->guard, &stack->base, top);
}

static void stack_release(vaddr_t base, vaddr_t top, size_t guard)
{
	if (guard)
		stack_free(base, top, guard);
}

int thread_make(const char *name, const struct thread_stack *wanted, void *(*entry)(void *), void *arg,
		struct thread **out)
{
	struct thread_stack stack = *wanted;
	vaddr_t kstack_base, kstack_end, stack_top;
	struct thread *t;
	void *tls;
	int err;

	err = stack_alloc(KSTACK_SIZE, PAGE_SIZE, &kstack_base, &kstack_end);
	if (err)
		return err;
	err = stack_prepare(&stack, &stack_top);
	if (err)
		goto free_kstack;
	err = -ENOMEM;
	tls = tls_create();
	if (!tls)
		goto free_stack;

	t = (struct thread *)align_down(kstack_end - sizeof(*t), 64);
	*t = (struct thread){
	    .kstack_base = kstack_base,
	    .kstack_top = (vaddr_t)t,
	    .stack_base = stack.base,
	    .stack_top = stack_top,
	    .stack_guard = stack.guard,
	    .tls = tls,
	    .entry = entry,
	    .arg = arg,
	    .spin_depth = 1, // the run queue's lock, held when it is first switched to
	};
	sched_adopt(t);
	context_init(&t->context, thread_enter, t, stack.base, stack_top, tls);
	thread_enlist(t, name);
	*out = t;
	return 0;

free_stack:
	stack_release(stack.base, stack_top, stack.guard);
free_kstack:
	stack_free(kstack_base, kstack_end, PAGE_SIZE);
	return err;
}

/* The thread has left its stacks. */
static void thread_free(struct thread *t)
{
	vaddr_t kstack_base = t->kstack_base;
	vaddr_t kstack_end = align_up(t->kstack_top, PAGE_SIZE);

	context_free(&t->context);
	tls_destroy(t->tls);
	stack_release(t->stack_base, t->stack_top, t->stack_guard);
	stack_free(kstack_base, kstack_end, PAGE_SIZE); // t is gone
}

int thread_create(const char *name, size_t stack_size, void *(*entry)(void *), void *arg, struct thread **out)
{
	struct thread *t;
	int err = thread_make(name, &(struct thread_stack){.size = stack_size}, entry, arg, &t);

	if (err)
		return err;
	if (out)
		*out = t;
	thread_start(t);
	return 0;
}

void thread_start(struct thread *t)
{
	sched_wake(t);
}

static void thread_hand_to_reaper_locked(struct thread *t)
{
	list_push_back(&threads.ended, &t->all_node);
	waitq_wake_one(&threads.reaper_waitq);
}

void thread_exit(void *result)
{
	struct thread *self = thread_self();
	unsigned long flags;

	assert(thread_may_sleep());
	assert(self->locks_held == 0);
	flags = spin_lock(&threads.lock);
	list_remove(&self->all_node);
	self->result = result;
	self->dead = true;
	if (self->detached)
		thread_hand_to_reaper_locked(self);
	else
		waitq_wake_all(&self->join_waitq);
	sched_block(THREAD_DEAD, NEVER, &threads.lock, flags);
	panic("thread %s runs after its end", self->name);
}

int thread_join(struct thread *t, void **result)
{
	unsigned long flags;
	int err = 0;

	assert(thread_may_sleep());
	if (t == thread_self())
		return -EDEADLK;
	flags = spin_lock(&threads.lock);
	if (t->detached)
		err = -EINVAL;
	while (!err && !t->dead) {
		wait_note_set((struct wait_note){.kind = "join", .holder = &t});
		waitq_wait(&t->join_waitq, &threads.lock, &flags);
	}
	spin_unlock(&threads.lock, flags);
	if (err)
		return err;
	sched_wait_left(t);
	if (result)
		*result = t->result;
	thread_free(t);
	return 0;
}

int thread_detach(struct thread *t)
{
	unsigned long flags = spin_lock(&threads.lock);
	int err = t->detached ? -EINVAL : 0;

	t->detached = true;
	if (!err && t->dead)
		thread_hand_to_reaper_locked(t);
	spin_unlock(&threads.lock, flags);
	return err;
}

static _Noreturn void *reaper_main(void *arg)
{
	struct thread *t;
	unsigned long flags;

	(void)arg;
	for (;;) {
		flags = spin_lock(&threads.lock);
		while (list_empty(&threads.ended))
			waitq_wait(&threads.reaper_waitq, &threads.lock, &flags);
		t = list_entry(list_pop_front(&threads.ended), struct thread, all_node);
		spin_unlock(&threads.lock, flags);
		sched_wait_left(t);
		thread_free(t);
	}
}

void thread_init(struct thread *boot)
{
	struct thread *reaper;

	thread_enlist(boot, "boot");
	if (thread_create("reaper", REAPER_STACK_SIZE, reaper_main, NULL, &reaper))
		panic("no memory for the reaper thread");
}

bool thread_may_sleep(void)
{
	struct thread *self = thread_self();
	unsigned long flags = irq_save();
	bool in_interrupt = hart_self()->irq_depth > 0;

	irq_restore(flags);
	return self && !in_interrupt && self->spin_depth == 0 && self->preempt_off == 0;
}

bool threads_trylock(unsigned long *flags)
{
	return spin_trylock(&threads.lock, flags);
}

void threads_unlock(unsigned long flags)
{
	spin_unlock(&threads.lock, flags);
}

const struct thread *threads_next_locked(unsigned id)
{
	list_for_each (&threads.all, it) {
		const struct thread *t = list_entry(it, struct thread, all_node);

		if (t->id > id)
			return t;
	}
	return NULL;
}

bool thread_info_next(unsigned id, struct thread_info *out)
{
	unsigned long flags = spin_lock(&threads.lock);
	const struct thread *t = threads_next_locked(id);
	struct wait_note note;

	if (t) {
		note = wait_note_get(t);
		*out = (struct thread_info){
		    .id = t->id,
		    .state = __atomic_load_n(&t->state, __ATOMIC_RELAXED),
		    .priority = atomic_load_explicit(&t->priority, memory_order_relaxed),
		    .hart = __atomic_load_n(&t->hart, __ATOMIC_RELAXED),
		    .locks = __atomic_load_n(&t->locks_held, __ATOMIC_RELAXED),
		    .waits_kind = note.kind ? note.kind : "queue",
		    .waits_name = note.name,
		};
		memcpy(out->name, t->name, sizeof(out->name));
	}
	spin_unlock(&threads.lock, flags);
	return t;
}

bool threads_has_locked(const struct thread *t)
{
	list_for_each (&threads.all, it)
		if (list_entry(it, struct thread, all_node) == t)
			return true;
	return false;
}
