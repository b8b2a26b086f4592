// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Application memory for kernel code that must not fault while it copies, because it holds a lock that the fault path
 * takes (an object's map_lock). user_pin faults the page in and pins its frame; the copy then goes through `kva`:
 *
 *	err = user_pin(src, n, &pin);	// may fault, may sleep: no map_lock held, no spinlock
 *	if (err)
 *		return err;
 *	rwlock_lock_read(&obj->map_lock);
 *	...					// memmove(page_va(page) + at, pin.kva, pin.len)
 *	rwlock_unlock_read(&obj->map_lock);
 *	user_unpin(&pin);			// no map_lock held
 *
 * Two pins may show the same frame. Kernel memory (stacks, heap, the image) is handed back as it is, all of it at once.
 */
#pragma once

#include "mm/pcache.h"

struct user_pin {
	void *kva;	   // where the bytes are; valid until user_unpin
	size_t len;	   // how many of those asked for: up to the end of the page
	struct page *page; // NULL: nothing is pinned
	struct vma *vma;   // that showed it; keeps its object alive
};

/* For reading. len > 0. 0, -EFAULT (not mapped, no right, I/O error behind it, no memory). Sleeps. */
int user_pin(const void *app, size_t len, struct user_pin *out);
/* Stores into these bytes, at most a page of them, may be stores into this pinned page of the cache. Any context. */
bool user_shows(const void *app, size_t len, const struct page *page);
void user_unpin(struct user_pin *pin);
