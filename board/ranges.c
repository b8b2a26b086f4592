// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Lists of ranges of physical memory. Pure computation, no lock. */

#include <errno.h>

#include "board/memory.h"

int ranges_add(struct range_list *list, paddr_t start, paddr_t end)
{
	start = align_up(start, PAGE_SIZE);
	end = align_down(end, PAGE_SIZE);
	if (start >= end)
		return 0;
	if (list->count == RANGES_MAX)
		return -E2BIG;
	list->range[list->count++] = (struct mem_range){start, end};
	return 0;
}

int ranges_remove(struct range_list *list, paddr_t start, paddr_t end)
{
	start = align_down(start, PAGE_SIZE);
	end = end > UINT64_MAX - PAGE_SIZE ? align_down(UINT64_MAX, PAGE_SIZE) : align_up(end, PAGE_SIZE);
	for (size_t i = list->count; i-- > 0;) {
		struct mem_range *r = &list->range[i];
		struct mem_range whole = *r;

		if (start >= whole.end || end <= whole.start)
			continue;
		if (start > whole.start && end < whole.end) {
			r->end = start;
			if (ranges_add(list, end, whole.end))
				return -E2BIG;
		} else if (start > whole.start) {
			r->end = start;
		} else if (end < whole.end) {
			r->start = end;
		} else {
			*r = list->range[--list->count];
		}
	}
	return 0;
}
