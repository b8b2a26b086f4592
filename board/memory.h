// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* RAM as the device tree tells of it. */
#pragma once

#include "lib/fdt.h"
#include "mm/frame.h"

#define RANGES_MAX 64

struct range_list {
	struct mem_range range[RANGES_MAX];
	size_t count;
};

/* Adds [start, end) shrunk to whole pages; -E2BIG: no room. */
int ranges_add(struct range_list *list, paddr_t start, paddr_t end);
/* Takes [start, end) grown to whole pages out of every range; -E2BIG: a range fell into two and there is no room. */
int ranges_remove(struct range_list *list, paddr_t start, paddr_t end);

/*
 * Finds RAM, leaves out what is reserved, makes the linear map and hands the rest to the frame allocator. 0, or after
 * a log line -ENOENT (no RAM in the tree), -E2BIG, -ENOMEM.
 */
int memory_init(const struct fdt *fdt);
