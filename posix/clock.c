// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Clocks and sleeping. CLOCK_REALTIME is kernel/time.h's wall clock; all others count from the start and never step.
 * Sleeps are cancellation points, end when a signal is handled, and last to the nanosecond that the clock has. Who
 * waits for a time of CLOCK_REALTIME is woken to look anew when the clock is set.
 */

#include "posix/clock.h"

#include <cairn.h>
#include <errno.h>
#include <pthread.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "arch/clock.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "posix/call.h"
#include "posix/futex.h"
#include "posix/mutex_pi.h"
#include "posix/result.h"
#include "posix/thread.h"
#include "posix/user.h"

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

nsec_t deadline_now(const struct deadline *deadline)
{
	uint64_t wall, ns = deadline->ns;

	if (!deadline->wall)
		return ns;
	wall = time_wall();
	if (ns <= wall)
		return 0;
	return __builtin_add_overflow(ns - wall, clock_now(), &ns) ? UINT64_MAX : ns;
}

int clock_deadline(clockid_t clock, const struct timespec *ts, struct deadline *deadline)
{
	uint64_t ns;

	if (clock != CLOCK_REALTIME && !clock_is_monotonic(clock))
		return EINVAL;
	if (ts->tv_sec < 0 && ts->tv_nsec >= 0 && ts->tv_nsec < (long)NSEC_PER_SEC)
		ns = 0;
	else if (!timespec_to(ts, &ns))
		return EINVAL;
	*deadline = (struct deadline){.wall = clock == CLOCK_REALTIME, .ns = ns};
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

/* All that runs is the process, the kernel's part of it too. */
static nsec_t busy_time(void)
{
	nsec_t busy, idle;

	sched_times(&busy, &idle);
	return busy;
}

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	if (clock == CLOCK_REALTIME)
		return (int)result_posix(user_put(ts, timespec_from(time_wall())));
	if (clock_is_monotonic(clock))
		return (int)result_posix(user_put(ts, timespec_from(clock_now())));
	if (clock == CLOCK_PROCESS_CPUTIME_ID)
		return (int)result_posix(user_put(ts, timespec_from(busy_time())));
	return (int)result_posix(-EINVAL);
}

int timespec_get(struct timespec *ts, int base)
{
	if (base != TIME_UTC)
		return 0;
	return user_put(ts, timespec_from(time_wall())) ? 0 : base;
}

int clock_getres(clockid_t clock, struct timespec *ts)
{
	if (clock != CLOCK_REALTIME && clock != CLOCK_PROCESS_CPUTIME_ID && !clock_is_monotonic(clock))
		return (int)result_posix(-EINVAL);
	return ts ? (int)result_posix(user_put(ts, timespec_from(RESOLUTION_NS))) : 0;
}

static int wall_set(const struct timespec *ts)
{
	uint64_t ns;

	if (!timespec_to(ts, &ns) || ns > INT64_MAX)
		return -EINVAL;
	time_set_wall(ns, CLOCK_SET);
	futex_clock_set();
	pi_mutexes_clock_set();
	return 0;
}

int clock_settime(clockid_t clock, const struct timespec *ts)
{
	struct timespec copy;
	int err = clock == CLOCK_REALTIME ? user_get(&copy, ts) : -EINVAL;

	return (int)result_posix(err ? err : wall_set(&copy));
}

int settimeofday(const struct timeval *tv, const struct timezone *zone)
{
	struct timeval copy;
	int err = tv ? user_get(&copy, tv) : 0;

	(void)zone;
	if (tv && !err)
		err = copy.tv_usec < 0 || copy.tv_usec >= 1000000
			  ? -EINVAL
			  : wall_set(&(struct timespec){.tv_sec = copy.tv_sec, .tv_nsec = copy.tv_usec * 1000});
	return (int)result_posix(err);
}

enum cairn_clock cairn_clock_source(void)
{
	static const enum cairn_clock sources[] = {
	    [CLOCK_UNSET] = CAIRN_CLOCK_UNSET,
	    [CLOCK_FS] = CAIRN_CLOCK_CARD,
	    [CLOCK_RTC] = CAIRN_CLOCK_DEVICE,
	    [CLOCK_SET] = CAIRN_CLOCK_SET,
	};

	return sources[time_quality()];
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	const uint64_t ns = time_wall();
	const struct timeval now = {.tv_sec = (time_t)(ns / NSEC_PER_SEC),
				    .tv_usec = (suseconds_t)(ns % NSEC_PER_SEC / 1000)};

	(void)zone;
	return (int)result_posix(user_put(tv, now));
}

time_t time(time_t *out)
{
	const time_t now = (time_t)(time_wall() / NSEC_PER_SEC);

	return out && user_put(out, now) ? (time_t)result_posix(-EFAULT) : now;
}

/* 0, or EINTR: a handler of a signal has run, SA_RESTART or not. */
static int sleep_until(const struct deadline *deadline)
{
	const struct posix_thread *self = posix_self();
	const unsigned handled = self->handled;
	const struct wait_note what = {.kind = "sleep"};
	const uint32_t word = 0; // nobody else knows it

	pthread_testcancel();
	while (clock_now() < deadline_now(deadline)) {
		if (futex_wait_cancel(&word, 0, deadline, &what) == -EINTR)
			pthread_testcancel();
		if (self->handled != handled)
			return EINTR;
	}
	return 0;
}

/* The same; *rest is what an interrupted sleep lacks. */
static int sleep_for(uint64_t ns, uint64_t *rest)
{
	nsec_t start = clock_now();
	struct deadline deadline = {.ns = ns > UINT64_MAX - start ? UINT64_MAX : start + ns};
	int err = sleep_until(&deadline);
	nsec_t now = clock_now();

	*rest = now < deadline.ns ? deadline.ns - now : 0;
	return err;
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *request, struct timespec *rest)
{
	struct deadline deadline;
	struct timespec copy;
	uint64_t ns, left;
	int err;

	if (clock != CLOCK_REALTIME && !clock_is_monotonic(clock))
		return EINVAL;
	if (user_get(&copy, request))
		return EFAULT;
	if (flags & TIMER_ABSTIME) {
		err = clock_deadline(clock, &copy, &deadline);
		return err ? err : sleep_until(&deadline);
	}
	if (!timespec_to(&copy, &ns))
		return EINVAL;
	err = sleep_for(ns, &left);
	if (err && rest && user_put(rest, timespec_from(left)))
		err = EFAULT;
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
