// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * cairn_try: a fault in it is found in the trap, before handlers of signals are thought of, and the trap leads to code
 * that jumps out. The calls that have not ended are a list of points in the callers' frames, innermost first, the
 * thread's own. Whoever leaves a call otherwise takes it off the list: a jump sets the list to what it was at setjmp
 * (posix/jmp.c), and pthread_exit, which pthread_cancel leads to, empties it. No locks.
 */

#include "posix/try.h"

#include <assert.h>
#include <cairn.h>
#include <setjmp.h>

#include "arch/signal.h"
#include "arch/uaccess.h"
#include "posix/call.h"
#include "posix/signal.h"
#include "posix/thread.h"

struct try_point {
	struct try_point *outer;
	vaddr_t stack; // free from here down
	unsigned libc_locks;
	uint64_t mask;
	struct _pthread_cleanup *cleanup;
	jmp_buf back;
};

static _Thread_local struct cairn_fault last;

/* Its frame is the first that is given up. */
static __attribute__((noinline)) void run(struct try_point *point, void (*fn)(void *arg), void *arg)
{
	struct posix_thread *self = posix_self();

	point->stack = (vaddr_t)__builtin_frame_address(0);
	self->tries = point;
	fn(arg);
	self->tries = point->outer;
}

static int mask_set(struct posix_thread *self, uint64_t mask)
{
	signal_set_mask(self, mask);
	return 0;
}

const struct cairn_fault *cairn_try(void (*fn)(void *arg), void *arg)
{
	struct posix_thread *const self = posix_self();
	struct try_point point = {
	    .outer = self->tries, .libc_locks = self->libc_locks, .mask = self->mask, .cleanup = self->cleanup};

	if (!setjmp(point.back)) {
		run(&point, fn, arg);
		return NULL;
	}
	self->cleanup = point.cleanup; // those that fn has pushed are gone
	if (self->mask != point.mask)
		(void)KERNEL_CALL(mask_set(self, point.mask)); // a handler of a signal was left
	return &last;
}

static void leave(void *point)
{
	longjmp(((struct try_point *)point)->back, 1);
}

bool try_leave(struct trap_frame *tf, int sig, const siginfo_t *info)
{
	struct thread *thread = thread_self();
	struct posix_thread *self = thread->posix;
	struct try_point *point = self->tries, copy;
	bool there;

	if (!point || (sig != SIGSEGV && sig != SIGBUS))
		return false;
	thread->calls++; // what follows is kernel
	there = uaccess_copy(&copy, point, sizeof(copy)) == 0;
	thread->calls--;
	if (!there)
		return false;
	assert(self->libc_locks == copy.libc_locks); // cairn_try was left with a lock of the C library's held
	last = (struct cairn_fault){
	    .kind = sig == SIGBUS		   ? CAIRN_FAULT_BUS
		    : info->si_code == SEGV_MAPERR ? CAIRN_FAULT_UNMAPPED
						   : CAIRN_FAULT_FORBIDDEN,
	    .address = info->si_addr,
	    .error = info->si_errno,
	};
	self->tries = copy.outer;
	trap_frame_call(tf, leave, point, copy.stack);
	return true;
}
