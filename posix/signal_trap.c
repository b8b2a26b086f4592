// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Delivery: where a thread leaves a trap, in code of the application, the trap is led into a handler. What counts as
 * code of the application: the thread is the application's, in no call of the kernel (posix/call.h), holds no lock,
 * masks nothing, and serves no fault. So a handler may call anything, fault, and leave by siglongjmp, and nothing of
 * the kernel's is left behind. Thread context, on the kernel stack, interrupts on; may fault and sleep.
 */

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "arch/hart.h"
#include "arch/page.h"
#include "arch/signal.h"
#include "arch/trap.h"
#include "fs/fs.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/thread.h"
#include "posix/process.h"
#include "posix/result.h"
#include "posix/signal.h"
#include "posix/try.h"
#include "posix/user.h"

#define ALTSTACK_MIN 2048u // MINSIGSTKSZ, which on the host build is the host's and no constant

static bool in_application(const struct trap_frame *tf)
{
	const struct thread *self = thread_self();
	const struct posix_thread *posix = self->posix;
	vaddr_t sp = trap_frame_sp(tf);

	return posix && posix->takes_signals && self->calls == 0 && self->locks_held == 0 && self->spin_depth == 0 &&
	       self->preempt_off == 0 && self->fault_depth == 0 &&
	       (sp < self->kstack_base - PAGE_SIZE || sp > self->kstack_top);
}

static bool on_altstack(const struct posix_thread *self, vaddr_t sp)
{
	vaddr_t base = (vaddr_t)self->altstack.ss_sp;

	return !(self->altstack.ss_flags & SS_DISABLE) && sp > base && sp <= base + self->altstack.ss_size;
}

/* The guard page, or behind it: a large frame steps over it. */
#define GUARD_SPAN (64 * 1024)

/* Where the frame may go. False: the stack has run over. */
static bool choose_stack(const struct posix_thread *self, int flags, vaddr_t sp, vaddr_t *top, vaddr_t *limit)
{
	const struct thread *t = self->thread;

	*top = sp;
	*limit = 0; // a stack that the application made
	if ((flags & SA_ONSTACK) && !(self->altstack.ss_flags & SS_DISABLE) && !on_altstack(self, sp)) {
		*limit = (vaddr_t)self->altstack.ss_sp;
		*top = *limit + self->altstack.ss_size;
	} else if (on_altstack(self, sp)) {
		*limit = (vaddr_t)self->altstack.ss_sp;
	} else if (sp >= t->stack_base && sp <= t->stack_top) {
		*limit = t->stack_base;
	}
	return *limit || sp >= t->stack_base || sp < t->stack_base - GUARD_SPAN;
}

static bool enter_handler(struct trap_frame *tf, const struct posix_thread *self, const struct signal_delivery *d,
			  siginfo_t *info)
{
	const sigset_t old_mask = signal_set(d->old_mask);
	stack_t stack = self->altstack;
	vaddr_t sp = trap_frame_sp(tf), top, limit;

	if (on_altstack(self, sp))
		stack.ss_flags = SS_ONSTACK;
	info->si_signo = d->sig;
	return choose_stack(self, d->action.flags, sp, &top, &limit) &&
	       signal_frame_push(tf, top, limit, info, &old_mask, &stack, d->action.handler) == 0;
}

static _Noreturn void end_without_room(const struct trap_frame *tf, int sig)
{
	log_error("no room for a handler of signal %d on the stack of thread %s, sp 0x%lx", sig, thread_self()->name,
		  (unsigned long)trap_frame_sp(tf));
	trap_frame_print(tf);
	process_end(EXIT_FAULT, 'f', true);
}

/* poll: the trap's result shall say what became of the call that led to it. */
static bool deliver_next(struct trap_frame *tf, struct posix_thread *self, bool poll)
{
	siginfo_t info = {.si_code = SI_USER, .si_pid = getpid()};
	struct signal_delivery d;

	if (!signal_next(self, tf, &d))
		return false;
	if (poll)
		trap_frame_set_result(tf, d.action.flags & SA_RESTART ? SIGNAL_RESTART : SIGNAL_EINTR);
	if (!enter_handler(tf, self, &d, &info))
		end_without_room(tf, d.sig);
	return true;
}

static bool deliver(struct trap_frame *tf, bool poll)
{
	struct thread *thread = thread_self();
	bool delivered;

	if (!in_application(tf))
		return false;
	thread->calls++; // what follows is kernel
	delivered = deliver_next(tf, thread->posix, poll);
	thread->calls--;
	return delivered;
}

bool trap_signal(struct trap_frame *tf)
{
	return deliver(tf, false);
}

void trap_signal_poll(struct trap_frame *tf)
{
	trap_frame_set_result(tf, SIGNAL_NONE);
	thread_self()->calls = 0;
	(void)deliver(tf, true); // the result is in the frame
}

void trap_signal_return(struct trap_frame *tf)
{
	struct thread *thread = thread_self();
	sigset_t mask;

	if (!in_application(tf))
		trap_fatal(tf, 0, trap_frame_pc(tf), FAULT_OK, 0);
	thread->calls++;
	if (signal_frame_pop(tf, &mask)) {
		log_error("a handler of a signal returned, but its stack pointer is wrong");
		trap_fatal(tf, 0, trap_frame_sp(tf), FAULT_ACCERR, 0);
	}
	signal_set_mask(thread->posix, signal_bits(&mask));
	thread->calls--;
}

/* ---- faults ---- */

static int signal_of(const struct trap_frame *tf, vaddr_t va, enum fault_result result, int error, siginfo_t *info)
{
	int sig = SIGSEGV;

	*info = (siginfo_t){.si_errno = error, .si_addr = (void *)va};
	switch (result) {
	case FAULT_MAPERR:
		info->si_code = SEGV_MAPERR;
		break;
	case FAULT_ACCERR:
	case FAULT_KERNEL:
		info->si_code = SEGV_ACCERR;
		break;
	case FAULT_ADRERR:
		info->si_code = BUS_ADRERR;
		return SIGBUS;
	case FAULT_OK:
		signal_of_trap(tf, &sig, &info->si_code);
		if (sig != SIGBUS && sig != SIGSEGV)
			info->si_addr = (void *)trap_frame_pc(tf);
		break;
	}
	return sig;
}

/* False: nobody handles it, or there is no room to. */
static bool handle_fault(struct trap_frame *tf, int sig, siginfo_t *info)
{
	struct thread *thread = thread_self();
	struct signal_delivery d;
	bool handled;

	thread->calls++;
	handled = signal_of_fault(thread->posix, sig, &d);
	if (handled && !enter_handler(tf, thread->posix, &d, info)) {
		log_error("no room for a handler of signal %d on the stack", sig);
		handled = false;
	}
	thread->calls--;
	return handled;
}

/*
 * A store that found no room on the card is tried once more when what was deleted has given its room back: where the
 * fault is served, locks are held that this needs.
 */
static bool store_settled(vaddr_t va, enum fault_result *result, int *error)
{
	struct thread *thread = thread_self();

	thread->calls++;
	if (fs_settle())
		*result = trap_page_fault(va, FAULT_WRITE, error);
	thread->calls--;
	return *result == FAULT_OK;
}

void trap_fault(struct trap_frame *tf, unsigned cause, vaddr_t va, enum fault_result result, int error)
{
	siginfo_t info;
	int sig;

	/* A file that went away under a thread that is to end is no signal. */
	if (result == FAULT_ADRERR && in_application(tf)) {
		process_stop_if_ending();
		if (error == ENOSPC && store_settled(va, &result, &error))
			return;
	}
	sig = signal_of(tf, va, result, error, &info);
	if (in_application(tf) && (try_leave(tf, sig, &info) || handle_fault(tf, sig, &info)))
		return;
	if (result == FAULT_KERNEL)
		trap_kernel(tf, cause, va);
	trap_fatal(tf, cause, va, result, error);
}

/* ---- the alternate stack ---- */

static bool on_altstack_here(const struct posix_thread *self)
{
	return on_altstack(self, (vaddr_t)__builtin_frame_address(0));
}

int sigaltstack(const stack_t *restrict stack, stack_t *restrict out)
{
	struct posix_thread *self = posix_self();
	stack_t old = self->altstack, new;

	if (on_altstack_here(self))
		old.ss_flags = SS_ONSTACK;
	if (stack) {
		if (user_get(&new, stack))
			return (int)result_posix(-EFAULT);
		if (old.ss_flags == SS_ONSTACK)
			return (int)result_posix(-EPERM);
		if (new.ss_flags & ~SS_DISABLE)
			return (int)result_posix(-EINVAL);
		if (!(new.ss_flags &SS_DISABLE) && new.ss_size < ALTSTACK_MIN)
			return (int)result_posix(-ENOMEM);
		self->altstack = new;
	}
	return out ? (int)result_posix(user_put(out, old)) : 0;
}
