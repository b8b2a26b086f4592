// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* The firmware: what it is, and its console, which is there from the first instruction on. Any context. */
#pragma once

#include "lib/types.h"

/* What it says of itself and of the processor, as the SBI specification has the numbers. */
struct firmware {
	unsigned long specification, implementation, version;
	unsigned long vendor, architecture, machine; // mvendorid, marchid, mimpid
};
void firmware_identify(struct firmware *out);
/* Those of its extensions that matter here, by number: a name, NULL behind the last; and whether it has that one. */
const char *firmware_extension_nth(unsigned n);
bool firmware_has(unsigned n);

/* Waits until all of it is sent. Without such a console it goes nowhere. */
void firmware_console_write(const char *text, size_t len);
/* The next byte that came, or -1: none has. One caller at a time. */
int firmware_console_read(void);
