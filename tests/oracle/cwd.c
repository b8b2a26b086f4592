// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Where a program is: chdir, fchdir, getcwd; and realpath. Paths are shown from where the program began. */

#include <limits.h>
#include <pthread.h>

#include "files.h"

static char start[PATH_LIMIT / 2];

/* A path behind the start. */
static const char *behind(const char *path)
{
	size_t n = strlen(start);

	if (!path)
		return error_name(errno);
	return strncmp(path, start, n) || (path[n] && path[n] != '/') ? text("elsewhere: %.100s", path)
								      : text("%.100s", path[n] ? path + n : "/");
}

static const char *here(void)
{
	char path[PATH_LIMIT];

	return behind(getcwd(path, sizeof(path)));
}

static void walking(void)
{
	int dir, file;

	MUST(mkdir("a", 0755) == 0 && mkdir("a/b", 0755) == 0 && symlink("a/b", "to-b") == 0);
	put("file", "content");
	dir = open("a/b", O_RDONLY | O_DIRECTORY);
	file = open("file", O_RDONLY);
	MUST(dir >= 0 && file >= 0);
	check("start", "%s", here());
	STEPS("down", ret(chdir("a")), here());
	STEPS("dot", ret(chdir(".")), here());
	STEPS("down again", ret(chdir("./b//")), here());
	STEPS("up", ret(chdir("..")), here());
	STEPS("up and down", ret(chdir("../a/b/../b")), here());
	STEPS("by descriptor", ret(chdir("../..")), ret(fchdir(dir)), here());
	STEPS("by path", ret(chdir(start)), here());
	STEPS("through a link", ret(chdir("to-b")), here(), ret(chdir("..")), here());
	STEPS("the root", ret(chdir("/")), ret(getcwd((char[10]){0}, 2) ? 0 : -1), ret(chdir("..")), ret(chdir(start)));
	STEPS("a file", ret(chdir("file")), ret(fchdir(file)), here());
	STEPS("absent", ret(chdir("absent")), ret(chdir("a/absent")), ret(chdir("")), here());
	STEPS("no descriptor", ret(fchdir(-1)), ret(fchdir(99)), here());
	STEPS("renamed while there", ret(chdir("a/b")), ret(rename("../../a", "../../c")), here());
	STEPS("and itself", ret(rename("../b", "../d")), here(), content("../../file"));
	must_close(dir);
	must_close(file);
	MUST(chdir(start) == 0);
}

static void buffers(void)
{
	char path[PATH_LIMIT], *made;
	size_t n;

	MUST(chdir("c/d") == 0 && getcwd(path, sizeof(path)));
	n = strlen(path) + 1;
	check("buffer: exact", "%s", behind(getcwd(path, n)));
	check("buffer: a byte less", "%s", behind(getcwd(path, n - 1)));
	check("buffer: one byte", "%s", behind(getcwd(path, 1)));
	check("buffer: no byte", "%s", behind(getcwd(path, 0)));
	made = getcwd(NULL, 0);
	check("buffer: made", "%s", behind(made));
	free(made);
	made = getcwd(NULL, PATH_LIMIT);
	check("buffer: made, of a size", "%s", behind(made));
	free(made);
	check("buffer: made, too small", "%s", behind(getcwd(NULL, 2)));
	MUST(chdir(start) == 0);
}

static void deep(void)
{
	char *path = malloc(3 * PATH_LIMIT);
	int depth = 0;

	MUST(path && mkdir("deep", 0755) == 0 && chdir("deep") == 0);
	while (depth < 10)
		enter(text("%.100s", long_name(100))), depth++;
	check("deep: length", "%zu", strlen(getcwd(path, 3 * PATH_LIMIT) ? path : "") - strlen(start));
	STEPS("deep: gone to by path", ret(chdir(start)), ret(chdir(path)));
	while (depth < 45)
		enter(text("%.100s", long_name(100))), depth++;
	check("deeper than a path: getcwd", "%s", ret(getcwd(path, 3 * PATH_LIMIT) ? 0 : -1));
	put("file", "at the bottom");
	check("deeper than a path: a file", "%s", content("file"));
	STEPS("and back", ret(chdir(start)), here());
	free(path);
}

static void removed(void)
{
	char path[PATH_LIMIT];

	MUST(mkdir("gone", 0755) == 0 && chdir("gone") == 0 && rmdir("../gone") == 0);
	STEPS("removed", ret(getcwd(path, sizeof(path)) ? 0 : -1), ret(realpath(".", path) ? 0 : -1),
	      ret(getcwd(path, 1) ? 0 : -1));
	STEPS("removed: out of it", ret(chdir(start)), here());
}

static void *go_elsewhere(void *arg)
{
	MUST(chdir("c") == 0);
	return arg;
}

static void shared(void)
{
	pthread_t thread;

	MUST(pthread_create(&thread, NULL, go_elsewhere, NULL) == 0 && pthread_join(thread, NULL) == 0);
	check("another thread goes", "%s", here());
	MUST(chdir(start) == 0);
}

static const char *real(const char *path)
{
	char found[PATH_MAX];

	return behind(realpath(path, found));
}

static void resolved(void)
{
	static const char *const paths[] = {
	    ".",	  "./",	    "c",	"c/",	    "c//d/",	 "c/d/..",	  "c/./d/../d",
	    "to-c",	  "to-c/d", "to-d",	"to-d/..",  "to-file",	 "file",	  "file/",
	    "file/.",	  "absent", "absent/",	"c/absent", "absent/..", "dangling",	  "loop",
	    "dangling/x", "to-up",  "to-up/..", "",	    "to-to-d",	 "c/d/../../file"};
	char found[PATH_MAX], *made;

	MUST(symlink("c", "to-c") == 0 && symlink("./c/d", "to-d") == 0 && symlink("file", "to-file") == 0);
	MUST(symlink("gone", "dangling") == 0 && symlink("loop", "loop") == 0 && symlink("../..", "c/d/up") == 0);
	MUST(symlink("c/d/up/c", "to-up") == 0 && symlink("to-d", "to-to-d") == 0);
	for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		check(text("real path of \"%s\"", paths[i]), "%s", real(paths[i]));
	for (int i = 0; i < 2; i++) {
		const char *path = i ? "/" : "/..//.";

		check(text("real path of %s", path), "%s", realpath(path, found) ? found : error_name(errno));
	}
	strcpy(found, start);
	check("real path of an absolute one", "%s", real(strcat(found, "/./c/../c/d")));
	check("real path: no path", "%s", ret(realpath(NULL, found) ? 0 : -1));
	made = realpath("c/d/up", NULL);
	check("real path: buffer made", "%s", behind(made));
	free(made);
	check("real path: name too long", "%s", real(long_name(NAME_LIMIT + 1)));
	check("real path: as long as it may be", "%s", real(long_path(PATH_LIMIT - 2, "file")));
	STEPS("real path from below", ret(chdir("c/d")), real("up/file"), real("../../to-c/d/."), ret(chdir(start)));
}

int main(void)
{
	enter("cwd");
	MUST(getcwd(start, sizeof(start)));
	walking();
	buffers();
	deep();
	removed();
	shared();
	resolved();
	return done();
}
