// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Mapping calls. All take any range of the arena, so that mappings are replaced, cut in the middle and joined again.
 * Ranges that a call would do in part only (a hole behind the first page) are shortened where what it leaves behind is
 * not the same everywhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "pages.h"

static int pick_prot(struct exerciser *x)
{
	static const int prots[] = {PROT_NONE,
				    PROT_READ,
				    PROT_READ,
				    PROT_WRITE,
				    PROT_READ | PROT_WRITE,
				    PROT_READ | PROT_WRITE,
				    PROT_READ | PROT_WRITE};

	return prots[below(x, sizeof(prots) / sizeof(*prots))];
}

/* ---- mmap, munmap ---- */
static void fill_spots(struct exerciser *x, size_t first, size_t n, const struct spot *like)
{
	for (size_t i = 0; i < n; i++) {
		spot_clear(x, &x->spots[first + i]);
		x->spots[first + i] = *like;
		x->spots[first + i].index += is_file(like) ? i : 0;
	}
}

bool arena_make(struct exerciser *x)
{
	const struct spot like = {.kind = ANON, .prot = PROT_NONE, .may_write = true};

	x->arena = mmap(NULL, x->config.arena * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (x->arena == MAP_FAILED) {
		fail(x, "mmap of the arena: %s", strerror(errno));
		return false;
	}
	fill_spots(x, 0, x->config.arena, &like);
	return true;
}

void arena_drop(struct exerciser *x)
{
	expect(x, "munmap of the arena", munmap(x->arena, x->config.arena * PAGE), 0);
	for (size_t i = 0; i < x->config.arena; i++)
		spot_clear(x, &x->spots[i]);
}

static enum kind pick_kind(struct exerciser *x)
{
	static const enum kind kinds[] = {SHARED,  SHARED,  SHARED, SHARED, PRIVATE,
					  PRIVATE, PRIVATE, ANON,   ANON,   MEMORY};

	return kinds[below(x, sizeof(kinds) / sizeof(*kinds))];
}

static int map_flags(enum kind kind)
{
	return (kind == SHARED || kind == MEMORY ? MAP_SHARED : MAP_PRIVATE) |
	       (kind == ANON || kind == MEMORY ? MAP_ANONYMOUS : 0);
}

static long map_error(const struct descriptor *d, enum kind kind, int prot)
{
	const int mode = d->file->flags & O_ACCMODE;

	if (kind == ANON || kind == MEMORY)
		return 0;
	return mode == O_WRONLY || (kind == SHARED && mode == O_RDONLY && prot & PROT_WRITE) ? -EACCES : 0;
}

void op_map(struct exerciser *x)
{
	const struct descriptor *d = fd_any(x);
	const struct pages p = pick_pages(x, 16);
	const enum kind kind = pick_kind(x);
	const int prot = pick_prot(x);
	const struct spot like = {.kind = kind,
				  .prot = prot,
				  .index = below(x, x->config.pages),
				  .may_write = kind != SHARED || (d->file->flags & O_ACCMODE) == O_RDWR};
	const bool populate = chance(x, 6) && !(is_file(&like) && x->tail - like.index < p.n);
	void *at = address(x, &p);
	const void *got;

	NOTE(x, (long)p.first, (long)p.n, kind, prot | populate << 4, (long)like.index);
	got = mmap(at, bytes(&p), prot, map_flags(kind) | MAP_FIXED | (populate ? MAP_POPULATE : 0),
		   is_file(&like) ? d->fd : -1, is_file(&like) ? (off_t)(x->config.base + like.index * PAGE) : 0);
	if (!done(x, "mmap", got == MAP_FAILED ? -1 : got != at, map_error(d, kind, prot)))
		return;
	fill_spots(x, p.first, p.n, &like);
	if (populate)
		copied_perhaps(x, &p);
}

void op_unmap(struct exerciser *x)
{
	const struct pages p = pick_pages(x, 8);

	NOTE(x, (long)p.first, (long)p.n);
	if (!expect(x, "munmap", munmap(address(x, &p), bytes(&p)), 0))
		return;
	for (size_t i = 0; i < p.n; i++)
		spot_clear(x, &x->spots[p.first + i]);
}

/* ---- mprotect, msync ---- */
void op_protect(struct exerciser *x)
{
	struct pages p = pick_pages(x, 16);
	const int prot = pick_prot(x);
	long want = 0;

	if (!cut(x, &p, is_hole))
		want = -ENOMEM;
	else if (prot & PROT_WRITE && !cut(x, &p, is_read_only))
		want = -EACCES;
	if (has_tail(x, &p) && find(x, &p, is_locked) < p.n)
		return;
	NOTE(x, (long)p.first, (long)p.n, prot);
	if (!done(x, "mprotect", mprotect(address(x, &p), bytes(&p), prot), want))
		return;
	for (size_t i = 0; i < p.n; i++) {
		struct spot *s = &x->spots[p.first + i];

		s->prot = prot;
		if (s->locked) // Linux copies locked pages when they become writable
			copied_perhaps(x, &(struct pages){p.first + i, 1});
	}
}

void op_msync(struct exerciser *x)
{
	const struct pages p = pick_pages(x, 16);
	const bool invalidate = find(x, &p, is_locked) == p.n && chance(x, 4);
	const int flags = (chance(x, 2) ? MS_SYNC : MS_ASYNC) | (invalidate ? MS_INVALIDATE : 0);

	NOTE(x, (long)p.first, (long)p.n, flags);
	expect(x, "msync", msync(address(x, &p), bytes(&p), flags), find(x, &p, is_hole) < p.n ? -ENOMEM : 0);
}

/* ---- a mapping for a moment ---- */
static void use_annex(struct exerciser *x, size_t n)
{
	const size_t first = x->config.arena;

	for (unsigned i = 0; i < 6 && !x->failed; i++) {
		const size_t spot = first + below(x, n), offset = below(x, PAGE);
		struct spot *s = &x->spots[spot];
		size_t len = 1 + below(x, PAGE - offset);

		if (i % 2 == 0) {
			load_spot(x, "load from a brief mapping", spot, offset, len);
			continue;
		}
		if (s->kind == SHARED && spot_outcome(x, s, true) == TOUCH_OK) {
			const uint64_t at = s->index * PAGE + offset;

			len = at >= x->size ? 0 : len < x->size - at ? len : x->size - at;
		}
		make_pattern(x, x->buf, len);
		if (len)
			store_spot(x, spot, offset, x->buf, len);
	}
}

void op_brief(struct exerciser *x)
{
	const size_t n = 1 + below(x, ANNEX), cut_off = below(x, n), first = x->config.arena;
	const enum kind kind = chance(x, 3) ? PRIVATE : SHARED;
	const struct spot like = {.kind = kind,
				  .prot = chance(x, 3) ? PROT_READ : PROT_READ | PROT_WRITE,
				  .index = below(x, x->config.pages),
				  .may_write = true};

	NOTE(x, (long)n, kind, like.prot, (long)like.index);
	x->annex =
	    mmap(NULL, n * PAGE, like.prot, map_flags(kind), x->fds[0].fd, (off_t)(x->config.base + like.index * PAGE));
	if (!done(x, "mmap", x->annex == MAP_FAILED ? -1 : 0, 0))
		return;
	fill_spots(x, first, n, &like);
	use_annex(x, n);
	if (cut_off && expect(x, "munmap", munmap(x->annex, cut_off * PAGE), 0)) {
		fill_spots(x, first, cut_off, &(struct spot){.kind = HOLE});
		use_annex(x, n);
	}
	expect(x, "munmap", munmap(x->annex + cut_off * PAGE, (n - cut_off) * PAGE), 0);
	fill_spots(x, first, n, &(struct spot){.kind = HOLE});
}
