// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

#include "lib/types.h"

/*
 * All registers at a trap, as trap.S stores them. record makes the frame a link in the chain of frame pointers. ft and
 * fa mean something only if FS in status says Dirty: what a call preserves, the handler preserves.
 */
struct trap_frame {
	uint64_t x[32]; // x[0] is where the trap was taken: the program counter
	uint64_t status, cause, value;
	uint64_t fcsr;
	uint64_t ft[12], fa[8];
	struct {
		uint64_t fp, ra;
	} record;
};
