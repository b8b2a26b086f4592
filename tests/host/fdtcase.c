// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#include "tests/host/fdtcase.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libfdt.h>

#include "lib/types.h"
#include "tests/host/dts.h"

#define PATH_SIZE 4096

void fdtcase_ask(const struct fdt *fdt)
{
	static const char *const paths[] = {"/soc/serial@10000000", "serial0", "/chosen", "/bridge/bus/mixed", "a"};
	paddr_t pa;
	uint64_t len;
	uint32_t parent, irq, prop_len;
	struct fdt_args args;
	unsigned index;

	for (size_t i = 0; i < array_size(paths); i++)
		(void)fdt_by_path(fdt, paths[i]);
	for (unsigned i = 0; fdt_reservation(fdt, i, &pa, &len) != -ENOENT; i++)
		;
	for (fdt_node_t node = FDT_ROOT; node >= 0; node = fdt_next(fdt, node)) {
		for (unsigned i = 0; i < 4; i++) {
			(void)fdt_reg(fdt, node, i, &pa, &len);
			(void)fdt_irq(fdt, node, i, &parent, &irq);
			(void)fdt_args(fdt, node, "things", "#thing-cells", i, &args);
		}
		(void)strlen(fdt_name(fdt, node));
		(void)fdt_parent(fdt, node);
		(void)fdt_next_sibling(fdt, node);
		(void)fdt_prop(fdt, node, "reg", &prop_len);
		(void)fdt_prop_string(fdt, node, "stdout-path");
		(void)fdt_is_compatible(fdt, node, "virtio,mmio");
		(void)fdt_is_enabled(fdt, node);
		(void)fdt_prop_index(fdt, node, "thing-names", "third", &index);
	}
}

/* ---- who refuses what ---- */

static uint32_t property_len(const void *blob, int offset)
{
	const struct fdt_property *property = fdt_offset_ptr(blob, offset, sizeof(*property));

	return property ? fdt32_ld(&property->len) : 0;
}

/*
 * We are stricter: one root, no more than FDT_DEPTH_MAX nodes in each other, properties before children, version 17.
 * And libfdt 1.6 adds a length near 2^32 to an offset, and reads on before it.
 */
static bool refused_rightly(const void *blob)
{
	int offset = 0, next, depth = 0, roots = 0;
	bool children = false;
	uint32_t tag;

	if (fdt_off_dt_struct(blob) % 4)
		return true;
	while ((tag = fdt_next_tag(blob, offset, &next)) != FDT_END) {
		if (tag == FDT_BEGIN_NODE) {
			roots += depth == 0;
			if (++depth > FDT_DEPTH_MAX)
				return true;
		}
		if (tag == FDT_END_NODE)
			depth--;
		if (tag == FDT_PROP &&
		    (depth == 0 || children || property_len(blob, offset) > fdt_size_dt_struct(blob)))
			return true;
		if (tag == FDT_BEGIN_NODE || tag == FDT_END_NODE)
			children = tag == FDT_END_NODE;
		offset = next;
	}
	return roots != 1;
}

/* ---- what both read ---- */

int fdtcase_offset(const struct fdt *fdt, fdt_node_t node)
{
	return node < 0 ? -1 : (int)fdt->nodes[node].name - 4;
}

static bool same_property(const struct fdt *fdt, fdt_node_t node, const char *name)
{
	uint32_t len = 0;
	int their_len = 0;
	const void *ours = fdt_prop(fdt, node, name, &len),
		   *theirs = fdt_getprop(fdt->blob, fdtcase_offset(fdt, node), name, &their_len);

	return ours == theirs && (!ours || len == (uint32_t)their_len);
}

static bool same_properties(const struct fdt *fdt, fdt_node_t node)
{
	const char *name;
	int prop;

	fdt_for_each_property_offset(prop, fdt->blob, fdtcase_offset(fdt, node))
	{
		if (!fdt_getprop_by_offset(fdt->blob, prop, &name, NULL) || !same_property(fdt, node, name))
			return false;
	}
	return same_property(fdt, node, "no-such-property") && same_property(fdt, node, "reg");
}

/* Only a list that ends with NUL is one for us. */
static bool same_compatible(const struct fdt *fdt, fdt_node_t node, const char *what)
{
	const int offset = fdtcase_offset(fdt, node);
	int len;
	const char *list = fdt_getprop(fdt->blob, offset, "compatible", &len);

	if (list && (len == 0 || list[len - 1]))
		return !fdt_is_compatible(fdt, node, what);
	return fdt_is_compatible(fdt, node, what) == (fdt_node_check_compatible(fdt->blob, offset, what) == 0);
}

/* Ours is any `phandle` of a cell and more but 0, libfdt's exactly one, or in its place `linux,phandle`. */
static bool same_phandle(const struct fdt *fdt, fdt_node_t node)
{
	const uint32_t phandle = fdt_get_phandle(fdt->blob, fdtcase_offset(fdt, node));
	fdt_node_t found;
	int len;

	if (!fdt_getprop(fdt->blob, fdtcase_offset(fdt, node), "phandle", &len) || len != 4)
		return true;
	found = fdt_by_phandle(fdt, phandle);
	if (!phandle)
		return found == -ENOENT;
	if (found < 0 || found > node)
		return false;
	return fdt_getprop(fdt->blob, fdtcase_offset(fdt, found), "phandle", &len) && len != 4
		   ? true
		   : fdt_get_phandle(fdt->blob, fdtcase_offset(fdt, found)) == phandle;
}

static bool same_place(const struct fdt *fdt, fdt_node_t node)
{
	static char path[PATH_SIZE];
	const int offset = fdtcase_offset(fdt, node);

	if (node == FDT_ROOT ? fdt_parent(fdt, node) != -ENOENT
			     : fdtcase_offset(fdt, fdt_parent(fdt, node)) != fdt_parent_offset(fdt->blob, offset))
		return false;
	if (fdt_get_path(fdt->blob, offset, path, sizeof(path)))
		return true; // longer than that
	return fdtcase_offset(fdt, fdt_by_path(fdt, path)) == max_of(fdt_path_offset(fdt->blob, path), -1);
}

static bool same_neighbours(const struct fdt *fdt, fdt_node_t node)
{
	const int offset = fdtcase_offset(fdt, node);

	return fdtcase_offset(fdt, fdt_first_child(fdt, node)) == max_of(fdt_first_subnode(fdt->blob, offset), -1) &&
	       (node == FDT_ROOT ||
		fdtcase_offset(fdt, fdt_next_sibling(fdt, node)) == max_of(fdt_next_subnode(fdt->blob, offset), -1));
}

static bool same_reservations(const struct fdt *fdt)
{
	const int count = fdt_num_mem_rsv(fdt->blob);
	uint64_t start, len, our_len = 0;
	paddr_t pa = 0;
	int i;

	for (i = 0; i < count; i++) {
		const int err = fdt_reservation(fdt, (unsigned)i, &pa, &our_len);

		if (fdt_get_mem_rsv(fdt->blob, i, &start, &len) || pa != start || our_len != len ||
		    err != (len > UINT64_MAX - start ? -EINVAL : 0))
			return false;
	}
	return fdt_reservation(fdt, (unsigned)i, &pa, &our_len) == -ENOENT;
}

/* What of a node differs, or NULL. */
static const char *node_difference(const struct fdt *fdt, fdt_node_t node, bool deep)
{
	if (strcmp(fdt_name(fdt, node), fdt_get_name(fdt->blob, fdtcase_offset(fdt, node), NULL)) != 0)
		return "a node's name";
	if (!same_properties(fdt, node))
		return "a property";
	if (!same_compatible(fdt, node, "ns16550a") || !same_compatible(fdt, node, "simple-bus"))
		return "what a node is compatible with";
	if (!deep)
		return NULL;
	if (!same_place(fdt, node))
		return "where a node is";
	if (!same_neighbours(fdt, node))
		return "a child or a sibling";
	return same_phandle(fdt, node) ? NULL : "a phandle";
}

static const char *difference(const struct fdt *fdt, bool deep)
{
	int depth = 0, theirs = fdt_next_node(fdt->blob, -1, &depth);
	fdt_node_t node = FDT_ROOT;
	const char *what = NULL;

	for (depth = 0; !what && theirs >= 0 && depth >= 0;) {
		if (fdtcase_offset(fdt, node) != theirs)
			return "the order of nodes";
		what = node_difference(fdt, node, deep);
		node = fdt_next(fdt, node);
		theirs = fdt_next_node(fdt->blob, theirs, &depth);
	}
	if (!what && node != -ENOENT)
		what = "the end of the nodes";
	return what ? what : same_reservations(fdt) ? NULL : "a reservation";
}

/* Nothing may follow the root for libfdt 1.6, not even an FDT_NOP, which the specification has between any two tokens.
 */
static bool accepted_rightly(const void *blob)
{
	int offset = 0, next, depth = 0;
	bool root = false;
	uint32_t tag;

	while ((tag = fdt_next_tag(blob, offset, &next)) != FDT_END) {
		if (tag == FDT_NOP && root && depth == 0)
			return true;
		depth += tag == FDT_BEGIN_NODE ? 1 : tag == FDT_END_NODE ? -1 : 0;
		root |= tag == FDT_BEGIN_NODE;
		offset = next;
	}
	return false;
}

bool fdtcase_libfdt_reads(const void *blob, size_t size)
{
	return size >= FDT_V17_SIZE && fdt_version(blob) >= 17 && fdt_check_full(blob, size) == 0;
}

static enum fdtcase_answer answer_of(const void *blob, size_t size, bool deep, const char **what)
{
	static struct fdt_entry nodes[DTS_NODES_MAX];
	struct fdt fdt;
	const bool ours = fdt_open(&fdt, blob, size, nodes, DTS_NODES_MAX) == 0,
		   theirs = fdtcase_libfdt_reads(blob, size);

	*what = NULL;
	if (!ours && !theirs)
		return FDTCASE_REFUSED;
	if (ours && !theirs && !accepted_rightly(blob))
		*what = "libfdt refuses it";
	else if (!ours && !refused_rightly(blob))
		*what = "libfdt reads it";
	else if (!ours)
		return FDTCASE_REFUSED_BY_US;
	if (ours)
		fdtcase_ask(&fdt);
	if (!*what)
		*what = difference(&fdt, deep);
	return *what ? FDTCASE_DIFFERENT : FDTCASE_READ;
}

enum fdtcase_answer fdtcase_compare(const uint8_t *blob, size_t size, bool deep, const char **what)
{
	uint8_t *copy = malloc(size);
	enum fdtcase_answer answer = FDTCASE_DIFFERENT;

	*what = "no memory";
	if (copy) {
		memcpy(copy, blob, size);
		answer = answer_of(copy, size, deep, what);
	}
	free(copy);
	return answer;
}
