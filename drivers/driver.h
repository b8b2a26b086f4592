// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Matching drivers to the device tree. A driver is a list of `compatible` strings and a probe; board/drivers.c lists
 * the drivers in the order in which they are probed. A device is what the tree says of one node, already checked.
 */
#pragma once

#include "lib/fdt.h"
#include "lib/types.h"

#define DEVICE_REGS_MAX 4
#define DEVICE_IRQS_MAX 16

struct device {
	const struct fdt *fdt;
	fdt_node_t node;
	const char *name; // node name with unit address
	struct {
		paddr_t pa;
		uint64_t len;
	} reg[DEVICE_REGS_MAX];
	unsigned reg_count;
	uint32_t irq[DEVICE_IRQS_MAX];
	unsigned irq_count;
};

struct driver {
	const char *name;
	const char *const *compatible; // NULL-terminated
	/* 0: bound; -ENODEV: not this one after all, silently; else the error, which is logged. May sleep. */
	int (*probe)(const struct device *dev);
};

/* The interrupt of a device whose node has none, on boards whose root is compatible with `board`. */
struct device_quirk {
	const char *board;
	paddr_t regs; // the device's first
	uint32_t irq;
};

/* board/quirks.c, up to a row without a board. */
extern const struct device_quirk board_quirks[];

/* board/drivers.c, NULL-terminated. */
extern const struct driver *const board_drivers[];

/* Probes every node with status okay, driver by driver. */
void drivers_probe(const struct fdt *fdt);
