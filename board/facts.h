// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

#include "lib/fdt.h"

/* What /proc/board begins with; the tree stays. Once, at start. */
void board_facts_add(const struct fdt *fdt);
