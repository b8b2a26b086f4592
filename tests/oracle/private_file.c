// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Private mappings of files: what a page shows before and after its copy was made, and that the file never has it.
 * POSIX leaves open whether writes to the file show before the copy; on Linux and cairn they do.
 */

#include "oracle.h"

static void before_and_after(void)
{
	int fd = fresh(4, 0x10);
	byte *p = map(4, RW, MAP_PRIVATE, fd, 0), *shared = map(4, RW, MAP_SHARED, fd, 0);

	check("load", "%s", load(p));
	check("before: written", "%s", ret(pwrite(fd, "a", 1, 0)));
	check("before: load", "%s", load(p));
	STEPS("before: stored by the shared one, load", store(shared + 1, 'b'), load(p + 1));
	check("the copy is made", "%s", store(p + 2, 'P'));
	STEPS("copy: what it began with", load(p), load(p + 1), load(p + 2), load(p + 3));
	check("copy: the file", "%s", file_runs(fd, 0, 4));
	check("copy: the shared mapping", "%s", runs(shared, 4));
	check("after: written", "%s", ret(pwrite(fd, "cccc", 4, 0)));
	check("after: load", "%s", runs(p, 4));
	STEPS("after: stored by the shared one, load", store(shared + 3, 'd'), load(p + 3));
	STEPS("after: the next page is the file's still", ret(pwrite(fd, "e", 1, PAGE)), load(p + PAGE));
	check("a copy made by a store without a load", "%s", store(p + 2 * PAGE, 'Q'));
	check("without a load: what it began with", "%s", runs(p + 2 * PAGE, PAGE));
	check("without a load: the file", "%s", file_runs(fd, 2 * PAGE, PAGE));
	check("msync", "%s", ret(msync(p, 4 * PAGE, MS_SYNC)));
	check("msync: the file", "%s", file_runs(fd, 2 * PAGE, 2));
	unmap(p, 4);
	check("unmapped: the file", "%s", file_runs(fd, 0, PAGE));
	p = map(1, PROT_READ, MAP_PRIVATE, fd, 0);
	check("mapped again", "%s", runs(p, PAGE));
}

static void two_private(void)
{
	int fd = fresh(2, 0x20);
	byte *p = map(2, RW, MAP_PRIVATE, fd, 0), *q = map(2, RW, MAP_PRIVATE, fd, 0);

	MUST(store(p, 'a')[0] == 's' && store(q + 1, 'b')[0] == 's');
	check("two: the first", "%s", runs(p, 3));
	check("two: the second", "%s", runs(q, 3));
	check("two: the file", "%s", file_runs(fd, 0, 3));
	memcpy(q + PAGE, p, PAGE);
	check("two: copied from one to the other", "%s", runs(q + PAGE, 3));
	check("two: the first after that", "%s", runs(p + PAGE, 3));
}

static void rights(void)
{
	int fd = fresh(3, 0x30), reader;
	byte *p = map(3, PROT_READ, MAP_PRIVATE, fd, 0);

	check("to read only: store", "%s", store(p, 1));
	MUST(mprotect(p, 3 * PAGE, RW) == 0);
	check("made writable: store", "%s", store(p, 'a'));
	MUST(mprotect(p, 3 * PAGE, PROT_READ) == 0);
	STEPS("made read-only again: store, load", store(p + 1, 1), load(p));
	STEPS("made read-only again: written to the file, load", ret(pwrite(fd, "bb", 2, 0)), load(p), load(p + 1));
	STEPS("not copied, written to the file, load", ret(pwrite(fd, "b", 1, PAGE)), load(p + PAGE));
	MUST(mprotect(p, 3 * PAGE, PROT_NONE) == 0);
	check("no access", "%s", load(p));
	check("no access: written to the file", "%s", ret(pwrite(fd, "c", 1, 2 * PAGE)));
	MUST(mprotect(p, 3 * PAGE, RW) == 0);
	STEPS("access again: the copy and the file's", load(p), load(p + 2 * PAGE));
	reader = open("private.data", O_RDONLY | O_CREAT | O_TRUNC, 0644);
	MUST(reader >= 0 && truncate("private.data", PAGE) == 0 && unlink("private.data") == 0);
	p = map(1, RW, MAP_PRIVATE, reader, 0);
	check("of a file opened to read: store", "%s", store(p, 'd'));
	check("of a file opened to read: the file", "%s", file_runs(reader, 0, 2));
	MUST(close(reader) == 0 && close(fd) == 0);
	STEPS("closed: load and store", load(p), store(p, 'e'));
}

static void with_truncate(void)
{
	int fd = fresh(4, 0x40);
	byte *p = map(4, RW, MAP_PRIVATE, fd, 0);

	for (size_t i = 0; i < 4; i++)
		MUST(store(p + i * PAGE, 'C')[0] == 's');
	MUST(ftruncate(fd, PAGE + 100) == 0);
	check("truncated: copy before the end", "%s", runs(p, 3));
	check("truncated: copy of the page of the end", "%s", runs(p + PAGE, PAGE));
	STEPS("truncated: copies beyond: load", load(p + 2 * PAGE), load(p + 3 * PAGE));
	check("truncated: copies beyond: store", "%s", store(p + 2 * PAGE, 1));
	MUST(ftruncate(fd, 4 * PAGE) == 0);
	check("extended: copy before the old end", "%s", runs(p, 3));
	check("extended: copy of the page of the old end", "%s", runs(p + PAGE, PAGE));
	check("extended: copies beyond are gone", "%s", runs(p + 2 * PAGE, 2 * PAGE));
	check("extended: stored again", "%s", store(p + 3 * PAGE, 'D'));
	check("extended: the file", "%s", file_runs(fd, PAGE, 4 * PAGE));
	MUST(ftruncate(fd, 0) == 0);
	STEPS("truncated to nothing", load(p), load(p + 3 * PAGE));
}

static void beyond(void)
{
	int fd = fresh(1, 0x50);
	byte *p = map(3, RW, MAP_PRIVATE, fd, 0);

	STEPS("beyond the end: load, store", load(p + PAGE), store(p + PAGE, 1));
	MUST(ftruncate(fd, PAGE + 10) == 0);
	check("extended into it: load", "%s", runs(p + PAGE, PAGE));
	STEPS("extended into it: store within and behind the end", store(p + PAGE, 'a'), store(p + PAGE + 2000, 'b'));
	check("extended into it: the copy", "%s", runs(p + PAGE, PAGE));
	check("extended into it: the file", "%s", file_runs(fd, PAGE, PAGE));
	MUST(ftruncate(fd, 2 * PAGE) == 0);
	check("extended further: the copy", "%s", runs(p + PAGE, PAGE));
	check("extended further: the file", "%s", file_runs(fd, PAGE, PAGE));
	check("page behind that", "%s", load(p + 2 * PAGE));
}

static void advised(void)
{
	int fd = fresh(3, 0x60);
	byte *p = map(3, RW, MAP_PRIVATE, fd, 0);

	MUST(store(p, 'a')[0] == 's' && store(p + PAGE, 'b')[0] == 's' && pwrite(fd, "ff", 2, 0) == 2);
	check("DONTNEED of a copy", "%s", ret(madvise(p, PAGE, MADV_DONTNEED)));
	check("DONTNEED: the file's page shows", "%s", runs(p, 4));
	check("DONTNEED: the next copy", "%s", runs(p + PAGE, 4));
	STEPS("DONTNEED: stored again, the file", store(p, 'c'), file_runs(fd, 0, 4));
	STEPS("DONTNEED of what was not copied", ret(madvise(p + 2 * PAGE, PAGE, MADV_DONTNEED)), load(p + 2 * PAGE));
}

static void calls_on_copies(void)
{
	int fd = fresh(3, 0x70), other = fresh(1, 0x7f);
	byte *p = map(3, RW, MAP_PRIVATE, fd, 0);

	check("read into a private page", "%s", ret(pread(other, p, 10, 0)));
	STEPS("read into it: load, the file", runs(p, 20), file_runs(fd, 0, 20));
	check("read of the file itself into its private page", "%s", ret(pread(fd, p + PAGE, 10, 2 * PAGE)));
	STEPS("read of itself: load, the file", runs(p + PAGE, 20), file_runs(fd, PAGE, 20));
	check("a copy written to the file's page", "%s", ret(pwrite(fd, p, 12, 0)));
	check("written: the file", "%s", file_runs(fd, 0, 20));
	check("a page that was not copied written to another", "%s", ret(pwrite(fd, p + 2 * PAGE, 12, PAGE)));
	STEPS("written to another: the file, the copy", file_runs(fd, PAGE, 20), runs(p + PAGE, 20));
	check("read into a private page of a hole", "%s",
	      ret(pread(fd, map(1, RW, MAP_PRIVATE, fresh(1, 0), 0), 10, 0)));
}

int main(void)
{
	catch_faults();
	before_and_after();
	two_private();
	rights();
	with_truncate();
	beyond();
	advised();
	calls_on_copies();
	return done();
}
