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

static bool advice_known(int advice, enum map_advice *out)
{
	static const struct {
		int posix;
		enum map_advice map;
	} advices[] = {
	    {MADV_NORMAL, MAP_ADV_NORMAL},
	    {MADV_RANDOM, MAP_ADV_RANDOM},
	    {MADV_SEQUENTIAL, MAP_ADV_SEQUENTIAL},
	    {MADV_WILLNEED, MAP_ADV_WILLNEED},
	    {MADV_DONTNEED, MAP_ADV_DONTNEED},
	    {MADV_FREE, MAP_ADV_FREE},
	    {MADV_COLD, MAP_ADV_COLD},
	    {MADV_PAGEOUT, MAP_ADV_PAGEOUT},
	    {MADV_POPULATE_READ, MAP_ADV_POPULATE_READ},
	    {MADV_POPULATE_WRITE, MAP_ADV_POPULATE_WRITE},
	};

	for (size_t i = 0; i < array_size(advices); i++) {
		*out = advices[i].map;
		if (advices[i].posix == advice)
			return true;
	}
	return false;
}

static int advise(void *addr, size_t len, int advice)
{
	enum map_advice known;

	if (!advice_known(advice, &known) || mman_range_check(addr, &len))
		return -EINVAL;
	return len ? KERNEL_CALL(map_advise((vaddr_t)addr, len, known)) : 0;
}

int madvise(void *addr, size_t len, int advice)
{
	return (int)result_posix(advise(addr, len, advice));
}

int posix_madvise(void *addr, size_t len, int advice)
{
	/* Unlike madvise's, POSIX's DONTNEED must not change contents: advice that is not taken. */
	if (advice == POSIX_MADV_DONTNEED)
		return 0;
	if (advice != POSIX_MADV_NORMAL && advice != POSIX_MADV_RANDOM && advice != POSIX_MADV_SEQUENTIAL &&
	    advice != POSIX_MADV_WILLNEED)
		return EINVAL;
	return -advise(addr, len, advice);
}
