// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Replay of journals: those that debugfs writes and such as are made here block by block, with each kind of checksum
 * and tag. e2fsck replays the same image, and both results are equal but for times; damaged ones change nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/host/journalimage.h"
#include "tests/host/mountimage.h"
#include "tests/host/replaycase.h"

/* The blocks of an image one behind the other, for debugfs to take them. */
static const char *gather(const char *image, const struct replaycase_pair *p, unsigned from, unsigned to, char *list)
{
	struct journalimage ji;
	const char *path = image_path("blocks");
	FILE *out = fopen(path, "wb");

	assert_non_null(out);
	journalimage_open(&ji, image);
	for (unsigned i = from; i < to; i++) {
		list += sprintf(list, "%s%u", i == from ? "" : ",", p->blocks[i]);
		assert_int_equal(fwrite(journalimage_fs(&ji, p->blocks[i]), 1, p->block_size, out), p->block_size);
	}
	assert_int_equal(fclose(out), 0);
	journalimage_drop(&ji);
	return path;
}

/* A transaction of debugfs's with blocks [from, to) of those that changed, as `contents` has them. */
static void log_by_debugfs(const char *image, const struct replaycase_pair *p, const char *contents, unsigned from,
			   unsigned to, bool v1)
{
	static char list[4096], commands[4096 + 128];
	const char *blocks = gather(contents, p, from, to, list);

	(void)snprintf(commands, sizeof(commands), "jo %s\njw -b %s %s\njc\n", v1 ? "-c" : "", list, blocks);
	image_debugfs(image, commands);
}

static void revoke_by_debugfs(const char *image, const struct replaycase_pair *p, unsigned from)
{
	char commands[4096], *at = commands + sprintf(commands, "jo\njw -r ");

	for (unsigned i = from; i < p->changed; i++)
		at += sprintf(at, "%s%u", i == from ? "" : ",", p->blocks[i]);
	(void)sprintf(at, "\njc\n");
	image_debugfs(image, commands);
}

/* What was, most of it revoked, then what becomes. With v1, the checksum that debugfs gives a revoke is wrong. */
static void by_debugfs(const struct replaycase_pair *p, uint32_t incompat, bool v1)
{
	const char *image = image_path("image"), *log;

	replaycase_copy(p->before, image);
	if (incompat)
		replaycase_features(image, 0, incompat);
	log_by_debugfs(image, p, p->before, 0, p->changed, v1);
	if (!v1)
		revoke_by_debugfs(image, p, 3);
	log_by_debugfs(image, p, p->after, 0, p->changed / 2, v1);
	log_by_debugfs(image, p, p->after, p->changed / 2, p->changed, v1);
	log = replaycase_compare(image, image_path("replayed"), p->block_size);
	mountimage_said(log, v1 ? "replayed: 3 transactions" : "replayed: 4 transactions");
	replaycase_same(image_path("replayed"), p->after, p->block_size, false);
}

static void test_debugfs(void **state)
{
	static const uint32_t features[] = {0,
					    JOURNAL_INCOMPAT_64BIT,
					    JOURNAL_INCOMPAT_CSUM_V2,
					    JOURNAL_INCOMPAT_CSUM_V2 | JOURNAL_INCOMPAT_64BIT,
					    JOURNAL_INCOMPAT_CSUM_V3,
					    JOURNAL_INCOMPAT_CSUM_V3 | JOURNAL_INCOMPAT_64BIT};
	struct replaycase_pair p;

	(void)state;
	for (unsigned block_size = 1024; block_size <= 4096; block_size *= 2) {
		replaycase_pair_make(&p, block_size, "");
		for (size_t i = 0; i < array_size(features); i++)
			by_debugfs(&p, features[i], false);
		by_debugfs(&p, 0, true);
	}
}

/* ---- journals that are made here ---- */

/* Block n of those that the log is about: nothing else is there. */
static uint32_t target(const struct journalimage *ji, unsigned n)
{
	return (uint32_t)(ji->size / ji->block_size - 100 + n);
}

/* Block_size bytes; some begin with the magic number, some with zeros. Valid as long as the process. */
static const uint8_t *contents(unsigned n)
{
	static uint8_t all[16][4096];
	const be32_t magic = be32_of(JOURNAL_MAGIC);
	uint32_t random = n * 2654435761u + 1;

	assert_true(n < array_size(all));
	for (size_t i = 0; i < sizeof(all[n]); i++) {
		random = random * 1664525 + 1013904223;
		all[n][i] = (uint8_t)(random >> 24);
	}
	if (n % 4 == 3)
		memcpy(all[n], &magic, sizeof(magic));
	if (n % 4 == 2)
		memset(all[n], 0, sizeof(magic));
	return all[n];
}

static struct journalimage_block pair_of(const struct journalimage *ji, unsigned block, unsigned what)
{
	return (struct journalimage_block){.block = target(ji, block), .data = contents(what)};
}

/* Where the parts of the log are: blocks of the journal. */
struct made {
	struct journalimage ji;
	uint32_t descriptor[3], revoke, commit[3];
};

/*
 * Three transactions, the second of which revokes blocks of the first and one of its own; the third has one of these
 * again. What is right then: final().
 */
static void make(struct made *m, const char *base, uint32_t compat, uint32_t incompat, uint32_t start)
{
	struct journalimage *ji = &m->ji;
	struct journalimage_block blocks[6];
	uint32_t revoked[3];
	const char *image = image_path("image");

	replaycase_copy(base, image);
	journalimage_open(ji, image);
	journalimage_start(ji, compat, incompat | JOURNAL_INCOMPAT_REVOKE, start ? start : ji->maxlen - 5, UINT32_MAX);
	for (unsigned i = 0; i < 6; i++)
		blocks[i] = pair_of(ji, i, i);
	m->descriptor[0] = ji->at;
	journalimage_descriptor(ji, blocks, 6);
	m->commit[0] = ji->at;
	journalimage_commit(ji, 1000);
	blocks[0] = pair_of(ji, 6, 6);
	blocks[1] = pair_of(ji, 7, 7);
	m->descriptor[1] = ji->at;
	journalimage_descriptor(ji, blocks, 2);
	for (unsigned i = 0; i < 2; i++)
		revoked[i] = target(ji, 1 + i);
	revoked[2] = target(ji, 7);
	m->revoke = ji->at;
	journalimage_revoke(ji, revoked, 3);
	m->commit[1] = ji->at;
	journalimage_commit(ji, 1001);
	blocks[0] = pair_of(ji, 2, 11);
	blocks[1] = pair_of(ji, 0, 12);
	m->descriptor[2] = ji->at;
	journalimage_descriptor(ji, blocks, 2);
	m->commit[2] = ji->at;
	journalimage_commit(ji, 1002);
}

/* What each target has after so many transactions: number of contents, -1: as before. */
static int final(unsigned transactions, unsigned n)
{
	static const int after[4][8] = {
	    {-1, -1, -1, -1, -1, -1, -1, -1},
	    {0, 1, 2, 3, 4, 5, -1, -1},
	    {0, -1, -1, 3, 4, 5, 6, -1},
	    {12, -1, 11, 3, 4, 5, 6, -1},
	};

	return after[transactions][n];
}

static void check_blocks(const char *path, unsigned transactions)
{
	static const uint8_t zeros[4096];
	struct journalimage ji;

	journalimage_open(&ji, path);
	for (unsigned n = 0; n < 8; n++) {
		const int what = final(transactions, n);

		if (memcmp(journalimage_fs(&ji, target(&ji, n)), what < 0 ? zeros : contents((unsigned)what),
			   ji.block_size))
			fail_msg("target %u has not contents %d after %u transactions", n, what, transactions);
	}
	assert_int_equal(be32_get(journalimage_super(&ji)->start), 0);
	journalimage_drop(&ji);
	assert_int_equal(mountimage_super(path).feature_incompat, EXT2_INCOMPAT_FILETYPE);
}

static const char *fresh(unsigned block_size)
{
	char options[64], size[16];
	const char *base = image_path("base");

	(void)snprintf(options, sizeof(options), "-O has_journal -b %u", block_size);
	(void)snprintf(size, sizeof(size), "%uk", 4 * block_size);
	image_mke2fs(base, size, options);
	return base;
}

static void test_made(void **state)
{
	static const uint32_t features[] = {0, JOURNAL_INCOMPAT_CSUM_V2, JOURNAL_INCOMPAT_CSUM_V3};

	(void)state;
	for (unsigned block_size = 1024; block_size <= 4096; block_size *= 2) {
		const char *base = fresh(block_size);

		for (unsigned i = 0; i < 8; i++) {
			const bool v1 = i / 2 == array_size(features);
			const uint32_t wide = i % 2 ? JOURNAL_INCOMPAT_64BIT : 0;
			struct made m;

			make(&m, base, v1 ? JOURNAL_COMPAT_CHECKSUM : 0, wide | (v1 ? 0 : features[i / 2]), i % 3);
			journalimage_save(&m.ji);
			(void)replaycase_compare(m.ji.path, image_path("replayed"), block_size);
			check_blocks(image_path("replayed"), 3);
		}
	}
}

/* ---- where the log ends, and what is damage ---- */

#define V1 JOURNAL_COMPAT_CHECKSUM, 0
#define V1_ASYNC JOURNAL_COMPAT_CHECKSUM, JOURNAL_INCOMPAT_ASYNC_COMMIT
#define V2 0, JOURNAL_INCOMPAT_CSUM_V2
#define V3 0, JOURNAL_INCOMPAT_CSUM_V3
#define WIDE 0, (JOURNAL_INCOMPAT_CSUM_V3 | JOURNAL_INCOMPAT_64BIT)

static void flip(struct made *m, uint32_t n, size_t at)
{
	((uint8_t *)journalimage_block(&m->ji, n))[at] ^= 1;
}

static void set_time(struct made *m, unsigned n, uint64_t seconds)
{
	struct journal_commit *c = journalimage_block(&m->ji, m->commit[n]);

	c->seconds = be64_of(seconds);
	journalimage_reseal(&m->ji, c, offsetof(struct journal_commit, checksum));
}

static void reseal_descriptor(struct made *m, unsigned n)
{
	journalimage_reseal(&m->ji, journalimage_block(&m->ji, m->descriptor[n]), m->ji.block_size - 4);
}

static void cut_commit(struct made *m)
{
	memset(journalimage_block(&m->ji, m->commit[2]), 0, m->ji.block_size);
}

static void commit_of_another(struct made *m)
{
	flip(m, m->commit[2], 11);
}

static void descriptor_of_another(struct made *m)
{
	flip(m, m->descriptor[2], 11);
}

static void no_magic(struct made *m)
{
	flip(m, m->descriptor[2], 0);
}

static void no_type(struct made *m)
{
	flip(m, m->descriptor[2], 6);
}

static void torn_descriptor(struct made *m)
{
	flip(m, m->descriptor[2], 1000);
	cut_commit(m);
}

static void stale_commit(struct made *m)
{
	set_time(m, 2, 999);
	flip(m, m->commit[2], 900);
	flip(m, m->commit[2], 17);
}

static void stale_descriptor(struct made *m)
{
	set_time(m, 2, 999);
	flip(m, m->descriptor[2], 1000);
}

static void first_cut(struct made *m)
{
	memset(journalimage_block(&m->ji, m->commit[0]), 0, m->ji.block_size);
}

static void torn_commit(struct made *m)
{
	flip(m, m->commit[2], 600);
}

static void revoked_is_damaged(struct made *m)
{
	flip(m, m->descriptor[0] + 2, 500); // target 1
}

static void last_data(struct made *m)
{
	flip(m, m->descriptor[2] + 1, 500);
}

static void last_commit(struct made *m)
{
	flip(m, m->commit[2], 17);
}

static void middle_data(struct made *m)
{
	flip(m, m->descriptor[1] + 1, 500);
}

static void middle_commit(struct made *m)
{
	flip(m, m->commit[1], 17);
}

static void middle_descriptor(struct made *m)
{
	flip(m, m->descriptor[1], 1000);
}

static void middle_revoke(struct made *m)
{
	flip(m, m->revoke, 1000);
}

static void set_tag(struct made *m, size_t at, uint32_t value)
{
	const be32_t number = be32_of(value);

	memcpy((uint8_t *)journalimage_block(&m->ji, m->descriptor[2]) + sizeof(struct journal_header) + at, &number,
	       sizeof(number));
	reseal_descriptor(m, 2);
}

static void tag_outside(struct made *m)
{
	set_tag(m, 0, 4096);
}

static void tag_high(struct made *m)
{
	set_tag(m, 8, 1);
}

static void tag_of_journal(struct made *m)
{
	set_tag(m, 0, m->ji.place[500]);
}

static void tag_of_indirect(struct made *m)
{
	set_tag(m, 0, journalimage_inode(&m->ji)->block[EXT2_DIRECT]);
}

static void tag_of_boot_block(struct made *m)
{
	set_tag(m, 0, 0);
}

static void long_revoke(struct made *m)
{
	struct journal_revoke *r = journalimage_block(&m->ji, m->revoke);

	r->size = be32_of(1021);
	journalimage_reseal(&m->ji, r, 1020);
}

/* No transaction of it ever ends. */
static void round_log(struct made *m)
{
	journalimage_start(&m->ji, 0, JOURNAL_INCOMPAT_CSUM_V3, 1, 5);
	for (uint32_t n = 1; n < m->ji.maxlen; n++)
		journalimage_revoke(&m->ji, NULL, 0);
}

static void check_end(void (*change)(struct made *m), uint32_t compat, uint32_t incompat, unsigned transactions,
		      bool as_e2fsck)
{
	struct made m;

	make(&m, image_path("base"), compat, incompat, 1);
	change(&m);
	journalimage_save(&m.ji);
	if (as_e2fsck)
		(void)replaycase_compare(m.ji.path, image_path("replayed"), 1024);
	else
		(void)replaycase_mount(m.ji.path, image_path("replayed"), 0);
	check_blocks(image_path("replayed"), transactions);
}

static void test_ends(void **state)
{
	(void)state;
	(void)fresh(1024);
	check_end(cut_commit, 0, 0, 2, true);
	check_end(cut_commit, V3, 2, true);
	check_end(commit_of_another, V2, 2, true);
	check_end(descriptor_of_another, V3, 2, true);
	check_end(no_magic, 0, 0, 2, true);
	check_end(no_type, V3, 2, true);
	check_end(torn_descriptor, V3, 2, true);
	check_end(stale_commit, V3, 2, true);
	check_end(stale_descriptor, V2, 2, true);
	check_end(first_cut, V3, 0, true);
	check_end(last_data, V1_ASYNC, 2, false);
	check_end(torn_commit, V3, 3, false); // e2fsck takes it for damage
	check_end(revoked_is_damaged, V3, 3, true);
	check_end(revoked_is_damaged, 0, 0, 3, true);
}

static void check_damage(void (*change)(struct made *m), uint32_t compat, uint32_t incompat, const char *said)
{
	struct made m;

	make(&m, image_path("base"), compat, incompat, 1);
	change(&m);
	journalimage_save(&m.ji);
	mountimage_said(replaycase_mount(m.ji.path, image_path("replayed"), -EUCLEAN), said);
	replaycase_same(m.ji.path, image_path("replayed"), 1024, true);
	mountimage_check(m.ji.path, false, -EUCLEAN, "is kept");
}

static void test_damage(void **state)
{
	(void)state;
	(void)fresh(1024);
	check_damage(last_commit, V3, "checksum in transaction 1");
	check_damage(last_commit, V1, "checksum in transaction 1");
	check_damage(middle_commit, V2, "checksum in transaction 0");
	check_damage(middle_data, V1, "checksum in transaction 0");
	check_damage(middle_data, V1_ASYNC, "checksum in transaction 0");
	check_damage(middle_data, V2, "checksum of its contents for block 4002");
	check_damage(last_data, V3, "checksum of its contents for block 3998");
	check_damage(middle_descriptor, V3, "checksum in transaction 0");
	check_damage(middle_revoke, V3, "checksum in transaction 0");
	check_damage(tag_outside, V3, "it has contents for block 4096");
	check_damage(tag_high, WIDE, "it has contents for block 3998");
	check_damage(tag_of_journal, V2, "it has contents for block");
	check_damage(tag_of_indirect, 0, 0, "it has contents for block");
	check_damage(tag_of_boot_block, 0, 0, "it has contents for block 0");
	check_damage(long_revoke, V3, "a revoke block of bytes 1021");
	check_damage(round_log, V3, "its log goes round in transaction 5");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_debugfs),
	    cmocka_unit_test(test_made),
	    cmocka_unit_test(test_ends),
	    cmocka_unit_test(test_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
