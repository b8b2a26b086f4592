// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* How users find their clocks and reset lines: a provider that notes what it is asked, and a tree with mistakes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "drivers/clk/clk.h"
#include "tests/host/dts.h"

static struct dts tree;
static struct device user;
static uint64_t rates[8];
static uint32_t enabled, reset_id;
static bool reset_level;

static int note_rate(struct clk_provider *provider, uint32_t id, uint64_t *hz)
{
	(void)provider;
	if (id >= array_size(rates))
		return -EINVAL;
	*hz = rates[id];
	return 0;
}

static int note_set_rate(struct clk_provider *provider, uint32_t id, uint64_t hz)
{
	(void)provider;
	assert_true(id < array_size(rates));
	rates[id] = hz;
	return 0;
}

static int note_enable(struct clk_provider *provider, uint32_t id)
{
	(void)provider;
	enabled |= 1u << id;
	return 0;
}

static int note_reset(struct clk_provider *provider, uint32_t id, bool asserted)
{
	(void)provider;
	reset_id = id;
	reset_level = asserted;
	return 0;
}

static const struct clk_ops note_ops = {
    .rate = note_rate, .set_rate = note_set_rate, .enable = note_enable, .reset = note_reset};
static struct clk_provider note = {.name = "note", .fdt = &tree.fdt, .ops = &note_ops};

static int load(void **state)
{
	(void)state;
	if (dts_load(&tree, "clk.dts"))
		return -1;
	note.node = fdt_by_path(&tree.fdt, "/crg");
	clk_provider_add(&note);
	user = (struct device){.fdt = &tree.fdt, .node = fdt_by_path(&tree.fdt, "/user"), .name = "user"};
	return 0;
}

static void test_clocks_by_name(void **state)
{
	struct clk clk;
	uint64_t hz;

	(void)state;
	rates[5] = 198000000;
	assert_int_equal(clk_get(&user, NULL, &clk), 0);
	assert_int_equal(clk_rate(&clk, &hz), 0);
	assert_int_equal(hz, 198000000);
	assert_int_equal(clk_enable(&clk), 0);
	assert_int_equal(enabled, 1 << 5);
	assert_int_equal(clk_get(&user, "biu", &clk), 0);
	assert_ptr_equal(clk.provider, &note);
	assert_int_equal(clk.id, 5);
	assert_int_equal(clk_set_rate(&clk, 7), 0);
	assert_int_equal(rates[5], 7);
}

static void test_oscillator(void **state)
{
	struct clk clk;
	uint64_t hz;

	(void)state;
	assert_int_equal(clk_get(&user, "ciu", &clk), 0);
	assert_int_equal(clk_rate(&clk, &hz), 0);
	assert_int_equal(hz, 24000000);
	assert_int_equal(clk_enable(&clk), 0);
	assert_int_equal(clk_set_rate(&clk, 1), -EOPNOTSUPP);
	assert_int_equal(reset_assert(&clk), -EOPNOTSUPP);
}

static void test_mistakes(void **state)
{
	struct device osc = {.fdt = &tree.fdt, .node = fdt_by_path(&tree.fdt, "/oscillator"), .name = "osc"};
	struct clk clk;

	(void)state;
	assert_int_equal(clk_get(&user, "silent", &clk), -EINVAL); // an oscillator that states no rate
	assert_int_equal(clk_get(&user, "wide", &clk), -EINVAL);
	assert_int_equal(clk_get(&user, "nobody", &clk), -ENODEV);
	assert_int_equal(clk_get(&user, "beyond", &clk), -ENOENT);
	assert_int_equal(clk_get(&user, "none", &clk), -ENOENT);
	assert_int_equal(clk_get(&osc, NULL, &clk), -ENOENT);
	assert_int_equal(reset_get(&osc, 0, &clk), -ENOENT);
}

static void test_reset_lines(void **state)
{
	struct clk line;

	(void)state;
	assert_int_equal(reset_get(&user, 0, &line), 0);
	assert_int_equal(reset_assert(&line), 0);
	assert_int_equal(reset_id, 64);
	assert_true(reset_level);
	assert_int_equal(reset_deassert(&line), 0);
	assert_false(reset_level);
}

static void test_assigned_rates(void **state)
{
	(void)state;
	rates[5] = rates[6] = rates[7] = 1;
	assert_int_equal(clk_set_assigned(&user), -EOPNOTSUPP); // the oscillator's; the others are set
	assert_int_equal(rates[5], 50000000);
	assert_int_equal(rates[6], 1);
	assert_int_equal(rates[7], 400000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_clocks_by_name), cmocka_unit_test(test_oscillator),
	    cmocka_unit_test(test_mistakes),	   cmocka_unit_test(test_reset_lines),
	    cmocka_unit_test(test_assigned_rates),
	};

	return cmocka_run_group_tests(tests, load, NULL);
}
