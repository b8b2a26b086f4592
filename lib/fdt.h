// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Reader of the flattened device tree (Devicetree Specification, chapter 5). Works in place, allocates nothing. The
 * blob is checked once by fdt_open: header, bounds, token structure, depth; on the way its nodes are written down, so
 * that nothing walks through it again. Big-endian numbers are converted here.
 */
#pragma once

#include "lib/types.h"

typedef int32_t fdt_node_t; // number of the node in the order of the tree, the root's is 0; negative: errno
#define FDT_DEPTH_MAX 32
#define FDT_NODE_SIZE_MIN 12 // of a node in a blob

/* One node; offsets are in the structure block. */
struct fdt_entry {
	uint32_t name;
	uint32_t props;	     // the first token behind the name
	uint32_t compatible; // token of the property, 0: there is none
	uint32_t phandle;    // 0: it has none
	fdt_node_t parent;   // -ENOENT: the root
};

struct fdt {
	const uint8_t *blob;
	uint32_t size;
	uint32_t struct_off, struct_size, strings_off, strings_size, rsvmap_off;
	const struct fdt_entry *nodes;
	uint32_t count;
};

/* Size stated in a header at blob, without trusting more than its first 8 bytes: 0 if it is no device tree. */
uint32_t fdt_total_size(const void *blob);

/*
 * 0, or -EINVAL (not a tree, or damaged), -E2BIG (larger than max, deeper than FDT_DEPTH_MAX, more nodes than
 * nodes_max). The tree uses blob and nodes for as long as it is read.
 */
int fdt_open(struct fdt *fdt, const void *blob, size_t max, struct fdt_entry *nodes, uint32_t nodes_max);

#define FDT_ROOT 0
/* Successor in the order of the tree. -ENOENT at the end. */
fdt_node_t fdt_next(const struct fdt *fdt, fdt_node_t node);
fdt_node_t fdt_first_child(const struct fdt *fdt, fdt_node_t node);
fdt_node_t fdt_next_sibling(const struct fdt *fdt, fdt_node_t node);
fdt_node_t fdt_parent(const struct fdt *fdt, fdt_node_t node);
/* "/soc/serial@10000000", or an alias name without slash; a component without @ matches any unit address. */
fdt_node_t fdt_by_path(const struct fdt *fdt, const char *path);
/* The first that has it; 0 is nobody's. */
fdt_node_t fdt_by_phandle(const struct fdt *fdt, uint32_t phandle);

const char *fdt_name(const struct fdt *fdt, fdt_node_t node);
/* Raw property; NULL if it is not there. */
const void *fdt_prop(const struct fdt *fdt, fdt_node_t node, const char *name, uint32_t *len);
/* A property that must be a NUL-terminated string (list): NULL if it is not. */
const char *fdt_prop_string(const struct fdt *fdt, fdt_node_t node, const char *name);
/* Cell i of a property of 32-bit cells: false if it is shorter. */
bool fdt_prop_u32(const struct fdt *fdt, fdt_node_t node, const char *name, unsigned i, uint32_t *value);
bool fdt_is_compatible(const struct fdt *fdt, fdt_node_t node, const char *compatible);
/* No status, "okay" or "ok". */
bool fdt_is_enabled(const struct fdt *fdt, fdt_node_t node);

/* Entry i of reg, as a physical address: translated through every parent's ranges. -ENOENT, -EINVAL. */
int fdt_reg(const struct fdt *fdt, fdt_node_t node, unsigned i, paddr_t *pa, uint64_t *len);
/* Interrupt i (interrupts or interrupts-extended, one-cell parents): *parent is the controller's phandle. */
int fdt_irq(const struct fdt *fdt, fdt_node_t node, unsigned i, uint32_t *parent, uint32_t *irq);
/*
 * Entry i of a property that is a list of references (`clocks`, `cd-gpios`): a phandle, then as many cells as the node
 * it names says under `cells` ("#clock-cells"). -ENOENT: no such entry, or its phandle is 0; -EINVAL: damaged, or more
 * cells than FDT_ARGS_MAX.
 */
#define FDT_ARGS_MAX 4
struct fdt_args {
	uint32_t phandle; // of the node that is referred to
	fdt_node_t node;
	uint32_t cells[FDT_ARGS_MAX];
	uint32_t count;
};
int fdt_args(const struct fdt *fdt, fdt_node_t node, const char *list, const char *cells, unsigned i,
	     struct fdt_args *args);
/* Where in a property that is a list of strings `value` stands. -ENOENT; -EINVAL: the property is no such list. */
int fdt_prop_index(const struct fdt *fdt, fdt_node_t node, const char *name, const char *value, unsigned *i);
/* Memory reservation block, entry i: -ENOENT at the end. */
int fdt_reservation(const struct fdt *fdt, unsigned i, paddr_t *pa, uint64_t *len);
