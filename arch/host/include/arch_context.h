// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "lib/types.h"

struct host_hart;

/* A Linux thread that runs only while it holds a hart's baton (arch/host/context.c). All zero: the boot flow's. */
struct context {
	atomic_uint baton;	// enum baton, a futex; release by the giver pairs with acquire by the taker
	struct host_hart *hart; // whose baton it is; the giver's before, the taker's after
	bool made;		// by context_init; `thread` is valid once started
	bool started;
	pthread_t thread;
	void (*entry)(void *);
	void *arg;
	vaddr_t stack_base, stack_top;
	vaddr_t pc, fp; // of context_switch's caller, while it does not run: for reports
};
