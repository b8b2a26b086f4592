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

/* ---- places ---- */
/* How far up another mapping may come below this one. */
static vaddr_t room_end(const struct vma *vma)
{
	const size_t grown = min_of(vma->end - vma_start(vma), MAP_GROW_MAX);
	const size_t keep = vma->grows_down ? MAP_GROW_MAX - grown + GROW_GUARD : 0;

	return vma_start(vma) - MMAP_MIN > keep ? vma_start(vma) - keep : MMAP_MIN;
}

static void room_update_locked(struct vma *vma)
{
	const struct vma *below = vma_of(tree_prev(&vma->node));
	const vaddr_t begin = below ? below->end : MMAP_MIN;

	tree_value_set(&vma->node, room_end(vma) > begin ? room_end(vma) - begin : 0);
}

/* Where it ends, or what is below it, has changed. */
static void extent_changed_locked(struct vma *vma)
{
	struct vma *above = vma_following_locked(vma);

	room_update_locked(vma);
	if (above)
		room_update_locked(above);
	if (vma->shows_object)
		tree_value_set(&vma->mapping_node, vma_index(vma, vma->end - 1));
}

void vma_resize_locked(struct vma *vma, vaddr_t start, vaddr_t end)
{
	assert(start < end && start >= MMAP_MIN && end <= MMAP_MAX);
	vma->node.key = start;
	vma->end = end;
	extent_changed_locked(vma);
}

vaddr_t vma_gap_locked(size_t len, vaddr_t from, vaddr_t to)
{
	struct vma *vma = vma_next_locked(from);
	vaddr_t at = from;

	if (vma && (vma_start(vma) < from || room_end(vma) < from || room_end(vma) - from < len)) {
		vma = vma_of(tree_next_reaching(&vma->node, len));
		at = vma_of(vma ? tree_prev(&vma->node) : tree_floor(&space.tree, MMAP_MAX))->end;
	}
	return at < to && to - at >= len ? at : 0;
}

/* ---- by page ---- */
/* The first, from `node` on, of nodes that all end behind what is looked for. */
static struct vma *showing(struct tree_node *node, pgidx_t last)
{
	return node && node->key <= last ? tree_entry(node, struct vma, mapping_node) : NULL;
}

struct vma *vma_first_showing_locked(const struct pcache_object *obj, pgidx_t first, pgidx_t last)
{
	return showing(tree_first_reaching(&obj->mappings, first), last);
}

struct vma *vma_next_showing_locked(const struct vma *vma, pgidx_t first, pgidx_t last)
{
	return showing(tree_next_reaching(&vma->mapping_node, first), last);
}

/* ---- lives ---- */
struct vma *vma_alloc(void)
{
	struct vma *vma = kmalloc_wait(sizeof(*vma));

	if (!vma)
		return NULL;
	memset(vma, 0, sizeof(*vma));
	atomic_init(&vma->refs, 1);
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
	assert(!vma->shows_object);
	if (vma->object)
		vma->object->ops->ref(vma->object, -1);
	pcache_errors_put(vma->errors);
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
	extent_changed_locked(vma);
}

static void list_at_object_locked(struct vma *vma)
{
	if (!vma->object)
		return;
	vma->mapping_node.key = vma->pgoff;
	tree_insert(&vma->object->mappings, &vma->mapping_node);
	tree_value_set(&vma->mapping_node, vma_index(vma, vma->end - 1));
	vma->shows_object = true;
}

static void unlink_locked(struct vma *vma)
{
	struct vma *above = vma_following_locked(vma);

	tree_remove(&space.tree, &vma->node);
	vma->generation = ++space.generation;
	if (above)
		room_update_locked(above);
}

static void forget_object_locked(struct vma *vma)
{
	if (vma->shows_object)
		tree_remove(&vma->object->mappings, &vma->mapping_node);
	vma->shows_object = false;
}

void vma_insert(struct vma *vma)
{
	unsigned long flags = spin_lock(&space.lock);

	attach_locked(vma);
	list_at_object_locked(vma);
	spin_unlock(&space.lock, flags);
}

/* For another mapping of the same. */
static void file_ref(const struct vma *vma)
{
	if (vma->object)
		vma->object->ops->ref(vma->object, 1);
	if (vma->errors)
		pcache_errors_ref(vma->errors);
}

static void init_like_locked(struct vma *vma, const struct vma *model, vaddr_t at)
{
	vma->kind = model->kind;
	vma->object = model->object;
	vma->errors = model->errors;
	vma->max_prot = model->max_prot;
	vma->noreserve = model->noreserve;
	vma->grows_down = model->grows_down;
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

	file_ref(model);
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
	file_ref(vma);
	flags = spin_lock(&space.lock);
	init_like_locked(upper, vma, at);
	upper->node.key = at;
	upper->end = vma->end;
	vma_resize_locked(vma, vma_start(vma), at);
	vma->generation = ++space.generation;
	attach_locked(upper);
	list_at_object_locked(upper);
	spin_unlock(&space.lock, flags);
}

void vma_detach(struct vma *vma)
{
	unsigned long flags = spin_lock(&space.lock);

	unlink_locked(vma);
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

	forget_object_locked(vma);
	spin_unlock(&space.lock, flags);
}

static bool can_join(const struct vma *low, const struct vma *high)
{
	return low->end == vma_start(high) && low->kind == high->kind && low->object == high->object &&
	       low->errors == high->errors && low->max_prot == high->max_prot && low->noreserve == high->noreserve &&
	       low->grows_down == high->grows_down && low->prot == high->prot && low->charged == high->charged &&
	       low->locked == high->locked && low->on_fault == high->on_fault && low->ra.random == high->ra.random &&
	       low->ra.sequential == high->ra.sequential &&
	       (!low->object || low->pgoff + vma_pages(low) == high->pgoff);
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
		unlink_locked(next);
		forget_object_locked(next);
		vma_resize_locked(vma, vma_start(vma), next->end);
		spin_unlock(&space.lock, flags);
		list_push_back(dead, &next->dead_node);
	}
}
