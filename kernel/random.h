// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Random numbers for cryptography: ChaCha20 under a key that each request replaces, so what was handed out cannot be
 * found again from what is in memory. What devices and the boot loader supply is mixed into the key. Any context.
 */
#pragma once

#include "lib/types.h"

/* Mixes in what nobody else knows: 32 bytes of full entropy make the numbers good. */
void random_seed(const void *data, size_t len);
/* The same with what others may know. */
void random_mix(const void *data, size_t len);
/* There was such a seed. */
bool random_is_seeded(void);
/* Fills memory of the kernel's. Without a seed so far, what comes can be guessed: the first time a warning says so. */
void random_bytes(void *buf, size_t len);
/* Makes memory zeros, also where the compiler sees that nobody reads them. */
void random_wipe(void *buf, size_t len);
