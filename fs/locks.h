// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Advisory locks on files: when they end. */
#pragma once

#include "fs/file.h"

/* A descriptor of the file is closed: the process's locks on it end, whatever descriptor they were made by. */
void locks_close(struct inode *inode);
/* The last reference to an open file is gone, and with it its own locks. */
void locks_release(struct file *file);
