// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

#include "lib/fdt.h"

/* Says how many there may be (cpu_possible). */
void harts_count(const struct fdt *fdt);

/* Starts every usable hart of the tree beside the one that runs, up to HARTS_MAX. Those that do not start are named. */
void harts_start(const struct fdt *fdt);
