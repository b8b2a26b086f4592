// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * A PCI bus in memory behind ECAM: base addresses are given out, interrupts found in a map whose controllers have
 * addresses and interrupts of different lengths, and a bridge is named.
 */
#include "drivers/pci/ecam.c"

#include <string.h>

#include "tests/host/dts.h"
#include "tests/host/harness.h"
#include "tests/host/simio.h"

#define PA 0x30000000u
#define LEN 0x2000u // of base address 0

static struct dts tree;

static struct function {
	unsigned device, function;
	uint32_t config[64];
	uint32_t mask; // of base address 0
} functions[] = {
    {1, 0, {0x00011af4, 0, 0x08050100, 0x00800000, [15] = 1 << 8}, ~(LEN - 1)},
    {1, 1, {0x00021af4, 0, 0x08050100, 0x00800000, [15] = 2 << 8}, ~(LEN - 1)},
    {2, 0, {0x00031af4, 0, 0x06040000, 0x00010000, [15] = 1 << 8}, 0},
    {3, 0, {0x00041af4, 0, 0x08050100, 0x00000000, [15] = 1 << 8}, ~(LEN - 1)},
};
static struct pci_device *found[8];
static unsigned found_count;

static int note(struct pci_device *dev)
{
	found[found_count++] = dev;
	return 0;
}

static const struct pci_driver note_driver = {.name = "note", .class = 0x080500, .class_mask = 0xffff00, .probe = note};
const struct pci_driver *const board_pci_drivers[] = {&note_driver, NULL};

static struct function *function_at(size_t off)
{
	for (size_t i = 0; i < array_size(functions); i++)
		if (off / 4096 == functions[i].device * 8 + functions[i].function)
			return &functions[i];
	return NULL;
}

static uint32_t config_read(struct sim_window *window, size_t off, unsigned width)
{
	const struct function *f = function_at(off);
	const uint32_t word = f ? f->config[off % 4096 / 4] : UINT32_MAX;

	(void)window;
	assert_true(off % width == 0 && off % 4096 < sizeof(f->config));
	return (uint32_t)(word >> off % 4 * 8 & (width == 4 ? UINT32_MAX : (1u << 8 * width) - 1));
}

static void config_write(struct sim_window *window, size_t off, uint32_t value, unsigned width)
{
	struct function *f = function_at(off);
	const size_t at = off % 4096;

	(void)window;
	assert_non_null(f);
	if (at == CFG_BAR) {
		f->config[at / 4] = value & f->mask;
	} else if (at == CFG_COMMAND) {
		assert_int_equal(width, 2);
		f->config[1] = value;
	} else {
		assert_true(at > CFG_BAR && at < CFG_BAR + 24); // there are no others
	}
}

static void body(void *arg)
{
	static struct sim_window window = {
	    .pa = PA, .len = 0x100000, .read = config_read, .write = config_write, .model = &window};
	const struct device dev = dts_device(&tree, "/pci@30000000");

	(void)arg;
	sim_window_add(&window);
	assert_int_equal(pci_ecam_driver.probe(&dev), 0);
	assert_int_equal(found_count, 3);
	assert_string_equal(found[0]->name, "00:01.0");
	assert_string_equal(found[1]->name, "00:01.1");
	assert_string_equal(found[2]->name, "00:03.0");
	assert_int_equal(found[0]->line, 41);
	assert_int_equal(found[1]->line, 42);
	assert_int_equal(found[2]->line, 44);
	for (unsigned i = 0; i < found_count; i++) {
		assert_int_equal(found[i]->bar[0].len, LEN);
		assert_int_equal(found[i]->bar[0].pa, 0x40000000 + i * LEN);
		assert_int_equal(io_read16(found[i]->config, CFG_COMMAND), COMMAND_MEMORY | COMMAND_MASTER);
	}
}

static void test_bus(void **state)
{
	const char *log;

	(void)state;
	assert_int_equal(harness_status(&(struct harness){0}, body, NULL, &log), 0);
	assert_non_null(strstr(log, "00:02.0 is a bridge"));
	assert_null(strstr(log, "00:01.0 is a bridge"));
}

static int load(void **state)
{
	(void)state;
	return dts_load(&tree, "pci.dts");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_bus)};

	return cmocka_run_group_tests_name("PCI", tests, load, NULL);
}
