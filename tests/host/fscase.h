// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Runs of the tester of trees (tests/fsmodel) inside a kernel, on a card of its own. After each e2fsck finds nothing,
 * and debugfs lists and reads what the model says. A run that fails is made shorter by leaving operations out, and
 * reported with what is left. CAIRN_FSMODEL holds the words of one run to repeat, as a report says.
 */
#pragma once

#include "tests/fsmodel/fsmodel.h"

struct fscase {
	unsigned block, inode;	     // bytes
	const char *size, *features; // of the volume, for mke2fs; NULL: 64M, none
	/* Frames of RAM, pages of the cache, metadata buffers, names and idle inodes that are kept. 0: the defaults. */
	unsigned frames, cache, buffers, dentries, idle;
	unsigned disk, preempt; // seeds of the disk's delays and of preemption
	unsigned fail_ops;	// the nth of these transfers (1 << BLK_...) fails, and every nth behind it
	unsigned long fail_nth;
	uint64_t seed;
	unsigned long ops;
	unsigned names;
	bool full;  // the volume is small
	bool tmpfs; // on /tmp, which is one
};

/* Fails the test unless all goes well. */
void fscase_run(const struct fscase *c);
/* Fails unless the runs so far have carried out all kinds of operations. */
void fscase_check_kinds(void);
/* The run that CAIRN_FSMODEL describes; false: it is not set. */
bool fscase_repeat(void);
