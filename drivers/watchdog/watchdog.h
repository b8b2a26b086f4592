// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

#include "kernel/chardev.h"

/* /dev/watchdog, with Linux's ways; NULL: the board has none. After drivers_probe. */
struct chardev *watchdog_chardev(void);
