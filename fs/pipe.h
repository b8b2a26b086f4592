// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Pipes: what open files of S_IFIFO inodes do. */
#pragma once

#include "fs/file.h"

/* Of a name in a file system, whose pipe is there as long as somebody has it open. */
extern const struct file_ops fifo_ops;

/* The file system that pipes without a name are in. Once, before the first. */
void pipe_init(void);
