// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * getrandom, and getentropy, from which the C library's arc4random begins. Bytes go through a buffer on the stack, so
 * that a bad pointer is EFAULT. Never wait for a seed: without one the log has said so. May sleep in faults.
 */
#include <errno.h>
#include <sys/random.h>
#include <unistd.h>

#include "arch/uaccess.h"
#include "kernel/random.h"
#include "posix/call.h"
#include "posix/result.h"

#define PIECE 256u
#define COUNT_MAX 0x7ffff000ul // of one call, bytes

static long random_fill(char *buf, size_t n)
{
	uint8_t piece[PIECE];
	size_t done = 0, missing = 0;

	while (done < n && !missing) {
		const size_t len = min_of(n - done, sizeof(piece));

		random_bytes(piece, len);
		missing = uaccess_copy(buf + done, piece, len);
		done += len - missing;
	}
	random_wipe(piece, sizeof(piece));
	return done || !n ? (long)done : -EFAULT;
}

ssize_t getrandom(void *buf, size_t n, unsigned flags)
{
	if ((flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE)) ||
	    (flags & (GRND_RANDOM | GRND_INSECURE)) == (GRND_RANDOM | GRND_INSECURE))
		return result_posix(-EINVAL);
	return result_posix(KERNEL_CALL(random_fill(buf, min_of(n, COUNT_MAX))));
}

int getentropy(void *buf, size_t n)
{
	long r;

	if (n > PIECE)
		return (int)result_posix(-EIO);
	r = KERNEL_CALL(random_fill(buf, n));
	return (int)result_posix(r == (long)n ? 0 : -EFAULT);
}
