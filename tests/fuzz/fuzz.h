// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The fuzzer of ext2: one process, one kernel, a card in memory; each input is a base image, changes to its metadata,
 * and operations. An input is bytes:
 *
 *	image, how many changes, the changes (ten bytes each), then operations (four bytes each; none: one of each)
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "drivers/block/blkdev.h"

#define FUZZ_IMAGES_MAX 32
#define FUZZ_CHANGES_MAX 16
#define FUZZ_OPERATIONS_MAX 64

/* Where metadata lies in a base image, so that changes go to what matters. */
struct fuzz_image {
	uint8_t *data;
	size_t size;
	uint32_t block_size;
	uint32_t groups;
	uint32_t *blocks; // of directories, indirect blocks, attributes, symbolic links
	uint32_t count;
};

/* ---- images.c ---- */
/* Reads all *.img of a folder, in the order of their names. Ends the process if there are none. */
void fuzz_images_load(const char *folder);
unsigned fuzz_images_count(void);
const struct fuzz_image *fuzz_image_at(unsigned i);

/* ---- change.c ---- */
#define FUZZ_CHANGE_SIZE 10u
/* Applies one change of FUZZ_CHANGE_SIZE bytes to the card, which began as this image. */
void fuzz_change(const struct fuzz_image *image, uint8_t *card, const uint8_t *change);

/* ---- machine.c ---- */
/* The kernel starts, once. */
void fuzz_machine_start(void);
/* The card's contents become this image's. */
uint8_t *fuzz_card_load(const struct fuzz_image *image);
struct blkdev *fuzz_card(void);
/* Blocks of the kernel's heap. */
long fuzz_heap_used(void);
/* "damaged" lines and others of level error since the last call. */
unsigned fuzz_complaints(void);

/* ---- operations.c ---- */
void fuzz_operate(const uint8_t *operations, size_t count);
/* Reads what there is: directories, and files' beginnings. */
void fuzz_look_around(void);
void fuzz_close_all(void);
