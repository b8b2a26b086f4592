// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The numbers of memory management that may be changed while it runs, in one table. Names and units are Linux's where
 * the meaning is; docs/tunables.md explains each. They have good values from frame_init on, which depend on how much
 * RAM there is. fs/proc.c shows them as /proc/sys/vm/NAME. No lock; any context.
 */
#pragma once

#include <stdatomic.h>

#include "arch/page.h"
#include "lib/types.h"

enum tunable_id {
	TUNE_DIRTY_BACKGROUND_RATIO,
	TUNE_DIRTY_RATIO,
	TUNE_DIRTY_EXPIRE_CENTISECS,
	TUNE_MIN_FREE_KBYTES,
	TUNE_WATERMARK_SCALE_FACTOR,
	TUNE_READAHEAD_KBYTES,
	TUNE_FAULT_AROUND_KBYTES,
	TUNE_OVERCOMMIT_RATIO,
	TUNE_CACHE_RESERVE_KBYTES,
	TUNE_MLOCK_RATIO,
	TUNE_STACK_GUARD_GAP,
	TUNABLES,
};

struct tunable {
	const char *name, *unit;
	bool power_of_two;	 // 0 or one
	void (*changed)(void);	 // who must hear of it; NULL: it is read at each use
	unsigned long least;	 // constant from tunables_init on, as what follows but the value
	unsigned long most, def; // 0 before: by RAM
	atomic_ulong value;	 // relaxed: each use takes it once
};
extern struct tunable tunables[TUNABLES];

/* Sets all to their defaults, for so many frames of RAM. */
void tunables_init(size_t frames);

/* 0; -EINVAL: out of range, nothing is changed. Takes effect at once. May sleep. */
int tunable_set(enum tunable_id id, unsigned long value);

static inline unsigned long tunable(enum tunable_id id)
{
	return atomic_load_explicit(&tunables[id].value, memory_order_relaxed);
}

/* Of those in KiB. */
static inline size_t tunable_pages(enum tunable_id id)
{
	return tunable(id) / (PAGE_SIZE / 1024);
}
