// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The one hart of the host build: interrupt masking, simulated interrupts, time. Everything is done by the thread that
 * holds the baton, so nothing here needs a lock. An interrupt arrives when interrupts are unmasked or in irq_wait,
 * never elsewhere: handlers run on the stack of the thread that unmasked, which may then be preempted, as by a trap.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <time.h>

#include "arch/clock.h"
#include "arch/hart.h"
#include "arch/host/host.h"
#include "arch/irq.h"
#include "arch/trap.h"

#define NEVER UINT64_MAX
#define VIRTUAL_STEP 200 // ns that a look at virtual time takes

void (*host_stuck_hook)(void);

static struct hart hart;
static bool unmasked;

static bool clock_is_real;
static nsec_t clock_base;    // real: the host's clock at the start
static nsec_t clock_virtual; // now
static nsec_t clock_deadline = NEVER;

static struct host_event *events; // by due, then in order posted
static struct host_watch *watches;

static uint64_t preempt_state;
static unsigned preempt_one_in;

struct hart *hart_self(void)
{
	return &hart;
}

struct thread *thread_self(void)
{
	return hart.current;
}

struct hart *hart_at(unsigned index)
{
	assert(index == 0);
	(void)index;
	return &hart;
}

/* irq_enable looks at need_resched, which is all that the interrupt would do. */
void hart_interrupt(struct hart *to)
{
	(void)to;
}

void harts_stop(void)
{
}

static nsec_t host_clock(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_MONOTONIC, &ts) < 0)
		host_die("clock_gettime");
	return (nsec_t)ts.tv_sec * 1000000000u + (nsec_t)ts.tv_nsec;
}

void host_clock_real(void)
{
	clock_is_real = true;
	clock_base = host_clock() - clock_virtual;
}

nsec_t clock_now(void)
{
	if (clock_is_real)
		return host_clock() - clock_base;
	clock_virtual += VIRTUAL_STEP;
	return clock_virtual;
}

void clock_arm(nsec_t deadline)
{
	assert(!unmasked);
	clock_deadline = deadline;
}

void host_event_post(struct host_event *event, nsec_t due)
{
	struct host_event **at = &events;

	while (*at && (*at)->due <= due)
		at = &(*at)->next;
	event->due = due;
	event->next = *at;
	*at = event;
}

void host_event_cancel(struct host_event *event)
{
	struct host_event **at = &events;

	while (*at != event)
		at = &(*at)->next;
	*at = event->next;
}

void host_watch(struct host_watch *watch)
{
	watch->next = watches;
	watches = watch;
}

/* Waits for the watched descriptors, at most so long (NEVER: for ever), and posts the events of those that are ready.
 */
static void watches_wait(nsec_t timeout)
{
	struct pollfd fds[HOST_WATCHES_MAX];
	struct timespec ts = {.tv_sec = (time_t)(timeout / 1000000000u), .tv_nsec = (long)(timeout % 1000000000u)};
	struct host_watch **at = &watches;
	unsigned count = 0;
	int ready;

	for (struct host_watch *w = watches; w; w = w->next) {
		assert(count < HOST_WATCHES_MAX);
		fds[count++] = (struct pollfd){.fd = w->fd, .events = POLLIN};
	}
	ready = ppoll(fds, count, timeout == NEVER ? NULL : &ts, NULL);
	if (ready < 0 && errno != EINTR)
		host_die("ppoll");
	for (unsigned i = 0; ready > 0 && i < count; i++) {
		struct host_watch *w = *at;

		if (fds[i].revents) {
			*at = w->next;
			host_event_post(&w->event, 0);
		} else {
			at = &w->next;
		}
	}
}

static void timer_deliver(void)
{
	clock_deadline = NEVER;
	trap_timer();
	if (watches)
		watches_wait(0);
}

/* Interrupts masked. */
static void interrupts_deliver(void)
{
	nsec_t now = clock_now();

	hart.irq_depth++;
	while (events && events->due <= now) {
		struct host_event *event = events;

		events = event->next;
		event->fire(event);
	}
	if (clock_deadline <= now)
		timer_deliver();
	hart.irq_depth--;
}

void host_preempt_seed(uint64_t seed, unsigned one_in)
{
	preempt_state = seed * 0x9e3779b97f4a7c15u + 1;
	preempt_one_in = seed ? one_in : 0;
}

/* xorshift64* */
static bool preempt_chance(void)
{
	if (preempt_one_in == 0)
		return false;
	preempt_state ^= preempt_state >> 12;
	preempt_state ^= preempt_state << 25;
	preempt_state ^= preempt_state >> 27;
	return (preempt_state * 0x2545f4914f6cdd1du >> 33) % preempt_one_in == 0;
}

unsigned long irq_save(void)
{
	bool was = unmasked;

	unmasked = false;
	return was;
}

void irq_enable(void)
{
	assert(!unmasked);
	interrupts_deliver();
	if (hart.current) {
		hart.need_resched |= preempt_chance();
		if (hart.need_resched)
			sched_preempt();
	}
	unmasked = true;
}

void irq_restore(unsigned long flags)
{
	if (flags)
		irq_enable();
}

bool irq_enabled(void)
{
	return unmasked;
}

/* Nothing can ever happen again: a lost wake-up, or a deadlock. */
static _Noreturn void report_stuck(void)
{
	if (host_stuck_hook)
		host_stuck_hook();
	errno = EDEADLK;
	host_die("every thread waits and no interrupt is due");
}

void irq_wait(void)
{
	nsec_t next = events ? min_of(events->due, clock_deadline) : clock_deadline;
	nsec_t now = clock_now();

	assert(!unmasked);
	if (next <= now)
		return;
	if (!clock_is_real) {
		if (next == NEVER)
			report_stuck();
		clock_virtual = next;
		return;
	}
	if (next == NEVER && !watches)
		report_stuck();
	watches_wait(next == NEVER ? NEVER : next - now);
}
