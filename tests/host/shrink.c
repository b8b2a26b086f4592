// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#include "tests/host/shrink.h"

#include <stdlib.h>
#include <string.h>

#include "tests/host/harness.h"

/* What is dropped so that of the operations up to the last one only those kept remain; false: too many spans. */
static bool drop_others(const struct shrink *s, const unsigned long *kept, size_t n)
{
	unsigned long from = 1;

	*s->drops = 0;
	for (size_t i = 0; i <= n; i++) {
		const unsigned long at = i < n ? kept[i] : s->ops;

		if (at > from) {
			if (*s->drops == s->drops_max)
				return false;
			s->drop[(*s->drops)++] = (struct word_span){from, at - 1};
		}
		from = at + 1;
	}
	return true;
}

/* Leaves out a part after the other, of ever smaller size, as long as the run still fails. */
void shrink(const struct shrink *s)
{
	size_t n = s->ops - 1;
	unsigned long *kept = calloc(n + 1, sizeof(*kept)), *tried = calloc(n + 1, sizeof(*tried));
	unsigned runs = 0;

	assert_true(kept && tried);
	for (size_t i = 0; i < n; i++)
		kept[i] = i + 1;
	for (size_t part = (n + 1) / 2; part; part /= 2) {
		for (size_t at = 0; at < n && runs < s->runs;) {
			const size_t part_here = part < n - at ? part : n - at, left = n - part_here;

			memcpy(tried, kept, at * sizeof(*kept));
			memcpy(tried + at, kept + at + part_here, (n - at - part_here) * sizeof(*kept));
			if (drop_others(s, tried, left) && ++runs && s->fails(s->arg)) {
				memcpy(kept, tried, left * sizeof(*kept));
				n = left;
			} else {
				at += part_here;
			}
		}
	}
	(void)drop_others(s, kept, n); // as it was in a run before
	free(kept);
	free(tried);
}
