// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The writeback thread. It writes what has been dirty for AGE; what is dirty beyond a share of memory (the
 * background share); and what somebody asks for who waits for memory. Threads that make pages dirty faster than the
 * card takes them wait here, one page written for each page dirtied, once the soft share is reached, and stop at the
 * hard one. A store into a resident backed page never comes by (P4).
 *
 * Everybody who waits here waits for a transfer to end, or for the thread to have looked at everything in vain; nobody
 * waits for time to pass. The thread allocates nothing. An object in its hands is held by writeback_pins: its destroyer
 * waits for that.
 *
 * Lock: wb.lock, a spinlock; order: page lock -> it. Sleeps.
 */

#include <assert.h>
#include <errno.h>

#include "arch/clock.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "mm/pcache_internal.h"

#define AGE (5 * NSEC_PER_SEC)
#define RETRY_MIN NSEC_PER_SEC // after a failed write; doubles
#define RETRY_SHIFT_MAX 6
#define PASS_PAGES 1024 // of one object, when somebody waits
#define NEVER UINT64_MAX

enum pass { PASS_AGED, PASS_BACKGROUND, PASS_ASKED };

static struct {
	struct mutex walk; // one writeback_each_object at a time

	struct spinlock lock;	  // guards the rest
	struct list_node objects; // pcache_object.dirty_node
	size_t object_count;
	struct waitq thread_waitq, progress_waitq, object_waitq;
	bool kicked;		  // more is dirty than the background share
	uint64_t asked, answered; // requests, and how many of them a whole pass has followed
	uint64_t ended;		  // transfers that ended well
	uint64_t ticket;	  // of the throttled: the last one's turn is when `ended` is there
	uint64_t visit;
	int error; // of the last failed write
} wb = {
    .walk = MUTEX_INIT(wb.walk, "sync"),
    .lock = SPINLOCK_INIT("writeback"),
    .objects = LIST_INIT(wb.objects),
    .thread_waitq = WAITQ_INIT(wb.thread_waitq),
    .progress_waitq = WAITQ_INIT(wb.progress_waitq),
    .object_waitq = WAITQ_INIT(wb.object_waitq),
    .error = -EIO,
};

/* ---- how much is dirty ---- */
static size_t busy_pages(void)
{
	return atomic_load(&cache_counts.dirty) + atomic_load(&cache_counts.writing);
}

/* In tenths of the memory that could hold file pages. */
static size_t share(unsigned tenths)
{
	size_t pages = frame_free_count() + atomic_load(&cache_counts.pages), limit = atomic_load(&cache_counts.limit);

	if (limit)
		pages = min_of(pages, limit);
	return max_of(pages * tenths / 10, (size_t)2 * tenths);
}

#define BACKGROUND_SHARE share(1)
#define SOFT_SHARE share(3)
#define HARD_SHARE share(4)

static bool transfers_under_way(void)
{
	return atomic_load(&cache_counts.writing) + atomic_load(&cache_counts.filling) > 0;
}

/* ---- news from the pages ---- */
void writeback_object_dirty(struct pcache_object *obj)
{
	unsigned long flags = spin_lock(&wb.lock);

	obj->dirty_since = clock_now();
	list_push_back(&wb.objects, &obj->dirty_node);
	wb.object_count++;
	waitq_wake_one(&wb.thread_waitq); // its deadline may be nearer now
	spin_unlock(&wb.lock, flags);
}

void writeback_object_clean(struct pcache_object *obj)
{
	unsigned long flags = spin_lock(&wb.lock);

	list_remove(&obj->dirty_node);
	wb.object_count--;
	spin_unlock(&wb.lock, flags);
}

void writeback_object_written(struct pcache_object *obj, int err)
{
	unsigned long flags = spin_lock(&wb.lock);
	nsec_t now = clock_now();

	if (!err) {
		obj->retry_at = 0;
		obj->retry_shift = 0;
	} else if (obj->retry_at <= now) {
		obj->retry_at = now + (RETRY_MIN << obj->retry_shift);
		obj->retry_shift = min_of(obj->retry_shift + 1, (unsigned)RETRY_SHIFT_MAX);
		wb.error = err;
	}
	spin_unlock(&wb.lock, flags);
}

void writeback_dirtied(void)
{
	unsigned long flags;

	if (atomic_load(&cache_counts.dirty) <= BACKGROUND_SHARE)
		return;
	flags = spin_lock(&wb.lock);
	wb.kicked = true;
	waitq_wake_one(&wb.thread_waitq);
	spin_unlock(&wb.lock, flags);
}

void writeback_transfer_ended(bool well)
{
	unsigned long flags = spin_lock(&wb.lock);

	wb.ended += well;
	waitq_wake_all(&wb.progress_waitq);
	spin_unlock(&wb.lock, flags);
}

/* ---- waiting for it ---- */
/* Starts a request; it is answered once the thread has since then offered all dirty pages to the card. */
static uint64_t ask_locked(void)
{
	waitq_wake_one(&wb.thread_waitq);
	return ++wb.asked;
}

/* Nothing that was started because of the request can end any more. */
static bool in_vain_locked(uint64_t request)
{
	return wb.answered >= request && !transfers_under_way();
}

uint64_t writeback_progress(void)
{
	unsigned long flags = spin_lock(&wb.lock);
	uint64_t ended = wb.ended;

	spin_unlock(&wb.lock, flags);
	return ended;
}

bool writeback_wait_progress(uint64_t seen)
{
	unsigned long flags = spin_lock(&wb.lock);
	bool progress;

	if (wb.ended == seen && (busy_pages() || transfers_under_way())) {
		uint64_t request = ask_locked();

		while (wb.ended == seen && !in_vain_locked(request))
			waitq_wait(&wb.progress_waitq, &wb.lock, &flags);
	}
	progress = wb.ended != seen;
	spin_unlock(&wb.lock, flags);
	return progress;
}

int writeback_throttle(void)
{
	unsigned long flags;
	uint64_t turn, request, ended;
	int err = 0;

	if (busy_pages() < SOFT_SHARE)
		return 0;
	flags = spin_lock(&wb.lock);
	ended = wb.ended;
	wb.ticket = turn = max_of(wb.ticket, ended) + 1;
	request = ask_locked();
	while (busy_pages() >= HARD_SHARE || (busy_pages() >= SOFT_SHARE && wb.ended < turn)) {
		if (in_vain_locked(request)) {
			if (wb.ended == ended) {
				err = busy_pages() >= HARD_SHARE ? wb.error : 0;
				break;
			}
			ended = wb.ended;
			request = ask_locked();
		}
		waitq_wait(&wb.progress_waitq, &wb.lock, &flags);
	}
	spin_unlock(&wb.lock, flags);
	return err;
}

void writeback_object_wait(struct pcache_object *obj)
{
	unsigned long flags = spin_lock(&wb.lock);

	while (obj->writeback_pins)
		waitq_wait(&wb.object_waitq, &wb.lock, &flags);
	spin_unlock(&wb.lock, flags);
}

/* ---- the thread ---- */
static nsec_t due_at(const struct pcache_object *obj)
{
	return max_of(obj->dirty_since + AGE, obj->retry_at);
}

static bool is_due(const struct pcache_object *obj, enum pass pass, nsec_t now)
{
	switch (pass) {
	case PASS_AGED:
		return due_at(obj) <= now;
	case PASS_BACKGROUND:
		return obj->retry_at <= now;
	default:
		return true;
	}
}

static void object_unpin(struct pcache_object *obj)
{
	unsigned long flags = spin_lock(&wb.lock);

	if (--obj->writeback_pins == 0)
		waitq_wake_all(&wb.object_waitq);
	spin_unlock(&wb.lock, flags);
}

/* The next of the objects that are due, pinned; *left counts down those not looked at. */
static struct pcache_object *next_due_locked(enum pass pass, size_t *left, nsec_t now)
{
	for (; *left > 0 && !list_empty(&wb.objects); --*left) {
		struct list_node *node = list_pop_front(&wb.objects);
		struct pcache_object *obj = list_entry(node, struct pcache_object, dirty_node);

		list_push_back(&wb.objects, node);
		if (!is_due(obj, pass, now))
			continue;
		--*left;
		if (pass == PASS_AGED)
			obj->dirty_since = now;
		obj->writeback_pins++;
		return obj;
	}
	return NULL;
}

static struct pcache_object *next_due(enum pass pass, size_t *left)
{
	unsigned long flags = spin_lock(&wb.lock);
	struct pcache_object *obj = next_due_locked(pass, left, clock_now());

	spin_unlock(&wb.lock, flags);
	return obj;
}

static bool enough(enum pass pass)
{
	return pass == PASS_BACKGROUND && atomic_load(&cache_counts.dirty) <= BACKGROUND_SHARE;
}

/* All of an aged object; of others PASS_PAGES, from where the last pass ended, round once. */
static void write_object(struct pcache_object *obj, enum pass pass)
{
	const pgidx_t start = pass == PASS_AGED ? 0 : obj->writeback_next;
	pgidx_t index = start;
	size_t written = 0, n;
	bool wrapped = start == 0;

	while (pass == PASS_AGED || (written < PASS_PAGES && !enough(pass))) {
		n = write_batch(obj, &index, wrapped && start ? start - 1 : PGIDX_MAX, false);
		written += n;
		if (n == 0 && wrapped)
			break;
		if (n == 0) {
			wrapped = true;
			index = 0;
		}
	}
	obj->writeback_next = index;
}

static enum pass wait_for_work(uint64_t *request)
{
	unsigned long flags = spin_lock(&wb.lock);
	enum pass pass;

	for (;;) {
		nsec_t deadline = NEVER;

		list_for_each (&wb.objects, it)
			deadline = min_of(deadline, due_at(list_entry(it, struct pcache_object, dirty_node)));
		*request = wb.asked;
		if (wb.asked != wb.answered)
			pass = PASS_ASKED;
		else if (wb.kicked)
			pass = PASS_BACKGROUND;
		else if (deadline <= clock_now())
			pass = PASS_AGED;
		else {
			(void)waitq_wait_until(&wb.thread_waitq, &wb.lock, &flags, deadline); // looked at again above
			continue;
		}
		wb.kicked = false;
		spin_unlock(&wb.lock, flags);
		return pass;
	}
}

static void *writeback_main(void *arg)
{
	(void)arg;
	for (;;) {
		uint64_t request;
		enum pass pass = wait_for_work(&request);
		unsigned long flags;
		struct pcache_object *obj;
		size_t left;

		flags = spin_lock(&wb.lock);
		left = wb.object_count;
		spin_unlock(&wb.lock, flags);
		while (!enough(pass) && (obj = next_due(pass, &left))) {
			write_object(obj, pass);
			object_unpin(obj);
		}
		flags = spin_lock(&wb.lock);
		wb.answered = request;
		waitq_wake_all(&wb.progress_waitq);
		spin_unlock(&wb.lock, flags);
	}
	return NULL;
}

int writeback_init(void)
{
	return thread_create("writeback", THREAD_STACK_SIZE, writeback_main, NULL, NULL);
}

/* ---- all objects ---- */
static struct pcache_object *next_unvisited_locked(uint64_t visit)
{
	list_for_each (&wb.objects, it) {
		struct pcache_object *obj = list_entry(it, struct pcache_object, dirty_node);

		if (obj->visit == visit)
			continue;
		obj->visit = visit;
		obj->writeback_pins++;
		return obj;
	}
	return NULL;
}

static struct pcache_object *next_unvisited(uint64_t visit)
{
	unsigned long flags = spin_lock(&wb.lock);
	struct pcache_object *obj = next_unvisited_locked(visit);

	spin_unlock(&wb.lock, flags);
	return obj;
}

int writeback_each_object(int (*visit)(struct pcache_object *obj))
{
	struct pcache_object *obj;
	int first = 0;

	mutex_lock(&wb.walk);
	wb.visit++;
	while ((obj = next_unvisited(wb.visit))) {
		int err = visit(obj);

		object_unpin(obj);
		first = first ? first : err;
	}
	mutex_unlock(&wb.walk);
	return first;
}
