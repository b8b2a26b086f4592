// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * File systems made of tables: /dev, /proc, and the empty root of a board without a card. They lie over whatever the
 * card has of these names. A directory hands out what is in it; a text file is made anew by each read, and each write
 * is one value; a device does what its operations say. Rows stay for ever and need no lock.
 */
#pragma once

#include <stddef.h>

#include "fs/inode.h"

/* A piece of a text: what lies before `skip` and what does not fit is left out. */
struct text {
	char *buf;
	size_t size, len;
	uint64_t skip;
	uint64_t total; // bytes so far, with those that are left out
};
void text_put(struct text *text, const char *bytes, size_t len);
#define TEXT_LINE_MAX 256 // of one text_printf, with the NUL; longer ones are cut
void text_printf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* No more of it is wanted. */
static inline bool text_is_full(const struct text *text)
{
	return text->len == text->size;
}

struct synth {
	const char *name;
	const struct synth *parent; // NULL: the root of its file system
	uint32_t ino;		    // one of its own within its file system
	unsigned arg;		    // the owner's

	/* A directory: its nth entry, NULL if there are no more. */
	const struct synth *(*nth)(const struct synth *dir, unsigned n);

	/* A text file; NULL: it cannot be read, or written. Called without a spinlock, on kernel memory. */
	void (*show)(const struct synth *file, struct text *out);
	/*
	 * In place of show where a text may be long: what comes at *cursor, 0 at the beginning, which moves on; false:
	 * nothing more. Reading on costs what is read.
	 */
	bool (*next)(const struct synth *file, uint64_t *cursor, struct text *out);
	int (*store)(const struct synth *file, const char *value); // 0 or negative errno

	/* A device: S_IFCHR, or S_IFBLK with pages. */
	mode_t type;
	const struct file_ops *file_ops;
	const struct inode_ops *ops; // NULL: the table's
	const struct pcache_ops *pages;
	void *device;
	uint64_t rdev, size;
};

/* The directory of a board without a card: whatever is looked for there is -ENODEV. */
struct inode *synth_empty_root(void);
/* Mounts /dev and /proc. 0, -ENOMEM. */
int synth_init(void);

extern const struct synth dev_directory, proc_directory; // dev.c, proc.c
void proc_init(void);
