// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* The C library's jumps, which take the thread's signal mask and its cairn_try calls with them. */
#pragma once

#include_next <setjmp.h>
#undef setjmp
#undef longjmp
#undef sigsetjmp
#undef siglongjmp

#include <signal.h>

#ifdef __cplusplus
extern "C" {
#endif

struct __jmp {
	jmp_buf jump; // the C library's
	struct try_point *tries;
};

struct __sigjmp {
	struct __jmp jmp;
	__sigset_t mask;
	int saved;
};

typedef struct __jmp __jmp_array[1];
typedef struct __sigjmp __sigjmp_array[1];
typedef __typeof__(((struct __jmp *)0)->jump[0]) __jmp_point;
#define jmp_buf __jmp_array
#define sigjmp_buf __sigjmp_array

__jmp_point *__jmp_begin(struct __jmp *buf);
void __jmp_go(struct __jmp *buf, int value) __attribute__((noreturn));
__jmp_point *__sigjmp_begin(struct __sigjmp *buf, int save);
int __sigjmp_return(struct __sigjmp *buf, int value);
int __libc_setjmp(__jmp_point *jump) __asm__("setjmp") __attribute__((returns_twice));

#define setjmp(buf) __libc_setjmp(__jmp_begin(buf))
#define longjmp(buf, value) __jmp_go((buf), (value))
#define sigsetjmp(buf, save) __sigjmp_return((buf), __libc_setjmp(__sigjmp_begin((buf), (save))))
#define siglongjmp(buf, value) __jmp_go(&(buf)->jmp, (value))

#ifdef __cplusplus
}
#endif
