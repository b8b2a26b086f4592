// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Host bridge with ECAM: finds the devices of its bus, gives base addresses to those that have none, and probes the
 * drivers of the board's list. What firmware has assigned stays. Runs at start, alone; interrupts' handlers are in a
 * list that only grows, a node being whole before it is linked. PCI Local Bus Specification 3.0, chapter 6.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>

#include "arch/io.h"
#include "drivers/driver.h"
#include "drivers/irq.h"
#include "drivers/pci/pci.h"
#include "drivers/wired.h"
#include "kernel/log.h"

#define CONFIG_SIZE 4096
#define DEVICES 32
#define FUNCTIONS 8
#define DEVICES_MAX 32
#define LINES_MAX 8
#define CELLS_MAX 4

enum {
	CFG_ID = 0x00,
	CFG_COMMAND = 0x04,
	CFG_STATUS = 0x06,
	CFG_CLASS = 0x08,
	CFG_HEADER = 0x0e,
	CFG_BAR = 0x10,
	CFG_CAPABILITIES = 0x34,
	CFG_PIN = 0x3d,
};
enum {
	COMMAND_MEMORY = 2,
	COMMAND_MASTER = 4,
	STATUS_CAPABILITIES = 16,
	HEADER_MANY = 0x80,
	HEADER_KIND = 0x7f,
	HEADER_BRIDGE = 1
};
enum { BAR_PORTS = 1, BAR_KIND = 6, BAR_64 = 4, BAR_FLAGS = 15 };

/* A piece of the bus' address space, given out from its start. */
struct window {
	paddr_t pa, next, end;
	uint64_t bus; // where it starts on the bus
};

static struct {
	const struct device *node;
	struct window low, high; // 32-bit and 64-bit memory
	struct pci_device devices[DEVICES_MAX];
	unsigned count;
} bridge;

/* ---- interrupts ---- */

struct sharer {
	void (*handler)(void *arg);
	void *arg;
	struct sharer *next; // constant once it is in the list
};

static struct line {
	uint32_t irq;
	_Atomic(struct sharer *) first; // release by who adds pairs with acquire by the interrupt
} lines[LINES_MAX];

static void line_irq(void *arg)
{
	struct line *line = arg;

	for (struct sharer *s = atomic_load_explicit(&line->first, memory_order_acquire); s; s = s->next)
		s->handler(s->arg);
}

static struct line *line_of(uint32_t irq)
{
	for (unsigned i = 0; i < LINES_MAX; i++)
		if (!lines[i].irq || lines[i].irq == irq)
			return &lines[i];
	return NULL;
}

int pci_irq_request(struct pci_device *dev, void (*handler)(void *arg), void *arg)
{
	struct line *line = dev->line ? line_of(dev->line) : NULL;
	struct sharer *s;

	if (!line)
		return -ENODEV;
	s = wired_alloc(sizeof(*s));
	if (!s)
		return -ENOMEM;
	*s = (struct sharer){
	    .handler = handler, .arg = arg, .next = atomic_load_explicit(&line->first, memory_order_relaxed)};
	atomic_store_explicit(&line->first, s, memory_order_release);
	if (line->irq)
		return 0;
	line->irq = dev->line;
	return irq_request(dev->line, line_irq, line, "pci"); // fails for good: no controller, no such source
}

static uint32_t cells_of(fdt_node_t node, const char *property, uint32_t otherwise)
{
	uint32_t cells = otherwise;

	(void)fdt_prop_u32(bridge.node->fdt, node, property, 0, &cells);
	return cells;
}

/*
 * The tree's interrupt-map: a device's address and pin, the controller, and there as many cells of address and
 * interrupt as its own node says. The interrupt's first cell; 0: not there. Device Tree Specification, section 2.4.3.
 */
static uint32_t map_interrupt(unsigned device, unsigned pin)
{
	static const char map[] = "interrupt-map";
	const struct fdt *fdt = bridge.node->fdt;
	const fdt_node_t node = bridge.node->node;
	uint32_t mask, address, map_pin, phandle, irq;
	unsigned i = 0;

	if (!fdt_prop_u32(fdt, node, "interrupt-map-mask", 0, &mask))
		return 0;
	while (fdt_prop_u32(fdt, node, map, i, &address) && fdt_prop_u32(fdt, node, map, i + 3, &map_pin) &&
	       fdt_prop_u32(fdt, node, map, i + 4, &phandle)) {
		const fdt_node_t controller = fdt_by_phandle(fdt, phandle);
		uint32_t address_cells, irq_cells;

		if (controller < 0)
			return 0;
		address_cells = cells_of(controller, "#address-cells", 0);
		irq_cells = cells_of(controller, "#interrupt-cells", 1);
		if (address_cells > CELLS_MAX || irq_cells > CELLS_MAX || !irq_cells)
			return 0;
		if ((address & mask) == (device << 11 & mask) && map_pin == pin)
			return fdt_prop_u32(fdt, node, map, i + 5 + address_cells, &irq) ? irq : 0;
		i += 5 + address_cells + irq_cells;
	}
	return 0;
}

/* ---- base addresses ---- */

static paddr_t window_take(struct window *w, uint64_t len)
{
	paddr_t at = align_up(w->next, len);

	if (at < w->next || at > w->end || len > w->end - at)
		return 0;
	w->next = at + len;
	return at;
}

/* What firmware has assigned stays, and what is assigned anew lies behind it. */
static void window_keep(struct window *w, struct pci_device *dev, unsigned i, uint64_t bus)
{
	const uint64_t len = dev->bar[i].len;

	if (!bus || bus < w->bus || len > w->end - w->pa || bus - w->bus > w->end - w->pa - len)
		return;
	dev->bar[i].pa = bus - w->bus + w->pa;
	w->next = max_of(w->next, dev->bar[i].pa + len);
}

/* How long it is, and where if somebody has said so; index of the next one. Memory decoding is off. */
static unsigned bar_look(struct pci_device *dev, unsigned i)
{
	const size_t at = CFG_BAR + 4 * i;
	const uint32_t old = io_read32(dev->config, at);
	const bool wide = !(old & BAR_PORTS) && (old & BAR_KIND) == BAR_64 && i + 1 < PCI_BARS;
	uint64_t mask, bus = old & ~(uint32_t)BAR_FLAGS;

	io_write32(dev->config, at, UINT32_MAX);
	mask = io_read32(dev->config, at) & ~(uint32_t)BAR_FLAGS;
	io_write32(dev->config, at, old);
	if (wide) {
		const uint32_t high = io_read32(dev->config, at + 4);

		bus |= (uint64_t)high << 32;
		io_write32(dev->config, at + 4, UINT32_MAX);
		mask |= (uint64_t)io_read32(dev->config, at + 4) << 32;
		io_write32(dev->config, at + 4, high);
	} else {
		mask |= (uint64_t)UINT32_MAX << 32;
	}
	if ((old & BAR_PORTS) || !(uint32_t)mask)
		return i + 1 + wide;
	dev->bar[i].len = ~mask + 1;
	dev->bar[i].wide = wide;
	window_keep(&bridge.low, dev, i, bus);
	if (bridge.high.end)
		window_keep(&bridge.high, dev, i, bus);
	return i + 1 + wide;
}

static void bars_look(struct pci_device *dev)
{
	const uint16_t command = io_read16(dev->config, CFG_COMMAND);

	io_write16(dev->config, CFG_COMMAND, command & (uint16_t)~COMMAND_MEMORY);
	for (unsigned i = 0; i < PCI_BARS;)
		i = bar_look(dev, i);
	io_write16(dev->config, CFG_COMMAND, command);
}

static void bar_assign(struct pci_device *dev, unsigned i)
{
	struct window *w = dev->bar[i].wide && bridge.high.end ? &bridge.high : &bridge.low;
	uint64_t bus;

	dev->bar[i].pa = window_take(w, dev->bar[i].len);
	if (!dev->bar[i].pa) {
		log_error("%s: no room for %llu bytes of base address %u", dev->name,
			  (unsigned long long)dev->bar[i].len, i);
		return;
	}
	bus = dev->bar[i].pa - w->pa + w->bus;
	io_write32(dev->config, CFG_BAR + 4 * i, (uint32_t)bus);
	if (dev->bar[i].wide)
		io_write32(dev->config, CFG_BAR + 4 * i + 4, (uint32_t)(bus >> 32));
}

static void bars_assign(struct pci_device *dev)
{
	const uint16_t command = io_read16(dev->config, CFG_COMMAND);

	io_write16(dev->config, CFG_COMMAND, command & (uint16_t)~COMMAND_MEMORY);
	for (unsigned i = 0; i < PCI_BARS; i++)
		if (dev->bar[i].len && !dev->bar[i].pa)
			bar_assign(dev, i);
	io_write16(dev->config, CFG_COMMAND, command | COMMAND_MEMORY | COMMAND_MASTER);
}

volatile void *pci_map(const struct pci_device *dev, unsigned bar, uint64_t off, uint64_t len)
{
	if (bar >= PCI_BARS || !dev->bar[bar].pa || !len || off > dev->bar[bar].len || len > dev->bar[bar].len - off)
		return NULL;
	return io_map(dev->bar[bar].pa + off, len);
}

unsigned pci_capability(const struct pci_device *dev, uint8_t id, unsigned after)
{
	unsigned at, steps = 0;

	if (!(io_read16(dev->config, CFG_STATUS) & STATUS_CAPABILITIES))
		return 0;
	at = io_read8(dev->config, after ? after + 1 : CFG_CAPABILITIES) & ~3u;
	for (; at >= 0x40 && steps < 48; steps++) {
		if (io_read8(dev->config, at) == id)
			return at;
		at = io_read8(dev->config, at + 1) & ~3u;
	}
	return 0;
}

/* ---- finding ---- */

static bool driver_matches(const struct pci_driver *drv, const struct pci_device *dev)
{
	if (drv->class_mask)
		return (dev->class & drv->class_mask) == drv->class;
	if (drv->vendor != dev->vendor)
		return false;
	if (!drv->devices[0])
		return true;
	for (unsigned i = 0; i < array_size(drv->devices) && drv->devices[i]; i++)
		if (drv->devices[i] == dev->device)
			return true;
	return false;
}

static void device_probe(struct pci_device *dev)
{
	for (const struct pci_driver *const *drv = board_pci_drivers; *drv; drv++) {
		int error;

		if (!driver_matches(*drv, dev))
			continue;
		bars_assign(dev);
		error = (*drv)->probe(dev);
		if (error && error != -ENODEV)
			log_error("%s: %s cannot use it (error %d)", dev->name, (*drv)->name, -error);
		return;
	}
}

/* True: it has more functions. */
static bool function_find(volatile void *config, unsigned device, unsigned function)
{
	const uint32_t id = io_read32(config, CFG_ID);
	struct pci_device *dev = &bridge.devices[bridge.count];
	uint8_t header, pin;

	if ((id & 0xffff) == 0xffff || !id)
		return false;
	header = io_read8(config, CFG_HEADER);
	if ((header & HEADER_KIND) == HEADER_BRIDGE)
		log_info("pci: 00:%02x.%u is a bridge: what is behind it is not looked at", device, function);
	if ((header & HEADER_KIND) || bridge.count == DEVICES_MAX)
		return header & HEADER_MANY;
	*dev = (struct pci_device){.config = config,
				   .vendor = (uint16_t)id,
				   .device = (uint16_t)(id >> 16),
				   .class = io_read32(config, CFG_CLASS) >> 8};
	snprintf(dev->name, sizeof(dev->name), "00:%02x.%u", device, function);
	pin = io_read8(config, CFG_PIN);
	dev->line = pin >= 1 && pin <= 4 ? map_interrupt(device, pin) : 0;
	bridge.count++;
	bars_look(dev);
	return header & HEADER_MANY;
}

static uint64_t two_cells(const struct device *node, unsigned i)
{
	uint32_t high = 0, low = 0;

	(void)fdt_prop_u32(node->fdt, node->node, "ranges", i, &high);
	(void)fdt_prop_u32(node->fdt, node->node, "ranges", i + 1, &low);
	return (uint64_t)high << 32 | low;
}

/* Kind and bus address, address of the hart's, length: 3 + 2 + 2 cells. */
static void read_windows(const struct device *node)
{
	uint32_t kind;

	for (unsigned i = 0; fdt_prop_u32(node->fdt, node->node, "ranges", i, &kind); i += 7) {
		const struct window w = {.pa = two_cells(node, i + 3),
					 .next = two_cells(node, i + 3),
					 .end = two_cells(node, i + 3) + two_cells(node, i + 5),
					 .bus = two_cells(node, i + 1)};

		if (w.end <= w.pa)
			continue;
		if ((kind >> 24 & 3) == 2 && !bridge.low.end)
			bridge.low = w;
		if ((kind >> 24 & 3) == 3 && !bridge.high.end)
			bridge.high = w;
	}
	/* Address 0 is no assignment. */
	if (bridge.low.next == 0)
		bridge.low.next = PAGE_SIZE;
}

static int ecam_probe(const struct device *node)
{
	static struct device kept;
	volatile char *config;

	if (bridge.node)
		return -EBUSY; // one bridge
	if (!node->reg_count || node->reg[0].len < (uint64_t)CONFIG_SIZE * DEVICES * FUNCTIONS)
		return -EINVAL;
	kept = *node;
	bridge.node = &kept;
	read_windows(node);
	if (!bridge.low.end)
		return -EINVAL;
	config = io_map(node->reg[0].pa, (size_t)CONFIG_SIZE * DEVICES * FUNCTIONS);
	if (!config)
		return -ENOMEM;
	for (unsigned d = 0; d < DEVICES; d++) {
		bool more = true;

		for (unsigned f = 0; f < FUNCTIONS && more; f++)
			more = function_find(config + (d * FUNCTIONS + f) * CONFIG_SIZE, d, f) || f > 0;
	}
	for (unsigned i = 0; i < bridge.count; i++)
		device_probe(&bridge.devices[i]);
	return 0;
}

static const char *const compatible[] = {"pci-host-ecam-generic", NULL};
const struct driver pci_ecam_driver = {.name = "pci", .compatible = compatible, .probe = ecam_probe};
