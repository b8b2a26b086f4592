// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* /dev: the devices that drivers offer, by name. */
#pragma once

#include "fs/inode.h"
#include "kernel/chardev.h"

#define DEVICES_MAX 16

/* The device's inode, referenced, wherever /dev is. -ENOENT. */
int dev_open(const char *name, struct inode **out);
/* It is /dev/zero. */
bool dev_is_zero(const struct inode *inode);
