// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* SDHCI on PCI: base address 0, INTx. */
#include <errno.h>

#include "drivers/pci/pci.h"
#include "drivers/sd/sdhci.h"
#include "drivers/wired.h"

#define REGS_SIZE 256
#define CLASS_SDHCI 0x080500u // the interface says what DMA it has, as the capabilities do

static int sdhci_pci_probe(struct pci_device *dev)
{
	struct sdhci *s = wired_alloc(sizeof(*s));
	int error;

	if (!s)
		return -ENOMEM;
	s->name = dev->name;
	s->regs = pci_map(dev, 0, 0, REGS_SIZE);
	if (!s->regs)
		return -EINVAL;
	error = sdhci_init(s);
	if (!error)
		error = pci_irq_request(dev, sdhci_irq, s);
	return error ? error : sdhci_add(s);
}

const struct pci_driver sdhci_pci_driver = {
    .name = "sdhci", .class = CLASS_SDHCI, .class_mask = 0xffff00, .probe = sdhci_pci_probe};
