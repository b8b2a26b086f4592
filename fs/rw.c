// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Reading and writing open files. Regular files go through the page cache: a read pins the page and copies after
 * map_lock is given up, since the copy may fault and the fault takes it; a write pins its source before map_lock is
 * taken, since nothing may fault under it, also when the source is the very page that is written. Bytes move in
 * ascending pieces, each up to where a page of the file ends, or of a write's source, and each as memmove moves them:
 * that is the outcome where source and target overlap in a mapping of the file itself.
 *
 * Locks: the write gate; file.lock for the offset, inode.lock for writes, map_lock shared for a page's time, owned
 * where the file grows. Sleeps.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "arch/page.h"
#include "arch/uaccess.h"
#include "fs/ext2/ext2.h"
#include "fs/file.h"
#include "fs/fs.h"
#include "fs/mount.h"
#include "fs/synth.h"
#include "mm/kmalloc.h"
#include "mm/reclaim.h"
#include "mm/usercopy.h"

#define COUNT_MAX 0x7ffff000   // of one call, bytes
#define GROW_AHEAD (64 * 1024) // a long write allocates so far ahead of itself

/*
 * Out of a pinned page. Where the application's memory is that page again, all of it is read before any is stored. How
 * many bytes are missing, and *err why.
 */
static size_t copy_out(void *to, const struct page *page, size_t offset, size_t len, int *err)
{
	const char *from = (const char *)page_va(page) + offset;
	size_t missing = len;
	void *between = NULL;

	if (user_shows(to, len, page)) {
		between = kmalloc_wait(len);
		if (!between) {
			*err = -ENOMEM;
			return missing;
		}
		missing = uaccess_copy(between, from, len);
		assert(missing == 0);
		from = between;
	}
	missing = uaccess_copy(to, from, len);
	kfree(between);
	if (missing)
		*err = -EFAULT;
	return missing;
}

static long read_regular(struct inode *inode, struct readahead *ra, void *buf, size_t n, int64_t offset)
{
	struct pcache_object *object = &inode->object;
	size_t done = 0;
	int err = 0;

	while (done < n && !err) {
		const uint64_t at = offset + done;
		struct page *page = NULL;
		const bool goes_on = at == ra->end && at % PAGE_SIZE; // reading on in a page is no new use
		size_t len = 0, missing;

		rwlock_lock_read(&object->map_lock);
		if (at < object->size) {
			len = min_of(n - done, PAGE_SIZE - at % PAGE_SIZE);
			len = min_of((uint64_t)len, object->size - at);
			err = pcache_get(object, at / PAGE_SIZE, ra, &page);
		}
		rwlock_unlock_read(&object->map_lock);
		if (err || !len)
			break;
		if (!goes_on)
			pcache_mark_used(page);
		ra->end = at + len;
		missing = copy_out((char *)buf + done, page, at % PAGE_SIZE, len, &err);
		pcache_put(page);
		done += len - missing;
	}
	return done ? (long)done : err;
}

/* ---- writing ---- */

struct write {
	struct inode *inode;
	uint64_t at, end; // what is left of the call
	bool grown;
};

/*
 * Makes room up to at + len, and blocks for as much of the call as GROW_AHEAD says; *len shrinks to what there is room
 * for. map_lock owned.
 */
static int write_grow(struct write *w, size_t *len)
{
	struct inode *inode = w->inode;
	const struct volume *vol = inode->vol;
	const uint64_t size = w->at + *len;
	const uint64_t ahead = max_of(size, min_of(w->end, align_down(w->at, (uint64_t)GROW_AHEAD) + GROW_AHEAD));
	uint32_t reached = 0;
	int err = ext2_extend_tail(inode, size);

	/* The page's earlier blocks too: a page is stored into once all of it is backed. */
	if (!err)
		err = ext2_bmap_alloc_range(inode, align_down(w->at, (uint64_t)PAGE_SIZE) >> vol->block_shift,
					    (ahead + vol->block_size - 1) >> vol->block_shift, ahead, &reached);
	if (err && (uint64_t)reached << vol->block_shift <= w->at) {
		ext2_extend_undo(inode);
		return err;
	}
	if (err)
		*len = min_of((uint64_t)*len, ((uint64_t)reached << vol->block_shift) - w->at);
	inode->object.size = w->at + *len;
	inode->size = max_of(inode->size, inode->object.size);
	w->grown = true;
	return 0;
}

/* One page's part. map_lock held. */
static int write_page(struct write *w, const void *from, size_t len, uint64_t old_size)
{
	struct pcache_object *object = &w->inode->object;
	const size_t offset = w->at % PAGE_SIZE;
	const bool is_new = w->at - offset >= old_size;
	const bool whole = offset == 0 && (len == PAGE_SIZE || w->at + len >= object->size);
	struct page *page;
	char *to;
	int err;

	/* A page that is all new, or all overwritten up to the file's end, is not read; what is around is zeros. */
	if (whole || is_new)
		err = pcache_get_overwrite(object, w->at / PAGE_SIZE, &page);
	else
		err = pcache_get(object, w->at / PAGE_SIZE, NULL, &page);
	if (err)
		return err;
	err = pcache_make_dirty(page);
	if (!err) {
		to = page_va(page);
		memmove(to + offset, from, len);
		if (is_new)
			memset(to, 0, offset);
		if (whole || is_new)
			memset(to + offset + len, 0, PAGE_SIZE - offset - len);
	}
	pcache_put(page);
	return err;
}

/* As much of the application's memory as one page of it shows. *len: how much was written. */
static int write_piece(struct write *w, const void *from, size_t *len)
{
	struct pcache_object *object = &w->inode->object;
	uint64_t old_size;
	bool grow;
	int err = 0;

	/* Only this thread, which has the inode's lock, changes the size. */
	old_size = object->size;
	grow = w->at + *len > old_size;
	if (grow)
		rwlock_lock_write(&object->map_lock);
	else
		rwlock_lock_read(&object->map_lock);
	if (grow)
		err = write_grow(w, len);
	if (!err) {
		err = write_page(w, from, *len, old_size);
		if (err && grow) {
			object->size = old_size;
			ext2_extend_undo(w->inode);
		}
	}
	if (grow)
		rwlock_unlock_write(&object->map_lock);
	else
		rwlock_unlock_read(&object->map_lock);
	return err;
}

/* The size, and what was allocated for a part that was then not written. */
static int write_finish(struct write *w)
{
	struct inode *inode = w->inode;

	inode_touch(inode, true);
	if (!w->grown)
		return 0;
	if (w->at < w->end) {
		rwlock_lock_write(&inode->object.map_lock);
		ext2_extend_undo(inode);
		rwlock_unlock_write(&inode->object.map_lock);
	}
	return ext2_inode_write(inode);
}

static long write_locked(struct inode *inode, const char *buf, size_t n, uint64_t offset)
{
	struct write w = {.inode = inode, .at = offset};
	int err = 0, finish;

	if (atomic_load(&inode->vol->read_only))
		return -EROFS;
	if (n == 0)
		return 0;
	if (offset >= inode->vol->size_max)
		return -EFBIG;
	w.end = offset + min_of((uint64_t)n, inode->vol->size_max - offset);
	while (w.at < w.end && !err) {
		size_t len = min_of(w.end - w.at, PAGE_SIZE - w.at % PAGE_SIZE);
		struct user_pin pin;

		err = user_pin(buf + (w.at - offset), len, &pin);
		if (err)
			break;
		len = pin.len;
		err = write_piece(&w, pin.kva, &len);
		user_unpin(&pin);
		if (!err)
			w.at += len;
	}
	if (w.at == offset && !w.grown)
		return err;
	finish = write_finish(&w);
	if (!err)
		err = finish;
	return w.at > offset ? (long)(w.at - offset) : err;
}

/* Inside the gate. */
static long write_regular(struct file *file, const void *buf, size_t n, int64_t *offset)
{
	const int flags = atomic_load(&file->flags);
	struct inode *inode = file->node.inode;
	uint64_t from;
	long r;

	mutex_lock(&inode->lock);
	from = flags & O_APPEND ? inode->object.size : (uint64_t)*offset;
	r = write_locked(inode, buf, n, from);
	if (r == -ENOSPC && !atomic_load(&inode->vol->read_only)) {
		/* Files that were deleted may not have given their blocks back yet. */
		mutex_unlock(&inode->lock);
		if (!volume_settle(inode->vol)) {
			mutex_lock(&inode->lock);
			from = flags & O_APPEND ? inode->object.size : (uint64_t)*offset;
			r = write_locked(inode, buf, n, from);
			mutex_unlock(&inode->lock);
		}
	} else {
		mutex_unlock(&inode->lock);
	}
	if (r > 0) {
		*offset = from + r;
		if (flags & O_SYNC) {
			int err = pcache_sync_range(&inode->object, from / PAGE_SIZE, (from + r - 1) / PAGE_SIZE);

			r = err ? err : r;
		}
	}
	return r;
}

/* ---- devices: through a bounce buffer, since drivers take kernel memory ---- */

#define BOUNCE_SIZE 1024

static long device_read(struct chardev *dev, void *buf, size_t n)
{
	char bounce[BOUNCE_SIZE];
	long r = dev->read(dev, bounce, min_of(n, sizeof(bounce)));

	if (r > 0) {
		size_t missing = uaccess_copy(buf, bounce, r);

		r = missing == (size_t)r ? -EFAULT : r - (long)missing;
	}
	return r;
}

static long device_write(struct chardev *dev, const void *buf, size_t n, int channel)
{
	char bounce[BOUNCE_SIZE];
	size_t done = 0;
	long r = 0;

	while (done < n && r >= 0) {
		size_t len = min_of(n - done, sizeof(bounce));

		len -= uaccess_copy(bounce, (const char *)buf + done, len);
		r = len ? dev->write(dev, bounce, len, channel) : -EFAULT;
		if (r > 0)
			done += r;
	}
	return done ? (long)done : r;
}

/* ---- calls ---- */

static int check_read(const struct file *file)
{
	if (!file_readable(file))
		return -EBADF;
	if (file->node.synth ? file->node.synth->nth != NULL : file->node.inode && !S_ISREG(file->node.inode->mode))
		return -EISDIR;
	return 0;
}

static long file_read(struct file *file, void *buf, size_t n)
{
	long r = check_read(file);

	n = min_of(n, (size_t)COUNT_MAX);
	if (r || n == 0)
		return r;
	if (file->node.device)
		return device_read(file->node.device, buf, n);
	mutex_lock(&file->lock);
	if (file->node.synth)
		r = synth_read(file->node.synth, buf, n, (uint64_t)file->offset);
	else
		r = read_regular(file->node.inode, &file->readahead, buf, n, file->offset);
	if (r > 0)
		file->offset += r;
	mutex_unlock(&file->lock);
	return r;
}

static long file_write(struct file *file, const void *buf, size_t n)
{
	long r;

	n = min_of(n, (size_t)COUNT_MAX);
	if (!file_writable(file))
		return -EBADF;
	if (file->node.device)
		return device_write(file->node.device, buf, n, file->channel);
	if (file->node.synth)
		return synth_write(file->node.synth, buf, n);
	r = volume_write_begin(file->node.inode->vol);
	if (r)
		return r;
	mutex_lock(&file->lock);
	r = write_regular(file, buf, n, &file->offset);
	mutex_unlock(&file->lock);
	volume_write_end(file->node.inode->vol);
	return r;
}

long fs_read(int fd, void *buf, size_t n)
{
	struct file *file;
	long r = file_get(fd, &file);

	if (!r) {
		r = file_read(file, buf, n);
		(void)file_put(file); // an error that this last close finds has no one to be told to
	}
	return r;
}

long fs_write(int fd, const void *buf, size_t n)
{
	struct file *file;
	long r = file_get(fd, &file);

	if (!r) {
		r = file_write(file, buf, n);
		(void)file_put(file); // as in fs_read
	}
	return r;
}

long fs_pread(int fd, void *buf, size_t n, int64_t offset)
{
	struct readahead ra;
	struct file *file;
	long r = file_get(fd, &file);

	if (r)
		return r;
	r = check_read(file);
	if (!r && file->node.device)
		r = -ESPIPE;
	if (!r && offset < 0)
		r = -EINVAL;
	if (!r && file->node.synth) {
		r = synth_read(file->node.synth, buf, min_of(n, (size_t)COUNT_MAX), (uint64_t)offset);
	} else if (!r) {
		/* A stream of reads at offsets is seen as one too, without holding the others up. */
		mutex_lock(&file->lock);
		ra = file->readahead;
		mutex_unlock(&file->lock);
		r = read_regular(file->node.inode, &ra, buf, min_of(n, (size_t)COUNT_MAX), offset);
		mutex_lock(&file->lock);
		ra.random = file->readahead.random; // may have been advised meanwhile
		ra.sequential = file->readahead.sequential;
		file->readahead = ra;
		mutex_unlock(&file->lock);
	}
	(void)file_put(file); // as in fs_read
	return r;
}

long fs_pwrite(int fd, const void *buf, size_t n, int64_t offset)
{
	struct file *file;
	long r = file_get(fd, &file);

	if (r)
		return r;
	if (!file_writable(file))
		r = -EBADF;
	else if (file->node.device)
		r = -ESPIPE;
	else if (offset < 0)
		r = -EINVAL;
	else
		r = file->node.synth ? 0 : volume_write_begin(file->node.inode->vol);
	if (!r && file->node.synth) {
		r = synth_write(file->node.synth, buf, n);
	} else if (!r) {
		r = write_regular(file, buf, min_of(n, (size_t)COUNT_MAX), &offset);
		volume_write_end(file->node.inode->vol);
	}
	(void)file_put(file); // as in fs_read
	return r;
}

static int64_t file_seek(struct file *file, int64_t offset, int whence)
{
	struct inode *inode = file->node.inode;
	int64_t base = 0;

	if (file->node.device)
		return -ESPIPE;
	mutex_lock(&file->lock);
	if (whence == SEEK_CUR)
		base = file->offset;
	else if (whence == SEEK_END && inode)
		base = (int64_t)inode_size(inode);
	else if (whence != SEEK_SET)
		base = -1;
	if (base < 0 || __builtin_add_overflow(base, offset, &offset) || offset < 0)
		offset = -EINVAL;
	else
		file->offset = offset;
	mutex_unlock(&file->lock);
	return offset;
}

int64_t fs_lseek(int fd, int64_t offset, int whence)
{
	struct file *file;
	int64_t r = file_get(fd, &file);

	if (!r) {
		r = file_seek(file, offset, whence);
		(void)file_put(file); // as in fs_read
	}
	return r;
}
