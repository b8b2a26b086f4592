// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Doubly linked list with the node inside the element. A list is a ring through its head, so removal needs only
 * the node. Locking is the user's: whoever owns the list names its lock beside the head.
 */
#pragma once

#include "lib/types.h"

struct list_node {
	struct list_node *prev, *next;
};

#define LIST_INIT(head)                                                                                                \
	{                                                                                                              \
		&(head), &(head)                                                                                       \
	}

static inline void list_init(struct list_node *head)
{
	head->prev = head->next = head;
}

static inline bool list_empty(const struct list_node *head)
{
	return head->next == head;
}

static inline void list_insert(struct list_node *prev, struct list_node *next, struct list_node *node)
{
	node->prev = prev;
	node->next = next;
	prev->next = node;
	next->prev = node;
}

static inline void list_push_front(struct list_node *head, struct list_node *node)
{
	list_insert(head, head->next, node);
}

static inline void list_push_back(struct list_node *head, struct list_node *node)
{
	list_insert(head->prev, head, node);
}

/* The node is left pointing at itself: a second removal does no harm, and list_empty(node) tells that it is out. */
static inline void list_remove(struct list_node *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

static inline struct list_node *list_first(struct list_node *head)
{
	return list_empty(head) ? NULL : head->next;
}

static inline struct list_node *list_pop_front(struct list_node *head)
{
	struct list_node *node = list_first(head);

	if (node)
		list_remove(node);
	return node;
}

#define list_entry(node, type, member) container_of(node, type, member)

#define list_for_each(head, it) for (struct list_node *it = (head)->next; it != (head); it = it->next)

/* As list_for_each, and the body may remove `it`. */
#define list_for_each_safe(head, it, tmp)                                                                              \
	for (struct list_node *it = (head)->next, *tmp = it->next; it != (head); it = tmp, tmp = it->next)
