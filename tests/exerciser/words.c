// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Nothing here has a state, and nothing sleeps. */
#include "words.h"

#include <stdlib.h>
#include <string.h>

bool word_number(const char *word, const char *name, unsigned long *value)
{
	size_t len = strlen(name);
	char *end;

	if (strncmp(word, name, len) != 0 || word[len] != '=')
		return false;
	*value = strtoul(word + len + 1, &end, 0);
	return end != word + len + 1 && !*end;
}

bool word_spans(const char *text, struct word_span *spans, unsigned *count, unsigned max)
{
	while (*text) {
		struct word_span span;
		char *end;

		span.first = span.last = strtoul(text, &end, 0);
		if (*end == '-')
			span.last = strtoul(end + 1, &end, 0);
		if ((*end && *end != ',') || *count == max)
			return false;
		spans[(*count)++] = span;
		text = *end ? end + 1 : end;
	}
	return true;
}

static bool kind_named(const char *name, size_t len, const char *(*name_of)(size_t i), size_t count, uint64_t *set)
{
	for (size_t i = 0; i < count; i++) {
		if (strlen(name_of(i)) == len && strncmp(name_of(i), name, len) == 0) {
			*set |= 1ul << i;
			return true;
		}
	}
	return false;
}

bool word_kinds(const char *names, const char *(*name_of)(size_t i), size_t count, uint64_t *set)
{
	bool known = *names;

	*set = 0;
	while (known && *names) {
		size_t len = strcspn(names, ",");

		known = kind_named(names, len, name_of, count, set);
		names += len + (names[len] == ',');
	}
	return known;
}

bool word_in_spans(unsigned long number, const struct word_span *spans, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (number >= spans[i].first && number <= spans[i].last)
			return true;
	return false;
}
