// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* The types only: contexts are not made or switched to by hand. */
#pragma once

#include "sys/ucontext.h"
