// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The two helpers through which kernel code touches application memory. They may fault, and so sleep: never under a
 * spinlock, never holding a lock that the fault path takes. A fault that cannot be served ends the copy instead of
 * raising a signal.
 */
#pragma once

#include "lib/types.h"

/* Copies n bytes; returns how many were NOT copied (0: all). The last ones, in order of address, are missing. */
size_t uaccess_copy(void *dst, const void *src, size_t n);

/*
 * Copies a string with its NUL into dst, at most size bytes. Returns its length without the NUL, -EFAULT, or
 * -ENAMETOOLONG when no NUL was found in size bytes.
 */
long uaccess_strncpy(char *dst, const char *src, size_t size);

/*
 * Reads a 32-bit word without serving a fault: true and *value if it is mapped and readable, false otherwise. May be
 * called under a spinlock.
 */
bool uaccess_peek32(const void *src, uint32_t *value);
