// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What libFuzzer calls. Whatever the image: nothing that a sanitizer, an assertion or the watchdog sees, and memory is
 * given back. An image that was not changed gives no complaint; and what an unmount leaves marked as clean, and without
 * errors, mounts again, or what is wrong is said.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "fs/buffer.h"
#include "fs/ext2/format.h"
#include "fs/fs.h"
#include "mm/frame.h"
#include "tests/fuzz/fuzz.h"

/* What an unmounted volume keeps until the next mount: superblock and descriptors, and the pool of buffers. */
#define HEAP_KEPT 8
#define FRAMES_KEPT 80u

static size_t frames; // free at the start

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *folder = getenv("CAIRN_FUZZ_IMAGES");

	(void)argc;
	(void)argv;
	fuzz_images_load(folder ? folder : "build/fuzz/images");
	fuzz_machine_start();
	frames = frame_free_count();
	return 0;
}

static unsigned seen; // complaints in this input

static void wrong(const char *what)
{
	fprintf(stderr, "fuzz: %s\n", what);
	abort();
}

static int mount(bool *read_only)
{
	int err = fs_mount_root(fuzz_card(), false);

	*read_only = err == -EROFS;
	if (*read_only)
		err = fs_mount_root(fuzz_card(), true);
	if (err == -EBUSY)
		wrong("something of the last mount is still there");
	return err;
}

/* After an unmount that went well. */
static void mount_again(const uint8_t *card)
{
	const struct ext2_super *super = (const struct ext2_super *)(card + EXT2_SUPER_OFFSET);
	const bool clean = super->state == EXT2_STATE_VALID;
	bool read_only;
	int err;

	seen += fuzz_complaints();
	err = mount(&read_only);
	/* Damage that nobody met before may be met now, and is told of. */
	if (clean && err && !fuzz_complaints())
		wrong("what was unmounted cleanly does not mount, and nothing is said");
	if (err)
		return;
	fuzz_look_around();
	(void)fs_unmount_all();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct fuzz_image *image;
	unsigned changes;
	bool read_only;
	uint8_t *card;

	if (size < 2)
		return 0;
	image = fuzz_image_at(data[0] % fuzz_images_count());
	buffer_cache_init(data[1] & 0x80 ? BUFFERS_MIN : 64);
	changes = data[1] % (FUZZ_CHANGES_MAX + 1);
	card = fuzz_card_load(image);
	(void)fuzz_complaints();
	seen = 0;
	data += 2;
	size -= 2;
	for (unsigned i = 0; i < changes && size >= FUZZ_CHANGE_SIZE; i++) {
		fuzz_change(image, card, data);
		data += FUZZ_CHANGE_SIZE;
		size -= FUZZ_CHANGE_SIZE;
	}
	if (mount(&read_only))
		return 0;
	fuzz_operate(data, size / 4);
	fuzz_close_all();
	if (fs_unmount_all() == 0 && !read_only)
		mount_again(card);
	if (!changes && seen + fuzz_complaints())
		wrong("damage is seen where there was none");
	if (fuzz_heap_used() > HEAP_KEPT || frame_free_count() + FRAMES_KEPT < frames)
		wrong("memory was not given back");
	return 0;
}
