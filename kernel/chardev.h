// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * A character device as a driver offers it and fs/ shows it under /dev. Buffers are kernel memory (fs/ copies to the
 * application in pieces). All but poll may sleep.
 */
#pragma once

#include <stdatomic.h>

#include "lib/types.h"

struct chardev {
	const char *name;   // "console"
	atomic_bool is_tty; // relaxed: may change while somebody asks
	/* Before anything else, by whoever opens it: 0 or negative errno; and when that is closed. NULL: nothing to do.
	 */
	int (*open)(struct chardev *dev);
	void (*close)(struct chardev *dev);
	/*
	 * At least one byte unless at end of input: count, 0 at end, negative errno (EIO: a receive error, EINTR). What
	 * would have to wait for the world is -EAGAIN unless `wait`; a terminal's settings may change either.
	 */
	long (*read)(struct chardev *dev, void *buf, size_t len, bool wait);
	/*
	 * channel 1 or 2: which of the standard streams, so that stderr is kept apart. How many were taken, at least
	 * one, and all with `wait`; or negative errno (EAGAIN).
	 */
	long (*write)(struct chardev *dev, const void *buf, size_t len, int channel, bool wait);
	/* Waits until all written bytes have left. */
	int (*drain)(struct chardev *dev);
	/* Which of POLLIN and POLLOUT are true; poll_wake (kernel/poll.h) tells of changes. NULL: both, always. */
	short (*poll)(struct chardev *dev);
	/*
	 * A request of <sys/ioctl.h>: TCGETS, TCSETS, TCSETSW, TCSETSF (arg: struct termios), TCFLSH, FIONREAD (int),
	 * TIOCGWINSZ (struct winsize), WDIOC_* (int). -ENOTTY: not of this device. NULL: it has none.
	 */
	int (*control)(struct chardev *dev, unsigned long request, void *arg);
};
