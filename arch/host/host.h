// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What only the host build has: choosing the size of memory, the kind of time, the scheduler's seed, and events that
 * stand for a device's interrupts. Used by board/host and by the test harness; nothing above includes it.
 */
#pragma once

#include "arch/trap.h"
#include "lib/types.h"

/*
 * Makes `frames` frames of memory, linearly mapped, [*start, *end) in physical addresses, and takes over SIGSEGV.
 * Once a process, before anything else. 0, -ENOMEM, -EBUSY (an address window is taken), or the host's errno.
 */
int host_memory_init(size_t frames, paddr_t *start, paddr_t *end);

/*
 * Time. Virtual (the default): starts at 0, creeps on with every look at it, and jumps to the next deadline when
 * nothing runs, so that tests sleep without waiting and runs repeat. Real: the host's monotonic clock.
 */
void host_clock_real(void);

/* Random preemption wherever interrupts are unmasked, about once in `one_in` chances; repeats for a seed. 0: off. */
void host_preempt_seed(uint64_t seed, unsigned one_in);

/*
 * A simulated interrupt: fire runs in interrupt context once clock_now() >= due. Events due at the same time fire in
 * the order posted. The event is the poster's again when fire starts.
 */
struct host_event {
	nsec_t due;
	void (*fire)(struct host_event *event);
	struct host_event *next;
};
void host_event_post(struct host_event *event, nsec_t due);
void host_event_cancel(struct host_event *event); // it is posted

/*
 * A file descriptor of the host as a device, in real time: posts the event once the descriptor has input or has ended;
 * the watch is the caller's again then. Looked at when nothing runs, and when the timer fires.
 */
struct host_watch {
	int fd;
	struct host_event event;
	struct host_watch *next;
};
void host_watch(struct host_watch *watch);
#define HOST_WATCHES_MAX 4u

/*
 * Sees a fault that nobody served before it becomes fatal; may siglongjmp away, or return false to let it become so,
 * or true to try the access again. Set only by tests.
 */
extern bool (*host_fault_hook)(vaddr_t va, enum fault_access access, enum fault_result result, int error);

/* Called before the process aborts since every thread waits and nothing can wake one: says who waits. NULL: none. */
extern void (*host_stuck_hook)(void);

/* Pages of the mapping window that the host shows now, and the greatest number at once. */
size_t host_pages_shown(void);
#define HOST_PAGES_SHOWN_MAX 31000u // each may cost two of Linux's 65,530 areas

/* The host failed us: says what and errno, aborts. */
_Noreturn void host_die(const char *what);

/* Between the files of arch/host. */
extern int host_memfd;
void host_traps_init(void);
void host_thread_enter(void); // alternate signal stack of this Linux thread
void host_thread_leave(void);
void host_signal_return(void);				      // where a handler of the application's returns to
bool host_page_permits(vaddr_t va, enum fault_access access); // the entry does; and shows the page
