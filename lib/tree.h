// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Ordered tree with the node inside the element: a treap, whose priorities are pseudo-random, so it is balanced
 * without bookkeeping, and has the same shape whenever the same is done to it. Keys may be equal. Each node also has a
 * value, and those that have at least so much are found in order without a look at the others: gaps of a length,
 * intervals that reach a point. Each call costs the logarithm of the number of nodes. Locking is the user's.
 */
#pragma once

#include "lib/types.h"

struct tree_node {
	uint64_t key;	   // the user may change it while that changes no order
	uint64_t value;	   // set before tree_insert, changed by tree_value_set; 0 if nobody asks for it
	uint64_t greatest; // value of the node and those below it
	uint64_t priority;
	struct tree_node *parent, *child[2];
};

struct tree {
	struct tree_node *root;
	uint64_t inserted; // so often
};

void tree_insert(struct tree *tree, struct tree_node *node); // key and value are set; in front of equal ones
void tree_remove(struct tree *tree, struct tree_node *node);
void tree_value_set(struct tree_node *node, uint64_t value);

/* The node with the greatest key <= key, or NULL. */
struct tree_node *tree_floor(const struct tree *tree, uint64_t key);
struct tree_node *tree_first(const struct tree *tree);
struct tree_node *tree_next(const struct tree_node *node);
struct tree_node *tree_prev(const struct tree_node *node);

/* The first of those whose value is at least so much, and the first such behind the node; NULL: none. */
struct tree_node *tree_first_reaching(const struct tree *tree, uint64_t value);
struct tree_node *tree_next_reaching(const struct tree_node *node, uint64_t value);

#define tree_entry(node, type, member) container_of(node, type, member)
