// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* rename and renameat2: every kind of name onto every other, into oneself, one file under two names, open files. */

#include "files.h"

struct move {
	const char *name;
	unsigned flags;
};

static const struct move moves[] = {
    {"rename", 0},
    {"no replace", RENAME_NOREPLACE},
    {"exchange", RENAME_EXCHANGE},
};

/* The kinds of names; the last is none. */
static const char *const kinds[] = {"file", "empty", "full", "to-file", "to-full", "dangling", "absent"};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static const char *move(const char *from, const char *to, unsigned flags)
{
	return ret(flags ? renameat2(AT_FDCWD, from, AT_FDCWD, to, flags) : rename(from, to));
}

static void make_kinds(const char *folder)
{
	enter(folder);
	put("file", folder);
	MUST(mkdir("empty", 0755) == 0 && mkdir("full", 0755) == 0 && symlink("file", "to-file") == 0);
	put("full/inner", folder);
	MUST(symlink("full", "to-full") == 0 && symlink("gone", "dangling") == 0);
	leave();
}

/* Kind, and what tells one folder's from the other's. */
static const char *what_is(const char *path)
{
	const char *found = kind(path);

	if (!strcmp(found, "file"))
		return content(path);
	if (!strcmp(found, "folder"))
		return listing(path);
	if (!strcmp(found, "link"))
		return text("to %s", target(path));
	return found;
}

static void onto(const struct move *how, const char *from, const char *to)
{
	enter(text("%s-%s-%s", how->name, from, to));
	make_kinds("a");
	make_kinds("b");
	from = text("a/%s", from);
	to = text("b/%s", to);
	STEPS(text("%s: %s to %s", how->name, from, to), move(from, to, how->flags), what_is(from), what_is(to));
	leave();
}

static void all_kinds(void)
{
	for (unsigned how = 0; how < sizeof(moves) / sizeof(moves[0]); how++)
		for (unsigned from = 0; from < KINDS; from++)
			for (unsigned to = 0; to < KINDS; to++)
				onto(&moves[how], kinds[from], kinds[to]);
}

static void flags(void)
{
	enter("flags");
	put("one", "1");
	put("two", "2");
	check("both flags", "%s", move("one", "two", RENAME_NOREPLACE | RENAME_EXCHANGE));
	check("unknown flag", "%s", move("one", "two", 1u << 20));
	check("unknown flag of what is absent", "%s", move("absent", "two", 1u << 20));
	check("no flag", "%s", ret(renameat2(AT_FDCWD, "one", AT_FDCWD, "three", 0)));
	check("all", "%s", listing("."));
	leave();
}

static void into_itself(void)
{
	static const char *const to[] = {"dir",	       "dir/",	     "dir/new",	 "dir/sub/new",
					 "dir/sub/..", "dir/.",	     "dir/sub",	 "dir/sub/.",
					 "dir/file",   "to-dir/new", "absent/x", "dir/absent/x"};

	for (unsigned how = 0; how < sizeof(moves) / sizeof(moves[0]); how++) {
		enter(text("itself-%u", how));
		MUST(mkdir("dir", 0755) == 0 && mkdir("dir/sub", 0755) == 0 && symlink("dir/sub", "to-dir") == 0);
		put("dir/file", "it");
		for (unsigned i = 0; i < sizeof(to) / sizeof(to[0]); i++)
			check(text("%s: dir to %s", moves[how].name, to[i]), "%s",
			      move("dir", to[i], moves[how].flags));
		check(text("%s: sub to its parent", moves[how].name), "%s", move("dir/sub", "dir", moves[how].flags));
		check(text("%s: file to its parent", moves[how].name), "%s", move("dir/file", "dir", moves[how].flags));
		STEPS(text("%s: all is there", moves[how].name), listing("."), listing("dir"));
		leave();
	}
}

/* Two names of one file: nothing happens. */
static void one_file(void)
{
	enter("one_file");
	put("one", "content");
	MUST(link("one", "two") == 0 && mkdir("dir", 0755) == 0 && link("one", "dir/three") == 0);
	STEPS("to itself", move("one", "one", 0), move("dir", "dir", 0), move("dir", "./dir/", 0));
	STEPS("to another name", move("one", "two", 0), listing("."), links_of("one"));
	STEPS("to another name elsewhere", move("one", "dir/three", 0), listing("."), listing("dir"));
	STEPS("no replace: to itself", move("one", "one", RENAME_NOREPLACE), move("one", "two", RENAME_NOREPLACE));
	STEPS("exchange: with itself", move("one", "one", RENAME_EXCHANGE), move("one", "two", RENAME_EXCHANGE),
	      listing("."), links_of("two"));
	leave();
}

static void replaced(void)
{
	int from, to;
	byte *p;

	enter("replaced");
	put("old", "old content");
	put("new", "new content");
	MUST(link("old", "old-too") == 0);
	from = open("new", O_RDWR);
	to = open("old", O_RDWR);
	p = map(1, RW, MAP_SHARED, to, 0);
	MUST(from >= 0 && to >= 0);
	STEPS("over a file", move("new", "old", 0), content("old"), content("old-too"), listing("."));
	STEPS("over a file: links", links_of("old"), links_of("old-too"));
	STEPS("over a file: descriptors", whole(from), whole(to), ret(pwrite(to, "OLD", 3, 0)), content("old-too"));
	STEPS("over a file: the mapping", load(p), store(p, 'M'), content("old-too"));
	MUST(unlink("old-too") == 0);
	STEPS("over a file: without a name", whole(to), load(p), ret(write(to, "x", 1)));
	unmap(p, 1);
	must_close(from);
	must_close(to);
	leave();
}

static const char *parent_of(const char *path)
{
	return same_file(text("%s/..", path), ".");
}

static void folders(void)
{
	int dir, up;

	enter("folders");
	MUST(mkdir("a", 0755) == 0 && mkdir("b", 0755) == 0 && mkdir("a/sub", 0755) == 0 && mkdir("b/sub", 0755) == 0);
	put("a/sub/file", "in a");
	dir = open("a/sub", O_RDONLY | O_DIRECTORY);
	MUST(dir >= 0);
	STEPS("to another parent, over an empty one", move("a/sub", "b/sub", 0), content("b/sub/file"), listing("a"));
	check("parent", "%s", same_file("b/sub/..", "b"));
	STEPS("found by its descriptor", ret(fchdir(dir)), content("file"), same_file("..", "../../b"),
	      ret(chdir("../..")));
	STEPS("up", move("b/sub", "up", 0), parent_of("up"), content("up/file"));
	STEPS("exchanged with one below", move("up", "a", RENAME_EXCHANGE), parent_of("up"), parent_of("a"),
	      content("a/file"), listing("up"));
	STEPS("exchanged: folder and file", ret(mkdir("b/in", 0755)), move("b/in", "a/file", RENAME_EXCHANGE),
	      content("b/in"), listing("a"), same_file("a/file/..", "a"));
	STEPS("exchanged: with what holds it", move("a", "a/file", RENAME_EXCHANGE),
	      move("a/file", "a", RENAME_EXCHANGE));
	must_close(dir);
	MUST(chdir("b") == 0);
	STEPS("where one is", move("../b", "../c", 0), content("in"), listing("../c"), same_file(".", "../c"));
	leave();
	up = open(".", O_RDONLY | O_DIRECTORY);
	MUST(up >= 0 && mkdir("gone", 0755) == 0 && chdir("gone") == 0 && mkdir("../new", 0755) == 0);
	STEPS("over where one is", move("../new", "../gone", 0), listing("."), ret(mkdir("x", 0755)),
	      opened(open("x", O_WRONLY | O_CREAT, 0644)), ret(fchdir(up)));
	must_close(up);
	leave();
}

static void slashes(void)
{
	enter("slashes");
	put("file", "content");
	MUST(mkdir("dir", 0755) == 0 && symlink("dir", "to-dir") == 0 && symlink("file", "to-file") == 0);
	check("file with a slash", "%s", move("file/", "new", 0));
	check("file to a slash", "%s", move("file", "new/", 0));
	check("folder with a slash to one with a slash", "%s", move("dir/", "new/", 0));
	check("and back without", "%s", move("new", "dir", 0));
	check("link to a folder with a slash", "%s", move("to-dir/", "new", 0));
	check("to a link to a folder with a slash", "%s", move("dir", "to-dir/", 0));
	check("link to a file to a slash", "%s", move("to-file", "new/", 0));
	check("no replace: folder to a slash", "%s", move("dir", "new/", RENAME_NOREPLACE));
	check("no replace: to what is there, slash", "%s", move("new", "to-dir/", RENAME_NOREPLACE));
	check("exchange: folder with a slash, file", "%s", move("new/", "file", RENAME_EXCHANGE));
	check("exchange: folder and file with a slash", "%s", move("new", "file/", RENAME_EXCHANGE));
	check("dot", "%s", move(".", "x", 0));
	check("to dot", "%s", move("new", ".", 0));
	check("dots", "%s", move("..", "x", 0));
	check("to dots", "%s", move("new", "..", 0));
	check("no replace: to dot", "%s", move("new", ".", RENAME_NOREPLACE));
	check("exchange: with dot", "%s", move("new", ".", RENAME_EXCHANGE));
	check("folder's dot", "%s", move("file/.", "x", 0));
	check("all of slashes", "%s", listing("."));
	leave();
}

int main(void)
{
	catch_faults();
	all_kinds();
	flags();
	into_itself();
	one_file();
	replaced();
	folders();
	slashes();
	return done();
}
