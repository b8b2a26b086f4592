// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The report of all threads: for the console's key, for a panic, for the host build when nothing can go on. What it
 * reads may be wrong or change meanwhile: a holder is named only if it is a thread of the list, and words that are not
 * the kernel's are read without serving a fault. The list's spinlock is held for one thread at a time and given up on
 * if somebody keeps it. Never sleeps; any context.
 */

#include <stdarg.h>
#include <stdio.h>

#include "arch/clock.h"
#include "arch/hart.h"
#include "arch/trap.h"
#include "arch/uaccess.h"
#include "kernel/log.h"
#include "kernel/sched.h"

#define PRINTED_MAX 64 // threads
#define DEPTH_MAX 16   // calls of each
#define PATIENCE (100 * NSEC_PER_MSEC)

struct line {
	size_t len;
	char text[256];
};

static void line_put(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void line_put(struct line *line, const char *format, ...)
{
	size_t room = sizeof(line->text) - line->len;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(line->text + line->len, room, format, ap);
	va_end(ap);
	if (n > 0)
		line->len += min_of((size_t)n, room - 1);
}

static bool list_lock(unsigned long *flags)
{
	nsec_t deadline = clock_now() + PATIENCE;

	while (!threads_trylock(flags))
		if (clock_now() > deadline)
			return false;
	return true;
}

/* NULL: nobody, not known, or no thread that there is. */
static const struct thread *holder_locked(const struct wait_note *note)
{
	union {
		uint32_t half[2];
		const struct thread *thread;
	} value;
	const uint32_t *at = note->holder;

	if (!at || (vaddr_t)at % sizeof(value) || !uaccess_peek32(at, &value.half[0]) ||
	    !uaccess_peek32(at + 1, &value.half[1]))
		return NULL;
	return threads_has_locked(value.thread) ? value.thread : NULL;
}

static void put_seconds(struct line *line, nsec_t ns)
{
	line_put(line, " %u.%03u s", (unsigned)(ns / NSEC_PER_SEC), (unsigned)(ns % NSEC_PER_SEC / NSEC_PER_MSEC));
}

static void put_wait_locked(struct line *line, const struct thread *t, nsec_t now)
{
	const struct wait_note note = wait_note_get(t);
	const nsec_t wake_at = __atomic_load_n(&t->wake_at, __ATOMIC_RELAXED);
	const struct thread *holder = holder_locked(&note);

	if (note.name && note.object)
		line_put(line, " for %s %p", note.kind ? note.kind : "queue", note.object);
	else if (note.name)
		line_put(line, " for %s \"%s\"", note.kind ? note.kind : "queue", note.name);
	if (holder)
		line_put(line, " of thread %u %s", holder->id, holder->name);
	if (wake_at != NEVER) {
		line_put(line, ", at most");
		put_seconds(line, wake_at > now ? wake_at - now : 0);
		line_put(line, " more");
	}
}

/*
 * By name in debug builds, of a thread that runs spinlocks too, but not the report's own. One that does not run has the
 * scheduler's on record, until it runs again.
 */
static void put_locks(struct line *line, const struct thread *t, enum thread_state state, unsigned locks)
{
	unsigned own = t == thread_self();

	if (locks)
		line_put(line, "; holds %u lock%s", locks, locks == 1 ? "" : "s");
	for (unsigned i = 0; lockcheck_name(&t->held, i + own) && (state == THREAD_RUNNING || i < locks); i++)
		line_put(line, " \"%s\"", lockcheck_name(&t->held, i));
}

static void thread_print_locked(const struct thread *t)
{
	static const char *const states[] = {"runnable", "running", "waiting", "waiting", "dead"};
	struct line line = {0};
	const enum thread_state state = __atomic_load_n(&t->state, __ATOMIC_RELAXED);
	const nsec_t left_at = __atomic_load_n(&t->left_at, __ATOMIC_RELAXED), now = clock_now();
	const unsigned locks = __atomic_load_n(&t->locks_held, __ATOMIC_RELAXED);

	line_put(&line, "thread %u %s: %s", t->id, t->name, states[state]);
	if (state != THREAD_RUNNING && left_at)
		put_seconds(&line, now > left_at ? now - left_at : 0);
	if (state == THREAD_WAITING || state == THREAD_INTERRUPTIBLE)
		put_wait_locked(&line, t, now);
	put_locks(&line, t, state, locks);
	log_error("%s", line.text);
	if (state != THREAD_RUNNING)
		backtrace_context(&t->context, DEPTH_MAX);
}

void threads_print(void)
{
	unsigned long flags;
	unsigned id = 0;

	for (unsigned printed = 0;; printed++) {
		const struct thread *t;

		if (!list_lock(&flags)) {
			log_error("threads: the list is held by somebody; no more of it");
			return;
		}
		t = threads_next_locked(id);
		if (t && printed < PRINTED_MAX) {
			id = t->id;
			thread_print_locked(t);
		}
		threads_unlock(flags);
		if (!t)
			return;
		if (printed == PRINTED_MAX) {
			log_error("threads: there are more; only %d are shown", PRINTED_MAX);
			return;
		}
	}
}
