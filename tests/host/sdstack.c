// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#include "tests/host/sdstack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/block/blkdev.h"
#include "fs/crash.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "tests/host/stack.h"

#define BLOCKS 16384		    // of the file system
#define CARD_BLOCKS (BLOCKS + 1024) // the rest is nobody's
#define PAGES 24
#define SAVED "sd-panic.img"

static struct life {
	sdcase_attach *attach;
	enum simcard_kind kind;
	bool by_cpu;
	char image[256];
	uint8_t *media; // that outlives the run; NULL: its own
} life;

static void load(uint8_t *media, const char *path)
{
	FILE *f = fopen(path, "rb");

	assert_non_null(f);
	assert_int_equal(fread(media, 512, BLOCKS, f), BLOCKS);
	assert_int_equal(fclose(f), 0);
}

static void start(void)
{
	sdcase_make(life.kind);
	sdcase_card.blocks = CARD_BLOCKS;
	sdcase_card.media = life.media ? life.media : malloc((size_t)CARD_BLOCKS * 512);
	assert_non_null(sdcase_card.media);
	load(sdcase_card.media, life.image);
	sdcase_start(life.attach);
	harness_start_mm();
	assert_int_equal(fs_init(), 0);
	assert_int_equal(fs_mount_root(sdcase_dev, false), 0);
}

static struct blkdev_stats stats(void)
{
	struct blkdev_stats now;
	unsigned pending;

	blk_stats(sdcase_dev, &now, &pending);
	return now;
}

/* All bytes since then, at least `least`, went the one way. */
static void check_way(const struct blkdev_stats *then, uint64_t least)
{
	const struct blkdev_stats now = stats();
	const uint64_t dma = now.dma_bytes - then->dma_bytes, cpu = now.cpu_bytes - then->cpu_bytes;

	assert_true((life.by_cpu ? cpu : dma) >= least);
	assert_int_equal(life.by_cpu ? dma : cpu, 0);
	assert_int_equal(now.bounced, 0);
}

static void body_mapped(void *arg)
{
	struct blkdev_stats before;
	uint8_t *p;
	int fd;

	(void)arg;
	start();
	fd = stack_open("/data", O_RDWR);
	p = stack_map(fd, (size_t)PAGES * PAGE_SIZE, MAP_R | MAP_W, MAP_KIND_SHARED);
	before = stats();
	for (unsigned page = 0; page < PAGES; page++)
		assert_int_equal(p[(size_t)page * PAGE_SIZE], stack_byte(1, (uint64_t)page * PAGE_SIZE));
	check_way(&before, (uint64_t)PAGES * PAGE_SIZE);
	before = stats();
	stack_fill(p, 2, 0, (size_t)PAGES * PAGE_SIZE);
	assert_int_equal(map_sync((vaddr_t)p, (size_t)PAGES * PAGE_SIZE, true), 0);
	check_way(&before, (uint64_t)PAGES * PAGE_SIZE);
	stack_unmap(p, (size_t)PAGES * PAGE_SIZE);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(harness_stop(), 0);
}

static void prepare(sdcase_attach *attach, enum simcard_kind kind)
{
	life = (struct life){.attach = attach, .kind = kind};
	strcpy(life.image, stack_image("sd-files", "8M", 1024, (size_t)PAGES * PAGE_SIZE));
}

void sdstack_mapped(sdcase_attach *attach, enum simcard_kind kind, bool by_cpu)
{
	prepare(attach, kind);
	life.by_cpu = by_cpu;
	harness_run(&(struct harness){0}, body_mapped, NULL);
}

/* ---- the panic ---- */

static void *writer(void *arg)
{
	for (;;)
		if (blk_write(sdcase_dev, BLOCKS, sdcase_buf, SDCASE_LEN))
			return arg;
}

static void body_panic(void *arg)
{
	(void)arg;
	start();
	crash_prepare();
	panic_set_keep(crash_keep);
	assert_int_equal(thread_create("writer", THREAD_STACK_SIZE, writer, NULL, NULL), 0);
	while (sdcase_card.multi_writes < 40)
		thread_yield();
	log_info("these are the last words");
	panic("on purpose");
}

void sdstack_panic(sdcase_attach *attach, enum simcard_kind kind)
{
	const struct crash_unit *unit;
	const char *log;
	size_t len;
	FILE *f;

	prepare(attach, kind);
	life.media = harness_shared((size_t)CARD_BLOCKS * 512);
	assert_int_equal(harness_status(&(struct harness){0}, body_panic, NULL, &log), 134);
	f = fopen(image_path(SAVED), "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(life.media, 512, BLOCKS, f), BLOCKS);
	assert_int_equal(fclose(f), 0);
	unit = (const struct crash_unit *)image_read(image_path(SAVED), CRASH_PATH, &len);
	assert_non_null(unit);
	assert_int_equal(len, CRASH_SIZE);
	for (uint32_t i = 0; i < CRASH_UNITS; i++) {
		assert_memory_equal(unit[i].mark, CRASH_MARK, sizeof(unit[i].mark));
		assert_int_equal(unit[i].index, i);
	}
	assert_non_null(memmem(unit, len, "these are the last words", 24));
	assert_non_null(memmem(unit, len, "on purpose", 10));
	free((void *)unit);
}
