// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * /dev: the devices that drivers offer, and null and zero. Lock: devices.lock guards the table, which only grows.
 * Drivers take kernel memory, so bytes go through a buffer on the stack.
 */
#include "fs/dev.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "arch/uaccess.h"
#include "fs/file.h"
#include "fs/fs.h"
#include "fs/mount.h"
#include "fs/synth.h"
#include "kernel/spinlock.h"

static long null_read(struct chardev *dev, void *buf, size_t len, bool wait)
{
	(void)wait;
	(void)dev;
	(void)buf;
	(void)len;
	return 0;
}

static long zero_read(struct chardev *dev, void *buf, size_t len, bool wait)
{
	(void)wait;
	(void)dev;
	memset(buf, 0, len);
	return (long)len;
}

static long null_write(struct chardev *dev, const void *buf, size_t len, int channel, bool wait)
{
	(void)wait;
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

/* ---- as files ---- */

#define BOUNCE_SIZE 1024

static struct chardev *chardev_of(const struct file *file)
{
	return file->inode->device;
}

static bool waits(const struct file *file)
{
	return !(atomic_load(&file->flags) & O_NONBLOCK);
}

static long device_read(struct file *file, void *buf, size_t n, uint64_t offset)
{
	struct chardev *dev = chardev_of(file);
	char bounce[BOUNCE_SIZE];
	long r = dev->read(dev, bounce, min_of(n, sizeof(bounce)), waits(file));

	(void)offset;
	if (r > 0) {
		size_t missing = uaccess_copy(buf, bounce, r);

		r = missing == (size_t)r ? -EFAULT : r - (long)missing;
	}
	return r;
}

static long device_write(struct file *file, const void *buf, size_t n, uint64_t offset)
{
	struct chardev *dev = chardev_of(file);
	char bounce[BOUNCE_SIZE];
	size_t done = 0;
	long r = 0;

	(void)offset;
	while (done < n && r >= 0) {
		size_t len = min_of(n - done, sizeof(bounce));

		len -= uaccess_copy(bounce, (const char *)buf + done, len);
		r = len ? dev->write(dev, bounce, len, file->channel, waits(file)) : -EFAULT;
		if (r > 0)
			done += r;
		if (r >= 0 && (size_t)r < len)
			break; // it would have to wait
	}
	return done ? (long)done : r;
}

static int device_sync(struct file *file)
{
	struct chardev *dev = chardev_of(file);

	return dev->drain(dev);
}

static bool device_is_tty(struct file *file)
{
	return atomic_load_explicit(&chardev_of(file)->is_tty, memory_order_relaxed);
}

static short device_poll(struct file *file)
{
	struct chardev *dev = chardev_of(file);

	return dev->poll ? dev->poll(dev) : POLLIN | POLLOUT;
}

static int device_control(struct file *file, unsigned long request, void *arg)
{
	struct chardev *dev = chardev_of(file);

	return dev->control ? dev->control(dev, request, arg) : -ENOTTY;
}

static const struct file_ops chardev_ops = {
    .stream = true,
    .read = device_read,
    .write = device_write,
    .poll = device_poll,
    .sync = device_sync,
    .is_tty = device_is_tty,
    .control = device_control,
};

/* ---- the table ---- */

static struct {
	struct spinlock lock;
	struct synth rows[DEVICES_MAX];
	unsigned count;
} devices = {.lock = SPINLOCK_INIT("devices"),
	     .rows = {{.name = "null", .ino = 2, .type = S_IFCHR, .file_ops = &chardev_ops, .device = &null_device},
		      {.name = "zero", .ino = 3, .type = S_IFCHR, .file_ops = &chardev_ops, .device = &zero_device}},
	     .count = 2};

static const struct synth *dev_nth(const struct synth *dir, unsigned n)
{
	unsigned long flags = spin_lock(&devices.lock);
	const struct synth *row = n < devices.count ? &devices.rows[n] : NULL;

	(void)dir;
	spin_unlock(&devices.lock, flags);
	return row;
}

const struct synth dev_directory = {.name = "dev", .ino = 1, .nth = dev_nth};

int fs_add_chardev(struct chardev *dev)
{
	const struct synth *row;
	unsigned long flags;
	int err = 0;

	for (unsigned n = 0; (row = dev_nth(&dev_directory, n)); n++) {
		if (!strcmp(row->name, dev->name))
			return -EEXIST;
	}
	flags = spin_lock(&devices.lock);
	if (devices.count == DEVICES_MAX) {
		err = -ENOSPC;
	} else {
		devices.rows[devices.count] = (struct synth){.name = dev->name,
							     .ino = 2 + devices.count,
							     .type = S_IFCHR,
							     .file_ops = &chardev_ops,
							     .device = dev};
		devices.count++;
	}
	spin_unlock(&devices.lock, flags);
	return err;
}

int dev_open(const char *name, struct inode **out)
{
	struct inode *root = mount_root(), *dir = mount_find(root, "dev", 3);
	int err;

	inode_put(root);
	mutex_lock(&dir->lock);
	err = dir->ops->lookup(dir, name, (unsigned)strlen(name), out);
	mutex_unlock(&dir->lock);
	inode_put(dir);
	return err;
}

bool dev_is_zero(const struct inode *inode)
{
	return inode->device == &zero_device;
}
