// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* What the whole-stack tests share: patterns, mapping a file, and the card images that they start from. */
#pragma once

#include <fcntl.h>

#include "arch/page.h"
#include "fs/fs.h"
#include "mm/map.h"
#include "tests/host/harness.h"
#include "tests/host/image.h"

/* Byte i of the pattern number n; no two patterns, nor a pattern moved by pages or blocks, look alike. */
uint8_t stack_byte(unsigned n, uint64_t i);
void stack_fill(uint8_t *buf, unsigned n, uint64_t from, size_t len);
/* The first byte of buf that is not the pattern's: its index, or len. */
size_t stack_differs(const uint8_t *buf, unsigned n, uint64_t from, size_t len);

/*
 * An image of this size with block size `block`, holding /data: data_len bytes of pattern 1. Made once a process for
 * each name; tests do not write to it.
 */
const char *stack_image(const char *name, const char *size, unsigned block, size_t data_len);

/* Inside a run; they fail it unless all goes well. */
int stack_open(const char *path, int flags);
uint8_t *stack_map(int fd, size_t len, enum map_prot prot, enum map_kind kind); // fd -1: anonymous
void stack_unmap(const uint8_t *p, size_t len);
