// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#include "tests/host/fscase.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/page.h"
#include "fs/dentry.h"
#include "fs/fs.h"
#include "fs/inode.h"
#include "kernel/time.h"
#include "mm/pcache.h"
#include "tests/host/fsimage.h"
#include "tests/host/harness.h"
#include "tests/host/image.h"
#include "tests/host/shrink.h"

#define SECONDS 900
#define SHRINK_RUNS 250
#define TIME_MAX_WIDE 15032385535 // seconds, of an inode of 256 bytes

static struct fscase now;
static struct fsmodel_config config;
static struct fsmodel_result *result; // shared with the runs
static unsigned long *progress;	      // the same
static struct fsmodel *model;	      // the same
static uint64_t done, possible;	      // kinds of operations, in all runs

void fsmodel_now(struct timespec *time, bool earliest)
{
	const uint64_t ns = time_wall();

	(void)earliest; // there is one clock
	*time = (struct timespec){.tv_sec = (time_t)(ns / NSEC_PER_SEC), .tv_nsec = (long)(ns % NSEC_PER_SEC)};
}

static void limit_caches(void)
{
	if (now.dentries)
		dentry_limit(now.dentries);
	if (now.idle)
		inodes_idle_limit(now.idle);
}

static void drop_caches(void)
{
	(void)pcache_drop_clean(); // how many pages that were does not matter
}

static int remount(void)
{
	int err = fs_unmount_all(), mounted = fs_mount_root(blkdev_find("sim0"), false);

	return err ? err : mounted;
}

/* What failed is tried again, and told once. */
static void calm(void)
{
	simdisk_fail(&(struct simdisk_fault){0});
	(void)fs_sync();
}

static void body(void *arg)
{
	(void)arg;
	harness_start();
	limit_caches();
	(void)fs_umask(0);
	if (now.fail_ops)
		simdisk_fail(&(struct simdisk_fault){.ops = now.fail_ops, .from = now.fail_nth, .count = 1});
	*result = fsmodel_run(model, &config);
	if (!result->failed_at)
		assert_int_equal(harness_stop(), 0);
}

/* ---- words ---- */

static const char *const words[] = {"block",	"inode", "frames", "cache",   "buffers",
				    "dentries", "idle",	 "disk",   "preempt", "fail-ops"};

static unsigned *word_of(size_t i)
{
	unsigned *const values[] = {&now.block,	   &now.inode, &now.frames, &now.cache,	  &now.buffers,
				    &now.dentries, &now.idle,  &now.disk,   &now.preempt, &now.fail_ops};

	return values[i];
}

static const char *replay_command(void)
{
	static char text[512];
	size_t at = (size_t)snprintf(text, sizeof(text), "CAIRN_FSMODEL='WORDS' %s, with the words size=%s",
				     program_invocation_name, now.size);

	for (size_t i = 0; i < array_size(words); i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, " %s=%u", words[i], *word_of(i));
	(void)snprintf(text + at, sizeof(text) - at, " fail-nth=%lu full=%d tmpfs=%d features='%s'", now.fail_nth,
		       now.full, now.tmpfs, now.features);
	return text;
}

/* ---- a run ---- */

static const char *image_for(void)
{
	const char *image = image_path("fsmodel");
	char options[256];

	(void)snprintf(options, sizeof(options), "-b %u -I %u %s", now.block, now.inode, now.features);
	image_mke2fs(image, now.size, options);
	return image;
}

static int run(const char *image, const char **log)
{
	const struct harness h = {
	    .frames = now.frames,
	    .cache_pages = now.cache,
	    .fs_buffers = now.buffers,
	    .seed = now.preempt,
	    .preempt_in = 64,
	    .seconds = SECONDS,
	    .disk = {.image = image, .save = image_path("fsmodel-out"), .seed = now.disk},
	};

	result->failed_at = 1; // unless it comes to its end
	return harness_status(&h, body, NULL, log);
}

static bool fails(void *image)
{
	const char *log;

	return run(image, &log) != 0 || result->failed_at;
}

static void shrink_run(const char *image, unsigned long failed_at)
{
	config.ops = failed_at;
	config.quiet = true;
	shrink(&(struct shrink){.ops = failed_at,
				.drop = config.drop,
				.drops = &config.drops,
				.drops_max = FSMODEL_DROPS_MAX,
				.fails = fails,
				.arg = (void *)(uintptr_t)image,
				.runs = SHRINK_RUNS});
	config.quiet = false;
}

/*
 * As Linux has it: what the tree of blocks reaches, or what with its own blocks makes 2^32 sectors. Revision 0 has no
 * feature that says that there are larger ones than others.
 */
static uint64_t size_max(void)
{
	if (strstr(now.features, "-r 0"))
		return INT32_MAX;
	return now.block == 1024 ? 0x404043000 : now.block == 2048 ? 0x4020106000 : 0x1ff7fdfe000;
}

static void configure(void)
{
	config.size_max = size_max();
	config.block_size = now.block;
	config.full = now.full;
	config.faults = now.fail_ops;
	config.calm = now.fail_ops ? calm : NULL;
	config.coarse_times = now.inode == 128;
	config.exact_space = !now.fail_ops; // what could not be deleted stays
	config.time_max = now.inode == 128 ? 0 : TIME_MAX_WIDE;
	config.progress = progress;
	config.remount = now.fail_ops ? NULL : remount; // an unmount that fails loses what was not synced
	config.drop_caches = drop_caches;
	config.replay = replay_command();
	if (now.tmpfs) {
		config.prefix = "/tmp";
		config.in_memory = true;
		config.size_max = 0;
		config.block_size = PAGE_SIZE;
		config.coarse_times = config.exact_space = false;
		config.time_max = 0;
		config.remount = NULL; // nothing would be left
	}
}

static void failed(const char *image, int status, const char *log)
{
	if (status)
		print_error("%s\nthe run ended with status %d in operation %lu; to repeat it: %s %s\n", log, status,
			    *progress, config.replay, fsmodel_words(&config, *progress));
	if (!config.drops) {
		print_message("# the shortest run found that fails:\n");
		shrink_run(image, status ? *progress : result->failed_at);
		config.trace = status;
		status = run(image, &log); // reports, unless it ends by itself
		if (status)
			print_error("%s\nthe run ended with status %d\n", log, status);
	}
	fail_msg("the run failed");
}

static void run_now(void)
{
	const char *image, *log;
	int status;

	result = result ? result : harness_shared(sizeof(*result));
	progress = progress ? progress : harness_shared(sizeof(*progress));
	model = model ? model : harness_shared(fsmodel_size());
	now.size = now.size ? now.size : "64M";
	now.features = now.features ? now.features : "";
	configure();
	image = image_for();
	print_message("block %u, inode %u, %s, %s, frames %u, buffers %u, dentries %u, seed %llu, operations %lu%s\n",
		      now.block, now.inode, now.size, now.features, now.frames, now.buffers, now.dentries,
		      (unsigned long long)config.seed, config.ops, now.full ? ", full" : "");
	if (now.fail_ops)
		print_message("transfer %lu of the kinds %#x fails\n", now.fail_nth, now.fail_ops);
	status = run(image, &log);
	if (status || result->failed_at)
		failed(image, status, log);
	assert_int_equal(image_e2fsck(image_path("fsmodel-out"), "-n"), 0);
	if (!now.tmpfs)
		fsimage_check(image_path("fsmodel-out"), now.block, model);
	done |= result->kinds;
	possible = fsmodel_kinds(&config);
}

void fscase_run(const struct fscase *c)
{
	now = *c;
	config = (struct fsmodel_config)FSMODEL_DEFAULT;
	config.seed = c->seed;
	config.ops = c->ops;
	config.names = c->names;
	config.check_every = c->fail_ops ? 0 : c->ops / 5 + 1;
	run_now();
}

void fscase_check_kinds(void)
{
	if (possible & ~done)
		fail_msg("never carried out:%s", fsmodel_names(possible & ~done));
}

static bool take_word(char *word)
{
	unsigned long value;

	for (size_t i = 0; i < array_size(words); i++) {
		if (word_number(word, words[i], &value)) {
			*word_of(i) = (unsigned)value;
			return true;
		}
	}
	if (strncmp(word, "size=", 5) == 0)
		now.size = word + 5;
	else if (word_number(word, "fail-nth", &value))
		now.fail_nth = value;
	else if (word_number(word, "full", &value))
		now.full = value;
	else if (word_number(word, "tmpfs", &value))
		now.tmpfs = value;
	else if (strncmp(word, "features=", 9) == 0)
		now.features = word + 9; // one word: commas and no spaces, -O to be added
	else
		return fsmodel_option(&config, word);
	return true;
}

bool fscase_repeat(void)
{
	const char *line = getenv("CAIRN_FSMODEL");
	static char text[8192];

	if (!line)
		return false;
	config = (struct fsmodel_config)FSMODEL_DEFAULT;
	now = (struct fscase){.block = 1024, .inode = 256};
	if (snprintf(text, sizeof(text), "%s", line) >= (int)sizeof(text))
		fail_msg("CAIRN_FSMODEL is too long");
	for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) {
		if (!take_word(word))
			fail_msg("CAIRN_FSMODEL: %s", word);
	}
	run_now();
	return true;
}
