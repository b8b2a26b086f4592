// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The device-tree reader against libfdt on two trees that dtc makes, and against thousands of damaged copies of them
 * under the address sanitizer: each lies at the very end of its allocation.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include "lib/fdt.h"
#include "tests/host/dts.h"
#include "tests/host/fdtcase.h"

#define MUTATIONS 20000

static struct dts trees[2];
static struct fdt_entry nodes[DTS_NODES_MAX]; // of the copies

static int load_all(void **state)
{
	(void)state;
	return dts_load(&trees[0], "virt.dts") || dts_load(&trees[1], "odd.dts");
}

/* ---- against libfdt ---- */
static void compare_properties(const struct dts *tree, fdt_node_t node, int theirs)
{
	int prop, their_len;
	uint32_t len;

	fdt_for_each_property_offset(prop, tree->blob, theirs)
	{
		const char *name;
		const void *value = fdt_getprop_by_offset(tree->blob, prop, &name, &their_len);

		assert_ptr_equal(fdt_prop(&tree->fdt, node, name, &len), value);
		assert_int_equal(len, their_len);
	}
	assert_null(fdt_prop(&tree->fdt, node, "no-such-property", &len));
}

static void test_walk_like_libfdt(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const struct dts *tree = &trees[i];
		int depth = 0, theirs = fdt_next_node(tree->blob, -1, &depth);
		fdt_node_t node = FDT_ROOT;
		char path[256];
		size_t count = 0;

		for (depth = 0; theirs >= 0 && depth >= 0; count++) {
			const struct fdt *fdt = &tree->fdt;

			assert_int_equal(fdtcase_offset(fdt, node), theirs);
			assert_string_equal(fdt_name(fdt, node), fdt_get_name(tree->blob, theirs, NULL));
			assert_int_equal(fdt_get_path(tree->blob, theirs, path, sizeof(path)), 0);
			assert_int_equal(fdt_by_path(fdt, path), node);
			assert_int_equal(fdtcase_offset(fdt, fdt_parent(fdt, node)),
					 depth ? fdt_parent_offset(tree->blob, theirs) : -1);
			assert_int_equal(fdtcase_offset(fdt, fdt_first_child(fdt, node)),
					 max_of(fdt_first_subnode(tree->blob, theirs), -1));
			if (depth)
				assert_int_equal(fdtcase_offset(fdt, fdt_next_sibling(fdt, node)),
						 max_of(fdt_next_subnode(tree->blob, theirs), -1));
			else
				assert_int_equal(fdt_next_sibling(fdt, node), -ENOENT);
			compare_properties(tree, node, theirs);
			node = fdt_next(fdt, node);
			theirs = fdt_next_node(tree->blob, theirs, &depth);
		}
		assert_int_equal(node, -ENOENT);
		assert_true(count > 10);
	}
}

static void test_find_like_libfdt(void **state)
{
	static const char *const compatible[] = {"virtio,mmio", "ns16550a", "riscv,plic0", "odd", "none"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		for (size_t c = 0; c < array_size(compatible); c++) {
			int theirs = fdt_node_offset_by_compatible(trees[i].blob, -1, compatible[c]);

			for (fdt_node_t node = FDT_ROOT; node >= 0; node = fdt_next(&trees[i].fdt, node)) {
				const bool found = fdtcase_offset(&trees[i].fdt, node) == theirs;

				assert_int_equal(fdt_is_compatible(&trees[i].fdt, node, compatible[c]), found);
				if (found)
					theirs = fdt_node_offset_by_compatible(trees[i].blob, theirs, compatible[c]);
			}
			assert_int_equal(theirs, -FDT_ERR_NOTFOUND);
		}
		for (uint32_t phandle = 1; phandle < 12; phandle++)
			assert_int_equal(fdtcase_offset(&trees[i].fdt, fdt_by_phandle(&trees[i].fdt, phandle)),
					 max_of(fdt_node_offset_by_phandle(trees[i].blob, phandle), -1));
	}
}

/* ---- what libfdt does not do ---- */
static void assert_reg(const struct dts *tree, const char *path, unsigned i, int result, paddr_t pa, uint64_t len)
{
	paddr_t got_pa = 0;
	uint64_t got_len = 0;

	assert_int_equal(fdt_reg(&tree->fdt, fdt_by_path(&tree->fdt, path), i, &got_pa, &got_len), result);
	if (result == 0) {
		assert_int_equal(got_pa, pa);
		assert_int_equal(got_len, len);
	}
}

static void test_reg(void **state)
{
	(void)state;
	assert_reg(&trees[0], "/memory", 0, 0, 0x80000000, 128 << 20);
	assert_reg(&trees[0], "/memory", 1, -ENOENT, 0, 0);
	assert_reg(&trees[0], "/soc/serial", 0, 0, 0x10000000, 0x100);
	assert_reg(&trees[0], "/cpus/cpu@0", 0, -EINVAL, 0, 0); // a hart's number is no address
	assert_reg(&trees[0], "/chosen", 0, -ENOENT, 0, 0);
	assert_reg(&trees[0], "/", 0, -ENOENT, 0, 0);

	assert_reg(&trees[1], "serial0", 0, 0, 0x40000100, 0x20);
	assert_reg(&trees[1], "serial0", 1, 0, 0x1000008000, 0x100);
	assert_reg(&trees[1], "serial0", 2, -EINVAL, 0, 0); // over the end of the bus's window
	assert_reg(&trees[1], "serial0", 3, -EINVAL, 0, 0); // in no window
	assert_reg(&trees[1], "serial0", 4, -ENOENT, 0, 0);
	assert_reg(&trees[1], "/bridge/same/inner", 0, 0, 0x40000020, 0x10);
	assert_reg(&trees[1], "/bridge/opaque/inner", 0, -EINVAL, 0, 0);
	assert_reg(&trees[1], "/memory", 1, 0, 0x1040000000, 0x40000000);
	assert_reg(&trees[1], "/memory", 2, -EINVAL, 0, 0); // wraps
}

/* Buses whose addresses have no cells: rows of ranges take no room, and a reader that counts by them hangs. */
static void test_reg_without_cells(void **state)
{
	static struct dts tree;
	int root, outer, inner, node;

	(void)state;
	assert_int_equal(fdt_create_empty_tree(tree.blob, sizeof(tree.blob)), 0);
	root = fdt_path_offset(tree.blob, "/");
	assert_int_equal(fdt_setprop_u32(tree.blob, root, "#size-cells", 0), 0);
	assert_int_equal(fdt_setprop_u32(tree.blob, root, "#address-cells", 0), 0);
	outer = fdt_add_subnode(tree.blob, root, "outer");
	assert_int_equal(fdt_setprop_u32(tree.blob, outer, "ranges", 1), 0);
	assert_int_equal(fdt_setprop_u32(tree.blob, outer, "#size-cells", 0), 0);
	assert_int_equal(fdt_setprop_u32(tree.blob, outer, "#address-cells", 0), 0);
	inner = fdt_add_subnode(tree.blob, outer, "inner");
	assert_int_equal(fdt_setprop_u64(tree.blob, inner, "ranges", 0x100), 0);
	assert_int_equal(fdt_setprop_u32(tree.blob, inner, "#size-cells", 1), 0);
	assert_int_equal(fdt_setprop_u32(tree.blob, inner, "#address-cells", 1), 0);
	node = fdt_add_subnode(tree.blob, inner, "device");
	assert_int_equal(fdt_setprop_u64(tree.blob, node, "reg", 0x400000004), 0);
	assert_int_equal(fdt_open(&tree.fdt, tree.blob, sizeof(tree.blob), tree.nodes, DTS_NODES_MAX), 0);
	assert_reg(&tree, "/outer/inner/device", 0, -EINVAL, 0, 0);
	assert_reg(&tree, "/outer/inner", 0, -ENOENT, 0, 0);
}

static void test_irq(void **state)
{
	const struct fdt *virt = &trees[0].fdt, *odd = &trees[1].fdt;
	fdt_node_t uart = fdt_by_path(odd, "serial0"), mixed = fdt_by_path(odd, "/bridge/bus/mixed");
	uint32_t parent, irq, plic;

	(void)state;
	assert_int_equal(fdt_irq(virt, fdt_by_path(virt, "/soc/serial"), 0, &parent, &irq), 0);
	assert_int_equal(irq, 10);
	assert_int_equal(fdt_by_phandle(virt, parent), fdt_by_path(virt, "/soc/plic"));
	/* The controller's own: machine and supervisor of hart 0, then of hart 1. */
	assert_int_equal(fdt_irq(virt, fdt_by_path(virt, "/soc/plic"), 3, &parent, &irq), 0);
	assert_int_equal(irq, 9);
	assert_int_equal(fdt_parent(virt, fdt_by_phandle(virt, parent)), fdt_by_path(virt, "/cpus/cpu@1"));
	assert_int_equal(fdt_irq(virt, fdt_by_path(virt, "/soc/plic"), 4, &parent, &irq), -ENOENT);

	assert_true(fdt_prop_u32(odd, fdt_by_path(odd, "/plic"), "phandle", 0, &plic));
	assert_int_equal(fdt_irq(odd, uart, 1, &parent, &irq), 0); // the parent is the root's
	assert_int_equal(parent, plic);
	assert_int_equal(irq, 11);
	assert_int_equal(fdt_irq(odd, uart, 2, &parent, &irq), -ENOENT);
	assert_int_equal(fdt_irq(odd, mixed, 0, &parent, &irq), -EINVAL); // two cells
	assert_int_equal(fdt_irq(odd, mixed, 1, &parent, &irq), 0);
	assert_int_equal(parent, plic);
	assert_int_equal(irq, 9);
	assert_int_equal(fdt_irq(odd, mixed, 2, &parent, &irq), -EINVAL); // no such controller
	assert_int_equal(fdt_irq(odd, mixed, 3, &parent, &irq), -EINVAL);
}

static void test_references(void **state)
{
	const struct fdt *odd = &trees[1].fdt;
	fdt_node_t user = fdt_by_path(odd, "/user"), aliases = fdt_by_path(odd, "/aliases");
	struct fdt_args args;
	unsigned i;

	(void)state;
	assert_int_equal(fdt_args(odd, user, "things", "#thing-cells", 0, &args), 0);
	assert_int_equal(args.node, fdt_by_path(odd, "/things-0"));
	assert_int_equal(args.count, 0);
	assert_int_equal(fdt_args(odd, user, "things", "#thing-cells", 1, &args), -ENOENT); // a place that is empty
	assert_int_equal(fdt_args(odd, user, "things", "#thing-cells", 2, &args), 0);
	assert_int_equal(args.node, fdt_by_path(odd, "/things-2"));
	assert_int_equal(args.count, 2);
	assert_int_equal(args.cells[0], 41);
	assert_int_equal(args.cells[1], 1);
	assert_int_equal(fdt_args(odd, user, "things", "#thing-cells", 3, &args), -EINVAL); // more than we hold
	assert_int_equal(fdt_args(odd, user, "things", "#thing-cells", 4, &args), -EINVAL); // cut short
	assert_int_equal(fdt_args(odd, user, "things", "#thing-cells", 5, &args), -ENOENT);
	assert_int_equal(fdt_args(odd, user, "things", "#other-cells", 0, &args), -EINVAL);
	assert_int_equal(fdt_args(odd, user, "nothing", "#thing-cells", 0, &args), -ENOENT);
	assert_int_equal(fdt_prop_index(odd, user, "thing-names", "second", &i), 0);
	assert_int_equal(i, 1);
	assert_int_equal(fdt_prop_index(odd, user, "thing-names", "secon", &i), -ENOENT);
	assert_int_equal(fdt_prop_index(odd, user, "nothing", "first", &i), -ENOENT);
	assert_int_equal(fdt_prop_index(odd, aliases, "broken", "ab", &i), -EINVAL);
}

static void test_strings_and_status(void **state)
{
	const struct fdt *odd = &trees[1].fdt;
	fdt_node_t aliases = fdt_by_path(odd, "/aliases");

	(void)state;
	assert_true(fdt_is_compatible(odd, FDT_ROOT, "odd"));
	assert_false(fdt_is_compatible(odd, FDT_ROOT, "od"));
	assert_false(fdt_is_compatible(odd, aliases, "odd"));
	assert_string_equal(fdt_prop_string(odd, aliases, "again"), "serial0");
	assert_null(fdt_prop_string(odd, aliases, "broken")); // no NUL
	assert_int_equal(fdt_by_path(odd, "again"), -ENOENT);
	assert_int_equal(fdt_by_path(odd, "broken"), -ENOENT);
	assert_int_equal(fdt_by_path(odd, "nobody"), -ENOENT);
	assert_int_equal(fdt_by_path(odd, "/bridge@40000001"), -ENOENT);
	assert_int_equal(fdt_by_path(odd, "/bridg"), -ENOENT);
	assert_int_equal(fdt_by_path(odd, "/"), FDT_ROOT);
	assert_true(fdt_is_enabled(odd, fdt_by_path(odd, "serial0")));
	assert_true(fdt_is_enabled(odd, aliases));
	assert_false(fdt_is_enabled(odd, fdt_by_path(odd, "/bridge/bus/mixed")));
	assert_false(fdt_is_enabled(odd, fdt_by_path(odd, "/bridge/same/inner"))); // "ok" without its NUL
}

static void test_reservations(void **state)
{
	paddr_t pa;
	uint64_t len;

	(void)state;
	assert_int_equal(fdt_reservation(&trees[0].fdt, 0, &pa, &len), -ENOENT);
	assert_int_equal(fdt_reservation(&trees[1].fdt, 0, &pa, &len), 0);
	assert_int_equal(pa, 0x80000000);
	assert_int_equal(len, 0x40000);
	assert_int_equal(fdt_reservation(&trees[1].fdt, 1, &pa, &len), 0);
	assert_int_equal(pa, 0x9000000000);
	assert_int_equal(fdt_reservation(&trees[1].fdt, 2, &pa, &len), -ENOENT);
	assert_int_equal(fdt_reservation(&trees[1].fdt, 7, &pa, &len), -ENOENT);
}

/* ---- damage ---- */
/* Opens a copy that ends where its allocation ends. True if it was taken for a tree. */
static bool try_blob(const uint8_t *blob, size_t size)
{
	uint8_t *copy = malloc(size);
	struct fdt fdt;
	bool opened;

	memcpy(copy, blob, size);
	opened = fdt_open(&fdt, copy, size, nodes, DTS_NODES_MAX) == 0;
	if (opened)
		fdtcase_ask(&fdt);
	free(copy);
	return opened;
}

static void test_truncated(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		uint8_t blob[DTS_BLOB_MAX];

		for (size_t size = 1; size < trees[i].size; size++)
			assert_false(try_blob(trees[i].blob, size));
		assert_true(try_blob(trees[i].blob, trees[i].size));
		/* The same with a header that tells of the shorter size. */
		memcpy(blob, trees[i].blob, trees[i].size);
		for (size_t size = 40; size < trees[i].size; size++) {
			fdt_set_totalsize(blob, (uint32_t)size);
			(void)try_blob(blob, size);
		}
	}
}

static void test_mutated(void **state)
{
	unsigned opened = 0, refused = 0;

	(void)state;
	srandom(1);
	for (unsigned n = 0; n < MUTATIONS; n++) {
		const struct dts *tree = &trees[n % 2];
		uint8_t blob[DTS_BLOB_MAX];
		long changes = 1 + random() % 8;

		memcpy(blob, tree->blob, tree->size);
		while (changes-- > 0) {
			/* Every other one in the header or the first nodes, where there is most to break. */
			size_t at = (size_t)random() % (random() % 2 ? tree->size : 256);

			blob[at] = random() % 2 ? (uint8_t)random() : (uint8_t)(blob[at] ^ 1 << random() % 8);
		}
		*(try_blob(blob, tree->size) ? &opened : &refused) += 1;
	}
	/* Both kinds of damage were there. */
	assert_true(opened > MUTATIONS / 20);
	assert_true(refused > MUTATIONS / 20);
}

static void test_too_deep(void **state)
{
	char path[256] = "";
	uint8_t blob[DTS_BLOB_MAX];
	struct fdt fdt;
	int node;

	(void)state;
	assert_int_equal(fdt_create_empty_tree(blob, sizeof(blob)), 0);
	for (int depth = 1; depth <= FDT_DEPTH_MAX; depth++) {
		node = fdt_path_offset(blob, depth == 1 ? "/" : path);
		assert_true(fdt_add_subnode(blob, node, "n") >= 0);
		strcat(path, "/n");
		assert_int_equal(fdt_open(&fdt, blob, sizeof(blob), nodes, DTS_NODES_MAX),
				 depth < FDT_DEPTH_MAX ? 0 : -E2BIG);
		if (depth < FDT_DEPTH_MAX)
			fdtcase_ask(&fdt);
	}
	assert_int_equal(fdt_open(&fdt, blob, 100, nodes, DTS_NODES_MAX), -E2BIG);
	assert_int_equal(fdt_total_size(blob), sizeof(blob));
	blob[0] = 0;
	assert_int_equal(fdt_total_size(blob), 0);
	assert_int_equal(fdt_open(&fdt, blob, sizeof(blob), nodes, DTS_NODES_MAX), -EINVAL);
}

/* As many as there is room for, and not one more is written down. */
static void test_too_many(void **state)
{
	const uint32_t count = trees[0].fdt.count;
	struct fdt_entry *exact = malloc(count * sizeof(*exact));
	struct fdt fdt;

	(void)state;
	assert_int_equal(fdt_open(&fdt, trees[0].blob, trees[0].size, exact, count), 0);
	assert_int_equal(fdt.count, count);
	assert_int_equal(fdt_open(&fdt, trees[0].blob, trees[0].size, exact, count - 1), -E2BIG);
	free(exact);
}

/* Two nodes with properties of one name, as dtc does not make them: the first counts, whatever it is. */
static void test_twice(void **state)
{
	static struct dts tree;
	const struct fdt *fdt = &tree.fdt;
	const uint32_t a = cpu_to_fdt32(7), b = cpu_to_fdt32(8);

	(void)state;
	assert_int_equal(fdt_create(tree.blob, sizeof(tree.blob)), 0);
	assert_int_equal(fdt_finish_reservemap(tree.blob), 0);
	assert_int_equal(fdt_begin_node(tree.blob, ""), 0);
	assert_int_equal(fdt_property(tree.blob, "phandle", &a, 2), 0);
	assert_int_equal(fdt_property(tree.blob, "phandle", &a, 4), 0);
	assert_int_equal(fdt_begin_node(tree.blob, "one"), 0);
	assert_int_equal(fdt_property(tree.blob, "compatible", "first", 6), 0);
	assert_int_equal(fdt_property(tree.blob, "compatible", "second", 7), 0);
	assert_int_equal(fdt_property(tree.blob, "phandle", &b, 4), 0);
	assert_int_equal(fdt_property(tree.blob, "phandle", &a, 4), 0);
	assert_int_equal(fdt_end_node(tree.blob), 0);
	assert_int_equal(fdt_end_node(tree.blob), 0);
	assert_int_equal(fdt_finish(tree.blob), 0);
	assert_int_equal(fdt_open(&tree.fdt, tree.blob, sizeof(tree.blob), tree.nodes, DTS_NODES_MAX), 0);
	assert_int_equal(fdt_by_phandle(fdt, 7), -ENOENT);
	assert_int_equal(fdt_by_phandle(fdt, 8), fdt_by_path(fdt, "/one"));
	assert_int_equal(fdt_by_phandle(fdt, 0), -ENOENT);
	assert_true(fdt_is_compatible(fdt, fdt_by_path(fdt, "/one"), "first"));
	assert_false(fdt_is_compatible(fdt, fdt_by_path(fdt, "/one"), "second"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_walk_like_libfdt),
	    cmocka_unit_test(test_find_like_libfdt),
	    cmocka_unit_test(test_reg),
	    cmocka_unit_test(test_reg_without_cells),
	    cmocka_unit_test(test_irq),
	    cmocka_unit_test(test_references),
	    cmocka_unit_test(test_strings_and_status),
	    cmocka_unit_test(test_reservations),
	    cmocka_unit_test(test_truncated),
	    cmocka_unit_test(test_mutated),
	    cmocka_unit_test(test_too_deep),
	    cmocka_unit_test(test_too_many),
	    cmocka_unit_test(test_twice),
	};

	return cmocka_run_group_tests(tests, load_all, NULL);
}
