// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* A shared mapping, read, write and every other mapping and descriptor of a file show the same bytes at once. */

#include "oracle.h"

#define NAME "shared.data"

static int open_named(size_t pages)
{
	int fd = open(NAME, O_RDWR | O_CREAT | O_TRUNC, 0644);

	MUST(fd >= 0 && ftruncate(fd, (off_t)(pages * PAGE)) == 0);
	return fd;
}

static void mapping_and_calls(void)
{
	int fd = fresh(4, 0x10);
	byte *p = map(4, RW, MAP_SHARED, fd, 0), buf[16] = "";

	check("mapped: each page", "%s", runs(p, 4 * PAGE));
	memset(p + PAGE - 5, 'a', 10);
	check("store: pread over the page's border", "%s", file_runs(fd, PAGE - 6, 12));
	check("pwrite over the border", "%s", ret(pwrite(fd, "bbbbbb", 6, 2 * PAGE - 3)));
	check("pwrite: load", "%s", runs(p + 2 * PAGE - 4, 8));
	MUST(lseek(fd, 3 * PAGE, SEEK_SET) == (off_t)(3 * PAGE));
	check("write", "%s", ret(write(fd, "cccc", 4)));
	check("write: load", "%s", runs(p + 3 * PAGE, 5));
	memset(p + 3 * PAGE + 4, 'd', 4);
	check("read goes on where write ended", "%s", ret(read(fd, buf, 8)));
	check("read: the bytes", "%s", runs(buf, 8));
	check("position after that", "%s", ret(lseek(fd, 0, SEEK_CUR)));
	check("write of nothing", "%s", ret(pwrite(fd, "x", 0, 0)));
	check("write of nothing: load", "%s", load(p));
	check("a whole page written", "%s", ret(pwrite(fd, p + PAGE, PAGE, 0)));
	check("a whole page written: load", "%s", runs(p, 2 * PAGE));
	check("size of the first", "%ld", file_size(fd));
}

static void before_any_touch(void)
{
	int fd = fresh(6, 0);
	byte *p = map(6, RW, MAP_SHARED, fd, 0);

	check("never written: load", "%s", load(p));
	check("untouched, written: call", "%s", ret(pwrite(fd, "1", 1, PAGE)));
	check("untouched, written: load", "%s", load(p + PAGE));
	check("stored before any load", "%s", store(p + 2 * PAGE, '2'));
	check("stored before any load: pread", "%s", file_runs(fd, 2 * PAGE, 3));
	check("read before any load", "%s", file_runs(fd, 3 * PAGE, 3));
	STEPS("read before any load: store, then pread", store(p + 3 * PAGE + 1, '3'), file_runs(fd, 3 * PAGE, 3));
	check("part of a page written", "%s", ret(pwrite(fd, "444", 3, 4 * PAGE + 100)));
	check("part of a page written: load", "%s", runs(p + 4 * PAGE, 200));
	STEPS("the last byte", store(p + 6 * PAGE - 1, '5'), file_runs(fd, 6 * PAGE - 2, 10));
}

static void two_mappings(void)
{
	int fd = fresh(4, 0x20);
	byte *p = map(4, RW, MAP_SHARED, fd, 0), *same = map(4, RW, MAP_SHARED, fd, 0);
	byte *second = map(2, RW, MAP_SHARED, fd, 1), *reader = map(4, PROT_READ, MAP_SHARED, fd, 0);

	check("two mappings: apart", "%s", p == same ? "same address" : "two addresses");
	check("two mappings: store in one", "%s", store(p + 10, 'a'));
	check("two mappings: load in the other", "%s", load(same + 10));
	check("two mappings: store in the other", "%s", store(same + 11, 'b'));
	check("two mappings: load in the one", "%s", load(p + 11));
	check("at another offset: store", "%s", store(second, 'c'));
	STEPS("at another offset: load in all", load(p + PAGE), load(same + PAGE), load(reader + PAGE));
	STEPS("at another offset: second page", store(p + 2 * PAGE, 'd'), load(second + PAGE));
	check("one to read: store", "%s", store(reader, 'e'));
	check("one to read: load", "%s", load(reader + 10));
	*(volatile uint64_t *)(p + 2 * PAGE - 4) = 0x4141414141414141; // half on each page
	STEPS("over two pages: load", runs(same + 2 * PAGE - 5, 10), runs(second + PAGE - 5, 10));
	memcpy(p + 3 * PAGE, same, PAGE); // from a file's page to another of it
	check("copied from page to page", "%s", file_runs(fd, 3 * PAGE, PAGE));
	for (int i = 0; i < 1000; i++)
		__atomic_fetch_add((uint32_t *)(i % 2 ? p : same), 1, __ATOMIC_RELAXED);
	check("counted through both", "%u", (unsigned)(*(uint32_t *)p - 0x20202020));
	unmap(p, 4);
	check("one unmapped: the other", "%s", load(same + 10));
	check("one unmapped: its address", "%s", load(p));
	STEPS("one unmapped: store in the other, pread", store(same, 'f'), file_runs(fd, 0, 1));
	unmap(same, 4);
	unmap(second, 2);
	STEPS("all that could store unmapped: load", load(reader), load(reader + 10));
}

static void descriptors(void)
{
	int fd = open_named(2), other = open(NAME, O_RDWR), reader = open(NAME, O_RDONLY), copy = dup(fd);
	byte *p = map(2, RW, MAP_SHARED, fd, 0), *q;

	MUST(other >= 0 && reader >= 0 && copy >= 0);
	MUST(store(p, 'a')[0] == 's');
	check("descriptors: of another open", "%s", file_runs(other, 0, 2));
	check("descriptors: of an open to read", "%s", file_runs(reader, 0, 2));
	check("descriptors: of dup", "%s", file_runs(copy, 0, 2));
	check("descriptors: write through another", "%s", ret(pwrite(other, "b", 1, 1)));
	check("descriptors: load after that", "%s", load(p + 1));
	q = map(2, PROT_READ, MAP_SHARED, reader, 0);
	STEPS("descriptors: mapping of one to read", load(q), load(q + 1));
	MUST(close(fd) == 0 && close(copy) == 0);
	STEPS("closed: load and store", load(p), store(p, 'c'));
	check("closed: read through another", "%s", file_runs(other, 0, 2));
	STEPS("closed: write through another, load", ret(pwrite(other, "d", 1, PAGE)), load(p + PAGE));
	check("closed: msync", "%s", ret(msync(p, 2 * PAGE, MS_SYNC)));
	MUST(close(other) == 0 && close(reader) == 0);
	STEPS("all closed: load and store", load(q), store(p, 'e'));
	check("all closed: load in the one to read", "%s", load(q));
	unmap(p, 2);
	unmap(q, 2);
	fd = open(NAME, O_RDONLY);
	STEPS("unmapped and opened again", file_runs(fd, 0, 3), file_runs(fd, PAGE, 2));
	MUST(close(fd) == 0 && unlink(NAME) == 0);
}

static void without_a_name(void)
{
	int fd = open_named(2), again;
	byte *p = map(2, RW, MAP_SHARED, fd, 0);

	MUST(store(p, 'a')[0] == 's');
	check("unlink", "%s", ret(unlink(NAME)));
	STEPS("unlinked: load, store", load(p), store(p, 'b'));
	check("unlinked: pread", "%s", file_runs(fd, 0, 2));
	STEPS("unlinked: write, load", ret(pwrite(fd, "c", 1, 1)), load(p + 1));
	check("unlinked: msync", "%s", ret(msync(p, PAGE, MS_SYNC)));
	MUST(close(fd) == 0);
	STEPS("unlinked and closed: load, store", load(p), store(p + PAGE, 'd'));
	check("unlinked and closed: msync", "%s", ret(msync(p, 2 * PAGE, MS_SYNC)));
	again = open_named(2); // another file of that name
	check("a new file of that name: its bytes", "%s", file_runs(again, 0, 2));
	STEPS("a new file of that name: the mapping's", load(p), load(p + PAGE));
	check("renamed", "%s", ret(rename(NAME, "shared.renamed")));
	unmap(p, 2);
	p = map(2, RW, MAP_SHARED, again, 0);
	MUST(store(p, 'e')[0] == 's' && close(again) == 0);
	check("renamed: opened by the new name", "%s", ret((again = open("shared.renamed", O_RDONLY)) < 0 ? -1 : 0));
	check("renamed: the store is there", "%s", file_runs(again, 0, 1));
	MUST(rename("shared.renamed", NAME) == 0 && close(again) == 0);
	STEPS("renamed back: store, load", store(p, 'f'), load(p));
	MUST(unlink(NAME) == 0);
}

static void growing(void)
{
	int fd = open_named(0), end;
	byte *p = map(3, RW, MAP_SHARED, fd, 0);

	check("empty: load", "%s", load(p));
	check("empty: store", "%s", store(p, 'a'));
	check("empty: written", "%s", ret(write(fd, "bb", 2)));
	STEPS("written: load", runs(p, 4), load(p + PAGE));
	end = open(NAME, O_WRONLY | O_APPEND);
	check("appended", "%s", ret(write(end, "ccc", 3)));
	check("appended: load", "%s", runs(p, 6));
	MUST(ftruncate(fd, PAGE) == 0);
	check("appended behind a page", "%s", ret(write(end, "dd", 2)));
	STEPS("appended behind a page: load", load(p + PAGE), load(p + 2 * PAGE));
	STEPS("stored in what was appended: pread", store(p + PAGE + 1, 'e'), file_runs(fd, PAGE, 10));
	check("written far behind", "%s", ret(pwrite(fd, "f", 1, 2 * PAGE + 10)));
	STEPS("written far behind: load between", runs(p + PAGE, PAGE), runs(p + 2 * PAGE, 12));
	check("size", "%ld", file_size(fd));
	MUST(close(end) == 0);
	end = open(NAME, O_RDWR | O_TRUNC);
	STEPS("opened with O_TRUNC: size, load", text("%ld", file_size(fd)), load(p));
	STEPS("opened with O_TRUNC: written, load", ret(write(end, "g", 1)), load(p));
	MUST(unlink(NAME) == 0);
}

/* Some pages in an order of its own, seen by sums. */
static void scattered(void)
{
	enum { PAGES = 64 };
	int fd = fresh(PAGES, 0);
	byte *p = map(PAGES, RW, MAP_SHARED, fd, 0), page[PAGE];
	unsigned seen = 0, loaded = 0;

	for (unsigned i = 0; i < PAGES; i++) {
		unsigned at = i * 37 % PAGES;

		if (i % 2)
			p[at * PAGE + i] = (byte)(i + 1);
		else
			MUST(pwrite(fd, &(byte){(byte)(i + 1)}, 1, at * PAGE + i) == 1);
	}
	for (unsigned at = 0; at < PAGES; at++) {
		MUST(pread(fd, page, PAGE, at * PAGE) == (ssize_t)PAGE);
		for (unsigned i = 0; i < PAGE; i++) {
			seen = seen * 31 + page[i];
			loaded = loaded * 31 + p[at * PAGE + i];
		}
	}
	check("scattered: sum of what was read", "%08x", seen);
	check("scattered: sum of what was loaded", "%08x", loaded);
}

int main(void)
{
	catch_faults();
	mapping_and_calls();
	before_any_touch();
	two_mappings();
	descriptors();
	without_a_name();
	growing();
	scattered();
	return done();
}
