// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Contexts: each is a Linux thread, and of each hart's exactly one runs, the one that holds its baton. A switch gives
 * the baton to the other thread and waits until somebody, on whatever hart, gives back one; the baton carries the
 * memory ordering, which on a board is that of one hart with itself. A Linux thread starts when its context is first
 * switched to, on the stack that the kernel chose. Interrupts are masked in every call.
 */
#include <assert.h>
#include <errno.h>
#include <linux/futex.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arch/context.h"
#include "arch/host/host.h"
#include "arch/page.h"

enum baton { BATON_NONE, BATON_HELD, BATON_END };

#define STACK_MIN (2048 * 1024) // the sanitizers' frames and thread-local data are large
#define ALT_STACK_SIZE (512 * 1024)

static _Thread_local sigjmp_buf end_point; // of this Linux thread: where it goes to end
static _Thread_local stack_t alt_stack;

static void baton_give(struct context *to, enum baton what)
{
	to->hart = host_hart();
	atomic_store_explicit(&to->baton, what, memory_order_release);
	if (syscall(SYS_futex, &to->baton, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) < 0)
		host_die("futex");
}

/* Returns with the baton; a thread that is told to end does not return. */
static void baton_wait(struct context *self)
{
	unsigned what;

	while ((what = atomic_load_explicit(&self->baton, memory_order_acquire)) == BATON_NONE)
		if (syscall(SYS_futex, &self->baton, FUTEX_WAIT_PRIVATE, BATON_NONE, NULL, NULL, 0) < 0 &&
		    errno != EAGAIN && errno != EINTR)
			host_die("futex");
	if (what == BATON_END)
		siglongjmp(end_point, 1);
	atomic_store_explicit(&self->baton, BATON_NONE, memory_order_relaxed);
	host_hart_hold(self->hart);
}

void host_thread_enter(void)
{
	alt_stack.ss_sp = mmap(NULL, ALT_STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	alt_stack.ss_size = ALT_STACK_SIZE;
	if (alt_stack.ss_sp == MAP_FAILED || sigaltstack(&alt_stack, NULL) < 0)
		host_die("alternate stack");
}

void host_thread_leave(void)
{
	stack_t off = {.ss_flags = SS_DISABLE};

	if (sigaltstack(&off, NULL) < 0 || munmap(alt_stack.ss_sp, alt_stack.ss_size) < 0)
		host_die("alternate stack");
}

static void *thread_main(void *arg)
{
	struct context *self = arg;

	host_thread_enter();
	if (sigsetjmp(end_point, 0) == 0) {
		baton_wait(self);
		self->entry(self->arg);
		abort();
	}
	host_thread_leave();
	return NULL;
}

static void thread_start(struct context *ctx)
{
	pthread_attr_t attr;
	int err = pthread_attr_init(&attr);

	if (!err)
		err = pthread_attr_setstack(&attr, (void *)ctx->stack_base, ctx->stack_top - ctx->stack_base);
	if (!err)
		err = pthread_create(&ctx->thread, &attr, thread_main, ctx);
	if (!err)
		err = pthread_attr_destroy(&attr);
	if (err) {
		errno = err;
		host_die("pthread_create");
	}
	ctx->started = true;
}

void context_init(struct context *ctx, void (*entry)(void *), void *arg, vaddr_t stack_base, vaddr_t stack_top,
		  void *tls)
{
	(void)tls;
	memset(ctx, 0, sizeof(*ctx));
	ctx->made = true;
	ctx->entry = entry;
	ctx->arg = arg;
	ctx->stack_base = stack_base;
	ctx->stack_top = stack_top;
}

void context_free(struct context *ctx)
{
	if (!ctx->started)
		return;
	baton_give(ctx, BATON_END);
	errno = pthread_join(ctx->thread, NULL);
	if (errno)
		host_die("pthread_join");
	ctx->started = false;
}

void context_switch(struct context *from, struct context *to)
{
	assert(from != to);
	from->pc = (vaddr_t)__builtin_return_address(0);
	from->fp = *(vaddr_t *)__builtin_frame_address(0);
	if (to->made && !to->started)
		thread_start(to);
	baton_give(to, BATON_HELD);
	baton_wait(from);
}

int stack_alloc(size_t size, size_t guard, vaddr_t *base, vaddr_t *top)
{
	char *p;

	size = max_of(size, (size_t)STACK_MIN);
	p = mmap(NULL, guard + size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return -ENOMEM;
	if (mprotect(p, guard, PROT_NONE) < 0)
		host_die("mprotect");
	*base = (vaddr_t)p + guard;
	*top = *base + size;
	return 0;
}

void stack_free(vaddr_t base, vaddr_t top, size_t guard)
{
	if (munmap((void *)(base - guard), top - base + guard) < 0)
		host_die("munmap");
}

/* The C library gives each Linux thread its TLS itself. */
void *tls_create(void)
{
	static char token;

	return &token;
}

void tls_destroy(void *tls)
{
	(void)tls;
}
