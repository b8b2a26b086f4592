// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* picolibc's, with sets for as many descriptors as there are. */
#pragma once

#ifndef FD_SETSIZE
#define FD_SETSIZE 1024
#endif

#include_next <sys/select.h>
