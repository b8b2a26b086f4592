// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "lib/types.h"

/* A Linux thread that runs only while it holds the baton (arch/host/context.c). All zero: the boot flow's. */
struct context {
	atomic_uint baton; // enum baton, a futex; release by the giver pairs with acquire by the taker
	bool made;	   // by context_init; `thread` is valid once started
	bool started;
	pthread_t thread;
	void (*entry)(void *);
	void *arg;
	vaddr_t stack_base, stack_top;
	vaddr_t pc, fp; // of context_switch's caller, while it does not run: for reports
};
