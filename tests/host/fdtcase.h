// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* The device-tree reader against libfdt, for the tests of it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/fdt.h"

enum fdtcase_answer { FDTCASE_REFUSED, FDTCASE_REFUSED_BY_US, FDTCASE_READ, FDTCASE_DIFFERENT };

/*
 * Gives both readers a copy of the blob that ends where its allocation ends. Both refuse it; or we alone do, for a
 * reason of ours that libfdt sees in it too; or both read it, and see the same. Else FDTCASE_DIFFERENT, and *what says
 * in what; `deep` also asks what costs the square of the nodes.
 */
enum fdtcase_answer fdtcase_compare(const uint8_t *blob, size_t size, bool deep, const char **what);

/* libfdt's own check. Of versions before 17, which we refuse, it is not asked: 1.6 follows a null pointer for them. */
bool fdtcase_libfdt_reads(const void *blob, size_t size);

/* What libfdt calls a node of ours: the offset of its token. -1: none. */
int fdtcase_offset(const struct fdt *fdt, fdt_node_t node);

/* Asks an open tree everything that can be asked; the answers do not matter, a sanitizer looks on. */
void fdtcase_ask(const struct fdt *fdt);
