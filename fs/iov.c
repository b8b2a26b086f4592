// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Lists of buffers, and what devices and pipes, whose operations take one, do with them. No locks. Sleeps. */
#include "fs/iov.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "arch/uaccess.h"
#include "mm/kmalloc.h"
#include "mm/reclaim.h"

#define BETWEEN_MAX 65536 // of the kernel's memory, at a time: as much as a pipe holds

size_t iov_len(const struct iovec *iov, unsigned count)
{
	size_t len = 0;

	for (unsigned i = 0; i < count; i++)
		len += iov[i].iov_len;
	return len;
}

/* The sum must be a number that the call can return; what is too much for one call is cut off. */
static int check(struct iovec *iov, unsigned count)
{
	size_t sum = 0, left = IOV_BYTES_MAX;

	for (unsigned i = 0; i < count; i++) {
		if (iov[i].iov_len > SSIZE_MAX - sum)
			return -EINVAL;
		sum += iov[i].iov_len;
	}
	for (unsigned i = 0; i < count; i++) {
		iov[i].iov_len = min_of(iov[i].iov_len, left);
		left -= iov[i].iov_len;
	}
	return 0;
}

int iov_get(const struct iovec *iov, int count, struct iovec **out)
{
	const size_t size = (size_t)count * sizeof(*iov);
	int err = 0;

	if (count < 0 || count > IOV_MAX)
		return -EINVAL;
	*out = kmalloc_wait(max_of(size, (size_t)1));
	if (!*out)
		return -ENOMEM;
	if (uaccess_copy(*out, iov, size))
		err = -EFAULT;
	if (!err)
		err = check(*out, (unsigned)count);
	if (err)
		kfree(*out);
	return err;
}

/* ---- between the kernel's memory and the buffers ---- */

/* len bytes from `skip` on. How many could not be copied. */
static size_t copy(char *own, const struct iovec *iov, size_t skip, size_t len, bool out)
{
	for (; len; iov++) {
		const size_t n = skip < iov->iov_len ? min_of(iov->iov_len - skip, len) : 0;
		char *theirs = (char *)iov->iov_base + skip;
		size_t missing = out ? uaccess_copy(theirs, own, n) : uaccess_copy(own, theirs, n);

		if (missing)
			return len - n + missing;
		skip -= min_of(skip, iov->iov_len);
		own += n;
		len -= n;
	}
	return 0;
}

long ops_read(struct file *file, const struct iovec *iov, unsigned count, int64_t offset)
{
	const size_t len = min_of(iov_len(iov, count), (size_t)BETWEEN_MAX);
	char *own;
	long r;

	if (count == 1)
		return file->ops->read(file, iov->iov_base, iov->iov_len, (uint64_t)offset);
	own = kmalloc_wait(max_of(len, (size_t)1));
	if (!own)
		return -ENOMEM;
	r = file->ops->read(file, own, len, (uint64_t)offset);
	if (r > 0) {
		const size_t missing = copy(own, iov, 0, (size_t)r, true);

		r = missing == (size_t)r ? -EFAULT : r - (long)missing;
	}
	kfree(own);
	return r;
}

long ops_write(struct file *file, const struct iovec *iov, unsigned count, int64_t offset)
{
	const size_t all = iov_len(iov, count), size = min_of(all, (size_t)BETWEEN_MAX);
	size_t done = 0, n;
	char *own;
	long r = 0;

	if (count == 1)
		return file->ops->write(file, iov->iov_base, iov->iov_len, (uint64_t)offset);
	own = kmalloc_wait(max_of(size, (size_t)1));
	if (!own)
		return -ENOMEM;
	do {
		n = min_of(all - done, size);
		r = copy(own, iov, done, n, false) ? -EFAULT : file->ops->write(file, own, n, (uint64_t)offset + done);
		if (r > 0)
			done += (size_t)r;
	} while (r > 0 && (size_t)r == n && done < all);
	kfree(own);
	return done ? (long)done : r;
}
