// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Keeping pages in memory, and asking which are there. All may sleep.
 */

#include <errno.h>
#include <sys/mman.h>

#include "arch/uaccess.h"
#include "mm/map.h"
#include "posix/call.h"
#include "posix/mman.h"
#include "posix/result.h"

_Static_assert((int)MAP_LOCK_CURRENT == MCL_CURRENT && (int)MAP_LOCK_FUTURE == MCL_FUTURE &&
		   (int)MAP_LOCK_ON_FAULT == MCL_ONFAULT,
	       "same bits");

/* mlock and munlock may start inside a page. */
static int lock_range(const void *addr, size_t len, bool lock)
{
	const vaddr_t from = align_down((vaddr_t)addr, PAGE_SIZE), to = align_up((vaddr_t)addr + len, PAGE_SIZE);
	int err = 0;

	if (to < from || (vaddr_t)addr + len < len)
		err = -EINVAL;
	else if (len)
		err = KERNEL_CALL(map_lock(from, to - from, lock));
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

int mlockall(int flags)
{
	int err = -EINVAL;

	if (flags && flags != MCL_ONFAULT && !(flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)))
		err = KERNEL_CALL(map_lock_all((enum map_lock_all)flags));
	return (int)result_posix(err);
}

int munlockall(void)
{
	return (int)result_posix(KERNEL_CALL(map_lock_all((enum map_lock_all)0)));
}

static int in_core(vaddr_t at, size_t pages, unsigned char *vec)
{
	unsigned char part[256];

	while (pages > 0) {
		size_t n = map_in_core(at, min_of(pages, sizeof(part)), part);

		if (n == 0)
			return -ENOMEM;
		if (uaccess_copy(vec, part, n))
			return -EFAULT;
		at += n * PAGE_SIZE;
		vec += n;
		pages -= n;
	}
	return 0;
}

int mincore(void *addr, size_t len, unsigned char *vec)
{
	int err = mman_range_check(addr, &len);

	if (!err && (vaddr_t)addr + len > MMAP_MAX)
		err = -ENOMEM;
	if (!err && len)
		err = KERNEL_CALL(in_core((vaddr_t)addr, len / PAGE_SIZE, vec));
	return (int)result_posix(err);
}
