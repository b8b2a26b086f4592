// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Directories: hashes as debugfs computes them; indices that others made, all of their kinds; indices that grow, and
 * are then what e2fsck says they must be; how much of a large directory each operation looks at; listings while names
 * come and go; names that share a hash; damaged indices.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/buffer.h"
#include "fs/ext2/dir.h"
#include "fs/fs.h"
#include "tests/host/harness.h"
#include "tests/host/image.h"

/* Metadata blocks looked at, and what roots of indices look like: as they are, or with no room for entries. */
static uint64_t gets;
static bool break_roots;

static void break_root(struct buffer *b)
{
	const struct ext2_dirent *first = b->data, *second = (const struct ext2_dirent *)((char *)b->data + 12);

	if (first->rec_len == 12 && second->rec_len == 1024 - 12 && second->name_len == 2)
		ext2_dx_entries(b->data, true)->hash = 0;
}

int __real_buffer_get(struct buffer_pool *pool, fsblk_t block, struct buffer **out);
int __wrap_buffer_get(struct buffer_pool *pool, fsblk_t block, struct buffer **out);
int __wrap_buffer_get(struct buffer_pool *pool, fsblk_t block, struct buffer **out)
{
	int err = __real_buffer_get(pool, block, out);

	gets++;
	if (!err && break_roots)
		break_root(*out);
	return err;
}

/* Names share hashes while this is not 0: only these bits are different. */
static uint32_t hash_bits;
uint32_t __real_ext2_dir_hash(const struct volume *vol, unsigned version, const char *name, unsigned len);
uint32_t __wrap_ext2_dir_hash(const struct volume *vol, unsigned version, const char *name, unsigned len);
uint32_t __wrap_ext2_dir_hash(const struct volume *vol, unsigned version, const char *name, unsigned len)
{
	const uint32_t hash = __real_ext2_dir_hash(vol, version, name, len);

	return hash_bits ? hash & hash_bits : hash;
}

static const char *saved; // the image that a run leaves

static void run_image(void (*body)(void *), void *arg, const char *image, unsigned buffers)
{
	saved = image_path("saved");
	harness_run(
	    &(struct harness){
		.frames = 16384, .seconds = 600, .fs_buffers = buffers, .disk = {.image = image, .save = saved}},
	    body, arg);
}

static void run_new(void (*body)(void *), void *arg, const char *size, const char *options, unsigned buffers)
{
	const char *image = image_path("new");

	image_mke2fs(image, size, options);
	run_image(body, arg, image, buffers);
}

static void check_saved(void)
{
	assert_int_equal(image_e2fsck(saved, "-n"), 0);
}

/* What debugfs prints for a command has this text. */
static bool debugfs_says(const char *command, const char *text)
{
	char line[4096];
	bool says = false;
	FILE *f;

	image_debugfs(saved, command);
	f = fopen(image_path("output"), "r");
	assert_non_null(f);
	while (!says && fgets(line, sizeof(line), f))
		says = strstr(line, text) != NULL;
	assert_int_equal(fclose(f), 0);
	return says;
}

static bool is_indexed(const char *path)
{
	char command[64];

	snprintf(command, sizeof(command), "stat %s\n", path);
	return debugfs_says(command, "Flags: 0x1000");
}

static void put_file(const char *path)
{
	int fd = fs_open(AT_FDCWD, path, O_CREAT | O_EXCL | O_RDWR, 0644);

	if (fd < 0)
		fail_msg("%s: %d", path, fd);
	assert_int_equal(fs_close(fd), 0);
}

static bool is_there(const char *path)
{
	struct stat st;
	int err = fs_stat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW);

	assert_true(err == 0 || err == -ENOENT);
	return err == 0;
}

/* ---- hashes ---- */

#define HASH_NAMES 60

static void hash_name(unsigned i, char *name)
{
	static const unsigned lengths[] = {1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 200, 254, 255};
	const unsigned len = lengths[i % array_size(lengths)];

	for (unsigned c = 0; c < len; c++) {
		/* No blank, quote or comment sign; half of the names have bytes above 127. */
		name[c] = i % 2 ? (char)('0' + (c * 7 + i) % 10) : (char)(0x80 + (c * 13 + i * 5) % 0x7f);
	}
	name[len] = 0;
}

static void test_hashes(void **state)
{
	static const char *const seeds[] = {"00000000-0000-0000-0000-000000000000",
					    "01234567-89ab-cdef-fedc-ba9876543210"};
	const char *image = image_path("hashes");
	static struct volume vol;
	unsigned found = 0;

	(void)state;
	image_mke2fs(image, "1M", "");
	for (unsigned seed = 0; seed < array_size(seeds); seed++) {
		for (unsigned version = 0; version < 2 * EXT2_HASH_VERSIONS; version++) {
			char *commands = malloc(HASH_NAMES * 400), *p = commands, name[256], line[1024];
			FILE *f;

			for (unsigned i = 0; i < HASH_NAMES; i++) {
				hash_name(i, name);
				p += sprintf(p, "dx_hash -h %u -s %s %s\n", version, seeds[seed], name);
			}
			image_debugfs(image, commands);
			free(commands);
			for (unsigned i = 0; i < 16 && seed; i++)
				((uint8_t *)vol.es.hash_seed)[i] =
				    (uint8_t)((const uint8_t[16]){0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xfe,
								  0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10}[i]);
			vol.es.flags = version < EXT2_HASH_VERSIONS ? EXT2_SUPER_SIGNED_HASH : EXT2_SUPER_UNSIGNED_HASH;
			f = fopen(image_path("output"), "r");
			assert_non_null(f);
			for (unsigned i = 0; fgets(line, sizeof(line), f);) {
				const char *is = strstr(line, " is 0x");

				if (!is || strncmp(line, "Hash of ", 8))
					continue;
				hash_name(i++, name);
				assert_true(is == line + 8 + strlen(name) && !memcmp(line + 8, name, strlen(name)));
				assert_int_equal(
				    strtoul(is + 4, NULL, 16),
				    ext2_dir_hash(&vol, version % EXT2_HASH_VERSIONS, name, (unsigned)strlen(name)));
				found++;
			}
			assert_int_equal(fclose(f), 0);
		}
	}
	assert_int_equal(found, 2 * 6 * HASH_NAMES);
}

/* ---- indices of others ---- */

struct others {
	unsigned names, most; // blocks looked at by one look-up
};

static void others_name(unsigned i, char *name)
{
	sprintf(name, i % 3 ? "%s%u" : "%s-of-a-name-%u-and-more", i % 2 ? "f" : "\xc3\xa4\xff", i);
}

static void use_others(void *arg)
{
	const struct others *o = arg;
	char path[100] = "/many/";

	harness_start();
	for (unsigned i = 0; i < o->names; i++) {
		uint64_t before = gets;

		others_name(i, path + 6);
		assert_true(is_there(path));
		assert_in_range(gets - before, 0, o->most);
		before = gets;
		strcat(path, "not");
		assert_false(is_there(path));
		assert_in_range(gets - before, 0, o->most);
	}
	/* And it is one of ours then. */
	for (unsigned i = 0; i < o->names; i += 2) {
		others_name(i, path + 6);
		assert_int_equal(fs_unlink(AT_FDCWD, path, 0), 0);
	}
	for (unsigned i = 0; i < o->names; i++) {
		sprintf(path, "/many/our-name-%u", i);
		put_file(path);
	}
	for (unsigned i = 0; i < o->names; i++) {
		others_name(i, path + 6);
		assert_int_equal(is_there(path), i % 2);
		sprintf(path, "/many/our-name-%u", i);
		assert_true(is_there(path));
	}
	assert_int_equal(harness_stop(), 0);
}

static void others_case(unsigned block, unsigned names, const char *hash, bool is_unsigned)
{
	const char *image = image_path("others");
	char *commands = malloc(names * 80 + 200), *p = commands, options[80], name[100];
	/* Inodes of the path, tables of the directory's blocks for each of root, node and leaf, the found one's inode.
	 */
	struct others o = {.names = names, .most = 10};

	snprintf(options, sizeof(options), "-b %u -N %u", block, names * 2 + 100);
	image_mke2fs(image, "24M", options);
	p += sprintf(p, "ssv def_hash_version %s\nssv flags %u\nmkdir many\ncd many\n", hash,
		     is_unsigned ? EXT2_SUPER_UNSIGNED_HASH : EXT2_SUPER_SIGNED_HASH);
	for (unsigned i = 0; i < names; i++) {
		others_name(i, name);
		p += sprintf(p, "mknod %s p\n", name);
	}
	image_debugfs(image, commands);
	free(commands);
	assert_true(image_e2fsck(image, "-y -D") <= 1);
	saved = image;
	assert_true(is_indexed("/many"));
	run_image(use_others, &o, image, 0);
	check_saved();
	assert_true(is_indexed("/many"));
}

static void test_others(void **state)
{
	static const char *const hashes[] = {"legacy", "half_md4", "tea"};

	(void)state;
	for (unsigned i = 0; i < 2 * array_size(hashes); i++)
		others_case(i % 2 ? 4096 : 1024, 700, hashes[i / 2], i % 2);
	others_case(1024, 700, "tea", true);
	others_case(1024, 8000, "half_md4", true); // two levels
}

/* ---- growth ---- */

struct growth {
	unsigned names, len, most, batch;
	bool directories;
};

static void growth_name(const struct growth *g, unsigned i, char *path)
{
	unsigned n = (unsigned)sprintf(path, "/many/%u", i);
	/* From one length on each is as long as it may be, or of some length. */
	const unsigned end = 6 + (g->len ? g->len : 8 + i * 31 % 60);

	for (; n < end; n++)
		path[n] = (char)('a' + (i + n) % 26);
	path[n] = 0;
}

static void grow(void *arg)
{
	const struct growth *g = arg;
	struct fs_dirent entry;
	unsigned listed = 0;
	char path[300];
	int fd, r;

	harness_start();
	assert_int_equal(fs_mkdir(AT_FDCWD, "/many", 0755), 0);
	for (unsigned i = 0; i < g->names; i++) {
		growth_name(g, i, path);
		if (g->directories)
			assert_int_equal(fs_mkdir(AT_FDCWD, path, 0755), 0);
		else
			put_file(path);
		if (g->batch && i % g->batch == 0)
			assert_int_equal(fs_sync(), 0);
	}
	for (unsigned i = 0; i < g->names; i++) {
		const uint64_t before = gets;

		growth_name(g, i, path);
		assert_true(is_there(path));
		assert_in_range(gets - before, 0, g->most);
	}
	fd = fs_open(AT_FDCWD, "/many", O_RDONLY, 0);
	assert_true(fd >= 0);
	while ((r = fs_readdir(fd, &entry)) > 0)
		listed++;
	assert_int_equal(r, 0);
	assert_int_equal(listed, g->names + 2);
	assert_int_equal(fs_close(fd), 0);
	/* Half of them go, others come. */
	for (unsigned i = 0; i < g->names; i += 2) {
		growth_name(g, i, path);
		assert_int_equal(
		    g->directories ? fs_unlink(AT_FDCWD, path, AT_REMOVEDIR) : fs_unlink(AT_FDCWD, path, 0), 0);
	}
	for (unsigned i = 0; i < g->names / 2; i++) {
		growth_name(g, g->names + i, path);
		put_file(path);
	}
	for (unsigned i = 0; i < g->names * 3 / 2; i++) {
		growth_name(g, i, path);
		assert_int_equal(is_there(path), i >= g->names || i % 2);
	}
	assert_int_equal(harness_stop(), 0);
}

static void growth_case(struct growth g, const char *options, unsigned buffers)
{
	run_new(grow, &g, "32M", options, buffers);
	check_saved();
	assert_true(is_indexed("/many"));
}

static void test_growth(void **state)
{
	(void)state;
	growth_case((struct growth){.names = 30, .most = 10}, "-b 1024 -N 12000", 0);
	growth_case((struct growth){.names = 6000, .most = 10}, "-b 1024 -N 12000", 0);
	growth_case((struct growth){.names = 3000, .len = 255, .most = 10}, "-b 1024 -N 12000", 0);
	growth_case((struct growth){.names = 6000, .most = 10}, "-b 4096 -N 12000", 0);
	growth_case((struct growth){.names = 1000, .most = 10, .batch = 10}, "-b 2048 -N 12000 -O ^filetype",
		    BUFFERS_MIN);
	growth_case((struct growth){.names = 400, .most = 10, .directories = true}, "-b 1024 -N 12000", BUFFERS_MIN);
}

/* ---- a very large one ---- */

#define LARGE_PATH 40

struct large {
	unsigned names;
};

/* How much one kind of operation looked at, in all and at most. */
struct cost {
	uint64_t total, most, last;
};

static void cost_begin(struct cost *cost)
{
	cost->last = gets;
}

static void cost_end(struct cost *cost)
{
	const uint64_t used = gets - cost->last;

	cost->total += used;
	cost->most = max_of(cost->most, used);
}

static void cost_check(const struct cost *cost, const char *what, unsigned count, unsigned average, unsigned most)
{
	print_message("%s: %llu.%llu blocks looked at, at most %llu\n", what, (unsigned long long)(cost->total / count),
		      (unsigned long long)(cost->total * 10 / count % 10), (unsigned long long)cost->most);
	assert_in_range(cost->total / count, 0, average);
	assert_in_range(cost->most, 0, most);
}

static void large_name(unsigned i, char *path)
{
	sprintf(path, "/many/file-%06u", i);
}

static void large_create(const struct large *l)
{
	struct cost cost = {0};
	char path[LARGE_PATH];

	for (unsigned i = 0; i < l->names; i++) {
		large_name(i, path);
		cost_begin(&cost);
		put_file(path);
		cost_end(&cost);
	}
	cost_check(&cost, "create", l->names, 30, 200);
}

static void large_look_up(const struct large *l)
{
	struct cost cost = {0};
	char path[LARGE_PATH];

	for (unsigned i = 0; i < l->names; i++) {
		large_name((uint64_t)i * 7919 % l->names, path);
		cost_begin(&cost);
		assert_true(is_there(path));
		cost_end(&cost);
	}
	cost_check(&cost, "look up", l->names, 10, 12);
}

/* Each name once; and with remove, each is deleted as soon as it was found. */
static void large_list(bool remove, unsigned expected)
{
	struct cost cost = {0};
	struct fs_dirent entry;
	char path[300];
	unsigned n = 0;
	int fd = fs_open(AT_FDCWD, "/many", O_RDONLY, 0), r = 1;

	assert_true(fd >= 0);
	while (r > 0) {
		cost_begin(&cost);
		r = fs_readdir(fd, &entry);
		if (r > 0 && entry.type == 8 && remove) {
			sprintf(path, "/many/%s", entry.name);
			assert_int_equal(fs_unlink(AT_FDCWD, path, 0), 0);
		}
		cost_end(&cost);
		n += r > 0;
	}
	assert_int_equal(r, 0);
	assert_int_equal(n, expected + 2);
	assert_int_equal(fs_close(fd), 0);
	cost_check(&cost, remove ? "list and delete" : "list", n, remove ? 30 : 4, remove ? 3000 : 60);
}

static void large(void *arg)
{
	const struct large *l = arg;
	struct cost cost = {0};
	char path[LARGE_PATH];

	harness_start();
	assert_int_equal(fs_mkdir(AT_FDCWD, "/many", 0755), 0);
	large_create(l);
	large_look_up(l);
	large_list(false, l->names);
	/* Half in an order that is none, the rest in the listing's. */
	for (unsigned i = 0; i < l->names / 2; i++) {
		large_name((uint64_t)i * 7919 % l->names, path);
		cost_begin(&cost);
		assert_int_equal(fs_unlink(AT_FDCWD, path, 0), 0);
		cost_end(&cost);
	}
	cost_check(&cost, "delete", l->names / 2, 30, 3000);
	large_list(true, l->names - l->names / 2);
	assert_int_equal(fs_unlink(AT_FDCWD, "/many", AT_REMOVEDIR), 0);
	assert_int_equal(harness_stop(), 0);
}

static void test_large(void **state)
{
	/* 7919 has no divisor with these. */
	struct large l = {.names = harness_effort() == EFFORT_QUICK  ? 10000
				   : harness_effort() == EFFORT_LONG ? 100000
								     : 20000};

	(void)state;
	run_new(large, &l, "64M", "-b 4096 -N 100100 -I 128", 0);
	check_saved();
	l.names = 10000;
	run_new(large, &l, "24M", "-b 1024 -N 10100 -I 128", BUFFERS_MIN);
	check_saved();
}

/* Without an index a creation reads the directory once, to know that the name is not there; and no more than that. */
static void linear(void *arg)
{
	uint64_t before, blocks;
	char path[LARGE_PATH];
	struct stat st;

	(void)arg;
	harness_start();
	assert_int_equal(fs_mkdir(AT_FDCWD, "/many", 0755), 0);
	for (unsigned i = 0; i < 3000; i++) {
		large_name(i, path);
		assert_int_equal(fs_stat(AT_FDCWD, "/many", &st, 0), 0);
		blocks = (uint64_t)st.st_size / 1024;
		before = gets;
		put_file(path);
		/* Looked for twice, each block with the table that leads to it; and what a commit takes. */
		assert_in_range(gets - before, 0, 4 * blocks + 40);
	}
	assert_int_equal(harness_stop(), 0);
}

static void test_linear(void **state)
{
	(void)state;
	run_new(linear, NULL, "8M", "-b 1024 -N 3100 -O ^dir_index", 0);
	check_saved();
	assert_false(is_indexed("/many"));
}

/* ---- listing while names come and go ---- */

#define STAYING 900u

struct listing {
	unsigned staying; // names from the beginning
	unsigned each;	  // come between two that are read
	bool damage;	  // the index is lost meanwhile
	unsigned seen[STAYING];
};

static unsigned churned; // names made so far

static void churn(const struct listing *l)
{
	char path[LARGE_PATH];

	for (unsigned i = 0; i < l->each; i++, churned++) {
		sprintf(path, "/many/comes-and-goes-%u", churned);
		put_file(path);
		if (churned >= 40 && churned % 2) {
			sprintf(path, "/many/comes-and-goes-%u", churned - 40);
			assert_int_equal(fs_unlink(AT_FDCWD, path, 0), 0);
		}
	}
}

static void listing(void *arg)
{
	struct listing *l = arg;
	struct fs_dirent entry;
	char path[LARGE_PATH];
	unsigned n = 0, k;
	int fd, r;

	harness_start();
	churned = 0;
	memset(l->seen, 0, sizeof(l->seen));
	if (!is_there("/many"))
		assert_int_equal(fs_mkdir(AT_FDCWD, "/many", 0755), 0);
	for (unsigned i = 0; i < l->staying; i++) {
		sprintf(path, "/many/stays-%u", i);
		put_file(path);
	}
	assert_int_equal(fs_sync(), 0);
	fd = fs_open(AT_FDCWD, "/many", O_RDONLY, 0);
	assert_true(fd >= 0);
	while ((r = fs_readdir(fd, &entry)) > 0) {
		if (sscanf(entry.name, "stays-%u", &k) == 1)
			l->seen[k]++;
		if (n++ < 500)
			churn(l);
		break_roots |= n == 50 && l->damage;
	}
	assert_int_equal(r, 0);
	assert_int_equal(fs_close(fd), 0);
	for (unsigned i = 0; i < l->staying; i++) {
		if (l->seen[i] != 1)
			fail_msg("stays-%u was listed %u times", i, l->seen[i]);
	}
	put_file("/many/last"); // a lost index goes
	assert_int_equal(harness_stop(), 0);
}

static void listing_case(struct listing l, const char *options, unsigned buffers)
{
	run_new(listing, &l, "16M", options, buffers);
	check_saved();
}

static void test_listing(void **state)
{
	const char *image = image_path("listing");
	struct listing l = {.staying = 100, .each = 3};
	char *commands = malloc(100 * 500), *p = commands;

	(void)state;
	/* From one block to many. */
	listing_case((struct listing){.staying = 20, .each = 10}, "-b 1024 -N 8192", 0);
	listing_case((struct listing){.staying = STAYING, .each = 5}, "-b 1024 -N 8192", BUFFERS_MIN);
	listing_case((struct listing){.staying = STAYING, .each = 5}, "-b 4096 -N 8192", 0);
	listing_case((struct listing){.staying = STAYING, .each = 5}, "-b 1024 -N 8192 -O ^dir_index", 0);
	/* One that came without an index: it gets none while it is listed. */
	image_mke2fs(image, "16M", "-b 1024 -N 8192");
	p += sprintf(p, "mkdir many\ncd many\n");
	for (unsigned i = 0; i < 400; i++)
		p += sprintf(p, "mknod of-another-system-%u p\n", i);
	image_debugfs(image, commands);
	free(commands);
	run_image(listing, &l, image, 0);
	check_saved();
}

static void test_listing_without(void **state)
{
	(void)state;
	listing_case((struct listing){.staying = 600, .each = 0, .damage = true}, "-b 1024 -N 8192", BUFFERS_MIN);
}

#define PLACES 300u

/* What was found at an offset is found there again, with names that came since between. */
static void places(void *arg)
{
	static struct {
		int64_t offset;
		char name[256];
	} found[PLACES + 2];
	struct fs_dirent entry;
	char path[LARGE_PATH];
	unsigned count = 0;
	int64_t end;
	int fd;

	(void)arg;
	harness_start();
	assert_int_equal(fs_mkdir(AT_FDCWD, "/many", 0755), 0);
	for (unsigned i = 0; i < PLACES; i++) {
		sprintf(path, "/many/stays-%u", i);
		put_file(path);
	}
	fd = fs_open(AT_FDCWD, "/many", O_RDONLY, 0);
	assert_true(fd >= 0);
	for (;; count++) {
		end = fs_lseek(fd, 0, SEEK_CUR);
		assert_true(end >= 0);
		if (fs_readdir(fd, &entry) == 0)
			break;
		assert_true(count < PLACES + 2);
		found[count].offset = end;
		strcpy(found[count].name, entry.name);
	}
	assert_int_equal(count, PLACES + 2);
	for (unsigned i = 0; i < PLACES; i++) {
		sprintf(path, "/many/comes-%u", i);
		put_file(path);
	}
	for (unsigned i = 0; i < count; i++) {
		const unsigned k = i * 89 % count;
		int r;

		assert_true(fs_lseek(fd, found[k].offset, SEEK_SET) == found[k].offset);
		do
			r = fs_readdir(fd, &entry);
		while (r == 1 && !strncmp(entry.name, "comes-", 6));
		assert_int_equal(r, 1);
		assert_string_equal(entry.name, found[k].name);
	}
	assert_true(fs_lseek(fd, 0, SEEK_SET) == 0);
	for (count = 0; fs_readdir(fd, &entry) == 1; count++)
		;
	assert_int_equal(count, 2 * PLACES + 2);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(harness_stop(), 0);
}

static void test_places(void **state)
{
	(void)state;
	run_new(places, NULL, "8M", "-b 1024 -N 1024", 0);
	run_new(places, NULL, "8M", "-b 4096 -N 1024", BUFFERS_MIN);
	run_new(places, NULL, "8M", "-b 1024 -N 1024 -O ^dir_index", 0);
}

/* ---- names that share a hash ---- */

struct shared_hash {
	uint32_t bits;
	unsigned names;
	bool again; // what the run before left is looked at
};

static void shared_hashes(void *arg)
{
	const struct shared_hash *h = arg;
	unsigned listed = 0;
	struct fs_dirent entry;
	char path[LARGE_PATH];
	int fd;

	hash_bits = h->bits;
	harness_start();
	if (!h->again) {
		assert_int_equal(fs_mkdir(AT_FDCWD, "/many", 0755), 0);
		for (unsigned i = 0; i < h->names; i++) {
			large_name(i, path);
			put_file(path);
		}
		for (unsigned i = 0; i < h->names; i += 3) {
			large_name(i, path);
			assert_int_equal(fs_unlink(AT_FDCWD, path, 0), 0);
		}
	}
	for (unsigned i = 0; i < h->names; i++) {
		large_name(i, path);
		assert_int_equal(is_there(path), i % 3 != 0);
	}
	fd = fs_open(AT_FDCWD, "/many", O_RDONLY, 0);
	assert_true(fd >= 0);
	while (fs_readdir(fd, &entry) > 0)
		listed++;
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(listed, 2 + h->names - (h->names + 2) / 3);
	if (h->again)
		assert_int_equal(harness_stop(), 0);
	else
		assert_int_equal(fs_sync(), 0); // the mount that follows looks at the index
}

static void test_shared_hashes(void **state)
{
	static const uint32_t bits[] = {0x80000000u, 0xc0000000u, 0x0f000000u, 0xfff00000u};

	(void)state;
	for (unsigned i = 0; i < array_size(bits); i++) {
		struct shared_hash h = {.bits = bits[i], .names = 700};
		const char *first = image_path("shared-hash");

		run_new(shared_hashes, &h, "8M", "-b 1024 -N 2048", 0);
		assert_true(is_indexed("/many"));
		assert_int_equal(rename(saved, first), 0);
		h.again = true;
		run_image(shared_hashes, &h, first, BUFFERS_MIN);
		assert_true(is_indexed("/many"));
	}
}

/* ---- damaged indices ---- */

#define DAMAGED_NAMES 700u
#define DAMAGED_LEN 200u

static void damaged_name(unsigned i, char *path)
{
	int n = sprintf(path, "/many/%u-", i);

	memset(path + n, 'x', DAMAGED_LEN);
	path[n + DAMAGED_LEN] = 0;
}

static void make_damaged(void *arg)
{
	char path[300];

	(void)arg;
	harness_start();
	assert_int_equal(fs_mkdir(AT_FDCWD, "/many", 0755), 0);
	for (unsigned i = 0; i < DAMAGED_NAMES; i++) {
		damaged_name(i, path);
		put_file(path);
	}
	assert_int_equal(harness_stop(), 0);
}

static void use_damaged(void *arg)
{
	char path[300];
	struct fs_dirent entry;
	unsigned listed = 0;
	int fd, r;

	(void)arg;
	harness_start();
	for (unsigned i = 0; i < DAMAGED_NAMES; i++) {
		damaged_name(i, path);
		assert_true(is_there(path));
	}
	fd = fs_open(AT_FDCWD, "/many", O_RDONLY, 0);
	assert_true(fd >= 0);
	while ((r = fs_readdir(fd, &entry)) > 0)
		listed++;
	assert_int_equal(r, 0);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(listed, DAMAGED_NAMES + 2);
	put_file("/many/another");
	for (unsigned i = 0; i < DAMAGED_NAMES; i += 2) {
		damaged_name(i, path);
		assert_int_equal(fs_unlink(AT_FDCWD, path, 0), 0);
	}
	for (unsigned i = 0; i < DAMAGED_NAMES; i++) {
		damaged_name(i, path);
		assert_int_equal(is_there(path), i % 2);
	}
	assert_true(is_there("/many/another"));
	assert_int_equal(harness_stop(), 0);
}

/* The block of the card that holds a block of the directory. */
static unsigned long block_of(const char *image, unsigned lblk)
{
	char command[64], line[256];
	unsigned long block = 0;
	FILE *f;

	snprintf(command, sizeof(command), "bmap /many %u\n", lblk);
	image_debugfs(image, command);
	f = fopen(image_path("output"), "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (line[0] >= '0' && line[0] <= '9')
			block = strtoul(line, NULL, 10);
	}
	assert_int_equal(fclose(f), 0);
	assert_true(block > 0);
	return block;
}

static void test_damaged(void **state)
{
	static const struct {
		bool node;
		unsigned offset;
		uint16_t value;
	} changes[] = {
	    {false, EXT2_DX_ROOT, 1},					      // reserved
	    {false, EXT2_DX_ROOT + 4, 0x807},				      // version of the hash, which is not known
	    {false, EXT2_DX_ROOT + 4, 0x901},				      // length of what is before the entries
	    {false, EXT2_DX_ROOT + 6, 2},				      // levels
	    {false, EXT2_DX_ROOT + 6, 0x101},				      // flags
	    {false, EXT2_DX_ROOT + 8, 125},				      // limit
	    {false, EXT2_DX_ROOT + 10, 0},				      // entries
	    {false, EXT2_DX_ROOT + 10, 125},   {false, EXT2_DX_ROOT + 12, 0}, // a block
	    {false, EXT2_DX_ROOT + 12, 60000}, {true, EXT2_DX_NODE, 126},     {true, EXT2_DX_NODE + 2, 0},
	    {true, EXT2_DX_NODE + 2, 200},     {true, EXT2_DX_NODE + 4, 0},   {true, EXT2_DX_NODE + 4, 60000},
	    {true, EXT2_DX_NODE + 10, 0xffff}, // a hash, above those that follow
	};
	const char *good = image_path("good"), *bad = image_path("bad");
	unsigned long root, node = 0;
	char command[512];
	uint8_t data[1024];
	FILE *f;

	(void)state;
	run_new(make_damaged, NULL, "8M", "-b 1024 -N 2048", 0);
	check_saved();
	assert_int_equal(rename(saved, good), 0);
	root = block_of(good, 0);
	f = fopen(good, "rb");
	assert_non_null(f);
	assert_int_equal(fseek(f, (long)root * 1024, SEEK_SET), 0);
	assert_int_equal(fread(data, 1, sizeof(data), f), sizeof(data));
	assert_int_equal(fclose(f), 0);
	assert_int_equal(data[EXT2_DX_ROOT + 6], 1); // two levels
	node = block_of(good, ((const struct ext2_dx_head *)ext2_dx_entries(data, true))->block);
	for (unsigned i = 0; i < array_size(changes); i++) {
		snprintf(command, sizeof(command), "cp %s %s", good, bad);
		assert_int_equal(system(command), 0);
		image_poke(bad, (changes[i].node ? node : root) * 1024 + changes[i].offset, &changes[i].value, 2);
		run_image(use_damaged, NULL, bad, i % 2 ? BUFFERS_MIN : 0);
		check_saved();
	}
}

/* ---- many subdirectories ---- */

struct links {
	unsigned before, limit; // of the directory's count; 0: none
};

static void links(void *arg)
{
	const struct links *l = arg;
	unsigned count = l->before;
	char path[LARGE_PATH];
	struct stat st;

	harness_start();
	for (unsigned i = 0; i < 4; i++) {
		int err;

		sprintf(path, "/many/subdirectory-%u", i);
		err = fs_mkdir(AT_FDCWD, path, 0755);
		assert_int_equal(err, l->limit && count == l->limit ? -EMLINK : 0);
		if (!err)
			count = count == 1 || count == 65000 ? 1 : count + 1;
		assert_int_equal(fs_stat(AT_FDCWD, "/many", &st, 0), 0);
		assert_int_equal(st.st_nlink, count);
	}
	if (!l->limit) {
		assert_int_equal(fs_unlink(AT_FDCWD, path, AT_REMOVEDIR), 0);
		assert_int_equal(fs_stat(AT_FDCWD, "/many", &st, 0), 0);
		assert_int_equal(st.st_nlink, 1); // it does not come back
	}
	assert_int_equal(harness_stop(), 0);
}

static void links_case(struct links l, unsigned subdirectories, const char *options)
{
	const char *image = image_path("links");
	char *commands = malloc(100 + subdirectories * 20), *p = commands;

	image_mke2fs(image, "4M", options);
	p += sprintf(p, "mkdir many\ncd many\n");
	for (unsigned i = 0; i < subdirectories; i++)
		p += sprintf(p, "mkdir d%u\n", i);
	image_debugfs(image, commands);
	assert_true(image_e2fsck(image, "-y -D") <= 1);
	sprintf(commands, "sif /many links_count %u\n", l.before);
	image_debugfs(image, commands);
	free(commands);
	run_image(links, &l, image, 0);
}

static void test_links(void **state)
{
	(void)state;
	links_case((struct links){.before = 31998, .limit = 32000}, 100, "-b 1024 -N 512 -O ^dir_nlink");
	links_case((struct links){.before = 64998, .limit = 65000}, 10, "-b 1024 -N 512 -O dir_nlink"); // no index
	links_case((struct links){.before = 64998}, 100, "-b 1024 -N 512 -O dir_nlink");
	check_saved();
}

/* ---- no room for an index, in the tree or on the card ---- */

static void full_tree(void *arg)
{
	const struct growth g = {.len = 255};
	unsigned n, end = 50000;
	char path[300];

	(void)arg;
	harness_start();
	assert_int_equal(fs_mkdir(AT_FDCWD, "/many", 0755), 0);
	for (n = 0; n < end; n++) {
		const uint64_t before = gets;

		growth_name(&g, n, path);
		put_file(path);
		/* All of it is read: the index is gone, and a few more will do. */
		if (end == 50000 && gets - before > 10000)
			end = n + 5;
	}
	/* By the volume's hash seed: 123 nodes, each with 63 to 126 leaves, of one to three names. */
	assert_in_range(n, 123 * 63, 123 * 126 * 3);
	for (unsigned i = 0; i < n; i += 997) {
		growth_name(&g, i, path);
		assert_true(is_there(path));
		assert_int_equal(fs_unlink(AT_FDCWD, path, 0), 0);
		assert_false(is_there(path));
	}
	assert_int_equal(harness_stop(), 0);
}

/* More leaves than two levels of nodes lead to: linear then, as before there were indices. */
static void test_full_tree(void **state)
{
	(void)state;
	run_new(full_tree, NULL, "64M", "-b 1024 -N 30100 -I 128", 0);
	check_saved();
	assert_false(is_indexed("/many"));
}

static void full_card(void *arg)
{
	char path[LARGE_PATH];
	unsigned n = 0;
	int fd;

	(void)arg;
	harness_start();
	assert_int_equal(fs_mkdir(AT_FDCWD, "/many", 0755), 0);
	fd = fs_open(AT_FDCWD, "/filler", O_CREAT | O_RDWR, 0644);
	assert_true(fd >= 0);
	while (fs_fallocate(fd, 0, 1024 * (int64_t)(n + 1)) == 0)
		n++;
	/* Two blocks are left: a second one for the directory, not three for an index. */
	assert_int_equal(fs_ftruncate(fd, 1024 * (int64_t)(n - 2)), 0);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(fs_sync(), 0);
	for (n = 0;; n++) {
		large_name(n, path);
		fd = fs_open(AT_FDCWD, path, O_CREAT | O_EXCL | O_RDWR, 0644);
		if (fd < 0)
			break;
		assert_int_equal(fs_close(fd), 0);
	}
	assert_int_equal(fd, -ENOSPC);
	assert_in_range(n, 60, 200); // more than a block has
	for (unsigned i = 0; i < n; i++) {
		large_name(i, path);
		assert_true(is_there(path));
	}
	assert_false(is_there(path + 5));
	assert_int_equal(harness_stop(), 0);
}

static void test_full_card(void **state)
{
	(void)state;
	run_new(full_card, NULL, "1M", "-b 1024 -N 512", 0);
	check_saved();
	assert_false(is_indexed("/many"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hashes),	    cmocka_unit_test(test_others), cmocka_unit_test(test_growth),
	    cmocka_unit_test(test_large),	    cmocka_unit_test(test_linear), cmocka_unit_test(test_listing),
	    cmocka_unit_test(test_listing_without), cmocka_unit_test(test_places), cmocka_unit_test(test_shared_hashes),
	    cmocka_unit_test(test_damaged),	    cmocka_unit_test(test_links),  cmocka_unit_test(test_full_tree),
	    cmocka_unit_test(test_full_card),
	};

	return cmocka_run_group_tests_name("fs: directories", tests, NULL, NULL);
}
