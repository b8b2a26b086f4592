// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Registers and backtraces. Whatever they read may be wrong, so every word is read without serving a fault, and the
 * chain of frames has a greatest length. Any context.
 */

#include <inttypes.h>

#include "arch/context.h"
#include "arch/riscv/riscv.h"
#include "arch/trap.h"
#include "arch/upcall.h"

#define DEPTH_MAX 48

/*
 * tools/symbols.py's table of functions, by offset in the image; empty in the first link. The first row's offset is the
 * number of the others; name counts from the start of the table.
 */
struct symbol {
	uint32_t offset, name;
};
extern const struct symbol symbols_start[], symbols_end[];

static const char *cause_name(uint64_t cause)
{
	static const char *const names[] = {
	    [0] = "instruction address misaligned",
	    [1] = "instruction access fault",
	    [2] = "illegal instruction",
	    [3] = "breakpoint",
	    [4] = "load address misaligned",
	    [5] = "load access fault",
	    [6] = "store address misaligned",
	    [7] = "store access fault",
	    [12] = "instruction page fault",
	    [13] = "load page fault",
	    [15] = "store page fault",
	};

	if (cause >> 63)
		return "interrupt";
	return cause < array_size(names) && names[cause] ? names[cause] : "unknown trap";
}

static bool in_text(vaddr_t pc)
{
	return pc >= (vaddr_t)image_text && pc < (vaddr_t)image_text_end;
}

/* The function around pc: its name and how far into it; NULL: not known. */
static const char *symbol_find(vaddr_t pc, size_t *into)
{
	const struct symbol *table = symbols_start + 1;
	uint32_t offset = (uint32_t)(pc - (vaddr_t)image_text);
	size_t low = 0, high;

	if (!in_text(pc) || (vaddr_t)symbols_start == (vaddr_t)symbols_end)
		return NULL;
	high = symbols_start->offset;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (table[middle].offset <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return NULL;
	*into = offset - table[low - 1].offset;
	return (const char *)symbols_start + table[low - 1].name;
}

static void frame_print(unsigned depth, vaddr_t pc, bool is_return)
{
	size_t into = 0;
	/* A return address may be the first of the next function: the call is before it. */
	const char *name = symbol_find(pc - is_return, &into);

	if (name)
		upcall_print("  #%-2u 0x%016" PRIxPTR " %s+0x%zx", depth, pc, name, into + is_return);
	else
		upcall_print("  #%-2u 0x%016" PRIxPTR, depth, pc);
}

/* Reading a device's register may do something: no frame lies there, whatever the chain says. */
static bool word_read(vaddr_t va, uint64_t *value)
{
	return va % 8 == 0 && va - DEVICE_BASE >= DEVICE_SIZE && uaccess_peek64((void *)va, value);
}

/* ra: the register, for functions that have not stored it; 0: not known. */
static void chain_print(vaddr_t pc, vaddr_t fp, vaddr_t ra, unsigned depth_max)
{
	bool is_return = false;

	for (unsigned depth = 0; depth < depth_max; depth++) {
		uint64_t caller = ra, caller_fp = fp;

		frame_print(depth, pc, is_return);
		/* A jump into nowhere has made no frame. */
		if (in_text(pc) || !ra) {
			if (!word_read(fp - 8, &caller) || !word_read(fp - 16, &caller_fp))
				return;
			if (ra && !in_text(caller)) { // a leaf keeps only the frame pointer
				caller_fp = caller;
				caller = ra;
			}
		}
		if (!caller || (caller_fp == fp && !ra))
			return;
		pc = caller;
		fp = caller_fp;
		ra = 0;
		is_return = true;
	}
}

void backtrace_print(vaddr_t pc, vaddr_t fp)
{
	chain_print(pc, fp, 0, DEPTH_MAX);
}

/* It stands in its call of context_switch. */
void backtrace_context(const struct context *ctx, unsigned depth_max)
{
	chain_print(ctx->ra, ctx->s[0], 0, depth_max);
}

void backtrace_here(void)
{
	chain_print((vaddr_t)__builtin_return_address(0), *((vaddr_t *)__builtin_frame_address(0) - 2), 0, DEPTH_MAX);
}

void trap_frame_print(const struct trap_frame *tf)
{
	static const char *const names[] = {"pc", "ra", "sp", "gp", "tp",  "t0",  "t1", "t2", "s0", "s1", "a0",
					    "a1", "a2", "a3", "a4", "a5",  "a6",  "a7", "s2", "s3", "s4", "s5",
					    "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6"};

	upcall_print("%s (cause %#" PRIx64 "), value 0x%016" PRIx64 ", status 0x%016" PRIx64, cause_name(tf->cause),
		     tf->cause, tf->value, tf->status);
	for (size_t i = 0; i < array_size(names); i += 4)
		upcall_print("%4s %016" PRIx64 " %4s %016" PRIx64 " %4s %016" PRIx64 " %4s %016" PRIx64, names[i],
			     tf->x[i], names[i + 1], tf->x[i + 1], names[i + 2], tf->x[i + 2], names[i + 3],
			     tf->x[i + 3]);
	upcall_print("backtrace:");
	chain_print(tf->x[0], tf->x[8], tf->x[1], DEPTH_MAX);
}
