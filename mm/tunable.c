// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The table of tunables. Defaults are those of 32 MiB of RAM at the one end and of 8 GiB at the other. No lock; what
 * hears of a change may sleep.
 */

#include "mm/tunable.h"

#include <errno.h>

#include "mm/pcache_internal.h"
#include "mm/reclaim.h"

struct tunable tunables[TUNABLES] = {
    [TUNE_DIRTY_BACKGROUND_RATIO] = {.name = "dirty_background_ratio",
				     .unit = "percent",
				     .changed = writeback_limits_changed,
				     .most = 100,
				     .def = 10},
    [TUNE_DIRTY_RATIO] = {.name = "dirty_ratio",
			  .unit = "percent",
			  .changed = writeback_limits_changed,
			  .least = 1,
			  .most = 100,
			  .def = 40},
    [TUNE_DIRTY_EXPIRE_CENTISECS] = {.name = "dirty_expire_centisecs",
				     .unit = "1/100 s",
				     .changed = writeback_limits_changed,
				     .least = 1,
				     .most = 8640000,
				     .def = 500},
    [TUNE_MIN_FREE_KBYTES] = {.name = "min_free_kbytes", .unit = "KiB", .changed = reclaim_marks_changed, .least = 16},
    [TUNE_WATERMARK_SCALE_FACTOR] = {.name = "watermark_scale_factor",
				     .unit = "1/10000 of RAM",
				     .changed = reclaim_marks_changed,
				     .least = 1,
				     .most = 1000},
    [TUNE_READAHEAD_KBYTES] = {.name = "readahead_kbytes", .unit = "KiB", .most = 16384},
    [TUNE_FAULT_AROUND_KBYTES] =
	{.name = "fault_around_kbytes", .unit = "KiB", .power_of_two = true, .least = 4, .most = 256, .def = 64},
    [TUNE_OVERCOMMIT_RATIO] = {.name = "overcommit_ratio", .unit = "percent", .least = 1, .most = 10000, .def = 100},
    [TUNE_CACHE_RESERVE_KBYTES] = {.name = "cache_reserve_kbytes", .unit = "KiB", .least = 32},
    [TUNE_MLOCK_RATIO] = {.name = "mlock_ratio", .unit = "percent", .most = 100, .def = 50},
    [TUNE_STACK_GUARD_GAP] = {.name = "stack_guard_gap", .unit = "pages", .most = 65536, .def = 256},
};

static void range_by_ram(enum tunable_id id, unsigned long def, unsigned long most)
{
	tunables[id].def = def;
	tunables[id].most = most;
}

static unsigned long clamp(unsigned long value, unsigned long least, unsigned long most)
{
	return max_of(min_of(value, most), least);
}

void tunables_init(size_t frames)
{
	const unsigned long ram = frames * (PAGE_SIZE / 1024); // KiB
	const unsigned long quarter = max_of(ram / 4, 32ul);

	range_by_ram(TUNE_MIN_FREE_KBYTES, clamp(ram / 128, 16, 512), quarter);
	range_by_ram(TUNE_WATERMARK_SCALE_FACTOR, clamp(10000ul * 512 / max_of(frames, (size_t)1), 10, 156), 1000);
	range_by_ram(TUNE_READAHEAD_KBYTES, clamp(ram / 128, 64, 1024), 16384);
	range_by_ram(TUNE_CACHE_RESERVE_KBYTES, clamp(ram / 16, 32, 4096), quarter);
	for (struct tunable *t = tunables; t < tunables + TUNABLES; t++)
		atomic_store_explicit(&t->value, t->def, memory_order_relaxed);
}

int tunable_set(enum tunable_id id, unsigned long value)
{
	struct tunable *t = &tunables[id];

	if (value < t->least || value > t->most || (t->power_of_two && value & (value - 1)))
		return -EINVAL;
	atomic_store_explicit(&t->value, value, memory_order_relaxed);
	if (t->changed)
		t->changed();
	return 0;
}
