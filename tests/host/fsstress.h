// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Several threads at once in one volume: each works in a directory of its own, all rename into one, some store into
 * holes of one file through one mapping, one syncs, one deletes what others made. Nobody waits for ever, each finds
 * what it wrote, and e2fsck finds nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fsstress {
	unsigned block;	    // bytes
	unsigned buffers;   // metadata buffers; 0: the default
	size_t cache_pages; // 0: as RAM allows
	uint64_t seed;
	unsigned harts;	 // 0: one
	unsigned rounds; // of each worker
	bool journal;
};

/* A run, in an image of its own. */
void fsstress(const struct fsstress *how);
