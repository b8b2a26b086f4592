// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * A character device as a driver offers it and fs/ shows it under /dev. Buffers are kernel memory (fs/ copies to the
 * application in pieces). Both calls may sleep.
 */
#pragma once

#include <stdatomic.h>

#include "lib/types.h"

struct chardev {
	const char *name;   // "console"
	atomic_bool is_tty; // relaxed: may change while somebody asks
	/* At least one byte unless at end of input: count, 0 at end, negative errno (EIO: a receive error, EINTR). */
	long (*read)(struct chardev *dev, void *buf, size_t len);
	/* channel 1 or 2: which of the standard streams, so that stderr is kept apart. All of len, or negative errno.
	 */
	long (*write)(struct chardev *dev, const void *buf, size_t len, int channel);
	/* Waits until all written bytes have left. */
	int (*drain)(struct chardev *dev);
};
