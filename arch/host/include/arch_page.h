// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

/*
 * Fixed windows of the Linux process, reserved PROT_NONE by host_memory_init. Below the lowest address of a program
 * (0x555555554000), in the part that the thread sanitizer and the address sanitizer both leave to it.
 */
#define LINEAR_BASE 0x550000000000ul // the memfd's linear view
#define LINEAR_SIZE 0x1000000000ul

#define MMAP_MIN 0x551000000000ul
#define MMAP_MAX 0x555000000000ul
