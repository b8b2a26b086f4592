// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What arch/ asks of the rooms above it, besides the traps of arch/trap.h: plain functions bound by the linker, so
 * that nothing here includes them. board/upcall.c.
 */
#pragma once

#include "lib/types.h"

/* A wired frame in the linear map for a page table or a stack; NULL: none free. Any context. */
void *upcall_frame_take(void);
void upcall_frame_give(void *frame);

/* Wired memory, aligned to 16 bytes; NULL: none. */
void *upcall_memory_take(size_t size);
void upcall_memory_give(void *memory);

/* The machine cannot go on. Any context. */
_Noreturn void upcall_panic(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A line of a report: straight to the log. Any context. */
void upcall_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
