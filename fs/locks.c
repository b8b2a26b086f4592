// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Advisory locks: those of fcntl, on ranges of bytes, whose owner is the process or an open file (OFD), and flock's, on
 * whole files, whose owner is an open file. The two kinds do not see each other. There is one process, so its own locks
 * meet only those of open files. A lock is a node in its inode's list, in order of owner and range: locks of one owner
 * and kind never overlap, and neighbours of one type are one.
 *
 * Lock: locks.lock, a spinlock, guards all lists and the queue of those who wait; they are few. Waiting is
 * interruptible. Nobody can wait for himself: the process's locks and an open file's are asked for by any thread.
 */
#include "fs/locks.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "fs/fs.h"
#include "mm/kmalloc.h"
#include "mm/reclaim.h"

struct lock {
	struct list_node node;
	const struct file *owner; // NULL: the process
	bool whole;		  // flock's
	bool write;
	int64_t first, last; // bytes, both in it
};

static struct {
	struct spinlock lock;
	struct waitq waitq; // a lock is gone, or weaker
} locks = {.lock = SPINLOCK_INIT("file locks"), .waitq = WAITQ_INIT(locks.waitq)};

/* Nodes that a change may need, made before the spinlock is taken. */
struct spare {
	struct lock *nodes[2];
};

static struct lock *spare_take(struct spare *spare)
{
	struct lock **from = spare->nodes[0] ? &spare->nodes[0] : &spare->nodes[1];
	struct lock *node = *from;

	*from = NULL;
	return node;
}

static void spare_free(struct spare *spare)
{
	kfree(spare->nodes[0]);
	kfree(spare->nodes[1]);
}

static int spare_make(struct spare *spare)
{
	for (unsigned i = 0; i < array_size(spare->nodes); i++)
		spare->nodes[i] = kmalloc_wait(sizeof(struct lock));
	if (spare->nodes[0] && spare->nodes[1])
		return 0;
	spare_free(spare);
	return -ENOLCK;
}

/* ---- lists; locks.lock is held ---- */

static bool same_owner(const struct lock *a, const struct lock *b)
{
	return a->owner == b->owner && a->whole == b->whole;
}

static bool overlap(const struct lock *a, const struct lock *b)
{
	return a->first <= b->last && b->first <= a->last;
}

/* The first that keeps this one from being had. */
static struct lock *conflict_locked(struct inode *inode, const struct lock *wanted)
{
	list_for_each (&inode->locks, it) {
		struct lock *lock = list_entry(it, struct lock, node);

		if (lock->whole == wanted->whole && lock->owner != wanted->owner && overlap(lock, wanted) &&
		    (lock->write || wanted->write))
			return lock;
	}
	return NULL;
}

static void drop_locked(struct lock *lock)
{
	list_remove(&lock->node);
	kfree(lock);
}

/* Takes the range away from what the owner has of it. */
static void cut_locked(struct inode *inode, const struct lock *range, struct spare *spare)
{
	list_for_each_safe (&inode->locks, it, next) {
		struct lock *lock = list_entry(it, struct lock, node), *tail;

		if (!same_owner(lock, range) || !overlap(lock, range))
			continue;
		if (lock->first < range->first && lock->last > range->last) {
			tail = spare_take(spare);
			*tail = *lock;
			tail->first = range->last + 1;
			lock->last = range->first - 1;
			list_insert(&lock->node, lock->node.next, &tail->node);
		} else if (lock->first < range->first) {
			lock->last = range->first - 1;
		} else if (lock->last > range->last) {
			lock->first = range->last + 1;
		} else {
			drop_locked(lock);
		}
	}
}

/* Its place is free. Neighbours of its type become part of it. */
static void add_locked(struct inode *inode, const struct lock *wanted, struct spare *spare)
{
	struct lock *added = spare_take(spare);
	struct list_node *at = &inode->locks;

	*added = *wanted;
	list_for_each_safe (&inode->locks, it, next) {
		struct lock *lock = list_entry(it, struct lock, node);

		if (!same_owner(lock, wanted))
			continue;
		if (lock->write == added->write && (lock->last == added->first - 1 || lock->first - 1 == added->last)) {
			added->first = min_of(added->first, lock->first);
			added->last = max_of(added->last, lock->last);
			if (at == it)
				at = next;
			drop_locked(lock);
		} else if (lock->first > added->last && at == &inode->locks) {
			at = it;
		}
	}
	list_insert(at->prev, at, &added->node);
}

/* ---- what callers do ---- */

/* kind.write is what is wanted; unlock: that there is none. -EAGAIN, -EINTR, -ENOLCK. */
static int lock_change(struct inode *inode, const struct lock *range, bool unlock, bool wait)
{
	const bool all = unlock && range->first == 0 && range->last == INT64_MAX; // cuts none in two
	struct spare spare = {0};
	unsigned long flags;
	int err = all ? 0 : spare_make(&spare);

	if (err)
		return err;
	flags = spin_lock(&locks.lock);
	while (!unlock && !err && conflict_locked(inode, range))
		err = wait ? waitq_wait_interruptible(&locks.waitq, &locks.lock, &flags, UINT64_MAX) : -EAGAIN;
	if (!err) {
		cut_locked(inode, range, &spare);
		if (!unlock)
			add_locked(inode, range, &spare);
		waitq_wake_all(&locks.waitq);
	}
	spin_unlock(&locks.lock, flags);
	spare_free(&spare);
	return err;
}

static void drop_all(struct inode *inode, const struct file *owner)
{
	unsigned long flags = spin_lock(&locks.lock);

	list_for_each_safe (&inode->locks, it, next) {
		struct lock *lock = list_entry(it, struct lock, node);

		if (lock->owner != owner)
			continue;
		drop_locked(lock);
		waitq_wake_all(&locks.waitq);
	}
	spin_unlock(&locks.lock, flags);
}

void locks_close(struct inode *inode)
{
	drop_all(inode, NULL);
}

void locks_release(struct file *file)
{
	drop_all(file->inode, file);
}

/* ---- fcntl ---- */

/* Of l_whence, l_start and l_len. -EINVAL, -EOVERFLOW. */
static int range_get(struct file *file, const struct flock *fl, struct lock *range)
{
	int64_t base = 0, first, last = INT64_MAX;

	if (fl->l_whence == SEEK_CUR) {
		mutex_lock(&file->lock);
		base = file->offset;
		mutex_unlock(&file->lock);
	} else if (fl->l_whence == SEEK_END) {
		base = (int64_t)inode_size(file->inode);
	} else if (fl->l_whence != SEEK_SET) {
		return -EINVAL;
	}
	if (__builtin_add_overflow(base, (int64_t)fl->l_start, &first))
		return -EOVERFLOW;
	if (first < 0)
		return -EINVAL;
	if (fl->l_len > 0 && __builtin_add_overflow(first, (int64_t)fl->l_len - 1, &last))
		return -EOVERFLOW;
	if (fl->l_len < 0) {
		last = first - 1;
		if (__builtin_add_overflow(first, (int64_t)fl->l_len, &first) || first < 0)
			return -EINVAL;
	}
	range->first = first;
	range->last = last;
	return 0;
}

static int lock_test(struct inode *inode, const struct lock *wanted, struct flock *fl)
{
	unsigned long flags = spin_lock(&locks.lock);
	const struct lock *found = conflict_locked(inode, wanted);

	fl->l_type = F_UNLCK;
	if (found) {
		fl->l_type = found->write ? F_WRLCK : F_RDLCK;
		fl->l_whence = SEEK_SET;
		fl->l_start = found->first;
		fl->l_len = found->last == INT64_MAX ? 0 : found->last - found->first + 1;
		fl->l_pid = found->owner ? -1 : 0;
	}
	spin_unlock(&locks.lock, flags);
	return 0;
}

/* A lock of the process's that came just when the file was closed would stay for ever. */
static int still_open(int fd, struct file *file)
{
	struct file *now;
	int err = file_get(fd, &now);

	if (!err) {
		err = now == file ? 0 : -EBADF;
		(void)file_put(now); // not the last: the caller has one, or the descriptor
	}
	if (err)
		locks_close(file->inode);
	return err;
}

static int record_lock(int fd, struct file *file, int cmd, struct flock *fl)
{
	const bool own = cmd == F_OFD_GETLK || cmd == F_OFD_SETLK || cmd == F_OFD_SETLKW;
	const bool test = cmd == F_GETLK || cmd == F_OFD_GETLK;
	const bool wait = cmd == F_SETLKW || cmd == F_OFD_SETLKW;
	struct lock lock = {.owner = own ? file : NULL, .write = fl->l_type == F_WRLCK};
	int err;

	if (own && fl->l_pid)
		return -EINVAL;
	if (fl->l_type != F_RDLCK && fl->l_type != F_WRLCK && (fl->l_type != F_UNLCK || test))
		return -EINVAL;
	err = range_get(file, fl, &lock);
	if (err)
		return err;
	if (test)
		return lock_test(file->inode, &lock, fl);
	if ((fl->l_type == F_RDLCK && !file_readable(file)) || (fl->l_type == F_WRLCK && !file_writable(file)))
		return -EBADF;
	err = lock_change(file->inode, &lock, fl->l_type == F_UNLCK, wait);
	return !err && !own && fl->l_type != F_UNLCK ? still_open(fd, file) : err;
}

int fs_record_lock(int fd, int cmd, struct flock *fl)
{
	struct file *file;
	int err = file_get(fd, &file);

	if (!err) {
		err = record_lock(fd, file, cmd, fl);
		(void)file_put(file); // an error that this last close finds has no one to be told to
	}
	return err;
}

/* ---- flock ---- */

static bool has(struct inode *inode, const struct lock *wanted)
{
	unsigned long flags = spin_lock(&locks.lock);
	bool found = false;

	list_for_each (&inode->locks, it) {
		const struct lock *lock = list_entry(it, struct lock, node);

		found |= same_owner(lock, wanted) && lock->write == wanted->write;
	}
	spin_unlock(&locks.lock, flags);
	return found;
}

/* One of the other type goes before the new one is waited for, as on Linux: a conversion may lose it. */
static int file_flock(struct file *file, int operation)
{
	struct lock lock = {.owner = file, .whole = true, .write = operation & LOCK_EX, .last = INT64_MAX};
	int err;

	if (!(operation & LOCK_UN) && has(file->inode, &lock))
		return 0;
	err = lock_change(file->inode, &lock, true, false);
	if (err || (operation & LOCK_UN))
		return err;
	return lock_change(file->inode, &lock, false, !(operation & LOCK_NB));
}

int fs_flock(int fd, int operation)
{
	const int what = operation & ~LOCK_NB;
	struct file *file;
	int err;

	if (what != LOCK_SH && what != LOCK_EX && what != LOCK_UN)
		return -EINVAL;
	err = file_get(fd, &file);
	if (!err) {
		err = file_flock(file, operation);
		(void)file_put(file); // an error that this last close finds has no one to be told to
	}
	return err;
}
