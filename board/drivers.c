// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* The drivers of the board's image, in the order in which they are probed: interrupts, a console, disks, clocks. */

#include "drivers/driver.h"

extern const struct driver plic_driver, ns16550_driver, sifive_uart_driver, virtio_mmio_driver, goldfish_rtc_driver;

const struct driver *const board_drivers[] = {
    &plic_driver, &ns16550_driver, &sifive_uart_driver, &virtio_mmio_driver, &goldfish_rtc_driver, NULL,
};
