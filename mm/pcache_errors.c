// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What open files have been told of failed writes. An object counts them; an open file remembers up to which it was
 * told, beyond the life of its descriptors if mappings were made of it. No locks. Only pcache_errors_make sleeps.
 */

#include "mm/kmalloc.h"
#include "mm/pcache.h"
#include "mm/reclaim.h"

struct pcache_errors *pcache_errors_make(const struct pcache_object *obj)
{
	struct pcache_errors *errors = kmalloc_wait(sizeof(*errors));

	if (!errors)
		return NULL;
	atomic_init(&errors->seen, atomic_load(&obj->write_errseq));
	atomic_init(&errors->refs, 1);
	return errors;
}

void pcache_errors_ref(struct pcache_errors *errors)
{
	atomic_fetch_add_explicit(&errors->refs, 1, memory_order_relaxed);
}

void pcache_errors_put(struct pcache_errors *errors)
{
	/* The last acquires what the others released. */
	if (errors && atomic_fetch_sub_explicit(&errors->refs, 1, memory_order_acq_rel) == 1)
		kfree(errors);
}

int pcache_errors_take(struct pcache_object *obj, struct pcache_errors *errors)
{
	const unsigned now = atomic_load(&obj->write_errseq);
	unsigned seen = atomic_load(&errors->seen);

	do {
		if ((int)(now - seen) <= 0)
			return 0; // none, or another call has told of more
	} while (!atomic_compare_exchange_weak(&errors->seen, &seen, now));
	return atomic_load(&obj->write_errno);
}
