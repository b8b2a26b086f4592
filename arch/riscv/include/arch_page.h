// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

/* Sv39 address space, docs/design.md section 3. The low half is what mmap hands out. */
#define LINEAR_BASE 0xffffffc000000000ul // physical 0 .. 128 GiB
#define LINEAR_SIZE 0x2000000000ul
#define DEVICE_BASE 0xffffffe000000000ul // device windows
#define DEVICE_SIZE 0x100000000ul
#define STACK_BASE 0xffffffe800000000ul // thread stacks, each below a guard page
#define STACK_SIZE 0x100000000ul
#define IMAGE_BASE 0xffffffff80000000ul

#define MMAP_MIN 0x10000ul
#define MMAP_MAX 0x4000000000ul
