// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The device-tree reader and libfdt on copies of the boards' trees that were changed by a seeded generator: tokens,
 * lengths, offsets and names as they could stand there, pieces in the place of others, edits by libfdt, noise. What one
 * takes for a tree the other takes for one, and both see the same in it. A case is repeated by its number alone:
 * CAIRN_FDT_CASE=NUMBER.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <libfdt.h>
#include <sanitizer/common_interface_defs.h>

#include "lib/types.h"
#include "tests/host/dts.h"
#include "tests/host/fdtcase.h"

#define TOKENS_MAX 16384
#define CHANGES_MAX 3
#define LEAST 500 // cases, however slow the machine

static const char *const sources[] = {
    "virt.dts", "sifive_u.dts", "../../board/icicle/icicle.dts", "../../board/visionfive2/visionfive2.dts",
    "odd.dts",	"clk.dts"};

static struct base {
	struct dts dts;
	uint32_t token[TOKENS_MAX]; // their offsets in the blob
	unsigned tokens;
} bases[array_size(sources)];

static uint64_t state_of_case, case_number;

/* Of the case alone (splitmix64). */
static uint32_t draw(uint32_t below)
{
	uint64_t z = state_of_case += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (uint32_t)((z ^ z >> 31) >> 32) % below;
}

static int load_all(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(sources); i++) {
		struct base *base = &bases[i];
		int offset = 0, next;
		uint32_t tag;

		if (dts_load(&base->dts, sources[i]))
			return -1;
		do {
			if (base->tokens == TOKENS_MAX)
				return -1;
			tag = fdt_next_tag(base->dts.blob, offset, &next);
			base->token[base->tokens++] = fdt_off_dt_struct(base->dts.blob) + (uint32_t)offset;
			offset = next;
		} while (tag != FDT_END);
	}
	return 0;
}

/* ---- changes ---- */

static void put32(uint8_t *p, uint32_t value)
{
	value = cpu_to_fdt32(value);
	memcpy(p, &value, sizeof(value));
}

/* A number that may stand where one of this kind did. */
static uint32_t number_near(uint32_t old, uint32_t size)
{
	const uint32_t ends[] = {0, 1, 3, size, size - 1, size + 1, INT32_MAX, UINT32_MAX, UINT32_MAX - 3};

	switch (draw(3)) {
	case 0:
		return old + draw(17) - 8;
	case 1:
		return ends[draw(array_size(ends))];
	default:
		return draw(size);
	}
}

static void change_number(uint8_t *p, uint32_t size)
{
	put32(p, number_near(fdt32_ld((const fdt32_t *)p), size));
}

static void change_token(uint8_t *at)
{
	static const uint32_t tokens[] = {FDT_BEGIN_NODE, FDT_END_NODE, FDT_PROP, FDT_NOP, FDT_END, 5};

	put32(at, tokens[draw(array_size(tokens))]);
}

static void change_property(uint8_t *at, const struct base *base)
{
	if (draw(2))
		change_number(at + 4, 64);
	else
		change_number(at + 8, fdt_size_dt_strings(base->dts.blob));
}

static void change_name(uint8_t *p)
{
	static const char letters[] = "/@,ab\0:0";

	p[draw(12)] = (uint8_t)letters[draw(sizeof(letters))];
}

/* A token and what is with it. */
static void change_structure(uint8_t *blob, const struct base *base)
{
	uint8_t *at = blob + base->token[draw(base->tokens - 1)];

	if (draw(4) == 0)
		change_token(at);
	else if (fdt32_ld((const fdt32_t *)at) == FDT_PROP && draw(3))
		change_property(at, base);
	else
		change_name(at + 4);
}

/* The bytes from one token to another go where a third is. */
static void move_piece(uint8_t *blob, const struct base *base)
{
	const unsigned from = draw(base->tokens), to = draw(base->tokens), end = from + 1 + draw(16);
	const uint32_t len = base->token[min_of(end, base->tokens - 1)] - base->token[from];

	memmove(blob + base->token[to], blob + base->token[from],
		min_of(len, (uint32_t)base->dts.size - base->token[to]));
}

/* One that leaves a tree, if it still is one. */
static void edit(uint8_t *blob, uint32_t room)
{
	int node, prop;

	if (!fdtcase_libfdt_reads(blob, room) || fdt_size_dt_struct(blob) == 0)
		return;
	node = fdt_next_node(blob, (int)draw(fdt_size_dt_struct(blob)) & ~3, NULL);
	if (node < 0)
		return;
	prop = fdt_first_property_offset(blob, node);
	switch (draw(5)) {
	case 0:
		(void)fdt_nop_node(blob, node);
		break;
	case 1:
		(void)fdt_del_node(blob, node);
		break;
	case 2:
		(void)fdt_open_into(blob, blob, (int)room);
		(void)fdt_add_subnode(blob, node, draw(2) ? "serial@10000000" : "memory");
		break;
	case 3:
		(void)fdt_open_into(blob, blob, (int)room);
		(void)fdt_setprop_u32(blob, node, draw(2) ? "phandle" : "reg", draw(16));
		break;
	default:
		if (prop >= 0) {
			const char *name =
			    fdt_string(blob, (int)fdt32_ld((fdt32_t *)(blob + fdt_off_dt_struct(blob) + prop + 8)));

			(void)fdt_nop_property(blob, node, name);
		}
	}
}

static void change(uint8_t *blob, const struct base *base)
{
	switch (draw(8)) {
	case 0:
		change_number(blob + 4 * draw(10), (uint32_t)base->dts.size);
		break;
	case 1:
		blob[draw((uint32_t)base->dts.size)] = (uint8_t)draw(256);
		break;
	case 2:
		move_piece(blob, base);
		break;
	case 3:
	case 4:
		edit(blob, DTS_BLOB_MAX);
		break;
	default:
		change_structure(blob, base);
	}
}

/* ---- cases ---- */

static enum fdtcase_answer run_case(uint64_t number)
{
	static uint8_t blob[DTS_BLOB_MAX];
	const struct base *base = &bases[number % array_size(bases)];
	enum fdtcase_answer answer;
	const char *what;
	size_t size;

	state_of_case = case_number = number;
	memset(blob, 0, sizeof(blob));
	memcpy(blob, base->dts.blob, base->dts.size);
	for (unsigned n = 1 + draw(CHANGES_MAX); n > 0; n--)
		change(blob, base);
	size = fdt_totalsize(blob);
	size = size < 40 || size > sizeof(blob) || draw(16) == 0 ? base->dts.size : size;
	answer = fdtcase_compare(blob, size, number % 8 == 0, &what);
	if (answer == FDTCASE_DIFFERENT)
		fail_msg("CAIRN_FDT_CASE=%llu (%s): %s", (unsigned long long)number,
			 sources[number % array_size(bases)], what);
	return answer;
}

static void test_unchanged(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(bases); i++) {
		const char *what;

		assert_int_equal(fdtcase_compare(bases[i].dts.blob, bases[i].dts.size, true, &what), FDTCASE_READ);
		assert_true(bases[i].tokens > 20);
	}
}

/* For an end by a signal or a sanitizer, too. */
static void tell_case(void)
{
	print_message("the last case was CAIRN_FDT_CASE=%llu\n", (unsigned long long)case_number);
}

static time_t seconds(void)
{
	const char *effort = getenv("CAIRN_TEST_EFFORT");

	if (effort && !strcmp(effort, "long"))
		return 600;
	return effort && !strcmp(effort, "quick") ? 3 : 20;
}

static void test_changed(void **state)
{
	const char *only = getenv("CAIRN_FDT_CASE");
	const time_t end = time(NULL) + seconds();
	uint64_t count[FDTCASE_DIFFERENT] = {0}, number = 0;

	(void)state;
	if (only) {
		(void)run_case(strtoull(only, NULL, 10));
		return;
	}
	for (; number < LEAST || time(NULL) < end; number++)
		count[run_case(number)]++;
	print_message("%llu trees: %llu read by both, %llu refused by both, %llu refused by us alone\n",
		      (unsigned long long)number, (unsigned long long)count[FDTCASE_READ],
		      (unsigned long long)count[FDTCASE_REFUSED], (unsigned long long)count[FDTCASE_REFUSED_BY_US]);
	for (size_t i = 0; i < array_size(count); i++)
		assert_true(count[i] > number / 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_unchanged), cmocka_unit_test(test_changed)};

	if (atexit(tell_case))
		return 1;
	__sanitizer_set_death_callback(tell_case);
	return cmocka_run_group_tests(tests, load_all, NULL);
}
