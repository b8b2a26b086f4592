// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Between the files of /proc: proc.c (the tree, sys/vm), proc_files.c (tables), proc_memory.c. */
#pragma once

#include "fs/synth.h"

/* As synth.show. */
void proc_show_meminfo(const struct synth *file, struct text *out);
void proc_show_vmstat(const struct synth *file, struct text *out);
void proc_show_partitions(const struct synth *file, struct text *out);
void proc_show_diskstats(const struct synth *file, struct text *out);
void proc_show_diskio(const struct synth *file, struct text *out);
void proc_show_interrupts(const struct synth *file, struct text *out);
void proc_show_cmdline(const struct synth *file, struct text *out);
void proc_show_uptime(const struct synth *file, struct text *out);
void proc_show_filesystems(const struct synth *file, struct text *out);
void proc_show_version(const struct synth *file, struct text *out);
void proc_show_cpuinfo(const struct synth *file, struct text *out);
void proc_show_board(const struct synth *file, struct text *out);
/* As synth.store: a device, and what it chooses: "mmcblk0 pio". */
int proc_store_board(const struct synth *file, const char *value);
/* As synth.next. */
bool proc_next_map(const struct synth *file, uint64_t *cursor, struct text *out);
bool proc_next_mount(const struct synth *file, uint64_t *cursor, struct text *out);
bool proc_next_thread(const struct synth *file, uint64_t *cursor, struct text *out);
