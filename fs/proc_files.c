// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Of /proc what is about mounts, devices, threads and the machine. Formats are Linux's but for threads, diskio and
 * board. No lock. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arch/clock.h"
#include "fs/blkfile.h"
#include "fs/mount.h"
#include "fs/namei.h"
#include "fs/proc.h"
#include "kernel/bootargs.h"
#include "kernel/cpu.h"
#include "kernel/facts.h"
#include "kernel/interrupts.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "mm/kmalloc.h"
#include "mm/reclaim.h"

/* ---- mounts ---- */

/* What would end the column is \ooo, as on Linux. */
static void put_escaped(struct text *out, const char *s)
{
	for (; *s; s++) {
		if (strchr(" \t\n\\", *s))
			text_printf(out, "\\%03o", *s);
		else
			text_put(out, s, 1);
	}
}

/* By number. */
bool proc_next_mount(const struct synth *file, uint64_t *cursor, struct text *out)
{
	struct mount_info *mount = kmalloc_wait(sizeof(*mount));
	bool found = mount && mount_nth((unsigned)*cursor, mount);

	(void)file;
	if (found) {
		put_escaped(out, mount->device);
		text_put(out, " ", 1);
		put_escaped(out, mount->path);
		text_printf(out, " %s %s 0 0\n", mount->type, mount->read_only ? "ro" : "rw");
		++*cursor;
	}
	kfree(mount);
	return found;
}

void proc_show_filesystems(const struct synth *file, struct text *out)
{
	const char *name;
	bool needs_device;

	(void)file;
	text_printf(out, "nodev\tproc\nnodev\tdevtmpfs\n");
	for (unsigned n = 0; (name = mount_type_nth(n, &needs_device)); n++)
		text_printf(out, "%s\t%s\n", needs_device ? "" : "nodev", name);
}

/* ---- block devices ---- */

void proc_show_partitions(const struct synth *file, struct text *out)
{
	const struct synth *row;

	(void)file;
	text_printf(out, "major minor  #blocks  name\n\n");
	for (unsigned n = 0; (row = blkfile_nth(n)); n++)
		text_printf(out, "%4u  %7u %10llu %s\n", BLKFILE_MAJOR, n, (unsigned long long)(row->size / 1024),
			    row->name);
}

static void put_op(struct text *out, const struct blk_op_stats *op)
{
	text_printf(out, " %llu %llu %llu %llu", (unsigned long long)op->requests, (unsigned long long)op->merged,
		    (unsigned long long)op->sectors, (unsigned long long)(op->time / NSEC_PER_MSEC));
}

/* Linux's columns. As there, zeros that the device writes by itself are writes. */
void proc_show_diskstats(const struct synth *file, struct text *out)
{
	const struct synth *row;

	(void)file;
	for (unsigned n = 0; (row = blkfile_nth(n)); n++) {
		struct blkdev_stats stats;
		struct blk_op_stats *writes = &stats.op[BLK_WRITE];
		const struct blk_op_stats *zeroes = &stats.op[BLK_WRITE_ZEROES], *flushes = &stats.op[BLK_FLUSH];
		unsigned pending;
		nsec_t weighted = 0;

		blk_stats(row->device, &stats, &pending);
		writes->requests += zeroes->requests;
		writes->merged += zeroes->merged;
		writes->sectors += zeroes->sectors;
		writes->time += zeroes->time;
		for (unsigned op = 0; op < BLK_OPS; op++)
			weighted += op == BLK_WRITE_ZEROES ? 0 : stats.op[op].time;
		text_printf(out, "%4u %7u %s", BLKFILE_MAJOR, n, row->name);
		put_op(out, &stats.op[BLK_READ]);
		put_op(out, writes);
		text_printf(out, " %u %llu %llu", pending, (unsigned long long)(stats.busy / NSEC_PER_MSEC),
			    (unsigned long long)(weighted / NSEC_PER_MSEC));
		put_op(out, &stats.op[BLK_DISCARD]);
		text_printf(out, " %llu %llu\n", (unsigned long long)flushes->requests,
			    (unsigned long long)(flushes->time / NSEC_PER_MSEC));
	}
}

/* What Linux has no columns for, of whole devices: what the drivers were given, and who moved the bytes. */
void proc_show_diskio(const struct synth *file, struct text *out)
{
	const struct synth *row;

	(void)file;
	text_printf(out, "name reads writes flushes discards zeroes errors retries resets split unreachable dma-bytes "
			 "cpu-bytes bounced damaged late device-errors slower restarts\n");
	for (unsigned n = 0; (row = blkfile_nth(n)); n++) {
		struct blkdev *dev = row->device;
		struct blkdev_stats stats;
		unsigned pending;

		if (dev->parent)
			continue;
		blk_stats(dev, &stats, &pending);
		text_printf(out, "%s", row->name);
		for (unsigned op = 0; op < BLK_OPS; op++)
			text_printf(out, " %llu", (unsigned long long)stats.commands[op]);
		text_printf(out, " %llu %llu %llu %llu %llu %llu %llu %llu", (unsigned long long)stats.errors,
			    (unsigned long long)stats.retries, (unsigned long long)stats.resets,
			    (unsigned long long)stats.split, (unsigned long long)stats.unreachable,
			    (unsigned long long)stats.dma_bytes, (unsigned long long)stats.cpu_bytes,
			    (unsigned long long)stats.bounced);
		for (unsigned i = 0; i < BLK_TROUBLES; i++)
			text_printf(out, " %llu", (unsigned long long)stats.troubles[i]);
		text_printf(out, "\n");
	}
}

/* ---- threads, harts ---- */

static unsigned hart_count(void)
{
	struct cpu cpu;
	unsigned n = 0;

	while (cpu_get(n, &cpu))
		n++;
	return max_of(n, 1u);
}

/* By number. Linux has no such file. */
bool proc_next_thread(const struct synth *file, uint64_t *cursor, struct text *out)
{
	static const char *const states[] = {"runnable", "running", "waiting", "waiting", "dead"};
	struct thread_info t;
	char waits[64] = "-", hart[16] = "-";

	(void)file;
	if (!thread_info_next((unsigned)*cursor, &t))
		return false;
	if (*cursor == 0)
		text_printf(out, "  ID NAME             STATE    PRIO HART LOCKS WAITS-FOR\n");
	if ((t.state == THREAD_WAITING || t.state == THREAD_INTERRUPTIBLE) && t.waits_name)
		snprintf(waits, sizeof(waits), "%s:%s", t.waits_kind, t.waits_name);
	if (t.hart < HARTS_MAX)
		snprintf(hart, sizeof(hart), "%u", t.hart);
	text_printf(out, "%4u %-16s %-8s %4u %4s %5u %s\n", t.id, t.name, states[t.state], t.priority, hart, t.locks,
		    waits);
	*cursor = t.id;
	return true;
}

static void show_own(struct text *out, enum interrupt_kind kind, const char *label, const char *what)
{
	text_printf(out, "%4s:", label);
	for (unsigned hart = 0; hart < hart_count(); hart++)
		text_printf(out, " %10lu", interrupt_counted(kind, hart));
	text_printf(out, "  %s\n", what);
}

void proc_show_interrupts(const struct synth *file, struct text *out)
{
	struct interrupt_info irq = {.number = 0};

	(void)file;
	text_printf(out, "     ");
	for (unsigned hart = 0; hart < hart_count(); hart++)
		text_printf(out, "       CPU%u", hart);
	text_printf(out, "\n");
	while (interrupts_next(irq.number, &irq)) {
		text_printf(out, "%4u:", irq.number);
		for (unsigned hart = 0; hart < hart_count(); hart++)
			text_printf(out, " %10lu", hart == 0 ? irq.count : 0);
		text_printf(out, "  %s %u Level %s\n", irq.chip, irq.number, irq.name);
	}
	show_own(out, INTERRUPT_TIMER, "TIM", "Timer interrupts");
	show_own(out, INTERRUPT_SOFT, "IPI", "Interrupts from other harts");
}

void proc_show_cpuinfo(const struct synth *file, struct text *out)
{
	struct cpu cpu;

	(void)file;
	for (unsigned n = 0; cpu_get(n, &cpu); n++) {
		text_printf(out, "processor\t: %u\nhart\t\t: %llu\n", n, (unsigned long long)cpu.id);
		if (cpu.isa) {
			text_printf(out, "isa\t\t: ");
			text_put(out, cpu.isa, strlen(cpu.isa));
			text_printf(out, "\n");
		}
		if (cpu.mmu)
			text_printf(out, "mmu\t\t: %s\n", cpu.mmu);
		text_printf(out, "\n");
	}
}

/* ---- the machine ---- */

void proc_show_cmdline(const struct synth *file, struct text *out)
{
	const char *line = bootargs_line();

	(void)file;
	text_put(out, line, strlen(line));
	text_put(out, "\n", 1);
}

/* What drivers and start-up know. Linux has no such file. */
void proc_show_board(const struct synth *file, struct text *out)
{
	char text[FACT_SIZE];

	(void)file;
	for (const struct facts *facts = facts_next(NULL); facts; facts = facts_next(facts)) {
		for (unsigned n = 0; facts->line(facts, n, text); n++)
			text_printf(out, "%s: %s\n", facts->name, text);
	}
}

int proc_store_board(const struct synth *file, const char *value)
{
	const size_t len = strcspn(value, " \n");
	const char *begin = value + len + strspn(value + len, " ");
	const size_t word_len = strcspn(begin, " \n");
	char word[16] = "";

	(void)file;
	if (word_len == 0 || word_len >= sizeof(word))
		return -EINVAL;
	memcpy(word, begin, word_len);
	for (const struct facts *facts = facts_next(NULL); facts; facts = facts_next(facts)) {
		if (strlen(facts->name) == len && !memcmp(facts->name, value, len))
			return facts->set ? facts->set(facts, word) : -EINVAL;
	}
	return -ENODEV;
}

/* Linux's second number, the time that harts were idle, is not counted. */
void proc_show_uptime(const struct synth *file, struct text *out)
{
	const nsec_t now = clock_now(), hundredth = NSEC_PER_SEC / 100;
	nsec_t busy, idle;

	(void)file;
	sched_times(&busy, &idle);
	text_printf(out, "%llu.%02llu %llu.%02llu\n", (unsigned long long)(now / NSEC_PER_SEC),
		    (unsigned long long)(now % NSEC_PER_SEC / hundredth), (unsigned long long)(idle / NSEC_PER_SEC),
		    (unsigned long long)(idle % NSEC_PER_SEC / hundredth));
}

void proc_show_version(const struct synth *file, struct text *out)
{
	(void)file;
	text_printf(out, "cairn (gcc version " __VERSION__ ")\n");
}
