// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Cards whose metadata is not what it should be: bytes of superblock, descriptors, bitmaps, inodes, indirect blocks and
 * directories changed by seed. Whatever is done then may fail, and must end: no crash, no endless loop, no read
 * outside of anything (the sanitizers watch), and an undamaged volume at the end of a run whose damage was none.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/buffer.h"
#include "fs/ext2/format.h"
#include "fs/fs.h"
#include "mm/pcache.h"
#include "tests/host/harness.h"
#include "tests/host/image.h"

#define FILES 6

/* What the last round did, for the test to sum up. */
static struct tally {
	unsigned mounted, refused, failed;
} * tally;

struct round {
	uint64_t seed;
	unsigned block;
};

static uint64_t rng;

static uint64_t below(uint64_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (rng * 0x2545f4914f6cdd1du >> 11) % n;
}

/* One or more bytes, words or bits, somewhere in [from, from + len). */
static void damage(uint64_t from, uint64_t len)
{
	static const uint32_t interesting[] = {0, 1, 2, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0xffffffff, 1024, 4096};
	uint64_t at = from + below(len);
	uint8_t sector[SECTOR_SIZE];
	uint32_t value = below(2) ? interesting[below(array_size(interesting))] : (uint32_t)below(1u << 31);
	size_t width = 1u << below(3), offset;

	at = align_down(at, (uint64_t)width);
	offset = at % SECTOR_SIZE;
	simdisk_peek(at / SECTOR_SIZE, sector, 1);
	if (below(3) == 0)
		sector[offset] ^= (uint8_t)(1u << below(8));
	else
		memcpy(sector + offset, &value, min_of(width, SECTOR_SIZE - offset));
	simdisk_poke(at / SECTOR_SIZE, sector, 1);
}

/* The image's own, from before any damage. */
static uint8_t pristine_super[2 * SECTOR_SIZE];
static struct ext2_group pristine_groups[SECTOR_SIZE / sizeof(struct ext2_group)];

static void read_layout(unsigned block)
{
	simdisk_peek(EXT2_SUPER_OFFSET / SECTOR_SIZE, pristine_super, 2);
	simdisk_peek((block == 1024 ? 2 : 1) * block / SECTOR_SIZE, pristine_groups, 1);
}

static void damage_somewhere(unsigned block)
{
	const struct ext2_super *super = (const struct ext2_super *)pristine_super;
	const struct ext2_group *groups = pristine_groups;
	uint64_t at;

	switch (below(6)) {
	case 0:
		damage(EXT2_SUPER_OFFSET, 0x160);
		return;
	case 1:
		damage((uint64_t)(super->first_data_block + 1) * block, sizeof(struct ext2_group));
		return;
	case 2:
		at = below(2) ? groups[0].block_bitmap : groups[0].inode_bitmap;
		damage(at * block, block);
		return;
	case 3:
	case 4:
		/* The root, and those that the image's files have. */
		at = (uint64_t)groups[0].inode_table * block;
		damage(at + (below(4) ? EXT2_OLD_FIRST_INO - 1 + below(14) : EXT2_ROOT_INO - 1) * super->inode_size,
		       128);
		return;
	default:
		/* Directories, indirect blocks and data lie behind the inode table. */
		at = groups[0].inode_table + super->inodes_per_group * super->inode_size / block;
		damage(at * block, 80 * block);
	}
}

static void tell(long err)
{
	tally->failed += err < 0;
}

static void use_file(const char *path)
{
	static uint8_t buf[20000];
	int fd = fs_open(AT_FDCWD, path, O_RDWR, 0);
	struct stat st;
	long r;

	tell(fs_stat(AT_FDCWD, path, &st, 0));
	tell(fs_stat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW));
	tell(fd);
	if (fd < 0)
		return;
	for (unsigned i = 0; i < 30 && (r = fs_read(fd, buf, sizeof(buf))) > 0; i++)
		;
	tell(fs_pread(fd, buf, sizeof(buf), (int64_t)below(1 << 20)));
	tell(fs_pwrite(fd, buf, below(sizeof(buf)), (int64_t)below(1 << 20)));
	tell(fs_fallocate(fd, (int64_t)below(1 << 18), 1 + (int64_t)below(1 << 16)));
	tell(fs_fsync(fd, false));
	tell(fs_ftruncate(fd, (int64_t)below(1 << 19)));
	tell(fs_ftruncate(fd, (int64_t)below(1 << 12)));
	tell(fs_close(fd));
}

static void use_directory(const char *path)
{
	struct fs_dirent entry;
	int fd = fs_open(AT_FDCWD, path, O_RDONLY, 0), r;

	tell(fd);
	if (fd < 0)
		return;
	for (unsigned i = 0; i < 2000 && (r = fs_readdir(fd, &entry)) > 0; i++) {
		char name[600];
		struct stat st;

		snprintf(name, sizeof(name), "%s/%s", path, entry.name);
		tell(fs_stat(AT_FDCWD, name, &st, AT_SYMLINK_NOFOLLOW));
	}
	tell(fs_close(fd));
}

static void use(void)
{
	static const char *const files[FILES] = {"/small", "/large", "/dir/a", "/dir/sub/b", "/link", "/longlink"};
	struct fs_space space;

	for (unsigned i = 0; i < FILES; i++)
		use_file(files[i]);
	use_directory("/");
	use_directory("/dir");
	use_directory("/many");
	tell(fs_mkdir(AT_FDCWD, "/new", 0755));
	for (unsigned i = 0; i < 8; i++) {
		char name[32];
		int fd;

		snprintf(name, sizeof(name), "/new/%u", i);
		fd = fs_open(AT_FDCWD, name, O_CREAT | O_RDWR, 0644);
		tell(fd);
		if (fd >= 0)
			tell(fs_close(fd));
	}
	tell(fs_rename(AT_FDCWD, "/dir/a", AT_FDCWD, "/many/a", 0));
	tell(fs_rename(AT_FDCWD, "/dir/sub", AT_FDCWD, "/sub", 0));
	tell(fs_rename(AT_FDCWD, "/small", AT_FDCWD, "/large", 0));
	tell(fs_unlink(AT_FDCWD, "/many/f3", 0));
	tell(fs_unlink(AT_FDCWD, "/link", 0));
	tell(fs_unlink(AT_FDCWD, "/longlink", 0));
	tell(fs_unlink(AT_FDCWD, "/new/1", 0));
	tell(fs_unlink(AT_FDCWD, "/sub", AT_REMOVEDIR));
	tell(fs_unlink(AT_FDCWD, "/dir", AT_REMOVEDIR));
	(void)pcache_drop_clean();
	tell(fs_space(AT_FDCWD, "/", &space));
	tell(fs_sync());
}

static void body(void *arg)
{
	const struct round *r = arg;
	struct blkdev *disk = harness_start_disk();
	int err;

	buffer_cache_init(r->seed % 2 ? BUFFERS_MIN : 0);
	harness_start_mm();
	assert_int_equal(fs_init(), 0);
	rng = r->seed * 0x9e3779b97f4a7c15u + 1;
	read_layout(r->block);
	for (unsigned i = 1 + below(4); i > 0; i--)
		damage_somewhere(r->block);
	err = fs_mount_root(disk, false);
	if (err == -EROFS)
		err = fs_mount_root(disk, true);
	if (err) {
		tally->refused++;
		return;
	}
	tally->mounted++;
	use();
	tell(fs_unmount_all());
	/* It may not want to be mounted again; what it does then must end too. */
	if (!fs_mount_root(disk, false)) {
		use_directory("/");
		tell(fs_unmount_all());
	}
}

static void make_image(const char *image, unsigned block, bool clean)
{
	char options[64];
	const char *data = image_path("damaged-data");
	char *commands = malloc(16384), *p = commands;
	FILE *f = fopen(data, "w");

	assert_non_null(f);
	for (unsigned i = 0; i < 300000; i++)
		assert_int_not_equal(fputc((int)(i * 7 >> 3 & 0xff), f), EOF);
	assert_int_equal(fclose(f), 0);
	snprintf(options, sizeof(options), "-b %u -N 64", block);
	image_mke2fs(image, "2M", options);
	p += sprintf(p, "mkdir dir\nmkdir dir/sub\nmkdir many\nwrite %s small\nwrite %s large\n", image_path("output"),
		     data);
	p += sprintf(p, "write %s dir/a\nwrite %s dir/sub/b\n", image_path("output"), data);
	p += sprintf(p, "symlink link dir/a\nsymlink longlink ");
	for (unsigned i = 0; i < 20; i++)
		p += sprintf(p, "dir/../");
	p += sprintf(p, "large\n");
	for (unsigned i = 0; i < 20; i++)
		p += sprintf(p, "ln large many/f%u\n", i);
	if (!clean)
		p += sprintf(p, "ssv state 0\nq\n");
	image_debugfs(image, commands);
	free(commands);
}

static void rounds(unsigned block, bool clean, unsigned count, uint64_t seed)
{
	const char *image = image_path("damaged");

	make_image(image, block, clean);
	if (!tally)
		tally = harness_shared(sizeof(*tally));
	memset(tally, 0, sizeof(*tally));
	count /= harness_effort() == EFFORT_QUICK ? 5 : harness_effort() == EFFORT_LONG ? 1 : 2;
	for (unsigned i = 0; i < count; i++) {
		struct round r = {.seed = seed + i, .block = block};
		struct harness h = {.frames = 2048, .seconds = 30, .disk = {.image = image}};
		const char *log;
		int status = harness_status(&h, body, &r, &log);

		if (status)
			fail_msg("block %u, seed %llu: status %d\n%s", block, (unsigned long long)r.seed, status, log);
	}
	print_message("block %u%s: %u mounted, %u refused, %u calls failed\n", block, clean ? "" : ", unclean",
		      tally->mounted, tally->refused, tally->failed);
	/* Damage that is always refused, or never noticed, would show nothing; unclean, most is found by the mount. */
	assert_true(tally->mounted > count / 10 && tally->refused > count / 20);
	assert_true(tally->failed > (clean ? count : count / 2));
}

static void test_clean(void **state)
{
	(void)state;
	rounds(1024, true, 700, 1);
	rounds(2048, true, 400, 10000);
	rounds(4096, true, 700, 20000);
}

static void test_unclean(void **state)
{
	(void)state;
	rounds(1024, false, 600, 30000);
	rounds(4096, false, 600, 40000);
}

/* ---- indirect blocks that lead back to themselves ---- */

static void delete_loops(void *arg)
{
	(void)arg;
	harness_start();
	tell(fs_unlink(AT_FDCWD, "/file", 0));
	tell(fs_unlink(AT_FDCWD, "/dir", AT_REMOVEDIR));
	tell(fs_unlink(AT_FDCWD, "/deep", AT_REMOVEDIR));
	tell(fs_sync());
	tell(fs_unmount_all());
}

/* Block 1500 leads to itself and block 1501 back to 1500; /file, /dir and /deep have them as double indirect blocks. */
static void test_loops(void **state)
{
	const char *image = image_path("damaged-loops");
	const uint32_t self = 1500, other = 1501, deep = 1502;
	int status;
	const char *log;

	(void)state;
	image_mke2fs(image, "2M", "-b 1024 -N 64");
	image_debugfs(image, "write /dev/null file\nmkdir dir\nmkdir deep\n"
			     "sif file block[DIND] 1500\nsif dir block[DIND] 1500\nsif deep block[DIND] 1502\n"
			     "setb 1500 3\n");
	image_poke(image, 1024 * self, &self, sizeof(self));
	image_poke(image, 1024 * deep, &other, sizeof(other));
	image_poke(image, 1024 * other, &deep, sizeof(deep));
	if (!tally)
		tally = harness_shared(sizeof(*tally));
	status = harness_status(&(struct harness){.frames = 2048, .seconds = 10, .disk = {.image = image}},
				delete_loops, NULL, &log);
	if (status)
		fail_msg("status %d\n%s", status, log);
	assert_non_null(strstr(log, "which cannot be its own"));
	assert_non_null(strstr(log, "could not be deleted"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_clean),
	    cmocka_unit_test(test_unclean),
	    cmocka_unit_test(test_loops),
	};

	return cmocka_run_group_tests_name("ext2: damaged cards", tests, NULL, NULL);
}
