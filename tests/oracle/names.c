// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Names and paths that are right: the longest, the oddest, dots, slashes, the root, and links that lead on to links.
 * What is wrong with paths is name_errors.c's.
 */

#include "files.h"

#define DEPTH 40 // links followed on the way to one file

static char longest[NAME_LIMIT + 1];

static void long_names(void)
{
	enter("long_names");
	strcpy(longest, long_name(NAME_LIMIT));
	put(longest, "longest");
	check("longest: content", "%s", content(longest));
	STEPS("longest: renamed and back", ret(rename(longest, "short")), ret(rename("short", longest)), listing("."));
	STEPS("longest: link", ret(link(longest, "short")), content("short"), ret(unlink("short")));
	STEPS("longest: target", ret(symlink(longest, "to")), content("to"), ret(unlink("to")));
	strcpy(longest, long_name(NAME_LIMIT - 1));
	check("one less is another file", "%s", content(longest));
	longest[NAME_LIMIT - 2] = 'm';
	put(longest, "another");
	STEPS("differs in the last byte", content(longest), content(long_name(NAME_LIMIT)));
	check("folder", "%s", ret(mkdir(long_name(NAME_LIMIT - 3), 0755)));
	for (size_t n = 1; n <= 9; n++)
		put(long_name(n), text("%zu", n));
	for (size_t n = 1; n <= 9; n++)
		check(text("name of %zu", n), "%s", content(long_name(n)));
	leave();
}

static void long_paths(void)
{
	enter("long_paths");
	put("file", "found");
	put("fil", "found too");
	check("path of 4095", "%s", content(long_path(PATH_LIMIT - 1, "fil")));
	check("path of 4094", "%s", content(long_path(PATH_LIMIT - 2, "file")));
	check("path of 4096", "%s", content(long_path(PATH_LIMIT, "file")));
	check("path of 5000", "%s", content(long_path(5000, "file")));
	check("file made by a path of 4095", "%s",
	      opened(open(long_path(PATH_LIMIT - 1, "new"), O_WRONLY | O_CREAT, 0644)));
	check("folder made by a path of 4095", "%s", ret(mkdir(long_path(PATH_LIMIT - 1, "dir"), 0755)));
	STEPS("link of a path of 4095", ret(symlink(long_path(PATH_LIMIT - 1, "fil"), "to")), content("to"));
	check("link of a path of 4096", "%s", ret(symlink(long_path(PATH_LIMIT, "file"), "to-more")));
	check("all of long paths", "%s", listing("."));
	leave();
}

/* A folder whose path from here no call would take. */
static void deep(void)
{
	enter("deep");
	for (int i = 0; i < 20; i++)
		enter(long_name(NAME_LIMIT));
	put("bottom", "deep");
	check("deeper than paths reach", "%s", content("bottom"));
	check("and up again", "%s", content("../n/../bottom"));
	for (int i = 0; i < 20; i++) {
		leave();
		if (i == 10)
			check("half the way", "%s", kind(long_name(NAME_LIMIT)));
	}
	leave();
}

static void odd_bytes(void)
{
	static const char *const names[] = {" ",   "\t", "\n",	 "\\",	 "*",	 "\"",	     "'",	 "-",
					    "~",   "#",	 "a b ", "\x01", "\x7f", "\xff\xfe", "\xc3\xa4", "...",
					    "..a", ".a", "a.",	 "a..",	 "c:",	 "%s",	     "A",	 "a"};
	unsigned right = 0, count = sizeof(names) / sizeof(names[0]);

	enter("odd");
	for (unsigned i = 0; i < count; i++)
		put(names[i], text("%u", i));
	for (unsigned i = 0; i < count; i++)
		right += !strcmp(content(names[i]), text("\"%u\"", i));
	check("odd names: found", "%u of %u", right, count);
	for (unsigned i = 0; i < count; i++)
		right -= unlink(names[i]) == 0;
	STEPS("odd names: removed", text("%u", right), listing("."));
	leave();
}

static void slashes_and_dots(void)
{
	static const char *const same[] = {
	    "dir/file",	      "dir//file",	 "./dir/file",	      "dir/./file",	  "dir/../dir/file",
	    ".//.//dir/file", "dir/sub/../file", "dir/sub/./../file", "../dots/dir/file", "dir/sub/../../dir/file"};
	static const char *const folders[] = {"dir",	"dir/",	      "dir//",	     "dir/.",
					      "dir/./", "dir/sub/..", "dir/sub/../", "./dir/.//"};

	enter("dots");
	MUST(mkdir("dir", 0755) == 0 && mkdir("dir/sub", 0755) == 0);
	put("dir/file", "it");
	for (unsigned i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		check(text("path %s", same[i]), "%s", content(same[i]));
	for (unsigned i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		check(text("path %s", folders[i]), "%s", same_file(folders[i], "dir"));
	check("dots of the folder", "%s", same_file("dir/..", "."));
	leave();
}

static void root(void)
{
	static const char *const names[] = {"//", "///", "/.", "/..", "/../..", "/./../"};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		check(text("root as %s", names[i]), "%s", same_file(names[i], "/"));
	check("root: kind", "%s", kind("/"));
	check("root: mkdir", "%s", ret(mkdir("/", 0755)));
	check("root: rmdir", "%s", ret(rmdir("/")));
	check("root: unlink", "%s", ret(unlink("/")));
	check("root: renamed to", "%s", ret(rename("/dev", "/")));
	check("root: create", "%s", opened(open("/", O_WRONLY | O_CREAT, 0644)));
	check("root: create new", "%s", opened(open("/", O_WRONLY | O_CREAT | O_EXCL, 0644)));
	check("root: write", "%s", opened(open("/", O_WRONLY)));
	check("root: read as a file", "%s", opened(open("/", O_RDONLY)));
	check("root: readlink", "%s", target("/"));
	check("root: symlink in its place", "%s", ret(symlink("file", "/")));
	check("root: truncate", "%s", ret(truncate("/", 0)));
}

/* to-1 is a link to the file, to-2 one to that, and so on. */
static void chains(void)
{
	enter("chains");
	put("to-0", "the end");
	MUST(mkdir("dir", 0755) == 0 && mkdir("folder-0", 0755) == 0);
	put("folder-0/file", "in it");
	for (int i = 1; i <= DEPTH + 1; i++) {
		MUST(symlink(text("to-%d", i - 1), text("to-%d", i)) == 0);
		MUST(symlink(text("folder-%d", i - 1), text("folder-%d", i)) == 0);
	}
	for (int i = DEPTH - 1; i <= DEPTH + 1; i++) {
		check(text("chain of %d", i), "%s", content(text("to-%d", i)));
		check(text("chain of %d: lstat", i), "%s", kind(text("to-%d", i)));
		check(text("chain of %d, not the last", i), "%s",
		      opened(open(text("to-%d", i), O_RDONLY | O_NOFOLLOW)));
		check(text("chain of %d: folders", i), "%s", content(text("folder-%d/file", i)));
		check(text("chain of %d: lstat in folders", i), "%s", kind(text("folder-%d/file", i)));
		check(text("chain of %d: unlink in folders", i), "%s", ret(unlink(text("folder-%d/absent", i))));
		check(text("chain of %d: create", i), "%s", opened(open(text("to-%d", i), O_WRONLY | O_CREAT, 0644)));
	}
	check("two chains, 40 in all", "%s", content("folder-20/../to-20"));
	check("two chains, 41 in all", "%s", content("folder-20/../to-21"));
	MUST(symlink("two", "one") == 0 && symlink("one", "two") == 0);
	check("ring of two", "%s", content("one"));
	check("ring of two: folder", "%s", kind("one/x"));
	leave();
}

/* What a link holds is a path like any other, from where the link is. */
static void link_targets(void)
{
	enter("targets");
	MUST(mkdir("dir", 0755) == 0 && mkdir("dir/sub", 0755) == 0);
	put("file", "outer");
	put("dir/file", "inner");
	MUST(symlink("file", "dir/here") == 0 && symlink("../file", "dir/up") == 0 && symlink(".", "dir/dot") == 0);
	MUST(symlink("..", "dir/sub/up") == 0 && symlink("sub/", "dir/slash") == 0 && symlink("/", "dir/root") == 0);
	MUST(symlink("file/", "dir/not-a-folder") == 0 && symlink("dir", "there") == 0);
	check("target in the link's folder", "%s", content("dir/here"));
	check("target above it", "%s", content("dir/up"));
	check("dot as a target", "%s", content("dir/dot/dot/here"));
	check("dots as a target", "%s", content("dir/sub/up/here"));
	check("dots behind a link", "%s", content("dir/sub/up/../file"));
	check("slash in a target", "%s", kind("dir/slash/up"));
	check("slash in a target: itself", "%s", kind("dir/slash"));
	check("root as a target", "%s", same_file("dir/root", "/"));
	check("slash behind a file's target", "%s", content("dir/not-a-folder"));
	check("dots from where a link leads", "%s", content("there/../file"));
	check("file made where a link leads", "%s", opened(open("there/new", O_WRONLY | O_CREAT, 0644)));
	check("what links led to", "%s", listing("dir"));
	leave();
}

int main(void)
{
	long_names();
	long_paths();
	deep();
	odd_bytes();
	slashes_and_dots();
	root();
	chains();
	link_targets();
	return done();
}
