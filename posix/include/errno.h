// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* picolibc's, and what it lacks. */
#pragma once

#include_next <errno.h>

#ifndef EUCLEAN
#define EUCLEAN (__ELASTERROR + 1) // the file system needs repair
#endif
#ifndef ENOTBLK
#define ENOTBLK 15 // no block device
#endif
