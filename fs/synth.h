// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Names that no card has: /dev and /proc lie over whatever the card has there, and need no card. A directory hands out
 * what is in it; a text file is made anew by each read, and each write is one value. They stay for ever and need no
 * lock. A further directory of the root is a row of the table in synth.c.
 */
#pragma once

#include <stddef.h>

#include "fs/namei.h"

/* A piece of a text: what lies before `skip` and what does not fit is left out. */
struct text {
	char *buf;
	size_t size, len;
	uint64_t skip;
};
void text_printf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* No more of it is wanted. */
static inline bool text_is_full(const struct text *text)
{
	return text->len == text->size;
}

struct synth {
	const char *name;
	const struct synth *parent; // NULL: the card's root
	uint64_t ino;		    // SYNTH_INO + a number of its own: up to 31 /dev, from 32 on /proc
	unsigned arg;		    // the owner's

	/* A directory, its nth entry: false if there are no more. */
	bool (*nth)(const struct synth *dir, unsigned n, struct node *out);

	/* A text file; NULL: it cannot be read, or written. Called without a spinlock, on kernel memory. */
	void (*show)(const struct synth *file, struct text *out);
	int (*store)(const struct synth *file, const char *value); // 0 or negative errno
};
#define SYNTH_INO 0x200000000ull

/* A directory of the root. False: none of that name. */
bool synth_root(const char *name, struct node *out);
/* -ENOENT. */
int synth_find(const struct synth *dir, const char *name, struct node *out);
/* What a node of a synthetic directory is called, and its inode number. */
const char *synth_name(const struct node *node);
uint64_t synth_ino(const struct node *node);

long synth_read(const struct synth *file, void *buf, size_t n, uint64_t offset); // buf (app)
/* All of it or nothing. -EINVAL: no value of that kind. */
long synth_write(const struct synth *file, const void *buf, size_t n); // buf (app)

extern const struct synth dev_directory, proc_directory; // dev.c, proc.c
void proc_init(void);
