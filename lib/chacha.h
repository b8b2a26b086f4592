// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

#include "lib/types.h"

/* Block `counter` of the ChaCha20 stream (RFC 8439, with a nonce of zeros and a counter of 64 bits) of a key. */
void chacha20_block(const uint32_t key[8], uint64_t counter, uint32_t out[16]);
