// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The drivers of the board's image, in the order in which they are probed: interrupts, what others need (clock trees,
 * pins), a console, disks, clocks.
 */

#include "drivers/driver.h"
#include "drivers/pci/pci.h"

extern const struct driver plic_driver, prci_driver, jh7110_crg_driver, jh7110_gpio_driver, sifive_gpio_driver,
    ns16550_driver, sifive_uart_driver, virtio_mmio_driver, sdhci_cadence_driver, dw_mmc_driver, spi_sd_driver,
    pci_ecam_driver, goldfish_rtc_driver, jh7110_watchdog_driver;
extern const struct pci_driver virtio_pci_driver, sdhci_pci_driver;

const struct driver *const board_drivers[] = {
    &plic_driver,    &prci_driver,	  &jh7110_crg_driver,	&jh7110_gpio_driver,	 &sifive_gpio_driver,
    &ns16550_driver, &sifive_uart_driver, &virtio_mmio_driver,	&sdhci_cadence_driver,	 &dw_mmc_driver,
    &spi_sd_driver,  &pci_ecam_driver,	  &goldfish_rtc_driver, &jh7110_watchdog_driver, NULL,
};

const struct pci_driver *const board_pci_drivers[] = {&virtio_pci_driver, &sdhci_pci_driver, NULL};
