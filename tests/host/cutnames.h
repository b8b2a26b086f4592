// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Work for power cuts: links of both kinds, names that change places, attributes, in /links. A round makes all of it
 * anew; what a cut leaves is that of the round that was acknowledged, of the next one, or on the way from one to the
 * other.
 */
#pragma once

/* Inside a run; not durable before a sync. */
void cutnames_round(unsigned round);
/* Inside a run on what a cut left, after `round` was acknowledged. */
void cutnames_check(unsigned round);
