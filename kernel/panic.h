// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

#include "arch/trap.h"

#define EXIT_PANIC 134 // exit statuses of ./cairn run, README.md
#define EXIT_FAULT 139

/* Our own mistake: report with backtrace, tell the console the status, stop. Any context. */
_Noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void panic_trap(const struct trap_frame *tf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Called once everything has been said, to keep it; what it does wrong ends it, not the panic. Any context. */
void panic_set_keep(void (*keep)(void));
/* Somebody panics: no other hart runs, and nobody sleeps any more. Any context. */
bool panic_begun(void);

/* Set by the console: carries the exit status out by the polled path. Any context. */
void panic_set_exit(void (*exit)(int status, char kind));
