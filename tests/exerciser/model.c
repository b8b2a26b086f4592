// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The model: what the file holds, and what each page of addresses shows. Each thread has one of its own, which is right
 * for its own bytes; what others do to theirs is passed over.
 */
#include <string.h>
#include <unistd.h>

#include "state.h"

static const uint8_t zeros[PAGE];

bool is_own(const struct exerciser *x, uint64_t at)
{
	return !x->config.threads || at / STRIPE % x->config.threads == x->self;
}

size_t own_run(const struct exerciser *x, uint64_t at, size_t n)
{
	if (!x->config.threads)
		return n;
	if (!is_own(x, at))
		return 0;
	return n < STRIPE - at % STRIPE ? n : STRIPE - at % STRIPE;
}

bool is_file(const struct spot *s)
{
	return s->kind == SHARED || s->kind == PRIVATE;
}

/* ---- what to use ---- */
static uint64_t greatest(const struct exerciser *x)
{
	return x->config.pages * PAGE;
}

uint64_t pick_at(struct exerciser *x)
{
	uint64_t at = below(x, greatest(x));

	switch (below(x, 8)) {
	case 0: // around the end
		at = x->size + below(x, 2 * PAGE);
		at = at > PAGE ? at - PAGE : 0;
		break;
	case 1: // a page's, a block's or a sector's border
		at = at / 512 * 512;
		break;
	case 2:
		at = at / PAGE * PAGE + below(x, 3);
		break;
	case 3: // where something has just been done
	case 4:
		at = x->recent + below(x, 64);
		break;
	default:
		if (x->size && !chance(x, 4))
			at = below(x, x->size);
	}
	x->recent = at < greatest(x) ? at : greatest(x) - 1;
	return x->recent;
}

size_t pick_len(struct exerciser *x, uint64_t at)
{
	static const size_t most[] = {16, 512, PAGE, PAGE, 3 * PAGE, 9 * PAGE};
	size_t len = 1 + below(x, most[below(x, sizeof(most) / sizeof(*most))]);

	if (chance(x, 6))
		len = (len + PAGE - 1) / PAGE * PAGE;
	return len < greatest(x) - at ? len : greatest(x) - at;
}

void pick_write(struct exerciser *x, uint64_t *at, size_t *len)
{
	*at = pick_at(x);
	*len = pick_len(x, *at);
	if (!x->config.threads)
		return;
	while (!is_own(x, *at))
		*at = below(x, x->size);
	*len = own_run(x, *at, *len < x->size - *at ? *len : x->size - *at);
}

/* Never zero, and told from other operations' and from itself moved. */
void make_pattern(struct exerciser *x, uint8_t *buf, size_t n)
{
	uint64_t word = 0;

	for (size_t i = 0; i < n; i++) {
		if (i % 8 == 0)
			word = draw(x);
		buf[i] = (uint8_t)(word >> i % 8 * 8) | 1;
	}
}

/* ---- pages of addresses ---- */
/* What lies under the spot: the file's page, or zeros. */
static const uint8_t *under(const struct exerciser *x, const struct spot *s)
{
	return is_file(s) && s->index < x->config.pages ? x->data + s->index * PAGE : zeros;
}

uint8_t spot_byte(const struct exerciser *x, const struct spot *s, size_t offset)
{
	return s->copy ? s->copy[offset] : under(x, s)[offset];
}

void spot_copy(struct exerciser *x, struct spot *s)
{
	if (s->copy)
		return;
	s->copy = x->spare[--x->spares];
	memcpy(s->copy, under(x, s), PAGE);
}

void spot_uncopy(struct exerciser *x, struct spot *s)
{
	if (s->copy)
		x->spare[x->spares++] = s->copy;
	s->copy = NULL;
	s->maybe = false;
}

void spot_clear(struct exerciser *x, struct spot *s)
{
	spot_uncopy(x, s);
	x->locked -= s->locked;
	*s = (struct spot){.kind = HOLE};
}

/* ---- comparing ---- */
size_t spot_differs(const struct exerciser *x, const struct spot *s, size_t offset, const uint8_t *seen,
		    const uint8_t *right, size_t n)
{
	if (memcmp(seen, right, n) == 0)
		return n;
	for (size_t i = 0; i < n; i++)
		if (seen[i] != right[i] && (!is_file(s) || is_own(x, s->index * PAGE + offset + i)))
			return i;
	return n;
}

static void report(struct exerciser *x, const char *how, uint64_t at, const uint8_t *seen, const uint8_t *right,
		   size_t n)
{
	char bytes[2][3 * 8 + 1];
	const size_t shown = n < 8 ? n : 8;

	for (size_t i = 0; i < shown; i++) {
		static const char digits[] = "0123456789abcdef";

		for (unsigned k = 0; k < 2; k++) {
			const uint8_t byte = (k ? seen : right)[i];

			bytes[k][3 * i] = digits[byte >> 4];
			bytes[k][3 * i + 1] = digits[byte & 15];
			bytes[k][3 * i + 2] = ' ';
		}
	}
	bytes[0][3 * shown] = bytes[1][3 * shown] = '\0';
	fail(x, "%s: at %#llx expected %s, found %s", how, (unsigned long long)at, bytes[0], bytes[1]);
}

void check_file(struct exerciser *x, const char *how, uint64_t at, const uint8_t *seen, size_t n)
{
	const struct spot file = {.kind = SHARED};
	size_t i = spot_differs(x, &file, at, seen, x->data + at, n);

	if (i < n)
		report(x, how, at + i, seen + i, x->data + at + i, n - i);
}

size_t spot_known(const struct exerciser *x, const struct spot *s, size_t offset, size_t n)
{
	const uint64_t at = s->index * PAGE + offset;

	if (!is_file(s) || s->index != x->tail || at + n <= x->size)
		return n;
	return at < x->size ? x->size - at : 0;
}

void check_spot(struct exerciser *x, const char *how, size_t spot, size_t offset, const uint8_t *seen, size_t n)
{
	struct spot *s = &x->spots[spot];
	const uint8_t *below_it = under(x, s) + offset;
	size_t certain = spot_known(x, s, offset, n), i;
	bool as_copy, as_under;

	if (s->copy && !s->maybe) {
		i = spot_differs(x, s, offset, seen, s->copy + offset, n);
		if (i < n)
			report(x, how, spot * PAGE + offset + i, seen + i, s->copy + offset + i, n - i);
		return;
	}
	i = spot_differs(x, s, offset, seen, below_it, certain);
	if (!s->copy) {
		if (i < certain)
			report(x, how, spot * PAGE + offset + i, seen + i, below_it + i, certain - i);
		return;
	}
	as_under = i == certain;
	as_copy = spot_differs(x, s, offset, seen, s->copy + offset, n) == n;
	if (!as_copy && !as_under)
		report(x, how, spot * PAGE + offset + i, seen + i, below_it + i, certain - i);
	else if (!as_copy)
		spot_uncopy(x, s);
	else if (!as_under && s->kind == PRIVATE)
		s->maybe = false;
}

void check_everything(struct exerciser *x)
{
	const struct descriptor *d = fd_reader(x);

	if (d && x->size) {
		ssize_t n = pread(d->fd, x->buf, x->size, (off_t)x->config.base);

		if (expect(x, "reading all", n, (long)x->size))
			check_file(x, "reading all", 0, x->buf, x->size);
	}
	for (size_t i = 0; i < x->config.arena && !x->failed; i++)
		load_spot(x, "loading all", i, 0, PAGE);
}

/* ---- changes of the file ---- */
void model_resize(struct exerciser *x, uint64_t size)
{
	const size_t last = size % PAGE ? size / PAGE : NOWHERE;

	if (size < x->size)
		memset(x->data + size, 0, x->size - size);
	if (x->tail != last)
		x->tail = NOWHERE;
	x->size = size;
	for (size_t i = 0; i < x->config.arena + ANNEX; i++)
		if (x->spots[i].kind == PRIVATE && x->spots[i].index * PAGE >= size)
			spot_uncopy(x, &x->spots[i]);
}

void model_write(struct exerciser *x, uint64_t at, const uint8_t *from, size_t n)
{
	if (at + n > x->size)
		model_resize(x, at + n);
	memcpy(x->data + at, from, n);
}

void model_zero(struct exerciser *x, uint64_t at, size_t n)
{
	if (at < x->size)
		memset(x->data + at, 0, n < x->size - at ? n : x->size - at);
}
