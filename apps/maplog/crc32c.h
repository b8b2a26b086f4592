// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* CRC-32C (Castagnoli). crc32c(crc32c(0, a), b) is the checksum of a followed by b. Any thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

uint32_t maplog_crc32c(uint32_t crc, const void *data, size_t len);
