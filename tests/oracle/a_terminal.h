// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* A terminal that nobody types on: cairn's console, and on Linux one of its own. Its settings are those of a new one.
 */
#pragma once

#include "oracle.h"

#ifdef __linux__
static inline int open_terminal(void)
{
	int typist = posix_openpt(O_RDWR | O_NOCTTY), fd;

	MUST(typist >= 0 && grantpt(typist) == 0 && unlockpt(typist) == 0);
	fd = open(ptsname(typist), O_RDWR | O_NOCTTY);
	MUST(fd >= 0);
	return fd;
}
#else
static inline int open_terminal(void)
{
	int fd = open("/dev/console", O_RDWR);

	MUST(fd >= 0);
	return fd;
}
#endif
