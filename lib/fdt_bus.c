// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What a node of the device tree says in its bus's terms, brought into the processor's: addresses through every
 * parent's ranges, interrupts to their controller. Built on the checked reader of fdt.c; takes no lock, never sleeps.
 */

#include "lib/fdt.h"

#include <errno.h>

#define CELLS_MAX 2u // of an address or a size that we can hold
#define REFERENCE_CELLS_MAX 16u

struct bus {
	uint32_t address_cells, size_cells;
};

/* -EINVAL: numbers on this bus are too long for us. */
static int bus_of(const struct fdt *fdt, fdt_node_t node, struct bus *bus)
{
	*bus = (struct bus){2, 1};
	(void)fdt_prop_u32(fdt, node, "#address-cells", 0, &bus->address_cells);
	(void)fdt_prop_u32(fdt, node, "#size-cells", 0, &bus->size_cells);
	return bus->address_cells > CELLS_MAX || bus->size_cells > CELLS_MAX ? -EINVAL : 0;
}

/* The number in count cells from cell i on, and i moves behind it. False: the property is shorter. */
static bool read_cells(const struct fdt *fdt, fdt_node_t node, const char *name, unsigned *i, uint32_t count,
		       uint64_t *value)
{
	uint32_t cell;

	for (*value = 0; count > 0; count--) {
		if (!fdt_prop_u32(fdt, node, name, (*i)++, &cell))
			return false;
		*value = *value << 32 | cell;
	}
	return true;
}

/* Turns an address on the bus below the node into one on the bus around it. */
static int translate(const struct fdt *fdt, fdt_node_t node, const struct bus *below, const struct bus *around,
		     paddr_t *pa, uint64_t size)
{
	uint64_t from, to, span;
	uint32_t len;
	unsigned i = 0;

	if (!fdt_prop(fdt, node, "ranges", &len))
		return -EINVAL;
	if (len == 0)
		return 0;
	if (below->address_cells == 0) // rows of no cells would never end
		return -EINVAL;
	while (i < len / 4 && read_cells(fdt, node, "ranges", &i, below->address_cells, &from) &&
	       read_cells(fdt, node, "ranges", &i, around->address_cells, &to) &&
	       read_cells(fdt, node, "ranges", &i, below->size_cells, &span)) {
		if (*pa < from || *pa - from > span || size > span - (*pa - from))
			continue;
		*pa = to + (*pa - from);
		return *pa >= to ? 0 : -EINVAL;
	}
	return -EINVAL;
}

int fdt_reg(const struct fdt *fdt, fdt_node_t node, unsigned i, paddr_t *pa, uint64_t *len)
{
	fdt_node_t parent = fdt_parent(fdt, node), grandparent;
	struct bus bus, around;
	uint32_t bytes;
	unsigned at;

	if (parent < 0 || !fdt_prop(fdt, node, "reg", &bytes))
		return -ENOENT;
	if (bus_of(fdt, parent, &bus) || bus.address_cells == 0)
		return -EINVAL;
	if (i >= bytes / 4 / (bus.address_cells + bus.size_cells))
		return -ENOENT;
	at = i * (bus.address_cells + bus.size_cells);
	if (!read_cells(fdt, node, "reg", &at, bus.address_cells, pa) ||
	    !read_cells(fdt, node, "reg", &at, bus.size_cells, len))
		return -ENOENT;
	for (; (grandparent = fdt_parent(fdt, parent)) >= 0; parent = grandparent, bus = around) {
		if (bus_of(fdt, grandparent, &around) || translate(fdt, parent, &bus, &around, pa, *len))
			return -EINVAL;
	}
	return *len > UINT64_MAX - *pa ? -EINVAL : 0;
}

/* The reference at cell `at` without its cells. A phandle of 0 holds the place of none: count is 0. */
static int reference_read(const struct fdt *fdt, fdt_node_t node, const char *list, const char *cells, unsigned at,
			  struct fdt_args *args)
{
	if (!fdt_prop_u32(fdt, node, list, at, &args->phandle))
		return -ENOENT;
	args->count = 0;
	if (args->phandle == 0)
		return 0;
	args->node = fdt_by_phandle(fdt, args->phandle);
	return args->node >= 0 && fdt_prop_u32(fdt, args->node, cells, 0, &args->count) &&
		       args->count <= REFERENCE_CELLS_MAX
		   ? 0
		   : -EINVAL;
}

int fdt_args(const struct fdt *fdt, fdt_node_t node, const char *list, const char *cells, unsigned i,
	     struct fdt_args *args)
{
	unsigned at = 0;
	int error = reference_read(fdt, node, list, cells, at, args);

	for (; !error && i > 0; i--) {
		at += 1 + args->count;
		error = reference_read(fdt, node, list, cells, at, args);
	}
	if (error)
		return error;
	if (args->phandle == 0)
		return -ENOENT;
	if (args->count > FDT_ARGS_MAX)
		return -EINVAL;
	for (uint32_t c = 0; c < args->count; c++)
		if (!fdt_prop_u32(fdt, node, list, at + 1 + c, &args->cells[c]))
			return -EINVAL;
	return 0;
}

int fdt_irq(const struct fdt *fdt, fdt_node_t node, unsigned i, uint32_t *parent, uint32_t *irq)
{
	struct fdt_args args = {0};
	uint32_t len, cells;

	if (fdt_prop(fdt, node, "interrupts-extended", &len)) {
		int error = fdt_args(fdt, node, "interrupts-extended", "#interrupt-cells", i, &args);

		*parent = args.phandle;
		*irq = args.cells[0];
		return error ? error : args.count == 1 ? 0 : -EINVAL;
	}
	if (!fdt_prop_u32(fdt, node, "interrupts", i, irq))
		return -ENOENT;
	while (node >= 0 && !fdt_prop_u32(fdt, node, "interrupt-parent", 0, parent))
		node = fdt_parent(fdt, node);
	if (node < 0)
		return -EINVAL;
	node = fdt_by_phandle(fdt, *parent);
	return node >= 0 && fdt_prop_u32(fdt, node, "#interrupt-cells", 0, &cells) && cells == 1 ? 0 : -EINVAL;
}
