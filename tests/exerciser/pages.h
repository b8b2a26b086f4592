// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Between the files that have the mapping calls. */
#pragma once

#include "state.h"

/* A range of the arena. */
struct pages {
	size_t first, n;
};

struct pages pick_pages(struct exerciser *x, size_t most);

static inline size_t bytes(const struct pages *p)
{
	return p->n * PAGE;
}

static inline uint8_t *address(const struct exerciser *x, const struct pages *p)
{
	return x->arena + p->first * PAGE;
}

/* The first page that is so; p->n: none. */
size_t find(const struct exerciser *x, const struct pages *p, bool (*is)(const struct spot *s));
bool is_hole(const struct spot *s);
bool is_locked(const struct spot *s);
bool is_read_only(const struct spot *s);
/*
 * For a call that does not do the same everywhere when it meets such a page in the middle: the range ends in front of
 * the first one. False: it is the first page, and the range is that alone.
 */
bool cut(const struct exerciser *x, struct pages *p, bool (*is)(const struct spot *s));
/* Private pages are copied by what makes them all present; how far it came is not known. */
void copied_perhaps(struct exerciser *x, const struct pages *p);
/* Has the page whose bytes behind the file's end are not known. */
bool has_tail(const struct exerciser *x, const struct pages *p);
/* True: done. False: a call that wants memory found none and changed nothing, or failed as it should. */
bool done(struct exerciser *x, const char *what, long got, long want);
