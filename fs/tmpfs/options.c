// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* What mount(2) says about a tmpfs, in Linux's words. No lock; does not sleep. */
#include <errno.h>
#include <string.h>

#include "fs/tmpfs/node.h"

#define ROOT_MODE 01777

/* Digits from *text on, which moves behind them. */
static int digits(const char **text, unsigned base, uint64_t *out)
{
	const char *from = *text;

	*out = 0;
	for (; **text >= '0' && **text < (char)('0' + base); ++*text) {
		if (__builtin_mul_overflow(*out, (uint64_t)base, out) ||
		    __builtin_add_overflow(*out, (uint64_t)(**text - '0'), out))
			return -EINVAL;
	}
	return *text == from ? -EINVAL : 0;
}

/* With a unit: k, m, g, or % of `whole`, if that is not 0. */
static int amount(const char **text, uint64_t whole, uint64_t *out)
{
	static const char units[] = "kmg";
	const char *unit;
	int err = digits(text, 10, out);

	if (err || !**text)
		return err;
	if (**text == '%' && whole && *out <= 100) {
		*out = whole * *out / 100;
	} else {
		unit = strchr(units, **text | 0x20);
		if (!unit)
			return 0;
		if (__builtin_mul_overflow(*out, (uint64_t)1024 << 10 * (unit - units), out))
			return -EINVAL;
	}
	++*text;
	return 0;
}

/* The word is the option's: *text moves behind it. */
static bool is_option(const char **text, const char *name)
{
	const size_t len = strlen(name);

	if (strncmp(*text, name, len))
		return false;
	*text += len;
	return true;
}

/* 0 is as much as there is. */
static int option(const char **text, struct tmpfs_options *out)
{
	uint64_t value;
	int err;

	if (is_option(text, "size=")) {
		err = amount(text, (uint64_t)frame_total() * PAGE_SIZE, &value);
		value = value / PAGE_SIZE + (value % PAGE_SIZE != 0);
		out->pages = value ? value : frame_total();
	} else if (is_option(text, "nr_inodes=")) {
		err = amount(text, 0, &value);
		out->inodes = value && value < INT32_MAX ? (unsigned)value : INT32_MAX;
	} else if (is_option(text, "mode=")) {
		err = digits(text, 8, &value);
		out->mode = (mode_t)value;
		if (!err && value > 07777)
			err = -EINVAL;
	} else {
		err = -EINVAL;
	}
	return err;
}

int tmpfs_options_parse(const char *text, struct tmpfs_options *out)
{
	int err = 0;

	*out = (struct tmpfs_options){
	    .pages = frame_total() / 2, .inodes = (unsigned)(frame_total() / 2), .mode = ROOT_MODE};
	while (!err && text && *text) {
		err = option(&text, out);
		if (!err && *text && *text++ != ',')
			err = -EINVAL;
	}
	return err;
}
