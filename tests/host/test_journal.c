// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Journals as the mount finds them: what is accepted, what is refused, and what is said about it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/crc32.h"
#include "tests/host/journalimage.h"
#include "tests/host/mountimage.h"

static void test_checksums(void **state)
{
	(void)state;
	assert_int_equal(~crc32c_raw(~0u, "123456789", 9), 0xe3069283);
	assert_int_equal(~crc32_be_raw(~0u, "123456789", 9), 0xfc891918);
	assert_int_equal(crc32_be_raw(crc32_be_raw(~0u, "1234", 4), "56789", 5), crc32_be_raw(~0u, "123456789", 9));
	assert_int_equal(crc32c_raw(crc32c_raw(~0u, "1234", 4), "56789", 5), crc32c_raw(~0u, "123456789", 9));
}

/* A volume of this block size whose journal is in memory. */
static void fresh(struct journalimage *ji, unsigned block_size)
{
	char options[64];
	const char *image = image_path("journal");

	(void)snprintf(options, sizeof(options), "-O has_journal -b %u", block_size);
	image_mke2fs(image, "8M", options);
	journalimage_open(ji, image);
}

static void test_as_made(void **state)
{
	static const char *const options[] = {"-b 1024 -O has_journal", "-b 2048 -O has_journal -J size=6",
					      "-b 4096 -O has_journal", "-b 1024 -O has_journal -J size=12"};

	(void)state;
	for (size_t i = 0; i < array_size(options); i++) {
		image_mke2fs(image_path("journal"), "32M", options[i]);
		mountimage_check(image_path("journal"), false, 0, NULL);
	}
}

/* Changes the journal's superblock, and its checksum only if `seal`. */
static void check_super(uint32_t incompat, size_t field, uint32_t value, bool seal, int expected, const char *said)
{
	struct journalimage ji;
	const be32_t number = be32_of(value);

	fresh(&ji, 1024);
	journalimage_start(&ji, 0, incompat, 0, 7);
	memcpy((uint8_t *)journalimage_super(&ji) + field, &number, sizeof(number));
	if (seal)
		journalimage_seal(&ji);
	journalimage_save(&ji);
	POKE_SUPER(ji.path, feature_incompat, EXT2_INCOMPAT_FILETYPE);
	mountimage_check(ji.path, false, expected, said);
	mountimage_check(ji.path, true, expected, said);
}

#define SUPER(field) offsetof(struct journal_super, field)

static void test_superblock(void **state)
{
	const uint32_t v3 = JOURNAL_INCOMPAT_CSUM_V3;

	(void)state;
	check_super(0, SUPER(header.magic), 0, true, -EUCLEAN, "magic number 0");
	check_super(0, SUPER(header.type), JOURNAL_DESCRIPTOR, true, -EUCLEAN, "type of its superblock 1");
	check_super(0, SUPER(header.type), JOURNAL_SUPER_V1, true, 0, NULL);
	check_super(0, SUPER(block_size), 2048, true, -EUCLEAN, "block size 2048");
	check_super(0, SUPER(maxlen), 1u << 20, true, -EUCLEAN, "its file is too short for it, blocks 1048576");
	check_super(0, SUPER(maxlen), 1023, true, -EUCLEAN, "number of blocks 1023");
	check_super(0, SUPER(first), 0, true, -EUCLEAN, "first block of the log 0");
	check_super(0, SUPER(first), 1024, true, -EUCLEAN, "first block of the log 1024");
	check_super(0, SUPER(start), 1024, true, -EUCLEAN, "start of the log 1024");
	check_super(0, SUPER(feature_incompat), JOURNAL_INCOMPAT_FAST_COMMIT, true, -ENOTSUP,
		    "incompat feature fast_commit (bit 5) of the journal is not supported");
	check_super(0, SUPER(feature_incompat), 0x1000, true, -ENOTSUP, "incompat feature unknown (bit 12)");
	check_super(0, SUPER(feature_ro_compat), 1, true, -ENOTSUP, "ro_compat feature unknown (bit 0)");
	check_super(0, SUPER(feature_compat), 0x80000000, true, 0, NULL);
	check_super(v3, SUPER(sequence), 8, true, 0, NULL);
	check_super(v3, SUPER(sequence), 8, false, -EUCLEAN, "checksum of its superblock");
	check_super(v3, SUPER(users), 8, false, -EUCLEAN, "checksum of its superblock");
	check_super(v3, SUPER(feature_incompat), v3 | JOURNAL_INCOMPAT_CSUM_V2, true, -EUCLEAN, "of two kinds");
	check_super(v3, SUPER(feature_compat), JOURNAL_COMPAT_CHECKSUM, true, -EUCLEAN, "of two kinds");
	check_super(v3, SUPER(checksum_type), 1u << 24, false, -EUCLEAN, "type of checksums 1");
}

static void check_inode(void (*change)(struct journalimage *ji), int expected, const char *said)
{
	struct journalimage ji;

	fresh(&ji, 1024);
	change(&ji);
	journalimage_save(&ji);
	mountimage_check(ji.path, false, expected, said);
}

static uint32_t *indirect(struct journalimage *ji)
{
	return journalimage_fs(ji, journalimage_inode(ji)->block[EXT2_DIRECT]);
}

static void no_links(struct journalimage *ji)
{
	journalimage_inode(ji)->links = 0;
}

static void a_directory(struct journalimage *ji)
{
	journalimage_inode(ji)->mode = 040755;
}

static void extents(struct journalimage *ji)
{
	journalimage_inode(ji)->flags |= EXT2_FLAG_EXTENTS;
}

static void short_file(struct journalimage *ji)
{
	journalimage_inode(ji)->size -= 1;
}

static void hole(struct journalimage *ji)
{
	indirect(ji)[10] = 0;
}

static void no_indirect(struct journalimage *ji)
{
	journalimage_inode(ji)->block[EXT2_DIRECT + 1] = 0;
}

static void outside(struct journalimage *ji)
{
	indirect(ji)[10] = 8192;
}

static void a_bitmap(struct journalimage *ji)
{
	indirect(ji)[10] = ((const struct ext2_group *)journalimage_fs(ji, 2))->block_bitmap;
}

static void twice(struct journalimage *ji)
{
	indirect(ji)[10] = indirect(ji)[20];
}

static void indirect_is_data(struct journalimage *ji)
{
	indirect(ji)[10] = journalimage_inode(ji)->block[EXT2_DIRECT];
}

static void no_first(struct journalimage *ji)
{
	journalimage_inode(ji)->block[0] = 0;
}

static void test_inode(void **state)
{
	(void)state;
	check_inode(no_links, -EUCLEAN, "it is no file");
	check_inode(a_directory, -EUCLEAN, "it is no file");
	check_inode(extents, -EUCLEAN, "it is mapped by extents");
	check_inode(short_file, -EUCLEAN, "its file is too short for it, blocks 1024");
	check_inode(hole, -EUCLEAN, "it has a hole at its block 22");
	check_inode(no_indirect, -EUCLEAN, "it has a hole at its block 268");
	check_inode(outside, -EUCLEAN, "it points to block 8192");
	check_inode(a_bitmap, -EUCLEAN, "it points to block");
	check_inode(twice, -EUCLEAN, "it has twice block");
	check_inode(indirect_is_data, -EUCLEAN, "it has twice block");
	check_inode(no_first, -EUCLEAN, "it points to block 0");
}

static void test_place(void **state)
{
	struct journalimage ji;

	(void)state;
	fresh(&ji, 1024);
	journalimage_drop(&ji);
	POKE_SUPER(ji.path, journal_inum, 0);
	mountimage_check(ji.path, false, -EUCLEAN, "inode number 0");
	POKE_SUPER(ji.path, journal_inum, 1u << 30);
	mountimage_check(ji.path, false, -EUCLEAN, "inode number 1073741824");
	POKE_SUPER(ji.path, journal_dev, 0x801);
	mountimage_check(ji.path, false, -ENOTSUP, "the journal is on another device");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_checksums), cmocka_unit_test(test_as_made), cmocka_unit_test(test_superblock),
	    cmocka_unit_test(test_inode),     cmocka_unit_test(test_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
