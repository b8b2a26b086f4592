// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Wall clock: an offset to the monotonic clock, with the quality of where it came from. Reading takes no lock and may
 * be done in any context. Also brings the timer interrupt to the scheduler.
 */

#include "kernel/time.h"

#include <stdatomic.h>

#include "arch/clock.h"
#include "arch/trap.h"
#include "kernel/interrupts.h"
#include "kernel/log.h"
#include "kernel/sched.h"

static struct spinlock wall_lock = SPINLOCK_INIT("wall clock"); // serialises setting
static _Atomic uint64_t wall_offset;				// wall clock - clock_now()
static _Atomic enum clock_quality wall_quality;

uint64_t time_wall(void)
{
	return clock_now() + atomic_load_explicit(&wall_offset, memory_order_relaxed);
}

enum clock_quality time_quality(void)
{
	return atomic_load_explicit(&wall_quality, memory_order_relaxed);
}

void time_set_wall(uint64_t ns, enum clock_quality quality)
{
	unsigned long flags = spin_lock(&wall_lock);
	enum clock_quality before = time_quality();
	bool taken = quality == CLOCK_SET || (before != CLOCK_SET && ns > time_wall());

	if (taken) {
		atomic_store_explicit(&wall_offset, ns - clock_now(), memory_order_relaxed);
		atomic_store_explicit(&wall_quality, quality, memory_order_relaxed);
	}
	spin_unlock(&wall_lock, flags);
	if (taken && before == CLOCK_RTC && quality == CLOCK_FS)
		log_warning("the clock device is behind the newest time on the card, which is taken instead");
}

void trap_timer(void)
{
	interrupt_count(INTERRUPT_TIMER);
	sched_timer(clock_now());
}
