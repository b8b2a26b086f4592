// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * setjmp and longjmp around the C library's: with the thread's cairn_try calls, which a jump out of them ends, and in
 * their sig forms with its signal mask.
 */

#include <setjmp.h>
#include <signal.h>

#include "posix/thread.h"

__jmp_point *__jmp_begin(struct __jmp *buf)
{
	buf->tries = posix_self()->tries;
	return &buf->jump[0];
}

void __jmp_go(struct __jmp *buf, int value)
{
	posix_self()->tries = buf->tries;
	(longjmp)(buf->jump, value);
}

__jmp_point *__sigjmp_begin(struct __sigjmp *buf, int save)
{
	buf->saved = save;
	if (save)
		(void)pthread_sigmask(SIG_BLOCK, NULL, &buf->mask); // only reads it
	return __jmp_begin(&buf->jmp);
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
