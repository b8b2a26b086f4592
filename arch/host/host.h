// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What only the host build has: choosing the size of memory, the kind of time, the scheduler's seed, and events that
 * stand for a device's interrupts. Used by board/host and by the test harness; nothing above includes it.
 */
#pragma once

#include <stdatomic.h>

#include "arch/hart.h"
#include "arch/trap.h"
#include "lib/types.h"

#define HOST_MEMORY_START 0x100000ul // physical address of the first frame

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
 * The parallel mode: so many harts in all, which run at once, as Linux lets them. After sched_init and sched_hart_add
 * of each, interrupts masked. Time becomes real, runs do not repeat, descriptors are not watched.
 */
void host_harts_start(unsigned count);

/*
 * A simulated interrupt: fire runs in interrupt context, on the first hart, once clock_now() >= due. Events due at the
 * same time fire in the order posted. The event is the poster's again when fire starts.
 */
struct host_event {
	nsec_t due;
	void (*fire)(struct host_event *event);
	struct host_event *next;
};
void host_event_post(struct host_event *event, nsec_t due);
/* False: it fires just now, on the first hart, or has fired. */
bool host_event_cancel(struct host_event *event);

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

/* How often icache_sync was called. */
extern atomic_uint host_icache_syncs;

/* The host failed us: says what and errno, aborts. */
_Noreturn void host_die(const char *what);

/* Between the files of arch/host. */
#define HOST_NEVER UINT64_MAX

/* Between Linux threads that run at once; nothing is called above arch/ under it. */
struct host_lock {
	atomic_bool held; // acquire by the taker pairs with release by the giver
};
void host_lock(struct host_lock *lock);
void host_unlock(struct host_lock *lock);

struct host_hart {
	struct hart hart;

	/* Used by who holds the hart. */
	bool unmasked;
	nsec_t deadline; // of its timer
	uint64_t preempt_state;

	/* Guarded by host_machine. */
	bool soft;  // interrupted by another hart
	bool waits; // in irq_wait, and nobody has woken it
	nsec_t waits_until;

	atomic_uint wakes; // how often it was woken: the futex that it waits on
};
extern struct host_lock host_machine;
extern struct host_hart host_harts[HARTS_MAX];

struct host_hart *host_hart(void); // that this Linux thread holds
void host_hart_hold(struct host_hart *hart);
bool host_is_parallel(void);
void host_hart_wait(struct host_hart *self); // irq_wait among several
void host_hart_wake_locked(struct host_hart *hart);
bool host_soft_take(struct host_hart *self);
void host_stop_if_told(void);
nsec_t host_next_locked(const struct host_hart *self); // when an interrupt is due
_Noreturn void host_stuck(void);

extern int host_memfd;
void host_mmap(vaddr_t va, size_t len, int prot, int flags, int fd, paddr_t offset); // at va; dies if it fails
void host_traps_init(void);
void host_thread_enter(void); // alternate signal stack of this Linux thread
void host_thread_leave(void);
void host_signal_return(void);				      // where a handler of the application's returns to
bool host_page_permits(vaddr_t va, enum fault_access access); // the entry does; and shows the page
