// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * /dev/watchdog on a model of the JH7110's registers, whose counter runs in the harness's time: it is armed by opening,
 * started anew by writing, and resets the board in time if nobody writes, and never otherwise.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <linux/watchdog.h>

#include "arch/clock.h"
#include "drivers/clk/clk.h"
#include "drivers/watchdog/watchdog.h"
#include "fs/dev.h"
#include "fs/fs.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "tests/host/dts.h"
#include "tests/host/harness.h"
#include "tests/host/image.h"
#include "tests/host/simio.h"
#include "tests/host/stack.h"

extern const struct driver jh7110_crg_driver, jh7110_watchdog_driver;

#define HZ 24000000ull
enum { LOAD = 0, VALUE = 4, CONTROL = 8, CLEAR = 0xc, STATUS = 0x14, LOCK = 0xc00 };

static struct dts tree;
static struct {
	struct sim_window crg, wdt;
	uint32_t gates[2], asserted, load, control;
	bool unlocked;
	nsec_t since; // when the counter was loaded
	unsigned touched;
} hw;

/* ---- the models ---- */

static uint32_t crg_read(struct sim_window *window, size_t off, unsigned width)
{
	(void)window;
	(void)width;
	if (off == 4 * 122 || off == 4 * 123)
		return hw.gates[off / 4 - 122];
	if (off == 0x2f8 + 12)
		return hw.asserted;
	return off == 0x308 + 12 ? ~hw.asserted : 1; // dividers are one, parents the second
}

static void crg_write(struct sim_window *window, size_t off, uint32_t value, unsigned width)
{
	(void)window;
	(void)width;
	if (off == 4 * 122 || off == 4 * 123)
		hw.gates[off / 4 - 122] = value;
	if (off == 0x2f8 + 12)
		hw.asserted = value;
}

/* Ticks since the counter was loaded, of 24 MHz. */
static uint64_t ticks(void)
{
	return hw.control & 1 ? (clock_now() - hw.since) * HZ / NSEC_PER_SEC : 0;
}

static bool board_is_reset(void)
{
	return (hw.control & 3) == 3 && ticks() >= 2 * (uint64_t)hw.load;
}

static void touch(void)
{
	assert_true(hw.gates[0] >> 31 && hw.gates[1] >> 31); // else the bus hangs
	assert_int_equal(hw.asserted & (1u << 13 | 1u << 14), 0);
	assert_false(board_is_reset());
	hw.touched++;
}

static uint32_t wdt_read(struct sim_window *window, size_t off, unsigned width)
{
	(void)window;
	assert_int_equal(width, 4);
	touch();
	switch (off) {
	case VALUE:
		return hw.load ? hw.load - (uint32_t)(ticks() % hw.load) : 0;
	case CONTROL:
		return hw.control;
	case STATUS:
		return ticks() >= hw.load;
	default:
		fail_msg("register %zx is read", off);
		return 0;
	}
}

static void wdt_write(struct sim_window *window, size_t off, uint32_t value, unsigned width)
{
	(void)window;
	assert_int_equal(width, 4);
	touch();
	if (off == LOCK) {
		hw.unlocked = value == 0x1acce551;
		return;
	}
	assert_true(hw.unlocked);
	if (off == LOAD)
		hw.load = value;
	else if (off == CONTROL)
		hw.control = value;
	else
		assert_int_equal(off, CLEAR);
	hw.since = clock_now();
}

/* ---- ---- */

static int probe(const struct driver *driver, const char *path)
{
	const struct device device = dts_device(&tree, path);

	return driver->probe(&device);
}

static void start(void)
{
	memset(&hw, 0, sizeof(hw));
	hw.asserted = 1u << 13 | 1u << 14;
	hw.crg = (struct sim_window){.pa = 0x13020000, .len = 0x11000, .read = crg_read, .write = crg_write};
	hw.wdt = (struct sim_window){.pa = 0x13070000, .len = 0x10000, .read = wdt_read, .write = wdt_write};
	sim_io_clear();
	sim_window_add(&hw.crg);
	sim_window_add(&hw.wdt);
	assert_null(watchdog_chardev());
	assert_int_equal(probe(&jh7110_crg_driver, "/clock-controller@13020000"), 0);
	assert_int_equal(probe(&jh7110_watchdog_driver, "/watchdog@13070000"), 0);
	assert_int_equal(hw.touched, 0); // before it is opened
	harness_start();
	assert_int_equal(fs_add_chardev(watchdog_chardev()), 0);
}

static void pass(unsigned seconds)
{
	thread_sleep_until(clock_now() + seconds * NSEC_PER_SEC);
}

static int ask(int fd, unsigned long request, int value)
{
	const int err = fs_ioctl(fd, request, &value);

	return err ? err : value;
}

static void body(void *arg)
{
	int fd;

	(void)arg;
	start();
	fd = stack_open("/dev/watchdog", O_WRONLY);
	assert_int_equal(fs_open(AT_FDCWD, "/dev/watchdog", O_WRONLY, 0), -EBUSY);
	assert_int_equal(ask(fd, WDIOC_GETTIMEOUT, 0), 60);
	pass(59);
	assert_int_equal(ask(fd, WDIOC_GETTIMELEFT, 0), 1);
	assert_int_equal(fs_write(fd, "x", 1), 1);
	pass(20);
	assert_int_equal(ask(fd, WDIOC_GETTIMELEFT, 0), 40);
	pass(39);
	assert_int_equal(ask(fd, WDIOC_KEEPALIVE, 0), 0);
	assert_int_equal(ask(fd, WDIOC_SETTIMEOUT, 0), -EINVAL);
	assert_int_equal(ask(fd, WDIOC_SETTIMEOUT, 358), -EINVAL);
	assert_int_equal(ask(fd, WDIOC_SETTIMEOUT, 357), 357);
	pass(356);
	assert_int_equal(ask(fd, WDIOC_SETTIMEOUT, 3), 3);
	assert_int_equal(ask(fd, 0x12345, 0), -ENOTTY);
	/* The 'V' counts if it was in the last write. */
	assert_int_equal(fs_write(fd, "V", 1), 1);
	assert_int_equal(fs_write(fd, "pet", 3), 3);
	assert_int_equal(fs_write(fd, "V\n", 2), 2);
	assert_int_equal(fs_close(fd), 0);
	pass(1000);
	assert_false(board_is_reset());
	assert_int_equal(hw.control, 0);
	/* Without it, it goes on. */
	fd = stack_open("/dev/watchdog", O_RDWR);
	assert_int_equal(fs_read(fd, &fd, 1), -EINVAL);
	assert_int_equal(fs_write(fd, "V", 1), 1);
	assert_int_equal(fs_write(fd, "", 0), 0);
	assert_int_equal(fs_write(fd, "x", 1), 1);
	pass(2);
	assert_false(board_is_reset());
	assert_int_equal(fs_close(fd), 0);
	assert_false(board_is_reset());
	pass(1);
	assert_true(board_is_reset());
	hw.control = 0; // the board, as it were, is another one now
	assert_int_equal(harness_stop(), 0);
}

static void test_watchdog(void **state)
{
	(void)state;
	harness_run(&(struct harness){.frames = 4096, .disk = {.image = stack_image("watchdog", "4M", 1024, 4096)}},
		    body, NULL);
}

/* Nobody serves its clocks: it is not there, and not touched. */
static void body_no_clocks(void *arg)
{
	(void)arg;
	sim_io_clear();
	assert_int_equal(probe(&jh7110_watchdog_driver, "/watchdog@13070000"), -EINVAL);
	assert_null(watchdog_chardev());
}

static void test_no_clocks(void **state)
{
	(void)state;
	harness_run(&(struct harness){0}, body_no_clocks, NULL);
}

static int load(void **state)
{
	(void)state;
	return dts_load(&tree, "watchdog.dts");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_watchdog), cmocka_unit_test(test_no_clocks)};

	return cmocka_run_group_tests(tests, load, NULL);
}
