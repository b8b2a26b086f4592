// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * POSIX threads over the kernel's: pthread_t is the kernel's thread, and a tree holds those that have one and have not
 * been joined, so a stale handle gives ESRCH (until its address is a new thread's). A record belongs to the thread
 * until that has ended, then to whoever joins or detaches it; who is detached frees it itself. The process ends, with
 * status 0, when the last thread that is an application's has ended by pthread_exit or by returning; main's thread
 * counts as one. Calls return a positive error number; creating, joining and ending may sleep.
 */

#include <pthread.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/hart.h"
#include "arch/page.h"
#include "arch/uaccess.h"
#include "mm/kmalloc.h"
#include "mm/map.h"
#include "mm/reclaim.h"
#include "posix/call.h"
#include "posix/futex.h"
#include "posix/keys.h"
#include "posix/mutex_pi.h"
#include "posix/process.h"
#include "posix/thread.h"

static struct {
	struct spinlock lock; // guards the tree, and the fields of struct posix_thread that say so
	struct tree tree;
} registry = {.lock = SPINLOCK_INIT("pthreads")};

static atomic_uint live_threads = 1; // of the application's that have not ended; main's is the first

static _Thread_local struct posix_thread adopted_record;

static void record_init(struct posix_thread *p, struct thread *t)
{
	p->thread = t;
	p->handle_node.key = (vaddr_t)t;
	p->cancel_state = PTHREAD_CANCEL_ENABLE;
	p->cancel_type = PTHREAD_CANCEL_DEFERRED;
	list_init(&p->pi_held);
	spin_init(&p->wait_lock, "cancellation");
}

/* main's thread, and those of the kernel that call handlers of the application's. */
static struct posix_thread *adopt(struct thread *t)
{
	struct posix_thread *p = &adopted_record;
	unsigned long flags;

	record_init(p, t);
	p->adopted = true;
	flags = spin_lock(&registry.lock);
	tree_insert(&registry.tree, &p->handle_node);
	spin_unlock(&registry.lock, flags);
	t->posix = p;
	return p;
}

struct posix_thread *posix_self(void)
{
	struct thread *t = thread_self();

	return t->posix ? t->posix : adopt(t);
}

/* NULL: no thread, or one that was joined or has ended detached. */
static struct posix_thread *find_locked(pthread_t thread)
{
	struct tree_node *node = tree_floor(&registry.tree, (vaddr_t)thread);

	return node && node->key == (vaddr_t)thread ? tree_entry(node, struct posix_thread, handle_node) : NULL;
}

bool pthread_is_known(pthread_t thread)
{
	unsigned long flags = spin_lock(&registry.lock);
	bool known = find_locked(thread);

	spin_unlock(&registry.lock, flags);
	return known;
}

/* SCHED_OTHER is priority 0, below all others'; SCHED_FIFO has no slices. */
static void schedule_locked(struct posix_thread *p, int policy, int priority)
{
	p->policy = policy;
	p->priority = priority;
	thread_set_unsliced(p->thread, policy == SCHED_FIFO);
	thread_set_priority(p->thread, (unsigned)priority);
}

/* ---- creation and end ---- */

static void *thread_main(void *arg)
{
	struct posix_thread *self = arg;
	struct map_info stack;

	if (map_lookup((vaddr_t)__builtin_frame_address(0), &stack) && stack.grows_down)
		self->thread->grown_end = stack.end;
	(void)call_end(call_begin()); // for signals that came before it ran
	pthread_exit(self->function(self->arg));
}

/* 0, EINVAL, or EAGAIN: no memory. */
static int stack_of(const pthread_attr_t *attr, struct thread_stack *out)
{
	vaddr_t base = (vaddr_t)attr->stack;
	uint32_t word;
	int err = 0;

	*out = (struct thread_stack){base, attr->stack_size, attr->guard_size};
	if (!base)
		return 0;
	if (base < MMAP_MAX)
		err = map_wire(base, attr->stack_size);
	else if (!uaccess_peek32(attr->stack, &word) || !uaccess_peek32((char *)attr->stack + out->size - 4, &word))
		err = -EINVAL;
	return err == -ENOMEM ? EAGAIN : err ? EINVAL : 0;
}

/* Stacks are of free frames: the page cache gives way, if there is a chance that it is enough. */
static int make(const pthread_attr_t *attr, const struct thread_stack *stack, struct posix_thread *p,
		struct thread **out)
{
	const size_t pages = (stack->base ? 0 : stack->size / PAGE_SIZE) + KSTACK_SIZE / PAGE_SIZE;
	int err;

	do
		err = thread_make(attr->name, stack, thread_main, p, out);
	while (err == -ENOMEM && pages < frame_total() && reclaim_wait(pages));
	return err;
}

static int create(const pthread_attr_t *attr, void *(*function)(void *), void *arg, struct thread **out)
{
	struct posix_thread *self = posix_self(), *p;
	struct thread_stack stack;
	struct thread *t;
	unsigned long flags;
	int err;

	if (attr->inherit_sched == PTHREAD_EXPLICIT_SCHED && !priority_is_valid(attr->policy, attr->priority))
		return EINVAL;
	err = stack_of(attr, &stack);
	if (err)
		return err;
	p = kzalloc(sizeof(*p));
	if (!p)
		return EAGAIN;
	if (make(attr, &stack, p, &t)) {
		kfree(p);
		return EAGAIN;
	}
	record_init(p, t);
	p->function = function;
	p->arg = arg;
	p->detached = attr->detach_state == PTHREAD_CREATE_DETACHED;
	t->posix = p;
	signal_thread_add(p);
	flags = spin_lock(&registry.lock);
	if (attr->inherit_sched == PTHREAD_INHERIT_SCHED)
		schedule_locked(p, self->policy, self->priority);
	else
		schedule_locked(p, attr->policy, attr->priority);
	tree_insert(&registry.tree, &p->handle_node);
	spin_unlock(&registry.lock, flags);
	atomic_fetch_add_explicit(&live_threads, 1, memory_order_relaxed);
	*out = t;
	thread_start(t);
	return 0;
}

int pthread_create(pthread_t *restrict out, const pthread_attr_t *restrict attr, void *(*function)(void *),
		   void *restrict arg)
{
	pthread_attr_t copy;
	struct thread *t;
	int err = 0;

	if (attr)
		copy = *attr;
	else
		err = pthread_attr_init(&copy);
	if (!err)
		err = KERNEL_CALL(create(&copy, function, arg, &t));
	if (!err)
		*out = t;
	return err;
}

/* The record is no longer the calling thread's. */
static void record_leave(struct posix_thread *self, void *value)
{
	struct thread *t = self->thread;
	unsigned long flags = spin_lock(&registry.lock);
	bool detached = self->detached;

	self->result = value;
	t->posix = NULL;
	if (detached)
		tree_remove(&registry.tree, &self->handle_node);
	else
		__atomic_store_n(&self->ended, 1, __ATOMIC_RELEASE); // pairs with the acquire in join_wait
	spin_unlock(&registry.lock, flags);
	if (!detached) {
		futex_wake(&self->ended, FUTEX_ALL); // of which only the address is used
		return;
	}
	if (!self->adopted)
		kfree(self);
	(void)thread_detach(t); // once a thread, and only here: cannot fail
}

void pthread_exit(void *value)
{
	struct posix_thread *self = posix_self();

	self->cancel_state = PTHREAD_CANCEL_DISABLE;
	self->tries = NULL; // nothing goes back there
	cleanup_run_all(self);
	keys_destroy();
	malloc_thread_end();
	pi_mutexes_abandon(self);
	if (atomic_fetch_sub_explicit(&live_threads, 1, memory_order_acq_rel) == 1)
		exit(0);
	(void)call_begin(); // for good
	signal_thread_remove(self);
	record_leave(self, value);
	thread_exit(value);
}

/* ---- joining and detaching ---- */

/* Makes the calling thread the one that joins. */
static int join_claim(pthread_t thread, struct posix_thread *self, struct posix_thread **out)
{
	unsigned long flags = spin_lock(&registry.lock);
	struct posix_thread *p = find_locked(thread);
	int err = p ? 0 : ESRCH;

	/* One that is asked to end will not go on waiting. */
	for (const struct posix_thread *at = p; at && !err; at = cancel_requested(at) ? NULL : at->joining)
		err = at == self ? EDEADLK : 0;
	if (!err && (p->detached || p->joiner))
		err = EINVAL;
	if (!err) {
		p->joiner = self;
		self->joining = p;
	}
	spin_unlock(&registry.lock, flags);
	*out = p;
	return err;
}

/* Gives the claim back; ended: the record is the caller's, and nobody finds it any more. */
static void join_finish(struct posix_thread *p, bool ended)
{
	unsigned long flags = spin_lock(&registry.lock);

	p->joiner->joining = NULL;
	p->joiner = NULL;
	if (ended)
		tree_remove(&registry.tree, &p->handle_node);
	spin_unlock(&registry.lock, flags);
}

/* False: interrupted. */
static bool join_wait(struct posix_thread *p)
{
	const struct wait_note what = {.kind = "join", .holder = &p->thread};
	int err = 0;

	while (err != -EINTR && !__atomic_load_n(&p->ended, __ATOMIC_ACQUIRE))
		err = futex_wait_cancel(&p->ended, 0, NULL, &what);
	return err != -EINTR;
}

static int join_free(struct posix_thread *p)
{
	struct thread *t = p->thread;

	kfree(p);
	return -thread_join(t, NULL);
}

int pthread_join(pthread_t thread, void **value)
{
	struct posix_thread *self = posix_self(), *p;
	bool ended;
	int err;

	pthread_testcancel();
	do {
		err = join_claim(thread, self, &p);
		if (err)
			return err;
		ended = join_wait(p);
		join_finish(p, ended);
		if (!ended)
			pthread_testcancel();
	} while (!ended);
	if (value)
		*value = p->result;
	if (p->adopted)
		return 0;
	return KERNEL_CALL(join_free(p));
}

static int detach(pthread_t thread)
{
	unsigned long flags = spin_lock(&registry.lock);
	struct posix_thread *p = find_locked(thread);
	int err = !p ? ESRCH : p->detached || p->joiner ? EINVAL : 0;
	bool ended = !err && p->ended;

	if (!err)
		p->detached = true;
	if (ended)
		tree_remove(&registry.tree, &p->handle_node);
	spin_unlock(&registry.lock, flags);
	if (!ended || p->adopted)
		return err;
	kfree(p);
	return -thread_detach(thread);
}

int pthread_detach(pthread_t thread)
{
	return KERNEL_CALL(detach(thread));
}

/* ---- what one thread asks of another ---- */

pthread_t pthread_self(void)
{
	return posix_self()->thread;
}

int pthread_equal(pthread_t a, pthread_t b)
{
	return a == b;
}

int pthread_cancel(pthread_t thread)
{
	unsigned long flags = spin_lock(&registry.lock);
	struct posix_thread *p = find_locked(thread);
	bool self = p && thread == thread_self();

	if (p) {
		atomic_store_explicit(&p->cancel_requested, true, memory_order_relaxed);
		futex_interrupt(p);
		thread_interrupt(p->thread);
	}
	spin_unlock(&registry.lock, flags);
	if (self && p->cancel_type == PTHREAD_CANCEL_ASYNCHRONOUS)
		pthread_testcancel();
	return p ? 0 : ESRCH;
}

int pthread_setschedparam(pthread_t thread, int policy, const struct sched_param *param)
{
	int priority = param->sched_priority; // which may fault
	unsigned long flags;
	struct posix_thread *p;

	if (!priority_is_valid(policy, priority))
		return EINVAL;
	flags = spin_lock(&registry.lock);
	p = find_locked(thread);
	if (p)
		schedule_locked(p, policy, priority);
	spin_unlock(&registry.lock, flags);
	return p ? 0 : ESRCH;
}

int pthread_setschedprio(pthread_t thread, int priority)
{
	unsigned long flags = spin_lock(&registry.lock);
	struct posix_thread *p = find_locked(thread);
	int err = !p ? ESRCH : priority_is_valid(p->policy, priority) ? 0 : EINVAL;

	if (!err)
		schedule_locked(p, p->policy, priority);
	spin_unlock(&registry.lock, flags);
	return err;
}

int pthread_setname_np(pthread_t thread, const char *name)
{
	char copy[THREAD_NAME_MAX] = {0};
	unsigned long flags;
	bool found;

	if (strlen(name) >= sizeof(copy))
		return ERANGE;
	strcpy(copy, name); // which may fault
	flags = spin_lock(&registry.lock);
	found = find_locked(thread) != NULL;
	if (found)
		memcpy(thread->name, copy, sizeof(copy));
	spin_unlock(&registry.lock, flags);
	return found ? 0 : ESRCH;
}

int pthread_getattr_np(pthread_t thread, pthread_attr_t *attr)
{
	pthread_attr_t copy = {0};
	unsigned long flags = spin_lock(&registry.lock);
	const struct posix_thread *p = find_locked(thread);

	if (p) {
		copy.stack = (void *)thread->stack_base;
		copy.stack_size = thread->stack_top - thread->stack_base;
		copy.guard_size = thread->stack_guard;
		copy.inherit_sched = PTHREAD_EXPLICIT_SCHED;
		copy.policy = p->policy;
		copy.priority = p->priority;
		copy.detach_state = p->detached ? PTHREAD_CREATE_DETACHED : PTHREAD_CREATE_JOINABLE;
		memcpy(copy.name, thread->name, sizeof(copy.name));
	}
	spin_unlock(&registry.lock, flags);
	if (!p)
		return ESRCH;
	*attr = copy;
	return 0;
}

int pthread_getschedparam(pthread_t thread, int *restrict policy, struct sched_param *restrict param)
{
	pthread_attr_t attr;
	int err = pthread_getattr_np(thread, &attr);

	if (err)
		return err;
	*policy = attr.policy;
	*param = (struct sched_param){.sched_priority = attr.priority};
	return 0;
}

int pthread_getname_np(pthread_t thread, char *name, size_t size)
{
	pthread_attr_t attr;
	int err = pthread_getattr_np(thread, &attr);

	return err ? err : pthread_attr_getname_np(&attr, name, size);
}
