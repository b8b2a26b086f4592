// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Ranges of the arena's pages, for the mapping calls. */
#include <errno.h>
#include <sys/mman.h>

#include "pages.h"

struct pages pick_pages(struct exerciser *x, size_t most)
{
	const size_t n = 1 + below(x, below(x, 3) ? most : 3), all = x->config.arena;

	return (struct pages){below(x, all - n + 1), n};
}

size_t find(const struct exerciser *x, const struct pages *p, bool (*is)(const struct spot *s))
{
	size_t i = 0;

	while (i < p->n && !is(&x->spots[p->first + i]))
		i++;
	return i;
}

bool is_hole(const struct spot *s)
{
	return s->kind == HOLE;
}

bool is_locked(const struct spot *s)
{
	return s->locked;
}

bool is_read_only(const struct spot *s)
{
	return !s->may_write;
}

bool cut(const struct exerciser *x, struct pages *p, bool (*is)(const struct spot *s))
{
	const size_t i = find(x, p, is);

	p->n = i ? i : 1;
	return i > 0;
}

void copied_perhaps(struct exerciser *x, const struct pages *p)
{
	for (size_t i = p->first; i < p->first + p->n; i++) {
		struct spot *s = &x->spots[i];

		if (s->kind != PRIVATE || s->copy || !(s->prot & PROT_WRITE) || s->index * PAGE >= x->size)
			continue;
		spot_copy(x, s);
		s->maybe = true;
	}
}

bool has_tail(const struct exerciser *x, const struct pages *p)
{
	for (size_t i = p->first; i < p->first + p->n; i++)
		if (is_file(&x->spots[i]) && x->spots[i].index == x->tail)
			return true;
	return false;
}

bool done(struct exerciser *x, const char *what, long got, long want)
{
	if (x->config.scarce && got == -1 && errno == ENOMEM) {
		note_result(x, -ENOMEM);
		refused(x);
		return false;
	}
	return expect(x, what, got, want) && want == 0;
}
