// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Mounting an image in a run, what it says and leaves, and changing an image's superblock by hand. */
#pragma once

#include "fs/ext2/format.h"
#include "tests/host/harness.h"
#include "tests/host/image.h"

/*
 * Mounts it in a run of its own and unmounts it if that worked; *result is the mount's. save: where the card goes then,
 * or NULL. What was logged, valid until the next run.
 */
const char *mountimage_run(const char *image, bool read_only, const char *save, int *result);
/* Fails the test unless the mount gives `expected` and says `said` (NULL: whatever). */
void mountimage_check(const char *image, bool read_only, int expected, const char *said);
/* Fails the test unless it is in the log. */
void mountimage_said(const char *log, const char *text);

struct ext2_super mountimage_super(const char *image);
void mountimage_poke(const char *image, size_t field, uint32_t value, size_t width);
#define POKE_SUPER(image, field, value)                                                                                \
	mountimage_poke(image, offsetof(struct ext2_super, field), value, sizeof(((struct ext2_super *)0)->field))
