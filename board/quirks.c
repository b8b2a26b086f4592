// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What boards' device trees leave out, by the `compatible` of their roots; each row with the reason why the tree cannot
 * be asked. A table that is constant; no locks.
 */

#include "drivers/driver.h"

const struct device_quirk board_quirks[] = {
    /*
     * The firmware in a VisionFive 2's flash passes the tree of the vendor's U-Boot. That polls its card controllers,
     * and its tree has no interrupts for them. The numbers are those of Linux's tree.
     */
    {.board = "starfive,jh7110", .regs = 0x16010000, .irq = 74},
    {.board = "starfive,jh7110", .regs = 0x16020000, .irq = 75},
    {.board = NULL},
};
