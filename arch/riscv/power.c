// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The end: the firmware's reset extension, semihosting if asked for, the firmware's legacy call, or a parked hart. By
 * then the console has ended, so what is to be said goes out by the firmware's.
 */

#include "arch/power.h"

#include "arch/firmware.h"
#include "arch/irq.h"
#include "arch/riscv/riscv.h"

static bool use_semihosting;
static const char parked[] = "power: the firmware cannot turn this board off: power may be removed now\r\n";

void power_init(bool semihosting)
{
	use_semihosting = semihosting;
}

/* SYS_EXIT_EXTENDED. The three instructions are a pattern that the emulator looks for, uncompressed, on one page. */
static void semihosting_exit(int status)
{
	volatile uint64_t block[2] = {0x20026, (uint64_t)status};
	register unsigned long a0 __asm__("a0") = 0x20;
	register volatile uint64_t *a1 __asm__("a1") = block;

	__asm__ volatile(".option push\n.option norvc\n.balign 16\n"
			 "slli zero, zero, 0x1f\nebreak\nsrai zero, zero, 7\n.option pop"
			 : "+r"(a0)
			 : "r"(a1)
			 : "memory");
}

void power_off(int status)
{
	(void)irq_save();
	if (sbi_probe(SBI_SRST))
		(void)sbi_call(SBI_SRST, 0, 0, 0);
	if (use_semihosting)
		semihosting_exit(status);
	/* What is left may never return. */
	firmware_console_write(parked, sizeof(parked) - 1);
	(void)sbi_call(SBI_SHUTDOWN, 0, 0, 0);
	for (;;)
		irq_wait();
}
