// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* New contexts and the blocks of thread-local storage. RISC-V puts the block at the thread pointer and upwards. */

#include "arch/context.h"

#include <stddef.h>
#include <string.h>

#include "arch/riscv/riscv.h"
#include "arch/upcall.h"

_Static_assert(offsetof(struct context, ra) == CONTEXT_RA, "asm.h");
_Static_assert(offsetof(struct context, sp) == CONTEXT_SP, "asm.h");
_Static_assert(offsetof(struct context, s) == CONTEXT_S, "asm.h");
_Static_assert(offsetof(struct context, tp) == CONTEXT_TP, "asm.h");
_Static_assert(offsetof(struct context, fs_state) == CONTEXT_FS_STATE, "asm.h");
_Static_assert(offsetof(struct context, fcsr) == CONTEXT_FCSR, "asm.h");
_Static_assert(offsetof(struct context, fs) == CONTEXT_FS, "asm.h");

extern char tls_start[], tls_data_end[], tls_size[], tls_align[]; // the last two are numbers, board/cairn.ld

void context_start(void); // context.S

void context_init(struct context *ctx, void (*entry)(void *), void *arg, vaddr_t stack_base, vaddr_t stack_top,
		  void *tls)
{
	(void)stack_base;
	*ctx = (struct context){
	    .ra = (vaddr_t)context_start,
	    .sp = align_down(stack_top, 16),
	    .s = {[1] = (vaddr_t)entry, [2] = (vaddr_t)arg}, // s0 is 0: the chain of frames ends here
	    .tp = (vaddr_t)tls,
	    .fs_state = SSTATUS_FS_INITIAL,
	};
}

void context_free(struct context *ctx)
{
	(void)ctx;
}

static void *tls_fill(void *block)
{
	size_t data = (size_t)(tls_data_end - tls_start);

	memcpy(block, tls_start, data);
	memset((char *)block + data, 0, (size_t)tls_size - data);
	return block;
}

/* Of the boot flow, before there is an allocator; never destroyed. */
void *tls_boot(void)
{
	return tls_fill(map_boot_take(((size_t)tls_size + PAGE_SIZE - 1) / PAGE_SIZE));
}

void *tls_create(void)
{
	size_t align = max_of((size_t)tls_align, (size_t)16);
	void *memory = upcall_memory_take(sizeof(memory) + align + (size_t)tls_size);
	vaddr_t block;

	if (!memory)
		return NULL;
	block = align_up((vaddr_t)memory + sizeof(memory), align);
	((void **)block)[-1] = memory;
	return tls_fill((void *)block);
}

void tls_destroy(void *tls)
{
	upcall_memory_give(((void **)tls)[-1]);
}
