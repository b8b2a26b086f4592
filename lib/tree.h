// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Ordered tree with the node inside the element: a treap, whose priorities are a hash of the node's address, so it
 * is balanced without bookkeeping. Keys are unique. Locking is the user's.
 */
#pragma once

#include "lib/types.h"

struct tree_node {
	uint64_t key; // the user may change it while that changes no order
	struct tree_node *parent, *child[2];
};

struct tree {
	struct tree_node *root;
};

void tree_insert(struct tree *tree, struct tree_node *node); // node->key is set
void tree_remove(struct tree *tree, struct tree_node *node);

/* The node with the greatest key <= key, or NULL. */
struct tree_node *tree_floor(const struct tree *tree, uint64_t key);
struct tree_node *tree_first(const struct tree *tree);
struct tree_node *tree_next(const struct tree_node *node);
struct tree_node *tree_prev(const struct tree_node *node);

#define tree_entry(node, type, member) container_of(node, type, member)
