// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Hard links and symbolic links: counts, targets, what follows them and what does not. */

#include "files.h"

static void hard(void)
{
	struct stat st;
	int fd;

	enter("hard");
	put("one", "content");
	check("one name", "%s", links_of("one"));
	STEPS("two", ret(link("one", "two")), links_of("one"), links_of("two"), same_file("one", "two"));
	STEPS("two: written by one", ret(truncate("two", 3)), content("one"));
	STEPS("two: mode", ret(chmod("two", 0600)), mode_at("one"));
	STEPS("in a folder", ret(mkdir("dir", 0755)), ret(link("two", "dir/three")), links_of("one"));
	STEPS("the first goes", ret(unlink("one")), content("two"), links_of("two"));
	STEPS("moved", ret(rename("two", "four")), links_of("dir/three"));
	STEPS("over another's name", ret(link("four", "dir/three")), links_of("four"));
	fd = open("four", O_RDONLY);
	MUST(fd >= 0 && unlink("four") == 0 && unlink("dir/three") == 0 && fstat(fd, &st) == 0);
	check("no name", "%ld", (long)st.st_nlink);
	must_close(fd);
	put("many-0", "");
	for (int i = 1; i < 100; i++)
		MUST(link("many-0", text("many-%d", i)) == 0);
	check("a hundred", "%s", links_of("many-50"));
	for (int i = 0; i < 100; i++)
		MUST(unlink(text("many-%d", i)) == 0);
	check("none", "%s", listing("."));
	leave();
}

static void hard_errors(void)
{
	enter("hard_errors");
	put("file", "content");
	MUST(mkdir("dir", 0755) == 0 && symlink("file", "to-file") == 0 && symlink("dir", "to-dir") == 0);
	check("to a folder", "%s", ret(link("dir", "new")));
	check("to a folder that is there", "%s", ret(link("dir", "file")));
	check("to dot", "%s", ret(link(".", "new")));
	check("as dot", "%s", ret(link("file", ".")));
	check("as dots", "%s", ret(link("file", "dir/..")));
	check("as what is there", "%s", ret(link("file", "to-dir")));
	check("as itself", "%s", ret(link("file", "file")));
	check("to what is absent", "%s", ret(link("absent", "new")));
	check("to what is absent, as what is there", "%s", ret(link("absent", "file")));
	check("in what is absent", "%s", ret(link("file", "absent/new")));
	check("in a file", "%s", ret(link("file", "file/new")));
	STEPS("of a link", ret(link("to-file", "link-too")), kind("link-too"), target("link-too"), links_of("to-file"),
	      links_of("file"));
	STEPS("of a link to a folder", ret(link("to-dir", "dir-too")), kind("dir-too"));
	STEPS("followed", ret(linkat(AT_FDCWD, "to-file", AT_FDCWD, "followed", AT_SYMLINK_FOLLOW)), kind("followed"),
	      links_of("file"));
	check("followed to a folder", "%s", ret(linkat(AT_FDCWD, "to-dir", AT_FDCWD, "new", AT_SYMLINK_FOLLOW)));
	check("unknown flag", "%s", ret(linkat(AT_FDCWD, "file", AT_FDCWD, "new", AT_SYMLINK_NOFOLLOW)));
	check("another unknown flag", "%s", ret(linkat(AT_FDCWD, "file", AT_FDCWD, "new", 1 << 20)));
	check("of a pipe's name", "%s", ret(link("/dev/null/x", "new")));
	STEPS("all hard", listing("."), links_of("file"));
	leave();
}

static const char *size_of_link(const char *path)
{
	struct stat st;

	return lstat(path, &st) ? error_name(errno) : text("%ld", (long)st.st_size);
}

static void symbolic(void)
{
	static const char *const targets[] = {
	    "file", "dir", "absent", "../symbolic/file", "./dir/../file", "dir/", "file/",
	    ".",    "..",  "/",	     "dir//inner",	 "\xc3\xa4 b"};

	enter("symbolic");
	put("file", "content");
	MUST(mkdir("dir", 0755) == 0);
	put("dir/inner", "inner");
	for (unsigned i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		MUST(symlink(targets[i], "to") == 0);
		STEPS(text("to %s", targets[i]), target("to"), size_of_link("to"), kind("to"), mode_at("to"),
		      opened(open("to", O_RDONLY)), opened(open("to", O_WRONLY)),
		      opened(open("to", O_RDONLY | O_DIRECTORY)));
		STEPS(text("to %s: names", targets[i]), opened(open("to", O_RDONLY | O_NOFOLLOW)), content("to/inner"),
		      ret(rmdir("to")), ret(mkdir("to", 0755)), ret(symlink("x", "to")), ret(unlink("to")));
	}
	STEPS("all symbolic", listing("."), listing("dir"));
	leave();
}

/* Where targets of different lengths are kept is the file system's; what they are is not. */
static void lengths(void)
{
	static const size_t sizes[] = {1, 2, 58, 59, 60, 61, 62, 100, 255, 256, 500, 900, 1000};
	char found[PATH_LIMIT];

	enter("lengths");
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		const char *name = long_name(sizes[i]);
		ssize_t got;

		MUST(symlink(name, "to") == 0);
		got = readlink("to", found, sizeof(found));
		STEPS(text("target of %zu", sizes[i]), ret(got), size_of_link("to"),
		      got > 0 && !memcmp(found, name, (size_t)got) ? "same" : "other", opened(open("to", O_RDONLY)));
		MUST(unlink("to") == 0);
	}
	check("target of nothing", "%s", ret(symlink("", "to")));
	check("target of nothing, name too", "%s", ret(symlink("", "")));
	check("target of 4096", "%s", ret(symlink(long_path(PATH_LIMIT, "file"), "to")));
	check("none of lengths", "%s", listing("."));
	leave();
}

static void truncated(void)
{
	char found[20];

	enter("truncated");
	MUST(symlink("0123456789", "to") == 0);
	put("file", "content");
	for (size_t n = 1; n <= 12; n += n == 1 ? 7 : 1) {
		memset(found, '#', sizeof(found) - 1);
		found[sizeof(found) - 1] = '\0';
		STEPS(text("readlink of %zu bytes", n), ret(readlink("to", found, n)), found);
	}
	check("readlink of no bytes", "%s", ret(readlink("to", found, 0)));
	check("readlink of no bytes of a file", "%s", ret(readlink("file", found, 0)));
	check("readlink of a file", "%s", ret(readlink("file", found, sizeof(found))));
	check("readlink of a folder", "%s", ret(readlink(".", found, sizeof(found))));
	check("readlink of what is absent", "%s", ret(readlink("absent", found, sizeof(found))));
	leave();
}

/* Calls that change what a link leads to, or the link. */
static void followed(void)
{
	enter("followed");
	put("file", "content");
	MUST(symlink("file", "to") == 0 && symlink("to", "to-to") == 0 && mkdir("dir", 0755) == 0);
	MUST(symlink("dir", "to-dir") == 0);
	STEPS("chmod", ret(chmod("to-to", 0600)), mode_at("file"), mode_at("to"));
	STEPS("truncate", ret(truncate("to-to", 4)), content("file"), size_of_link("to"));
	STEPS("access", ret(access("to-to", R_OK)), ret(faccessat(AT_FDCWD, "to", R_OK, 0)));
	STEPS("stat", same_file("to-to", "file"), same_file("to-dir", "dir"), same_file("to-dir/", "dir"));
	STEPS("create through it", ret(symlink("made", "to-made")), opened(open("to-made", O_CREAT | O_WRONLY, 0644)),
	      kind("made"), kind("to-made"));
	STEPS("create new through it", ret(symlink("made-new", "to-new")),
	      opened(open("to-new", O_CREAT | O_EXCL | O_WRONLY, 0644)), kind("made-new"));
	STEPS("mkdir through it", ret(mkdir("to-new", 0755)), ret(mkdir("to-new/", 0755)), kind("made-new"));
	STEPS("rmdir through it", ret(rmdir("to-dir")), ret(rmdir("to-dir/")), kind("dir"));
	STEPS("rename of it", ret(rename("to", "moved")), kind("moved"), content("to-to"), content("file"));
	STEPS("rename over it", ret(rename("file", "moved")), kind("moved"), content("moved"), kind("file"));
	STEPS("unlink", ret(unlink("to-to")), kind("to-to"), listing("."));
	leave();
}

int main(void)
{
	hard();
	hard_errors();
	symbolic();
	lengths();
	truncated();
	followed();
	return done();
}
