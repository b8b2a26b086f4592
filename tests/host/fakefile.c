// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* The fake file. Each page of a transfer is an event of its own, so pages of one call end apart and out of order. */
#include "tests/host/fakefile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arch/clock.h"
#include "arch/host/host.h"
#include "arch/page.h"
#include "tests/host/harness.h"

struct transfer {
	struct host_event event;
	struct transfer *next_held;
	struct fakefile *file;
	struct page *page;
	pgidx_t index;
	bool write, taken;
	int error;
};

static struct fakefile *file_of(struct pcache_object *obj)
{
	struct fakefile *file = container_of(obj, struct fakefile, object);

	assert_false(file->destroyed);
	return file;
}

static int next_error(struct fakefile *file, enum fake_op op)
{
	uint64_t n = ++file->fail[op].seen;

	if (n < file->fail[op].from || n - file->fail[op].from >= file->fail[op].count)
		return 0;
	file->fail[op].fired++;
	return file->fail[op].error;
}

static void take(struct transfer *t)
{
	if (!t->error && !t->taken)
		memcpy(t->file->data + t->index * PAGE_SIZE, page_va(t->page), PAGE_SIZE);
	t->taken = true;
}

static void transfer_end(struct host_event *event)
{
	struct transfer *t = container_of(event, struct transfer, event);

	if (t->file->hold) {
		t->next_held = t->file->held;
		t->file->held = t;
		return;
	}
	assert_int_equal(t->page->index, t->index);
	assert_ptr_equal(t->page->object, &t->file->object);
	if (t->write) {
		take(t);
		pcache_write_done(t->page, t->error);
	} else {
		if (!t->error)
			memcpy(page_va(t->page), t->file->data + t->index * PAGE_SIZE, PAGE_SIZE);
		else
			memset(page_va(t->page), 0xdb, PAGE_SIZE);
		pcache_fill_done(t->page, t->error, t->file->backed[t->index]);
	}
	free(t);
}

/* When n pages that are transferred at the file's pace end. */
static void pace_take(struct fakefile *file, size_t n)
{
	file->busy_until = max_of(file->busy_until, clock_now()) + n * file->pace;
}

static void transfer_start(struct fakefile *file, struct page *page, pgidx_t index, bool write)
{
	struct transfer *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	assert_true(index < file->pages);
	*t = (struct transfer){
	    .event.fire = transfer_end,
	    .file = file,
	    .page = page,
	    .index = index,
	    .write = write,
	    .error = next_error(file, write ? FAKE_WRITE : FAKE_FILL),
	};
	if (write && file->shuffled && rand() % 2)
		take(t);
	if (file->pace)
		host_event_post(&t->event, file->busy_until);
	else if (file->delay)
		host_event_post(&t->event, clock_now() + (file->shuffled ? (nsec_t)rand() % file->delay : file->delay));
	else
		transfer_end(&t->event);
}

static void fake_fill(struct pcache_object *obj, pgidx_t first, struct page **pages, size_t n, bool awaited)
{
	struct fakefile *file = file_of(obj);

	(void)awaited;
	pace_take(file, n);
	file->fills++;
	for (size_t i = 0; i < n; i++)
		transfer_start(file, pages[i], first + i, false);
}

static void fake_write(struct pcache_object *obj, pgidx_t first, struct page **pages, size_t n, bool awaited)
{
	struct fakefile *file = file_of(obj);

	(void)awaited;
	assert_in_range(n, 1, PCACHE_RUN_MAX);
	pace_take(file, n);
	for (size_t i = 0; i < n; i++) {
		assert_true(file->backed[first + i]);
		transfer_start(file, pages[i], first + i, true);
	}
}

static int fake_reserve(struct pcache_object *obj, pgidx_t index, pgidx_t *end)
{
	struct fakefile *file = file_of(obj);
	int err = next_error(file, FAKE_RESERVE);
	pgidx_t seen = index;

	assert_true(*end > index);
	if (err)
		return err;
	file->backed[index] = true;
	while (seen < *end && seen < file->pages && file->backed[seen])
		seen++;
	*end = seen;
	return 0;
}

static int fake_sync(struct pcache_object *obj)
{
	struct fakefile *file = file_of(obj);
	int err = next_error(file, FAKE_SYNC);

	if (err)
		pcache_flush_failed(obj, err);
	else
		memcpy(file->synced, file->data, file->pages * PAGE_SIZE);
	return err;
}

static void fake_ref(struct pcache_object *obj, int delta)
{
	struct fakefile *file = file_of(obj);

	file->refs += delta;
	assert_true(file->refs >= 0);
}

static const struct pcache_ops fake_ops = {
    .fill = fake_fill,
    .write = fake_write,
    .reserve = fake_reserve,
    .sync = fake_sync,
    .ref = fake_ref,
};

uint8_t fakefile_byte(uint64_t offset)
{
	return (uint8_t)(offset * 7 + offset / PAGE_SIZE * 13 + 1);
}

struct fakefile *fakefile_make(uint64_t size, bool sparse)
{
	struct fakefile *file = calloc(1, sizeof(*file));

	assert_non_null(file);
	file->pages = (size + PAGE_SIZE - 1) / PAGE_SIZE;
	file->data = calloc(file->pages, PAGE_SIZE);
	file->synced = calloc(file->pages, PAGE_SIZE);
	file->backed = calloc(file->pages, sizeof(bool));
	assert_true(file->data && file->synced && file->backed);
	pcache_object_init(&file->object, &fake_ops, size);
	for (uint64_t i = 0; i < size && !sparse; i++) {
		file->data[i] = fakefile_byte(i);
		file->backed[i / PAGE_SIZE] = true;
	}
	return file;
}

void fakefile_free(struct fakefile *file)
{
	pcache_check(&file->object);
	assert_int_equal(file->refs, 0);
	pcache_object_destroy(&file->object);
	file->destroyed = true; // kept, so that what comes late is noticed
}

void fakefile_fail(struct fakefile *file, enum fake_op op, uint64_t from, uint64_t count, int error)
{
	file->fail[op].from = from;
	file->fail[op].count = count;
	file->fail[op].seen = file->fail[op].fired = 0;
	file->fail[op].error = error;
}

void fakefile_release(struct fakefile *file)
{
	struct transfer *t = file->held;

	file->hold = false;
	file->held = NULL;
	while (t) {
		struct transfer *next = t->next_held;

		host_event_post(&t->event, clock_now());
		t = next;
	}
}
