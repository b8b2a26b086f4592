// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Signals: what each does, who blocks it, where it is pending. Sending marks a signal pending, for one thread or for
 * the process, and interrupts a thread that does not block it; that thread delivers on its way out of a trap or of a
 * call of the kernel (posix/signal_trap.c). Signals are not queued. One spinlock guards all; order: it -> the
 * scheduler's.
 */

#include "posix/signal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arch/hart.h"
#include "arch/trap.h"
#include "kernel/log.h"
#include "kernel/spinlock.h"
#include "posix/call.h"
#include "posix/clock.h"
#include "posix/process.h"
#include "posix/result.h"
#include "posix/user.h"

#define BIT(sig) (UINT64_C(1) << ((sig)-1))
#define UNBLOCKABLE (BIT(SIGKILL) | BIT(SIGSTOP))
/* Without a handler these do nothing: there is nobody who could continue a stopped process. */
#define IGNORED                                                                                                        \
	(BIT(SIGCHLD) | BIT(SIGCONT) | BIT(SIGSTOP) | BIT(SIGTSTP) | BIT(SIGTTIN) | BIT(SIGTTOU) | BIT(SIGURG) |       \
	 BIT(SIGWINCH))

static struct {
	struct spinlock lock; // guards the rest, and what struct posix_thread says
	struct signal_action actions[NSIG];
	uint64_t pending;	  // of the process
	struct list_node threads; // struct posix_thread.signal_node, the first thread first
} signals = {.lock = SPINLOCK_INIT("signals"), .threads = LIST_INIT(signals.threads)};

static bool signal_valid(int sig)
{
	return sig > 0 && sig < NSIG;
}

uint64_t signal_bits(const sigset_t *set)
{
	uint64_t bits = 0;

	for (int sig = 1; sig < NSIG; sig++)
		if (sigismember(set, sig) == 1)
			bits |= BIT(sig);
	return bits;
}

sigset_t signal_set(uint64_t bits)
{
	sigset_t set;

	(void)sigemptyset(&set); // neither can fail
	for (int sig = 1; sig < NSIG; sig++)
		if (bits & BIT(sig))
			(void)sigaddset(&set, sig);
	return set;
}

static int set_get(const sigset_t *set, uint64_t *bits)
{
	sigset_t copy;
	int err = user_get(&copy, set);

	if (!err)
		*bits = signal_bits(&copy);
	return err;
}

/* ---- what a signal does; signals.lock is held ---- */

static bool handler_is(int sig, void (*what)(int))
{
	return (uintptr_t)signals.actions[sig].handler == (uintptr_t)what;
}

static bool does_nothing(int sig)
{
	return handler_is(sig, SIG_IGN) || (handler_is(sig, SIG_DFL) && (IGNORED & BIT(sig)));
}

static uint64_t deliverable(const struct posix_thread *t)
{
	return (t->pending | signals.pending) & ~t->mask;
}

/* Who takes a signal of the process; NULL: all block it. */
static struct posix_thread *taker_of(uint64_t bit)
{
	struct posix_thread *taker = NULL;

	list_for_each (&signals.threads, it) {
		struct posix_thread *t = list_entry(it, struct posix_thread, signal_node);

		if (t->waited & bit)
			return t;
		if (!taker && !(t->mask & bit))
			taker = t;
	}
	return taker;
}

/* Finds a taker again for each of these that is pending for the process. */
static void direct_locked(uint64_t bits)
{
	for (bits &= signals.pending; bits; bits &= bits - 1) {
		struct posix_thread *taker = taker_of(bits & -bits);

		if (taker)
			thread_interrupt(taker->thread);
	}
}

static void set_mask_locked(struct posix_thread *self, uint64_t mask)
{
	self->mask = mask & ~UNBLOCKABLE;
	if (deliverable(self))
		thread_interrupt(self->thread);
	direct_locked(self->mask);
}

void signal_set_mask(struct posix_thread *self, uint64_t mask)
{
	unsigned long flags = spin_lock(&signals.lock);

	set_mask_locked(self, mask);
	spin_unlock(&signals.lock, flags);
}

static void forget_locked(int sig)
{
	signals.pending &= ~BIT(sig);
	list_for_each (&signals.threads, it)
		list_entry(it, struct posix_thread, signal_node)->pending &= ~BIT(sig);
}

/* ---- threads ---- */

void signal_thread_add(struct posix_thread *t)
{
	const struct posix_thread *self = posix_self();
	unsigned long flags = spin_lock(&signals.lock);

	t->mask = self->mask;
	t->takes_signals = true;
	t->altstack.ss_flags = SS_DISABLE;
	list_push_back(&signals.threads, &t->signal_node);
	spin_unlock(&signals.lock, flags);
}

void signal_thread_remove(struct posix_thread *t)
{
	unsigned long flags = spin_lock(&signals.lock);

	list_remove(&t->signal_node);
	t->takes_signals = false;
	direct_locked(~t->mask);
	spin_unlock(&signals.lock, flags);
}

/* ---- delivery ---- */

void signal_end(int sig, const struct trap_frame *tf)
{
	bool asked_for = sig == SIGINT || sig == SIGTERM || sig == SIGKILL || sig == SIGHUP;

	if (!asked_for) {
		log_error("the application ends by signal %d", sig);
		if (tf)
			trap_frame_print(tf);
		else
			backtrace_here();
	}
	process_end(128 + sig, asked_for ? 'e' : 'f', true);
}

/* The mask while the handler runs, and the one after it. */
static void enter_handler_locked(struct posix_thread *self, struct signal_delivery *d)
{
	d->action = signals.actions[d->sig];
	if (d->action.flags & SA_RESETHAND)
		signals.actions[d->sig] = (struct signal_action){0};
	d->old_mask = self->mask_saved ? self->saved_mask : self->mask;
	self->mask_saved = false;
	self->handled++;
	set_mask_locked(self, self->mask | d->action.mask | (d->action.flags & SA_NODEFER ? 0 : BIT(d->sig)));
}

bool signal_next(struct posix_thread *self, const struct trap_frame *tf, struct signal_delivery *d)
{
	unsigned long flags = spin_lock(&signals.lock);
	uint64_t ready;
	bool ends = false, found = false;

	while (!ends && !found && (ready = deliverable(self))) {
		d->sig = __builtin_ctzll(ready) + 1;
		*(self->pending & BIT(d->sig) ? &self->pending : &signals.pending) &= ~BIT(d->sig);
		if (does_nothing(d->sig))
			continue;
		ends = handler_is(d->sig, SIG_DFL);
		found = !ends;
	}
	if (found)
		enter_handler_locked(self, d);
	else
		atomic_store_explicit(&self->thread->interrupted, false, memory_order_relaxed);
	spin_unlock(&signals.lock, flags);
	if (ends)
		signal_end(d->sig, tf);
	return found;
}

bool signal_of_fault(struct posix_thread *self, int sig, struct signal_delivery *d)
{
	unsigned long flags = spin_lock(&signals.lock);
	bool found = !(self->mask & BIT(sig)) && !handler_is(sig, SIG_DFL) && !handler_is(sig, SIG_IGN);

	if (found) {
		d->sig = sig;
		enter_handler_locked(self, d);
	}
	spin_unlock(&signals.lock, flags);
	return found;
}

/* ---- sending ---- */

/* To a thread, or with NULL to the process. */
static void send_locked(struct posix_thread *to, int sig, bool *ends)
{
	struct posix_thread *taker = to ? to : taker_of(BIT(sig));
	bool waited = taker && (taker->waited & BIT(sig));

	if (!waited && does_nothing(sig))
		return;
	*ends = !waited && taker && !(taker->mask & BIT(sig)) && handler_is(sig, SIG_DFL);
	if (*ends)
		return;
	*(to ? &to->pending : &signals.pending) |= BIT(sig);
	if (taker && ((taker->waited | ~taker->mask) & BIT(sig)))
		thread_interrupt(taker->thread);
}

static int send_to_process(int sig)
{
	unsigned long flags = spin_lock(&signals.lock);
	bool ends = false;

	send_locked(NULL, sig, &ends);
	spin_unlock(&signals.lock, flags);
	if (ends)
		signal_end(sig, NULL);
	return 0;
}

/* Sent to a thread that has ended and may still be joined, it is lost: POSIX has no error for that. */
static int send_to_thread(pthread_t thread, int sig)
{
	unsigned long flags = spin_lock(&signals.lock);
	struct posix_thread *to = NULL;
	bool ends = false;

	list_for_each (&signals.threads, it)
		if (list_entry(it, struct posix_thread, signal_node)->thread == thread)
			to = list_entry(it, struct posix_thread, signal_node);
	if (to && sig)
		send_locked(to, sig, &ends);
	spin_unlock(&signals.lock, flags);
	if (ends)
		signal_end(sig, NULL);
	return to || pthread_is_known(thread) ? 0 : -ESRCH;
}

int kill(pid_t pid, int sig)
{
	if (sig && !signal_valid(sig))
		return (int)result_posix(-EINVAL);
	if (pid != getpid() && pid != 0)
		return (int)result_posix(-ESRCH);
	return sig ? KERNEL_CALL(send_to_process(sig)) : 0;
}

int pthread_kill(pthread_t thread, int sig)
{
	if (sig && !signal_valid(sig))
		return EINVAL;
	return -KERNEL_CALL(send_to_thread(thread, sig));
}

int raise(int sig)
{
	int err = sig ? pthread_kill(pthread_self(), sig) : EINVAL;

	return (int)result_posix(-err);
}

void abort(void)
{
	sigset_t set = signal_set(BIT(SIGABRT));

	if (posix_self()->takes_signals) {
		(void)pthread_sigmask(SIG_UNBLOCK, &set, NULL); // valid arguments
		(void)raise(SIGABRT);				// returns only if a handler does, or it is ignored
	}
	signal_end(SIGABRT, NULL);
}

/* ---- actions ---- */

static int change_action(int sig, const struct signal_action *action, struct signal_action *old)
{
	unsigned long flags = spin_lock(&signals.lock);

	*old = signals.actions[sig];
	if (action) {
		signals.actions[sig] = *action;
		if (does_nothing(sig))
			forget_locked(sig);
	}
	spin_unlock(&signals.lock, flags);
	return 0;
}

int sigaction(int sig, const struct sigaction *restrict action, struct sigaction *restrict out)
{
	struct signal_action new, old;
	struct sigaction copy;

	if (!signal_valid(sig) || (action && (UNBLOCKABLE & BIT(sig))))
		return (int)result_posix(-EINVAL);
	if (action && user_get(&copy, action))
		return (int)result_posix(-EFAULT);
	if (action)
		new = (struct signal_action){copy.sa_sigaction, signal_bits(&copy.sa_mask), copy.sa_flags};
	(void)KERNEL_CALL(change_action(sig, action ? &new : NULL, &old)); // cannot fail
	if (!out)
		return 0;
	memset(&copy, 0, sizeof(copy));
	copy.sa_sigaction = old.handler;
	copy.sa_mask = signal_set(old.mask);
	copy.sa_flags = old.flags;
	return (int)result_posix(user_put(out, copy));
}

void (*signal(int sig, void (*handler)(int)))(int)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART}, old;

	if (handler == SIG_ERR) {
		errno = EINVAL;
		return SIG_ERR;
	}
	return sigaction(sig, &action, &old) ? SIG_ERR : old.sa_handler;
}

/* ---- masks ---- */

static int change_mask(struct posix_thread *self, int how, const uint64_t *bits, uint64_t *old)
{
	unsigned long flags = spin_lock(&signals.lock);
	int err = 0;

	*old = self->mask;
	if (bits && how == SIG_BLOCK)
		set_mask_locked(self, self->mask | *bits);
	else if (bits && how == SIG_UNBLOCK)
		set_mask_locked(self, self->mask & ~*bits);
	else if (bits && how == SIG_SETMASK)
		set_mask_locked(self, *bits);
	else if (bits)
		err = -EINVAL;
	spin_unlock(&signals.lock, flags);
	return err;
}

int pthread_sigmask(int how, const sigset_t *restrict set, sigset_t *restrict out)
{
	uint64_t bits = 0, old;
	int err = set ? set_get(set, &bits) : 0;

	if (!err)
		err = KERNEL_CALL(change_mask(posix_self(), how, set ? &bits : NULL, &old));
	if (!err && out)
		err = user_put(out, signal_set(old));
	return -err;
}

int sigprocmask(int how, const sigset_t *restrict set, sigset_t *restrict out)
{
	return (int)result_posix(-pthread_sigmask(how, set, out));
}

int sigpending(sigset_t *set)
{
	unsigned long flags = spin_lock(&signals.lock);
	uint64_t bits = posix_self()->pending | signals.pending;

	spin_unlock(&signals.lock, flags);
	return (int)result_posix(user_put(set, signal_set(bits)));
}

/* ---- waiting ---- */

/* One step of sleep: interrupted, woken by nobody else, or clock_now() >= deadline (-ETIMEDOUT). */
static int sleep_locked(struct posix_thread *self, unsigned long *flags, nsec_t deadline)
{
	struct waitq nobody;

	waitq_init(&nobody);
	atomic_store_explicit(&self->thread->interrupted, false, memory_order_relaxed);
	return waitq_wait_interruptible(&nobody, &signals.lock, flags, deadline);
}

static void swap_locked(struct posix_thread *self, uint64_t mask)
{
	if (!self->mask_saved) {
		self->saved_mask = self->mask;
		self->mask_saved = true;
	}
	set_mask_locked(self, mask);
}

void signal_mask_swap(uint64_t mask)
{
	unsigned long flags = spin_lock(&signals.lock);

	swap_locked(posix_self(), mask);
	spin_unlock(&signals.lock, flags);
}

int signal_mask_restore(void)
{
	struct posix_thread *self = posix_self();
	unsigned long flags = spin_lock(&signals.lock);

	if (self->mask_saved) {
		self->mask_saved = false;
		set_mask_locked(self, self->saved_mask);
	}
	spin_unlock(&signals.lock, flags);
	return 0;
}

/* Waits for a signal to deliver; the mask goes back when it is. */
static int suspend(struct posix_thread *self, uint64_t mask)
{
	unsigned long flags = spin_lock(&signals.lock);

	swap_locked(self, mask);
	while (!deliverable(self))
		(void)sleep_locked(self, &flags, UINT64_MAX); // the loop looks again in any case
	spin_unlock(&signals.lock, flags);
	return 0;
}

static int suspend_with(uint64_t mask)
{
	struct posix_thread *self = posix_self();

	do
		(void)KERNEL_CALL(suspend(self, mask)); // the handlers run at its end
	while (self->mask_saved);			// there was none: ignored meanwhile
	return (int)result_posix(-EINTR);
}

int sigsuspend(const sigset_t *mask)
{
	uint64_t bits;
	int err = set_get(mask, &bits);

	return err ? (int)result_posix(err) : suspend_with(bits);
}

int pause(void)
{
	return suspend_with(posix_self()->mask);
}

/* Takes one of the set: its number, -EINTR (another one is to be delivered), -EAGAIN (the time is up). */
static int wait_for(struct posix_thread *self, uint64_t set, nsec_t deadline)
{
	unsigned long flags = spin_lock(&signals.lock);
	uint64_t ready;
	int r = 0;

	self->waited = set;
	while (!r) {
		ready = (self->pending | signals.pending) & set;
		if (ready) {
			r = __builtin_ctzll(ready) + 1;
			*(self->pending & BIT(r) ? &self->pending : &signals.pending) &= ~BIT(r);
		} else if (deliverable(self)) {
			r = -EINTR;
		} else if (sleep_locked(self, &flags, deadline) == -ETIMEDOUT) {
			r = -EAGAIN;
		}
	}
	self->waited = 0;
	if (r > 0) // others that came meanwhile
		set_mask_locked(self, self->mask);
	spin_unlock(&signals.lock, flags);
	return r;
}

int sigtimedwait(const sigset_t *restrict set, siginfo_t *restrict info, const struct timespec *restrict timeout)
{
	nsec_t deadline = UINT64_MAX;
	struct timespec copy;
	uint64_t bits;
	int sig = set_get(set, &bits);

	if (!sig && timeout)
		sig = user_get(&copy, timeout);
	if (!sig && timeout)
		sig = -clock_deadline_after(&copy, &deadline);
	if (!sig)
		sig = KERNEL_CALL(wait_for(posix_self(), bits, deadline));
	if (sig > 0 && info && user_put(info, ((siginfo_t){.si_signo = sig, .si_code = SI_USER, .si_pid = getpid()})))
		sig = -EFAULT; // and it is taken
	return (int)result_posix(sig);
}

int sigwaitinfo(const sigset_t *restrict set, siginfo_t *restrict info)
{
	return sigtimedwait(set, info, NULL);
}

int sigwait(const sigset_t *restrict set, int *restrict sig)
{
	uint64_t bits;
	int r = set_get(set, &bits);

	if (r)
		return -r;
	do
		r = KERNEL_CALL(wait_for(posix_self(), bits, UINT64_MAX));
	while (r == -EINTR);
	return -user_put(sig, r);
}
