// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* cairn has 1024 descriptors by default, which is Linux's default too, but whoever runs the tests may have set more. */
#pragma once

#include "oracle.h"

#ifdef __linux__
#include <sys/resource.h>

static inline void limit_descriptors(unsigned count)
{
	struct rlimit limit;

	MUST(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = count;
	MUST(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}
#else
static inline void limit_descriptors(unsigned count)
{
	(void)count;
}
#endif
