// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Starts the board anew, and turns it off when it comes up again. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probe.h"

#define SIZE 4096
#define STORED "stored before the board started anew\n"

/* What is stored here is synced by nobody but the unmount. */
int restart(void)
{
	int fd = open("/restarted", O_RDWR | O_CREAT, 0644);
	struct stat st;
	char *map;

	if (fd < 0 || fstat(fd, &st) || ftruncate(fd, SIZE))
		return fail("/restarted");
	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return fail("mmap");
	if (reboot(RB_AUTOBOOT + 1) != -1 || errno != EINVAL)
		return fail("another command");
	if (st.st_size == 0)
		strcpy(map, STORED);
	else if (strcmp(map, STORED))
		return fail("what was stored");
	puts(st.st_size ? "off" : "anew");
	fflush(stdout);
	reboot(st.st_size ? RB_POWER_OFF : RB_AUTOBOOT);
	return fail("reboot");
}
