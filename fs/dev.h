// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* /dev: character devices by name. It lies over whatever the card has there, and needs no card. */
#pragma once

#include "kernel/chardev.h"

#define DEVICES_MAX 16

/* NULL: none of that name, or with that number. They stay for ever. */
struct chardev *dev_find(const char *name);
struct chardev *dev_nth(unsigned n);
/* It is /dev/zero. */
bool dev_is_zero(const struct chardev *dev);
/* An inode number for stat: beyond those of any card. */
uint64_t dev_ino(const struct chardev *dev);
