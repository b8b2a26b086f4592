// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What synthetic directories and text files have in common. No lock; sleeps for the application's memory and where a
 * file's own functions do.
 */
#include "fs/synth.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "arch/uaccess.h"
#include "mm/kmalloc.h"
#include "mm/reclaim.h"

#define LINE_MAX 256 // of one text_printf, with the NUL
#define VALUE_MAX 63 // bytes of one that is written

static const struct synth *const roots[] = {&dev_directory, &proc_directory};

bool synth_root(const char *name, struct node *out)
{
	for (size_t i = 0; i < array_size(roots); i++) {
		if (!strcmp(name, roots[i]->name)) {
			*out = (struct node){.synth = roots[i]};
			return true;
		}
	}
	return false;
}

const char *synth_name(const struct node *node)
{
	return node->device ? node->device->name : node->synth->name;
}

uint64_t synth_ino(const struct node *node)
{
	return node->device ? dev_ino(node->device) : node->synth->ino;
}

int synth_find(const struct synth *dir, const char *name, struct node *out)
{
	for (unsigned n = 0; dir->nth(dir, n, out); n++) {
		if (!strcmp(synth_name(out), name))
			return 0;
	}
	return -ENOENT;
}

void text_printf(struct text *text, const char *format, ...)
{
	char line[LINE_MAX];
	size_t len, from;
	va_list ap;

	va_start(ap, format);
	len = (size_t)vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	len = min_of(len, sizeof(line) - 1);
	from = (size_t)min_of((uint64_t)len, text->skip);
	text->skip -= from;
	len = min_of(len - from, text->size - text->len);
	memcpy(text->buf + text->len, line + from, len);
	text->len += len;
}

long synth_read(const struct synth *file, void *buf, size_t n, uint64_t offset)
{
	struct text text = {.buf = kmalloc_wait(PAGE_SIZE), .skip = offset};
	size_t missing;

	text.size = min_of(n, PAGE_SIZE);
	if (!text.buf)
		return -ENOMEM;
	file->show(file, &text);
	missing = uaccess_copy(buf, text.buf, text.len);
	kfree(text.buf);
	return missing && missing == text.len ? -EFAULT : (long)(text.len - missing);
}

long synth_write(const struct synth *file, const void *buf, size_t n)
{
	char value[VALUE_MAX + 1];
	int err;

	if (n == 0)
		return 0;
	if (n > VALUE_MAX)
		return -EINVAL;
	if (uaccess_copy(value, buf, n))
		return -EFAULT;
	if (memchr(value, 0, n))
		return -EINVAL;
	value[n] = 0;
	err = file->store(file, value);
	return err ? err : (long)n;
}
