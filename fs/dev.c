// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * /dev: the devices that drivers offer, and null and zero. Lock: devices.lock guards the table, which only grows.
 */
#include "fs/dev.h"

#include <errno.h>
#include <string.h>

#include "fs/fs.h"
#include "fs/synth.h"
#include "kernel/spinlock.h"

static long null_read(struct chardev *dev, void *buf, size_t len)
{
	(void)dev;
	(void)buf;
	(void)len;
	return 0;
}

static long zero_read(struct chardev *dev, void *buf, size_t len)
{
	(void)dev;
	memset(buf, 0, len);
	return (long)len;
}

static long null_write(struct chardev *dev, const void *buf, size_t len, int channel)
{
	(void)dev;
	(void)buf;
	(void)channel;
	return (long)len;
}

static int null_drain(struct chardev *dev)
{
	(void)dev;
	return 0;
}

static struct chardev null_device = {.name = "null", .read = null_read, .write = null_write, .drain = null_drain};
static struct chardev zero_device = {.name = "zero", .read = zero_read, .write = null_write, .drain = null_drain};

static struct {
	struct spinlock lock;
	struct chardev *table[DEVICES_MAX];
	unsigned count;
} devices = {.lock = SPINLOCK_INIT("devices"), .table = {&null_device, &zero_device}, .count = 2};

int fs_add_chardev(struct chardev *dev)
{
	unsigned long flags;
	int err = 0;

	if (dev_find(dev->name))
		return -EEXIST;
	flags = spin_lock(&devices.lock);
	if (devices.count == DEVICES_MAX)
		err = -ENOSPC;
	else
		devices.table[devices.count++] = dev;
	spin_unlock(&devices.lock, flags);
	return err;
}

struct chardev *dev_nth(unsigned n)
{
	unsigned long flags = spin_lock(&devices.lock);
	struct chardev *dev = n < devices.count ? devices.table[n] : NULL;

	spin_unlock(&devices.lock, flags);
	return dev;
}

struct chardev *dev_find(const char *name)
{
	struct chardev *dev;

	for (unsigned i = 0; (dev = dev_nth(i)); i++) {
		if (!strcmp(dev->name, name))
			return dev;
	}
	return NULL;
}

bool dev_is_zero(const struct chardev *dev)
{
	return dev == &zero_device;
}

uint64_t dev_ino(const struct chardev *dev)
{
	unsigned i = 0;

	while (dev_nth(i) != dev)
		i++;
	return dev_directory.ino + 1 + i;
}

static bool dev_entry(const struct synth *dir, unsigned n, struct node *out)
{
	(void)dir;
	*out = (struct node){.device = dev_nth(n)};
	return out->device;
}

const struct synth dev_directory = {.name = "dev", .ino = SYNTH_INO, .nth = dev_entry};
