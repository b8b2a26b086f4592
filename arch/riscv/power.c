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

/* Of the reset extension. */
enum reset_type { RESET_SHUTDOWN = 0, RESET_COLD_REBOOT = 1 };

static bool use_semihosting;
static const char not_reset[] = "power: the firmware cannot start this board anew\r\n";
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

/* Returns if the firmware cannot do it. */
static void system_reset(enum reset_type type)
{
	if (sbi_probe(SBI_SRST))
		(void)sbi_call(SBI_SRST, 0, type, 0);
}

static _Noreturn void end_otherwise(int status)
{
	if (use_semihosting)
		semihosting_exit(status);
	/* What is left may never return. */
	firmware_console_write(parked, sizeof(parked) - 1);
	(void)sbi_call(SBI_SHUTDOWN, 0, 0, 0);
	for (;;)
		irq_wait();
}

void power_off(int status)
{
	(void)irq_save();
	system_reset(RESET_SHUTDOWN);
	end_otherwise(status);
}

void power_reset(int status)
{
	(void)irq_save();
	system_reset(RESET_COLD_REBOOT);
	firmware_console_write(not_reset, sizeof(not_reset) - 1);
	end_otherwise(status);
}
