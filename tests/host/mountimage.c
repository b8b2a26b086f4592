// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#include "tests/host/mountimage.h"

#include <stdio.h>
#include <string.h>

#include "fs/fs.h"

static int *run_result; // shared with runs

static void body(void *arg)
{
	struct blkdev *disk = harness_start_disk();
	const bool *read_only = arg;

	harness_start_mm();
	assert_int_equal(fs_init(), 0);
	*run_result = fs_mount_root(disk, *read_only);
	if (*run_result == 0)
		assert_int_equal(fs_unmount_all(), 0);
}

const char *mountimage_run(const char *image, bool read_only, const char *save, int *result)
{
	struct harness h = {.frames = 2048, .disk = {.image = image, .save = save}};
	const char *log;

	if (!run_result)
		run_result = harness_shared(sizeof(*run_result));
	if (harness_status(&h, body, &read_only, &log))
		fail_msg("the run failed:\n%s", log);
	*result = *run_result;
	return log;
}

void mountimage_said(const char *log, const char *text)
{
	if (!strstr(log, text))
		fail_msg("\"%s\" is not in:\n%s", text, log);
}

void mountimage_check(const char *image, bool read_only, int expected, const char *said)
{
	int result;
	const char *log = mountimage_run(image, read_only, NULL, &result);

	if (result != expected)
		fail_msg("mount: %d, not %d\n%s", result, expected, log);
	if (said)
		mountimage_said(log, said);
}

struct ext2_super mountimage_super(const char *image)
{
	struct ext2_super super;
	FILE *f = fopen(image, "rb");

	assert_non_null(f);
	assert_int_equal(fseek(f, EXT2_SUPER_OFFSET, SEEK_SET), 0);
	assert_int_equal(fread(&super, sizeof(super), 1, f), 1);
	assert_int_equal(fclose(f), 0);
	return super;
}

void mountimage_poke(const char *image, size_t field, uint32_t value, size_t width)
{
	image_poke(image, EXT2_SUPER_OFFSET + field, &value, width);
}
