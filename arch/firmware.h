// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* The firmware's own console: there from the first instruction on, by polling, as slow as its line. Any context. */
#pragma once

#include "lib/types.h"

/* Waits until all of it is sent. Without such a console it goes nowhere. */
void firmware_console_write(const char *text, size_t len);
/* The next byte that came, or -1: none has. One caller at a time. */
int firmware_console_read(void);
