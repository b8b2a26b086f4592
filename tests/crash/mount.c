// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Cairn itself as the one who looks at crash images: for each line `IMAGE SAVE FOLDER TREE...` of standard input the
 * image is mounted by a kernel of its own, its trees are copied into the folder, it is unmounted, and the card goes to
 * SAVE. Answers with a line `STATUS BYTES` and so many bytes: the run's exit status, and what it logged. Paths have no
 * spaces.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/fs.h"
#include "tests/host/harness.h"

#define PATH_MAX_HERE 512
#define TREES_MAX 8

struct job {
	char *folder;
	char *trees[TREES_MAX + 1];
};

static void copy_file(const char *path, const char *to)
{
	static char data[65536];
	int fd = fs_open(AT_FDCWD, path, O_RDONLY, 0);
	FILE *out = fopen(to, "wb");
	long n;

	if (fd < 0)
		fail_msg("%s: %d", path, fd);
	assert_non_null(out);
	while ((n = fs_read(fd, data, sizeof(data))) > 0)
		assert_int_equal(fwrite(data, 1, (size_t)n, out), n);
	if (n < 0)
		fail_msg("reading %s: %ld", path, n);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(fs_close(fd), 0);
}

static void copy_tree(const char *path, const char *to)
{
	int fd = fs_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0), more;
	char from[PATH_MAX_HERE], into[PATH_MAX_HERE];
	struct fs_dirent entry;

	if (fd == -ENOENT)
		return;
	if (fd < 0)
		fail_msg("%s: %d", path, fd);
	assert_int_equal(mkdir(to, 0755), 0);
	while ((more = fs_readdir(fd, &entry)) > 0) {
		if (strcmp(entry.name, ".") == 0 || strcmp(entry.name, "..") == 0)
			continue;
		assert_true(snprintf(from, sizeof(from), "%s/%s", path, entry.name) < (int)sizeof(from));
		assert_true(snprintf(into, sizeof(into), "%s/%s", to, entry.name) < (int)sizeof(into));
		if (entry.type == 4) // DT_DIR
			copy_tree(from, into);
		else
			copy_file(from, into);
	}
	if (more < 0)
		fail_msg("listing %s: %d", path, more);
	assert_int_equal(fs_close(fd), 0);
}

static void body(void *arg)
{
	const struct job *job = arg;
	char to[PATH_MAX_HERE];

	harness_start();
	for (char *const *tree = job->trees; *tree; tree++) {
		assert_true(snprintf(to, sizeof(to), "%s%s", job->folder, *tree) < (int)sizeof(to));
		copy_tree(*tree, to);
	}
	assert_int_equal(harness_stop(), 0);
}

/* Ends the program unless the line has all the words. */
static char *word(char *line, const char *what)
{
	char *found = strtok(line, " \n");

	if (found)
		return found;
	fprintf(stderr, "mount: no %s in the line\n", what);
	exit(EXIT_FAILURE);
}

int main(void)
{
	static char line[4096];

	while (fgets(line, sizeof(line), stdin)) {
		struct harness h = {.frames = 2048};
		struct job job = {0};
		const char *log;

		h.disk.image = word(line, "image");
		h.disk.save = word(NULL, "path to save");
		job.folder = word(NULL, "folder");
		for (size_t i = 0; i < TREES_MAX; i++)
			job.trees[i] = strtok(NULL, " \n");
		int status = harness_status(&h, body, &job, &log);

		printf("%d %zu\n%s", status, strlen(log), log);
		if (fflush(stdout))
			return EXIT_FAILURE;
	}
	return ferror(stdin) ? EXIT_FAILURE : EXIT_SUCCESS;
}
