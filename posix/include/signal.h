// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* picolibc's, and what later releases of it no longer show. */
#pragma once

#include_next <signal.h>

#ifndef NSIG
#define NSIG _NSIG
#endif
