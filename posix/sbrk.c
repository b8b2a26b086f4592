// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The end of the heap, which malloc moves too: nobody may count on what two calls give being adjacent, nor give back
 * more than what it got last. May sleep.
 */

#include <errno.h>
#include <unistd.h>

#include "mm/map.h"
#include "posix/call.h"
#include "posix/result.h"

void *sbrk(ptrdiff_t delta)
{
	vaddr_t old = KERNEL_CALL(map_sbrk(delta));

	return old ? (void *)old : (void *)result_posix(-ENOMEM);
}
