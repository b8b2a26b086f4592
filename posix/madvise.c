// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Advice about ranges of mappings. All may sleep.
 */

#include <errno.h>
#include <sys/mman.h>

#include "mm/map.h"
#include "posix/call.h"
#include "posix/mman.h"
#include "posix/result.h"

static int advise(void *addr, size_t len, int advice)
{
	static const enum map_advice advices[] = {
	    [MADV_NORMAL] = MAP_ADV_NORMAL,	    [MADV_RANDOM] = MAP_ADV_RANDOM,
	    [MADV_SEQUENTIAL] = MAP_ADV_SEQUENTIAL, [MADV_WILLNEED] = MAP_ADV_WILLNEED,
	    [MADV_DONTNEED] = MAP_ADV_DONTNEED,
	};
	int err = mman_range_check(addr, &len);

	if (advice < 0 || (size_t)advice >= array_size(advices))
		return -EINVAL;
	return err || !len ? err : KERNEL_CALL(map_advise((vaddr_t)addr, len, advices[advice]));
}

int madvise(void *addr, size_t len, int advice)
{
	return (int)result_posix(advise(addr, len, advice));
}

int posix_madvise(void *addr, size_t len, int advice)
{
	/* Unlike madvise's, POSIX's DONTNEED must not change contents: advice that is not taken. */
	return advice == POSIX_MADV_DONTNEED ? 0 : -advise(addr, len, advice);
}
