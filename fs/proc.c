// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * /proc: text files about the kernel, in Linux's words where it has such a file. A further file is a row of its
 * directory's table. No lock of its own; what a file shows need not belong together.
 */
#include <errno.h>
#include <string.h>

#include "fs/synth.h"
#include "mm/map.h"
#include "mm/pcache.h"
#include "mm/reclaim.h"
#include "mm/tunable.h"

static const struct synth *proc_nth(const struct synth *dir, unsigned n);
static const struct synth *sys_nth(const struct synth *dir, unsigned n);
static const struct synth *vm_nth(const struct synth *dir, unsigned n);

const struct synth proc_directory = {.name = "proc", .ino = 1, .nth = proc_nth};
static const struct synth sys_directory = {.name = "sys", .parent = &proc_directory, .ino = 2, .nth = sys_nth};
static const struct synth vm_directory = {.name = "vm", .parent = &sys_directory, .ino = 3, .nth = vm_nth};

/* ---- /proc ---- */
static void show_meminfo(const struct synth *file, struct text *out)
{
	const size_t kib = PAGE_SIZE / 1024;
	struct pcache_stats cache;
	struct map_stats map;

	(void)file;
	pcache_stats(&cache);
	map_stats(&map);
	text_printf(out, "MemTotal:       %8zu kB\n", frame_total() * kib);
	text_printf(out, "MemFree:        %8zu kB\n", frame_free_count() * kib);
	text_printf(out, "MemAvailable:   %8zu kB\n",
		    (frame_free_count() - min_of(frame_free_count(), frame_reserve()) + cache.pages) * kib);
	text_printf(out, "Cached:         %8zu kB\n", cache.pages * kib);
	text_printf(out, "Dirty:          %8zu kB\n", cache.dirty * kib);
	text_printf(out, "Writeback:      %8zu kB\n", cache.writing * kib);
	text_printf(out, "AnonPages:      %8zu kB\n", map.anon * kib);
	text_printf(out, "Mlocked:        %8zu kB\n", map.locked * kib);
	text_printf(out, "CommitLimit:    %8zu kB\n", map.commit_limit * kib);
	text_printf(out, "Committed_AS:   %8zu kB\n", map.committed * kib);
}

static void show_vmstat(const struct synth *file, struct text *out)
{
	struct pcache_stats cache;

	(void)file;
	pcache_stats(&cache);
	text_printf(out, "nr_free_pages %zu\n", frame_free_count());
	text_printf(out, "nr_file_pages %zu\n", cache.pages);
	text_printf(out, "nr_dirty %zu\n", cache.dirty);
	text_printf(out, "nr_writeback %zu\n", cache.writing);
	text_printf(out, "nr_written %llu\n", (unsigned long long)cache.writes);
	text_printf(out, "pgfill %llu\n", (unsigned long long)cache.fills);
	text_printf(out, "pghit %llu\n", (unsigned long long)cache.hits);
	text_printf(out, "pgsteal %llu\n", (unsigned long long)cache.evicted);
}

static const struct synth proc_files[] = {
    {.name = "meminfo", .parent = &proc_directory, .ino = 4, .show = show_meminfo},
    {.name = "vmstat", .parent = &proc_directory, .ino = 5, .show = show_vmstat},
};

static const struct synth *proc_nth(const struct synth *dir, unsigned n)
{
	(void)dir;
	if (n < array_size(proc_files))
		return &proc_files[n];
	return n == array_size(proc_files) ? &sys_directory : NULL;
}

static const struct synth *sys_nth(const struct synth *dir, unsigned n)
{
	(void)dir;
	return n == 0 ? &vm_directory : NULL;
}

/* ---- /proc/sys/vm ---- */
/* A decimal number, with white space around it. */
static int number(const char *text, unsigned long *value)
{
	static const char *const blanks = " \t\n";
	const char *digit = text + strspn(text, blanks);
	const size_t digits = strspn(digit, "0123456789");

	*value = 0;
	for (size_t i = 0; i < digits; i++) {
		if (__builtin_mul_overflow(*value, 10ul, value) ||
		    __builtin_add_overflow(*value, (unsigned long)(digit[i] - '0'), value))
			return -EINVAL;
	}
	return digits == 0 || digit[digits + strspn(digit + digits, blanks)] ? -EINVAL : 0;
}

static void show_tunable(const struct synth *file, struct text *out)
{
	text_printf(out, "%lu\n", tunable(file->arg));
}

static int store_tunable(const struct synth *file, const char *text)
{
	unsigned long value;
	int err = number(text, &value);

	return err ? err : tunable_set(file->arg, value);
}

/* Linux's: 1 drops pages of files that are clean and not mapped, 2 what other caches can spare, 3 both. */
static int store_drop_caches(const struct synth *file, const char *text)
{
	unsigned long what;
	int err = number(text, &what);

	(void)file;
	if (err || what < 1 || what > 3)
		return -EINVAL;
	if (what & 1)
		(void)pcache_drop_clean(); // how many is not asked
	if (what & 2)
		(void)reclaim_shrink(SIZE_MAX);
	return 0;
}

static struct synth vm_files[TUNABLES + 1]; // constant after proc_init

void proc_init(void)
{
	for (unsigned i = 0; i < array_size(vm_files); i++)
		vm_files[i] = (struct synth){.parent = &vm_directory, .ino = 33 + i, .arg = i};
	for (unsigned i = 0; i < TUNABLES; i++) {
		vm_files[i].name = tunables[i].name;
		vm_files[i].show = show_tunable;
		vm_files[i].store = store_tunable;
	}
	vm_files[TUNABLES].name = "drop_caches";
	vm_files[TUNABLES].store = store_drop_caches;
}

static const struct synth *vm_nth(const struct synth *dir, unsigned n)
{
	(void)dir;
	return n <= TUNABLES ? &vm_files[n] : NULL;
}
