// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Card images for tests, made and checked by e2fsprogs, and the folder that tests put their files in. */
#pragma once

#include "lib/types.h"

/* A path inside this process's own temporary folder, which goes when it exits. Valid until it does. */
const char *image_path(const char *name);

/* mke2fs -q -F -t ext2 OPTIONS IMAGE SIZE. Fails the test if it does not work. */
void image_mke2fs(const char *image, const char *size, const char *options);

/* e2fsck -f with these options ("-n", "-y"): its exit status. What it said is printed unless that is 0 (-n), 0 or 1
 * (-y). */
int image_e2fsck(const char *image, const char *option);

/* e2fsck -p: replays a journal and finishes the orphans, and looks no further at what is clean then. The exit status,
 * and what it said printed unless that is 0 or 1. */
int image_replay(const char *image);

/* debugfs -w -f SCRIPT-LINES; fails the test if debugfs cannot open the image. */
void image_debugfs(const char *image, const char *commands);

/* The same with the script in a file, and nothing written. Path of what it says, each command repeated before. */
const char *image_ask(const char *image, const char *script);

/* Contents of a file in the image, malloced; NULL if it is not there. */
uint8_t *image_read(const char *image, const char *path, size_t *len);

/*
 * How a file of the image lies, as debugfs lists it: runs of the file's own blocks that are adjacent in the file and in
 * the image, and how many blocks that are. Blocks of which nothing is told here, the indirect ones, cut no run.
 */
struct image_extents {
	unsigned count, blocks;
	unsigned first; // block of the image that the file begins with
};
struct image_extents image_extents(const char *image, const char *path);

/* Overwrites bytes of the image. */
void image_poke(const char *image, uint64_t offset, const void *data, size_t len);
