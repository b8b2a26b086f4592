// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The end by our own mistake. Reports to the log's sink without its lock, tells the console the status, turns the
 * machine off. A second panic while the first reports ends the report. Any context, never returns, never sleeps.
 */

#include "kernel/panic.h"

#include <stdatomic.h>
#include <stdio.h>

#include "arch/hart.h"
#include "arch/irq.h"
#include "arch/page.h"
#include "arch/power.h"
#include "arch/upcall.h"
#include "kernel/log.h"
#include "kernel/spinlock.h"
#include "kernel/thread.h"

static void (*panic_exit)(int status, char kind);
static void (*panic_keep)(void);
static atomic_uint panics;

void panic_set_exit(void (*exit)(int status, char kind))
{
	panic_exit = exit;
}

void panic_set_keep(void (*keep)(void))
{
	panic_keep = keep;
}

bool panic_begun(void)
{
	return atomic_load(&panics) > 0;
}

void upcall_print(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	log_at_v(LOG_ERROR, format, ap);
	va_end(ap);
}

static void say(const char *format, va_list ap)
{
	char text[256];

	vsnprintf(text, sizeof(text), format, ap);
	log_error("panic: %s", text);
}

static _Noreturn void end(int status, char kind)
{
	if (panic_exit)
		panic_exit(status, kind);
	power_off(status);
}

/* Interrupts masked, the log without its lock; whoever panics while panicking has nothing more to say. */
static void report_begin(void)
{
	static _Atomic(struct hart *) reporting;
	struct hart *nobody = NULL;
	unsigned before;

	(void)irq_save();
	/* Another hart reports, and ends the machine. */
	while (!atomic_compare_exchange_strong(&reporting, &nobody, hart_self()) && nobody != hart_self()) {
		nobody = NULL;
		irq_wait();
	}
	before = atomic_fetch_add(&panics, 1);
	if (before == 1)
		end(EXIT_PANIC, 'p');
	if (before > 1) // by telling the status
		power_off(EXIT_PANIC);
	harts_stop();
	log_emergency();
}

static _Noreturn void report_end(int status, char kind)
{
	const struct thread *self = thread_self();

	if (self) {
		log_error("in thread %s (%u)", self->name, self->id);
		threads_print();
	}
	spin_emergency();
	if (panic_keep)
		panic_keep();
	end(status, kind);
}

static _Noreturn void panic_end(void)
{
	log_error("backtrace:");
	backtrace_here();
	report_end(EXIT_PANIC, 'p');
}

void panic(const char *format, ...)
{
	va_list ap;

	report_begin();
	va_start(ap, format);
	say(format, ap);
	va_end(ap);
	panic_end();
}

void upcall_panic(const char *format, ...)
{
	va_list ap;

	report_begin();
	va_start(ap, format);
	say(format, ap);
	va_end(ap);
	panic_end();
}

void panic_trap(const struct trap_frame *tf, const char *format, ...)
{
	va_list ap;

	report_begin();
	va_start(ap, format);
	say(format, ap);
	va_end(ap);
	trap_frame_print(tf);
	report_end(EXIT_PANIC, 'p');
}

/* The guard page, or behind it: a large frame steps over it. Nothing else of the thread's lies there. */
#define GUARD_SPAN (64 * 1024)

static bool in_guard(vaddr_t va, vaddr_t stack_base)
{
	return stack_base && va < stack_base && stack_base - va <= GUARD_SPAN;
}

void trap_kernel(const struct trap_frame *tf, unsigned cause, vaddr_t va)
{
	const struct thread *self = thread_self();
	vaddr_t sp = trap_frame_sp(tf);

	if (self && in_guard(va, self->stack_base)) {
		if (thread_may_sleep()) {
			log_error("stack overflow in thread %s: its stack ends at %#lx", self->name, self->stack_base);
			irq_enable();
			trap_fatal(tf, cause, va, FAULT_MAPERR, 0);
		}
		report_begin();
		log_error("stack overflow in thread %s: its stack ends at %#lx", self->name, self->stack_base);
		trap_frame_print(tf);
		report_end(EXIT_FAULT, 'f');
	}
	if (self && sp < self->kstack_base + PAGE_SIZE && sp >= self->kstack_base - PAGE_SIZE)
		panic_trap(tf, "kernel stack overflow in thread %s: its stack ends at %#lx", self->name,
			   self->kstack_base);
	/* Outside every lock and interrupt the kernel's data is whole: a wild pointer of the application's. */
	if (self && thread_may_sleep() && self->locks_held == 0) {
		irq_enable();
		trap_fatal(tf, cause, va, FAULT_ACCERR, 0);
	}
	panic_trap(tf, "trap in the kernel, cause %u, at address %#lx", cause, va);
}

/* assert() of the C library. */
void __assert_func(const char *file, int line, const char *function, const char *expression);
void __assert_func(const char *file, int line, const char *function, const char *expression)
{
	panic("%s:%d: %s: assertion failed: %s", file, line, function, expression);
}
