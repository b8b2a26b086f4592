// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* SD Host Controller (SD Host Controller Simplified Specification 3.00), whatever it is reached through. */
#pragma once

#include "drivers/sd/host.h"

struct sdhci {
	/* The glue's, before sdhci_add. */
	const char *name;
	volatile void *regs; // 256 bytes
	bool soldered;	     // no slot: there is a card, without switches
	bool no_lock;	     // the slot's switch for write protection is not wired

	/* sdhci.c's. */
	struct sd_host host; // what the slot lacks is the glue's to take away, before sdhci_add
	uint32_t base_clock; // Hz
	bool version3, wide_dma, adma;
	void *table;	// of descriptors
	uint32_t noted; // guarded by host.lock: status bits that came since the command began
};

/* Resets the controller and reads what it can do; its interrupt is still masked. 0, -EIO, -EINVAL, -ENOMEM. */
int sdhci_init(struct sdhci *sdhci);
/* Lets the interrupt through, whose handler is there, and announces the slot. As sd_host_add. */
int sdhci_add(struct sdhci *sdhci);
/* The interrupt's handler. */
void sdhci_irq(void *sdhci);
