// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * /proc: text files about the kernel, in Linux's words where it has such a file. A further file is a row of its
 * directory's table. No lock of its own; what a file shows need not belong together.
 */
#include <errno.h>
#include <string.h>

#include "fs/proc.h"
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
#define TEXT(number, called, shown)                                                                                    \
	{                                                                                                              \
		.name = (called), .parent = &proc_directory, .ino = (number), .show = (shown)                          \
	}
#define LIST(number, called, next_one)                                                                                 \
	{                                                                                                              \
		.name = (called), .parent = &proc_directory, .ino = (number), .next = (next_one)                       \
	}

static const struct synth proc_files[] = {
    TEXT(4, "meminfo", proc_show_meminfo),
    TEXT(5, "vmstat", proc_show_vmstat),
    TEXT(6, "partitions", proc_show_partitions),
    TEXT(7, "diskstats", proc_show_diskstats),
    TEXT(8, "interrupts", proc_show_interrupts),
    TEXT(9, "cmdline", proc_show_cmdline),
    TEXT(10, "uptime", proc_show_uptime),
    TEXT(11, "filesystems", proc_show_filesystems),
    TEXT(12, "version", proc_show_version),
    TEXT(13, "cpuinfo", proc_show_cpuinfo),
    LIST(14, "maps", proc_next_map),
    LIST(15, "mounts", proc_next_mount),
    LIST(16, "threads", proc_next_thread),
    TEXT(17, "diskio", proc_show_diskio),
    {.name = "board", .parent = &proc_directory, .ino = 18, .show = proc_show_board, .store = proc_store_board},
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
