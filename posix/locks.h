// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

#include <fcntl.h>

/* fcntl's commands F_GETLK, F_SETLK, F_SETLKW and those with F_OFD_. fl is the application's. 0 or negative errno. */
int fcntl_lock(int fd, int command, struct flock *fl);
