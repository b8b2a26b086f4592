// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* The calls of arch/uaccess.h around what must be assembly. May fault, and so sleep. */

#include "arch/uaccess.h"

#include <assert.h>
#include <errno.h>

#include "arch/irq.h"
#include "arch/riscv/riscv.h"

size_t uaccess_copy(void *dst, const void *src, size_t n)
{
	assert(irq_enabled()); // I1, whether it would fault or not
	return uaccess_copy_raw(dst, src, n);
}

long uaccess_strncpy(char *dst, const char *src, size_t size)
{
	long len;

	assert(irq_enabled());
	len = uaccess_string(dst, src, size);
	if (len < 0)
		return -EFAULT;
	return (size_t)len == size ? -ENAMETOOLONG : len;
}
