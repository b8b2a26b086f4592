// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * mremap. All of it is one hold of space.change. What is moved is out of the tree from before its first entry is taken
 * out until the last one is at its new place, so other threads' faults wait, and see it whole at one place or the
 * other. Everything that can fail comes before that: a call that fails has changed nothing. Sleeps.
 */

#include "mm/range.h"

#include <assert.h>
#include <errno.h>

#include "mm/pcache_internal.h"

/* A call under way. */
struct remap {
	vaddr_t from, at;	 // at: the place in the end
	size_t old_len, new_len; // whole pages
	size_t len;		 // the smaller: what of the old place is kept
	bool fixed, keep_old;
	struct vma *added;	 // for the new place, or for what is added in place
	struct spares spares[3]; // for cutting out: what is moved, what is behind it, the new place
	size_t charge, lock;	 // pages promised, and locked, for what is added
	size_t populate;	 // bytes at the end that are faulted in, since they are locked
	struct list_node dead;
};

static int request_check(const struct map_remap *req)
{
	const size_t old_len = align_up(req->old_len, PAGE_SIZE), new_len = align_up(req->new_len, PAGE_SIZE);

	if (req->old % PAGE_SIZE || old_len < req->old_len || new_len == 0)
		return -EINVAL;
	if ((req->fixed || req->keep_old) && !req->may_move)
		return -EINVAL;
	if (req->keep_old && old_len != new_len)
		return -EINVAL;
	if (!req->fixed)
		return 0;
	if (req->addr % PAGE_SIZE || req->addr < MMAP_MIN || req->addr > MMAP_MAX || new_len > MMAP_MAX - req->addr)
		return -EINVAL;
	return req->addr < req->old + old_len && req->old < req->addr + new_len ? -EINVAL : 0;
}

/* Whether `vma`, at from, can be as long as that. */
static int resize_check(const struct remap *r, const struct vma *vma)
{
	if (r->len == 0 && vma->kind != MAP_KIND_SHARED)
		return -EINVAL; // it would be a copy, not the same pages
	if (r->len > vma->end - r->from)
		return -EFAULT;
	if (vma->object && vma_index(vma, r->from) + r->new_len / PAGE_SIZE > INT64_MAX / PAGE_SIZE)
		return -EINVAL;
	return r->new_len > MMAP_MAX - MMAP_MIN ? -ENOMEM : 0;
}

/* What the new place, or the longer mapping, counts beyond what the old one does. */
static int charge(struct remap *r, const struct vma *vma)
{
	const size_t more = (r->new_len - r->len) / PAGE_SIZE;

	r->lock = vma->locked ? more : 0;
	if (r->lock && commit_lock(r->lock, "mremap"))
		return -EAGAIN;
	r->charge = vma->charged ? more + (r->keep_old ? r->len / PAGE_SIZE : 0) : 0;
	if (!r->charge || !commit_charge(r->charge, "mremap"))
		return 0;
	commit_unlock(r->lock);
	return -ENOMEM;
}

static void uncharge(const struct remap *r)
{
	commit_unlock(r->lock);
	commit_release(r->charge);
}

/* A mapping of its own, beside the old one, which it is joined with. */
static void grow(struct remap *r, const struct vma *vma)
{
	vma_init_like(r->added, vma, vma->end, vma->end, r->from + r->new_len);
	vma_insert(r->added);
	r->added = NULL; // the tree's
	vma_merge(r->from, r->from + r->new_len, &r->dead);
	r->at = r->from;
}

/* The old mapping, out of the tree and empty: what it counted is the new one's now, but for what it keeps. */
static void leave_old(struct remap *r, struct vma *vma)
{
	unsigned long flags = spin_lock(&space.lock);

	vma->locked = vma->on_fault = false;
	vma->charged = vma->charged && r->keep_old;
	spin_unlock(&space.lock, flags);
	if (r->keep_old) {
		vma_attach(vma);
		vma_merge(r->from, r->from + r->len, &r->dead);
	} else {
		range_vma_dead(vma, &r->dead);
		tables_prune(r->from, r->from + r->len);
	}
}

/* Takes what is moved out of the tree. *vma: the mapping that is just that, or NULL if nothing is moved. */
static int take_out(struct remap *r, struct vma **vma)
{
	int err;

	*vma = NULL;
	if (r->len == 0)
		return 0;
	range_isolate(r->from, r->from + r->len, &r->spares[0]);
	*vma = vma_find_locked(r->from);
	vma_detach(*vma);
	err = entries_move_prepare(r->from, r->from + r->len, r->at);
	if (!err)
		return 0;
	vma_attach(*vma);
	vma_merge(r->from, r->from + r->len, &r->dead);
	return err;
}

static void cut_tail(struct remap *r)
{
	range_remove(r->from + r->len, r->from + r->old_len, &r->spares[1], &r->dead);
}

static int move(struct remap *r, struct vma *vma)
{
	struct vma *added = r->added;
	int err;

	vma_init_like(added, vma, r->from, r->at, r->at + r->new_len);
	err = take_out(r, &vma);
	if (err)
		return err;
	if (r->len < r->old_len)
		cut_tail(r);
	if (r->fixed)
		range_remove(r->at, r->at + r->new_len, &r->spares[2], &r->dead);
	vma_list_at_object(added); // now, and not before what was there has gone: it has no entry of another's
	if (vma)
		entries_move(r->from, r->from + r->len, r->at, prot_rights(added->prot));
	vma_attach(added);
	r->added = NULL; // the tree's
	if (vma)
		leave_old(r, vma);
	vma_merge(r->at, r->at + r->new_len, &r->dead);
	return 0;
}

static int remap_locked(struct remap *r, const struct map_remap *req)
{
	struct vma *vma = vma_find_locked(r->from);
	const bool stays = !r->fixed && !r->keep_old;
	bool grows;
	int err;

	if (!vma)
		return -EFAULT;
	if (r->len < r->old_len && r->old_len > MMAP_MAX - r->from)
		return -EINVAL;
	if (stays && r->new_len <= r->old_len) {
		if (r->len < r->old_len)
			cut_tail(r);
		r->at = r->from;
		return 0;
	}
	err = resize_check(r, vma);
	if (err)
		return err;
	grows = stays && vma->end == r->from + r->len && r->new_len <= MMAP_MAX - r->from &&
		range_is_free(vma->end, r->new_len - r->len);
	if (!grows && !req->may_move)
		return -ENOMEM;
	err = charge(r, vma);
	if (err)
		return err;
	if (vma->locked)
		r->populate = grows ? r->new_len - r->len : r->new_len;
	if (grows) {
		grow(r, vma);
		return 0;
	}
	r->at = r->fixed ? req->addr : vma_gap_locked(r->new_len, MAP_AREA_BASE, MMAP_MAX);
	err = r->at ? move(r, vma) : -ENOMEM;
	if (err)
		uncharge(r);
	return err;
}

static int remap_alloc(struct remap *r)
{
	r->added = vma_alloc();
	if (!r->added)
		return -ENOMEM;
	for (size_t i = 0; i < array_size(r->spares); i++) {
		if (spares_take(&r->spares[i]))
			return -ENOMEM;
	}
	return 0;
}

static void remap_free(struct remap *r)
{
	for (size_t i = 0; i < array_size(r->spares); i++)
		spares_give(&r->spares[i]);
	if (r->added)
		vma_put(r->added);
	vmas_put(&r->dead);
}

int map_remap(const struct map_remap *req, vaddr_t *out)
{
	struct remap r = {
	    .from = req->old,
	    .old_len = align_up(req->old_len, PAGE_SIZE),
	    .new_len = align_up(req->new_len, PAGE_SIZE),
	    .fixed = req->fixed,
	    .keep_old = req->keep_old,
	    .dead = LIST_INIT(r.dead),
	};
	int err = request_check(req);

	r.len = min_of(r.old_len, r.new_len);
	if (!err)
		err = remap_alloc(&r);
	if (!err) {
		mutex_lock(&space.change);
		err = remap_locked(&r, req);
		mutex_unlock(&space.change);
	}
	remap_free(&r);
	if (err)
		return err;
	if (r.populate)
		(void)populate(r.at + r.new_len - r.populate, r.at + r.new_len,
			       POPULATE_LOCK); // what is not there now is faulted in later
	*out = r.at;
	return 0;
}
