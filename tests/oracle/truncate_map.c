// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Truncation takes pages from every mapping at once, and extension brings them back as zeros. */

#include "oracle.h"

static void all_mappings(void)
{
	int fd = fresh(4, 0x10);
	byte *p = map(4, RW, MAP_SHARED, fd, 0), *q = map(2, PROT_READ, MAP_SHARED, fd, 2);
	byte *private = map(4, RW, MAP_PRIVATE, fd, 0), *locked = map(4, RW, MAP_SHARED | MAP_POPULATE, fd, 0);

	MUST(p[3 * PAGE] == 0x13 && q[PAGE] == 0x13 && private[3 * PAGE] == 0x13 && locked[3 * PAGE] == 0x13);
	check("truncated", "%s", ret(ftruncate(fd, 3 * PAGE)));
	STEPS("truncated: taken from each", load(p + 3 * PAGE), load(q + PAGE), load(private + 3 * PAGE),
	      load(locked + 3 * PAGE));
	STEPS("truncated: the page before in each", load(p + 2 * PAGE), load(q), load(private + 2 * PAGE),
	      load(locked + 2 * PAGE));
	STEPS("truncated: store", store(p + 3 * PAGE, 1), store(private + 3 * PAGE, 1));
	check("truncated: read", "%s", file_runs(fd, 2 * PAGE, 2 * PAGE));
	check("extended", "%s", ret(ftruncate(fd, 4 * PAGE)));
	STEPS("extended: in each", load(p + 3 * PAGE), load(q + PAGE), load(private + 3 * PAGE),
	      load(locked + 3 * PAGE));
	STEPS("extended: store, seen in each", store(p + 3 * PAGE, 'a'), load(q + PAGE), load(private + 3 * PAGE),
	      load(locked + 3 * PAGE));
	check("extended: read", "%s", file_runs(fd, 3 * PAGE, PAGE));
}

static void by_name_and_mode(void)
{
	int fd = open("truncate.data", O_RDWR | O_CREAT | O_TRUNC, 0644), reader, again;
	byte *p;

	MUST(fd >= 0 && ftruncate(fd, 4 * PAGE) == 0);
	p = map(4, RW, MAP_SHARED, fd, 0);
	memset(p, 't', 4 * PAGE);
	check("truncate by name", "%s", ret(truncate("truncate.data", PAGE)));
	STEPS("truncate by name: load", load(p), load(p + PAGE));
	check("truncate by name, longer", "%s", ret(truncate("truncate.data", 3 * PAGE)));
	STEPS("longer: load", runs(p, 3 * PAGE), load(p + 3 * PAGE));
	reader = open("truncate.data", O_RDONLY);
	check("ftruncate of a descriptor to read", "%s", ret(ftruncate(reader, 0)));
	check("ftruncate to less than nothing", "%s", ret(ftruncate(fd, -1)));
	check("ftruncate of no descriptor", "%s", ret(ftruncate(99, 0)));
	check("truncate of no file", "%s", ret(truncate("nothing.data", 0)));
	check("truncate of a directory", "%s", ret(truncate(".", 0)));
	check("after what was refused", "%s", load(p));
	again = open("truncate.data", O_WRONLY | O_TRUNC);
	check("O_TRUNC: load", "%s", load(p));
	STEPS("O_TRUNC: written, load", ret(pwrite(again, "w", 1, PAGE)), runs(p, 2 * PAGE));
	MUST(close(again) == 0 && close(reader) == 0 && close(fd) == 0);
	STEPS("closed, truncated by name", ret(truncate("truncate.data", 0)), load(p));
	STEPS("unlinked", ret(unlink("truncate.data")), load(p));
}

/* Many sizes in turn: what each page shows afterwards. */
static void up_and_down(void)
{
	static const size_t sizes[] = {8 * PAGE, 3 * PAGE + 7, 5 * PAGE, 5 * PAGE - 1, 8 * PAGE, PAGE, 0,
				       1,	 PAGE + 1,     8 * PAGE};
	int fd = fresh(0, 0);
	byte *p = map(8, RW, MAP_SHARED, fd, 0);

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		char line[200] = "";

		MUST(ftruncate(fd, (off_t)sizes[i]) == 0);
		for (size_t page = 0; page < 8; page++)
			strcat(strcat(line, page ? " " : ""),
			       load(p + page * PAGE)[0] == 'S' ? "-" : load(p + page * PAGE));
		check(text("step %zu, %zu bytes", i, sizes[i]), "%s", line);
		memset(p, (int)(i + 1), sizes[i]);
		check(text("step %zu: read", i), "%s", file_runs(fd, 0, 9 * PAGE));
	}
}

/* What was stored before a truncation is gone for good, dirty or written. */
static void nothing_comes_back(void)
{
	int fd = fresh(2, 0);
	byte *p = map(2, RW, MAP_SHARED, fd, 0);

	memset(p, 'd', 2 * PAGE);
	MUST(ftruncate(fd, PAGE / 2) == 0 && fsync(fd) == 0 && ftruncate(fd, 2 * PAGE) == 0);
	check("dirty, truncated: load", "%s", runs(p, 2 * PAGE));
	memset(p, 'w', 2 * PAGE);
	MUST(fsync(fd) == 0 && ftruncate(fd, PAGE / 2) == 0 && ftruncate(fd, 2 * PAGE) == 0);
	check("written, truncated: load", "%s", runs(p, 2 * PAGE));
	MUST(msync(p, 2 * PAGE, MS_SYNC) == 0);
	check("written, truncated: read", "%s", file_runs(fd, 0, 2 * PAGE));
}

static void stays_truncated_for_calls(void)
{
	int fd = fresh(4, 0x40), sink = fresh(0, 0);
	byte *p = map(4, RW, MAP_SHARED, fd, 0);

	MUST(p[3 * PAGE] == 0x43 && ftruncate(fd, PAGE) == 0);
	check("calls: write from a page that was taken", "%s", ret(pwrite(sink, p + 2 * PAGE, 10, 0)));
	check("calls: read into it", "%s", ret(pread(fd, p + 2 * PAGE, 10, 0)));
	check("calls: write from the border", "%s", ret(pwrite(sink, p, 2 * PAGE, 0)));
	check("calls: what was written", "%s", file_runs(sink, 0, 3 * PAGE));
	check("calls: msync of pages that were taken", "%s", ret(msync(p, 4 * PAGE, MS_SYNC)));
	check("calls: munmap of them", "%s", ret(munmap(p + 2 * PAGE, 2 * PAGE)));
	MUST(ftruncate(fd, 4 * PAGE) == 0);
	STEPS("calls: extended, and what is mapped still", load(p + PAGE), load(p + 2 * PAGE));
}

int main(void)
{
	catch_faults();
	all_mappings();
	by_name_and_mode();
	up_and_down();
	nothing_comes_back();
	stays_truncated_for_calls();
	return done();
}
