// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Treap: ordered by key from left to right, and by priority from the root down. Nothing sleeps or allocates. */

#include "lib/tree.h"

/* Of the nth node that comes: as good as random, and hardly ever twice the same. */
static uint64_t priority(uint64_t n)
{
	uint64_t x = n * 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
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

static uint64_t greatest(const struct tree_node *node)
{
	return node ? node->greatest : 0;
}

static void sum_up(struct tree_node *node)
{
	node->greatest = max_of(node->value, greatest(node->child[0]));
	node->greatest = max_of(node->greatest, greatest(node->child[1]));
}

/* Something changed below. */
static void sum_up_from(struct tree_node *node)
{
	for (; node; node = node->parent)
		sum_up(node);
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
	sum_up(parent);
	sum_up(node);
}

void tree_insert(struct tree *tree, struct tree_node *node)
{
	struct tree_node **link = &tree->root;

	node->parent = node->child[0] = node->child[1] = NULL;
	node->priority = priority(++tree->inserted);
	while (*link) {
		node->parent = *link;
		link = &node->parent->child[node->parent->key < node->key];
	}
	*link = node;
	sum_up_from(node);
	while (node->parent && node->priority > node->parent->priority)
		rotate_up(tree, node);
}

void tree_remove(struct tree *tree, struct tree_node *node)
{
	struct tree_node *child;

	while (node->child[0] && node->child[1])
		rotate_up(tree, node->child[node->child[1]->priority > node->child[0]->priority]);
	child = node->child[0] ? node->child[0] : node->child[1];
	*link_of(tree, node) = child;
	if (child)
		child->parent = node->parent;
	sum_up_from(node->parent);
}

void tree_value_set(struct tree_node *node, uint64_t value)
{
	if (node->value == value)
		return;
	node->value = value;
	sum_up_from(node);
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

/* The first in the subtree, which has one. */
static struct tree_node *first_below(struct tree_node *node, uint64_t value)
{
	for (;;) {
		if (node->child[0] && node->child[0]->greatest >= value)
			node = node->child[0];
		else if (node->value >= value)
			return node;
		else
			node = node->child[1];
	}
}

struct tree_node *tree_first_reaching(const struct tree *tree, uint64_t value)
{
	return tree->root && tree->root->greatest >= value ? first_below(tree->root, value) : NULL;
}

struct tree_node *tree_next_reaching(const struct tree_node *node, uint64_t value)
{
	struct tree_node *parent;

	if (node->child[1] && node->child[1]->greatest >= value)
		return first_below(node->child[1], value);
	for (; (parent = node->parent); node = parent) {
		if (parent->child[1] == node)
			continue;
		if (parent->value >= value)
			return parent;
		if (parent->child[1] && parent->child[1]->greatest >= value)
			return first_below(parent->child[1], value);
	}
	return NULL;
}
