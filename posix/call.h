// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The border between application and kernel, where both share one address space and a call is a call: whatever may
 * hold a lock, a pin or a reference of the kernel's runs inside KERNEL_CALL, and no handler of a signal runs there.
 * A signal that came meanwhile is delivered at the end of the outermost one. What is not bracketed may be left by
 * siglongjmp at any instruction. The application's memory is reached by arch/uaccess.h inside it, never directly.
 */
#pragma once

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "arch/hart.h"
#include "arch/signal.h"
#include "kernel/thread.h"
#include "mm/map.h"
#include "posix/thread.h"

/*
 * The kernel runs on the caller's stack and may not fault there with a spinlock held. Where the stack is a mapping that
 * grows, it grows now, by a fault of the application's, to what a call may need.
 */
#define CALL_STACK (4 * PAGE_SIZE)

static inline void call_stack_prepare(const struct thread *self)
{
	const vaddr_t frame = (vaddr_t)__builtin_frame_address(0);

	if (self->grown_end - frame > MAP_GROW_MAX)
		return; // on another stack, of a signal perhaps
	/* As a store, but what is there stays: the frame of a caller, or around a stack that lies in this one. */
	for (size_t below = PAGE_SIZE; below <= CALL_STACK; below += PAGE_SIZE)
		(void)__atomic_fetch_or((uint32_t *)align_down(frame - below, 4ul), 0, __ATOMIC_RELAXED);
}

static inline struct thread *call_begin(void)
{
	struct thread *self = thread_self();

	if (self->grown_end && self->calls == 0)
		call_stack_prepare(self);
	self->calls++;
	atomic_signal_fence(memory_order_seq_cst); // a trap of this thread looks at it
	return self;
}

/* SIGNAL_NONE if the call was not interrupted. */
static inline enum signal_outcome call_end(struct thread *self)
{
	atomic_signal_fence(memory_order_seq_cst);
	if (self->calls > 1) {
		self->calls--;
		return SIGNAL_NONE;
	}
	if (atomic_load_explicit(&self->interrupted, memory_order_relaxed))
		return signal_trap(); // the call ends there
	self->calls = 0;
	atomic_signal_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&self->interrupted, memory_order_relaxed))
		(void)signal_trap(); // it came when the call was done
	return SIGNAL_NONE;
}

/* The value of `call`. */
#define KERNEL_CALL(call)                                                                                              \
	({                                                                                                             \
		struct thread *caller_ = call_begin();                                                                 \
		__auto_type result_ = (call);                                                                          \
                                                                                                                       \
		(void)call_end(caller_); /* nothing to start again */                                                  \
		result_;                                                                                               \
	})

/*
 * The same for a cancellation point that waits: a signal ends it with -EINTR, and SA_RESTART starts it again. A request
 * to cancel that comes before the call has begun is seen in it: until then the way out of a trap may have spent the
 * interruption.
 */
#define KERNEL_CALL_RESTART(call)                                                                                      \
	({                                                                                                             \
		__typeof__(call) result_;                                                                              \
		struct thread *caller_;                                                                                \
                                                                                                                       \
		do {                                                                                                   \
			pthread_testcancel();                                                                          \
			caller_ = call_begin();                                                                        \
			result_ = cancel_due() ? -EINTR : (call);                                                      \
		} while (call_end(caller_) != SIGNAL_EINTR && result_ == -EINTR);                                      \
		result_;                                                                                               \
	})
