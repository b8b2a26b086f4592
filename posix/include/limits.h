// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* The C library's, and what it lacks. */
#pragma once

#include_next <limits.h>

#include "sys/_pthreadlimits.h"

#ifndef SSIZE_MAX
#define SSIZE_MAX LONG_MAX
#endif
