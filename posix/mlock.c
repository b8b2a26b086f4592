// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Keeping pages in memory. All may sleep.
 */

#include <errno.h>
#include <sys/mman.h>

#include "mm/map.h"
#include "posix/call.h"
#include "posix/mman.h"
#include "posix/result.h"

/* mlock and munlock may start inside a page. */
static int lock_range(const void *addr, size_t len, bool lock)
{
	vaddr_t from = align_down((vaddr_t)addr, PAGE_SIZE);
	size_t whole = len + ((vaddr_t)addr - from);
	int err = whole < len ? -ENOMEM : mman_range_check((void *)from, &whole);

	if (!err && whole)
		err = KERNEL_CALL(map_lock(from, whole, lock));
	return (int)result_posix(err);
}

int mlock(const void *addr, size_t len)
{
	return lock_range(addr, len, true);
}

int munlock(const void *addr, size_t len)
{
	return lock_range(addr, len, false);
}
