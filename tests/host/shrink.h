// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Making a run of numbered operations that fails shorter, by leaving operations out. */
#pragma once

#include "tests/exerciser/words.h"

struct shrink {
	unsigned long ops; // the last one is the one that fails
	struct word_span *drop;
	unsigned *drops, drops_max;
	bool (*fails)(void *arg); // does the run with what is in drop
	void *arg;
	unsigned runs; // at most
};

/* Leaves the shortest that was found in drop. */
void shrink(const struct shrink *s);
