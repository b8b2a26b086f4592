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

/* What becomes deliverable runs on the stack that is left. */
void __sigjmp_jump(struct __sigjmp *buf, int value)
{
	if (buf->saved)
		(void)pthread_sigmask(SIG_SETMASK, &buf->mask, NULL); // valid arguments
	longjmp(buf->jump, value);
}
