// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#include "tests/host/exercise.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/fs.h"
#include "mm/pcache.h"
#include "posix/process.h"
#include "tests/host/harness.h"
#include "tests/host/image.h"
#include "tests/host/shrink.h"

#define PAGE 4096ul
#define EXERCISE_PAGES 256
#define SECONDS 600
#define SHRINK_RUNS 200

static struct exercise_machine machine;
static struct exerciser_config config;
static struct exerciser_result *result; // shared with the runs
static unsigned long *progress;		// the same
static uint8_t *data;			// the same
static uint64_t done;			// kinds of operations, in all runs

static void drop_caches(void)
{
	(void)pcache_drop_clean(); // how many pages that were does not matter
}

static void body(void *arg)
{
	(void)arg;
	harness_start();
	process_begin();
	*result = exerciser_run(&config);
	if (result->failed_at)
		return;
	assert_int_equal(harness_stop(), 0);
}

static const char *const words[] = {"block", "frames", "cache", "buffers", "disk", "preempt", "harts"};

static unsigned *machine_word(size_t i)
{
	unsigned *const values[] = {&machine.block, &machine.frames,  &machine.cache, &machine.buffers,
				    &machine.disk,  &machine.preempt, &machine.harts};

	return values[i];
}

static const char *replay_command(void)
{
	static char text[256];
	size_t at =
	    (size_t)snprintf(text, sizeof(text), "CAIRN_EXERCISER='WORDS' %s, with the words", program_invocation_name);

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, " %s=%u", words[i], *machine_word(i));
	return text;
}

static const char *image_for(void)
{
	const char *image = image_path("exerciser");
	char options[64];

	snprintf(options, sizeof(options), "-b %u", machine.block);
	image_mke2fs(image, "8M", options);
	return image;
}

/* One run; its status. */
static int run(const char *image, const char **log)
{
	const struct harness h = {
	    .frames = machine.frames,
	    .cache_pages = machine.cache,
	    .fs_buffers = machine.buffers,
	    .seed = machine.preempt,
	    .preempt_in = 64,
	    .harts = machine.harts,
	    .seconds = SECONDS,
	    .disk = {.image = image, .save = image_path("exerciser-out"), .seed = machine.disk},
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
				.drops_max = EXERCISER_DROPS_MAX,
				.fails = fails,
				.arg = (void *)(uintptr_t)image,
				.runs = SHRINK_RUNS});
	config.quiet = false;
}

static void check_image(void)
{
	size_t len;
	uint8_t *file = image_read(image_path("exerciser-out"), "/exerciser", &len);

	assert_non_null(file);
	assert_int_equal(len, config.base + result->size);
	for (uint64_t i = 0; i < config.base; i++)
		if (file[i])
			fail_msg("byte %#llx of the hole on the card is not zero", (unsigned long long)i);
	for (uint64_t i = 0; i < result->size; i++)
		if (file[config.base + i] != config.data[i])
			fail_msg("byte %#llx of the file on the card is %02x, not %02x", (unsigned long long)i,
				 file[config.base + i], config.data[i]);
	free(file);
}

void exercise_run(const struct exercise_machine *on, const struct exerciser_config *how)
{
	const char *image, *log;
	int status;

	result = result ? result : harness_shared(sizeof(*result));
	progress = progress ? progress : harness_shared(sizeof(*progress));
	data = data ? data : harness_shared(EXERCISE_PAGES * PAGE);
	assert_true(how->pages <= EXERCISE_PAGES);
	machine = *on;
	config = *how;
	config.drop_caches = drop_caches;
	config.data = data;
	config.progress = progress;
	config.replay = replay_command();
	image = image_for();
	print_message("block %u, frames %u, cache %u, buffers %u, harts %u, base %llu, seed %llu, operations %lu\n",
		      machine.block, machine.frames, machine.cache, machine.buffers, machine.harts,
		      (unsigned long long)config.base, (unsigned long long)config.seed, config.ops);
	status = run(image, &log);
	if (status == 0 && !result->failed_at) {
		assert_int_equal(image_e2fsck(image_path("exerciser-out"), "-n"), 0);
		check_image();
		done |= result->kinds;
		return;
	}
	if (status)
		print_error("%s\nthe run ended with status %d in operation %lu; to repeat it: %s seed=%llu ops=%lu\n",
			    log, status, *progress, config.replay, (unsigned long long)config.seed, config.ops);
	if (!config.threads && !config.drops) {
		print_message("# the shortest run found that fails:\n");
		shrink_run(image, status ? *progress : result->failed_at);
		config.trace = status;
		status = run(image, &log); // reports, unless it ends by itself
		if (status)
			print_error("%s\nthe run ended with status %d\n", log, status);
	}
	fail_msg("the exerciser failed");
}

void exercise_check_kinds(void)
{
	const uint64_t missing = exerciser_expected(&config) & ~done;

	if (missing)
		fail_msg("never carried out:%s", exerciser_names(missing));
}

/* Into machine and config. */
static void take_words(const char *line)
{
	static char text[8192];

	if (snprintf(text, sizeof(text), "%s", line) >= (int)sizeof(text))
		fail_msg("CAIRN_EXERCISER is too long");
	for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) {
		bool known = exerciser_option(&config, word);

		for (size_t i = 0; i < sizeof(words) / sizeof(*words) && !known; i++) {
			const size_t len = strlen(words[i]);

			known = strncmp(word, words[i], len) == 0 && word[len] == '=';
			if (known)
				*machine_word(i) = (unsigned)strtoul(word + len + 1, NULL, 0);
		}
		if (!known)
			fail_msg("CAIRN_EXERCISER: %s", word);
	}
}

bool exercise_repeat(void)
{
	const char *line = getenv("CAIRN_EXERCISER");

	if (!line)
		return false;
	config = (struct exerciser_config)EXERCISER_DEFAULT;
	machine = (struct exercise_machine){.block = 1024, .frames = 4096};
	take_words(line);
	const struct exercise_machine on = machine;
	const struct exerciser_config how = config;

	exercise_run(&on, &how);
	return true;
}
