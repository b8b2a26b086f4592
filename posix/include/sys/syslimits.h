// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* picolibc's, with the limits that are cairn's. */
#pragma once

#include_next <sys/syslimits.h>

#undef LINK_MAX
#undef OPEN_MAX
#undef PATH_MAX
#undef PIPE_BUF
#define LINK_MAX 32000 // ext2's
#define OPEN_MAX 1024
#define PATH_MAX 4096
#define PIPE_BUF 4096
#define SYMLOOP_MAX 40
