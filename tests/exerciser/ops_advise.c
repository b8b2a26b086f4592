// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* What is said about pages of mappings: locks, advice. Errors that stop a call in the middle are left to the oracle. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "pages.h"

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
	void *at = address(x, &p);

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
	if (expect(x, "munlock", munlock(address(x, &p), bytes(&p)), mapped ? 0 : -ENOMEM) && mapped)
		set_locked(x, &p, false);
}

/* ---- madvise ---- */
static long hole_error(const struct exerciser *x, const struct pages *p)
{
	return find(x, p, is_hole) < p->n ? -ENOMEM : 0;
}

/* Advice that changes nothing that can be seen. */
void op_advise(struct exerciser *x)
{
	static const int advices[] = {MADV_NORMAL,   MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED,
				      MADV_WILLNEED, MADV_COLD,	  MADV_PAGEOUT,	   MADV_PAGEOUT};
	const int advice = advices[below(x, sizeof(advices) / sizeof(*advices))];
	struct pages p = pick_pages(x, 16);

	if ((advice == MADV_COLD || advice == MADV_PAGEOUT) && !cut(x, &p, is_locked))
		return;
	NOTE(x, (long)p.first, (long)p.n, advice);
	expect(x, "madvise", madvise(address(x, &p), bytes(&p), advice), hole_error(x, &p));
}

void op_dontneed(struct exerciser *x)
{
	struct pages p = pick_pages(x, 16);

	if (!cut(x, &p, is_locked))
		return;
	NOTE(x, (long)p.first, (long)p.n);
	if (!expect(x, "madvise", madvise(address(x, &p), bytes(&p), MADV_DONTNEED), hole_error(x, &p)))
		return;
	for (size_t i = p.first; i < p.first + p.n; i++)
		if (x->spots[i].kind != MEMORY)
			spot_uncopy(x, &x->spots[i]);
}

static bool is_not_free(const struct spot *s)
{
	return s->kind != ANON || s->locked;
}

/* Zeros from now on, or at some time until it is stored into. */
void op_free(struct exerciser *x)
{
	struct pages p = pick_pages(x, 16);

	if (!cut(x, &p, is_not_free))
		return;
	NOTE(x, (long)p.first, (long)p.n);
	if (!expect(x, "madvise", madvise(address(x, &p), bytes(&p), MADV_FREE), 0))
		return;
	for (size_t i = p.first; i < p.first + p.n; i++)
		x->spots[i].maybe = x->spots[i].copy;
}

/* Fails at the first page that cannot be had, and has fetched those before. */
void op_populate(struct exerciser *x)
{
	const struct pages p = pick_pages(x, 8);
	const bool store = chance(x, 2);
	bool all = true;
	int got;

	if (has_tail(x, &p))
		return;
	for (size_t i = p.first; i < p.first + p.n; i++)
		all =
		    all && spot_outcome(x, &x->spots[i], store) == TOUCH_OK && (store || x->spots[i].prot & PROT_READ);
	NOTE(x, (long)p.first, (long)p.n, store);
	got = madvise(address(x, &p), bytes(&p), store ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
	note_result(x, got ? -errno : 0);
	if (got == 0 ? !all : all)
		fail(x, "madvise: %s", got ? strerror(errno) : "success, but not all pages can be had");
	if (store)
		copied_perhaps(x, &p);
}

void op_mincore(struct exerciser *x)
{
	const struct pages p = pick_pages(x, 16);
	unsigned char present[16];

	NOTE(x, (long)p.first, (long)p.n);
	expect(x, "mincore", mincore(address(x, &p), bytes(&p), present), hole_error(x, &p));
}
