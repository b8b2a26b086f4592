// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The clock device of QEMU's virt machine: nanoseconds since 1970 in two registers, of which reading the lower keeps
 * the upper as it was. Read once, at start; the monotonic clock counts from there. Thread context, no locks.
 */
#include <errno.h>

#include "arch/io.h"
#include "arch/uaccess.h"
#include "drivers/driver.h"
#include "kernel/log.h"
#include "kernel/time.h"

#define YEAR_2000 946684800u // seconds since 1970
#define YEAR_2106 UINT32_MAX // the superblock's times end

enum { TIME_LOW = 0, TIME_HIGH = 4, REGS_SIZE = 8 };

/* What the tree names may be no device: then there is no answer, or no time. */
static int goldfish_probe(const struct device *node)
{
	uint32_t low, high;
	uint64_t ns;

	if (!node->reg_count || node->reg[0].len < REGS_SIZE || node->reg[0].pa % 4)
		return -EINVAL;
	volatile void *regs = io_map(node->reg[0].pa, REGS_SIZE);

	if (!regs)
		return -ENOMEM;
	if (!uaccess_peek32((const char *)regs + TIME_LOW, &low) ||
	    !uaccess_peek32((const char *)regs + TIME_HIGH, &high))
		return -EIO;
	ns = (uint64_t)high << 32 | low;
	if (ns / NSEC_PER_SEC < YEAR_2000 || ns / NSEC_PER_SEC > YEAR_2106)
		return -ERANGE;
	time_set_wall(ns, CLOCK_RTC);
	return 0;
}

static const char *const goldfish_compatible[] = {"google,goldfish-rtc", NULL};
const struct driver goldfish_rtc_driver = {
    .name = "goldfish-rtc", .compatible = goldfish_compatible, .probe = goldfish_probe};
