// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Partition tables as sfdisk writes them, then damaged in every way: by hand, by seed, and by reads that fail. Whatever
 * is there, what is announced lies inside the device.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arch/irq.h"
#include "arch/page.h"
#include "drivers/block/blkdev.h"
#include "lib/crc32.h"
#include "tests/host/harness.h"

#define SECTORS (64u * 2048)
#define IMAGE_SIZE ((size_t)SECTORS * SECTOR_SIZE)
#define MUTATIONS 120 // of an image, a run: each takes frames

static const char mbr_script[] = "label: dos\n"
				 "label-id: 0x12345678\n"
				 "start=2048, size=8192, type=c\n"
				 "start=10240, size=40960, type=83\n"
				 "start=51200, size=61440, type=f\n"
				 "start=112640, size=2048, type=82\n"
				 "start=53248, size=4096, type=83\n"
				 "start=59392, size=8192, type=83\n"
				 "start=71680, size=2048, type=c\n";

static const char gpt_script[] = "label: gpt\n"
				 "start=2048, size=8192, name=\"boot\", uuid=01234567-89AB-CDEF-0123-456789ABCDEF\n"
				 "start=10240, size=40960, name=\"card's log\"\n"
				 "start=61440, size=2049, name=\"h\xc3\xa4\"\n";

/* fdisk's commands: sfdisk takes no sector size. */
static const char gpt4k_commands[] = "g\nn\n1\n256\n1279\nn\n2\n1280\n6399\nw\n";

static struct {
	uint8_t *data; // shared by the tests and their runs
	struct blkdev blk;
	struct blk_request *held[64];
	unsigned held_count;
} disk;

/* ---- the device: ends what it has when it is polled ---- */

static int disk_start(struct blkdev *dev, struct blk_request *req)
{
	(void)dev;
	assert_true(disk.held_count < array_size(disk.held));
	assert_int_equal(req->op, BLK_READ);
	disk.held[disk.held_count++] = req;
	return 0;
}

static void disk_poll(struct blkdev *dev)
{
	while (disk.held_count) {
		struct blk_request *req = disk.held[--disk.held_count];
		const uint8_t *from = disk.data + req->sector * SECTOR_SIZE;

		for (uint32_t i = 0; i < req->segment_count; from += req->segments[i++].len)
			memcpy(pa_to_va(req->segments[i].pa), from, req->segments[i].len);
		blk_complete(dev, req, 0);
	}
}

static int disk_reset(struct blkdev *dev)
{
	(void)dev;
	return -EIO;
}

static const struct blkdev_ops disk_ops = {.start = disk_start, .poll = disk_poll, .reset = disk_reset};

static void disk_register(const char *name, sector_t sectors, uint32_t block_size)
{
	struct blkdev *dev = calloc(1, sizeof(*dev));
	unsigned long flags = irq_save();

	assert_non_null(dev);
	*dev = (struct blkdev){
	    .sectors = sectors,
	    .max_segments = 4,
	    .max_sectors = 64,
	    .block_size = block_size,
	    .ops = &disk_ops,
	};
	snprintf(dev->name, sizeof(dev->name), "%s", name);
	assert_int_equal(blkdev_register(dev), 0);
	irq_restore(flags);
}

/* ---- images ---- */

static void image_make(const char *program, const char *input)
{
	char path[] = "/tmp/cairn-partition-XXXXXX", command[512];
	int fd = mkstemp(path);
	FILE *pipe;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, IMAGE_SIZE), 0);
	snprintf(command, sizeof(command), "PATH=$PATH:/usr/sbin:/sbin %s %s > /dev/null 2>&1", program, path);
	pipe = popen(command, "w");
	assert_non_null(pipe);
	assert_int_equal(fwrite(input, 1, strlen(input), pipe), strlen(input));
	assert_int_equal(pclose(pipe), 0);
	if (!disk.data)
		disk.data = harness_shared(IMAGE_SIZE);
	assert_int_equal(pread(fd, disk.data, IMAGE_SIZE, 0), IMAGE_SIZE);
	assert_int_equal(close(fd), 0);
	assert_int_equal(unlink(path), 0);
}

static void expect(const char *name, sector_t start, sector_t sectors, uint32_t number, const char *label)
{
	struct blkdev *dev = blkdev_find(name);

	if (!dev)
		fail_msg("%s was not found", name);
	assert_int_equal(dev->start, start);
	assert_int_equal(dev->sectors, sectors);
	assert_int_equal(dev->number, number);
	assert_string_equal(dev->label, label);
}

static unsigned partition_count(void)
{
	unsigned count = 0;

	for (struct blkdev *dev = blkdev_next(NULL); dev; dev = blkdev_next(dev))
		count += dev->parent != NULL;
	return count;
}

/* Runs the body; what it logs must have `said` in it, and must not have `unsaid` (either may be NULL). */
static void run(void (*body)(void *arg), const char *said, const char *unsaid)
{
	const char *log;
	int status = harness_status(&(struct harness){0}, body, NULL, &log);

	if (status)
		fail_msg("status %d:\n%s", status, log);
	if (said && !strstr(log, said))
		fail_msg("nobody said \"%s\":\n%s", said, log);
	if (unsaid && strstr(log, unsaid))
		fail_msg("somebody said \"%s\":\n%s", unsaid, log);
}

/* ---- whole tables ---- */

static void body_mbr(void *arg)
{
	(void)arg;
	disk_register("vda", SECTORS, 512);
	expect("vda1", 2048, 8192, 1, "");
	expect("vda2", 10240, 40960, 2, "");
	expect("vda4", 112640, 2048, 4, "");
	expect("vda5", 53248, 4096, 5, "");
	expect("vda6", 59392, 8192, 6, "");
	expect("vda7", 71680, 2048, 7, "");
	assert_int_equal(partition_count(), 6);
	assert_int_equal(blkdev_find("vda1")->type_mbr, 0x0c);
	assert_int_equal(blkdev_find("vda5")->type_mbr, 0x83);
	assert_memory_equal(blkdev_find("vda2")->uuid, "\x78\x56\x34\x12\x02\0\0\0\0\0\0\0\0\0\0\0", 16);
}

static void test_mbr(void **state)
{
	(void)state;
	image_make("sfdisk -q", mbr_script);
	run(body_mbr, NULL, "warning");
}

static void body_gpt(void *arg)
{
	(void)arg;
	disk_register("mmcblk0", SECTORS, 512);
	expect("mmcblk0p1", 2048, 8192, 1, "boot");
	expect("mmcblk0p2", 10240, 40960, 2, "card's log");
	expect("mmcblk0p3", 61440, 2049, 3, "h?");
	assert_int_equal(partition_count(), 3);
	assert_memory_equal(blkdev_find("mmcblk0p1")->uuid,
			    "\x67\x45\x23\x01\xab\x89\xef\xcd\x01\x23\x45\x67\x89\xab\xcd\xef", 16);
}

static void test_gpt(void **state)
{
	(void)state;
	image_make("sfdisk -q", gpt_script);
	run(body_gpt, NULL, "warning");
}

static void body_gpt4k(void *arg)
{
	(void)arg;
	disk_register("vda", SECTORS, 4096);
	expect("vda1", 2048, 8192, 1, "");
	expect("vda2", 10240, 40960, 2, "");
	assert_int_equal(partition_count(), 2);
}

static void test_gpt4k(void **state)
{
	(void)state;
	image_make("fdisk -b 4096", gpt4k_commands);
	run(body_gpt4k, NULL, "warning");
}

static void body_none(void *arg)
{
	(void)arg;
	disk_register("vda", SECTORS, 512);
	assert_int_equal(partition_count(), 0);
}

/* Empty; an ext2 on the whole device, as good as; a FAT boot sector, which carries the table's signature. */
static void test_none(void **state)
{
	(void)state;
	image_make("sfdisk -q", mbr_script);
	memset(disk.data, 0, 4096);
	run(body_none, "no partition table", "warning");
	memset(disk.data + 1024, 0xa5, 1024);
	run(body_none, "no partition table", "warning");
	memset(disk.data, 0xeb, 510);
	disk.data[510] = 0x55;
	disk.data[511] = 0xaa;
	run(body_none, "no partition table", "warning");
}

/* ---- damaged by hand ---- */

static void test_gpt_damaged(void **state)
{
	(void)state;
	image_make("sfdisk -q", gpt_script);
	disk.data[512 + 40] ^= 1; // first header
	run(body_gpt, "using its backup", NULL);
	memset(disk.data + 512, 0, 512);
	run(body_gpt, "using its backup", NULL);

	image_make("sfdisk -q", gpt_script);
	disk.data[2 * 512 + 32] ^= 1; // first copy of the entries
	run(body_gpt, "using its backup", NULL);
	disk.data[IMAGE_SIZE - 512 + 16] ^= 1; // second header too
	run(body_none, "both partition tables (GPT) are damaged", NULL);
}

static void body_cut(void *arg)
{
	(void)arg;
	disk_register("vda", 40960, 512);
	expect("vda1", 2048, 8192, 1, arg ? "" : "boot");
	assert_int_equal(partition_count(), 1);
}

static void body_cut_mbr(void *arg)
{
	(void)arg;
	body_cut(disk.data);
}

static void test_cut_short(void **state)
{
	(void)state;
	image_make("sfdisk -q", gpt_script);
	run(body_cut, "does not lie inside the device", NULL);
	image_make("sfdisk -q", mbr_script);
	run(body_cut_mbr, "does not lie inside the device", NULL);
}

static void put32(uint8_t *at, uint32_t v)
{
	memcpy(at, &v, sizeof(v));
}

static void body_chain(void *arg)
{
	(void)arg;
	disk_register("vda", SECTORS, 512);
	expect("vda5", 53248, 4096, 5, "");
	expect("vda6", 59392, 8192, 6, "");
	assert_null(blkdev_find("vda7"));
}

/* The second link of the chain leads back to the first, to itself, out of the extended partition, to no link. */
static void test_chain_damaged(void **state)
{
	static const uint32_t links[] = {0, 0, 61440, 0xffffffff, 1};
	uint8_t *second;

	(void)state;
	for (unsigned i = 0; i < array_size(links); i++) {
		image_make("sfdisk -q", mbr_script);
		/* the first link's second entry says where the second link is */
		uint32_t at;

		memcpy(&at, disk.data + 51200 * SECTOR_SIZE + 446 + 16 + 8, sizeof(at));
		second = disk.data + (size_t)(51200 + at) * SECTOR_SIZE;
		put32(second + 446 + 16 + 8, i == 1 ? at : links[i]);
		run(body_chain, "chain of logical partitions is damaged", NULL);
	}
}

/* ---- reads that fail ---- */

static unsigned reads, fail_at;

static int read_fails(struct blkdev *dev, const struct blk_request *req)
{
	(void)dev;
	(void)req;
	return ++reads == fail_at ? -EIO : 0;
}

static void body_fail(void *arg)
{
	char name[16];

	(void)arg;
	blk_fault_hook = read_fails;
	for (fail_at = 1;; fail_at++) {
		unsigned before = partition_count();

		reads = 0;
		snprintf(name, sizeof(name), "disk%u-", fail_at);
		disk_register(name, SECTORS, 512);
		if (reads < fail_at)
			break;
		assert_true(partition_count() - before <= 6);
	}
	assert_true(fail_at > 4);
}

static void test_read_fails(void **state)
{
	(void)state;
	image_make("sfdisk -q", mbr_script);
	run(body_fail, "error 5", "no partition table");
	image_make("sfdisk -q", gpt_script);
	run(body_fail, "using its backup", "no partition table");
}

/* ---- damaged by seed ---- */

static unsigned seed;

static unsigned next_random(unsigned below)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 12) % below;
}

/* Makes the checksums right again, so that what lies behind them is reached. */
static void gpt_reseal(uint8_t *header, const uint8_t *entries)
{
	uint32_t count, size, header_size, zero = 0;

	memcpy(&header_size, header + 12, 4);
	memcpy(&count, header + 80, 4);
	memcpy(&size, header + 84, 4);
	if ((uint64_t)count * size < 65536)
		put32(header + 88, crc32_ieee(0, entries, (size_t)count * size));
	memcpy(header + 16, &zero, 4);
	if (header_size <= 512)
		put32(header + 16, crc32_ieee(0, header, header_size));
}

static void body_fuzz(void *arg)
{
	const size_t *places = arg; // sectors to damage, ended by SIZE_MAX
	uint8_t *pristine = malloc(IMAGE_SIZE);
	unsigned count = 0;

	assert_non_null(pristine);
	memcpy(pristine, disk.data, IMAGE_SIZE);
	while (places[count] != SIZE_MAX)
		count++;
	for (unsigned n = 0; n < MUTATIONS; n++) {
		char name[16];
		bool gpt = !memcmp(disk.data + 512, "EFI PART", 8);

		for (unsigned i = 1 + next_random(6); i > 0; i--) {
			uint8_t *at = disk.data + places[next_random(count)] * SECTOR_SIZE + next_random(SECTOR_SIZE);

			*at = next_random(2) ? (uint8_t)next_random(256) : (uint8_t)(*at ^ 1u << next_random(8));
		}
		if (gpt && next_random(4))
			gpt_reseal(disk.data + 512, disk.data + 1024);
		snprintf(name, sizeof(name), "d%u-", n);
		disk_register(name, SECTORS, 512);
		for (unsigned i = 0; i < count; i++)
			memcpy(disk.data + places[i] * SECTOR_SIZE, pristine + places[i] * SECTOR_SIZE, SECTOR_SIZE);
		memcpy(disk.data + 512, pristine + 512, 512); // resealed
	}
	assert_memory_equal(disk.data, pristine, IMAGE_SIZE);
	for (struct blkdev *dev = blkdev_next(NULL); dev; dev = blkdev_next(dev)) {
		assert_true(dev->sectors > 0);
		assert_true(dev->start < SECTORS && dev->sectors <= SECTORS - dev->start);
		assert_ptr_equal(blkdev_find(dev->name), dev);
	}
	assert_true(partition_count() > MUTATIONS / 4);
	free(pristine);
}

static void fuzz(const char *script, const size_t *places)
{
	image_make("sfdisk -q", script);
	for (seed = 1; seed <= 20; seed++)
		harness_run(&(struct harness){0}, body_fuzz, (void *)places);
}

static void test_fuzz_mbr(void **state)
{
	static const size_t places[] = {0, 51200, 57344, 69632, SIZE_MAX};

	(void)state;
	fuzz(mbr_script, places);
}

static void test_fuzz_gpt(void **state)
{
	static const size_t places[] = {0, 1, 1, 1, 2, SECTORS - 33, SECTORS - 1, SIZE_MAX};

	(void)state;
	fuzz(gpt_script, places);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_mbr),		  cmocka_unit_test(test_gpt),	      cmocka_unit_test(test_gpt4k),
	    cmocka_unit_test(test_none),	  cmocka_unit_test(test_gpt_damaged), cmocka_unit_test(test_cut_short),
	    cmocka_unit_test(test_chain_damaged), cmocka_unit_test(test_read_fails),  cmocka_unit_test(test_fuzz_mbr),
	    cmocka_unit_test(test_fuzz_gpt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
