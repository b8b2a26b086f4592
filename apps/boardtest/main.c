// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * One report on a board, to be pasted whole (docs/boards.md): what the kernel knows of firmware, harts, controller and
 * card, then a scratch file of so many MiB (8, or the argument), written, read back and compared by each way that the
 * card's data can go. Lines are `name: value`; the last but the end mark says whether all was well. Status 0, or 1.
 */
#include "boardtest.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cairn.h>

#define MIB_DEFAULT 8u
#define MIB_MAX 1024u

static unsigned failures;

void report(const char *name, const char *format, ...)
{
	va_list ap;

	printf("%s: ", name);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf("\n");
}

void failed(const char *what, int error)
{
	report("FAILED", "%s: %s", what, error ? strerror(error) : "wrong");
	failures++;
}

/* Every line of a file of /proc, with its name before it unless the line has one. */
static void show_file(const char *path, const char *prefix)
{
	FILE *file = fopen(path, "r");
	char line[512];

	if (!file) {
		failed(path, errno);
		return;
	}
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = 0;
		if (line[0] && prefix)
			report(prefix, "%s", line);
		else if (line[0])
			printf("%s\n", line);
	}
	if (ferror(file))
		failed(path, EIO);
	(void)fclose(file); // only read
}

int main(int argc, char **argv)
{
	const unsigned long mib = argc > 1 ? strtoul(argv[1], NULL, 10) : MIB_DEFAULT;

	if (mib < 1 || mib > MIB_MAX) {
		fprintf(stderr, "boardtest: the argument is a number of MiB, 1 to %u\n", MIB_MAX);
		return EXIT_FAILURE;
	}
	printf("---- boardtest report ----\n");
	report("cairn", "%s", CAIRN_VERSION);
	show_file("/proc/version", "kernel");
	show_file("/proc/cmdline", "arguments");
	show_file("/proc/board", NULL);
	show_file("/proc/cpuinfo", "cpu");
	show_file("/proc/meminfo", "memory");
	show_file("/proc/partitions", "disks");
	show_file("/proc/mounts", "mounts");
	card_test((size_t)mib << 20);
	show_file("/proc/interrupts", "interrupts");
	show_file("/proc/diskio", "diskio");
	report("clock", "%s", cairn_clock_source() == CAIRN_CLOCK_DEVICE ? "a clock device" : "no clock device");
	report("result", failures ? "FAILED, %u times" : "good", failures);
	printf("---- end of report ----\n");
	return failures || fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}
