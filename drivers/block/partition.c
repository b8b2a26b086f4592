// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Partition tables: MBR with its chain of logical partitions, GPT with its backup, or none. Everything read is
 * checked (I8): a partition that does not lie inside its device is logged and left out, a damaged GPT is replaced by
 * its backup and said so, a damaged pair leaves no partitions. Runs once a device, in thread context; sleeps; no lock.
 *
 * Table addresses count logical blocks of the device; `scan.ratio` turns them into sectors.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arch/page.h"
#include "drivers/block/partition.h"
#include "drivers/wired.h"
#include "kernel/log.h"
#include "lib/crc32.h"

#define PARTITIONS_MAX 128
#define LOGICAL_MAX 60 // links followed in a chain of logical partitions
#define GPT_ENTRIES_MAX 4096
#define GPT_ENTRY_MIN 128
#define MBR_TABLE 446
#define MBR_SIGNATURE 440
#define MBR_ENTRY 16

struct scan {
	struct blkdev *dev;
	uint32_t ratio;	 // sectors in a logical block
	uint64_t blocks; // of the device
	uint8_t *buf;	 // a frame: what was read last
	struct blkdev *parts;
	unsigned count;
};

struct mbr_entry {
	uint8_t status, type;
	uint64_t start, blocks;
};

struct gpt {
	uint64_t entries_lba;
	uint32_t entry_count, entry_size, entries_crc;
	uint64_t first_usable, last_usable;
};

static uint32_t le32(const uint8_t *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t le64(const uint8_t *p)
{
	return le32(p) | (uint64_t)le32(p + 4) << 32;
}

static int scan_read(struct scan *s, uint64_t lba, uint32_t blocks)
{
	if (lba >= s->blocks || blocks > s->blocks - lba)
		return -EINVAL;
	return blk_read(s->dev, lba * s->ratio, s->buf, blocks * s->ratio);
}

/* The next partition's record, or NULL (logged): the place is outside the device or there are too many. */
static struct blkdev *scan_add(struct scan *s, uint32_t number, uint64_t lba, uint64_t blocks)
{
	const char *name = s->dev->name;

	if (!blocks || !lba || lba >= s->blocks || blocks > s->blocks - lba) {
		log_warning("%s: partition %u (blocks %llu to %llu) does not lie inside the device (%llu blocks), "
			    "left out: the image may be cut short",
			    name, (unsigned)number, (unsigned long long)lba, (unsigned long long)(lba + blocks - 1),
			    (unsigned long long)s->blocks);
		return NULL;
	}
	if (!s->parts)
		s->parts = wired_alloc(PARTITIONS_MAX * sizeof(*s->parts));
	if (!s->parts || s->count == PARTITIONS_MAX) {
		log_error("%s: no room for partition %u", name, (unsigned)number);
		return NULL;
	}
	struct blkdev *part = &s->parts[s->count];
	size_t len = strlen(name);
	bool digit = len && name[len - 1] >= '0' && name[len - 1] <= '9';
	int n = snprintf(part->name, sizeof(part->name), "%s%s%u", name, digit ? "p" : "", (unsigned)number);

	if (n >= (int)sizeof(part->name)) {
		log_error("%s: the name of partition %u is too long", name, (unsigned)number);
		return NULL;
	}
	s->count++;
	part->number = number;
	part->start = lba * s->ratio;
	part->sectors = blocks * s->ratio;
	return part;
}

static void scan_announce(struct scan *s, struct blkdev *part)
{
	blkdev_add_partition(s->dev, part);
	log_info("%s: %llu KiB at sector %llu%s%s", part->name, (unsigned long long)part->sectors / 2,
		 (unsigned long long)part->start, part->label[0] ? ", " : "", part->label);
}

/* ---- MBR ---- */

static struct mbr_entry mbr_entry(const uint8_t *sector, unsigned i)
{
	const uint8_t *e = sector + MBR_TABLE + i * MBR_ENTRY;

	return (struct mbr_entry){.status = e[0], .type = e[4], .start = le32(e + 8), .blocks = le32(e + 12)};
}

static bool mbr_signed(const uint8_t *sector)
{
	return sector[510] == 0x55 && sector[511] == 0xaa;
}

static bool mbr_extended(uint8_t type)
{
	return type == 0x05 || type == 0x0f || type == 0x85;
}

static void mbr_add(struct scan *s, uint32_t disk, uint32_t number, const struct mbr_entry *e, uint64_t base)
{
	struct blkdev *part = scan_add(s, number, base + e->start, e->blocks);

	if (!part)
		return;
	part->type_mbr = e->type;
	memcpy(part->uuid, &disk, sizeof(disk));
	memcpy(part->uuid + sizeof(disk), &number, sizeof(number));
	scan_announce(s, part);
}

/*
 * The chain of logical partitions: each link holds one partition, relative to the link, and the next link, relative
 * to the extended partition. It is damaged if it leaves that or comes back to where it was.
 */
static void mbr_scan_logical(struct scan *s, uint32_t disk, const struct mbr_entry *extended)
{
	uint32_t visited[LOGICAL_MAX];
	uint32_t link = 0, number = 5;

	for (unsigned n = 0;; n++) {
		bool lost = n == LOGICAL_MAX || link >= extended->blocks;

		for (unsigned i = 0; i < n && !lost; i++)
			lost = visited[i] == link;
		int error = lost ? -ELOOP : scan_read(s, extended->start + link, 1);

		if (error || !mbr_signed(s->buf)) {
			log_warning("%s: the chain of logical partitions is damaged at block %llu (error %d), the rest "
				    "is left out: repair it with fdisk",
				    s->dev->name, (unsigned long long)extended->start + link, -error);
			return;
		}
		struct mbr_entry e = mbr_entry(s->buf, 0), next = mbr_entry(s->buf, 1);

		if (e.type && e.blocks)
			mbr_add(s, disk, number++, &e, extended->start + link);
		if (!mbr_extended(next.type))
			return;
		visited[n] = link;
		link = (uint32_t)next.start;
	}
}

/* A boot sector of a file system has the signature too: a table's status bytes tell it apart. */
static bool mbr_plausible(const uint8_t *sector)
{
	bool used = false;

	for (unsigned i = 0; i < 4; i++) {
		struct mbr_entry e = mbr_entry(sector, i);

		if (e.status & 0x7f)
			return false;
		used |= e.type != 0;
	}
	return used;
}

/* An entry of type EE says that the real table is a GPT. */
static bool mbr_protective(const uint8_t *sector)
{
	for (unsigned i = 0; i < 4; i++)
		if (mbr_entry(sector, i).type == 0xee)
			return true;
	return false;
}

static void mbr_scan(struct scan *s)
{
	struct mbr_entry entries[4];
	uint32_t disk = le32(s->buf + MBR_SIGNATURE);

	for (unsigned i = 0; i < 4; i++)
		entries[i] = mbr_entry(s->buf, i);
	for (unsigned i = 0; i < 4; i++)
		if (entries[i].type && !mbr_extended(entries[i].type))
			mbr_add(s, disk, i + 1, &entries[i], 0);
	for (unsigned i = 0; i < 4; i++)
		if (mbr_extended(entries[i].type) && entries[i].start) {
			mbr_scan_logical(s, disk, &entries[i]);
			break;
		}
}

/* ---- GPT ---- */

/* Entries in one frame; their size is a power of two. */
static uint32_t gpt_per_frame(const struct gpt *gpt)
{
	return PAGE_SIZE / gpt->entry_size;
}

/* Reads the frame of entries that holds entry i, the first of its frame. */
static int gpt_read_entries(struct scan *s, const struct gpt *gpt, uint32_t i)
{
	uint64_t at = (uint64_t)i * gpt->entry_size;
	uint64_t bytes = min_of((uint64_t)(gpt->entry_count - i) * gpt->entry_size, (uint64_t)PAGE_SIZE);
	uint32_t block = s->dev->block_size;

	return scan_read(s, gpt->entries_lba + at / block, (uint32_t)((bytes + block - 1) / block));
}

/* Header at lba and the checksum of its entries: 0, -EINVAL (none there), -EILSEQ (damaged), or the read's error. */
static int gpt_read(struct scan *s, uint64_t lba, struct gpt *gpt)
{
	uint8_t *h = s->buf;
	int error = scan_read(s, lba, 1);

	if (error)
		return error;
	if (memcmp(h, "EFI PART", 8))
		return -EINVAL;
	uint32_t size = le32(h + 12), crc = le32(h + 16);

	if (size < 92 || size > s->dev->block_size)
		return -EILSEQ;
	memset(h + 16, 0, 4);
	*gpt = (struct gpt){
	    .entries_lba = le64(h + 72),
	    .entry_count = le32(h + 80),
	    .entry_size = le32(h + 84),
	    .entries_crc = le32(h + 88),
	    .first_usable = le64(h + 40),
	    .last_usable = le64(h + 48),
	};
	if (crc32_ieee(0, h, size) != crc || le64(h + 24) != lba || gpt->entry_count > GPT_ENTRIES_MAX ||
	    gpt->entry_size < GPT_ENTRY_MIN || gpt->entry_size > PAGE_SIZE ||
	    (gpt->entry_size & (gpt->entry_size - 1)) || gpt->entries_lba >= s->blocks)
		return -EILSEQ;
	crc = 0;
	for (uint32_t i = 0; i < gpt->entry_count; i += gpt_per_frame(gpt)) {
		error = gpt_read_entries(s, gpt, i);
		if (error)
			return error == -EINVAL ? -EILSEQ : error;
		crc =
		    crc32_ieee(crc, s->buf, (size_t)min_of(gpt->entry_count - i, gpt_per_frame(gpt)) * gpt->entry_size);
	}
	return crc == gpt->entries_crc ? 0 : -EILSEQ;
}

static void gpt_add(struct scan *s, const struct gpt *gpt, uint32_t number, const uint8_t *entry)
{
	static const uint8_t unused[16];
	uint64_t first = le64(entry + 32), last = le64(entry + 40);
	struct blkdev *part;

	if (!memcmp(entry, unused, sizeof(unused)))
		return;
	if (first > last || first < gpt->first_usable || last > gpt->last_usable) {
		log_warning("%s: partition %u (blocks %llu to %llu) lies outside the table's bounds, left out",
			    s->dev->name, (unsigned)number, (unsigned long long)first, (unsigned long long)last);
		return;
	}
	part = scan_add(s, number, first, last - first + 1);
	if (!part)
		return;
	memcpy(part->uuid, entry + 16, sizeof(part->uuid));
	for (unsigned i = 0; i < 36; i++) {
		unsigned unit = entry[56 + 2 * i] | entry[57 + 2 * i] << 8;

		if (!unit)
			break;
		part->label[i] = unit >= 0x20 && unit < 0x7f ? (char)unit : '?';
	}
	scan_announce(s, part);
}

static void gpt_scan(struct scan *s)
{
	const char *name = s->dev->name;
	struct gpt gpt;
	int error = gpt_read(s, 1, &gpt);

	if (error) {
		int backup = gpt_read(s, s->blocks - 1, &gpt);

		if (backup) {
			log_error("%s: both partition tables (GPT) are damaged (errors %d and %d), no partitions: the "
				  "image may be cut short; else repair them with gdisk",
				  name, -error, -backup);
			return;
		}
		log_warning("%s: the partition table (GPT) is damaged (error %d), using its backup: repair it with "
			    "sgdisk -e or gdisk",
			    name, -error);
	}
	for (uint32_t i = 0; i < gpt.entry_count; i++) {
		if (i % gpt_per_frame(&gpt) == 0) {
			error = gpt_read_entries(s, &gpt, i);
			if (error) {
				log_error("%s: cannot read the partition table (error %d), the rest is left out", name,
					  -error);
				return;
			}
		}
		gpt_add(s, &gpt, i + 1, s->buf + (size_t)(i % gpt_per_frame(&gpt)) * gpt.entry_size);
	}
}

void partition_scan(struct blkdev *whole)
{
	struct scan s = {.dev = whole, .ratio = whole->block_size / SECTOR_SIZE};
	struct page *page = frame_alloc();

	s.blocks = whole->sectors / s.ratio;
	if (!s.blocks || !page) {
		log_warning("%s: %s", whole->name, page ? "empty device" : "no memory to read the partition table");
	} else {
		s.buf = page_va(page);
		int error = scan_read(&s, 0, 1);

		if (error)
			log_error("%s: cannot read the partition table (error %d)", whole->name, -error);
		else if (!mbr_signed(s.buf) || !mbr_plausible(s.buf))
			log_info("%s: no partition table", whole->name);
		else if (mbr_protective(s.buf))
			gpt_scan(&s);
		else
			mbr_scan(&s);
	}
	if (page)
		frame_free(page);
}
