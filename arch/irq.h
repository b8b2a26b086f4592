// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Interrupt masking of the hart that runs, and idling. */
#pragma once

#include "lib/types.h"

/*
 * unsigned long irq_save(void):          masks interrupts on this hart; returns what irq_restore needs. Nests.
 * void irq_restore(unsigned long flags): as they were
 */
#include <arch_irq.h>

bool irq_enabled(void);
/* Unmasks, where there is no earlier state to restore: a new thread's first step, the end of the boot flow. */
void irq_enable(void);

/*
 * Waits until an interrupt is pending, called by the idle thread with interrupts masked; returns with them still
 * masked, and the caller unmasks to let it be handled (so no wake-up can slip between check and wait).
 */
void irq_wait(void);
