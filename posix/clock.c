// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Clocks and sleeping. CLOCK_REALTIME is kernel/time.h's wall clock; all others count from the start and never step.
 * A signal that is handled ends a sleep. An absolute deadline on CLOCK_REALTIME is turned into a monotonic one when the
 * call is made: setting the clock meanwhile does not move it.
 */

#include "posix/clock.h"

#include <errno.h>
#include <sched.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "arch/clock.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "posix/call.h"
#include "posix/result.h"

#define RESOLUTION_NS 1000 // the coarsest counter among the boards, 1 MHz

static bool clock_is_monotonic(clockid_t clock)
{
	return clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_RAW || clock == CLOCK_BOOTTIME;
}

static struct timespec timespec_from(uint64_t ns)
{
	return (struct timespec){.tv_sec = (time_t)(ns / NSEC_PER_SEC), .tv_nsec = (long)(ns % NSEC_PER_SEC)};
}

/* Nanoseconds, the largest number if there are more; false: not a time. */
static bool timespec_to(const struct timespec *ts, uint64_t *ns)
{
	if (ts->tv_nsec < 0 || ts->tv_nsec >= (long)NSEC_PER_SEC || ts->tv_sec < 0)
		return false;
	if (__builtin_mul_overflow((uint64_t)ts->tv_sec, NSEC_PER_SEC, ns) ||
	    __builtin_add_overflow(*ns, (uint64_t)ts->tv_nsec, ns))
		*ns = UINT64_MAX;
	return true;
}

int clock_deadline(clockid_t clock, const struct timespec *ts, nsec_t *deadline)
{
	uint64_t ns, wall, now;

	if (clock != CLOCK_REALTIME && !clock_is_monotonic(clock))
		return EINVAL;
	if (ts->tv_sec < 0 && ts->tv_nsec >= 0 && ts->tv_nsec < (long)NSEC_PER_SEC)
		ns = 0;
	else if (!timespec_to(ts, &ns))
		return EINVAL;
	if (clock == CLOCK_REALTIME) {
		now = clock_now();
		wall = time_wall();
		ns = ns > wall ? ns - wall : 0;
		if (__builtin_add_overflow(ns, now, &ns))
			ns = UINT64_MAX;
	}
	*deadline = ns;
	return 0;
}

int clock_deadline_after(const struct timespec *ts, nsec_t *deadline)
{
	uint64_t ns;

	if (!timespec_to(ts, &ns))
		return EINVAL;
	if (__builtin_add_overflow(ns, clock_now(), deadline))
		*deadline = UINT64_MAX;
	return 0;
}

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	if (clock == CLOCK_REALTIME)
		*ts = timespec_from(time_wall());
	else if (clock_is_monotonic(clock))
		*ts = timespec_from(clock_now());
	else
		return (int)result_posix(-EINVAL);
	return 0;
}

int clock_getres(clockid_t clock, struct timespec *ts)
{
	if (clock != CLOCK_REALTIME && !clock_is_monotonic(clock))
		return (int)result_posix(-EINVAL);
	if (ts)
		*ts = timespec_from(RESOLUTION_NS);
	return 0;
}

int clock_settime(clockid_t clock, const struct timespec *ts)
{
	uint64_t ns;

	if (clock != CLOCK_REALTIME || !timespec_to(ts, &ns))
		return (int)result_posix(-EINVAL);
	time_set_wall(ns, CLOCK_SET);
	return 0;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	uint64_t ns = time_wall();

	(void)zone;
	tv->tv_sec = (time_t)(ns / NSEC_PER_SEC);
	tv->tv_usec = (suseconds_t)(ns % NSEC_PER_SEC / 1000);
	return 0;
}

time_t time(time_t *out)
{
	time_t now = (time_t)(time_wall() / NSEC_PER_SEC);

	if (out)
		*out = now;
	return now;
}

/* 0, or EINTR: a handler of a signal has run, SA_RESTART or not. */
static int sleep_until(nsec_t deadline)
{
	enum signal_outcome outcome;
	struct thread *caller;
	int err;

	do {
		caller = call_begin();
		err = thread_sleep_interruptible(deadline);
		outcome = call_end(caller);
	} while (err == -EINTR && outcome == SIGNAL_NONE);
	return -err;
}

/* *rest is what an interrupted sleep lacks, 0 otherwise. */
static int sleep_for(uint64_t ns, uint64_t *rest)
{
	nsec_t start = clock_now(), deadline = ns > UINT64_MAX - start ? UINT64_MAX : start + ns, now;
	int err = sleep_until(deadline);

	now = clock_now();
	*rest = err && now < deadline ? deadline - now : 0;
	return err;
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *request, struct timespec *rest)
{
	uint64_t ns, left;
	int err;

	if (flags & TIMER_ABSTIME) {
		err = clock_deadline(clock, request, &ns);
		return err ? err : sleep_until(ns);
	}
	if ((clock != CLOCK_REALTIME && !clock_is_monotonic(clock)) || !timespec_to(request, &ns))
		return EINVAL;
	err = sleep_for(ns, &left);
	if (err && rest)
		*rest = timespec_from(left);
	return err;
}

int nanosleep(const struct timespec *request, struct timespec *rest)
{
	return (int)result_posix(-clock_nanosleep(CLOCK_MONOTONIC, 0, request, rest));
}

int usleep(useconds_t us)
{
	uint64_t rest;

	return (int)result_posix(-sleep_for((uint64_t)us * 1000, &rest));
}

/* Seconds that an interrupted sleep lacks. */
unsigned sleep(unsigned seconds)
{
	uint64_t rest;

	return sleep_for(seconds * NSEC_PER_SEC, &rest) ? (unsigned)((rest + NSEC_PER_SEC - 1) / NSEC_PER_SEC) : 0;
}

int sched_yield(void)
{
	struct thread *caller = call_begin();

	thread_yield();
	(void)call_end(caller); // nothing to start again
	return 0;
}
