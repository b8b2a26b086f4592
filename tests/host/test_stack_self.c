// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * read and write between a file and mappings of the same file, at all overlaps: random calls against a model of the
 * file and of a private mapping's copies. What is promised where source and target overlap: bytes move in ascending
 * pieces, each up to where a page of the file ends, or of a write's source, and each as memmove moves them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/buffer.h"
#include "tests/host/stack.h"

#define PAGES 24
#define LEN (PAGES * PAGE_SIZE)

static const unsigned blocks[] = {1024, 2048, 4096};

static struct {
	uint8_t file[LEN], own[LEN];
	size_t size;
	bool copied[PAGES]; // a page of the private mapping is its own
	uint64_t rng;
	int fd;
	uint8_t *shared, *private;
} m;

static uint64_t below(uint64_t n)
{
	m.rng = m.rng * 6364136223846793005u + 1442695040888963407u;
	return (m.rng >> 33) % n;
}

/* A byte of the private mapping. */
static uint8_t own_byte(size_t at)
{
	return m.copied[at / PAGE_SIZE] ? m.own[at] : m.file[at];
}

static void own_store(size_t at, uint8_t value)
{
	const size_t page = at / PAGE_SIZE;

	if (!m.copied[page])
		memcpy(m.own + page * PAGE_SIZE, m.file + page * PAGE_SIZE, PAGE_SIZE);
	m.copied[page] = true;
	m.own[at] = value;
}

static size_t pages_end(void)
{
	return align_up(m.size, PAGE_SIZE);
}

static void resize(size_t size)
{
	if (size < m.size)
		memset(m.file + size, 0, m.size - size);
	m.size = size;
	for (size_t page = pages_end() / PAGE_SIZE; page < PAGES; page++)
		m.copied[page] = false;
}

/* ---- the calls ---- */

static void do_write(bool private, size_t from, size_t to, size_t len)
{
	const uint8_t *p = private ? m.private : m.shared;
	size_t done = 0;
	long r;

	while (done < len && from + done < pages_end()) {
		const size_t at = from + done;
		size_t n = min_of(len - done, PAGE_SIZE - at % PAGE_SIZE);
		uint8_t piece[PAGE_SIZE];

		n = min_of(n, PAGE_SIZE - (to + done) % PAGE_SIZE);
		for (size_t i = 0; i < n; i++)
			piece[i] = private ? own_byte(at + i) : m.file[at + i];
		memcpy(m.file + to + done, piece, n);
		m.size = max_of(m.size, to + done + n);
		done += n;
	}
	r = fs_pwrite(m.fd, p + from, len, (int64_t)to);
	assert_int_equal(r, done ? (long)done : -EFAULT);
}

static void do_read(bool private, size_t from, size_t to, size_t len)
{
	uint8_t *p = private ? m.private : m.shared;
	size_t done = 0;
	bool bad = false;
	long r;

	while (done < len && from + done < m.size && !bad) {
		const size_t at = from + done, target = to + done;
		const size_t room = target < pages_end() ? pages_end() - target : 0;
		uint8_t piece[PAGE_SIZE];
		size_t n = min_of(len - done, PAGE_SIZE - at % PAGE_SIZE), fits;

		n = min_of(n, m.size - at);
		fits = min_of(n, room);
		memcpy(piece, m.file + at, n);
		for (size_t i = 0; i < fits; i++) {
			if (private)
				own_store(target + i, piece[i]);
			else if (target + i < m.size) // beyond the end it is nobody's
				m.file[target + i] = piece[i];
		}
		done += fits;
		bad = fits < n;
	}
	r = fs_pread(m.fd, p + to, len, (int64_t)from);
	assert_int_equal(r, done || !bad ? (long)done : -EFAULT);
	/* Those that were stored beyond the end go. */
	if (!private && m.size % PAGE_SIZE)
		memset(m.shared + m.size, 0, PAGE_SIZE - m.size % PAGE_SIZE);
}

static void do_other(void)
{
	const size_t at = below(LEN), len = 1 + below(LEN - at);

	switch (below(6)) {
	case 0:
		assert_int_equal(fs_ftruncate(m.fd, (int64_t)at), 0);
		resize(at);
		break;
	case 1:
		assert_int_equal(
		    fs_fallocate_mode(m.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (int64_t)at, (int64_t)len), 0);
		if (at < m.size)
			memset(m.file + at, 0, min_of(len, m.size - at));
		break;
	case 2:
		for (size_t i = 0; i < min_of(len, (size_t)300) && at + i < pages_end(); i++) {
			m.private[at + i] = (uint8_t)(i + len);
			own_store(at + i, (uint8_t)(i + len));
		}
		break;
	case 3:
		assert_int_equal(map_sync((vaddr_t)m.shared, LEN, true), 0);
		break;
	case 4:
		(void)pcache_drop_clean();
		break;
	default:
		for (size_t i = 0; i < len && at + i < m.size; i++)
			m.shared[at + i] = m.file[at + i] = stack_byte((unsigned)len, i);
	}
}

static void check(unsigned step)
{
	static uint8_t buf[LEN];

	if (memcmp(m.shared, m.file, pages_end()))
		fail_msg("step %u: the shared mapping differs", step);
	assert_int_equal(fs_pread(m.fd, buf, LEN, 0), m.size);
	if (memcmp(buf, m.file, m.size))
		fail_msg("step %u: the file differs", step);
	for (size_t at = 0; at < pages_end(); at++)
		if (m.private[at] != own_byte(at))
			fail_msg("step %u: the private mapping differs at %zu", step, at);
}

/* Bytes of both ranges are near to each other, and to the ends of pages. */
static void random_call(void)
{
	const size_t from = below(PAGES) * PAGE_SIZE + below(2) * below(PAGE_SIZE);
	const size_t near = below(3) ? from + below(9000) : below(LEN), to = near > 4500 ? near - 4500 : near;
	const size_t len = 1 + below(below(2) ? 5000 : below(3) ? 100 : 40000);
	const size_t fits = LEN - max_of(from, to);

	if (max_of(from, to) >= LEN)
		return;
	if (below(2))
		do_write(below(3) == 0, from, to, min_of(len, fits));
	else
		do_read(below(3) == 0, from, to, min_of(len, fits));
}

static void self_body(void *arg)
{
	const unsigned steps = harness_effort() == EFFORT_QUICK ? 150 : 600;

	memset(&m, 0, sizeof(m));
	m.rng = *(const uint64_t *)arg;
	harness_start();
	m.fd = stack_open("/self", O_RDWR | O_CREAT);
	resize(20 * PAGE_SIZE - 100);
	assert_int_equal(fs_ftruncate(m.fd, (int64_t)m.size), 0);
	m.shared = stack_map(m.fd, LEN, MAP_R | MAP_W, MAP_KIND_SHARED);
	m.private = stack_map(m.fd, LEN, MAP_R | MAP_W, MAP_KIND_PRIVATE);
	for (unsigned step = 0; step < steps; step++) {
		if (step % 4 == 0)
			do_other();
		else
			random_call();
		check(step);
	}
	stack_unmap(m.shared, LEN);
	stack_unmap(m.private, LEN);
	assert_int_equal(fs_close(m.fd), 0);
	assert_int_equal(harness_stop(), 0);
}

static void test_self(void **state)
{
	static const struct {
		size_t frames, cache;
		unsigned buffers;
	} sizes[] = {{8192, 0, 0}, {128, 0, BUFFERS_MIN}, {2048, 8, BUFFERS_MIN}};
	const char *out = image_path("self-out");
	uint64_t seed = 1;

	(void)state;
	for (size_t b = 0; b < array_size(blocks); b++) {
		char name[32];

		snprintf(name, sizeof(name), "self-%u", blocks[b]);
		for (size_t i = 0; i < array_size(sizes); i++, seed++) {
			print_message("block %u, %zu frames, %zu pages, seed %llu\n", blocks[b], sizes[i].frames,
				      sizes[i].cache, (unsigned long long)seed);
			harness_run(
			    &(struct harness){
				.frames = sizes[i].frames,
				.cache_pages = sizes[i].cache,
				.fs_buffers = sizes[i].buffers,
				.seed = i,
				.disk = {.image = stack_image(name, "2M", blocks[b], 10), .seed = i, .save = out}},
			    self_body, &seed);
			assert_int_equal(image_e2fsck(out, "-n"), 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_self),
	};

	return cmocka_run_group_tests_name("stack: a file read and written through itself", tests, NULL, NULL);
}
