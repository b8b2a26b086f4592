// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Page size and the linear map: every frame of RAM is reachable at a fixed distance from its physical address.
 * LINEAR_BASE is the architecture's: a constant on RISC-V, the view of the memfd on the host.
 */
#pragma once

#include "lib/types.h"
#include <arch_page.h>

#define PAGE_SHIFT 12
#define PAGE_SIZE 4096ul
#define PAGE_MASK (PAGE_SIZE - 1)

static inline void *pa_to_va(paddr_t pa)
{
	return (void *)(LINEAR_BASE + pa);
}

/* Only for addresses inside the linear map: not stacks, not the image, not mappings. */
static inline paddr_t va_to_pa(const void *va)
{
	return (paddr_t)((vaddr_t)va - LINEAR_BASE);
}
