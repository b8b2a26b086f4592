// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Interrupts of the host build: masking, simulated devices, time. An interrupt arrives when interrupts are unmasked,
 * never elsewhere: handlers run on the stack of the thread that unmasked, which may then be preempted, as by a trap.
 * What is a hart's own is used by who holds the hart; the events, which all are delivered on the first hart, are
 * guarded by host_machine. Descriptors are watched, and time is virtual, only where there is one hart.
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

#define VIRTUAL_STEP 200 // ns that a look at virtual time takes

static bool clock_is_real;
static nsec_t clock_base;    // real: the host's clock at the start
static nsec_t clock_virtual; // now

static struct host_event *events; // by due, then in order posted; guarded by host_machine
static struct host_watch *watches;

static unsigned preempt_one_in;

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
	struct host_hart *self = host_hart();

	assert(!self->unmasked);
	self->deadline = deadline;
}

void host_event_post(struct host_event *event, nsec_t due)
{
	struct host_event **at = &events;

	host_lock(&host_machine);
	while (*at && (*at)->due <= due)
		at = &(*at)->next;
	event->due = due;
	event->next = *at;
	*at = event;
	host_hart_wake_locked(&host_harts[0]);
	host_unlock(&host_machine);
}

bool host_event_cancel(struct host_event *event)
{
	struct host_event **at = &events;
	bool posted;

	host_lock(&host_machine);
	while (*at && *at != event)
		at = &(*at)->next;
	posted = *at;
	if (posted)
		*at = event->next;
	host_unlock(&host_machine);
	return posted;
}

/* The next event that is due on this hart, which is the poster's again; NULL: none. */
static struct host_event *event_take(const struct host_hart *self, nsec_t now)
{
	struct host_event *event = NULL;

	if (self != &host_harts[0])
		return NULL;
	host_lock(&host_machine);
	if (events && events->due <= now) {
		event = events;
		events = event->next;
	}
	host_unlock(&host_machine);
	return event;
}

nsec_t host_next_locked(const struct host_hart *self)
{
	return events && self == &host_harts[0] ? min_of(events->due, self->deadline) : self->deadline;
}

void host_watch(struct host_watch *watch)
{
	assert(!host_is_parallel());
	watch->next = watches;
	watches = watch;
}

/* Waits for the watched descriptors, at most so long (HOST_NEVER: for ever), and posts the events of those that are
 * ready.
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
	ready = ppoll(fds, count, timeout == HOST_NEVER ? NULL : &ts, NULL);
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

static void timer_deliver(struct host_hart *self)
{
	self->deadline = HOST_NEVER;
	trap_timer();
	if (watches)
		watches_wait(0);
}

/* Interrupts masked. */
static void interrupts_deliver(struct host_hart *self)
{
	nsec_t now = clock_now();
	struct host_event *event;

	self->hart.irq_depth++;
	while ((event = event_take(self, now)))
		event->fire(event);
	if (host_soft_take(self))
		trap_soft();
	if (self->deadline <= now)
		timer_deliver(self);
	self->hart.irq_depth--;
}

void host_preempt_seed(uint64_t seed, unsigned one_in)
{
	for (unsigned i = 0; i < HARTS_MAX; i++)
		host_harts[i].preempt_state = (seed + i) * 0x9e3779b97f4a7c15u + 1;
	preempt_one_in = seed ? one_in : 0;
}

/* xorshift64* */
static bool preempt_chance(uint64_t *state)
{
	if (preempt_one_in == 0)
		return false;
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (*state * 0x2545f4914f6cdd1du >> 33) % preempt_one_in == 0;
}

unsigned long irq_save(void)
{
	struct host_hart *self = host_hart();
	bool was = self->unmasked;

	self->unmasked = false;
	return was;
}

void irq_enable(void)
{
	struct host_hart *self = host_hart();

	assert(!self->unmasked);
	host_stop_if_told();
	interrupts_deliver(self);
	if (self->hart.current) {
		self->hart.need_resched |= preempt_chance(&self->preempt_state);
		if (self->hart.need_resched)
			sched_preempt();
	}
	host_hart()->unmasked = true; // perhaps another by now
}

void irq_restore(unsigned long flags)
{
	if (flags)
		irq_enable();
}

bool irq_enabled(void)
{
	return host_hart()->unmasked;
}

/* With one hart. */
static void wait_alone(const struct host_hart *self)
{
	nsec_t next = host_next_locked(self), now = clock_now();

	if (next <= now)
		return;
	if (!clock_is_real) {
		if (next == HOST_NEVER)
			host_stuck();
		clock_virtual = next;
		return;
	}
	if (next == HOST_NEVER && !watches)
		host_stuck();
	watches_wait(next == HOST_NEVER ? HOST_NEVER : next - now);
}

void irq_wait(void)
{
	struct host_hart *self = host_hart();

	assert(!self->unmasked);
	host_stop_if_told();
	if (host_is_parallel())
		host_hart_wait(self);
	else
		wait_alone(self);
}
