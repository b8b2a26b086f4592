// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* picolibc's, and jumps that take the thread's signal mask with them, in place of its own. */
#pragma once

#define sigjmp_buf __picolibc_sigjmp_buf
#include_next <setjmp.h>
#undef sigjmp_buf
#undef sigsetjmp
#undef siglongjmp

#include <signal.h>

#ifdef __cplusplus
extern "C" {
#endif

struct __sigjmp {
	jmp_buf jump;
	__sigset_t mask;
	int saved;
};

typedef struct __sigjmp __sigjmp_array[1];
#define sigjmp_buf __sigjmp_array

void __sigjmp_save(struct __sigjmp *buf, int save);
int __sigjmp_return(struct __sigjmp *buf, int value);

#define sigsetjmp(buf, save) (__sigjmp_save((buf), (save)), __sigjmp_return((buf), setjmp((buf)->jump)))
#define siglongjmp(buf, value) longjmp((buf)->jump, (value))

#ifdef __cplusplus
}
#endif
