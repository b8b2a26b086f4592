// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Treap: ordered by key from left to right, and by priority from the root down. Nothing sleeps or allocates. */

#include "lib/tree.h"

#include <assert.h>

static uint64_t priority(const struct tree_node *node)
{
	uint64_t x = (uintptr_t)node;

	x = (x ^ x >> 32) * 0x9e3779b97f4a7c15u;
	return (x ^ x >> 29) * 0xbf58476d1ce4e5b9u;
}

static struct tree_node **link_of(struct tree *tree, const struct tree_node *node)
{
	struct tree_node *parent = node->parent;

	return parent ? &parent->child[parent->child[1] == node] : &tree->root;
}

static void set_child(struct tree_node *node, unsigned side, struct tree_node *child)
{
	node->child[side] = child;
	if (child)
		child->parent = node;
}

/* The node changes places with its parent. */
static void rotate_up(struct tree *tree, struct tree_node *node)
{
	struct tree_node *parent = node->parent;
	unsigned side = parent->child[1] == node;

	*link_of(tree, parent) = node;
	node->parent = parent->parent;
	set_child(parent, side, node->child[!side]);
	set_child(node, !side, parent);
}

void tree_insert(struct tree *tree, struct tree_node *node)
{
	struct tree_node **link = &tree->root;

	node->parent = node->child[0] = node->child[1] = NULL;
	while (*link) {
		assert((*link)->key != node->key);
		node->parent = *link;
		link = &node->parent->child[node->parent->key < node->key];
	}
	*link = node;
	while (node->parent && priority(node) > priority(node->parent))
		rotate_up(tree, node);
}

void tree_remove(struct tree *tree, struct tree_node *node)
{
	struct tree_node *child;

	while (node->child[0] && node->child[1])
		rotate_up(tree, node->child[priority(node->child[1]) > priority(node->child[0])]);
	child = node->child[0] ? node->child[0] : node->child[1];
	*link_of(tree, node) = child;
	if (child)
		child->parent = node->parent;
}

struct tree_node *tree_floor(const struct tree *tree, uint64_t key)
{
	struct tree_node *at = tree->root, *best = NULL;

	while (at) {
		if (at->key <= key)
			best = at;
		at = at->child[at->key <= key];
	}
	return best;
}

struct tree_node *tree_first(const struct tree *tree)
{
	struct tree_node *at = tree->root;

	while (at && at->child[0])
		at = at->child[0];
	return at;
}

/* The neighbour on that side, in order. */
static struct tree_node *step(const struct tree_node *node, unsigned side)
{
	struct tree_node *at = node->child[side];

	if (!at) {
		while (node->parent && node->parent->child[side] == node)
			node = node->parent;
		return node->parent;
	}
	while (at->child[!side])
		at = at->child[!side];
	return at;
}

struct tree_node *tree_next(const struct tree_node *node)
{
	return step(node, 1);
}

struct tree_node *tree_prev(const struct tree_node *node)
{
	return step(node, 0);
}
