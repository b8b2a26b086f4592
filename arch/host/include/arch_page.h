// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

/* Fixed windows of the Linux process, reserved PROT_NONE by host_memory_init. */
#define LINEAR_BASE 0x200000000000ul // the memfd's linear view
#define LINEAR_SIZE 0x1000000000ul

#define MMAP_MIN 0x300000000000ul
#define MMAP_MAX 0x304000000000ul
