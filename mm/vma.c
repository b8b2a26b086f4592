// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Mappings as structures: the tree, splitting, joining, their lives. A mapping has a reference from the tree and one
 * from each fault or pin that works with it, and itself holds its object; so nobody needs to pin the object beside it.
 * Locks and order: mm/vma.h.
 */

#include "mm/vma.h"

#include <assert.h>
#include <string.h>

#include "mm/kmalloc.h"
#include "mm/reclaim.h"

struct space space = {
    .change = MUTEX_INIT(space.change, "mappings"),
    .lock = SPINLOCK_INIT("address space"),
};

static struct vma *vma_of(struct tree_node *node)
{
	return node ? tree_entry(node, struct vma, node) : NULL;
}

struct vma *vma_find_locked(vaddr_t va)
{
	struct vma *vma = vma_of(tree_floor(&space.tree, va));

	return vma && va < vma->end ? vma : NULL;
}

struct vma *vma_next_locked(vaddr_t va)
{
	struct vma *vma = vma_of(tree_floor(&space.tree, va));

	if (vma && va < vma->end)
		return vma;
	return vma ? vma_following_locked(vma) : vma_of(tree_first(&space.tree));
}

struct vma *vma_following_locked(const struct vma *vma)
{
	return vma_of(tree_next(&vma->node));
}

struct vma *vma_alloc(void)
{
	struct vma *vma = kmalloc_wait(sizeof(*vma));

	if (!vma)
		return NULL;
	memset(vma, 0, sizeof(*vma));
	atomic_init(&vma->refs, 1);
	list_init(&vma->mapping_node);
	list_init(&vma->dead_node);
	return vma;
}

void vma_ref(struct vma *vma)
{
	atomic_fetch_add_explicit(&vma->refs, 1, memory_order_relaxed);
}

void vma_put(struct vma *vma)
{
	/* Each put releases what its owner did; the last acquires all of it before the memory goes. */
	if (atomic_fetch_sub_explicit(&vma->refs, 1, memory_order_acq_rel) > 1)
		return;
	assert(list_empty(&vma->mapping_node));
	if (vma->object)
		vma->object->ops->ref(vma->object, -1);
	kfree(vma);
}

void vmas_put(struct list_node *dead)
{
	struct list_node *node;

	while ((node = list_pop_front(dead)))
		vma_put(list_entry(node, struct vma, dead_node));
}

static void attach_locked(struct vma *vma)
{
	vma->generation = ++space.generation;
	tree_insert(&space.tree, &vma->node);
}

static void list_at_object_locked(struct vma *vma)
{
	if (vma->object)
		list_push_back(&vma->object->mappings, &vma->mapping_node);
}

void vma_insert(struct vma *vma)
{
	unsigned long flags = spin_lock(&space.lock);

	attach_locked(vma);
	list_at_object_locked(vma);
	spin_unlock(&space.lock, flags);
}

static void init_like_locked(struct vma *vma, const struct vma *model, vaddr_t at)
{
	vma->kind = model->kind;
	vma->object = model->object;
	vma->max_prot = model->max_prot;
	vma->noreserve = model->noreserve;
	vma->pgoff = vma_index(model, at);
	vma->prot = model->prot;
	vma->charged = model->charged;
	vma->locked = model->locked;
	vma->on_fault = model->on_fault;
	vma->ra = model->ra;
}

void vma_init_like(struct vma *vma, const struct vma *model, vaddr_t at, vaddr_t start, vaddr_t end)
{
	unsigned long flags;

	if (model->object)
		model->object->ops->ref(model->object, 1);
	flags = spin_lock(&space.lock);
	init_like_locked(vma, model, at);
	vma->node.key = start;
	vma->end = end;
	spin_unlock(&space.lock, flags);
}

void vma_split(struct vma *vma, vaddr_t at, struct vma *upper)
{
	unsigned long flags;

	assert(mutex_owned(&space.change) && vma_start(vma) < at && at < vma->end);
	if (vma->object)
		vma->object->ops->ref(vma->object, 1);
	flags = spin_lock(&space.lock);
	init_like_locked(upper, vma, at);
	upper->node.key = at;
	upper->end = vma->end;
	vma->end = at;
	vma->generation = ++space.generation;
	attach_locked(upper);
	list_at_object_locked(upper);
	spin_unlock(&space.lock, flags);
}

void vma_detach(struct vma *vma)
{
	unsigned long flags = spin_lock(&space.lock);

	tree_remove(&space.tree, &vma->node);
	spin_unlock(&space.lock, flags);
}

void vma_attach(struct vma *vma)
{
	unsigned long flags = spin_lock(&space.lock);

	attach_locked(vma);
	spin_unlock(&space.lock, flags);
}

void vma_list_at_object(struct vma *vma)
{
	unsigned long flags = spin_lock(&space.lock);

	list_at_object_locked(vma);
	spin_unlock(&space.lock, flags);
}

void vma_forget_object(struct vma *vma)
{
	unsigned long flags = spin_lock(&space.lock);

	list_remove(&vma->mapping_node);
	spin_unlock(&space.lock, flags);
}

static bool can_join(const struct vma *low, const struct vma *high)
{
	return low->end == vma_start(high) && low->kind == high->kind && low->object == high->object &&
	       low->max_prot == high->max_prot && low->noreserve == high->noreserve && low->prot == high->prot &&
	       low->charged == high->charged && low->locked == high->locked && low->on_fault == high->on_fault &&
	       low->ra.random == high->ra.random && (!low->object || low->pgoff + vma_pages(low) == high->pgoff);
}

void vma_merge(vaddr_t start, vaddr_t end, struct list_node *dead)
{
	struct vma *vma = vma_next_locked(start > 0 ? start - 1 : 0), *next;

	assert(mutex_owned(&space.change));
	while (vma && vma_start(vma) < end && (next = vma_following_locked(vma))) {
		unsigned long flags;

		if (!can_join(vma, next)) {
			vma = next;
			continue;
		}
		flags = spin_lock(&space.lock);
		tree_remove(&space.tree, &next->node);
		list_remove(&next->mapping_node);
		vma->end = next->end;
		spin_unlock(&space.lock, flags);
		list_push_back(dead, &next->dead_node);
	}
}
