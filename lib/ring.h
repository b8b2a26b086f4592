// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Byte ring of a power-of-two size over memory of the user's. Free-running counters, so that full and empty differ.
 * Locking is the user's.
 */
#pragma once

#include <assert.h>
#include <string.h>

#include "lib/types.h"

struct ring {
	uint8_t *data;
	uint32_t size;
	uint32_t in, out; // bytes ever put, ever taken, modulo 2^32
};

static inline void ring_init(struct ring *r, void *data, uint32_t size)
{
	assert(size && !(size & (size - 1)));
	*r = (struct ring){.data = data, .size = size};
}

static inline uint32_t ring_used(const struct ring *r)
{
	return r->in - r->out;
}

static inline uint32_t ring_room(const struct ring *r)
{
	return r->size - ring_used(r);
}

/* There must be room. */
static inline void ring_put(struct ring *r, uint8_t byte)
{
	assert(ring_room(r));
	r->data[r->in++ & (r->size - 1)] = byte;
}

/* The oldest bytes that lie together: how many, and where. */
static inline uint32_t ring_peek(const struct ring *r, const uint8_t **data)
{
	uint32_t at = r->out & (r->size - 1);

	*data = r->data + at;
	return min_of(ring_used(r), r->size - at);
}

static inline void ring_drop(struct ring *r, uint32_t n)
{
	assert(n <= ring_used(r));
	r->out += n;
}
