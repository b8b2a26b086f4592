// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The file systems made of tables, whose inodes are loaded by finding the row with their number. No lock of their own;
 * sleep for the application's memory, and where a file's own functions do.
 */
#include "fs/synth.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "arch/uaccess.h"
#include "fs/file.h"
#include "fs/fs.h"
#include "fs/mount.h"
#include "mm/kmalloc.h"
#include "mm/reclaim.h"

#define VALUE_MAX 63 // bytes of one that is written

struct synth_super {
	struct super super;
	const struct synth *root;
};

static const struct synth *row_of(const struct inode *inode)
{
	return inode->private;
}

/* ---- text files ---- */

void text_put(struct text *text, const char *bytes, size_t len)
{
	const size_t from = (size_t)min_of((uint64_t)len, text->skip);

	text->total += len;
	text->skip -= from;
	len = min_of(len - from, text->size - text->len);
	memcpy(text->buf + text->len, bytes + from, len);
	text->len += len;
}

void text_printf(struct text *text, const char *format, ...)
{
	char line[TEXT_LINE_MAX];
	size_t len;
	va_list ap;

	va_start(ap, format);
	len = (size_t)vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	text_put(text, line, min_of(len, sizeof(line) - 1));
}

/* Where a long text goes on: what comes at `cursor` begins at the byte `offset`. */
struct place {
	struct spinlock lock; // of an open file's
	uint64_t offset, cursor;
};

static int text_open(struct file *file)
{
	struct place *place;

	if (!row_of(file->inode)->next)
		return 0;
	place = kmalloc_wait(sizeof(*place));
	if (!place)
		return -ENOMEM;
	memset(place, 0, sizeof(*place));
	spin_init(&place->lock, "text");
	file->private = place;
	return 0;
}

static void text_release(struct file *file)
{
	kfree(file->private);
}

/* From where the last read came to, unless this one lies before it. */
static void place_find(struct place *at, struct place *saved, uint64_t offset)
{
	unsigned long flags = spin_lock(&saved->lock);

	at->offset = saved->offset <= offset ? saved->offset : 0;
	at->cursor = saved->offset <= offset ? saved->cursor : 0;
	spin_unlock(&saved->lock, flags);
}

static void place_save(struct place *saved, const struct place *at)
{
	unsigned long flags = spin_lock(&saved->lock);

	saved->offset = at->offset;
	saved->cursor = at->cursor;
	spin_unlock(&saved->lock, flags);
}

static void show_on(const struct synth *row, struct place *saved, struct text *text, uint64_t offset)
{
	struct place at;

	place_find(&at, saved, offset);
	text->skip = offset - at.offset;
	while (!text_is_full(text)) {
		const uint64_t before = text->total;
		uint64_t cursor = at.cursor;

		if (!row->next(row, &cursor, text))
			break;
		if (text_is_full(text))
			break; // the next read may begin in it
		at.offset += text->total - before;
		at.cursor = cursor;
	}
	place_save(saved, &at);
}

static long text_read(struct file *file, void *buf, size_t n, uint64_t offset)
{
	const struct synth *row = row_of(file->inode);
	struct text text = {.buf = kmalloc_wait(PAGE_SIZE), .skip = offset};
	size_t missing;

	text.size = min_of(n, PAGE_SIZE);
	if (!text.buf)
		return -ENOMEM;
	if (row->next)
		show_on(row, file->private, &text, offset);
	else
		row->show(row, &text);
	missing = uaccess_copy(buf, text.buf, text.len);
	kfree(text.buf);
	return missing && missing == text.len ? -EFAULT : (long)(text.len - missing);
}

/* All of it or nothing. */
static long text_write(struct file *file, const void *buf, size_t n, uint64_t offset)
{
	const struct synth *row = row_of(file->inode);
	char value[VALUE_MAX + 1];
	int err;

	(void)offset;
	if (n == 0)
		return 0;
	if (n > VALUE_MAX)
		return -EINVAL;
	if (uaccess_copy(value, buf, n))
		return -EFAULT;
	if (memchr(value, 0, n))
		return -EINVAL;
	value[n] = 0;
	err = row->store(row, value);
	return err ? err : (long)n;
}

static const struct file_ops text_ops = {
    .open = text_open, .release = text_release, .read = text_read, .write = text_write};

/* ---- inodes ---- */

static const struct synth *row_by_number(const struct synth *row, uint32_t ino)
{
	const struct synth *entry, *found = NULL;

	if (row->ino == ino)
		return row;
	for (unsigned n = 0; row->nth && !found && (entry = row->nth(row, n)); n++)
		found = row_by_number(entry, ino);
	return found;
}

static struct inode *synth_make(struct super *super)
{
	(void)super;
	return kzalloc(sizeof(struct inode));
}

static mode_t mode_of(const struct synth *row)
{
	if (row->nth)
		return S_IFDIR | 0555;
	if (row->type)
		return row->type | 0666;
	return S_IFREG | (row->show || row->next ? 0444 : 0) | (row->store ? 0200 : 0);
}

static const struct inode_ops synth_inode_ops;

static int synth_load(struct inode *inode, bool orphan)
{
	const struct synth *row =
	    row_by_number(container_of(inode->super, struct synth_super, super)->root, inode->ino);

	(void)orphan;
	if (!row)
		return -ENOENT;
	inode->ops = row->ops ? row->ops : &synth_inode_ops;
	inode->private = row;
	inode->device = row->device;
	inode->rdev = row->rdev;
	inode->mode = (uint16_t)mode_of(row);
	inode->links = row->nth ? 2 : 1;
	inode->file_ops = row->nth ? NULL : row->type ? row->file_ops : &text_ops;
	pcache_object_init(&inode->object, row->pages, row->size);
	return 0;
}

static int synth_write_out(struct inode *inode)
{
	return inode_has_pages(inode) ? pcache_write_range(&inode->object, 0, PGIDX_MAX) : 0;
}

static bool synth_keeps(const struct inode *inode)
{
	(void)inode;
	return false;
}

static int synth_lookup(struct inode *dir, const char *name, unsigned len, struct inode **out)
{
	const struct synth *row = row_of(dir), *entry;

	if (!row->parent && !row->ino)
		return -ENODEV; // the empty root
	if (len == 2 && !memcmp(name, "..", 2))
		return inode_get(dir->super, (row->parent ? row->parent : row)->ino, out);
	for (unsigned n = 0; (entry = row->nth(row, n)); n++) {
		if (strlen(entry->name) == len && !memcmp(entry->name, name, len))
			return inode_get(dir->super, entry->ino, out);
	}
	return -ENOENT;
}

static int synth_next_entry(struct inode *dir, uint64_t *offset, struct dir_entry *entry)
{
	const struct synth *row = row_of(dir), *next = row;
	const char *name = *offset == 0 ? "." : "..";

	if (*offset == 1 && row->parent)
		next = row->parent;
	if (*offset > UINT32_MAX)
		return 0;
	if (*offset >= 2) {
		next = row->nth(row, (unsigned)*offset - 2);
		if (!next)
			return 0;
		name = next->name;
	}
	++*offset;
	entry->ino = next->ino;
	entry->type = (uint8_t)(mode_of(next) >> 12); // DT_* are the types of modes
	entry->len = (unsigned)snprintf(entry->name, sizeof(entry->name), "%s", name);
	return 1;
}

/* Nothing is kept. */
static int synth_sync(struct inode *inode)
{
	(void)inode;
	return 0;
}

static const struct inode_ops synth_inode_ops = {
    .lookup = synth_lookup, .next_entry = synth_next_entry, .sync = synth_sync};

/* ---- mounts ---- */

static int synth_super_nothing(struct super *super)
{
	(void)super;
	return 0;
}

static int synth_space(struct super *super, struct fs_space *out)
{
	(void)super;
	*out = (struct fs_space){.block_size = PAGE_SIZE};
	return 0;
}

#define SYNTH_OPS(name)                                                                                                \
	{                                                                                                              \
		.type = (name), .make = synth_make, .load = synth_load, .write_out = synth_write_out,                  \
		.keeps = synth_keeps, .sync = synth_super_nothing, .settle = synth_super_nothing, .space = synth_space \
	}

static const struct super_ops empty_ops = SYNTH_OPS("rootfs");
static const struct super_ops dev_ops = SYNTH_OPS("devtmpfs");
static const struct super_ops proc_ops = SYNTH_OPS("proc");

static const struct synth *empty_nth(const struct synth *dir, unsigned n)
{
	(void)dir;
	(void)n;
	return NULL;
}

static const struct synth empty_directory = {.name = "", .nth = empty_nth};

static struct synth_super empty_super = {.super = {.ops = &empty_ops, .name = "rootfs"}, .root = &empty_directory};
static struct synth_super dev_super = {.super = {.ops = &dev_ops, .name = "devtmpfs"}, .root = &dev_directory};
static struct synth_super proc_super = {.super = {.ops = &proc_ops, .name = "proc"}, .root = &proc_directory};

struct inode *synth_empty_root(void)
{
	return empty_super.super.root;
}

static int start(struct synth_super *s)
{
	s->super.block_size = PAGE_SIZE;
	super_init(&s->super, true);
	return inode_get(&s->super, s->root->ino, &s->super.root);
}

int synth_init(void)
{
	int err = start(&empty_super);

	proc_init();
	if (!err)
		err = start(&dev_super);
	if (!err)
		err = start(&proc_super);
	if (!err)
		err = mount_add(&dev_super.super, NULL, "dev", "/dev");
	return err ? err : mount_add(&proc_super.super, NULL, "proc", "/proc");
}
