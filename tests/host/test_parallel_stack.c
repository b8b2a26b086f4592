// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The whole stack on several harts that run at once: files, mappings, syncs,
 * evictions, the simulated disk. Built with the address sanitizer and with the
 * thread sanitizer. The data that the threads themselves share is synchronised
 * here.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/clock.h"
#include "arch/pt.h"
#include "drivers/block/blkdev.h"
#include "fs/buffer.h"
#include "kernel/mutex.h"
#include "kernel/thread.h"
#include "mm/pcache.h"
#include "tests/host/fsstress.h"
#include "tests/host/stack.h"

#define MAPPERS 4
#define FILE_PAGES 24
#define DATA_LEN (96 * PAGE_SIZE)
#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)

static unsigned rounds;
static atomic_uint working;

static void start(struct thread **t, void *(*entry)(void *), uintptr_t arg)
{
	assert_int_equal(thread_create("worker", THREAD_STACK_SIZE, entry, (void *)arg, t), 0);
}

static void rounds_set(unsigned quick, unsigned usual, unsigned more)
{
	rounds = harness_effort() == EFFORT_QUICK ? quick : harness_effort() == EFFORT_LONG ? more : usual;
}

static unsigned harts_step(void)
{
	return harness_effort() == EFFORT_QUICK ? 2 : 1;
}

/* ---- mappings ---- */
/* Maps a file of its own, stores, syncs, cuts it, reads it back by call,
 * unmaps. */
static void *map_own_file(void *arg)
{
	const unsigned self = (unsigned)(uintptr_t)arg;
	const size_t len = FILE_PAGES * PAGE_SIZE;
	uint8_t *back = malloc(len);
	char path[32];

	snprintf(path, sizeof(path), "/own%u", self);
	for (unsigned i = 0; i < rounds; i++) {
		const unsigned pattern = self * 1000 + i;
		const size_t cut = (1 + (i * 5 + self) % FILE_PAGES) * PAGE_SIZE - 100;
		int fd = stack_open(path, O_CREAT | O_RDWR);
		uint8_t *p;

		assert_int_equal(fs_ftruncate(fd, (int64_t)len), 0);
		p = stack_map(fd, len, MAP_R | MAP_W, i % 4 == 3 ? MAP_KIND_PRIVATE : MAP_KIND_SHARED);
		stack_fill(p, pattern, 0, len);
		assert_int_equal(stack_differs(p, pattern, 0, len), len);
		if (i % 4 != 3) {
			assert_int_equal(map_sync((vaddr_t)p, len, i % 2), 0);
			assert_int_equal(fs_pread(fd, back, len, 0), len);
			assert_int_equal(stack_differs(back, pattern, 0, len), len);
			assert_int_equal(fs_ftruncate(fd, (int64_t)cut), 0);
			assert_int_equal(stack_differs(p, pattern, 0, cut), cut);
		}
		if (i % 3 == 0)
			assert_int_equal(map_protect((vaddr_t)p, len / 2, MAP_R), 0);
		stack_unmap(p, i % 5 ? len : len / 2);
		if (i % 5 == 0)
			stack_unmap(p + len / 2, len / 2);
		assert_int_equal(fs_close(fd), 0);
		if (i % 6 == 5)
			assert_int_equal(fs_unlink(AT_FDCWD, path, 0), 0);
	}
	free(back);
	atomic_fetch_sub(&working, 1);
	return NULL;
}

/* All read one file through one mapping, which others' frames push out of
 * memory again and again. */
static const uint8_t *data;

static void *read_shared(void *arg)
{
	for (unsigned i = 0; i < rounds; i++) {
		const size_t from = (i * 7 + (uintptr_t)arg * 29) % 90 * PAGE_SIZE, len = 6 * PAGE_SIZE;

		assert_int_equal(stack_differs(data + from, 1, from, len), len);
	}
	atomic_fetch_sub(&working, 1);
	return NULL;
}

/* Private memory comes and goes; all add to the same words in shared memory,
 * under a mutex or atomically. */
static struct mutex words_mutex = MUTEX_INIT(words_mutex, "words");
static uint64_t *words; // two pages: a word under the mutex, an atomic one

static void *use_anonymous(void *arg)
{
	for (unsigned i = 0; i < rounds; i++) {
		const size_t len = (1 + i % 8) * PAGE_SIZE;
		uint8_t *p = stack_map(-1, len, MAP_R | MAP_W, MAP_KIND_ANON);

		for (size_t at = 0; at < len; at += 512) {
			assert_int_equal(p[at], 0);
			p[at] = (uint8_t)i;
		}
		mutex_lock(&words_mutex);
		words[0]++;
		mutex_unlock(&words_mutex);
		__atomic_fetch_add(&words[PAGE_SIZE / sizeof(*words)], 1, __ATOMIC_RELAXED);
		if (i % 4 == 0)
			assert_int_equal(map_advise((vaddr_t)p, len, MAP_ADV_DONTNEED), 0);
		stack_unmap(p, len);
	}
	atomic_fetch_sub(&working, 1);
	return arg;
}

static void *disturb(void *arg)
{
	struct pcache_stats stats;

	while (atomic_load(&working)) {
		(void)pcache_drop_clean();
		assert_int_equal(fs_sync(), 0);
		pcache_stats(&stats);
		assert_int_equal(map_sync((vaddr_t)words, 2 * PAGE_SIZE, false), 0);
		thread_yield();
	}
	return arg;
}

static void mappings_body(void *arg)
{
	struct thread *t[2 * MAPPERS + 3];
	unsigned n = 0;
	int data_fd, words_fd;

	(void)arg;
	harness_start();
	data_fd = stack_open("/data", O_RDONLY);
	data = stack_map(data_fd, DATA_LEN, MAP_R, MAP_KIND_PRIVATE);
	words_fd = stack_open("/words", O_CREAT | O_RDWR);
	assert_int_equal(fs_ftruncate(words_fd, 2 * PAGE_SIZE), 0);
	words = (uint64_t *)stack_map(words_fd, 2 * PAGE_SIZE, MAP_R | MAP_W, MAP_KIND_SHARED);
	atomic_store(&working, MAPPERS + 4);
	for (uintptr_t i = 0; i < MAPPERS; i++)
		start(&t[n++], map_own_file, i);
	for (uintptr_t i = 0; i < 2; i++) {
		start(&t[n++], read_shared, i);
		start(&t[n++], use_anonymous, i);
	}
	start(&t[n++], disturb, 0);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(thread_join(t[i], NULL), 0);
	assert_int_equal(words[0], 2 * rounds);
	assert_int_equal(words[PAGE_SIZE / sizeof(*words)], 2 * rounds);
	stack_unmap((uint8_t *)words, 2 * PAGE_SIZE);
	stack_unmap(data, DATA_LEN);
	assert_int_equal(fs_close(words_fd), 0);
	assert_int_equal(fs_close(data_fd), 0);
	assert_int_equal(harness_stop(), 0);
}

static void test_mappings(void **state)
{
	const char *image = stack_image("parallel", "4M", 1024, DATA_LEN), *out = image_path("parallel-out");

	(void)state;
	rounds_set(6, 16, 250);
	for (unsigned harts = 2; harts <= 4; harts += harts_step()) {
		harness_run(&(struct harness){.frames = 1024,
					      .harts = harts,
					      .seed = harts,
					      .preempt_in = 50,
					      .cache_pages = harts % 2 ? 64 : 0,
					      .disk = {.image = image, .save = out, .seed = harts}},
			    mappings_body, NULL);
		assert_int_equal(image_e2fsck(out, "-n"), 0);
	}
}

/* ---- mappings that move ---- */
#define MOVED_PAGES 12
#define MOVED_LEN (MOVED_PAGES * PAGE_SIZE)
#define PAGE_WORDS (PAGE_SIZE / sizeof(uint64_t))

static uint8_t *move(const void *from, size_t len, struct map_remap how)
{
	vaddr_t at = 0;

	how.old = (vaddr_t)from;
	how.old_len = how.new_len = len;
	how.may_move = true;
	assert_int_equal(map_remap(&how, &at), 0);
	return (uint8_t *)at;
}

/* Private and shared words that are added to where they are mapped, while what
 * is there is moved away. */
static uint64_t *added[2];

static void *add(void *arg)
{
	for (unsigned i = 0; i < 64 * rounds; i++) {
		__atomic_fetch_add(&added[0][i % MOVED_PAGES * PAGE_WORDS], 1, __ATOMIC_RELAXED);
		__atomic_fetch_add(&added[1][i % MOVED_PAGES * PAGE_WORDS], 1, __ATOMIC_RELAXED);
	}
	atomic_fetch_sub(&working, 1);
	return arg;
}

static uint64_t sum(const uint64_t *at)
{
	uint64_t all = 0;

	for (size_t i = 0; i < MOVED_PAGES; i++)
		all += at[i * PAGE_WORDS];
	return all;
}

/* No addition is lost, nor seen twice: each is in what was moved, or in what
 * came in its place. */
static void *move_added(void *arg)
{
	uint64_t *moved_sum = arg;

	while (atomic_load(&working)) {
		uint8_t *private = move(added[0], MOVED_LEN, (struct map_remap){.keep_old = true});
		uint8_t *shared = move(added[1], MOVED_LEN, (struct map_remap){.keep_old = true});

		*moved_sum += sum((const uint64_t *)private);
		assert_int_equal(map_sync((vaddr_t)shared, MOVED_LEN, false), 0);
		stack_unmap(private, MOVED_LEN);
		stack_unmap(shared, MOVED_LEN);
	}
	return NULL;
}

/* Place on which mappings are moved, whole ones, each with a greater number in
 * all its pages. */
static uint64_t *stage;
static _Atomic(uint64_t *) entering; // what is moved there next, or just was:
				     // whoever touches it may find nothing

static void *look_at_stage(void *arg)
{
	uint64_t last = 0;

	for (size_t i = 0; atomic_load(&working); i++) {
		const uint64_t now = __atomic_load_n(&stage[i % MOVED_PAGES * PAGE_WORDS], __ATOMIC_RELAXED);
		uint8_t *touched;
		int result;

		assert_true(now >= last);
		last = now;
		touched = (uint8_t *)&atomic_load(&entering)[i % MOVED_PAGES * PAGE_WORDS + (uintptr_t)arg];
		result = harness_store(touched, 1, NULL);
		assert_true(result == FAULT_OK || result == FAULT_MAPERR);
		if (i % MOVED_PAGES == 0)
			thread_yield();
	}
	return arg;
}

static void *set_stage(void *arg)
{
	for (uint64_t number = 1; atomic_load(&working); number++) {
		uint64_t *next = (uint64_t *)stack_map(-1, MOVED_LEN, MAP_R | MAP_W, MAP_KIND_ANON);

		for (size_t i = 0; i < MOVED_PAGES; i++)
			next[i * PAGE_WORDS] = number;
		atomic_store(&entering, next);
		move(next, MOVED_LEN, (struct map_remap){.fixed = true, .addr = (vaddr_t)stage});
	}
	return arg;
}

/* A private mapping of a file that is cut: no copy beyond the end comes back,
 * at whichever place it was just then. */
static struct mutex wander_mutex = MUTEX_INIT(wander_mutex, "wander");
static uint8_t *wander, *places[2];

static void *move_about(void *arg)
{
	for (unsigned i = 0; atomic_load(&working); i++) {
		mutex_lock(&wander_mutex);
		wander = move(wander, MOVED_LEN, (struct map_remap){.fixed = true, .addr = (vaddr_t)places[i % 2]});
		mutex_unlock(&wander_mutex);
	}
	return arg;
}

static void *cut(void *arg)
{
	const int fd = (int)(uintptr_t)arg;

	for (unsigned i = 0; i < 4 * rounds; i++) {
		const size_t page = 1 + i % (MOVED_PAGES - 1);

		mutex_lock(&wander_mutex);
		memset(wander + page * PAGE_SIZE, 0xcc, MOVED_LEN - page * PAGE_SIZE);
		wander[0] = (uint8_t)i;
		mutex_unlock(&wander_mutex);
		assert_int_equal(fs_ftruncate(fd, (int64_t)(page * PAGE_SIZE)), 0);
		assert_int_equal(fs_ftruncate(fd, MOVED_LEN), 0);
		mutex_lock(&wander_mutex);
		assert_int_equal(wander[0], (uint8_t)i);
		for (size_t at = page * PAGE_SIZE; at < MOVED_LEN; at += PAGE_SIZE)
			assert_int_equal(wander[at], 0);
		mutex_unlock(&wander_mutex);
	}
	atomic_fetch_sub(&working, 1);
	return NULL;
}

static void moves_body(void *arg)
{
	struct thread *t[8];
	uint64_t moved = 0;
	unsigned n = 0;
	int fd, cut_fd;

	(void)arg;
	harness_start();
	fd = stack_open("/added", O_CREAT | O_RDWR);
	cut_fd = stack_open("/cut", O_CREAT | O_RDWR);
	assert_int_equal(fs_ftruncate(fd, MOVED_LEN), 0);
	assert_int_equal(fs_ftruncate(cut_fd, MOVED_LEN), 0);
	added[0] = (uint64_t *)stack_map(-1, MOVED_LEN, MAP_R | MAP_W, MAP_KIND_ANON);
	added[1] = (uint64_t *)stack_map(fd, MOVED_LEN, MAP_R | MAP_W, MAP_KIND_SHARED);
	stage = (uint64_t *)stack_map(-1, MOVED_LEN, MAP_R | MAP_W, MAP_KIND_ANON);
	for (size_t i = 0; i < array_size(places); i++) {
		places[i] = stack_map(-1, MOVED_LEN, 0, MAP_KIND_ANON);
		stack_unmap(places[i], MOVED_LEN);
		places[i] += (i + 1) << 30; // where nobody else maps
	}
	atomic_store(&entering, stage);
	wander = stack_map(cut_fd, MOVED_LEN, MAP_R | MAP_W, MAP_KIND_PRIVATE);
	atomic_store(&working, 3);
	start(&t[n++], add, 0);
	start(&t[n++], add, 0);
	start(&t[n++], move_added, (uintptr_t)&moved);
	start(&t[n++], look_at_stage, 1);
	start(&t[n++], look_at_stage, 2);
	start(&t[n++], set_stage, 0);
	start(&t[n++], move_about, 0);
	start(&t[n++], cut, (uintptr_t)cut_fd);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(thread_join(t[i], NULL), 0);
	assert_int_equal(moved + sum(added[0]), 2 * 64 * rounds);
	assert_int_equal(sum(added[1]), 2 * 64 * rounds);
	stack_unmap((uint8_t *)added[0], MOVED_LEN);
	stack_unmap((uint8_t *)added[1], MOVED_LEN);
	stack_unmap((uint8_t *)stage, MOVED_LEN);
	stack_unmap(wander, MOVED_LEN);
	assert_int_equal(pt_table_count(), 0); // of all that was moved, nothing is left behind
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(fs_close(cut_fd), 0);
	assert_int_equal(harness_stop(), 0);
}

static void test_moves(void **state)
{
	const char *image = stack_image("parallel", "4M", 1024, DATA_LEN), *out = image_path("parallel-out");

	(void)state;
	rounds_set(4, 10, 150);
	for (unsigned harts = 2; harts <= 4; harts += harts_step()) {
		harness_run(&(struct harness){.frames = 1024,
					      .harts = harts,
					      .seed = harts,
					      .preempt_in = 50,
					      .cache_pages = harts % 2 ? 32 : 0,
					      .disk = {.image = image, .save = out, .seed = harts}},
			    moves_body, NULL);
		assert_int_equal(image_e2fsck(out, "-n"), 0);
	}
}

/* ---- files ---- */
static void test_files(void **state)
{
	(void)state;
	rounds_set(4, 8, 100);
	for (unsigned harts = 2; harts <= 4; harts += harts_step())
		fsstress(&(struct fsstress){.block = 1024u << harts % 3,
					    .buffers = harts % 2 ? BUFFERS_MIN : 0,
					    .cache_pages = harts % 2 ? 32 : 0,
					    .seed = harts,
					    .harts = harts,
					    .rounds = rounds,
					    .journal = harts >= 3});
}

/* ---- one file, used by all in all ways ---- */
#define SHARED_PAGES 16
#define SHARED_LEN (SHARED_PAGES * PAGE_SIZE)

static int shared_fd;

static void *write_shared(void *arg)
{
	uint8_t *buf = malloc(3 * PAGE_SIZE);

	for (unsigned i = 0; i < 4 * rounds; i++) {
		const int64_t at = (int64_t)((i * 37 + (uintptr_t)arg * 11) % (SHARED_LEN - 2 * PAGE_SIZE));
		const size_t len = 1 + (i * 997) % (2 * PAGE_SIZE);

		memset(buf, (int)i, len);
		switch (i % 8) {
		case 0:
			assert_int_equal(fs_ftruncate(shared_fd, at), 0);
			break;
		case 1:
			assert_int_equal(fs_fallocate(shared_fd, at, (int64_t)len), 0);
			break;
		case 2:
			assert_int_equal(fs_fsync(shared_fd, i % 4 == 2), 0);
			break;
		case 3:
			assert_int_equal(fs_fallocate_mode(shared_fd, PUNCH, at, (int64_t)len), 0);
			break;
		case 4:
			assert_int_equal(fs_fallocate_mode(shared_fd, FALLOC_FL_ZERO_RANGE, at, (int64_t)len), 0);
			break;
		default:
			assert_int_equal(fs_pwrite(shared_fd, buf, len, at), len);
		}
	}
	free(buf);
	atomic_fetch_sub(&working, 1);
	return NULL;
}

/* What lies beyond the end of the file cannot be touched: any outcome but a
 * wrong kind of fault is fine. */
static void *touch_shared(void *arg)
{
	uint8_t *p = stack_map(shared_fd, SHARED_LEN, MAP_R | MAP_W, MAP_KIND_SHARED), value;

	for (unsigned i = 0; i < 16 * rounds; i++) {
		uint8_t *at = p + (i * 41 + (uintptr_t)arg * 7) % SHARED_PAGES * PAGE_SIZE + (uintptr_t)arg * 8;
		int result = i % 3 ? harness_load(at, &value, NULL) : harness_store(at, (uint8_t)i, NULL);

		assert_true(result == FAULT_OK || result == FAULT_ADRERR);
		if (i % 16 == 0)
			assert_int_equal(map_sync((vaddr_t)p, SHARED_LEN, i % 32), 0);
	}
	stack_unmap(p, SHARED_LEN);
	atomic_fetch_sub(&working, 1);
	return NULL;
}

static void *look_at_shared(void *arg)
{
	uint8_t *buf = malloc(SHARED_LEN);
	struct fs_space space;
	struct stat st;

	while (atomic_load(&working)) {
		int fd = stack_open("/shared", O_RDWR | O_APPEND), other;

		assert_true(fs_pread(fd, buf, SHARED_LEN, 0) >= 0);
		assert_int_equal(fs_fstat(fd, &st), 0);
		assert_int_equal(fs_stat(AT_FDCWD, "/shared", &st, 0), 0);
		assert_true(fs_lseek(fd, 0, SEEK_END) >= 0);
		other = fs_dup(fd);
		assert_true(other >= 0);
		assert_int_equal(fs_fsync(other, true), 0);
		assert_int_equal(fs_space(AT_FDCWD, "/", &space), 0);
		assert_int_equal(fs_close(other), 0);
		assert_int_equal(fs_close(fd), 0);
	}
	free(buf);
	return arg;
}

static void shared_body(void *arg)
{
	struct thread *t[6];
	unsigned n = 0;

	(void)arg;
	harness_start();
	shared_fd = stack_open("/shared", O_CREAT | O_RDWR);
	atomic_store(&working, 4);
	for (uintptr_t i = 0; i < 2; i++) {
		start(&t[n++], write_shared, i);
		start(&t[n++], touch_shared, i);
		start(&t[n++], look_at_shared, i);
	}
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(thread_join(t[i], NULL), 0);
	assert_int_equal(fs_close(shared_fd), 0);
	assert_int_equal(harness_stop(), 0);
}

/* ---- more files than inodes stay in memory ---- */
#define FILES_EACH 80

static void *make_many_files(void *arg)
{
	const unsigned self = (unsigned)(uintptr_t)arg;
	char path[32];
	struct stat st;

	for (unsigned i = 0; i < FILES_EACH; i++) {
		int fd;

		snprintf(path, sizeof(path), "/many%u-%u", self, i);
		fd = stack_open(path, O_CREAT | O_RDWR);
		assert_int_equal(fs_write(fd, path, sizeof(path)), sizeof(path));
		assert_int_equal(fs_close(fd), 0);
		snprintf(path, sizeof(path), "/many%u-%u", self, i * 7 % (i + 1));
		assert_int_equal(fs_stat(AT_FDCWD, path, &st, 0), 0);
		assert_int_equal(st.st_size, sizeof(path));
	}
	for (unsigned i = 0; i < FILES_EACH; i++) {
		char to[32];

		snprintf(path, sizeof(path), "/many%u-%u", self, i);
		snprintf(to, sizeof(to), "/gone%u", self);
		assert_int_equal(i % 4 ? fs_unlink(AT_FDCWD, path, 0) : fs_rename(AT_FDCWD, path, AT_FDCWD, to, 0), 0);
	}
	return NULL;
}

static void many_body(void *arg)
{
	struct thread *t[4];

	(void)arg;
	harness_start();
	for (uintptr_t i = 0; i < 4; i++)
		start(&t[i], make_many_files, i);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(thread_join(t[i], NULL), 0);
	assert_int_equal(harness_stop(), 0);
}

static void on_small_card(void (*body)(void *))
{
	const char *image = image_path("small"), *out = image_path("small-out");

	for (unsigned harts = 2; harts <= 4; harts += harts_step()) {
		image_mke2fs(image, "4M", harts % 2 ? "-b 4096" : "-b 1024");
		harness_run(&(struct harness){.frames = 2048,
					      .harts = harts,
					      .seed = harts,
					      .preempt_in = 50,
					      .disk = {.image = image, .save = out, .seed = harts}},
			    body, NULL);
		assert_int_equal(image_e2fsck(out, "-n"), 0);
	}
}

static void test_shared_file(void **state)
{
	(void)state;
	rounds_set(10, 25, 400);
	on_small_card(shared_body);
}

static void test_many_files(void **state)
{
	(void)state;
	on_small_card(many_body);
}

/* ---- the block layer alone ---- */
#define SECTORS_EACH 64u

static struct blkdev *disk;

/* Its own sectors, next to the others' so that requests merge; some transfers
 * fail and are tried again. */
static void *use_disk(void *arg)
{
	const sector_t first = (uintptr_t)arg * SECTORS_EACH;
	struct page *page = frame_alloc();
	uint8_t *buf;

	assert_non_null(page);
	buf = page_va(page);
	for (unsigned i = 0; i < 4 * rounds; i++) {
		const uint32_t n = 1 + i % (PAGE_SIZE / SECTOR_SIZE);
		const sector_t at = first + i * 5 % (SECTORS_EACH - n + 1);

		memset(buf, (int)i, n * SECTOR_SIZE);
		assert_int_equal(blk_write(disk, at, buf, n), 0);
		if (i % 8 == 0)
			assert_int_equal(blk_flush(disk), 0);
		memset(buf, 0xff, n * SECTOR_SIZE);
		assert_int_equal(blk_read(disk, at, buf, n), 0);
		assert_int_equal(buf[0], (uint8_t)i);
		assert_int_equal(buf[n * SECTOR_SIZE - 1], (uint8_t)i);
		if (i % 16 == 0)
			(void)blk_check_timeouts(clock_now());
	}
	frame_free(page);
	return NULL;
}

static void disk_body(void *arg)
{
	struct thread *t[6];

	(void)arg;
	disk = harness_start_disk();
	/* One in all: a second could be the same transfer's again, and a third would
	 * end it. */
	simdisk_fail(&(struct simdisk_fault){
	    .ops = 1u << BLK_READ | 1u << BLK_WRITE, .from = 7, .count = 1, .device = true, .torn = true});
	for (uintptr_t i = 0; i < array_size(t); i++)
		start(&t[i], use_disk, i);
	for (unsigned i = 0; i < array_size(t); i++)
		assert_int_equal(thread_join(t[i], NULL), 0);
	assert_int_equal(simdisk_fired(), 1);
}

static void test_block(void **state)
{
	(void)state;
	rounds_set(10, 25, 400);
	for (unsigned harts = 2; harts <= 4; harts += harts_step())
		harness_run(&(struct harness){.harts = harts,
					      .seed = harts,
					      .disk = {.sectors = 6 * SECTORS_EACH, .queue_depth = 3, .seed = harts}},
			    disk_body, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_mappings),	cmocka_unit_test(test_moves),	   cmocka_unit_test(test_files),
	    cmocka_unit_test(test_shared_file), cmocka_unit_test(test_many_files), cmocka_unit_test(test_block),
	};

	return cmocka_run_group_tests_name("harts in parallel: the whole stack", tests, NULL, NULL);
}
