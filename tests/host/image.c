// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Card images by way of e2fsprogs. Their output goes to a file in the temporary folder, printed when they fail. */
#include "tests/host/image.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arch/host/host.h"
#include "tests/host/harness.h"

#define PATHS_MAX 64

static char folder[] = "/tmp/cairn-test-XXXXXX";
static pid_t folder_owner;
static char *paths[PATHS_MAX];

static void folder_remove(void)
{
	char command[64];

	if (getpid() != folder_owner) // a run, not the test
		return;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	if (system(command) != 0)
		fprintf(stderr, "%s is left behind\n", folder);
}

const char *image_path(const char *name)
{
	char path[256];

	if (!folder_owner) {
		if (!mkdtemp(folder) || atexit(folder_remove) != 0)
			host_die(folder);
		folder_owner = getpid();
	}
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	for (size_t i = 0; i < PATHS_MAX; i++) {
		if (paths[i] && strcmp(paths[i], path) != 0)
			continue;
		if (!paths[i])
			paths[i] = strdup(path);
		return paths[i];
	}
	fail_msg("more than %d names in the temporary folder", PATHS_MAX);
	return NULL;
}

/* Runs a shell command with its output to a file; returns its exit status. */
static int __attribute__((format(printf, 1, 2))) run(const char *format, ...)
{
	char command[2048];
	const char *output = image_path("output");
	va_list ap;
	int n, status;

	va_start(ap, format);
	n = vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	if (n < 0 || (size_t)n + strlen(output) + 16 > sizeof(command))
		fail_msg("command too long: %s", command);
	snprintf(command + n, sizeof(command) - (size_t)n, " >%s 2>&1", output);
	status = system(command);
	return status >= 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 127;
}

static void print_output(void)
{
	char line[512];
	FILE *f = fopen(image_path("output"), "r");

	if (!f)
		host_die("output");
	while (fgets(line, sizeof(line), f))
		fputs(line, stderr);
	if (fclose(f) != 0)
		host_die("output");
}

static int mke2fs(const char *image, const char *size, const char *options)
{
	return run("rm -f %s && PATH=$PATH:/sbin:/usr/sbin mke2fs -q -F -t ext2 %s %s %s", image, options, image, size);
}

/* Revision 0 by the word that e2fsprogs 1.47.1 and later know. */
static int mke2fs_revision0(const char *image, const char *size, const char *options)
{
	const char *old = strstr(options, "-r 0");
	char words[256];

	if (!old)
		return -1;
	snprintf(words, sizeof(words), "%.*s-E revision=0%s", (int)(old - options), options, old + strlen("-r 0"));
	return mke2fs(image, size, words);
}

void image_mke2fs(const char *image, const char *size, const char *options)
{
	if (mke2fs(image, size, options) != 0 && mke2fs_revision0(image, size, options) != 0) {
		print_output();
		fail_msg("mke2fs %s %s failed", options, size);
	}
}

int image_e2fsck(const char *image, const char *option)
{
	int status = run("PATH=$PATH:/sbin:/usr/sbin e2fsck -f %s %s", option, image);

	if (status > (strcmp(option, "-y") == 0))
		print_output();
	return status;
}

int image_replay(const char *image)
{
	int status = run("PATH=$PATH:/sbin:/usr/sbin e2fsck -p %s", image);

	if (status > 1)
		print_output();
	return status;
}

void image_debugfs(const char *image, const char *commands)
{
	const char *script = image_path("debugfs-script");
	FILE *f = fopen(script, "w");

	if (!f || fputs(commands, f) < 0 || fclose(f) != 0)
		host_die(script);
	if (run("PATH=$PATH:/sbin:/usr/sbin debugfs -w -f %s %s", script, image) != 0) {
		print_output();
		fail_msg("debugfs failed on %s", image);
	}
}

const char *image_ask(const char *image, const char *script)
{
	if (run("PATH=$PATH:/sbin:/usr/sbin debugfs -f %s %s", script, image) != 0) {
		print_output();
		fail_msg("debugfs failed on %s", image);
	}
	return image_path("output");
}

uint8_t *image_read(const char *image, const char *path, size_t *len)
{
	const char *out = image_path("read");
	uint8_t *data = NULL;
	FILE *f;
	long size;

	if (run("rm -f %s; PATH=$PATH:/sbin:/usr/sbin debugfs -R 'dump \"%s\" %s' %s", out, path, out, image) != 0) {
		print_output();
		fail_msg("debugfs failed on %s", image);
	}
	f = fopen(out, "rb");
	if (!f)
		return NULL;
	if (fseek(f, 0, SEEK_END) < 0 || (size = ftell(f)) < 0 || fseek(f, 0, SEEK_SET) < 0)
		host_die(out);
	data = malloc((size_t)size + 1);
	if (!data || fread(data, 1, (size_t)size, f) != (size_t)size || fclose(f) != 0)
		host_die(out);
	*len = (size_t)size;
	return data;
}

/* One run of the list, "(12-267):528-783" or "(IND):527". */
static void extent_add(struct image_extents *e, const char *text, unsigned *next_file, unsigned *next_image)
{
	unsigned first, last, at, n;

	if (sscanf(text, "(%u-%u):%u", &first, &last, &at) != 3) {
		if (sscanf(text, "(%u):%u", &first, &at) != 2)
			return;
		last = first;
	}
	n = last - first + 1;
	if (!e->blocks)
		e->first = at;
	if (!e->blocks || first != *next_file || at != *next_image)
		e->count++;
	e->blocks += n;
	*next_file = last + 1;
	*next_image = at + n;
}

struct image_extents image_extents(const char *image, const char *path)
{
	struct image_extents e = {0};
	unsigned next_file = 0, next_image = 0;
	bool list = false;
	char word[64];
	FILE *f;

	if (run("PATH=$PATH:/sbin:/usr/sbin debugfs -R 'stat \"%s\"' %s", path, image) != 0)
		fail_msg("debugfs failed on %s", image);
	f = fopen(image_path("output"), "r");
	if (!f)
		host_die("output");
	while (fscanf(f, "%63s", word) == 1 && strcmp(word, "TOTAL:") != 0) {
		if (list)
			extent_add(&e, word, &next_file, &next_image);
		list |= strcmp(word, "BLOCKS:") == 0;
	}
	if (fclose(f) != 0)
		host_die("output");
	return e;
}

void image_poke(const char *image, uint64_t offset, const void *data, size_t len)
{
	int fd = open(image, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || pwrite(fd, data, len, (off_t)offset) != (ssize_t)len || close(fd) < 0)
		host_die(image);
}
