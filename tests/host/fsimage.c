// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * One debugfs with a file of commands: a directory's names by `ls -p`, each inode by `stat`, where its blocks lie by
 * `bmap`; the bytes there are then read from the image itself. What it is to say is put together in the same order.
 */
#include "tests/host/fsimage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/fsmodel/fsmodel.h"
#include "tests/host/harness.h"
#include "tests/host/image.h"

struct check {
	const struct fsmodel *m;
	FILE *commands, *output, *image;
	unsigned block_size;
	char line[16384]; // of the output
	const char *command;
	unsigned missing; // names of a directory that have not come yet
	unsigned dirs, blocks;
};

static void command(struct check *c, const char *text)
{
	if (fputs(text, c->commands) < 0)
		fail_msg("the debugfs script cannot be written");
}

static bool next_line(struct check *c)
{
	if (!fgets(c->line, sizeof(c->line), c->output))
		return false;
	c->line[strcspn(c->line, "\n")] = 0;
	return true;
}

/* The line that repeats a command comes before what it says. */
static void expect_command(struct check *c, const char *text)
{
	do {
		if (!next_line(c))
			fail_msg("debugfs says nothing to '%s'", text);
	} while (strncmp(c->line, "debugfs: ", 9) != 0);
	if (strcmp(c->line + 9, text) != 0)
		fail_msg("debugfs answers '%s', not '%s'", c->line, text);
	c->command = text;
}

/* ---- asking ---- */

static void for_blocks(struct check *c, const struct fsmodel_file *file,
		       void (*each)(struct check *c, const struct fsmodel_file *file, uint64_t at))
{
	uint64_t at = 0;

	if (!S_ISREG(file->mode))
		return;
	while (fsmodel_next(c->m, file->node, &at)) {
		at -= at % c->block_size;
		each(c, file, at);
		at += c->block_size;
	}
}

static void ask_block(struct check *c, const struct fsmodel_file *file, uint64_t at)
{
	char text[64];

	snprintf(text, sizeof(text), "bmap <%llu> %llu\n", (unsigned long long)file->ino,
		 (unsigned long long)(at / c->block_size));
	command(c, text);
}

static void ask(void *arg, const struct fsmodel_file *file)
{
	struct check *c = arg;
	char text[64];

	snprintf(text, sizeof(text), "stat <%llu>\n", (unsigned long long)file->ino);
	command(c, text);
	if (S_ISDIR(file->mode)) {
		snprintf(text, sizeof(text), "ls -p <%llu>\n", (unsigned long long)file->ino);
		command(c, text);
	}
	for_blocks(c, file, ask_block);
}

/* ---- comparing ---- */

static unsigned long long value_after(struct check *c, const char *words, int base)
{
	const char *at = strstr(c->line, words);

	if (!at)
		fail_msg("'%s': no '%s' in '%s'", c->command, words, c->line);
	return strtoull(at + strlen(words), NULL, base);
}

static void check_value(struct check *c, const char *words, int base, unsigned long long want)
{
	const unsigned long long got = value_after(c, words, base);

	if (got != want)
		fail_msg("'%s': %s %llu, not %llu", c->command, words, got, want);
}

static void find_line(struct check *c, const char *with)
{
	do {
		if (!next_line(c))
			fail_msg("'%s': no '%s'", c->command, with);
	} while (!strstr(c->line, with));
}

/* "mtime: 0xSECONDS:EXTRA -- ..."; EXTRA has two bits more of the seconds. */
static void check_mtime(struct check *c, const struct fsmodel_file *file)
{
	const char *extra;
	int64_t sec;

	find_line(c, "mtime: ");
	sec = (int32_t)value_after(c, "mtime: ", 16);
	extra = strstr(c->line, "mtime: ");
	extra = strchr(extra + 7, ':');
	if (extra && extra < strstr(c->line, " -- "))
		sec += (int64_t)(strtoull(extra + 1, NULL, 16) & 3) << 32;
	if (sec < file->mtime_from.tv_sec || sec > file->mtime_to.tv_sec)
		fail_msg("'%s': mtime %lld, not %lld", c->command, (long long)sec, (long long)file->mtime_from.tv_sec);
}

static void check_link_target(struct check *c, const struct fsmodel_file *file)
{
	static char want[4096];
	const char *got;

	if (file->size >= 60)
		return; // it has a block, which stat does not show
	find_line(c, "Fast link dest: \"");
	got = strstr(c->line, ": \"") + 3;
	(void)fsmodel_read(c->m, file->node, 0, want, file->size);
	if (strlen(got) != file->size + 1 || memcmp(got, want, file->size) != 0)
		fail_msg("'%s': the target is %s", c->command, got);
}

static void check_stat(struct check *c, const struct fsmodel_file *file, const char *text)
{
	const char *type = S_ISDIR(file->mode) ? "directory" : S_ISREG(file->mode) ? "regular" : "symlink";

	expect_command(c, text);
	find_line(c, "Inode: ");
	if (!strstr(c->line, type))
		fail_msg("'%s': '%s' is no %s", text, c->line, type);
	check_value(c, "Mode:", 8, file->mode & 07777);
	find_line(c, "User:");
	/* Shown as signed numbers. */
	if ((uid_t)value_after(c, "User:", 10) != file->uid || (gid_t)value_after(c, "Group:", 10) != file->gid)
		fail_msg("'%s': '%s', not %u, %u", text, c->line, file->uid, file->gid);
	if (!S_ISDIR(file->mode))
		check_value(c, "Size: ", 10, file->size);
	find_line(c, "Links: ");
	check_value(c, "Links: ", 10, file->links);
	check_mtime(c, file);
	if (S_ISLNK(file->mode))
		check_link_target(c, file);
}

/* What `ls -p` has said of a directory, name by name. */
static struct {
	char *lines;
	size_t len;
} listed;

static void check_name(void *arg, const char *name, uint64_t ino, mode_t mode)
{
	struct check *c = arg;
	char want[400];

	/* /ino/mode/uid/gid/name/size/ */
	snprintf(want, sizeof(want), "\n/%llu/%06o/", (unsigned long long)ino, mode);
	for (const char *at = listed.lines; (at = strstr(at, want)); at++) {
		const char *end = strchr(at + 1, '\n'), *found = at + strlen(want);

		found = strchr(strchr(found, '/') + 1, '/') + 1;
		if (found + strlen(name) < end && found[strlen(name)] == '/' && !memcmp(found, name, strlen(name))) {
			c->missing--;
			return;
		}
	}
	fail_msg("'%s': no \"%s\" with inode %llu", c->command, name, (unsigned long long)ino);
}

static void count_name(void *arg, const char *name, uint64_t ino, mode_t mode)
{
	unsigned *count = arg;

	(void)name;
	(void)ino;
	(void)mode;
	(*count)++;
}

static void check_names(struct check *c, const struct fsmodel_file *file, const char *text)
{
	unsigned lines = 0, names = 0;

	expect_command(c, text);
	listed.len = 0;
	while (next_line(c) && c->line[0] == '/') {
		const size_t n = strlen(c->line);

		listed.lines = realloc(listed.lines, listed.len + n + 3);
		assert_non_null(listed.lines);
		listed.lines[listed.len++] = '\n';
		memcpy(listed.lines + listed.len, c->line, n);
		listed.len += n;
		memcpy(listed.lines + listed.len, "\n", 2);
		/* Room without a name has inode 0. */
		lines += strncmp(c->line, "/0/", 3) != 0 && !strstr(c->line, "/lost+found/");
	}
	fsmodel_visit_names(c->m, file->node, count_name, &names);
	if (lines != names + 2)
		fail_msg("'%s': %u names, not %u", text, lines, names + 2);
	c->missing = names;
	fsmodel_visit_names(c->m, file->node, check_name, c);
	assert_int_equal(c->missing, 0);
	c->dirs++;
}

static void check_block(struct check *c, const struct fsmodel_file *file, uint64_t at)
{
	static uint8_t want[4096], got[4096];
	const unsigned n = (unsigned)min_of((uint64_t)c->block_size, file->size - at);
	unsigned long block;
	char text[64];

	snprintf(text, sizeof(text), "bmap <%llu> %llu", (unsigned long long)file->ino,
		 (unsigned long long)(at / c->block_size));
	expect_command(c, text);
	if (!next_line(c))
		fail_msg("'%s': no answer", text);
	block = strtoul(c->line, NULL, 10);
	memset(got, 0, sizeof(got));
	if (block && (fseek(c->image, (long)(block * c->block_size), SEEK_SET) != 0 || fread(got, 1, n, c->image) != n))
		fail_msg("'%s': block %lu cannot be read", text, block);
	(void)fsmodel_read(c->m, file->node, at, want, n);
	if (memcmp(got, want, n) != 0)
		fail_msg("'%s': block %lu of inode %llu differs at %#llx", text, block, (unsigned long long)file->ino,
			 (unsigned long long)at);
	c->blocks++;
}

static void compare(void *arg, const struct fsmodel_file *file)
{
	struct check *c = arg;
	char text[64];

	snprintf(text, sizeof(text), "stat <%llu>", (unsigned long long)file->ino);
	check_stat(c, file, text);
	if (S_ISDIR(file->mode)) {
		snprintf(text, sizeof(text), "ls -p <%llu>", (unsigned long long)file->ino);
		check_names(c, file, text);
	}
	for_blocks(c, file, check_block);
}

void fsimage_check(const char *image, unsigned block_size, const struct fsmodel *m)
{
	const char *script = image_path("fsmodel-script");
	struct check *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	*c = (struct check){.m = m, .block_size = block_size, .commands = fopen(script, "w")};
	assert_non_null(c->commands);
	fsmodel_visit(m, ask, c);
	assert_int_equal(fclose(c->commands), 0);
	c->output = fopen(image_ask(image, script), "r");
	c->image = fopen(image, "rb");
	assert_true(c->output && c->image);
	fsmodel_visit(m, compare, c);
	assert_int_equal(fclose(c->output) + fclose(c->image), 0);
	print_message("debugfs: %u directories, %u blocks\n", c->dirs, c->blocks);
	free(c);
}
