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

#include "state.h"

struct pages {
	size_t first, n;
};

static struct pages pick_pages(struct exerciser *x, size_t most)
{
	const size_t n = 1 + below(x, below(x, 3) ? most : 3), all = x->config.arena;

	return (struct pages){below(x, all - n + 1), n};
}

static size_t bytes(const struct pages *p)
{
	return p->n * PAGE;
}

/* The first page that is (or is not) so; p->n: none. */
static size_t find(const struct exerciser *x, const struct pages *p, bool (*is)(const struct spot *s))
{
	size_t i = 0;

	while (i < p->n && !is(&x->spots[p->first + i]))
		i++;
	return i;
}

static bool is_hole(const struct spot *s)
{
	return s->kind == HOLE;
}

static bool is_locked(const struct spot *s)
{
	return s->locked;
}

static bool is_read_only(const struct spot *s)
{
	return !s->may_write;
}

/* A call for which the first page decides, or that does all of the range: cut in front of the first page that is so. */
static bool cut(const struct exerciser *x, struct pages *p, bool (*is)(const struct spot *s))
{
	const size_t i = find(x, p, is);

	p->n = i ? i : 1;
	return i > 0;
}

/* Private pages are copied by what makes them all present; how far it came is not known. */
static void copied_perhaps(struct exerciser *x, const struct pages *p)
{
	for (size_t i = p->first; i < p->first + p->n; i++) {
		struct spot *s = &x->spots[i];

		if (s->kind != PRIVATE || s->copy || !(s->prot & PROT_WRITE) || s->index * PAGE >= x->size)
			continue;
		spot_copy(x, s);
		s->maybe = true;
	}
}

/* The page whose bytes behind the file's end are not known. */
static bool has_tail(const struct exerciser *x, const struct pages *p)
{
	for (size_t i = p->first; i < p->first + p->n; i++)
		if (is_file(&x->spots[i]) && x->spots[i].index == x->tail)
			return true;
	return false;
}

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
	static const enum kind kinds[] = {SHARED, SHARED, SHARED, PRIVATE, PRIVATE, ANON};

	return kinds[below(x, sizeof(kinds) / sizeof(*kinds))];
}

static int map_flags(enum kind kind)
{
	return (kind == SHARED ? MAP_SHARED : MAP_PRIVATE) | (kind == ANON ? MAP_ANONYMOUS : 0);
}

static long map_error(const struct descriptor *d, enum kind kind, int prot)
{
	const int mode = d->file->flags & O_ACCMODE;

	if (kind == ANON)
		return 0;
	return mode == O_WRONLY || (kind == SHARED && mode == O_RDONLY && prot & PROT_WRITE) ? -EACCES : 0;
}

/* The result of a call that may want memory: 0 done, else nothing has changed. */
static bool done(struct exerciser *x, const char *what, long got, long want)
{
	if (x->config.scarce && got == -1 && errno == ENOMEM) {
		note_result(x, -ENOMEM);
		refused(x);
		return false;
	}
	return expect(x, what, got, want) && want == 0;
}

void op_map(struct exerciser *x)
{
	const struct descriptor *d = fd_any(x);
	const struct pages p = pick_pages(x, 16);
	const enum kind kind = pick_kind(x);
	const int prot = pick_prot(x);
	const struct spot like = {.kind = kind,
				  .prot = prot,
				  .index = kind == ANON ? 0 : below(x, x->config.pages),
				  .may_write = kind != SHARED || (d->file->flags & O_ACCMODE) == O_RDWR};
	const bool populate = chance(x, 6) && !(is_file(&like) && x->tail - like.index < p.n);
	void *at = x->arena + p.first * PAGE;
	const void *got;

	NOTE(x, (long)p.first, (long)p.n, kind, prot | populate << 4, (long)like.index);
	got = mmap(at, bytes(&p), prot, map_flags(kind) | MAP_FIXED | (populate ? MAP_POPULATE : 0),
		   kind == ANON ? -1 : d->fd, kind == ANON ? 0 : (off_t)(x->config.base + like.index * PAGE));
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
	if (!expect(x, "munmap", munmap(x->arena + p.first * PAGE, bytes(&p)), 0))
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
	if (!done(x, "mprotect", mprotect(x->arena + p.first * PAGE, bytes(&p), prot), want))
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
	expect(x, "msync", msync(x->arena + p.first * PAGE, bytes(&p), flags),
	       find(x, &p, is_hole) < p.n ? -ENOMEM : 0);
}

/* ---- mlock, munlock ---- */
static void set_locked(struct exerciser *x, const struct pages *p, bool locked)
{
	for (size_t i = p->first; i < p->first + p->n; i++) {
		x->locked += (size_t)locked - x->spots[i].locked;
		x->spots[i].locked = locked;
	}
}

void op_lock(struct exerciser *x)
{
	struct pages p = pick_pages(x, 4);
	void *at = x->arena + p.first * PAGE;

	if (!cut(x, &p, is_hole) || x->locked + p.n > x->config.lock_pages || has_tail(x, &p))
		return;
	NOTE(x, (long)p.first, (long)p.n);
	if (mlock(at, bytes(&p)) == 0) {
		note_result(x, 0);
		copied_perhaps(x, &p);
		set_locked(x, &p, true);
		return;
	}
	note_result(x, -errno);
	if (errno != ENOMEM && errno != EAGAIN)
		fail(x, "mlock: %s", strerror(errno));
	refused(x); // some page cannot be had: what came before it may be locked, and copied
	copied_perhaps(x, &p);
	if (expect(x, "munlock after mlock", munlock(at, bytes(&p)), 0))
		set_locked(x, &p, false);
}

void op_unlock(struct exerciser *x)
{
	struct pages p = pick_pages(x, 16);
	const bool mapped = cut(x, &p, is_hole);

	NOTE(x, (long)p.first, (long)p.n);
	if (expect(x, "munlock", munlock(x->arena + p.first * PAGE, bytes(&p)), mapped ? 0 : -ENOMEM) && mapped)
		set_locked(x, &p, false);
}

/* ---- madvise ---- */
/* Advice that changes nothing that can be seen. */
void op_advise(struct exerciser *x)
{
	static const int advices[] = {MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED};
	const struct pages p = pick_pages(x, 16);
	const int advice = advices[below(x, sizeof(advices) / sizeof(*advices))];

	NOTE(x, (long)p.first, (long)p.n, advice);
	expect(x, "madvise", madvise(x->arena + p.first * PAGE, bytes(&p), advice),
	       find(x, &p, is_hole) < p.n ? -ENOMEM : 0);
}

void op_dontneed(struct exerciser *x)
{
	struct pages p = pick_pages(x, 16);

	if (!cut(x, &p, is_locked))
		return;
	NOTE(x, (long)p.first, (long)p.n);
	if (!expect(x, "madvise", madvise(x->arena + p.first * PAGE, bytes(&p), MADV_DONTNEED),
		    find(x, &p, is_hole) < p.n ? -ENOMEM : 0))
		return;
	for (size_t i = 0; i < p.n; i++)
		spot_uncopy(x, &x->spots[p.first + i]);
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
