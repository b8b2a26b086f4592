// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* The checksums of SD's bus (SD Physical Layer Simplified Specification, section 4.5). Chained: start with 0. */
#pragma once

#include "lib/types.h"

/* x^7 + x^3 + 1; seven bits. */
uint8_t crc7(uint8_t crc, const void *data, size_t len);
/* x^16 + x^12 + x^5 + 1. */
uint16_t crc16(uint16_t crc, const void *data, size_t len);
