// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* What later releases of picolibc have in place of a part of <sys/select.h>. */
#pragma once

#ifndef FD_SETSIZE
#define FD_SETSIZE 1024
#endif

#include_next <sys/_select.h>
