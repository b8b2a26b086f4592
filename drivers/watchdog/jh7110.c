// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The watchdog of the JH7110, as /dev/watchdog. Opening arms it, each write or WDIOC_KEEPALIVE starts it anew, and the
 * board is reset when none comes in time; closing disarms it if the last write had a 'V', else it goes on. Nothing of
 * the device is touched before it is opened.
 *
 * The counter interrupts when it is at zero for the first time and resets at the second, so it is set to half the time;
 * the interrupt is not asked for. Registers other than the lock are writable after a key. watchdog.lock guards the
 * registers and the fields marked so; nothing sleeps.
 */
#include "drivers/watchdog/watchdog.h"

#include <errno.h>
#include <string.h>

#include <linux/watchdog.h>

#include "arch/io.h"
#include "drivers/clk/clk.h"
#include "drivers/driver.h"
#include "kernel/log.h"
#include "kernel/spinlock.h"

enum { WDT_LOAD = 0x00, WDT_VALUE = 0x04, WDT_CONTROL = 0x08, WDT_CLEAR = 0x0c, WDT_STATUS = 0x14, WDT_LOCK = 0xc00 };
#define WDT_SIZE 0xc04
#define CONTROL_COUNT 1u // it counts, and interrupts; written, the counter is loaded
#define CONTROL_RESET 2u
#define KEY 0x1acce551u
#define SECONDS_DEFAULT 60u

static struct {
	volatile void *regs; // this and the next three: constant from the probe on; regs NULL: there is none
	struct clk clocks[2], resets[2];
	uint32_t hz;
	uint32_t seconds_max;

	struct spinlock lock; // guards all below, and the registers
	bool open, armed, may_end;
	uint32_t seconds;
} watchdog = {.lock = SPINLOCK_INIT("watchdog"), .seconds = SECONDS_DEFAULT};

/* ---- the device ---- */

static uint32_t half_ticks_locked(void)
{
	return (uint32_t)((uint64_t)watchdog.seconds * watchdog.hz / 2);
}

static void write_locked(size_t reg, uint32_t value)
{
	io_write32(watchdog.regs, WDT_LOCK, KEY);
	io_write32(watchdog.regs, reg, value);
	io_write32(watchdog.regs, WDT_LOCK, 0);
}

/* The whole time is ahead again. */
static void start_locked(void)
{
	write_locked(WDT_CLEAR, 1);
	write_locked(WDT_LOAD, half_ticks_locked());
	write_locked(WDT_CONTROL, CONTROL_COUNT | CONTROL_RESET);
	watchdog.armed = true;
}

static void stop_locked(void)
{
	write_locked(WDT_CONTROL, 0);
	write_locked(WDT_CLEAR, 1);
	watchdog.armed = false;
}

/* Rounded up, as long as a tick is left. */
static int seconds_left_locked(void)
{
	uint64_t ticks = io_read32(watchdog.regs, WDT_VALUE);

	if (!io_read32(watchdog.regs, WDT_STATUS))
		ticks += half_ticks_locked(); // the second half is to come
	return (int)((ticks + watchdog.hz - 1) / watchdog.hz);
}

static int clocks_run(void)
{
	int error = 0;

	for (unsigned i = 0; i < array_size(watchdog.clocks) && !error; i++)
		error = clk_enable(&watchdog.clocks[i]);
	for (unsigned i = 0; i < array_size(watchdog.resets) && !error; i++)
		error = reset_deassert(&watchdog.resets[i]);
	return error;
}

/* ---- /dev/watchdog ---- */

static int watchdog_open(struct chardev *dev)
{
	unsigned long flags = spin_lock(&watchdog.lock);
	int error = watchdog.open ? -EBUSY : 0;

	(void)dev;
	if (!error) {
		watchdog.open = true;
		watchdog.may_end = false;
	}
	spin_unlock(&watchdog.lock, flags);
	if (error)
		return error;
	error = clocks_run(); // nobody else has it open
	flags = spin_lock(&watchdog.lock);
	if (error)
		watchdog.open = false;
	else
		start_locked();
	spin_unlock(&watchdog.lock, flags);
	return error;
}

static void watchdog_close(struct chardev *dev)
{
	unsigned long flags = spin_lock(&watchdog.lock);
	const bool ends = watchdog.may_end;

	(void)dev;
	if (ends)
		stop_locked();
	watchdog.open = false;
	spin_unlock(&watchdog.lock, flags);
	if (!ends)
		log_warning("watchdog: closed without a 'V': it goes on, and resets the board");
}

static long watchdog_read(struct chardev *dev, void *buf, size_t len, bool wait)
{
	(void)dev;
	(void)buf;
	(void)len;
	(void)wait;
	return -EINVAL;
}

static long watchdog_write(struct chardev *dev, const void *buf, size_t len, int channel, bool wait)
{
	unsigned long flags;

	(void)dev;
	(void)channel;
	(void)wait;
	flags = spin_lock(&watchdog.lock);
	watchdog.may_end = memchr(buf, 'V', len);
	start_locked();
	spin_unlock(&watchdog.lock, flags);
	return (long)len;
}

static int watchdog_drain(struct chardev *dev)
{
	(void)dev;
	return 0;
}

static int set_seconds_locked(int seconds)
{
	if (seconds < 1 || (uint32_t)seconds > watchdog.seconds_max)
		return -EINVAL;
	watchdog.seconds = (uint32_t)seconds;
	start_locked();
	return 0;
}

static int watchdog_control(struct chardev *dev, unsigned long request, void *arg)
{
	unsigned long flags = spin_lock(&watchdog.lock);
	int error = 0;

	(void)dev;
	switch (request) {
	case WDIOC_KEEPALIVE:
		start_locked();
		break;
	case WDIOC_SETTIMEOUT:
		error = set_seconds_locked(*(int *)arg);
		break;
	case WDIOC_GETTIMEOUT:
		*(int *)arg = (int)watchdog.seconds;
		break;
	case WDIOC_GETTIMELEFT:
		*(int *)arg = seconds_left_locked();
		break;
	default:
		error = -ENOTTY;
	}
	spin_unlock(&watchdog.lock, flags);
	return error;
}

static struct chardev watchdog_device = {
    .name = "watchdog",
    .open = watchdog_open,
    .close = watchdog_close,
    .read = watchdog_read,
    .write = watchdog_write,
    .drain = watchdog_drain,
    .control = watchdog_control,
};

struct chardev *watchdog_chardev(void)
{
	return watchdog.regs ? &watchdog_device : NULL;
}

/* ---- start ---- */

static int find_clocks(const struct device *dev, uint64_t *hz)
{
	static const char *const names[] = {"apb", "core"};
	int error = 0;

	for (unsigned i = 0; i < array_size(names) && !error; i++) {
		error = clk_get(dev, names[i], &watchdog.clocks[i]);
		if (!error)
			error = reset_get(dev, i, &watchdog.resets[i]);
	}
	return error ? error : clk_rate(&watchdog.clocks[1], hz);
}

static int watchdog_probe(const struct device *dev)
{
	uint64_t hz = 0;
	int error;

	if (watchdog.regs)
		return -ENODEV; // a second one
	if (!dev->reg_count || dev->reg[0].len < WDT_SIZE)
		return -EINVAL;
	error = find_clocks(dev, &hz);
	if (error)
		return error == -ENODEV ? -EINVAL : error;
	if (!hz || hz > UINT32_MAX / (SECONDS_DEFAULT / 2))
		return -EINVAL;
	watchdog.hz = (uint32_t)hz;
	watchdog.seconds_max = (uint32_t)(2ull * UINT32_MAX / hz);
	watchdog.regs = io_map(dev->reg[0].pa, WDT_SIZE);
	return watchdog.regs ? 0 : -ENOMEM;
}

static const char *const compatible[] = {"starfive,jh7110-wdt", NULL};
const struct driver jh7110_watchdog_driver = {
    .name = "jh7110-watchdog", .compatible = compatible, .probe = watchdog_probe};
