// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Entries of the address space that were removed or narrowed, until no hart uses them any more. Changes gather in the
 * caller's batch under space.lock; the shootdown comes once no spinlock is held. What a batch has not shot down yet,
 * others must know of, for they see the entry as it is now, and not who may still use it as it was: whoever relies on
 * an entry being gone or narrow, without having changed it, joins.
 */
#pragma once

#include "arch/pt.h"

/* The entry at va was changed. space.lock held. */
void shootdown_add_locked(struct pt_batch *batch, vaddr_t va);
/* The batch covers all that others have changed and not shot down. space.lock held. */
void shootdown_join_locked(struct pt_batch *batch);
/* How often an entry at va, or at one of few others, was changed so: it was not if the number is the same. space.lock
 * held.
 */
unsigned shootdown_changes_locked(vaddr_t va);
/* No hart uses an entry as it was when this returns; the batch is empty again. No spinlock held. */
void shootdown(struct pt_batch *batch);
