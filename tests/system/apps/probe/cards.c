// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Two cards at once: the root, and one that is mounted by a program. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probe.h"

#define LINES 200
#define LOG_SIZE (LINES * 16)

/* Mounts whichever of the two devices is not the root, which is in use. The other's name, or NULL. */
static const char *mount_other(void)
{
	static const char *const devices[] = {"/dev/vda2", "/dev/vdb2"};
	const char *found = NULL;

	for (unsigned i = 0; i < 2; i++) {
		if (mount(devices[i], "/second", "ext2", 0, NULL) == 0)
			found = devices[i];
		else if (errno != EBUSY)
			return NULL;
	}
	return found;
}

/* A log is a mapped file, of lines of 16 bytes. */
static char *log_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
	char *log;

	if (fd < 0 || ftruncate(fd, LOG_SIZE))
		return NULL;
	log = mmap(NULL, LOG_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return close(fd) || log == MAP_FAILED ? NULL : log;
}

static int copy_mounts(void)
{
	char text[4096];
	int fd = open("/proc/mounts", O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n < 0 || close(fd))
		return fail("/proc/mounts");
	text[n] = 0;
	fputs(text, stdout);
	return 0;
}

int two_cards(const char *end)
{
	char *logs[2], line[32];
	const char *device;

	if (mkdir("/second", 0755))
		return fail("mkdir");
	device = mount_other();
	if (!device)
		return fail("mount");
	if (open(device, O_RDWR) != -1 || errno != EBUSY)
		return fail("open for writing");
	logs[0] = log_open("/log");
	logs[1] = log_open("/second/log");
	if (!logs[0] || !logs[1])
		return fail("log");
	for (unsigned i = 0; i < LINES; i++) {
		snprintf(line, sizeof(line), "line %10u\n", i);
		for (unsigned card = 0; card < 2; card++) {
			memcpy(logs[card] + i * 16, line, 16);
			if (msync(logs[card], LOG_SIZE, MS_SYNC))
				return fail("msync");
		}
	}
	if (copy_mounts())
		return 1;
	if (!strcmp(end, "umount")) {
		if (umount("/second") != -1 || errno != EBUSY) // it is mapped
			return fail("umount of what is in use");
		if (munmap(logs[1], LOG_SIZE) || umount("/second") || access("/second/log", F_OK) != -1)
			return fail("umount");
	}
	return 0;
}
