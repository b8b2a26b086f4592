// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The whole stack on a simulated SD card: mapped files are stored into and synced, files made and renamed, and at one
 * command after the other the card is taken out, or fails. Some time later it is in again, or well again. Calls in
 * between may fail, and say so; nothing hangs; what was acknowledged is on the card at the moment of the
 * acknowledgement; and then everything goes on, with what was stored meanwhile: after the unmount e2fsck finds nothing
 * and the files are whole.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/clock.h"
#include "fs/buffer.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "kernel/wait.h"
#include "tests/host/simslot.h"
#include "tests/host/stack.h"

#define BLOCKS (11 * 1024) // of the card: no power of two, and more than
#define IMAGE_BLOCKS 8192  // what the image has
#define BEYOND 0xa5	   // what the card has there, and keeps
#define PAGES 24
#define ROUNDS 12
#define AWAY (2 * NSEC_PER_SEC)

static struct simcard card;
static struct simslot slot;

static struct step {
	enum simcard_fault fault;
	uint64_t at; // counted from the mount on
	unsigned buffers;
	char image[256], save[256];
	/* Out. */
	uint64_t commands, fired;
	unsigned told, acknowledged;
} * step;

static void load(const char *path)
{
	FILE *f = fopen(path, "rb");

	assert_non_null(f);
	card.media = malloc((size_t)BLOCKS * 512);
	assert_non_null(card.media);
	memset(card.media, BEYOND, (size_t)BLOCKS * 512);
	assert_int_equal(fread(card.media, 512, IMAGE_BLOCKS, f), IMAGE_BLOCKS);
	assert_int_equal(fclose(f), 0);
}

static void save(const char *path)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(card.media, 512, IMAGE_BLOCKS, f), IMAGE_BLOCKS);
	assert_int_equal(fclose(f), 0);
}

static void sleep_for(nsec_t time)
{
	static struct spinlock lock = SPINLOCK_INIT("block sync");
	static struct waitq waitq = WAITQ_INIT(waitq);
	unsigned long flags = spin_lock(&lock);

	(void)waitq_wait_until(&waitq, &lock, &flags, clock_now() + time);
	spin_unlock(&lock, flags);
}

/* Puts the card back, or makes it well, some time after it went. */
static void *mender(void *arg)
{
	while (!card.fired)
		sleep_for(10 * NSEC_PER_MSEC);
	sleep_for(AWAY);
	card.fault_times = 0;
	if (!card.present)
		simcard_insert(&card);
	return arg;
}

/* Whether the pattern of the round is all over the file, as the media have it: found by its pages' contents. */
static bool on_media(unsigned round, unsigned page)
{
	uint8_t want[512];

	stack_fill(want, round, (uint64_t)page * PAGE_SIZE, sizeof(want));
	for (uint64_t b = 0; b < IMAGE_BLOCKS; b++)
		if (!memcmp(card.media + 512 * b, want, sizeof(want)))
			return true;
	return false;
}

static void one_round(uint8_t *p, unsigned round)
{
	char name[32], new[32];
	int fd, err;

	for (unsigned page = 0; page < PAGES; page++)
		stack_fill(p + (size_t)page * PAGE_SIZE, round, (uint64_t)page * PAGE_SIZE, PAGE_SIZE);
	err = map_sync((vaddr_t)p, (size_t)PAGES * PAGE_SIZE, true);
	if (err) {
		step->told++;
	} else {
		step->acknowledged++;
		for (unsigned page = 0; page < PAGES; page++)
			assert_true(on_media(round, page));
	}
	snprintf(name, sizeof(name), "/new%u", round);
	snprintf(new, sizeof(new), "/kept%u", round);
	fd = fs_open(AT_FDCWD, name, O_CREAT | O_RDWR, 0644);
	if (fd < 0) {
		step->told++;
		return;
	}
	step->told += fs_write(fd, name, 5) != 5;
	step->told += fs_fsync(fd, false) != 0;
	step->told += fs_close(fd) != 0;
	step->told += fs_rename(AT_FDCWD, name, AT_FDCWD, new, 0) != 0;
}

static void body(void *arg)
{
	uint8_t *p;
	int fd, err = -1;

	(void)arg;
	card =
	    (struct simcard){.kind = SIMCARD_SDHC, .blocks = BLOCKS, .serial = 5, .cmd23 = true, .write_busy = 200000};
	load(step->image);
	simcard_insert(&card);
	simslot_init(&slot, &card);
	slot.knows = slot.host.tells = step->at % 2;
	assert_int_equal(sd_host_add(&slot.host), 0);
	assert_int_equal(blkdev_find("mmcblk0")->sectors, BLOCKS);
	harness_start_mm();
	buffer_cache_init(step->buffers);
	assert_int_equal(fs_init(), 0);
	assert_int_equal(fs_mount_root(blkdev_find("mmcblk0"), false), 0);
	fd = stack_open("/data", O_RDWR);
	p = stack_map(fd, (size_t)PAGES * PAGE_SIZE, MAP_R | MAP_W, MAP_KIND_SHARED);
	/* In the cache: a load without the card would be SIGBUS, which is right, and another test's. */
	for (unsigned page = 0; page < PAGES; page++)
		(void)*(volatile uint8_t *)(p + (size_t)page * PAGE_SIZE);
	card.fault = step->fault;
	card.fault_at = card.commands + step->at;
	card.fault_times = step->fault == SIMCARD_REMOVED ? 1 : UINT64_MAX / 2;
	card.fault_busy = 20 * NSEC_PER_SEC;
	assert_int_equal(thread_create("mender", THREAD_STACK_SIZE, mender, NULL, NULL), 0);
	for (unsigned round = 2; round < 2 + ROUNDS; round++)
		one_round(p, round);
	step->commands = card.commands - (card.fault_at - step->at);
	step->fired = card.fired;
	card.fired += !card.fired; // the mender may go
	/* It is well again at last: what was stored is written, and told as durable. */
	for (unsigned i = 0; i < 40 && err; i++) {
		sleep_for(NSEC_PER_SEC);
		err = map_sync((vaddr_t)p, (size_t)PAGES * PAGE_SIZE, true);
	}
	assert_int_equal(err, 0);
	for (unsigned page = 0; page < PAGES; page++)
		assert_true(on_media(1 + ROUNDS, page));
	stack_unmap(p, (size_t)PAGES * PAGE_SIZE);
	(void)fs_close(fd); // what it tells was told above
	err = fs_sync();
	for (unsigned i = 0; i < 40 && err; i++) {
		sleep_for(NSEC_PER_SEC);
		err = fs_sync();
	}
	assert_int_equal(err, 0);
	assert_int_equal(harness_stop(), 0);
	for (size_t i = (size_t)IMAGE_BLOCKS * 512; i < (size_t)BLOCKS * 512; i++)
		assert_int_equal(card.media[i], BEYOND);
	save(step->save);
}

static void faults(enum simcard_fault fault, unsigned buffers)
{
	static const unsigned runs_of[] = {[EFFORT_QUICK] = 2, [EFFORT_DEFAULT] = 24, [EFFORT_LONG] = 1000};
	uint64_t commands = 0, fired = 0, told = 0, acknowledged = 0, runs = 0, every = 1;

	if (!step)
		step = harness_shared(sizeof(*step));
	for (uint64_t at = UINT64_MAX; at == UINT64_MAX || at < commands; at = at == UINT64_MAX ? 0 : at + every) {
		uint8_t *data;
		size_t len;

		*step = (struct step){.fault = fault, .at = at == UINT64_MAX ? UINT64_MAX / 4 : at, .buffers = buffers};
		strcpy(step->image, stack_image("sd-base", "4M", 1024, (size_t)PAGES * PAGE_SIZE));
		strcpy(step->save, image_path("saved"));
		harness_run(&(struct harness){.frames = 2048, .seconds = 120}, body, NULL);
		if (at == UINT64_MAX) {
			commands = step->commands;
			assert_int_equal(step->told, 0);
			assert_int_equal(step->acknowledged, ROUNDS);
			every = max_of(commands / runs_of[harness_effort()], (uint64_t)1);
			continue;
		}
		runs++;
		fired += step->fired > 0;
		told += step->told;
		acknowledged += step->acknowledged;
		assert_int_equal(image_e2fsck(step->save, "-n"), 0);
		data = image_read(step->save, "/data", &len);
		assert_int_equal(len, PAGES * PAGE_SIZE);
		assert_int_equal(stack_differs(data, 1 + ROUNDS, 0, len), len);
		free(data);
	}
	print_message("fault %d, %u buffers: %llu runs, %llu with a fault, %llu calls told, %llu msyncs acknowledged\n",
		      fault, buffers, (unsigned long long)runs, (unsigned long long)fired, (unsigned long long)told,
		      (unsigned long long)acknowledged);
	assert_true(fired >= runs - 1);
	assert_true(acknowledged > 0);
	if (fault >= SIMCARD_REMOVED)
		assert_true(told >= runs / 2);
}

static void test_removed(void **state)
{
	(void)state;
	faults(SIMCARD_REMOVED, 0);
	faults(SIMCARD_REMOVED_MID, BUFFERS_MIN);
}

static void test_fails(void **state)
{
	(void)state;
	for (enum simcard_fault fault = 0; fault < SIMCARD_REMOVED; fault++)
		faults(fault, fault % 2 ? BUFFERS_MIN : 0);
}

/* ---- changed elsewhere ---- */

/* What another system leaves in the superblock; the last is what only says that the files changed: it is not seen. */
static const struct change {
	const char *name;
	size_t at;
	bool seen;
} changes[] = {
    {"mount count", 1024 + 0x34, true}, {"mount time", 1024 + 0x2c, true},    {"last check", 1024 + 0x40, true},
    {"identity", 1024 + 0x68, true},	{"mounted where", 1024 + 0x88, true}, {"nothing", 1024 + 0x30, false},
};

static void body_changed(void *arg)
{
	const struct change *change = arg;
	uint8_t *p, *copy;
	int fd, err;

	card =
	    (struct simcard){.kind = SIMCARD_SDHC, .blocks = BLOCKS, .serial = 5, .cmd23 = true, .write_busy = 200000};
	load(step->image);
	simcard_insert(&card);
	simslot_init(&slot, &card);
	assert_int_equal(sd_host_add(&slot.host), 0);
	harness_start_mm();
	buffer_cache_init(0);
	assert_int_equal(fs_init(), 0);
	assert_int_equal(fs_mount_root(blkdev_find("mmcblk0"), false), 0);
	fd = stack_open("/data", O_RDWR);
	p = stack_map(fd, (size_t)PAGES * PAGE_SIZE, MAP_R | MAP_W, MAP_KIND_SHARED);
	stack_fill(p, 2, 0, (size_t)PAGES * PAGE_SIZE);
	assert_int_equal(map_sync((vaddr_t)p, (size_t)PAGES * PAGE_SIZE, true), 0);
	simcard_remove(&card);
	stack_fill(p, 3, 0, (size_t)PAGES * PAGE_SIZE);
	card.media[change->at] ^= 1;
	copy = malloc((size_t)BLOCKS * 512);
	assert_non_null(copy);
	memcpy(copy, card.media, (size_t)BLOCKS * 512);
	simcard_insert(&card);
	err = map_sync((vaddr_t)p, (size_t)PAGES * PAGE_SIZE, true);
	if (change->seen) {
		assert_int_not_equal(err, 0);
		assert_int_not_equal(fs_sync(), 0);
		sleep_for(60 * NSEC_PER_SEC);
		assert_memory_equal(card.media, copy, (size_t)BLOCKS * 512);
		/* As it was left, it is the one that goes on. */
		card.media[change->at] ^= 1;
	}
	for (unsigned i = 0; i < 40 && (i == 0 || err); i++) {
		err = map_sync((vaddr_t)p, (size_t)PAGES * PAGE_SIZE, true);
		sleep_for(NSEC_PER_SEC);
	}
	assert_int_equal(err, 0);
	for (unsigned page = 0; page < PAGES; page++)
		assert_true(on_media(3, page));
}

static void test_changed(void **state)
{
	const char *log;

	(void)state;
	if (!step)
		step = harness_shared(sizeof(*step));
	strcpy(step->image, stack_image("sd-base", "4M", 1024, (size_t)PAGES * PAGE_SIZE));
	for (size_t i = 0; i < array_size(changes); i++) {
		print_message("%s\n", changes[i].name);
		assert_int_equal(
		    harness_status(&(struct harness){.frames = 2048}, body_changed, (void *)&changes[i], &log), 0);
		assert_int_equal(strstr(log, "changed elsewhere") != NULL, changes[i].seen);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_removed), cmocka_unit_test(test_fails),
					   cmocka_unit_test(test_changed)};

	return cmocka_run_group_tests_name("everything on an SD card", tests, NULL, NULL);
}
