// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Lists of buffers: readv, writev. */
#pragma once

#include <sys/uio.h>

#include "fs/file.h"

#define IOV_BYTES_MAX 0x7ffff000 // of one call

/*
 * The application's list in kernel memory, for kfree; what is beyond IOV_BYTES_MAX is cut off. -EINVAL: too many, or
 * more bytes than can be told of; -EFAULT, -ENOMEM.
 */
int iov_get(const struct iovec *iov, int count, struct iovec **out);
size_t iov_len(const struct iovec *iov, unsigned count); // bytes in all

/*
 * By the operations of a device, a pipe or a text. All is one read, or one write of so much as a pipe keeps together:
 * several buffers go through memory of the kernel's.
 */
long ops_read(struct file *file, const struct iovec *iov, unsigned count, int64_t offset);
long ops_write(struct file *file, const struct iovec *iov, unsigned count, int64_t offset);
