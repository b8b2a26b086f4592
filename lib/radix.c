// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Radix tree of 64-slot nodes. Each node knows by bit maps which slots are used and which have a tagged entry in or
 * below them, so finding the next entry looks at one word a level. No node is empty; the root has more than its first
 * slot in use, or is a leaf. Never sleeps; locking is the user's.
 */

#include "lib/radix.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define BITS 6
#define SLOTS (1u << BITS)
#define HEIGHT_MAX 11 // of 64-bit indexes
#define TOP_SLOTS 16  // that the four bits left for the highest level can name
#define TAGS 2

struct radix_node {
	uint64_t used;
	uint64_t tagged[TAGS];
	void *slot[SLOTS];
};

/* The nodes from the root, path[height], down to the leaf, path[1]. */
typedef struct radix_node *path_t[HEIGHT_MAX + 1];

static void *(*node_alloc)(size_t);
static void (*node_release)(void *);

void radix_set_allocator(void *(*alloc)(size_t), void (*release)(void *))
{
	node_alloc = alloc;
	node_release = release;
}

size_t radix_node_size(void)
{
	return sizeof(struct radix_node);
}

void radix_init(struct radix *r)
{
	*r = (struct radix){0};
}

static unsigned slot_of(uint64_t index, unsigned level)
{
	return index >> (level - 1) * BITS & (SLOTS - 1);
}

static bool covers(unsigned height, uint64_t index)
{
	return height >= HEIGHT_MAX || index >> height * BITS == 0;
}

static struct radix_node *node_make(void)
{
	struct radix_node *node = node_alloc(sizeof(*node));

	if (node)
		memset(node, 0, sizeof(*node));
	return node;
}

/* Fills path; false if a node on the way, or the entry, is missing. */
static bool find(const struct radix *r, uint64_t index, path_t path)
{
	void *at = r->root;

	if (!covers(r->height, index))
		return false;
	for (unsigned level = r->height; level > 0 && at; level--) {
		path[level] = at;
		at = path[level]->slot[slot_of(index, level)];
	}
	return at;
}

void *radix_get(const struct radix *r, uint64_t index)
{
	path_t path;

	return find(r, index, path) ? path[1]->slot[slot_of(index, 1)] : NULL;
}

/* Lets the root go while only its first slot leads anywhere. */
static void shrink(struct radix *r)
{
	while (r->height > 1 && r->root->used == 1) {
		struct radix_node *old = r->root;

		r->root = old->slot[0];
		r->height--;
		node_release(old);
	}
}

/* Frees the empty nodes of path from `level` upwards. */
static void prune(struct radix *r, uint64_t index, path_t path, unsigned level)
{
	while (level <= r->height && !path[level]->used) {
		node_release(path[level]);
		level++;
		if (level > r->height) {
			r->root = NULL;
			r->height = 0;
		} else {
			path[level]->slot[slot_of(index, level)] = NULL;
			path[level]->used &= ~(1ull << slot_of(index, level));
		}
	}
	if (r->root)
		shrink(r);
}

/* A new root above the present one, or the first one as high as the index needs. */
static int add_root(struct radix *r, uint64_t index)
{
	struct radix_node *node = node_make();

	if (!node)
		return -ENOMEM;
	if (r->root) {
		node->slot[0] = r->root;
		node->used = 1;
		for (unsigned tag = 0; tag < TAGS; tag++)
			node->tagged[tag] = r->root->tagged[tag] != 0;
		r->height++;
	} else {
		for (r->height = 1; !covers(r->height, index); r->height++)
			;
	}
	r->root = node;
	return 0;
}

int radix_insert(struct radix *r, uint64_t index, void *value)
{
	path_t path;
	unsigned level;

	assert(value);
	while (!r->root || !covers(r->height, index)) {
		if (add_root(r, index)) {
			if (r->root)
				shrink(r);
			return -ENOMEM;
		}
	}
	path[r->height] = r->root;
	for (level = r->height; level > 1; level--) {
		unsigned slot = slot_of(index, level);

		if (!path[level]->slot[slot]) {
			path[level]->slot[slot] = node_make();
			if (!path[level]->slot[slot]) {
				prune(r, index, path, level);
				return -ENOMEM;
			}
			path[level]->used |= 1ull << slot;
		}
		path[level - 1] = path[level]->slot[slot];
	}
	if (path[1]->slot[slot_of(index, 1)])
		return -EEXIST;
	path[1]->slot[slot_of(index, 1)] = value;
	path[1]->used |= 1ull << slot_of(index, 1);
	r->count++;
	return 0;
}

static void tag_clear(const struct radix *r, uint64_t index, unsigned tag, path_t path)
{
	for (unsigned level = 1; level <= r->height; level++) {
		path[level]->tagged[tag] &= ~(1ull << slot_of(index, level));
		if (path[level]->tagged[tag])
			break;
	}
}

void *radix_remove(struct radix *r, uint64_t index)
{
	path_t path;
	void *value;

	if (!find(r, index, path))
		return NULL;
	value = path[1]->slot[slot_of(index, 1)];
	for (unsigned tag = 0; tag < TAGS; tag++)
		tag_clear(r, index, tag, path);
	path[1]->slot[slot_of(index, 1)] = NULL;
	path[1]->used &= ~(1ull << slot_of(index, 1));
	r->count--;
	prune(r, index, path, 1);
	return value;
}

void radix_tag_set(struct radix *r, uint64_t index, unsigned tag)
{
	path_t path;
	bool found = find(r, index, path);

	assert(found && tag < TAGS);
	for (unsigned level = 1; found && level <= r->height; level++)
		path[level]->tagged[tag] |= 1ull << slot_of(index, level);
}

void radix_tag_clear(struct radix *r, uint64_t index, unsigned tag)
{
	path_t path;

	assert(tag < TAGS);
	if (find(r, index, path))
		tag_clear(r, index, tag, path);
}

bool radix_tag_get(const struct radix *r, uint64_t index, unsigned tag)
{
	path_t path;

	return find(r, index, path) && path[1]->tagged[tag] >> slot_of(index, 1) & 1;
}

/* The index with its digit at `level` replaced, and those below it zero. */
static uint64_t with_digit(uint64_t index, unsigned level, unsigned slot)
{
	unsigned shift = (level - 1) * BITS;
	uint64_t above = covers(level, index) ? 0 : index >> level * BITS << level * BITS;

	return above | (uint64_t)slot << shift;
}

/* First entry at or after *index: any, or with the tag. */
static void *next_entry(const struct radix *r, uint64_t *index, int tag)
{
	path_t path;
	uint64_t at = *index;
	unsigned level = r->height;

	if (!r->root || !covers(r->height, at))
		return NULL;
	path[level] = r->root;
	for (;;) {
		unsigned slot = slot_of(at, level);
		uint64_t map = tag < 0 ? path[level]->used : path[level]->tagged[tag];

		map &= ~0ull << slot;
		if (map) {
			unsigned found = (unsigned)__builtin_ctzll(map);

			if (found != slot)
				at = with_digit(at, level, found);
			if (level == 1) {
				*index = at;
				return path[1]->slot[found];
			}
			path[level - 1] = path[level]->slot[found];
			level--;
			continue;
		}
		/* Nothing here: on from the next slot of the first node above that has one. */
		do {
			if (++level > r->height)
				return NULL;
		} while (slot_of(at, level) == (level == HEIGHT_MAX ? TOP_SLOTS : SLOTS) - 1);
		at = with_digit(at, level, slot_of(at, level) + 1);
	}
}

void *radix_next(const struct radix *r, uint64_t *index)
{
	return next_entry(r, index, -1);
}

void *radix_next_tagged(const struct radix *r, uint64_t *index, unsigned tag)
{
	assert(tag < TAGS);
	return next_entry(r, index, (int)tag);
}
