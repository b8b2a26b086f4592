// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Of /proc what is about memory: meminfo, vmstat, maps. Formats are Linux's. No lock. */
#include <stdio.h>

#include "fs/inode.h"
#include "fs/proc.h"
#include "mm/map.h"
#include "mm/pcache.h"
#include "mm/reclaim.h"

void proc_show_meminfo(const struct synth *file, struct text *out)
{
	const size_t kib = PAGE_SIZE / 1024;
	struct pcache_stats cache;
	struct map_stats map;

	(void)file;
	pcache_stats(&cache);
	map_stats(&map);
	text_printf(out, "MemTotal:       %8zu kB\n", frame_total() * kib);
	text_printf(out, "MemFree:        %8zu kB\n", frame_free_count() * kib);
	text_printf(out, "MemAvailable:   %8zu kB\n",
		    (frame_free_count() - min_of(frame_free_count(), frame_reserve()) + cache.pages) * kib);
	text_printf(out, "Cached:         %8zu kB\n", cache.pages * kib);
	text_printf(out, "Dirty:          %8zu kB\n", cache.dirty * kib);
	text_printf(out, "Writeback:      %8zu kB\n", cache.writing * kib);
	text_printf(out, "AnonPages:      %8zu kB\n", (map.anon - map.shared) * kib);
	text_printf(out, "Shmem:          %8zu kB\n", map.shared * kib);
	text_printf(out, "Mlocked:        %8zu kB\n", map.locked * kib);
	text_printf(out, "CommitLimit:    %8zu kB\n", map.commit_limit * kib);
	text_printf(out, "Committed_AS:   %8zu kB\n", map.committed * kib);
}

void proc_show_vmstat(const struct synth *file, struct text *out)
{
	struct pcache_stats cache;
	struct map_stats map;

	(void)file;
	pcache_stats(&cache);
	map_stats(&map);
	text_printf(out, "nr_free_pages %zu\n", frame_free_count());
	text_printf(out, "nr_file_pages %zu\n", cache.pages);
	text_printf(out, "nr_anon_pages %zu\n", map.anon - map.shared);
	text_printf(out, "nr_shmem %zu\n", map.shared);
	text_printf(out, "nr_mlock %zu\n", map.locked);
	text_printf(out, "nr_dirty %zu\n", cache.dirty);
	text_printf(out, "nr_writeback %zu\n", cache.writing);
	text_printf(out, "nr_written %llu\n", (unsigned long long)cache.writes);
	text_printf(out, "pgfill %llu\n", (unsigned long long)cache.fills);
	text_printf(out, "pghit %llu\n", (unsigned long long)cache.hits);
	text_printf(out, "pgsteal %llu\n", (unsigned long long)cache.evicted);
}

/* ---- maps ---- */

#define NAME_COLUMN 73 // where Linux has it

struct map_line {
	struct text *out;
	uint64_t end;
};

/* The file behind it; NULL: there is none. */
static const struct inode *inode_behind(const struct map_info *map)
{
	if (!map->object || (map->object->memory && !map->object->limit))
		return NULL;
	return inode_of(map->object);
}

/*
 * A file has no one name, and finding one is a walk of the whole tree: the file system stands for it, and the inode's
 * number is in its column.
 */
static void name_of(const struct map_info *map, const struct inode *inode, char *name, size_t size)
{
	const char *kind = map->grows_down ? "stack" : map->heap ? "heap" : map->object ? "shared" : NULL;

	*name = 0;
	if (inode)
		snprintf(name, size, "[%s]", inode->super->name);
	else if (kind)
		snprintf(name, size, "[%s]", kind);
}

static void show_map(const struct map_info *map, void *arg)
{
	struct map_line *line = arg;
	const struct inode *inode = inode_behind(map);
	const unsigned dev = inode ? inode->super->id : 0;
	char text[128], name[40];

	name_of(map, inode, name, sizeof(name));
	snprintf(text, sizeof(text), "%08lx-%08lx %c%c%c%c %08llx %02x:%02x %u", map->start, map->end,
		 map->prot & MAP_R ? 'r' : '-', map->prot & MAP_W ? 'w' : '-', map->prot & MAP_X ? 'x' : '-',
		 map->kind == MAP_KIND_SHARED ? 's' : 'p', map->object ? (unsigned long long)map->offset : 0, dev >> 8,
		 dev & 0xff, inode ? inode->ino : 0);
	if (*name)
		text_printf(line->out, "%-*s%s\n", NAME_COLUMN, text, name);
	else
		text_printf(line->out, "%s \n", text);
	line->end = map->end;
}

/* By address. */
bool proc_next_map(const struct synth *file, uint64_t *cursor, struct text *out)
{
	struct map_line line = {.out = out};

	(void)file;
	if (!map_show(*cursor, show_map, &line))
		return false;
	*cursor = line.end;
	return true;
}
