// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* The part of arch/uaccess.h that needs no table of fixups. May fault, and so sleep. */

#include "arch/uaccess.h"

#include <errno.h>

#include "arch/riscv/riscv.h"

long uaccess_strncpy(char *dst, const char *src, size_t size)
{
	long len = uaccess_string(dst, src, size);

	if (len < 0)
		return -EFAULT;
	return (size_t)len == size ? -ENAMETOOLONG : len;
}
