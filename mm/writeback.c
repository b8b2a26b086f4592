// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The writeback thread. It writes what has been dirty for long enough; what is dirty beyond a share of memory (the
 * background share); and what somebody asks for who waits for memory. It never has more under way than the card takes
 * in a moment, so that who syncs a page does not queue behind it.
 *
 * Threads that make pages dirty are slowed from the soft share on: each page costs the time that the card has lately
 * taken for a page, times a factor that grows from nothing there to two at the hard share, and their turns follow
 * one another. At the hard share they stop, and go on in the order in which they came. A store into a resident backed
 * page never comes by (P4).
 *
 * Who waits for memory, or at the hard share, waits for a transfer to end, or for the thread to have looked at
 * everything in vain, never for time to pass. The thread allocates nothing. An object in its hands is held by
 * writeback_pins: its destroyer waits for that.
 *
 * Lock: wb.lock, a spinlock; order: page lock -> it. Sleeps.
 */

#include <assert.h>
#include <errno.h>

#include "arch/clock.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "mm/pcache_internal.h"
#include "mm/tunable.h"

#define BACKGROUND_MIN 2 // pages; with less a writer could not go on at all
#define HARD_MIN 8
#define RETRY_MIN NSEC_PER_SEC // after a failed write; doubles
#define RETRY_SHIFT_MAX 6
#define PASS_PAGES 1024		       // of one object, before others get their turn
#define SAMPLE_PAGES 64		       // after so many the time that the card takes for a page is looked at
#define QUEUE_TIME (NSEC_PER_SEC / 10) // what the thread may have under way
#define BATCH_MIN 16ul
#define PAUSE_MIN (2 * NSEC_PER_MSEC) // a turn nearer than this is not slept for
#define PAUSE_MAX (NSEC_PER_SEC / 5)
#define NEVER UINT64_MAX

enum pass { PASS_AGED, PASS_BACKGROUND, PASS_ASKED };

static struct {
	struct mutex walk; // one writeback_each_object at a time

	struct spinlock lock;	  // guards the rest
	struct list_node objects; // pcache_object.dirty_node
	size_t object_count;
	struct waitq thread_waitq, progress_waitq, object_waitq;
	bool kicked;		  // more is dirty than the background share
	bool aged_last;		  // the last pass was for what is old
	uint64_t asked, answered; // requests, and how many of them a whole pass has followed
	uint64_t ended;		  // transfers that ended well,
	uint64_t written;	  // and how many of them were writes
	uint64_t queued, served;  // at the hard share: how many came, how many have gone on
	nsec_t turn;		  // of the slowed: when the next one's is

	size_t under_way;   // pages being written
	nsec_t page_time;   // that the card takes for one, lately
	nsec_t sample_from; // the time since when
	size_t sampled;	    // so many were written
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
    .page_time = NSEC_PER_MSEC, // a slow card, as long as nothing was written
};

/* ---- how much is dirty ---- */
static size_t busy_pages(void)
{
	return atomic_load(&cache_counts.dirty) + atomic_load(&cache_counts.writing);
}

/* So many percent of the memory that could hold file pages. */
static size_t share(size_t percent)
{
	size_t pages = frame_near_free_count() + atomic_load(&cache_counts.pages),
	       limit = atomic_load(&cache_counts.limit);

	if (limit)
		pages = min_of(pages, limit);
	return pages * percent / 100;
}

/* Above it the thread writes; as on Linux half the hard share, if it is set higher than that. */
static size_t background_share(void)
{
	const size_t hard = tunable(TUNE_DIRTY_RATIO), percent = tunable(TUNE_DIRTY_BACKGROUND_RATIO);

	return max_of(share(percent < hard ? percent : hard / 2), (size_t)BACKGROUND_MIN);
}

/* Here who makes pages dirty stops. */
static size_t hard_share(void)
{
	return max_of(share(tunable(TUNE_DIRTY_RATIO)), (size_t)HARD_MIN);
}

/* From here on they are slowed. */
static size_t soft_share(void)
{
	return (background_share() + hard_share()) / 2;
}

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

	if (atomic_load(&cache_counts.dirty) <= background_share())
		return;
	flags = spin_lock(&wb.lock);
	wb.kicked = true;
	waitq_wake_one(&wb.thread_waitq);
	spin_unlock(&wb.lock, flags);
}

void writeback_limits_changed(void)
{
	unsigned long flags = spin_lock(&wb.lock);

	wb.kicked = true;
	waitq_wake_one(&wb.thread_waitq);
	waitq_wake_all(&wb.progress_waitq);
	spin_unlock(&wb.lock, flags);
}

static void ended_locked(bool well)
{
	wb.ended += well;
	waitq_wake_all(&wb.progress_waitq);
}

void writeback_transfer_ended(bool well)
{
	unsigned long flags = spin_lock(&wb.lock);

	ended_locked(well);
	spin_unlock(&wb.lock, flags);
}

void writeback_begins(size_t pages)
{
	unsigned long flags = spin_lock(&wb.lock);

	if (wb.under_way == 0) {
		wb.sample_from = clock_now();
		wb.sampled = 0;
	}
	wb.under_way += pages;
	spin_unlock(&wb.lock, flags);
}

/* The more pages a sample has, the more it counts: the time of a single one is mostly the card's latency. */
static void sample_locked(void)
{
	const nsec_t now = clock_now(), time = (now - wb.sample_from) / wb.sampled;
	const int64_t change = (int64_t)(time - wb.page_time) * (int64_t)wb.sampled / (2 * SAMPLE_PAGES);

	wb.page_time = max_of(wb.page_time + (nsec_t)change, (nsec_t)1);
	wb.sample_from = now;
	wb.sampled = 0;
}

void writeback_ended(bool well)
{
	unsigned long flags = spin_lock(&wb.lock);

	wb.under_way--;
	wb.sampled++;
	if (wb.sampled == SAMPLE_PAGES || wb.under_way == 0)
		sample_locked();
	wb.written += well;
	ended_locked(well);
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

/* Turns follow one another, each after the time of its page; those that are due at once do not even sleep. */
static void slow_down(size_t busy, size_t soft, size_t hard)
{
	unsigned long flags = spin_lock(&wb.lock);
	const nsec_t now = clock_now(), cost = wb.page_time * 2 * (busy - soft) / (hard - soft);
	const nsec_t turn = min_of(max_of(wb.turn, now) + cost, now + PAUSE_MAX);

	wb.turn = turn;
	spin_unlock(&wb.lock, flags);
	if (turn - now >= PAUSE_MIN)
		thread_sleep_until(turn);
}

/*
 * Waits until less is dirty, and it is the caller's turn; or until nothing gets written any more, however much is read.
 */
static int stop_at_hard_share(void)
{
	unsigned long flags = spin_lock(&wb.lock);
	const uint64_t place = wb.queued++;
	uint64_t request = ask_locked(), written = wb.written;
	int err = 0;

	while (place != wb.served || busy_pages() >= hard_share()) {
		if (place == wb.served && wb.answered >= request && atomic_load(&cache_counts.writing) == 0) {
			if (wb.written == written) {
				err = wb.error;
				break;
			}
			written = wb.written;
			request = ask_locked();
		}
		waitq_wait(&wb.progress_waitq, &wb.lock, &flags);
	}
	wb.served++;
	waitq_wake_all(&wb.progress_waitq);
	spin_unlock(&wb.lock, flags);
	return err;
}

static bool somebody_stopped(void)
{
	unsigned long flags = spin_lock(&wb.lock);
	bool any = wb.queued != wb.served;

	spin_unlock(&wb.lock, flags);
	return any;
}

int writeback_throttle(void)
{
	const size_t busy = busy_pages(), soft = soft_share(), hard = hard_share();

	if (busy < soft)
		return 0;
	if (busy >= hard || somebody_stopped())
		return stop_at_hard_share();
	slow_down(busy, soft, hard);
	return 0;
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
	return max_of(obj->dirty_since + tunable(TUNE_DIRTY_EXPIRE_CENTISECS) * (NSEC_PER_SEC / 100), obj->retry_at);
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
	return pass == PASS_BACKGROUND && atomic_load(&cache_counts.dirty) <= background_share();
}

/*
 * Keeps the card's queue short, unless others keep it full for long. Returns how many pages are to be written together.
 */
static size_t wait_for_room(void)
{
	const nsec_t deadline = clock_now() + QUEUE_TIME;
	unsigned long flags = spin_lock(&wb.lock);
	size_t room;
	int late = 0;

	for (;;) {
		room = max_of(QUEUE_TIME / wb.page_time, (nsec_t)BATCH_MIN);
		if (wb.under_way < room || late)
			break;
		late = waitq_wait_until(&wb.progress_waitq, &wb.lock, &flags, deadline);
	}
	room = max_of(room > wb.under_way ? room - wb.under_way : 0, BATCH_MIN);
	spin_unlock(&wb.lock, flags);
	return min_of(room, (size_t)PCACHE_RUN_MAX);
}

/*
 * All of an aged object, from the first page to the last, in as many turns as that takes. A page that is made dirty
 * behind the sweep is younger than its beginning, which is where the object's age begins anew.
 */
static void write_aged(struct pcache_object *obj)
{
	size_t written = 0, n = 1;
	unsigned long flags;

	if (obj->sweep_next == 0) {
		obj->sweep_from = clock_now();
		obj->sweep_last = pages_in(atomic_load_explicit(&obj->size, memory_order_relaxed));
	}
	while (written < PASS_PAGES && n > 0) {
		n = write_batch(obj, &obj->sweep_next, obj->sweep_last, wait_for_room(), false);
		written += n;
	}
	if (n > 0)
		return;
	obj->sweep_next = 0;
	flags = spin_lock(&wb.lock);
	obj->dirty_since = max_of(obj->dirty_since, obj->sweep_from); // it may have been clean in between
	spin_unlock(&wb.lock, flags);
}

/* PASS_PAGES, from where the last pass ended, round once. How many were written. */
static size_t write_object(struct pcache_object *obj, enum pass pass)
{
	const pgidx_t start = obj->writeback_next;
	pgidx_t index = start;
	size_t written = 0, n;
	bool wrapped = start == 0;

	while (written < PASS_PAGES && !enough(pass)) {
		n = write_batch(obj, &index, wrapped && start ? start - 1 : PGIDX_MAX, wait_for_room(), false);
		written += n;
		if (n == 0 && wrapped)
			break;
		if (n == 0) {
			wrapped = true;
			index = 0;
		}
	}
	obj->writeback_next = index;
	return written;
}

/* False: there is nothing to do. In turns, since neither what is old nor what is much may ever be done. */
static bool choose_locked(bool aged, enum pass *pass)
{
	const bool asked = wb.asked != wb.answered, much = asked || wb.kicked;

	if (aged && (!much || !wb.aged_last))
		*pass = PASS_AGED;
	else
		*pass = asked ? PASS_ASKED : PASS_BACKGROUND;
	return aged || much;
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
		if (choose_locked(deadline <= clock_now(), &pass))
			break;
		(void)waitq_wait_until(&wb.thread_waitq, &wb.lock, &flags, deadline); // looked at again above
	}
	wb.aged_last = pass == PASS_AGED;
	if (pass != PASS_AGED)
		wb.kicked = false;
	spin_unlock(&wb.lock, flags);
	return pass;
}

static void *writeback_main(void *arg)
{
	(void)arg;
	for (;;) {
		uint64_t request;
		enum pass pass = wait_for_work(&request);
		unsigned long flags;
		struct pcache_object *obj;
		size_t left, written = 0;

		flags = spin_lock(&wb.lock);
		left = wb.object_count;
		spin_unlock(&wb.lock, flags);
		while (!enough(pass) && (obj = next_due(pass, &left))) {
			if (pass == PASS_AGED)
				write_aged(obj);
			else
				written += write_object(obj, pass);
			object_unpin(obj);
		}
		flags = spin_lock(&wb.lock);
		if (pass == PASS_ASKED)
			wb.answered = request;
		if (pass == PASS_BACKGROUND && written > 0 && !enough(pass))
			wb.kicked = true; // a pass takes only so many pages of each object
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
