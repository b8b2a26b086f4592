// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Pipes: a ring of PIPE_SIZE bytes in pages that are allocated as they are first written. Writes of at most PIPE_BUF
 * bytes are whole. A pipe belongs to an inode, of a small file system of their own or, for a fifo, of the one that its
 * name is in, and lives while it is open.
 *
 * Locks: a pipe's reader and writer mutex are held while bytes are copied, which may fault, so that what lies between
 * `out` and `in` is a reader's and the rest a writer's; its spinlock guards the numbers and the queues. Nobody waits
 * for the other side with a mutex held. Opening and closing hold the inode's lock. Sleeps; waiting for the other side
 * is interruptible.
 */
#include "fs/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>

#include "arch/page.h"
#include "arch/uaccess.h"
#include "fs/fs.h"
#include "kernel/poll.h"
#include "mm/kmalloc.h"
#include "mm/reclaim.h"

#define PIPE_PAGES 16u
#define PIPE_SIZE (PIPE_PAGES * PAGE_SIZE)

struct pipe {
	struct mutex reader, writer; // one reads, one writes

	struct spinlock lock; // guards what follows
	uint32_t in, out;     // free-running: bytes written, bytes read
	unsigned readers, writers;
	unsigned reader_opens, writer_opens; // ever: who waits in an open sees one that is gone again, too
	struct waitq filled, drained;	     // readers, writers that wait
	struct waitq opened;

	uint8_t *pages[PIPE_PAGES]; // NULL: not yet; the writer's until there are bytes in it
};

/* ---- the file system of those without a name ---- */

static struct inode *pipefs_make(struct super *super)
{
	(void)super;
	return kzalloc(sizeof(struct inode));
}

/* They are found by nobody. */
static int pipefs_load(struct inode *inode, bool orphan)
{
	(void)inode;
	(void)orphan;
	return -ENOENT;
}

static int pipefs_nothing(struct inode *inode)
{
	(void)inode;
	return 0;
}

static bool pipefs_keeps(const struct inode *inode)
{
	(void)inode;
	return false;
}

/* It goes with the next one that is closed, or when the next is made. */
static void pipefs_kick(struct super *super)
{
	(void)super;
}

static int pipefs_sync(struct super *super)
{
	(void)super;
	return 0;
}

static int pipefs_space(struct super *super, struct fs_space *out)
{
	*out = (struct fs_space){.block_size = super->block_size};
	return 0;
}

static const struct super_ops pipefs_ops = {
    .type = "pipefs",
    .make = pipefs_make,
    .load = pipefs_load,
    .write_out = pipefs_nothing,
    .keeps = pipefs_keeps,
    .remove = pipefs_nothing,
    .kick = pipefs_kick,
    .sync = pipefs_sync,
    .settle = pipefs_sync,
    .space = pipefs_space,
};

static struct super pipefs = {.ops = &pipefs_ops, .name = "pipefs", .block_size = PAGE_SIZE};

/* ---- a pipe ---- */

static struct pipe *pipe_make(void)
{
	struct pipe *p = kmalloc_wait(sizeof(*p));

	if (!p)
		return NULL;
	memset(p, 0, sizeof(*p));
	mutex_init(&p->reader, "pipe reader");
	mutex_init(&p->writer, "pipe writer");
	spin_init(&p->lock, "pipe");
	waitq_init(&p->filled);
	waitq_init(&p->drained);
	waitq_init(&p->opened);
	return p;
}

static void pipe_free(struct pipe *p)
{
	for (unsigned i = 0; i < PIPE_PAGES; i++)
		kfree(p->pages[i]);
	kfree(p);
}

static bool waits(const struct file *file)
{
	return !(atomic_load(&file->flags) & O_NONBLOCK);
}

/* The bytes from `at` on that lie in one page; NULL: it is not there. */
static uint8_t *run_at(const struct pipe *p, uint32_t at, size_t *len)
{
	uint8_t *page = p->pages[at / PAGE_SIZE % PIPE_PAGES];

	*len = min_of(*len, (size_t)(PAGE_SIZE - at % PAGE_SIZE));
	return page ? page + at % PAGE_SIZE : NULL;
}

/* ---- reading ---- */

/* What is there, up to n bytes: how many, or -EFAULT. The reader's lock is held. */
static long read_some(struct pipe *p, char *buf, size_t n)
{
	unsigned long flags = spin_lock(&p->lock);
	const uint32_t from = p->out, used = p->in - p->out;
	size_t done = 0, missing = 0;

	spin_unlock(&p->lock, flags);
	n = min_of(n, (size_t)used);
	while (done < n && !missing) {
		size_t len = n - done;
		const uint8_t *run = run_at(p, from + done, &len);

		missing = uaccess_copy(buf + done, run, len);
		done += len - missing;
	}
	if (!done)
		return missing ? -EFAULT : 0;
	flags = spin_lock(&p->lock);
	p->out += done;
	waitq_wake_all(&p->drained);
	spin_unlock(&p->lock, flags);
	poll_wake();
	return (long)done;
}

/* 0: there is something, or an end to be found; -EINTR, -EAGAIN. */
static int wait_filled(struct pipe *p, bool wait, bool *end)
{
	unsigned long flags = spin_lock(&p->lock);
	int err = 0;

	while (p->in == p->out && p->writers && !err)
		err = wait ? waitq_wait_interruptible(&p->filled, &p->lock, &flags, UINT64_MAX) : -EAGAIN;
	*end = p->in == p->out && !p->writers;
	if (p->in != p->out)
		err = 0;
	spin_unlock(&p->lock, flags);
	return err;
}

static long pipe_read(struct file *file, void *buf, size_t n, uint64_t offset)
{
	struct pipe *p = file->private;
	bool end = false;
	long r = 0;

	(void)offset;
	while (n && !end && !r) {
		mutex_lock(&p->reader);
		r = read_some(p, buf, n);
		mutex_unlock(&p->reader);
		if (!r)
			r = wait_filled(p, waits(file), &end);
	}
	return r;
}

/* ---- writing ---- */

/* A page to write at. -ENOMEM. */
static int page_at(struct pipe *p, uint32_t at)
{
	uint8_t **page = &p->pages[at / PAGE_SIZE % PIPE_PAGES];

	if (!*page)
		*page = kmalloc_wait(PAGE_SIZE);
	return *page ? 0 : -ENOMEM;
}

/* Into what is free behind `at`; *done says how much. */
static int copy_in(struct pipe *p, uint32_t at, const char *buf, size_t n, size_t *done)
{
	int err = 0;

	*done = 0;
	while (*done < n && !err) {
		size_t len = n - *done, missing;
		uint8_t *run;

		err = page_at(p, at + *done);
		if (err)
			break;
		run = run_at(p, at + *done, &len);
		missing = uaccess_copy(run, buf + *done, len);
		*done += len - missing;
		if (missing)
			err = -EFAULT;
	}
	return err;
}

/*
 * What there is room for, up to n bytes, or all of them if `whole`, or nothing: how many, -EPIPE, -EFAULT, -ENOMEM. The
 * writer's lock is held.
 */
static long write_some(struct pipe *p, const char *buf, size_t n, bool whole)
{
	unsigned long flags = spin_lock(&p->lock);
	const bool broken = !p->readers;
	uint32_t room, at;
	size_t done;
	int err;

	if (p->in == p->out)
		p->in = p->out = 0; // what is written little by little stays in the first pages
	at = p->in;
	room = PIPE_SIZE - (p->in - p->out);
	spin_unlock(&p->lock, flags);
	if (broken)
		return -EPIPE;
	if (whole && room < n)
		return 0;
	err = copy_in(p, at, buf, min_of(n, (size_t)room), &done);
	if (!done || (err && whole))
		return err;
	flags = spin_lock(&p->lock);
	p->in += done;
	waitq_wake_all(&p->filled);
	spin_unlock(&p->lock, flags);
	poll_wake();
	return (long)done;
}

/* 0: there is room for so much, or no reader any more; -EINTR, -EAGAIN. */
static int wait_drained(struct pipe *p, size_t room, bool wait)
{
	unsigned long flags = spin_lock(&p->lock);
	int err = 0;

	while (PIPE_SIZE - (p->in - p->out) < room && p->readers && !err)
		err = wait ? waitq_wait_interruptible(&p->drained, &p->lock, &flags, UINT64_MAX) : -EAGAIN;
	spin_unlock(&p->lock, flags);
	return err;
}

static long pipe_write(struct file *file, const void *buf, size_t n, uint64_t offset)
{
	const bool whole = n <= PIPE_BUF;
	struct pipe *p = file->private;
	size_t done = 0;
	long r = 0;

	(void)offset;
	while (done < n && r >= 0) {
		mutex_lock(&p->writer);
		r = write_some(p, (const char *)buf + done, n - done, whole);
		mutex_unlock(&p->writer);
		if (r > 0)
			done += (size_t)r;
		else if (r == 0)
			r = wait_drained(p, whole ? n : 1, waits(file));
	}
	if (done)
		inode_touch(file->inode, true);
	return done ? (long)done : r;
}

/* ---- the rest ---- */

static short pipe_poll(struct file *file)
{
	struct pipe *p = file->private;
	unsigned long flags = spin_lock(&p->lock);
	short ready = 0;

	if (file_readable(file)) {
		if (p->in != p->out)
			ready |= POLLIN;
		if (!p->writers && p->writer_opens)
			ready |= POLLHUP;
	}
	if (file_writable(file)) {
		if (PIPE_SIZE - (p->in - p->out) >= PIPE_BUF)
			ready |= POLLOUT;
		if (!p->readers)
			ready |= POLLERR;
	}
	spin_unlock(&p->lock, flags);
	return ready;
}

static int pipe_control(struct file *file, unsigned long request, void *arg)
{
	struct pipe *p = file->private;
	unsigned long flags;

	if (request != FIONREAD)
		return -ENOTTY;
	flags = spin_lock(&p->lock);
	*(int *)arg = (int)(p->in - p->out);
	spin_unlock(&p->lock, flags);
	return 0;
}

/* The file is one more of those that have the pipe open, or one less. How often the other end had been opened. */
static unsigned count(struct file *file, struct pipe *p, bool more)
{
	unsigned long flags = spin_lock(&p->lock);
	const unsigned others = file_readable(file) ? p->writer_opens : p->reader_opens;

	if (file_readable(file)) {
		p->readers += more ? 1 : -1;
		p->reader_opens += more;
	}
	if (file_writable(file)) {
		p->writers += more ? 1 : -1;
		p->writer_opens += more;
	}
	waitq_wake_all(&p->filled);
	waitq_wake_all(&p->drained);
	waitq_wake_all(&p->opened);
	spin_unlock(&p->lock, flags);
	poll_wake();
	return others;
}

static bool is_open(struct pipe *p)
{
	unsigned long flags = spin_lock(&p->lock);
	bool open = p->readers || p->writers;

	spin_unlock(&p->lock, flags);
	return open;
}

/* *others: as count says. */
static int pipe_attach(struct file *file, unsigned *others)
{
	struct inode *inode = file->inode;
	int err = 0;

	mutex_lock(&inode->lock);
	if (!inode->device)
		inode->device = pipe_make();
	file->private = inode->device;
	if (file->private)
		*others = count(file, file->private, true);
	else
		err = -ENOMEM;
	mutex_unlock(&inode->lock);
	return err;
}

static int pipe_open(struct file *file)
{
	unsigned others;

	return pipe_attach(file, &others);
}

/* Structures of pipes that nobody has. There is nothing that could fail. */
static void remove_closed(void)
{
	(void)inodes_remove_doomed(&pipefs);
}

static void pipe_release(struct file *file)
{
	struct inode *inode = file->inode;
	struct pipe *p = file->private;

	mutex_lock(&inode->lock);
	(void)count(file, p, false);
	if (!is_open(p)) {
		inode->device = NULL;
		pipe_free(p);
		if (file->ops != &fifo_ops)
			atomic_store(&inode->links, 0); // nobody can open it again
	}
	mutex_unlock(&inode->lock);
	remove_closed();
}

/* Until the other end is there, or has been since it had been opened so often. */
static int wait_opened(struct pipe *p, const unsigned *now, const unsigned *opens, unsigned before)
{
	unsigned long flags = spin_lock(&p->lock);
	int err = 0;

	while (!*now && *opens == before && !err)
		err = waitq_wait_interruptible(&p->opened, &p->lock, &flags, UINT64_MAX);
	if (*now || *opens != before)
		err = 0;
	spin_unlock(&p->lock, flags);
	return err;
}

static int fifo_open(struct file *file)
{
	const bool reads = file_readable(file), writes = file_writable(file);
	unsigned others;
	struct pipe *p;
	int err = pipe_attach(file, &others);

	if (err || (reads && writes))
		return err;
	p = file->private;
	if (reads && waits(file))
		err = wait_opened(p, &p->writers, &p->writer_opens, others);
	else if (writes && waits(file))
		err = wait_opened(p, &p->readers, &p->reader_opens, others);
	else if (writes && (pipe_poll(file) & POLLERR))
		err = -ENXIO;
	if (err)
		pipe_release(file);
	return err;
}

static const struct file_ops pipe_ops = {
    .stream = true,
    .open = pipe_open,
    .release = pipe_release,
    .read = pipe_read,
    .write = pipe_write,
    .poll = pipe_poll,
    .control = pipe_control,
};

const struct file_ops fifo_ops = {
    .stream = true,
    .open = fifo_open,
    .release = pipe_release,
    .read = pipe_read,
    .write = pipe_write,
    .poll = pipe_poll,
    .control = pipe_control,
};

/* ---- those without a name ---- */

/* chmod of one changes what fstat says. */
static const struct inode_ops pipe_inode_ops = {.store = pipefs_nothing};

static atomic_uint next_ino; // relaxed

void pipe_init(void)
{
	super_init(&pipefs, false);
	atomic_store_explicit(&next_ino, 1, memory_order_relaxed);
}

static int pipe_inode_make(struct inode **out)
{
	struct inode *inode;

	remove_closed();
	inode = inode_make(&pipefs);
	if (!inode)
		return -ENOMEM;
	inode->ops = &pipe_inode_ops;
	inode->file_ops = &pipe_ops;
	inode->mode = S_IFIFO | 0600;
	atomic_store(&inode->links, 1);
	inode_touch_new(inode);
	while (!inode_add(inode, atomic_fetch_add_explicit(&next_ino, 1, memory_order_relaxed), NULL))
		; // all numbers were used, and this one still is
	*out = inode;
	return 0;
}

/* Nobody has opened it. */
static void pipe_inode_drop(struct inode *inode)
{
	atomic_store(&inode->links, 0);
	inode_put(inode);
}

int fs_pipe(int fds[2], int flags)
{
	const int state = flags & O_NONBLOCK;
	struct file *reader, *writer;
	struct inode *inode;
	int err;

	if (flags & ~(O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	err = pipe_inode_make(&inode);
	if (err)
		return err;
	err = file_make(inode_ref(inode), O_RDONLY | state, &reader);
	if (err) {
		pipe_inode_drop(inode);
		return err;
	}
	err = file_make(inode, O_WRONLY | state, &writer);
	if (err) {
		(void)file_put(reader); // nothing was written
		return err;
	}
	fds[0] = file_install(reader, 0, flags & O_CLOEXEC);
	if (fds[0] < 0) {
		(void)file_put(writer);
		return fds[0];
	}
	fds[1] = file_install(writer, 0, flags & O_CLOEXEC);
	if (fds[1] < 0)
		(void)fs_close(fds[0]);
	return fds[1] < 0 ? fds[1] : 0;
}
