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
static int watch_fd = -1;
static void (*watch_ready)(void);

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

void host_watch_fd(int fd, void (*ready)(void))
{
	assert(watch_fd < 0);
	watch_fd = fd;
	watch_ready = ready;
}

/* Waits for the watched descriptor, at most so long (NEVER: for ever). True when it is ready. */
static bool watch_wait(nsec_t timeout)
{
	struct pollfd pfd = {.fd = watch_fd, .events = POLLIN};
	struct timespec ts = {.tv_sec = (time_t)(timeout / 1000000000u), .tv_nsec = (long)(timeout % 1000000000u)};
	int n = ppoll(&pfd, 1, timeout == NEVER ? NULL : &ts, NULL);

	if (n < 0 && errno != EINTR)
		host_die("ppoll");
	return n > 0;
}

static void timer_deliver(void)
{
	clock_deadline = NEVER;
	trap_timer();
	if (watch_fd >= 0 && watch_wait(0)) {
		watch_fd = -1;
		watch_ready();
	}
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
	if (next == NEVER && watch_fd < 0)
		report_stuck();
	if (watch_wait(next == NEVER ? NEVER : next - now)) {
		static struct host_event ready;

		watch_fd = -1;
		ready.fire = (void (*)(struct host_event *))watch_ready;
		host_event_post(&ready, now);
	}
}
