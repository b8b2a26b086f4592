// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* truncate and ftruncate: errors, and what is there afterwards. Sizes near what a file system can hold are no check. */

#include "files.h"

static const char *size_at(const char *path)
{
	struct stat st;

	return stat(path, &st) ? error_name(errno) : text("%ld", (long)st.st_size);
}

static void by_path(void)
{
	enter("by_path");
	put("file", "0123456789");
	MUST(mkdir("dir", 0755) == 0 && symlink("file", "to") == 0);
	STEPS("path: shorter", ret(truncate("file", 4)), content("file"));
	STEPS("path: the same", ret(truncate("file", 4)), content("file"));
	STEPS("path: to nothing", ret(truncate("file", 0)), size_at("file"));
	STEPS("path: longer", ret(truncate("file", 100000)), size_at("file"));
	STEPS("path: through a link", ret(truncate("to", 7)), size_at("file"));
	STEPS("path: negative", ret(truncate("file", -1)), size_at("file"));
	STEPS("path: least", ret(truncate("file", INT64_MIN)), size_at("file"));
	check("path: negative of what is absent", "%s", ret(truncate("absent", -1)));
	check("path: negative of a folder", "%s", ret(truncate("dir", -1)));
	check("path: folder", "%s", ret(truncate("dir", 0)));
	check("path: device", "%s", ret(truncate("/dev/null", 0)));
	MUST(chmod("file", 0444) == 0);
	steps_root("path: what nobody may write", ret(truncate("file", 3)), size_at("file"));
	leave();
}

static void by_descriptor(void)
{
	int fd, reader, writer, dir, ends[2], null;

	enter("by_descriptor");
	put("file", "0123456789");
	fd = open("file", O_RDWR);
	reader = open("file", O_RDONLY);
	writer = open("file", O_WRONLY | O_APPEND);
	dir = open(".", O_RDONLY);
	null = open("/dev/null", O_RDWR);
	MUST(fd >= 0 && reader >= 0 && writer >= 0 && dir >= 0 && null >= 0 && pipe(ends) == 0);
	STEPS("descriptor: position is left", ret(lseek(fd, 8, SEEK_SET)), ret(ftruncate(fd, 5)),
	      ret(lseek(fd, 0, SEEK_CUR)), rest(fd));
	STEPS("descriptor: written behind", ret(write(fd, "x", 1)), file_runs(fd, 0, 20));
	STEPS("descriptor: by an appender", ret(ftruncate(writer, 3)), ret(write(writer, "y", 1)), content("file"));
	check("descriptor: reader", "%s", ret(ftruncate(reader, 0)));
	check("descriptor: reader, negative", "%s", ret(ftruncate(reader, -1)));
	check("descriptor: negative", "%s", ret(ftruncate(fd, -1)));
	check("descriptor: folder", "%s", ret(ftruncate(dir, 0)));
	check("descriptor: pipe to read", "%s", ret(ftruncate(ends[0], 0)));
	check("descriptor: pipe to write", "%s", ret(ftruncate(ends[1], 0)));
	check("descriptor: device", "%s", ret(ftruncate(null, 0)));
	check("descriptor: none", "%s", ret(ftruncate(-1, 0)));
	check("descriptor: none, negative", "%s", ret(ftruncate(99, -1)));
	check("descriptor: what is left", "%s", content("file"));
	must_close(fd);
	must_close(reader);
	must_close(writer);
	must_close(dir);
	must_close(null);
	must_close(ends[0]);
	must_close(ends[1]);
	leave();
}

/* What was cut off does not come back. */
static void cut_and_longer(void)
{
	static const long cuts[] = {0,	  1,	511,  1023,  1024,  1025,  4095, 4096,
				    4097, 8191, 8192, 49151, 49152, 49153, 60000};

	enter("cut");
	for (unsigned i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		int fd = fresh(20, 'a');

		STEPS(text("cut at %ld", cuts[i]), ret(ftruncate(fd, cuts[i])), text("%ld", file_size(fd)),
		      ret(ftruncate(fd, 20 * (off_t)PAGE)), file_runs(fd, cuts[i] > 2 ? cuts[i] - 2 : 0, 5000));
		must_close(fd);
	}
	leave();
}

static void others(void)
{
	int fd = fresh(1, 'o'), dir = open(".", O_RDONLY), ends[2], null = open("/dev/null", O_RDWR);

	MUST(dir >= 0 && null >= 0 && pipe(ends) == 0);
	STEPS("fsync", ret(fsync(fd)), ret(fdatasync(fd)), ret(fsync(dir)), ret(fdatasync(dir)), ret(syncfs(fd)),
	      ret(syncfs(dir)));
	STEPS("fsync of a pipe", ret(fsync(ends[0])), ret(fdatasync(ends[1])));
	STEPS("fsync of none", ret(fsync(-1)), ret(fdatasync(99)), ret(syncfs(-1)));
	must_close(fd);
	must_close(dir);
	must_close(null);
	must_close(ends[0]);
	must_close(ends[1]);
}

int main(void)
{
	by_path();
	by_descriptor();
	cut_and_longer();
	others();
	return done();
}
