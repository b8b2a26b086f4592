// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

/*
 * Finds the root file system and mounts it: the device that root= names in the boot arguments, else the first partition
 * or disk that holds an ext2. 0, or after a log line that names the trouble and the way out of it, its errno.
 */
int root_mount(void);
