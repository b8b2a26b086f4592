// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* sigsetjmp and siglongjmp: the C library's jumps, and the thread's signal mask. */

#include <setjmp.h>
#include <signal.h>

void __sigjmp_save(struct __sigjmp *buf, int save)
{
	buf->saved = save;
	if (save)
		(void)pthread_sigmask(SIG_BLOCK, NULL, &buf->mask); // only reads it
}

/*
 * setjmp has returned. The mask comes back after the jump, not before: what becomes deliverable then runs where the
 * jump has led to, so that signals that come again and again, and jump out of their handlers, never fill the stack.
 */
int __sigjmp_return(struct __sigjmp *buf, int value)
{
	if (value && buf->saved)
		(void)pthread_sigmask(SIG_SETMASK, &buf->mask, NULL); // valid arguments
	return value;
}
