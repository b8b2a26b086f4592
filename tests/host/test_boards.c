// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What start-up makes of the boards' device trees: RAM less what is reserved, the harts that are started, each hart's
 * context of the interrupt controller, the serial lines, the card slots and their pins. The code of board/ and of the
 * interrupt controller is included, with the calls that reach the machine turned to this file.
 */
#include <stdio.h>
#include <stdlib.h>

#include <libfdt.h>

#include "arch/riscv/riscv.h"
#include "arch/trap.h"
#include "drivers/console.h"
#include "drivers/irq.h"
#include "kernel/thread.h"
#include "mm/frame.h"
#include "tests/host/dts.h"
#include "tests/host/harness.h"
#include "tests/host/simio.h"

static int note_linear(paddr_t start, paddr_t end);
static void note_linear_end(void);
static void note_frames(const struct mem_range *ranges, size_t count);
static paddr_t fake_image_start(void);
static paddr_t fake_image_end(void);
static int note_hart(struct hart *hart, uint64_t id);
static int note_idle(struct hart *hart);
static unsigned fake_online(void);
int plic_irq_request(uint32_t irq, void (*handler)(void *arg), void *arg, const char *name);
void plic_trap_irq(void);

#define GIB (1ul << 30)
#undef LINEAR_SIZE
#define LINEAR_SIZE (128 * GIB) // the boards'
#define linear_add note_linear
#define linear_end note_linear_end
#define image_start fake_image_start
#define image_end fake_image_end
#define frame_init note_frames
#include "board/memory.c"

#define hart_start note_hart
#define sched_hart_add note_idle
#define harts_online fake_online
#include "board/harts.c"

#define irq_request plic_irq_request
#define trap_irq plic_trap_irq
#include "drivers/irq/plic.c"

#include "drivers/driver.c"

#include "board/quirks.c"

#define IMAGE_SIZE 0x100000
#define PLIC_LEN 0x4000000

extern const struct driver ns16550_driver, sifive_uart_driver, jh7110_gpio_driver, sifive_gpio_driver;

struct want_device {
	const char *name;
	paddr_t pa;
	uint32_t irq;
};

/* Card detection: low with a card in. */
struct want_pin {
	const char *property, *provider;
	uint32_t pin, irq;
};

static const struct board {
	const char *name;   // of one whose tree is given by its path
	const char *source; // of one whose tree is here
	struct mem_range mapped[4], free[8];
	unsigned harts; // bits: by number
	unsigned monitor;
	unsigned context_factor, context_offset; // a hart's supervisor context
	uint32_t sources;
	const char *stdout_name;
	struct want_device serial[5], slot[3]; // ended by one without a name
	struct want_pin detect;
} boards[] = {
    {
	.source = "virt.dts",
	.mapped = {{0x80200000, 0x88000000}},
	.free = {{0x80300000, 0x88000000}},
	.harts = 0x3,
	.monitor = 8,
	.context_factor = 2,
	.context_offset = 1,
	.sources = 97,
	.stdout_name = "serial@10000000",
	.serial = {{"serial@10000000", 0x10000000, 10}},
    },
    {
	.source = "sifive_u.dts",
	.mapped = {{0x80200000, 0xa0000000}},
	.free = {{0x80300000, 0xa0000000}},
	.harts = 0x1e,
	.context_factor = 2,
	.sources = 54,
	.stdout_name = "serial@10010000",
	.serial = {{"serial@10010000", 0x10010000, 4}, {"serial@10011000", 0x10011000, 5}},
	.slot = {{"mmc@0", 0, 0}},
    },
    {
	.source = "../../board/icicle/icicle.dts",
	.mapped = {{0x80200000, 0xbfc00000}, {0x1040000000, 0x1080000000}},
	.free = {{0x80300000, 0xbfc00000}, {0x1040000000, 0x1080000000}},
	.harts = 0x1e,
	.context_factor = 2,
	.sources = 187,
	.stdout_name = "serial@20100000",
	.serial = {{"serial@20100000", 0x20100000, 91}},
	.slot = {{"mmc@20008000", 0x20008000, 88}},
    },
    {
	.source = "../../board/visionfive2/visionfive2.dts",
	.mapped = {{0x40200000, 0x140000000}},
	.free = {{0x40300000, 0x140000000}},
	.harts = 0x1e,
	.context_factor = 2,
	.sources = 137,
	.stdout_name = "serial@10000000",
	.serial = {{"serial@10000000", 0x10000000, 32}},
	.slot = {{"mmc@16010000", 0x16010000, 74}, {"mmc@16020000", 0x16020000, 75}},
	.detect = {"cd-gpios", "starfive,jh7110-sys-pinctrl", 41, 86},
    },
};

/* What the boards' own trees say, as Linux and U-Boot have them: tests/host/test_real_trees.py. */
static const struct board real_boards[] = {
    {
	.name = "unleashed-uboot",
	.mapped = {{0x80200000, 0x280000000}},
	.free = {{0x80300000, 0x280000000}},
	.harts = 0x1e,
	.context_factor = 2,
	.sources = 54,
	.stdout_name = "serial@10010000",
	.serial = {{"serial@10010000", 0x10010000, 4}, {"serial@10011000", 0x10011000, 5}},
	.slot = {{"mmc@0", 0, 0}},
    },
    {
	.name = "unleashed",
	.mapped = {{0x80200000, 0x280000000}},
	.free = {{0x80300000, 0x280000000}},
	.harts = 0x1e,
	.context_factor = 2,
	.sources = 54,
	.stdout_name = "serial@10010000",
	.serial = {{"serial@10010000", 0x10010000, 4}, {"serial@10011000", 0x10011000, 5}},
	.slot = {{"mmc@0", 0, 0}},
	.detect = {"gpios", "sifive,gpio0", 11, 18},
    },
    {
	.name = "unmatched",
	.mapped = {{0x80200000, 0x480000000}},
	.free = {{0x80300000, 0x480000000}},
	.harts = 0x1e,
	.context_factor = 2,
	.sources = 70,
	.stdout_name = "serial@10010000",
	.serial = {{"serial@10010000", 0x10010000, 39}, {"serial@10011000", 0x10011000, 40}},
	.slot = {{"mmc@0", 0, 0}},
	.detect = {"gpios", "sifive,gpio0", 15, 38},
    },
    {
	.name = "icicle",
	.mapped = {{0x80200000, 0xbfc00000}, {0x1040000000, 0x1080000000}},
	.free = {{0x80300000, 0xbfc00000}, {0x1040000000, 0x1080000000}},
	.harts = 0x1e,
	.context_factor = 2,
	.sources = 187,
	.stdout_name = "serial@20100000",
	.serial = {{"serial@20100000", 0x20100000, 91},
		   {"serial@20102000", 0x20102000, 92},
		   {"serial@20104000", 0x20104000, 93},
		   {"serial@20106000", 0x20106000, 94}},
	.slot = {{"mmc@20008000", 0x20008000, 88}},
    },
    {
	.name = "visionfive2-uboot", // which puts the board's own memory there
	.mapped = {{0x40200000, 0x240000000}},
	.free = {{0x40300000, 0x240000000}},
	.harts = 0x1e,
	.context_factor = 2,
	.sources = 137,
	.stdout_name = "serial@10000000",
	.serial = {{"serial@10000000", 0x10000000, 32}},
	.slot = {{"mmc@16010000", 0x16010000, 74}, {"mmc@16020000", 0x16020000, 75}},
	.detect = {"cd-gpios", "starfive,jh7110-sys-pinctrl", 41, 86},
    },
    {
	.name = "visionfive2",
	.mapped = {{0x40200000, 0x140000000}},
	.free = {{0x40300000, 0x140000000}},
	.harts = 0x1e,
	.context_factor = 2,
	.sources = 137,
	.stdout_name = "serial@10000000",
	.serial = {{"serial@10000000", 0x10000000, 32}},
	.slot = {{"mmc@16010000", 0x16010000, 74}, {"mmc@16020000", 0x16020000, 75}},
	.detect = {"cd-gpios", "starfive,jh7110-sys-pinctrl", 41, 86},
    },
};

static struct dts tree;
static const char *tree_path;
static const struct board *board;

/* ---- RAM ---- */

static size_t mapped;
static bool framed;

static paddr_t fake_image_start(void)
{
	return board->mapped[0].start;
}

static paddr_t fake_image_end(void)
{
	return board->mapped[0].start + IMAGE_SIZE;
}

static int note_linear(paddr_t start, paddr_t end)
{
	assert_int_equal(start, board->mapped[mapped].start);
	assert_int_equal(end, board->mapped[mapped].end);
	mapped++;
	return 0;
}

static void note_linear_end(void)
{
	assert_int_equal(board->mapped[mapped].end, 0);
}

static void note_frames(const struct mem_range *ranges, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(ranges[i].start, board->free[i].start);
		assert_int_equal(ranges[i].end, board->free[i].end);
	}
	assert_int_equal(board->free[count].end, 0);
	framed = true;
}

static void check_memory(void)
{
	mapped = 0;
	framed = false;
	assert_int_equal(memory_init(&tree.fdt), 0);
	assert_int_equal(board->mapped[mapped].end, 0);
	assert_true(framed);
}

/* ---- harts ---- */

static unsigned started, started_count;

static int note_hart(struct hart *hart, uint64_t id)
{
	assert_ptr_equal(hart, hart_at(++started_count));
	assert_true(id < 8 && !(started & 1u << id));
	started |= 1u << id;
	return 0;
}

static int note_idle(struct hart *hart)
{
	return hart->index ? 0 : -EINVAL;
}

static unsigned fake_online(void)
{
	return started_count + 1;
}

/* Whichever starts the machine, all others are started, and no other. */
static void check_harts(void)
{
	for (unsigned boot = 0; boot < 8; boot++) {
		if (!(board->harts & 1u << boot))
			continue;
		hart_at(0)->id = boot;
		started = 1u << boot;
		started_count = 0;
		harts_start(&tree.fdt);
		assert_int_equal(started, board->harts);
	}
}

/* ---- interrupts ---- */

static uint32_t enabled_writes[PLIC_CONTEXTS_MAX / 128]; // of each context
static uint32_t claim_of, claimable;

static uint32_t plic_model_read(struct sim_window *window, size_t off, unsigned width)
{
	uint32_t irq = claimable;

	(void)window;
	assert_int_equal(width, 4);
	if (off < 0x200000)
		return 0;
	assert_int_equal(off, PLIC_CLAIM(claim_of));
	claimable = 0;
	return irq;
}

static void plic_model_write(struct sim_window *window, size_t off, uint32_t value, unsigned width)
{
	(void)window;
	assert_int_equal(width, 4);
	if (off >= 0x2000 && off < 0x200000 && value)
		enabled_writes[(off - 0x2000) / 0x80]++;
}

static void note_interrupt(void *arg)
{
	++*(unsigned *)arg;
}

static fdt_node_t find(const char *compatible)
{
	fdt_node_t node = FDT_ROOT;

	while (node >= 0 && !fdt_is_compatible(&tree.fdt, node, compatible))
		node = fdt_next(&tree.fdt, node);
	return node;
}

/* The controller serves the hart that starts the machine, by that hart's supervisor context and no other. */
static void check_interrupts(void)
{
	struct sim_window window = {
	    .pa = 0xc000000, .len = PLIC_LEN, .read = plic_model_read, .write = plic_model_write};
	struct device dev;
	unsigned served = 0;

	sim_io_clear();
	sim_window_add(&window);
	device_describe(&dev, &tree.fdt, find("sifive,plic-1.0.0"));
	assert_int_equal(dev.reg[0].pa, window.pa);
	for (unsigned hart = 0; hart < 8; hart++) {
		const unsigned context = board->context_factor * hart + board->context_offset;

		memset(&plic.irqs, 0, sizeof(plic.irqs));
		memset(enabled_writes, 0, sizeof(enabled_writes));
		plic.regs = NULL;
		hart_at(0)->id = hart;
		if (!(board->harts & 1u << hart)) {
			assert_int_equal(plic_probe(&dev), -EINVAL);
			continue;
		}
		assert_int_equal(plic_probe(&dev), 0);
		assert_int_equal(plic.sources, board->sources);
		assert_int_equal(plic.context, context);
		assert_int_equal(plic_irq_request(board->sources, note_interrupt, &served, "beyond"), -EINVAL);
		assert_int_equal(plic_irq_request(board->sources - 1, note_interrupt, &served, "last"), 0);
		assert_int_equal(plic_irq_request(board->sources - 1, note_interrupt, &served, "again"), -EBUSY);
		for (unsigned i = 0; i < array_size(enabled_writes); i++)
			assert_int_equal(enabled_writes[i], i == context);
		claim_of = context;
		claimable = board->sources - 1;
		served = 0;
		plic_trap_irq();
		assert_int_equal(served, 1);
	}
}

/* ---- devices ---- */

static const struct want_device *wanted;
static bool stdout_seen;

static bool is_stdout(const struct device *dev)
{
	fdt_node_t chosen = fdt_by_path(dev->fdt, "/chosen");
	char path[64] = "";

	snprintf(path, sizeof(path), "%s", fdt_prop_string(dev->fdt, chosen, "stdout-path"));
	path[strcspn(path, ":")] = '\0';
	return fdt_by_path(dev->fdt, path) == dev->node;
}

static int note_device(const struct device *dev)
{
	assert_non_null(wanted->name);
	assert_string_equal(dev->name, wanted->name);
	assert_int_equal(dev->reg[0].pa, wanted->pa);
	assert_int_equal(dev->irq_count ? dev->irq[0] : 0, wanted->irq);
	if (is_stdout(dev)) {
		assert_string_equal(dev->name, board->stdout_name);
		stdout_seen = true;
	}
	wanted++;
	return 0;
}

static struct driver probe_note = {.name = "note", .probe = note_device};
const struct driver *const board_drivers[] = {&probe_note, NULL};

/* The serial drivers' own probes are not called here: only what they match is asked for. */
int console_register(struct console_port *port)
{
	fail_msg("%s", port->name);
	return -EINVAL;
}

void console_receive(struct console_port *port, const uint8_t *buf, size_t len, unsigned errors)
{
	(void)buf;
	fail_msg("%s: %zu bytes, %u errors", port->name, len, errors);
}

void console_port_room(struct console_port *port)
{
	fail_msg("%s", port->name);
}

static void check_devices(const char *const *compatible, const struct want_device *want)
{
	wanted = want;
	probe_note.compatible = compatible;
	drivers_probe(&tree.fdt);
	assert_null(wanted->name);
}

static bool is_one_of(const char *const *compatible, fdt_node_t node)
{
	while (*compatible && !fdt_is_compatible(&tree.fdt, node, *compatible))
		compatible++;
	return *compatible;
}

/* The pin that a slot names is one that a driver serves, with an interrupt; boards that are not said to have one, have
 * none. */
static void check_detect(const char *const *slots)
{
	const struct want_pin *want = &board->detect;
	unsigned found = 0;

	for (fdt_node_t node = FDT_ROOT; node >= 0; node = fdt_next(&tree.fdt, node)) {
		struct fdt_args args;
		struct device dev;

		if (!is_one_of(slots, node) || !fdt_is_enabled(&tree.fdt, node))
			continue;
		if (fdt_args(&tree.fdt, node, "cd-gpios", "#gpio-cells", 0, &args) &&
		    fdt_args(&tree.fdt, node, "gpios", "#gpio-cells", 0, &args))
			continue;
		found++;
		assert_non_null(want->property);
		assert_int_equal(fdt_args(&tree.fdt, node, want->property, "#gpio-cells", 0, &args), 0);
		assert_true(fdt_is_compatible(&tree.fdt, args.node, want->provider));
		assert_true(is_one_of(jh7110_gpio_driver.compatible, args.node) ||
			    is_one_of(sifive_gpio_driver.compatible, args.node));
		assert_int_equal(args.count, 2);
		assert_int_equal(args.cells[0], want->pin);
		assert_int_equal(args.cells[1], 1);
		device_describe(&dev, &tree.fdt, args.node);
		assert_int_equal(dev.irq[dev.irq_count > 1 ? want->pin : 0], want->irq);
	}
	assert_int_equal(found, want->property != NULL);
}

static void check_board(void *arg)
{
	static const char *const slots[] = {"mmc-spi-slot", "cdns,sd4hc", "starfive,jh7110-mmc", "snps,dw-mshc", NULL};
	const char *serial[8];
	size_t n = 0;

	board = arg;
	for (const char *const *c = ns16550_driver.compatible; *c; c++)
		serial[n++] = *c;
	for (const char *const *c = sifive_uart_driver.compatible; *c; c++)
		serial[n++] = *c;
	serial[n] = NULL;
	assert_int_equal(dts_load(&tree, board->source ? board->source : tree_path), 0);
	check_memory();
	check_harts();
	check_interrupts();
	stdout_seen = false;
	check_devices(serial, board->serial);
	assert_true(stdout_seen);
	check_devices(slots, board->slot);
	check_detect(slots);
}

static void nop_property(const char *path, const char *name)
{
	assert_int_equal(fdt_nop_property(tree.blob, fdt_path_offset(tree.blob, path), name), 0);
}

/* As the tree of the vendor's U-Boot: what it leaves out is known of this board, and of no other. */
static void body_quirks(void *arg)
{
	static const char *const slots[] = {"starfive,jh7110-mmc", NULL};
	static const struct want_device known[] = {
	    {"mmc@16010000", 0x16010000, 74}, {"mmc@16020000", 0x16020000, 75}, {.name = NULL}};
	static const struct want_device unknown[] = {
	    {"mmc@16010000", 0x16010000, 0}, {"mmc@16020000", 0x16020000, 0}, {.name = NULL}};

	(void)arg;
	assert_int_equal(dts_load(&tree, "../../board/visionfive2/visionfive2.dts"), 0);
	nop_property("/soc/mmc@16010000", "interrupts");
	nop_property("/soc/mmc@16020000", "interrupts");
	check_devices(slots, known);
	nop_property("/", "compatible");
	assert_int_equal(fdt_open(&tree.fdt, tree.blob, tree.size, tree.nodes, DTS_NODES_MAX), 0);
	check_devices(slots, unknown);
}

static void test_quirks(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, body_quirks, NULL);
}

static void test_boards(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(boards); i++)
		harness_run(&(struct harness){0}, check_board, (void *)&boards[i]);
}

static void test_real_board(void **state)
{
	harness_run(&(struct harness){0}, check_board, *state);
}

/* test_boards NAME TREE.dtb: a real one alone. */
static int run_real(const char *name, const char *path)
{
	for (size_t i = 0; i < array_size(real_boards); i++) {
		const struct CMUnitTest tests[] = {cmocka_unit_test_prestate(test_real_board, (void *)&real_boards[i])};

		tree_path = path;
		if (!strcmp(real_boards[i].name, name))
			return cmocka_run_group_tests(tests, NULL, NULL);
	}
	return 2;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_boards), cmocka_unit_test(test_quirks)};

	if (argc == 3)
		return run_real(argv[1], argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
