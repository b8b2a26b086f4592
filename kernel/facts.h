// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* What start-up and drivers know of the machine, as lines of text for who reports on it (/proc/board). */
#pragma once

#include "lib/types.h"

#define FACT_SIZE 200 // of a line, with the NUL

struct facts {
	const char *name; // whose they are: "firmware", "mmcblk0"
	/* Line n, without the name; false: there are no more. May sleep. */
	bool (*line)(const struct facts *facts, unsigned n, char text[FACT_SIZE]);
	/* Chooses among what it can, in words of its own. 0, -EINVAL. NULL: there is nothing to choose. May sleep. */
	int (*set)(const struct facts *facts, const char *value);
	void *owner;	    // theirs
	struct facts *next; // facts.c's
};

/* They stay for ever. Any context. */
void facts_add(struct facts *facts);
/* In the order in which they were added; NULL is before the first and behind the last. Any context. */
struct facts *facts_next(const struct facts *after);
