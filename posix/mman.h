// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* What the mapping calls check alike. Inside posix/ only. */
#pragma once

#include "arch/page.h"

static inline bool page_aligned(const void *addr)
{
	return ((vaddr_t)addr & PAGE_MASK) == 0;
}

/* -EINVAL: addr is not aligned; -ENOMEM: no such range; or 0, *len rounded up. 0 bytes: there is nothing to do. */
int mman_range_check(const void *addr, size_t *len);
