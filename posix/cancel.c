// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Cancellation and cleanup handlers: what the thread itself does about a request (pthread_cancel, which makes one, is
 * in posix/pthread.c). A request is acted upon in cancellation points only, which POSIX allows of asynchronous ones
 * too, and never where posix/ or the C library holds a lock. Thread context.
 */

#include <errno.h>
#include <pthread.h>

#include "arch/hart.h"
#include "posix/thread.h"

bool cancel_enabled(const struct posix_thread *self)
{
	return self->cancel_state == PTHREAD_CANCEL_ENABLE && self->cancel_deferred == 0;
}

bool cancel_requested(const struct posix_thread *t)
{
	return atomic_load_explicit(&t->cancel_requested, memory_order_relaxed);
}

bool cancel_due(void)
{
	const struct posix_thread *self = thread_self()->posix;

	/* Nobody has the handle of a thread without a record. */
	return self && cancel_requested(self) && cancel_enabled(self);
}

void pthread_testcancel(void)
{
	if (cancel_due())
		pthread_exit(PTHREAD_CANCELED);
}

static void act_if_asynchronous(const struct posix_thread *self)
{
	if (self->cancel_type == PTHREAD_CANCEL_ASYNCHRONOUS)
		pthread_testcancel();
}

int pthread_setcancelstate(int state, int *old)
{
	struct posix_thread *self = posix_self();

	if (state != PTHREAD_CANCEL_ENABLE && state != PTHREAD_CANCEL_DISABLE)
		return EINVAL;
	if (old)
		*old = self->cancel_state;
	self->cancel_state = state;
	act_if_asynchronous(self);
	return 0;
}

int pthread_setcanceltype(int type, int *old)
{
	struct posix_thread *self = posix_self();

	if (type != PTHREAD_CANCEL_DEFERRED && type != PTHREAD_CANCEL_ASYNCHRONOUS)
		return EINVAL;
	if (old)
		*old = self->cancel_type;
	self->cancel_type = type;
	act_if_asynchronous(self);
	return 0;
}

void cancel_defer(void)
{
	posix_self()->cancel_deferred++;
}

void cancel_allow(void)
{
	posix_self()->cancel_deferred--;
}

void _pthread_cleanup_push(struct _pthread_cleanup *cleanup)
{
	struct posix_thread *self = posix_self();

	cleanup->outer = self->cleanup;
	self->cleanup = cleanup;
}

void _pthread_cleanup_pop(int execute)
{
	struct posix_thread *self = posix_self();
	struct _pthread_cleanup *innermost = self->cleanup;

	self->cleanup = innermost->outer;
	if (execute)
		innermost->function(innermost->arg);
}

void cleanup_run_all(struct posix_thread *self)
{
	while (self->cleanup)
		_pthread_cleanup_pop(true);
}
