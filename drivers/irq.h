// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* External interrupts. One controller (PLIC) so far; handlers run with interrupts masked and must not sleep. */
#pragma once

#include "lib/types.h"

/* Registers the handler and enables the source. -EBUSY: taken; -EINVAL: no such source; -ENODEV: no controller. */
int irq_request(uint32_t irq, void (*handler)(void *arg), void *arg, const char *name);
/* There is a controller. */
bool irq_present(void);
