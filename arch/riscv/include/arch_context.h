// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

#include "lib/types.h"

/* What a function call preserves, and the FP state with it. All zero: of the boot flow. context.S knows the layout. */
struct context {
	uint64_t ra, sp;
	uint64_t s[12];
	uint64_t tp;
	uint64_t fs_state; // sstatus.FS of the thread; fs and fcsr mean something only if it says Dirty
	uint64_t fcsr;
	uint64_t fs[12];
};
