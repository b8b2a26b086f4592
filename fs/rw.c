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

#include "arch/page.h"
#include "arch/uaccess.h"
#include "fs/file.h"
#include "fs/fs.h"
#include "fs/iov.h"
#include "fs/mount.h"
#include "mm/kmalloc.h"
#include "mm/reclaim.h"
#include "mm/shm.h"
#include "mm/usercopy.h"

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

/* map_lock held, inside the file. Pinned. */
static int page_to_read(struct pcache_object *object, pgidx_t index, struct readahead *ra, struct page **out)
{
	if (!object->memory)
		return pcache_get(object, index, ra, out);
	*out = shm_peek(object, index);
	return 0;
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
			err = page_to_read(object, at / PAGE_SIZE, ra, &page);
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
	uint64_t at, end;	       // what is left of the call
	struct pcache_stretch stretch; // the inode's lock keeps its blocks
	bool grown;
};

/* Makes room; *len shrinks to what there is room for. map_lock owned. */
static int write_grow(struct write *w, size_t *len)
{
	struct inode *inode = w->inode;
	int err = inode->ops->grow ? inode->ops->grow(inode, w->at, len, w->end) : -ENOSPC;

	if (err)
		return err;
	/* Short of space, what there is room for may end before the file does. */
	inode->object.size = max_of((uint64_t)inode->object.size, w->at + *len);
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
	err = pcache_make_dirty(page, &w->stretch);
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
		if (err && grow)
			object->size = old_size;
	}
	if (grow)
		rwlock_unlock_write(&object->map_lock);
	else
		rwlock_unlock_read(&object->map_lock);
	return err;
}

/* The size, and what was got for a part that was then not written. */
static int write_finish(struct write *w)
{
	struct inode *inode = w->inode;
	int err;

	if (S_ISREG(inode->mode))
		inode_touch(inode, true);
	if (!w->grown)
		return 0;
	rwlock_lock_write(&inode->object.map_lock);
	err = inode->ops->grow_end(inode);
	rwlock_unlock_write(&inode->object.map_lock);
	return err;
}

static uint64_t inode_size_max(const struct inode *inode)
{
	return S_ISREG(inode->mode) ? inode->super->size_max : inode->object.size;
}

static long write_locked(struct inode *inode, const char *buf, size_t n, uint64_t offset)
{
	struct write w = {.inode = inode, .at = offset};
	int err = 0, finish;

	if (S_ISREG(inode->mode) && atomic_load(&inode->super->read_only))
		return -EROFS;
	if (n == 0)
		return 0;
	if (offset >= inode_size_max(inode))
		return S_ISREG(inode->mode) ? -EFBIG : -ENOSPC;
	w.end = offset + min_of((uint64_t)n, inode_size_max(inode) - offset);
	w.stretch.end = (w.end - 1) / PAGE_SIZE + 1;
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

/* From where a write begins. The operation lock held. */
static uint64_t write_from(const struct file *file, int64_t offset)
{
	return atomic_load(&file->flags) & O_APPEND ? file->inode->object.size : (uint64_t)offset;
}

/* All buffers under one hold of the operation lock: others' writes come before or after. */
static long write_all_locked(struct inode *inode, const struct iovec *iov, unsigned count, uint64_t from)
{
	long done = 0, r = 0;

	for (unsigned i = 0; i < count; i++) {
		r = write_locked(inode, iov[i].iov_base, iov[i].iov_len, from + done);
		if (r > 0)
			done += r;
		if (r < 0 || (size_t)r < iov[i].iov_len)
			break;
	}
	return done ? done : r;
}

/* Inside the gate. */
static long write_regular(struct file *file, const struct iovec *iov, unsigned count, int64_t *offset)
{
	struct inode *inode = file->inode;
	uint64_t from;
	long r;

	mutex_lock(&inode->lock);
	from = write_from(file, *offset);
	r = write_all_locked(inode, iov, count, from);
	if (r == -ENOSPC) {
		/* Files that were deleted may not have given their blocks back yet. */
		mutex_unlock(&inode->lock);
		if (!inode->super->ops->settle(inode->super)) {
			mutex_lock(&inode->lock);
			from = write_from(file, *offset);
			r = write_all_locked(inode, iov, count, from);
			mutex_unlock(&inode->lock);
		}
	} else {
		mutex_unlock(&inode->lock);
	}
	if (r > 0) {
		*offset = from + r;
		if (atomic_load(&file->flags) & (O_SYNC | O_DSYNC)) {
			int err = pcache_sync_range(&inode->object, from / PAGE_SIZE, (from + r - 1) / PAGE_SIZE);

			r = err ? err : r;
		}
	}
	return r;
}

/* ---- open files ---- */

static int check_read(const struct file *file)
{
	if (!file_readable(file))
		return -EBADF;
	if (file->ops)
		return file->ops->read ? 0 : -EINVAL;
	return inode_has_pages(file->inode) ? 0 : -EISDIR;
}

static int check_write(const struct file *file)
{
	if (!file_writable(file))
		return -EBADF;
	return file->ops && !file->ops->write ? -EINVAL : 0;
}

static long read_buffers(struct inode *inode, struct readahead *ra, const struct iovec *iov, unsigned count,
			 int64_t offset)
{
	long done = 0, r = 0;

	for (unsigned i = 0; i < count; i++) {
		r = read_regular(inode, ra, iov[i].iov_base, iov[i].iov_len, offset + done);
		if (r > 0)
			done += r;
		if (r < 0 || (size_t)r < iov[i].iov_len)
			break;
	}
	return done ? done : r;
}

static long file_read(struct file *file, const struct iovec *iov, unsigned count)
{
	long r = check_read(file);

	if (r || iov_len(iov, count) == 0)
		return r;
	if (file_is_stream(file))
		return ops_read(file, iov, count, 0);
	mutex_lock(&file->lock);
	if (file->ops)
		r = ops_read(file, iov, count, file->offset);
	else
		r = read_buffers(file->inode, &file->readahead, iov, count, file->offset);
	if (r > 0)
		file->offset += r;
	mutex_unlock(&file->lock);
	return r;
}

static long file_write(struct file *file, const struct iovec *iov, unsigned count)
{
	long r = check_write(file);

	if (r)
		return r;
	if (file->ops)
		return ops_write(file, iov, count, 0);
	r = super_write_begin(file->inode->super);
	if (r)
		return r;
	mutex_lock(&file->lock);
	r = write_regular(file, iov, count, &file->offset);
	mutex_unlock(&file->lock);
	super_write_end(file->inode->super);
	return r;
}

/* A stream of reads at offsets is seen as one too, without holding the others up. */
static long pread_regular(struct file *file, const struct iovec *iov, unsigned count, int64_t offset)
{
	struct readahead ra;
	long r;

	mutex_lock(&file->lock);
	ra = file->readahead;
	mutex_unlock(&file->lock);
	r = read_buffers(file->inode, &ra, iov, count, offset);
	mutex_lock(&file->lock);
	ra.random = file->readahead.random; // may have been advised meanwhile
	ra.sequential = file->readahead.sequential;
	file->readahead = ra;
	mutex_unlock(&file->lock);
	return r;
}

static long file_pread(struct file *file, const struct iovec *iov, unsigned count, int64_t offset)
{
	long r;

	if (offset < 0)
		return -EINVAL;
	if (file_is_stream(file))
		return -ESPIPE;
	r = check_read(file);
	if (r)
		return r;
	return file->ops ? ops_read(file, iov, count, offset) : pread_regular(file, iov, count, offset);
}

static long file_pwrite(struct file *file, const struct iovec *iov, unsigned count, int64_t offset)
{
	long r;

	if (offset < 0)
		return -EINVAL;
	if (file_is_stream(file))
		return -ESPIPE;
	r = check_write(file);
	if (r)
		return r;
	if (file->ops)
		return ops_write(file, iov, count, offset);
	r = super_write_begin(file->inode->super);
	if (r)
		return r;
	r = write_regular(file, iov, count, &offset);
	super_write_end(file->inode->super);
	return r;
}

/* ---- calls ---- */

enum direction { READ, WRITE };

/* at NULL: where the open file is. */
static long transfer(struct file *file, enum direction direction, const struct iovec *iov, unsigned count,
		     const int64_t *at)
{
	if (direction == READ)
		return at ? file_pread(file, iov, count, *at) : file_read(file, iov, count);
	return at ? file_pwrite(file, iov, count, *at) : file_write(file, iov, count);
}

static long transfer_one(int fd, enum direction direction, const void *buf, size_t n, const int64_t *at)
{
	const size_t len = min_of(n, (size_t)IOV_BYTES_MAX);
	const struct iovec iov = {.iov_base = (void *)(uintptr_t)buf, .iov_len = len};
	struct file *file;
	long r = file_get(fd, &file);

	if (!r) {
		r = transfer(file, direction, &iov, 1, at);
		(void)file_put(file); // an error that this last close finds has no one to be told to
	}
	return r;
}

long fs_read(int fd, void *buf, size_t n)
{
	return transfer_one(fd, READ, buf, n, NULL);
}

long fs_write(int fd, const void *buf, size_t n)
{
	return transfer_one(fd, WRITE, buf, n, NULL);
}

long fs_pread(int fd, void *buf, size_t n, int64_t offset)
{
	return transfer_one(fd, READ, buf, n, &offset);
}

long fs_pwrite(int fd, const void *buf, size_t n, int64_t offset)
{
	return transfer_one(fd, WRITE, buf, n, &offset);
}

static long transfer_vector(int fd, enum direction direction, const struct iovec *iov, int count, const int64_t *at)
{
	struct iovec *own;
	struct file *file;
	long r = file_get(fd, &file);

	if (r)
		return r;
	r = iov_get(iov, count, &own);
	if (!r) {
		r = transfer(file, direction, own, (unsigned)count, at);
		kfree(own);
	}
	(void)file_put(file); // as above
	return r;
}

long fs_readv(int fd, const struct iovec *iov, int count)
{
	return transfer_vector(fd, READ, iov, count, NULL);
}

long fs_writev(int fd, const struct iovec *iov, int count)
{
	return transfer_vector(fd, WRITE, iov, count, NULL);
}

long fs_preadv(int fd, const struct iovec *iov, int count, int64_t offset)
{
	return transfer_vector(fd, READ, iov, count, &offset);
}

long fs_pwritev(int fd, const struct iovec *iov, int count, int64_t offset)
{
	return transfer_vector(fd, WRITE, iov, count, &offset);
}
