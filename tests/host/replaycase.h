// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Replaying the journal of an image by a mount and by e2fsck, and comparing images. Each fails the test. */
#pragma once

#include "lib/types.h"

void replaycase_copy(const char *from, const char *to);

/*
 * The images are equal but for times, in blocks of this size, and with_journal false, but for the blocks that both have
 * as their journal.
 */
void replaycase_same(const char *a, const char *b, unsigned block_size, bool with_journal);
/* The same with the journal, for who knows what to do if they are not: fails nothing. */
bool replaycase_is_same(const char *a, const char *b);

/*
 * A read-only mount, which writes nothing but what the replay does, has this result; the card is in `out` then. What
 * was logged, valid until the next run.
 */
const char *replaycase_mount(const char *image, const char *out, int expected);
void replaycase_e2fsck(const char *image);

/* Both make the same of it; it is in `out`. What the mount logged. */
const char *replaycase_compare(const char *image, const char *out, unsigned block_size);

/* The image's journal has these features from now on, and is empty. */
void replaycase_features(const char *image, uint32_t compat, uint32_t incompat);

/* A volume with a journal, in two images: before some files were made and deleted, and after. */
struct replaycase_pair {
	const char *before, *after;
	unsigned block_size, changed;
	uint32_t blocks[512]; // that differ, none of the journal's
};

/* `commands` for debugfs come last; "": none. */
void replaycase_pair_make(struct replaycase_pair *p, unsigned block_size, const char *commands);
/* A transaction with all of it, made by hand, in a copy of `before`. */
void replaycase_pair_log(const struct replaycase_pair *p, const char *image, uint32_t compat, uint32_t incompat);
