// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* On Linux a program that mounts does so in a view of its own, which ends with it. False if it may not. */
#pragma once

#include <stdbool.h>
#include <sys/mount.h>

#ifdef __linux__
#include <sched.h>

static inline bool may_mount(void)
{
	return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}
#else
static inline bool may_mount(void)
{
	return true;
}
#endif
