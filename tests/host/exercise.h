// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Runs of the exerciser (tests/exerciser) inside a kernel, on a card of its own. After each e2fsck finds nothing, and
 * the file on the card is the model's. A run that fails is made shorter by leaving operations out, and reported with
 * what is left. CAIRN_EXERCISER holds the words of one run to repeat, as a report says.
 */
#pragma once

#include "tests/exerciser/exerciser.h"

/* Zero: the harness's defaults. */
struct exercise_machine {
	unsigned block, frames, cache, buffers; // block size; frames of RAM, pages of the cache, metadata buffers
	unsigned disk, preempt, harts;		// seeds of the disk's delays and of preemption
};

/* Fails the test unless all goes well. Of the configuration, drop_caches, data and replay are set here. */
void exercise_run(const struct exercise_machine *machine, const struct exerciser_config *config);

/* Fails unless the runs so far have carried out all kinds of operations that the last one could have. */
void exercise_check_kinds(void);

/* The run that CAIRN_EXERCISER describes; false: it is not set. */
bool exercise_repeat(void);
