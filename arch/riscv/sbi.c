// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Calls to the firmware. Nothing is assumed of it: each extension is asked for before it is used. Never sleeps. */

#include "arch/firmware.h"
#include "arch/riscv/riscv.h"

struct sbi_result sbi_call4(unsigned long extension, unsigned long function, unsigned long arg0, unsigned long arg1,
			    unsigned long arg2, unsigned long arg3)
{
	register unsigned long a0 __asm__("a0") = arg0;
	register unsigned long a1 __asm__("a1") = arg1;
	register unsigned long a2 __asm__("a2") = arg2;
	register unsigned long a3 __asm__("a3") = arg3;
	register unsigned long a6 __asm__("a6") = function;
	register unsigned long a7 __asm__("a7") = extension;

	__asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a3), "r"(a6), "r"(a7) : "memory");
	return (struct sbi_result){(long)a0, (long)a1};
}

struct sbi_result sbi_call(unsigned long extension, unsigned long function, unsigned long arg0, unsigned long arg1)
{
	return sbi_call4(extension, function, arg0, arg1, 0, 0);
}

bool sbi_probe(unsigned long extension)
{
	struct sbi_result r = sbi_call(SBI_BASE, 3, extension, 0);

	return r.error == 0 && r.value != 0;
}

/* ---- what it is ---- */

static unsigned long base_value(unsigned long function)
{
	return (unsigned long)sbi_call(SBI_BASE, function, 0, 0).value;
}

void firmware_identify(struct firmware *out)
{
	*out = (struct firmware){.specification = base_value(0),
				 .implementation = base_value(1),
				 .version = base_value(2),
				 .vendor = base_value(4),
				 .architecture = base_value(5),
				 .machine = base_value(6)};
}

static const struct {
	const char *name;
	unsigned long number;
} extensions[] = {{"TIME", SBI_TIME}, {"IPI", SBI_IPI},	  {"RFENCE", SBI_RFENCE},
		  {"HSM", SBI_HSM},   {"SRST", SBI_SRST}, {"DBCN", SBI_DBCN}};

const char *firmware_extension_nth(unsigned n)
{
	return n < array_size(extensions) ? extensions[n].name : NULL;
}

bool firmware_has(unsigned n)
{
	return sbi_probe(extensions[n].number);
}

/* ---- its console ---- */

enum { DBCN_READ = 1, DBCN_WRITE_BYTE = 2 };

static bool has_dbcn(void)
{
	static int known = -1;

	if (known < 0)
		known = sbi_probe(SBI_DBCN);
	return known;
}

void firmware_console_write(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		(void)(has_dbcn() ? sbi_call(SBI_DBCN, DBCN_WRITE_BYTE, (uint8_t)text[i], 0)
				  : sbi_call(SBI_PUTCHAR, 0, (uint8_t)text[i], 0));
}

/* The debug console reads into memory, by its physical address: a word of the image. */
static int dbcn_read(void)
{
	static volatile uint8_t byte;
	const struct sbi_result r =
	    sbi_call4(SBI_DBCN, DBCN_READ, 1, image_start() + (paddr_t)((char *)&byte - image_text), 0, 0);

	return r.error == 0 && r.value == 1 ? byte : -1;
}

int firmware_console_read(void)
{
	return has_dbcn() ? dbcn_read() : (int)sbi_call(SBI_GETCHAR, 0, 0, 0).error;
}
