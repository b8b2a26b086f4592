// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * RAM at start: /memory, less what the firmware and the tree keep for themselves. What may not be touched (no-map, and
 * the firmware below the image) is not mapped either. Once, before there is a second thread.
 */

#include "board/memory.h"

#include <errno.h>
#include <string.h>

#include "arch/riscv/riscv.h"
#include "kernel/log.h"

#define FIRMWARE_SPAN 0x200000ul // the payload's wanted distance from the start of RAM, arch/riscv/entry.S

static int collect_ram(const struct fdt *fdt, struct range_list *ram)
{
	fdt_node_t node = fdt_first_child(fdt, FDT_ROOT);
	paddr_t pa;
	uint64_t len;
	int err;

	for (; node >= 0; node = fdt_next_sibling(fdt, node)) {
		const char *type = fdt_prop_string(fdt, node, "device_type");

		if (!type || strcmp(type, "memory") || !fdt_is_enabled(fdt, node))
			continue;
		for (unsigned i = 0; fdt_reg(fdt, node, i, &pa, &len) == 0; i++) {
			if (pa >= LINEAR_SIZE || len > LINEAR_SIZE - pa)
				log_warning("memory: what lies above %lu GiB is not used", LINEAR_SIZE >> 30);
			err = pa < LINEAR_SIZE ? ranges_add(ram, pa, pa + min_of(len, LINEAR_SIZE - pa)) : 0;
			if (err)
				return err;
		}
	}
	return 0;
}

/* Takes the regions below /reserved-memory out of the list: those that may not even be mapped, or all. */
static int remove_reserved_nodes(const struct fdt *fdt, struct range_list *list, bool only_no_map)
{
	fdt_node_t parent = fdt_by_path(fdt, "/reserved-memory");
	uint32_t ignored;
	paddr_t pa;
	uint64_t len;
	int err;

	if (parent < 0)
		return 0;
	for (fdt_node_t node = fdt_first_child(fdt, parent); node >= 0; node = fdt_next_sibling(fdt, node)) {
		if (!fdt_is_enabled(fdt, node) || (only_no_map && !fdt_prop(fdt, node, "no-map", &ignored)))
			continue;
		for (unsigned i = 0; (err = fdt_reg(fdt, node, i, &pa, &len)) == 0; i++) {
			err = ranges_remove(list, pa, pa + len);
			if (err)
				return err;
		}
		if (err != -ENOENT)
			log_warning("memory: reserved region %s in the device tree cannot be read and is ignored",
				    fdt_name(fdt, node));
	}
	return 0;
}

static int remove_reservations(const struct fdt *fdt, struct range_list *list)
{
	paddr_t pa;
	uint64_t len;
	int err = 0;

	for (unsigned i = 0; !err && fdt_reservation(fdt, i, &pa, &len) == 0; i++)
		err = ranges_remove(list, pa, pa + len);
	return err;
}

/* What lies between the start of RAM and the image is the firmware's, if the image is where it wants to be. */
static int remove_firmware(struct range_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		paddr_t start = list->range[i].start, image = image_start();

		if (start < image && image < list->range[i].end)
			return ranges_remove(list, start, min_of(image, start + FIRMWARE_SPAN));
	}
	return 0;
}

static int map_ram(const struct range_list *list)
{
	int err = 0;

	for (size_t i = 0; !err && i < list->count; i++)
		err = linear_add(list->range[i].start, list->range[i].end);
	if (!err)
		linear_end();
	return err;
}

static uint64_t ranges_bytes(const struct range_list *list)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < list->count; i++)
		bytes += list->range[i].end - list->range[i].start;
	return bytes;
}

int memory_init(const struct fdt *fdt)
{
	static struct range_list ram; // too large for the stack
	uint64_t bytes;
	int err = collect_ram(fdt, &ram);

	if (!err && ram.count == 0) {
		log_error("memory: the device tree has no RAM: it needs a node /memory with device_type and reg");
		return -ENOENT;
	}
	bytes = ranges_bytes(&ram);
	if (!err)
		err = remove_firmware(&ram);
	if (!err)
		err = remove_reserved_nodes(fdt, &ram, true);
	if (!err)
		err = map_ram(&ram);
	if (!err)
		err = remove_reserved_nodes(fdt, &ram, false);
	if (!err)
		err = remove_reservations(fdt, &ram);
	if (!err)
		err = ranges_remove(&ram, image_start(), image_end());
	if (err) {
		log_error("memory: the device tree cuts RAM into more pieces than this kernel is made for (%d)",
			  RANGES_MAX);
		return err;
	}
	frame_init(ram.range, ram.count);
	log_info("memory: %lu MiB of RAM, %zu MiB free", bytes >> 20, frame_free_count() * PAGE_SIZE >> 20);
	return 0;
}
