// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Device trees for tests, from their sources beside them. */
#pragma once

#include "drivers/driver.h"
#include "lib/fdt.h"

#define DTS_BLOB_MAX (64 * 1024)
#define DTS_NODES_MAX (DTS_BLOB_MAX / FDT_NODE_SIZE_MIN) // no blob has more

struct dts {
	uint8_t blob[DTS_BLOB_MAX];
	size_t size;
	struct fdt fdt;
	struct fdt_entry nodes[DTS_NODES_MAX];
};

/* Compiles tests/host/<source> with dtc, or reads a .dtb by its path, and opens it: 0, or not if either fails. */
int dts_load(struct dts *dts, const char *source);
/* The device that a driver's probe is given for the node at the path. */
struct device dts_device(const struct dts *dts, const char *path);
