// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

#include <ucontext.h>

/* What a signal handler is given: all registers are in the ucontext. */
struct trap_frame {
	ucontext_t *uc;
	int signal, code; // Linux's number and si_code
};
