// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Allocations that find no memory. For programs that are linked with the allocators' names wrapped (WRAPPED in
 * SConstruct), so that nothing in the kernel knows of it: what one file of the allocators calls in itself is not seen.
 */
#pragma once

#include "lib/types.h"

/*
 * Of the frames and pieces of the kernel heap that the calling thread asks for from now on, those numbered from ..
 * from+count-1 (the first is 1) are not to be had. One call of allocfail_disarm ends that.
 */
void allocfail_arm(uint64_t from, uint64_t count);
void allocfail_disarm(void);
uint64_t allocfail_fired(void); // how many have failed since allocfail_arm

/* Pieces of the kernel heap that are handed out, by all threads. */
size_t allocfail_pieces(void);
