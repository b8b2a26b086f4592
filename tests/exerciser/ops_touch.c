// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Loads and stores through mappings, and calls whose buffer is a mapping of the very file: of bytes that such a call
 * both reads and writes, each may be seen as it was before or after.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "state.h"

/* A range of addresses in the arena. */
struct range {
	size_t at, len;
};

static size_t page_of(size_t at)
{
	return at / PAGE;
}

/* A page of addresses that shows the place in the file that was used last; NOWHERE: none that may be accessed so. */
static size_t recent_page(struct exerciser *x, bool store)
{
	const size_t all = x->config.arena;

	for (size_t n = 0, i = below(x, all); n < all; n++, i = (i + 1) % all) {
		const struct spot *s = &x->spots[i];

		if (is_file(s) && s->index == x->recent / PAGE && spot_outcome(x, s, store) == TOUCH_OK)
			return i;
	}
	return NOWHERE;
}

/* Mostly where an access succeeds, and often where something has just been done. */
static struct range pick_range(struct exerciser *x, bool store)
{
	static const size_t most[] = {8, 100, PAGE, 2 * PAGE, 5 * PAGE};
	const size_t end = x->config.arena * PAGE;
	const size_t recent = chance(x, 3) ? recent_page(x, store) : NOWHERE;
	struct range r = {.at = recent * PAGE + x->recent % PAGE};

	for (unsigned tries = 0; recent == NOWHERE && tries < 8; tries++) {
		r.at = below(x, end);
		if (spot_outcome(x, &x->spots[page_of(r.at)], store) == TOUCH_OK)
			break;
	}
	if (recent == NOWHERE && chance(x, 3))
		r.at = r.at / PAGE * PAGE;
	r.len = 1 + below(x, most[below(x, sizeof(most) / sizeof(*most))]);
	if (r.len > end - r.at)
		r.len = end - r.at;
	return r;
}

/* The part that lies in the first page. */
static size_t first_part(const struct range *r)
{
	const size_t left = PAGE - r->at % PAGE;

	return r->len < left ? r->len : left;
}

static void advance(struct range *r, size_t n)
{
	r->at += n;
	r->len -= n;
}

void op_load(struct exerciser *x)
{
	struct range r = pick_range(x, false);

	NOTE(x, (long)r.at, (long)r.len);
	while (r.len && !x->failed) {
		const size_t n = first_part(&r);

		load_spot(x, "load", page_of(r.at), r.at % PAGE, n);
		advance(&r, n);
	}
}

/* How much of n bytes a store may write: what is this thread's, and in the file. */
static size_t storable(const struct exerciser *x, const struct spot *s, size_t offset, size_t n)
{
	const uint64_t at = s->index * PAGE + offset;

	if (!is_file(s) || at / PAGE * PAGE >= x->size)
		return n;
	n = own_run(x, at, n);
	if (s->kind == SHARED)
		n = at >= x->size ? 0 : n < x->size - at ? n : x->size - at;
	return n;
}

void op_store(struct exerciser *x)
{
	struct range r = pick_range(x, true);

	NOTE(x, (long)r.at, (long)r.len);
	while (r.len && !x->failed) {
		const size_t part = first_part(&r), spot = page_of(r.at);
		const size_t n = storable(x, &x->spots[spot], r.at % PAGE, part);

		make_pattern(x, x->buf, n);
		if (n)
			store_spot(x, spot, r.at % PAGE, x->buf, n);
		advance(&r, n ? n : x->config.threads && part > 8 ? 8 : part);
	}
}

/* Through the mapping that all threads have. */
void op_common(struct exerciser *x)
{
	uint64_t at;
	size_t len;

	pick_write(x, &at, &len);
	NOTE(x, (long)at, (long)len);
	memcpy(x->buf, x->common + at, len);
	check_file(x, "load from the common mapping", at, x->buf, len);
	make_pattern(x, x->buf, len);
	memcpy(x->common + at, x->buf, len);
	model_write(x, at, x->buf, len);
}

/* Behind the end of the file, in its last page: nobody must ever see that in the file. */
void op_tail(struct exerciser *x)
{
	const size_t last = x->size / PAGE, from = x->size % PAGE;

	for (size_t i = 0; from && i < x->config.arena; i++) {
		const struct spot *s = &x->spots[i];

		if (s->kind != SHARED || s->index != last || spot_outcome(x, s, true) != TOUCH_OK)
			continue;
		NOTE(x, (long)i, (long)from);
		make_pattern(x, x->buf, PAGE);
		store_spot(x, i, from, x->buf, PAGE - from);
		return;
	}
}

/* ---- mappings as buffers ---- */
/* How many bytes of the range come before one that cannot be used. */
static size_t usable(const struct exerciser *x, const struct range *r, bool store)
{
	struct range left = *r;

	while (left.len && spot_outcome(x, &x->spots[page_of(left.at)], store) == TOUCH_OK)
		advance(&left, first_part(&left));
	return r->len - left.len;
}

static bool call_result(struct exerciser *x, const char *what, long got, size_t want)
{
	return expect(x, what, got, want ? (long)want : -EFAULT);
}

/* The byte of the file that a byte of the arena is; false: it is none. */
static bool file_place(const struct exerciser *x, size_t at, uint64_t *place)
{
	const struct spot *s = &x->spots[page_of(at)];

	*place = s->index * PAGE + at % PAGE;
	return s->kind == SHARED || (s->kind == PRIVATE && (!s->copy || s->maybe));
}

/* Contents of pages whose state is in doubt are read, so that they are known. */
static bool resolve(struct exerciser *x, const struct range *r)
{
	for (size_t i = page_of(r->at); i <= page_of(r->at + r->len - 1) && !x->failed; i++) {
		if (x->spots[i].maybe && spot_outcome(x, &x->spots[i], false) == TOUCH_OK)
			load_spot(x, "load", i, 0, PAGE);
		if (x->spots[i].maybe || (is_file(&x->spots[i]) && x->spots[i].index == x->tail))
			return false;
	}
	return !x->failed;
}

/* The file at [to, to + n) is now what lies in buf, and was to become what is in other, or what moved meanwhile. */
static void check_written(struct exerciser *x, const struct range *from, uint64_t to, size_t n)
{
	for (size_t i = 0; i < n && !x->failed; i++) {
		uint64_t place;
		bool moved = file_place(x, from->at + i, &place) && place >= to && place < to + n;

		if (x->buf[i] != x->other[i] && !(moved && x->buf[i] == x->buf[place - to]))
			fail(x, "write from a mapping: byte %zu, at %#llx of the file: expected %02x, found %02x", i,
			     (unsigned long long)(to + i), x->other[i], x->buf[i]);
	}
}

void op_write_mapped(struct exerciser *x)
{
	const struct descriptor *d = &x->fds[0];
	struct range r = pick_range(x, false);
	uint64_t to;
	size_t len, n;

	pick_write(x, &to, &len);
	if (len < r.len)
		r.len = len;
	/* What the call itself brings into the file must not decide which pages can be read. */
	n = usable(x, &r, false);
	if (n < r.len && to + r.len > x->size)
		r.len = n;
	if (x->config.threads && is_file(&x->spots[page_of(r.at)]))
		r.len = n = own_run(x, x->spots[page_of(r.at)].index * PAGE + r.at % PAGE,
				    n < first_part(&r) ? n : first_part(&r));
	else if (x->config.threads)
		r.len = n = n < first_part(&r) ? n : first_part(&r);
	if (!r.len || !resolve(x, &r))
		return;
	NOTE(x, (long)r.at, (long)r.len, (long)to);
	for (size_t i = 0; i < n; i++)
		x->other[i] = spot_byte(x, &x->spots[page_of(r.at + i)], (r.at + i) % PAGE);
	if (!call_result(x, "pwrite from a mapping",
			 pwrite(d->fd, x->arena + r.at, r.len, (off_t)(x->config.base + to)), n))
		return;
	if (n && expect(x, "pread", pread(d->fd, x->buf, n, (off_t)(x->config.base + to)), (long)n)) {
		check_written(x, &r, to, n);
		model_write(x, to, x->buf, n);
	}
}

/* No page of the file is stored into through two addresses. */
static bool is_distinct(const struct exerciser *x, const struct range *r)
{
	for (size_t i = page_of(r->at); i <= page_of(r->at + r->len - 1); i++)
		for (size_t k = page_of(r->at); k < i; k++)
			if (x->spots[i].kind == SHARED && x->spots[k].kind == SHARED &&
			    x->spots[i].index == x->spots[k].index)
				return false;
	return true;
}

/* Takes what was read into the range, byte for byte in buf, into the model. */
static void take_read(struct exerciser *x, struct range r, uint64_t from, const uint8_t *now)
{
	size_t done = 0;

	while (r.len && !x->failed) {
		const size_t n = first_part(&r), spot = page_of(r.at);

		if (touch_copy(x->buf, x->arena + r.at, n) != TOUCH_OK) {
			fail(x, "load of what was read faulted");
			return;
		}
		for (size_t i = 0; i < n; i++)
			if (x->buf[i] != x->other[done + i] && x->buf[i] != now[done + i])
				fail(x,
				     "read into a mapping: byte %zu, from %#llx of the file: expected %02x, found %02x",
				     done + i, (unsigned long long)(from + done + i), x->other[done + i], x->buf[i]);
		stored_spot(x, spot, r.at % PAGE, x->buf, n);
		done += n;
		advance(&r, n);
	}
}

void op_read_mapped(struct exerciser *x)
{
	const struct descriptor *d = &x->fds[0];
	struct range r = pick_range(x, true);
	const uint64_t from = pick_at(x);
	uint8_t now[6 * PAGE];
	size_t want, in_file = from < x->size ? x->size - from : 0;

	if (!resolve(x, &r) || !is_distinct(x, &r))
		return;
	/* Bytes behind the end are op_tail's business. */
	for (size_t i = page_of(r.at); i <= page_of(r.at + r.len - 1); i++)
		if (x->spots[i].kind == SHARED && x->spots[i].index == x->size / PAGE)
			return;
	want = usable(x, &r, true);
	NOTE(x, (long)r.at, (long)r.len, (long)from);
	if (in_file < want)
		want = in_file;
	memcpy(x->other, x->data + from, want);
	if (!in_file)
		(void)expect(x, "pread into a mapping, at the end",
			     pread(d->fd, x->arena + r.at, r.len, (off_t)(x->config.base + from)), 0);
	else if (call_result(x, "pread into a mapping",
			     pread(d->fd, x->arena + r.at, r.len, (off_t)(x->config.base + from)), want) &&
		 want && expect(x, "pread", pread(d->fd, now, want, (off_t)(x->config.base + from)), (long)want))
		take_read(x, (struct range){r.at, want}, from, now);
}
