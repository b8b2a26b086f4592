// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#include "tests/host/fsmodel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/fs.h"
#include "mm/pcache.h"
#include "tests/host/harness.h"
#include "tests/host/image.h"

#define DIRS 4	 // /d0 ..; the root is number DIRS
#define FILES 20 // names in all
#define FILE_MAX (1 << 20)

struct file {
	bool exists;
	unsigned dir; // DIRS: the root
	size_t size;
	uint8_t data[FILE_MAX];
};

static struct model {
	bool dirs[DIRS];
	struct file files[FILES];
	uint64_t rng;
	struct fsmodel_config config;
	unsigned counts[16]; // of each operation, done
} * model;

static uint8_t scratch[FILE_MAX];

static uint64_t next(void)
{
	model->rng ^= model->rng << 13;
	model->rng ^= model->rng >> 7;
	model->rng ^= model->rng << 17;
	return model->rng * 0x2545f4914f6cdd1du >> 11;
}

static uint64_t below(uint64_t n)
{
	return next() % n;
}

void fsmodel_init(void)
{
	if (!model)
		model = harness_shared(sizeof(*model));
	memset(model, 0, sizeof(*model));
}

static const char *file_path(unsigned i, unsigned dir)
{
	static char paths[4][64];
	static unsigned turn;
	char *p = paths[turn++ % 4];

	/* Names of different lengths, so that entries are split and merged. */
	if (dir == DIRS)
		snprintf(paths[(turn - 1) % 4], 64, "/f%u%.*s", i, (int)(i * 7 % 40),
			 "----------------------------------------");
	else
		snprintf(p, 64, "/d%u/f%u%.*s", dir, i, (int)(i * 7 % 40), "----------------------------------------");
	return p;
}

static const char *path_of(unsigned i)
{
	return file_path(i, model->files[i].dir);
}

static bool full(long err)
{
	if (model->config.full && err == -ENOSPC)
		return true;
	if (err < 0)
		print_message("operation failed: %ld\n", err);
	return false;
}

static int open_file(unsigned i, int flags)
{
	int fd = fs_open(AT_FDCWD, path_of(i), flags, 0644);

	if (model->files[i].exists) {
		if (fd < 0)
			fail_msg("open %s: %d", path_of(i), fd);
		return fd;
	}
	assert_int_equal(fd, -ENOENT);
	return -1;
}

static size_t random_offset(size_t size)
{
	switch (below(4)) {
	case 0:
		return size; // append
	case 1:
		return below(size + 1);
	case 2:
		return below(model->config.file_max); // a gap, perhaps
	default:
		return below(model->config.file_max / 4096 + 1) * 4096;
	}
}

static void fill_scratch(size_t len)
{
	uint64_t x = next();

	for (size_t i = 0; i < len; i++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		scratch[i] = (uint8_t)x ^ (uint8_t)(x >> 32);
	}
}

static void model_resize(struct file *f, size_t size)
{
	if (size > f->size)
		memset(f->data + f->size, 0, size - f->size);
	f->size = size;
}

static void do_write(unsigned i)
{
	struct file *f = &model->files[i];
	size_t at = random_offset(f->size), len = 1 + below(below(8) ? 5000 : 100000);
	bool append = f->size < model->config.file_max && below(5) == 0;
	int fd = open_file(i, O_RDWR | (append ? O_APPEND : 0));
	long r;

	if (fd < 0)
		return;
	at = append ? f->size : at;
	if (at >= model->config.file_max)
		at = model->config.file_max - 1;
	len = min_of(len, model->config.file_max - at);
	fill_scratch(len);
	if (append) {
		r = fs_write(fd, scratch, len);
	} else {
		r = fs_pwrite(fd, scratch, len, (int64_t)at);
	}
	if (r < 0 && !full(r))
		fail_msg("write %zu at %zu of %s: %ld", len, at, path_of(i), r);
	if (r > 0) {
		if ((size_t)r != len)
			assert_true(model->config.full);
		if (at + r > f->size)
			model_resize(f, at + r);
		memcpy(f->data + at, scratch, r);
	}
	assert_int_equal(fs_close(fd), 0);
}

static void check_size(int fd, const struct file *f)
{
	struct stat st;

	assert_int_equal(fs_fstat(fd, &st), 0);
	assert_int_equal(st.st_size, f->size);
}

static void do_read(unsigned i)
{
	struct file *f = &model->files[i];
	size_t at = random_offset(f->size), len = 1 + below(20000), expect;
	int fd = open_file(i, O_RDONLY);
	long r;

	if (fd < 0)
		return;
	check_size(fd, f);
	r = fs_pread(fd, scratch, len, (int64_t)at);
	expect = at >= f->size ? 0 : min_of(len, f->size - at);
	assert_int_equal(r, expect);
	if (memcmp(scratch, f->data + at, expect))
		fail_msg("%s differs within %zu bytes at %zu", path_of(i), expect, at);
	assert_int_equal(fs_close(fd), 0);
}

static void do_truncate(unsigned i)
{
	struct file *f = &model->files[i];
	size_t size = below(3) ? below(f->size + 1) : below(model->config.file_max);
	int fd = open_file(i, O_WRONLY), err;

	if (fd < 0)
		return;
	err = fs_ftruncate(fd, (int64_t)size);
	if (!err)
		model_resize(f, size);
	else
		assert_true(full(err));
	check_size(fd, f);
	assert_int_equal(fs_close(fd), 0);
}

static void do_fallocate(unsigned i)
{
	struct file *f = &model->files[i];
	size_t at = random_offset(f->size), len = 1 + below(60000);
	int fd = open_file(i, O_RDWR), err;
	struct stat st;

	if (fd < 0)
		return;
	at = min_of(at, model->config.file_max - 1);
	len = min_of(len, model->config.file_max - at);
	err = fs_fallocate(fd, (int64_t)at, (int64_t)len);
	if (err && !full(err))
		fail_msg("fallocate: %d", err);
	/* A failed one may have grown the file by a part. */
	assert_int_equal(fs_fstat(fd, &st), 0);
	if (err)
		assert_true((size_t)st.st_size >= f->size && (size_t)st.st_size <= max_of(at + len, f->size));
	else
		assert_int_equal(st.st_size, max_of(at + len, f->size));
	model_resize(f, st.st_size);
	assert_int_equal(fs_close(fd), 0);
}

/* What a call that failed half-way may have made zeros of is taken over; anything else is wrong. */
static void adopt_zeros(int fd, struct file *f, size_t from, size_t to)
{
	assert_int_equal(fs_pread(fd, scratch, f->size, 0), f->size);
	for (size_t b = 0; b < f->size; b++) {
		if (b >= from && b < to && scratch[b] == 0)
			f->data[b] = 0;
		assert_int_equal(scratch[b], f->data[b]);
	}
}

static void do_punch(unsigned i)
{
	struct file *f = &model->files[i];
	size_t at = random_offset(f->size), len = 1 + below(below(4) ? 20000 : model->config.file_max);
	int fd = open_file(i, O_RDWR);

	if (fd < 0)
		return;
	assert_int_equal(fs_fallocate_mode(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (int64_t)at, (int64_t)len),
			 0);
	if (at < f->size)
		memset(f->data + at, 0, min_of(len, f->size - at));
	check_size(fd, f);
	assert_int_equal(fs_close(fd), 0);
}

static void do_zero(unsigned i)
{
	struct file *f = &model->files[i];
	size_t at = random_offset(f->size), len = 1 + below(60000), block, before = f->size;
	bool keep = below(2), fits;
	int fd = open_file(i, O_RDWR), err;
	struct fs_space space;
	struct stat st;

	if (fd < 0)
		return;
	at = min_of(at, model->config.file_max - 1);
	len = min_of(len, model->config.file_max - at);
	assert_int_equal(fs_space(AT_FDCWD, "/", &space), 0);
	block = space.block_size;
	fits = align_up(at + len, block) <= align_up(f->size, block);
	err = fs_fallocate_mode(fd, FALLOC_FL_ZERO_RANGE | (keep ? FALLOC_FL_KEEP_SIZE : 0), (int64_t)at, (int64_t)len);
	assert_int_equal(fs_fstat(fd, &st), 0);
	if (keep && !fits) {
		assert_int_equal(err, -EOPNOTSUPP);
	} else if (err) {
		assert_true(full(err));
		model_resize(f, st.st_size);
		adopt_zeros(fd, f, at, at + len);
	} else {
		model_resize(f, keep ? before : max_of(before, at + len));
		if (at < f->size)
			memset(f->data + at, 0, min_of(len, f->size - at));
	}
	if (keep)
		assert_int_equal(st.st_size, before);
	assert_true((size_t)st.st_size >= before && (size_t)st.st_size <= max_of(at + len, before));
	check_size(fd, f);
	assert_int_equal(fs_close(fd), 0);
}

static void do_create(unsigned i)
{
	struct file *f = &model->files[i];
	unsigned dir = below(DIRS + 1);
	int fd;

	if (f->exists) {
		fd = fs_open(AT_FDCWD, path_of(i), O_RDWR | O_CREAT | O_EXCL, 0600);
		assert_int_equal(fd, -EEXIST);
		return;
	}
	fd = fs_open(AT_FDCWD, file_path(i, dir), O_RDWR | O_CREAT | (below(2) ? O_EXCL : 0), 0600);
	if (dir < DIRS && !model->dirs[dir]) {
		assert_int_equal(fd, -ENOENT);
		return;
	}
	if (fd < 0 && full(fd))
		return;
	assert_true(fd >= 0);
	f->exists = true;
	f->dir = dir;
	f->size = 0;
	assert_int_equal(fs_close(fd), 0);
}

static void do_unlink(unsigned i)
{
	struct file *f = &model->files[i];
	int err, fd = -1;

	if (f->exists && below(2))
		fd = open_file(i, O_RDWR);
	err = fs_unlink(AT_FDCWD, path_of(i), 0);
	assert_int_equal(err, f->exists ? 0 : -ENOENT);
	f->exists = false;
	if (fd >= 0) {
		/* It lives on while it is open. */
		long r = fs_pread(fd, scratch, f->size, 0);

		assert_int_equal(r, f->size);
		assert_memory_equal(scratch, f->data, f->size);
		r = fs_pwrite(fd, scratch, 5000, (int64_t)f->size);
		assert_true(r > 0 || full(r));
		assert_int_equal(fs_open(AT_FDCWD, path_of(i), O_RDONLY, 0), -ENOENT);
		assert_int_equal(fs_close(fd), 0);
	}
	f->size = 0;
}

static void do_rename(unsigned i)
{
	unsigned j = below(FILES), dir = below(DIRS + 1);
	struct file *f = &model->files[i], *g = &model->files[j];
	char from[64], to[64];
	int err;

	strcpy(from, path_of(i));
	strcpy(to, g->exists ? path_of(j) : file_path(j, dir));
	err = fs_rename(AT_FDCWD, from, AT_FDCWD, to, 0);
	if (!f->exists || (!g->exists && dir < DIRS && !model->dirs[dir])) {
		assert_int_equal(err, -ENOENT);
		return;
	}
	if (err && full(err))
		return;
	assert_int_equal(err, 0);
	if (i == j)
		return;
	if (!g->exists)
		g->dir = dir;
	g->exists = true;
	g->size = f->size;
	memcpy(g->data, f->data, f->size);
	f->exists = false;
	f->size = 0;
}

static void do_directory(void)
{
	unsigned d = below(DIRS), used = 0;
	char path[16];
	int err;

	snprintf(path, sizeof(path), "/d%u", d);
	for (unsigned i = 0; i < FILES; i++)
		used += model->files[i].exists && model->files[i].dir == d;
	if (model->dirs[d] && below(2)) {
		err = fs_unlink(AT_FDCWD, path, AT_REMOVEDIR);
		assert_int_equal(err, used ? -ENOTEMPTY : 0);
		model->dirs[d] = used;
	} else {
		err = fs_mkdir(AT_FDCWD, path, 0755);
		if (!model->dirs[d] && full(err))
			return;
		assert_int_equal(err, model->dirs[d] ? -EEXIST : 0);
		model->dirs[d] = true;
	}
}

static void do_sync(unsigned i)
{
	int fd;

	switch (below(4)) {
	case 0:
		assert_int_equal(fs_sync(), 0);
		break;
	case 1:
		(void)pcache_drop_clean();
		break;
	default:
		fd = open_file(i, O_RDWR);
		if (fd >= 0) {
			assert_int_equal(fs_fsync(fd, below(2)), 0);
			assert_int_equal(fs_close(fd), 0);
		}
	}
}

static void step(void)
{
	static void (*const on_file[])(unsigned) = {do_write,	 do_write,     do_write,  do_read,   do_read,
						    do_truncate, do_fallocate, do_create, do_create, do_unlink,
						    do_rename,	 do_sync,      do_punch,  do_zero};
	unsigned op = below(array_size(on_file) + 1);

	model->counts[op]++;
	if (op == array_size(on_file))
		do_directory();
	else
		on_file[op](below(FILES));
}

void fsmodel_run(const struct fsmodel_config *config)
{
	model->config = *config;
	model->rng = config->seed * 0x9e3779b97f4a7c15u + 1;
	assert_true(config->file_max <= FILE_MAX);
	for (unsigned i = 0; i < config->steps; i++) {
		step();
		if (config->sync_every && i % config->sync_every == 0)
			assert_int_equal(fs_sync(), 0);
	}
	if (config->steps > 500) {
		for (unsigned i = 0; i < 15; i++)
			assert_true(model->counts[i] > 0);
	}
}

static unsigned count_entries(const char *path)
{
	int fd = fs_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
	struct fs_dirent entry;
	unsigned n = 0;
	int r;

	assert_true(fd >= 0);
	while ((r = fs_readdir(fd, &entry)) > 0)
		n += entry.name[0] == 'f' || entry.name[0] == 'd';
	assert_int_equal(r, 0);
	assert_int_equal(fs_close(fd), 0);
	return n;
}

void fsmodel_verify(void)
{
	unsigned names[DIRS + 1] = {0};

	for (unsigned i = 0; i < FILES; i++) {
		struct file *f = &model->files[i];
		int fd = open_file(i, O_RDONLY);
		long r;

		if (fd < 0)
			continue;
		names[f->dir]++;
		check_size(fd, f);
		r = fs_read(fd, scratch, f->size);
		assert_int_equal(r, f->size);
		for (size_t b = 0; b < f->size; b++) {
			if (scratch[b] != f->data[b])
				fail_msg("%s differs at byte %zu of %zu: %#x, not %#x", path_of(i), b, f->size,
					 scratch[b], f->data[b]);
		}
		assert_int_equal(fs_close(fd), 0);
	}
	for (unsigned d = 0; d < DIRS; d++) {
		char path[16];

		snprintf(path, sizeof(path), "/d%u", d);
		names[DIRS] += model->dirs[d];
		if (model->dirs[d])
			assert_int_equal(count_entries(path), names[d]);
		else
			assert_int_equal(fs_open(AT_FDCWD, path, O_RDONLY, 0), -ENOENT);
	}
	assert_int_equal(count_entries("/"), names[DIRS]);
}

void fsmodel_verify_image(const char *image)
{
	for (unsigned i = 0; i < FILES; i++) {
		struct file *f = &model->files[i];
		uint8_t *data;
		size_t len;

		if (!f->exists)
			continue;
		data = image_read(image, path_of(i), &len);
		assert_non_null(data);
		assert_int_equal(len, f->size);
		if (memcmp(data, f->data, len))
			fail_msg("%s differs in the image", path_of(i));
		free(data);
	}
}
