// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * /dev: the devices that drivers offer, those that are made of nothing (null, zero, full, random, urandom), and block
 * devices (fs/blkfile.c). Lock: devices.lock guards the table, which only grows. Drivers take kernel memory, so bytes
 * go through a buffer on the stack.
 */
#include "fs/dev.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "arch/uaccess.h"
#include "fs/blkfile.h"
#include "fs/file.h"
#include "fs/fs.h"
#include "fs/mount.h"
#include "fs/synth.h"
#include "kernel/random.h"
#include "kernel/spinlock.h"

/* ---- drivers' devices ---- */

#define BOUNCE_SIZE 1024

static struct chardev *chardev_of(const struct file *file)
{
	return file->inode->device;
}

static bool waits(const struct file *file)
{
	return !(atomic_load(&file->flags) & O_NONBLOCK);
}

static int device_open(struct file *file)
{
	struct chardev *dev = chardev_of(file);

	return dev->open ? dev->open(dev) : 0;
}

static void device_release(struct file *file)
{
	struct chardev *dev = chardev_of(file);

	if (dev->close)
		dev->close(dev);
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
    .open = device_open,
    .release = device_release,
    .read = device_read,
    .write = device_write,
    .poll = device_poll,
    .sync = device_sync,
    .is_tty = device_is_tty,
    .control = device_control,
};

/* ---- devices made of nothing ---- */

static long null_read(struct file *file, void *buf, size_t n, uint64_t offset)
{
	(void)file;
	(void)buf;
	(void)n;
	(void)offset;
	return 0;
}

static long null_write(struct file *file, const void *buf, size_t n, uint64_t offset)
{
	(void)file;
	(void)buf;
	(void)offset;
	return (long)n;
}

static long full_write(struct file *file, const void *buf, size_t n, uint64_t offset)
{
	(void)file;
	(void)buf;
	(void)n;
	(void)offset;
	return -ENOSPC; // of nothing too, as on Linux
}

/* With what `fill` makes, piece by piece. */
static long made_read(void (*fill)(void *buf, size_t len), void *buf, size_t n)
{
	char bounce[BOUNCE_SIZE];
	size_t done = 0, missing = 0;

	while (done < n && !missing) {
		const size_t len = min_of(n - done, sizeof(bounce));

		fill(bounce, len);
		missing = uaccess_copy((char *)buf + done, bounce, len);
		done += len - missing;
	}
	return done || !n ? (long)done : -EFAULT;
}

static void fill_zeros(void *buf, size_t len)
{
	memset(buf, 0, len);
}

static long zero_read(struct file *file, void *buf, size_t n, uint64_t offset)
{
	(void)file;
	(void)offset;
	return made_read(fill_zeros, buf, n);
}

static long random_read(struct file *file, void *buf, size_t n, uint64_t offset)
{
	(void)file;
	(void)offset;
	return made_read(random_bytes, buf, n);
}

/* Whoever writes there may know it: it makes the numbers no worse. */
static long random_write(struct file *file, const void *buf, size_t n, uint64_t offset)
{
	char bounce[BOUNCE_SIZE];
	size_t done = 0, missing = 0;

	(void)file;
	(void)offset;
	while (done < n && !missing) {
		const size_t len = min_of(n - done, sizeof(bounce));

		missing = uaccess_copy(bounce, (const char *)buf + done, len);
		random_mix(bounce, len - missing);
		done += len - missing;
	}
	return done || !n ? (long)done : -EFAULT;
}

static const struct file_ops null_ops = {.read = null_read, .write = null_write};
static const struct file_ops zero_ops = {.read = zero_read, .write = null_write};
static const struct file_ops full_ops = {.read = zero_read, .write = full_write};
static const struct file_ops random_ops = {.read = random_read, .write = random_write};

/* ---- the table ---- */

/* Numbers of devices as Linux has them. */
enum { MAJOR_MEMORY = 1, MAJOR_TTY = 5, MAJOR_DRIVERS = 10 };
#define RDEV(major, minor) ((major) << 8 | (minor))

#define MADE(number, called, minor, operations)                                                                        \
	{                                                                                                              \
		.name = (called), .ino = (number), .type = S_IFCHR, .file_ops = (operations),                          \
		.rdev = RDEV(MAJOR_MEMORY, minor)                                                                      \
	}
enum { ROW_NULL, ROW_ZERO, ROWS_MADE = 5 };

static struct {
	struct spinlock lock;
	struct synth rows[DEVICES_MAX];
	unsigned count;
} devices = {.lock = SPINLOCK_INIT("devices"),
	     .rows = {[ROW_NULL] = MADE(2, "null", 3, &null_ops),
		      [ROW_ZERO] = MADE(3, "zero", 5, &zero_ops),
		      MADE(4, "full", 7, &full_ops),
		      MADE(5, "random", 8, &random_ops),
		      MADE(6, "urandom", 9, &random_ops)},
	     .count = ROWS_MADE};

/* Block devices come last: there may be more of them at any time. */
static const struct synth *dev_nth(const struct synth *dir, unsigned n)
{
	unsigned long flags = spin_lock(&devices.lock);
	const unsigned count = devices.count;
	const struct synth *row = n < count ? &devices.rows[n] : NULL;

	(void)dir;
	spin_unlock(&devices.lock, flags);
	return row ? row : blkfile_nth(n - count);
}

const struct synth dev_directory = {.name = "dev", .ino = 1, .nth = dev_nth};

static int add_row(const char *name, struct chardev *dev, uint64_t rdev)
{
	const struct synth *row;
	unsigned long flags;
	int err = 0;

	for (unsigned n = 0; (row = dev_nth(&dev_directory, n)); n++) {
		if (!strcmp(row->name, name))
			return -EEXIST;
	}
	flags = spin_lock(&devices.lock);
	if (devices.count == DEVICES_MAX) {
		err = -ENOSPC;
	} else {
		devices.rows[devices.count] = (struct synth){.name = name,
							     .ino = 2 + devices.count,
							     .type = S_IFCHR,
							     .file_ops = &chardev_ops,
							     .device = dev,
							     .rdev = rdev ? rdev : RDEV(MAJOR_DRIVERS, devices.count)};
		devices.count++;
	}
	spin_unlock(&devices.lock, flags);
	return err;
}

/* The console is the terminal that the application has, too. */
int fs_add_chardev(struct chardev *dev)
{
	const bool console = !strcmp(dev->name, "console");
	int err = add_row(dev->name, dev, console ? RDEV(MAJOR_TTY, 1) : 0);

	return err || !console ? err : add_row("tty", dev, RDEV(MAJOR_TTY, 0));
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
	return inode->file_ops == &zero_ops;
}
