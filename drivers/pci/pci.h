// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * PCI devices behind a host bridge with ECAM (PCI Express Base Specification, section 7.2.2), as the device tree
 * describes it. Only the bridge's own bus is looked at. A driver sees base addresses that are assigned, memory decoding
 * and bus mastering switched on, and one interrupt (INTx), which it may share.
 */
#pragma once

#include "lib/types.h"

#define PCI_BARS 6

struct pci_device {
	char name[16];	       // bus:device.function
	volatile void *config; // 4 KiB
	uint16_t vendor, device;
	uint32_t class; // class, subclass, interface: 24 bits
	struct {
		paddr_t pa; // 0: none, of ports, or without room
		uint64_t len;
		bool wide; // of 64 bits: it takes two places
	} bar[PCI_BARS];
	uint32_t line; // interrupt of the controller; 0: none
};

struct pci_driver {
	const char *name;
	uint16_t vendor;     // 0: any
	uint16_t devices[4]; // 0 ends; all 0: any
	uint32_t class, class_mask;
	/* As struct driver's. The device stays for good. */
	int (*probe)(struct pci_device *dev);
};

/* board/drivers.c, NULL-terminated. */
extern const struct pci_driver *const board_pci_drivers[];

#define PCI_CAP_VENDOR 9

/* Offset of the next capability of that kind behind `after` (0: the first); 0: none. A ring or a stray pointer ends it.
 */
unsigned pci_capability(const struct pci_device *dev, uint8_t id, unsigned after);
/* Maps `len` bytes from `off` on of a base address for good. NULL: it has not so many. */
volatile void *pci_map(const struct pci_device *dev, unsigned bar, uint64_t off, uint64_t len);
/*
 * The handler is called whenever the line is raised, by this device or by one that shares it; with interrupts masked,
 * it must not sleep. -ENODEV: the device has none; or irq_request's errors.
 */
int pci_irq_request(struct pci_device *dev, void (*handler)(void *arg), void *arg);
