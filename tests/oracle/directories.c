// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Directory streams. The order of entries is the file system's, and so is what telldir says, so names are sorted, and a
 * place is only gone back to. What is made or removed while a stream is read may be seen or not; what stays is seen
 * once.
 */

#include "files.h"

#define MANY 500

static DIR *open_here(void)
{
	DIR *dir = opendir(".");

	MUST(dir);
	return dir;
}

static const char *type_name(unsigned char type)
{
	return type == DT_REG	 ? "file"
	       : type == DT_DIR	 ? "folder"
	       : type == DT_LNK	 ? "link"
	       : type == DT_CHR	 ? "device"
	       : type == DT_FIFO ? "pipe"
				 : "other";
}

static unsigned count_rest(DIR *dir)
{
	unsigned count = 0;

	while (readdir(dir))
		count++;
	return count;
}

static void kinds(void)
{
	static const char *const names[] = {".", "..", "file", "dir", "to", ".hidden"};
	DIR *dir;
	struct dirent *entry;
	struct stat st;

	enter("kinds");
	put("file", "");
	put(".hidden", "");
	put(long_name(NAME_LIMIT), "");
	MUST(mkdir("dir", 0755) == 0 && symlink("file", "to") == 0);
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		unsigned seen = 0;

		dir = open_here();
		while ((entry = readdir(dir))) {
			if (strcmp(entry->d_name, names[i]))
				continue;
			MUST(lstat(names[i], &st) == 0);
			check(text("entry %s: type", names[i]), "%s", type_name(entry->d_type));
			check(text("entry %s: number", names[i]), "%s",
			      entry->d_ino == st.st_ino ? "stat's" : "another");
			seen++;
		}
		check(text("entry %s: times", names[i]), "%u", seen);
		MUST(closedir(dir) == 0);
	}
	dir = open_here();
	check("entries in all", "%u", count_rest(dir));
	errno = 0;
	STEPS("at the end again", readdir(dir) ? "entry" : "none", error_name(errno));
	rewinddir(dir);
	check("entries after rewinddir", "%u", count_rest(dir));
	MUST(closedir(dir) == 0);
	check("listing of all", "%s", listing("."));
	leave();
}

static void empty(void)
{
	DIR *dir;

	enter("empty");
	dir = open_here();
	check("empty: entries", "%u", count_rest(dir));
	put("new", "");
	rewinddir(dir);
	check("made since, after rewinddir", "%u", count_rest(dir));
	MUST(unlink("new") == 0);
	rewinddir(dir);
	check("removed since, after rewinddir", "%u", count_rest(dir));
	MUST(closedir(dir) == 0);
	leave();
}

static void make_many(void)
{
	for (int i = 0; i < MANY; i++)
		put(text("n%d", i), "");
}

/* How often each was seen; index i of counts is ni's. */
static const char *counted(const unsigned *counts, int from, int step)
{
	unsigned none = 0, once = 0, often = 0;

	for (int i = from; i < MANY; i += step)
		*(counts[i] == 0 ? &none : counts[i] == 1 ? &once : &often) += 1;
	return text("%u never, %u once, %u more often", none, once, often);
}

static void see(struct dirent *entry, unsigned *counts)
{
	if (entry->d_name[0] == 'n')
		counts[atoi(entry->d_name + 1)]++;
}

static void many(void)
{
	unsigned counts[MANY] = {0}, again[MANY] = {0};
	DIR *dir;
	struct dirent *entry;

	enter("many");
	make_many();
	dir = open_here();
	while ((entry = readdir(dir)))
		see(entry, counts);
	check("many", "%s", counted(counts, 0, 1));
	rewinddir(dir);
	while ((entry = readdir(dir)))
		see(entry, again);
	check("many, again", "%s", counted(again, 0, 1));
	MUST(closedir(dir) == 0);
	leave();
}

/* Removes each entry as it is seen, but for each third. */
static void removed_on_the_way(void)
{
	unsigned counts[MANY] = {0};
	DIR *dir;
	struct dirent *entry;

	enter("removed");
	make_many();
	dir = open_here();
	while ((entry = readdir(dir))) {
		see(entry, counts);
		if (entry->d_name[0] == 'n' && atoi(entry->d_name + 1) % 3)
			MUST(unlink(entry->d_name) == 0);
	}
	check("removed as they are seen", "%s", counted(counts, 0, 1));
	rewinddir(dir);
	memset(counts, 0, sizeof(counts));
	while ((entry = readdir(dir)))
		see(entry, counts);
	STEPS("those that were left", counted(counts, 0, 3), counted(counts, 1, 3), counted(counts, 2, 3));
	MUST(closedir(dir) == 0);
	leave();
}

/* Makes and removes others all the time: those that stay are seen once. */
static void changed_on_the_way(void)
{
	unsigned counts[MANY] = {0}, made = 0;
	DIR *dir;
	struct dirent *entry;

	enter("changed");
	make_many();
	dir = open_here();
	while ((entry = readdir(dir))) {
		see(entry, counts);
		if (made < 300) {
			put(text("made-%u", made++), "");
			if (made % 2)
				MUST(unlink(text("made-%u", made - 1)) == 0);
		}
	}
	check("those that stayed", "%s", counted(counts, 0, 1));
	MUST(closedir(dir) == 0);
	leave();
}

static void places(void)
{
	char names[MANY + 2][8];
	long at[MANY + 3];
	unsigned count = 0, wrong = 0;
	DIR *dir;
	struct dirent *entry;

	enter("places");
	make_many();
	dir = open_here();
	for (;;) {
		at[count] = telldir(dir);
		entry = readdir(dir);
		if (!entry)
			break;
		MUST(count < MANY + 2);
		snprintf(names[count++], sizeof(names[0]), "%.7s", entry->d_name);
	}
	check("places: entries", "%u", count);
	for (unsigned i = 0; i < count; i++) {
		unsigned to = i * 137 % count;

		seekdir(dir, at[to]);
		entry = readdir(dir);
		wrong += !entry || strncmp(entry->d_name, names[to], 7) != 0;
	}
	check("places: seekdir to another entry", "%u", wrong);
	seekdir(dir, at[count]);
	check("places: the end", "%s", readdir(dir) ? "entry" : "none");
	seekdir(dir, at[count / 2]);
	check("places: on from the middle", "%u", count_rest(dir));
	seekdir(dir, at[7]);
	check("places: telldir after seekdir", "%s", telldir(dir) == at[7] ? "the same" : "another");
	rewinddir(dir);
	check("places: telldir after rewinddir", "%s", telldir(dir) == at[0] ? "the first" : "another");
	MUST(closedir(dir) == 0);
	dir = open_here();
	seekdir(dir, at[100]);
	entry = readdir(dir);
	check("places: in another stream", "%s",
	      entry && !strncmp(entry->d_name, names[100], 7) ? "the same" : "another");
	MUST(closedir(dir) == 0);
	leave();
}

static void descriptors(void)
{
	int fd, file;
	DIR *dir;
	struct stat st;

	enter("descriptors");
	put("file", "");
	file = open("file", O_RDONLY);
	fd = open(".", O_RDONLY);
	dir = fdopendir(fd);
	MUST(dir && file >= 0);
	STEPS("fdopendir", dirfd(dir) == fd ? "its descriptor" : "another", text("%u", count_rest(dir)));
	STEPS("fdopendir: used otherwise", ret(fstat(dirfd(dir), &st)), kind_of(st.st_mode), ret(fchdir(dirfd(dir))));
	STEPS("closedir closes it", ret(closedir(dir)), ret(fstat(fd, &st)));
	dir = open_here();
	check("opendir: closed on exec", "%s", fcntl(dirfd(dir), F_GETFD) & FD_CLOEXEC ? "yes" : "no");
	check("opendir: read only", "%s", (fcntl(dirfd(dir), F_GETFL) & O_ACCMODE) == O_RDONLY ? "yes" : "no");
	MUST(closedir(dir) == 0);
	errno = 0;
	check("fdopendir of a file", "%s", fdopendir(file) ? "opened" : error_name(errno));
	check("and leaves it open", "%s", ret(fstat(file, &st)));
	check("fdopendir of none", "%s", fdopendir(-1) ? "opened" : error_name(errno));
	must_close(file);
	fd = open(".", O_RDONLY);
	dir = fdopendir(fd);
	MUST(dir);
	check("lseek to the beginning", "%s", ret(lseek(fd, 0, SEEK_SET)));
	check("entries then", "%u", count_rest(dir));
	MUST(closedir(dir) == 0);
	leave();
}

/* Two streams know nothing of each other, two descriptors of one open folder do. */
static void shared(void)
{
	DIR *one, *two;

	enter("shared");
	make_many();
	one = open_here();
	two = open_here();
	for (int i = 0; i < 10; i++)
		MUST(readdir(one));
	check("another stream", "%u", count_rest(two));
	check("the first goes on", "%u", count_rest(one));
	MUST(closedir(two) == 0);
	two = fdopendir(dup(dirfd(one)));
	MUST(two);
	check("of the same position", "%u", count_rest(two));
	rewinddir(one);
	check("set back by the other", "%u", count_rest(two));
	MUST(closedir(one) == 0 && closedir(two) == 0);
	leave();
}

static int without_dots(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void scanned(void)
{
	struct dirent **found;
	int count;

	enter("scanned");
	put("b", "");
	put("a", "");
	put("c10", "");
	MUST(mkdir("d", 0755) == 0);
	count = scandir(".", &found, without_dots, alphasort);
	check("scandir", "%d", count);
	for (int i = 0; i < count; i++) {
		check(text("scandir: %d", i), "%s %s", found[i]->d_name, type_name(found[i]->d_type));
		free(found[i]);
	}
	if (count >= 0)
		free(found);
	check("scandir of what is absent", "%s", ret(scandir("absent", &found, NULL, NULL)));
	check("scandir of a file", "%s", ret(scandir("a", &found, NULL, NULL)));
	leave();
}

int main(void)
{
	kinds();
	empty();
	many();
	removed_on_the_way();
	changed_on_the_way();
	places();
	descriptors();
	shared();
	scanned();
	return done();
}
