// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Instruction caches, for who writes code. Does not sleep. */

#include <errno.h>
#include <sys/cachectl.h>

#include "arch/cache.h"
#include "posix/call.h"
#include "posix/result.h"

/* Fetches know no addresses here: all are fenced. */
static int flush(unsigned long flags)
{
	if (flags & ~SYS_RISCV_FLUSH_ICACHE_LOCAL)
		return -EINVAL;
	icache_sync();
	return 0;
}

int __riscv_flush_icache(void *start, void *end, unsigned long flags)
{
	(void)start;
	(void)end;
	return (int)result_posix(KERNEL_CALL(flush(flags)));
}
