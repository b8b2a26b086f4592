// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Loads and stores that may fault. An expected fault is caught by a handler that jumps out; threads that work at once
 * make none, so that what watches them need not follow such jumps.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "state.h"

static _Thread_local sigjmp_buf back;
static _Thread_local volatile sig_atomic_t armed;

static void on_fault(int sig)
{
	if (!armed) {
		(void)signal(sig, SIG_DFL); // the next one, which comes at once, ends the run
		return;
	}
	armed = false;
	siglongjmp(back, sig);
}

void touch_init(void)
{
	struct sigaction action = {.sa_handler = on_fault};

	if (sigaction(SIGSEGV, &action, NULL) < 0 || sigaction(SIGBUS, &action, NULL) < 0)
		abort();
}

enum touch touch_copy(void *to, const void *from, size_t n)
{
	int sig = sigsetjmp(back, 1);

	if (sig)
		return sig == SIGBUS ? TOUCH_BUS : TOUCH_SEGV;
	armed = true;
	atomic_signal_fence(memory_order_seq_cst); // the copy is not moved
	memcpy(to, from, n);
	atomic_signal_fence(memory_order_seq_cst);
	armed = false;
	return TOUCH_OK;
}

uint8_t *spot_address(const struct exerciser *x, size_t spot)
{
	return spot < x->config.arena ? x->arena + spot * PAGE : x->annex + (spot - x->config.arena) * PAGE;
}

enum touch spot_outcome(const struct exerciser *x, const struct spot *s, bool store)
{
	if (s->kind == HOLE || !(s->prot & (store ? PROT_WRITE : PROT_READ | PROT_WRITE)))
		return TOUCH_SEGV;
	if (is_file(s) && s->index * PAGE >= x->size)
		return TOUCH_BUS;
	return TOUCH_OK;
}

/* True: it was as foreseen, and succeeded. */
static bool touch(struct exerciser *x, const char *how, size_t spot, bool store, void *to, const void *from, size_t n)
{
	static const char *const names[] = {"success", "SIGSEGV", "SIGBUS"};
	enum touch outcome = spot_outcome(x, &x->spots[spot], store), got;

	if (x->config.threads) {
		if (outcome == TOUCH_OK)
			memcpy(to, from, n);
		return outcome == TOUCH_OK;
	}
	got = touch_copy(to, from, n);
	if (got != outcome)
		fail(x, "%s page %zu of the arena: %s; expected %s", how, spot, names[got], names[outcome]);
	return got == outcome && got == TOUCH_OK;
}

void load_spot(struct exerciser *x, const char *how, size_t spot, size_t offset, size_t n)
{
	if (touch(x, how, spot, false, x->buf, spot_address(x, spot) + offset, n))
		check_spot(x, how, spot, offset, x->buf, n);
}

/* Of a page that may be loaded from. */
static bool look(struct exerciser *x, uint8_t *to, const uint8_t *from, size_t n)
{
	if (!x->config.threads)
		return touch_copy(to, from, n) == TOUCH_OK;
	memcpy(to, from, n);
	return true;
}

/* It was not known whether the page that was stored into had contents of its own: it has now. */
static void settle(struct exerciser *x, size_t spot, size_t offset, const uint8_t *from, size_t n)
{
	struct spot *s = &x->spots[spot];
	const struct spot uncopied = {.kind = s->kind, .index = s->index};
	const size_t certain = spot_known(x, s, 0, PAGE);
	uint8_t under_it[PAGE], seen[PAGE];

	for (size_t i = 0; i < PAGE; i++)
		under_it[i] = spot_byte(x, &uncopied, i);
	s->maybe = false;
	if (!look(x, seen, spot_address(x, spot), PAGE)) {
		fail(x, "load after store faulted");
		return;
	}
	memcpy(under_it + certain, seen + certain, PAGE - certain);
	memcpy(under_it + offset, from, n);
	memcpy(s->copy + offset, from, n);
	if (spot_differs(x, s, 0, seen, s->copy, PAGE) < PAGE)
		memcpy(s->copy, under_it, PAGE);
	check_spot(x, "load after store", spot, 0, seen, PAGE);
}

/* Of the file's last page the bytes behind the end, where they are not known, are as they are seen. */
static void adopt_tail(struct exerciser *x, size_t spot)
{
	struct spot *s = &x->spots[spot];
	const size_t from = x->size % PAGE;

	if (is_file(s) && s->index == x->tail && !look(x, s->copy + from, spot_address(x, spot) + from, PAGE - from))
		fail(x, "load behind the end, in the last page, faulted");
}

void stored_spot(struct exerciser *x, size_t spot, size_t offset, const uint8_t *from, size_t n)
{
	struct spot *s = &x->spots[spot];
	const uint64_t at = s->index * PAGE + offset;

	if (is_file(s))
		x->recent = at;
	if (s->kind == SHARED) {
		if (at < x->size)
			memcpy(x->data + at, from, n < x->size - at ? n : x->size - at);
		if (at + n > x->size)
			x->tail = s->index;
	} else if (s->maybe) {
		settle(x, spot, offset, from, n);
	} else {
		const bool is_new = !s->copy;

		spot_copy(x, s);
		memcpy(s->copy + offset, from, n);
		if (is_new)
			adopt_tail(x, spot);
	}
}

void store_spot(struct exerciser *x, size_t spot, size_t offset, const uint8_t *from, size_t n)
{
	if (touch(x, "store to", spot, true, spot_address(x, spot) + offset, from, n))
		stored_spot(x, spot, offset, from, n);
}
