// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#include "tests/host/replaycase.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/host/journalimage.h"
#include "tests/host/mountimage.h"

#define BLOCKS 4096
#define LOG_START 1000 // near the journal's end

struct file {
	uint8_t *data;
	size_t size;
};

static struct file read_file(const char *path)
{
	struct file f;
	struct stat st;
	FILE *in = fopen(path, "rb");

	assert_non_null(in);
	assert_int_equal(fstat(fileno(in), &st), 0);
	f.size = (size_t)st.st_size;
	f.data = malloc(f.size);
	assert_non_null(f.data);
	assert_int_equal(fread(f.data, 1, f.size, in), f.size);
	assert_int_equal(fclose(in), 0);
	return f;
}

void replaycase_copy(const char *from, const char *to)
{
	struct file f = read_file(from);
	FILE *out = fopen(to, "wb");

	assert_non_null(out);
	assert_int_equal(fwrite(f.data, 1, f.size, out), f.size);
	assert_int_equal(fclose(out), 0);
	free(f.data);
}

/* What a mount and e2fsck leave as they like. */
static void mask_times(struct file *f)
{
	struct ext2_super *s = (struct ext2_super *)(f->data + EXT2_SUPER_OFFSET);

	s->write_time = s->mount_time = s->last_check = 0;
}

static void mask_journal(struct file *f, const char *path)
{
	struct journalimage ji;

	journalimage_open(&ji, path);
	for (uint32_t n = 0; n < ji.maxlen; n++)
		memset(f->data + (size_t)ji.place[n] * ji.block_size, 0, ji.block_size);
	journalimage_drop(&ji);
}

/* The first byte that is not equal: its offset, and both, or false. */
static bool find_difference(const char *a, const char *b, bool with_journal, size_t *at, uint8_t bytes[2])
{
	struct file fa = read_file(a), fb = read_file(b);

	assert_int_equal(fa.size, fb.size);
	mask_times(&fa);
	mask_times(&fb);
	if (!with_journal) {
		mask_journal(&fa, a);
		mask_journal(&fb, b);
	}
	for (*at = 0; *at < fa.size && fa.data[*at] == fb.data[*at];)
		++*at;
	for (unsigned i = 0; i < 2 && *at < fa.size; i++)
		bytes[i] = i ? fb.data[*at] : fa.data[*at];
	free(fa.data);
	free(fb.data);
	return *at < fa.size;
}

bool replaycase_is_same(const char *a, const char *b)
{
	uint8_t bytes[2];
	size_t at;

	return !find_difference(a, b, true, &at, bytes);
}

void replaycase_same(const char *a, const char *b, unsigned block_size, bool with_journal)
{
	uint8_t bytes[2];
	size_t at;

	if (find_difference(a, b, with_journal, &at, bytes))
		fail_msg("%s and %s differ at %zu of block %zu: %#x, %#x", a, b, at % block_size, at / block_size,
			 bytes[0], bytes[1]);
}

const char *replaycase_mount(const char *image, const char *out, int expected)
{
	int result;
	const char *log = mountimage_run(image, true, out, &result);

	if (result != expected)
		fail_msg("mount: %d, not %d\n%s", result, expected, log);
	return log;
}

void replaycase_e2fsck(const char *image)
{
	char command[512];
	int status;

	(void)snprintf(command, sizeof(command), "e2fsck -y -E journal_only %s >%s 2>&1", image,
		       image_path("e2fsck-says"));
	status = system(command);
	assert_in_range(status >> 8, 0, 1);
}

const char *replaycase_compare(const char *image, const char *out, unsigned block_size)
{
	const char *theirs = image_path("e2fsck"), *log;

	replaycase_copy(image, theirs);
	replaycase_e2fsck(theirs);
	log = replaycase_mount(image, out, 0);
	replaycase_same(out, theirs, block_size, true);
	return log;
}

void replaycase_features(const char *image, uint32_t compat, uint32_t incompat)
{
	struct journalimage ji;

	journalimage_open(&ji, image);
	journalimage_start(&ji, compat, incompat, 0, 1);
	journalimage_save(&ji);
	POKE_SUPER(image, feature_incompat, EXT2_INCOMPAT_FILETYPE);
}

void replaycase_pair_make(struct replaycase_pair *p, unsigned block_size, const char *commands)
{
	char options[64], size[16];
	struct journalimage a, b;

	*p = (struct replaycase_pair){
	    .before = image_path("before"), .after = image_path("after"), .block_size = block_size};
	(void)snprintf(options, sizeof(options), "-O has_journal -b %u", block_size);
	(void)snprintf(size, sizeof(size), "%uk", BLOCKS / 1024 * block_size);
	image_mke2fs(p->before, size, options);
	image_debugfs(p->before, "mkdir old\nwrite /bin/sh old/sh\nwrite /bin/sh old/other\n");
	replaycase_copy(p->before, p->after);
	image_debugfs(p->after,
		      "mkdir new\nmkdir new/er\nwrite /bin/sh new/sh\nsymlink new/er/link ../sh\nrm old/sh\n");
	image_debugfs(p->after, commands);
	journalimage_open(&a, p->before);
	journalimage_open(&b, p->after);
	for (uint32_t block = 0; block < a.size / block_size; block++) {
		if (memcmp(journalimage_fs(&a, block), journalimage_fs(&b, block), block_size) == 0)
			continue;
		assert_in_range(p->changed, 0, array_size(p->blocks) - 1);
		p->blocks[p->changed++] = block;
	}
	journalimage_drop(&a);
	journalimage_drop(&b);
	assert_in_range(p->changed, 10, array_size(p->blocks));
}

void replaycase_pair_log(const struct replaycase_pair *p, const char *image, uint32_t compat, uint32_t incompat)
{
	struct journalimage ji, after;

	replaycase_copy(p->before, image);
	journalimage_open(&ji, image);
	journalimage_open(&after, p->after);
	journalimage_start(&ji, compat, incompat, LOG_START, 70);
	for (unsigned i = 0; i < p->changed; i += 30) {
		struct journalimage_block blocks[30];
		const unsigned count = min_of(p->changed - i, 30u);

		for (unsigned n = 0; n < count; n++)
			blocks[n] = (struct journalimage_block){.block = p->blocks[i + n],
								.data = journalimage_fs(&after, p->blocks[i + n])};
		journalimage_descriptor(&ji, blocks, count);
	}
	journalimage_commit(&ji, 1000);
	journalimage_save(&ji);
	journalimage_drop(&after);
}
