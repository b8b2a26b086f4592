// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* The base images: read once, and their metadata found. They are mke2fs's own, so nothing in them is doubted. */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/host/host.h"
#include "fs/ext2/format.h"
#include "tests/fuzz/fuzz.h"

static struct fuzz_image images[FUZZ_IMAGES_MAX];
static unsigned count;

static void note(struct fuzz_image *image, uint32_t block)
{
	image->blocks = realloc(image->blocks, (image->count + 1) * sizeof(*image->blocks));
	if (!image->blocks)
		host_die("memory");
	image->blocks[image->count++] = block;
}

/* level 0: the file's own. */
static void find_blocks(struct fuzz_image *image, uint32_t block, unsigned level, bool own)
{
	const uint32_t *pointers = (const uint32_t *)(image->data + (size_t)block * image->block_size);

	if (!block)
		return;
	if (level || own)
		note(image, block);
	for (uint32_t i = 0; level && i < image->block_size / 4; i++)
		find_blocks(image, pointers[i], level - 1, own);
}

/* Of a journal what lies at its beginning is metadata too. */
static void find_metadata(struct fuzz_image *image, const struct ext2_inode *inode, bool journal)
{
	const unsigned kind = inode->mode >> 12;
	const uint32_t attributes = inode->file_acl ? image->block_size / 512 : 0;

	if (inode->file_acl)
		note(image, inode->file_acl);
	if (inode->links == 0 || (kind != 4 && kind != 8 && kind != 10) || inode->blocks == attributes)
		return;
	for (unsigned i = 0; i < EXT2_POINTERS; i++)
		find_blocks(image, inode->block[i], i < EXT2_DIRECT ? 0 : i - EXT2_DIRECT + 1,
			    kind != 8 || (journal && i < EXT2_DIRECT));
}

static void look_at(struct fuzz_image *image)
{
	const struct ext2_super *s = (const struct ext2_super *)(image->data + EXT2_SUPER_OFFSET);
	const uint32_t inode_size = s->rev_level ? s->inode_size : EXT2_OLD_INODE_SIZE;
	const struct ext2_group *groups;

	image->block_size = 1024u << s->log_block_size;
	image->groups = (s->blocks_count - s->first_data_block - 1) / s->blocks_per_group + 1;
	groups = (const struct ext2_group *)(image->data + (size_t)(s->first_data_block + 1) * image->block_size);
	for (uint32_t i = 0; i < s->inodes_count; i++) {
		const struct ext2_group *g = &groups[i / s->inodes_per_group];

		find_metadata(image,
			      (const struct ext2_inode *)(image->data + (size_t)g->inode_table * image->block_size +
							  (size_t)(i % s->inodes_per_group) * inode_size),
			      i + 1 == EXT2_JOURNAL_INO);
	}
}

static void load(const char *path)
{
	struct fuzz_image *image = &images[count++];
	FILE *f = fopen(path, "rb");
	long size;

	if (!f || fseek(f, 0, SEEK_END) < 0 || (size = ftell(f)) <= 0 || fseek(f, 0, SEEK_SET) < 0)
		host_die(path);
	image->size = (size_t)size;
	image->data = malloc(image->size);
	if (!image->data || fread(image->data, 1, image->size, f) != image->size || fclose(f) != 0)
		host_die(path);
	look_at(image);
}

void fuzz_images_load(const char *folder)
{
	char pattern[512];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s/*.img", folder);
	if (glob(pattern, 0, NULL, &found) || found.gl_pathc > FUZZ_IMAGES_MAX) {
		fprintf(stderr, "%s: no images, or more than %d; tests/fuzz/images.py makes them\n", folder,
			FUZZ_IMAGES_MAX);
		exit(2);
	}
	for (size_t i = 0; i < found.gl_pathc; i++)
		load(found.gl_pathv[i]);
	globfree(&found);
}

unsigned fuzz_images_count(void)
{
	return count;
}

const struct fuzz_image *fuzz_image_at(unsigned i)
{
	return &images[i];
}
