// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * mremap. What looks like one mapping in the model may be several in the kernel, which do not join in all cases; then
 * EFAULT is right, and what was to be replaced may be gone.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "state.h"

#define MOST 12 // pages

static bool is_next(const struct spot *s, const struct spot *next, size_t distance)
{
	return next->kind == s->kind && next->prot == s->prot && next->may_write == s->may_write && !next->locked &&
	       (!is_file(s) || next->index == s->index + distance);
}

/* From a page on, those that could be one mapping; 0: it cannot be moved. */
static size_t run_from(const struct exerciser *x, size_t first)
{
	size_t n = 1;

	if (x->spots[first].kind == HOLE || x->spots[first].locked)
		return 0;
	while (n < MOST && first + n < x->config.arena && is_next(&x->spots[first], &x->spots[first + n], n))
		n++;
	return n;
}

static bool are_holes(const struct exerciser *x, size_t first, size_t n)
{
	for (size_t i = first; i < first + n; i++)
		if (i >= x->config.arena || x->spots[i].kind != HOLE)
			return false;
	return true;
}

/* n pages become m elsewhere; the rest of the old ones is gone. */
static void move_spots(struct exerciser *x, size_t from, size_t n, size_t to, size_t m, bool keep)
{
	const struct spot like = x->spots[from];

	for (size_t i = 0; i < m; i++) {
		struct spot *s = &x->spots[to + i];

		spot_clear(x, s);
		*s = i < n ? x->spots[from + i] : like;
		if (i >= n) {
			s->index = like.index + (is_file(&like) ? i : 0);
			s->copy = NULL;
			s->maybe = false;
		} else { // what it had of its own has moved
			x->spots[from + i].copy = NULL;
			x->spots[from + i].maybe = false;
		}
	}
	for (size_t i = 0; i < n && !keep; i++)
		spot_clear(x, &x->spots[from + i]);
}

static void resize_spots(struct exerciser *x, size_t first, size_t n, size_t m)
{
	const struct spot like = x->spots[first];

	for (size_t i = m; i < n; i++)
		spot_clear(x, &x->spots[first + i]);
	for (size_t i = n; i < m; i++)
		x->spots[first + i] = (struct spot){.kind = like.kind,
						    .prot = like.prot,
						    .may_write = like.may_write,
						    .index = like.index + (is_file(&like) ? i : 0)};
}

/* Several mappings, or no memory. */
static bool may_fail(const struct exerciser *x)
{
	return errno == EFAULT || (x->config.scarce && errno == ENOMEM);
}

/* After a failure, what was at the place of the new mapping is there or not: neither is wrong. */
static void reserve_again(struct exerciser *x, size_t first, size_t n)
{
	const struct spot like = {.kind = ANON, .prot = PROT_NONE, .may_write = true};
	void *at = x->arena + first * PAGE;

	if (mmap(at, n * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != at)
		fail(x, "mmap after mremap: %s", strerror(errno));
	for (size_t i = first; i < first + n; i++) {
		spot_clear(x, &x->spots[i]);
		x->spots[i] = like;
	}
}

/* ---- kinds of it ---- */
static void resize_in_place(struct exerciser *x, size_t first, size_t n, size_t m)
{
	void *at = x->arena + first * PAGE, *got;
	const bool possible = m <= n || are_holes(x, first + n, m - n);

	NOTE(x, (long)first, (long)n, (long)first, (long)m, 0);
	got = mremap(at, n * PAGE, m * PAGE, 0);
	note_result(x, got == at ? 0 : -errno);
	if (got == MAP_FAILED) {
		refused(x);
		if (!may_fail(x) && (possible || errno != ENOMEM))
			fail(x, "mremap in place: %s", strerror(errno));
	} else if (got != at || !possible) {
		fail(x, "mremap in place went to %p from %p", got, at);
	} else {
		resize_spots(x, first, n, m);
	}
}

/* To a place of ours. `old` is the length in pages that is named: 0 makes a second mapping. */
static void move_fixed(struct exerciser *x, size_t first, size_t n, size_t old, size_t to, size_t m, int flags)
{
	void *at = x->arena + to * PAGE, *got;

	if (to + m > x->config.arena || (to < first + n && first < to + m))
		return;
	NOTE(x, (long)first, (long)old, (long)to, (long)m, flags);
	got = mremap(x->arena + first * PAGE, old * PAGE, m * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED | flags, at);
	note_result(x, got == at ? 0 : -errno);
	if (got == at) {
		move_spots(x, first, old, to, m, flags & MREMAP_DONTUNMAP);
		return;
	}
	refused(x);
	if (got != MAP_FAILED || !may_fail(x))
		fail(x, "mremap to a place: %s", strerror(errno));
	reserve_again(x, to, m);
}

static void move_back(struct exerciser *x, size_t first, size_t n, size_t m)
{
	uint8_t *at = x->arena + first * PAGE;

	if (mremap(x->annex, m * PAGE, n * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at) == at) {
		move_spots(x, x->config.arena, m, first, n, false);
		return;
	}
	if (!may_fail(x))
		fail(x, "mremap back: %s", strerror(errno));
	if (munmap(x->annex, m * PAGE) < 0)
		fail(x, "munmap of what was moved: %s", strerror(errno));
	for (size_t i = 0; i < m; i++)
		spot_clear(x, &x->spots[x->config.arena + i]);
}

/* To wherever there is room, and back. */
static void move_away(struct exerciser *x, size_t first, size_t n, size_t m)
{
	uint8_t *at = x->arena + first * PAGE, *got;

	NOTE(x, (long)first, (long)n, 0, (long)m, MREMAP_MAYMOVE);
	got = mremap(at, n * PAGE, m * PAGE, MREMAP_MAYMOVE);
	note_result(x, got == MAP_FAILED ? -errno : 0);
	if (got == MAP_FAILED) {
		refused(x);
		if (!may_fail(x))
			fail(x, "mremap to anywhere: %s", strerror(errno));
	} else if (got == at) {
		resize_spots(x, first, n, m);
	} else if (got >= x->arena && got < x->arena + x->config.arena * PAGE) {
		move_spots(x, first, n, (size_t)(got - x->arena) / PAGE, m, false);
	} else {
		x->annex = got;
		move_spots(x, first, n, x->config.arena, m, false);
		for (size_t i = 0; i < m && !x->failed; i++)
			load_spot(x, "load from what was moved", x->config.arena + i, 0, PAGE);
		move_back(x, first, n, m);
	}
}

void op_remap(struct exerciser *x)
{
	const size_t first = below(x, x->config.arena), most = run_from(x, first), to = below(x, x->config.arena);
	const bool grows = x->spots[first].kind != MEMORY; // a memory object does not, with its mapping
	const size_t n = most ? 1 + below(x, most) : 0, room = x->config.arena - first;
	size_t m = 1 + below(x, n + (grows ? 4 : !n));

	if (!n)
		return;
	m = m < room ? m : room;
	switch (below(x, x->config.threads ? 4 : 5)) {
	case 0:
		resize_in_place(x, first, n, m);
		break;
	case 1:
		move_fixed(x, first, n, n, to, m, 0);
		break;
	case 2: // what is shared would be seen at both places
		if (x->spots[first].kind != MEMORY)
			move_fixed(x, first, n, n, to, n, MREMAP_DONTUNMAP);
		break;
	case 3:
		if (x->spots[first].kind == SHARED)
			move_fixed(x, first, n, 0, to, m, 0);
		break;
	default:
		move_away(x, first, n, grows ? m : n);
	}
}
