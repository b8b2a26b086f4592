// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Names under concurrency: threads on several harts make, look up, rename, link and remove names in the same two
 * directories, with few names and inodes kept. Of its own names each thread knows what every call must say; of those
 * that all use, what may be seen. Built with the address sanitizer and with the thread sanitizer.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/dentry.h"
#include "kernel/thread.h"
#include "tests/exerciser/words.h"
#include "tests/host/stack.h"

#define WORKERS 4
#define OWN 6	  // names of a thread
#define STABLE 40 // names in each directory that nobody touches
#define SHARED 5
#define LEN 600 // bytes of a file

static unsigned rounds;
static atomic_uint working;

/* A name of its own: what it leads to, 0 nothing. */
struct own {
	unsigned dir;
	uint8_t content;
	bool directory, linked; // linked: another own name leads there as well
};

struct worker {
	unsigned self;
	uint64_t random;
	int dirs[2];
	struct own own[OWN];
	char names[OWN][40];
	uint8_t buf[LEN];
};

static unsigned pick(struct worker *w, unsigned n)
{
	return (unsigned)(word_draw(&w->random) % n);
}

/* ---- own names ---- */

static bool exists(const struct own *o)
{
	return o->content || o->directory;
}

static void make_own(struct worker *w, unsigned i)
{
	struct own *o = &w->own[i];
	int fd;

	if (pick(w, 4) == 0) {
		assert_int_equal(fs_mkdir(w->dirs[o->dir], w->names[i], 0755), exists(o) ? -EEXIST : 0);
		o->directory |= !exists(o);
		return;
	}
	fd = fs_open(w->dirs[o->dir], w->names[i], O_CREAT | O_EXCL | O_RDWR, 0644);
	if (exists(o)) {
		assert_int_equal(fd, -EEXIST);
		return;
	}
	assert_true(fd >= 0);
	o->content = (uint8_t)(1 + pick(w, 255));
	memset(w->buf, o->content, LEN);
	assert_int_equal(fs_write(fd, w->buf, LEN), LEN);
	assert_int_equal(fs_close(fd), 0);
}

static void look_at_own(struct worker *w, unsigned i)
{
	const struct own *o = &w->own[i];
	struct stat st;
	int err = fs_stat(w->dirs[o->dir], w->names[i], &st, AT_SYMLINK_NOFOLLOW), fd;

	assert_int_equal(err, exists(o) ? 0 : -ENOENT);
	assert_int_equal(fs_stat(w->dirs[!o->dir], w->names[i], &st, 0), -ENOENT);
	if (!o->content)
		return;
	fd = fs_open(w->dirs[o->dir], w->names[i], O_RDONLY, 0);
	assert_true(fd >= 0);
	assert_int_equal(fs_read(fd, w->buf, LEN), LEN);
	for (unsigned b = 0; b < LEN; b++)
		assert_int_equal(w->buf[b], o->content);
	assert_int_equal(fs_close(fd), 0);
}

static void remove_own(struct worker *w, unsigned i)
{
	struct own *o = &w->own[i];
	const int want = !exists(o) ? -ENOENT : 0;

	assert_int_equal(fs_unlink(w->dirs[o->dir], w->names[i], o->directory ? AT_REMOVEDIR : 0), want);
	*o = (struct own){.dir = o->dir};
}

/* Onto another of its names, or to the other directory. */
static void rename_own(struct worker *w, unsigned i)
{
	const unsigned j = pick(w, OWN), to = pick(w, 2);
	struct own *o = &w->own[i], *other = &w->own[j];
	int want = exists(o) ? 0 : -ENOENT;

	if (i == j && to == o->dir)
		return;
	if (i != j && exists(other) && to != other->dir)
		return; // it would have two names
	if (!want && i != j && exists(other) && o->directory != other->directory)
		want = o->directory ? -ENOTDIR : -EISDIR;
	/* Two names of one file: nothing happens. */
	if (o->linked || other->linked)
		return;
	assert_int_equal(fs_rename(w->dirs[o->dir], w->names[i], w->dirs[to], w->names[j], 0), want);
	if (want)
		return;
	if (i == j) {
		o->dir = to;
		return;
	}
	*other = *o;
	other->dir = to;
	*o = (struct own){.dir = o->dir};
}

static void exchange_own(struct worker *w, unsigned i)
{
	const unsigned j = pick(w, OWN);
	struct own *o = &w->own[i], *other = &w->own[j];
	const struct own before = *o;

	if (i == j || o->linked || other->linked)
		return;
	assert_int_equal(fs_rename(w->dirs[o->dir], w->names[i], w->dirs[other->dir], w->names[j], RENAME_EXCHANGE),
			 exists(o) && exists(other) ? 0 : -ENOENT);
	if (!exists(o) || !exists(other))
		return;
	o->content = other->content;
	o->directory = other->directory;
	other->content = before.content;
	other->directory = before.directory;
}

static void link_own(struct worker *w, unsigned i)
{
	const unsigned j = pick(w, OWN);
	struct own *o = &w->own[i], *other = &w->own[j];
	int want;

	if (i == j)
		return;
	want = !exists(o) ? -ENOENT : exists(other) ? -EEXIST : o->directory ? -EPERM : 0;
	assert_int_equal(fs_link(w->dirs[o->dir], w->names[i], w->dirs[other->dir], w->names[j], 0), want);
	if (want)
		return;
	other->content = o->content;
	o->linked = other->linked = true;
}

/* ---- names that all use ---- */

static void shared_name(struct worker *w, char *name)
{
	snprintf(name, 32, "shared-%u", pick(w, SHARED));
}

/* One of these, or 0. */
static void assert_one_of(int err, const int *may, size_t n)
{
	bool known = err >= 0;

	for (size_t i = 0; i < n; i++)
		known |= err == may[i];
	if (!known)
		fail_msg("a call on a name that all use failed: %d", err);
}

#define MAY(err, ...) assert_one_of(err, (const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

static void use_shared(struct worker *w)
{
	const int at = w->dirs[pick(w, 2)], to = w->dirs[pick(w, 2)];
	char name[32], other[64];
	struct stat st;
	int fd;

	shared_name(w, name);
	shared_name(w, other);
	switch (pick(w, 9)) {
	case 0:
		fd = fs_open(at, name, O_CREAT | O_RDWR, 0644);
		MAY(fd, -EISDIR, -ELOOP);
		if (fd >= 0)
			assert_int_equal(fs_close(fd), 0);
		break;
	case 1:
		MAY(fs_unlink(at, name, 0), -ENOENT, -EISDIR);
		break;
	case 2:
		MAY(fs_mkdir(at, name, 0755), -EEXIST);
		break;
	case 3:
		MAY(fs_unlink(at, name, AT_REMOVEDIR), -ENOENT, -ENOTDIR, -ENOTEMPTY);
		break;
	case 4:
		MAY(fs_rename(at, name, to, other, 0), -ENOENT, -ENOTDIR, -EISDIR, -ENOTEMPTY);
		break;
	case 5:
		MAY(fs_rename(at, name, to, other, RENAME_EXCHANGE), -ENOENT);
		break;
	case 6:
		MAY(fs_link(at, name, to, other, 0), -ENOENT, -EEXIST, -EPERM);
		break;
	case 7:
		MAY(fs_symlink(name, at, other), -EEXIST);
		break;
	default:
		MAY(fs_stat(at, name, &st, 0), -ENOENT, -ELOOP);
		break;
	}
}

/* Directories inside those that move, which end up within one another or not at all. */
static void move_directories(struct worker *w)
{
	char name[64], other[64];

	snprintf(name, sizeof(name), "shared-%u/in", pick(w, SHARED));
	snprintf(other, sizeof(other), "shared-%u/%s", pick(w, SHARED), pick(w, 2) ? "in" : "in/in");
	switch (pick(w, 3)) {
	case 0:
		MAY(fs_mkdir(w->dirs[pick(w, 2)], name, 0755), -EEXIST, -ENOENT, -ENOTDIR, -ELOOP);
		break;
	case 1:
		MAY(fs_rename(w->dirs[pick(w, 2)], name, w->dirs[pick(w, 2)], other, 0), -EEXIST, -ENOENT, -ENOTDIR,
		    -ELOOP, -EINVAL, -ENOTEMPTY);
		break;
	default:
		MAY(fs_unlink(w->dirs[pick(w, 2)], other, AT_REMOVEDIR), -ENOENT, -ENOTDIR, -ELOOP, -ENOTEMPTY);
		break;
	}
}

/* "whole" is replaced all the time, and there all the time. */
static void replace_whole(struct worker *w)
{
	char name[32];
	int fd;

	snprintf(name, sizeof(name), "new-%u", w->self);
	fd = fs_open(w->dirs[1], name, O_CREAT | O_EXCL | O_RDWR, 0644);
	assert_true(fd >= 0);
	memset(w->buf, 1 + (int)pick(w, 255), LEN);
	assert_int_equal(fs_write(fd, w->buf, LEN), LEN);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(fs_rename(w->dirs[1], name, w->dirs[0], "whole", 0), 0);
}

static void look_at_whole(struct worker *w)
{
	int fd = fs_open(w->dirs[0], "whole", O_RDONLY, 0);

	assert_true(fd >= 0);
	assert_int_equal(fs_read(fd, w->buf, LEN), LEN);
	for (unsigned b = 1; b < LEN; b++)
		assert_int_equal(w->buf[b], w->buf[0]);
	assert_int_equal(fs_close(fd), 0);
}

/* Each name that stays comes once. */
static void list(struct worker *w)
{
	uint8_t seen[STABLE] = {0};
	struct fs_dirent entry;
	int fd = fs_open(w->dirs[pick(w, 2)], ".", O_RDONLY | O_DIRECTORY, 0), r;

	assert_true(fd >= 0);
	while ((r = fs_readdir(fd, &entry)) > 0) {
		if (strncmp(entry.name, "stable-", 7) == 0)
			seen[atoi(entry.name + 7)]++;
	}
	assert_int_equal(r, 0);
	for (unsigned i = 0; i < STABLE; i++)
		assert_int_equal(seen[i], 1);
	assert_int_equal(fs_close(fd), 0);
}

/* ---- the threads ---- */

static void *work(void *arg)
{
	static void (*const on_own[])(struct worker *, unsigned) = {make_own,	make_own,   look_at_own, look_at_own,
								    remove_own, rename_own, rename_own,	 exchange_own,
								    link_own,	look_at_own};
	struct worker *w = arg;

	for (unsigned i = 0; i < rounds; i++) {
		on_own[pick(w, 10)](w, pick(w, OWN));
		use_shared(w);
		switch (pick(w, 8)) {
		case 0:
			replace_whole(w);
			break;
		case 1:
			list(w);
			break;
		case 2:
			move_directories(w);
			break;
		default:
			look_at_whole(w);
			break;
		}
		thread_yield(); // where the hart takes interrupts
	}
	for (unsigned i = 0; i < OWN; i++)
		look_at_own(w, i);
	atomic_fetch_sub(&working, 1);
	return NULL;
}

static void *sync_often(void *arg)
{
	while (atomic_load(&working)) {
		assert_int_equal(fs_sync(), 0);
		(void)pcache_drop_clean();
		thread_yield();
	}
	return arg;
}

static void make_stable(int at)
{
	char name[32];

	for (unsigned i = 0; i < STABLE; i++) {
		int fd;

		snprintf(name, sizeof(name), "stable-%u", i);
		fd = fs_open(at, name, O_CREAT | O_EXCL | O_RDWR, 0644);
		assert_true(fd >= 0);
		assert_int_equal(fs_close(fd), 0);
	}
}

static struct worker *make_worker(unsigned self, const int *dirs)
{
	struct worker *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->self = self;
	w->random = harness_config()->seed * 100 + self;
	memcpy(w->dirs, dirs, sizeof(w->dirs));
	/* In both directories, some so long that they fill sectors. */
	for (unsigned i = 0; i < OWN; i++) {
		snprintf(w->names[i], sizeof(w->names[i]), "own-%u-%u%.*s", self, i, (int)(i * 5),
			 "-----------------------------");
		w->own[i].dir = i % 2;
	}
	return w;
}

static void body(void *arg)
{
	struct worker *w[WORKERS];
	struct thread *t[WORKERS + 1];
	int dirs[2];

	(void)arg;
	harness_start();
	dentry_limit(24);
	inodes_idle_limit(8);
	assert_int_equal(fs_mkdir(AT_FDCWD, "/a", 0755), 0);
	assert_int_equal(fs_mkdir(AT_FDCWD, "/b", 0755), 0);
	dirs[0] = stack_open("/a", O_RDONLY);
	dirs[1] = stack_open("/b", O_RDONLY);
	make_stable(dirs[0]);
	make_stable(dirs[1]);
	atomic_store(&working, WORKERS);
	for (unsigned i = 0; i < WORKERS; i++)
		w[i] = make_worker(i, dirs);
	replace_whole(w[0]);
	for (unsigned i = 0; i < WORKERS; i++)
		assert_int_equal(thread_create("names", THREAD_STACK_SIZE, work, w[i], &t[i]), 0);
	assert_int_equal(thread_create("sync", THREAD_STACK_SIZE, sync_often, NULL, &t[WORKERS]), 0);
	for (unsigned i = 0; i < WORKERS + 1; i++)
		assert_int_equal(thread_join(t[i], NULL), 0);
	/* The same from the card alone. */
	assert_int_equal(fs_close(dirs[0]), 0);
	assert_int_equal(fs_close(dirs[1]), 0);
	assert_int_equal(harness_stop(), 0);
	assert_int_equal(fs_mount_root(blkdev_find("sim0"), false), 0);
	dirs[0] = stack_open("/a", O_RDONLY);
	dirs[1] = stack_open("/b", O_RDONLY);
	for (unsigned i = 0; i < WORKERS; i++) {
		memcpy(w[i]->dirs, dirs, sizeof(dirs));
		for (unsigned n = 0; n < OWN; n++)
			look_at_own(w[i], n);
		list(w[i]);
		look_at_whole(w[i]);
		free(w[i]);
	}
	assert_int_equal(fs_close(dirs[0]), 0);
	assert_int_equal(fs_close(dirs[1]), 0);
	assert_int_equal(harness_stop(), 0);
}

static void test_names(void **state)
{
	const enum harness_effort effort = harness_effort();
	const char *image = image_path("names"), *out = image_path("names-out");

	(void)state;
	rounds = effort == EFFORT_QUICK ? 60 : effort == EFFORT_LONG ? 3000 : 150;
	for (unsigned harts = 1; harts <= 4; harts += effort == EFFORT_QUICK && harts == 2 ? 2 : 1) {
		image_mke2fs(image, "8M", harts % 2 ? "-b 1024" : "-b 4096");
		harness_run(&(struct harness){.frames = 2048,
					      .harts = harts,
					      .seed = harts,
					      .preempt_in = 20,
					      .seconds = 300,
					      .disk = {.image = image, .save = out, .seed = harts}},
			    body, NULL);
		assert_int_equal(image_e2fsck(out, "-n"), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_names)};

	return cmocka_run_group_tests_name("names, on several harts", tests, NULL, NULL);
}
