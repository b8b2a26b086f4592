// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* unlink, rmdir: files that live on without a name, folders that are not empty, folders that somebody is in. */

#include "files.h"

static const char *links(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? error_name(errno) : text("%ld", (long)st.st_nlink);
}

static void lives_on(void)
{
	int fd, twin;
	byte *p;

	enter("lives_on");
	put("file", "content");
	fd = open("file", O_RDWR);
	MUST(fd >= 0);
	STEPS("removed", ret(unlink("file")), kind("file"), listing("."));
	STEPS("removed: links, size", links(fd), text("%ld", file_size(fd)));
	STEPS("removed: read and written", rest(fd), ret(write(fd, " more", 5)), whole(fd));
	STEPS("removed: again", ret(unlink("file")));
	put("file", "another");
	STEPS("a new file of the name", content("file"), whole(fd), links(fd));
	STEPS("cut", ret(ftruncate(fd, 3)), whole(fd), text("%ld", file_size(fd)));
	STEPS("made longer", ret(ftruncate(fd, 2 * (off_t)PAGE)), ret(pwrite(fd, "end", 3, 2 * (off_t)PAGE - 3)),
	      file_runs(fd, 0, 2 * PAGE));
	p = map(2, RW, MAP_SHARED, fd, 0);
	STEPS("mapped", load(p), load(p + PAGE), store(p + 1, 'X'), file_runs(fd, 0, 3));
	twin = dup(fd);
	must_close(fd);
	STEPS("by another descriptor", file_runs(twin, 0, 3), ret(fsync(twin)), ret(fchmod(twin, 0600)), links(twin));
	must_close(twin);
	STEPS("by the mapping alone", load(p + 1), store(p + PAGE, 'Y'), load(p + PAGE),
	      ret(msync(p, 2 * PAGE, MS_SYNC)));
	unmap(p, 2);
	check("the new one", "%s", content("file"));
	leave();
}

static void one_of_two(void)
{
	int fd;

	enter("one_of_two");
	put("one", "content");
	MUST(link("one", "two") == 0);
	fd = open("one", O_RDWR);
	STEPS("one name goes", ret(unlink("one")), links(fd), ret(pwrite(fd, "C", 1, 0)), content("two"));
	STEPS("the other too", ret(unlink("two")), links(fd), whole(fd));
	must_close(fd);
	STEPS("link to no name by path", ret(link("one", "three")), listing("."));
	leave();
}

static void wrong(void)
{
	enter("wrong");
	put("file", "content");
	MUST(mkdir("dir", 0755) == 0 && mkdir("full", 0755) == 0 && symlink("dir", "to-dir") == 0);
	put("full/inner", "inner");
	check("unlink of a folder", "%s", ret(unlink("dir")));
	check("unlink of a folder that is full", "%s", ret(unlink("full")));
	check("unlink of dot", "%s", ret(unlink(".")));
	check("unlink of dots", "%s", ret(unlink("..")));
	check("unlink of a folder's dot", "%s", ret(unlink("dir/.")));
	check("rmdir of a file", "%s", ret(rmdir("file")));
	check("rmdir of a link to a folder", "%s", ret(rmdir("to-dir")));
	check("rmdir of a link to a folder, slash", "%s", ret(rmdir("to-dir/")));
	check("rmdir of what is full", "%s", ret(rmdir("full")));
	check("rmdir of dot", "%s", ret(rmdir(".")));
	check("rmdir of dots", "%s", ret(rmdir("..")));
	check("rmdir of a folder's dot", "%s", ret(rmdir("dir/.")));
	check("rmdir of a folder's dots", "%s", ret(rmdir("dir/..")));
	check("rmdir of a full folder's dot", "%s", ret(rmdir("full/.")));
	check("unlinkat of a folder", "%s", ret(unlinkat(AT_FDCWD, "dir", 0)));
	check("unlinkat of a file as a folder", "%s", ret(unlinkat(AT_FDCWD, "file", AT_REMOVEDIR)));
	check("unlinkat with an unknown flag", "%s", ret(unlinkat(AT_FDCWD, "file", 1 << 20)));
	check("remove of a folder that is full", "%s", ret(remove("full")));
	check("all is there", "%s", listing("."));
	STEPS("remove", ret(remove("dir")), ret(remove("file")), ret(remove("to-dir")), ret(remove("absent")));
	check("what is left", "%s", listing("."));
	leave();
}

/* Only the last entry makes a folder empty. */
static void emptied(void)
{
	enter("emptied");
	MUST(mkdir("dir", 0755) == 0);
	for (int i = 0; i < 200; i++)
		put(text("dir/a file with a name that is long enough to fill blocks %d", i), "");
	for (int i = 0; i < 199; i++)
		MUST(unlink(text("dir/a file with a name that is long enough to fill blocks %d", i)) == 0);
	check("one is left", "%s", ret(rmdir("dir")));
	MUST(rename("dir/a file with a name that is long enough to fill blocks 199", "dir/.x") == 0);
	check("a hidden one is left", "%s", ret(rmdir("dir")));
	MUST(unlink("dir/.x") == 0 && symlink("nowhere", "dir/link") == 0);
	check("a link is left", "%s", ret(rmdir("dir")));
	MUST(unlink("dir/link") == 0 && mkdir("dir/sub", 0755) == 0);
	check("a folder is left", "%s", ret(rmdir("dir")));
	MUST(rmdir("dir/sub") == 0);
	check("none is left", "%s", ret(rmdir("dir")));
	check("and again", "%s", ret(rmdir("dir")));
	leave();
}

/* A folder that is removed while somebody is in it. The one above is known by its descriptor. */
static void removed_folder(void)
{
	struct stat st, other;
	int dir, up;
	DIR *stream;

	enter("removed_folder");
	put("file", "content");
	up = open(".", O_RDONLY | O_DIRECTORY);
	MUST(mkdir("gone", 0755) == 0 && chdir("gone") == 0);
	dir = open(".", O_RDONLY | O_DIRECTORY);
	stream = opendir(".");
	MUST(up >= 0 && dir >= 0 && stream);
	check("rmdir of where one is", "%s", ret(rmdir("../gone")));
	STEPS("stat", ret(stat(".", &st)), kind_of(st.st_mode), text("%ld", (long)st.st_nlink));
	STEPS("fstat", ret(fstat(dir, &st)), text("%ld", (long)st.st_nlink));
	check("create", "%s", opened(open("x", O_WRONLY | O_CREAT, 0644)));
	check("mkdir", "%s", ret(mkdir("x", 0755)));
	check("symlink", "%s", ret(symlink("y", "x")));
	check("link", "%s", ret(linkat(up, "file", AT_FDCWD, "x", 0)));
	check("rename into it", "%s", ret(renameat(up, "file", AT_FDCWD, "x")));
	check("open of dot", "%s", opened(open(".", O_RDONLY)));
	check("open of what is absent", "%s", opened(open("x", O_RDONLY)));
	check("unlink", "%s", ret(unlink("x")));
	check("rmdir of dot in it", "%s", ret(rmdir(".")));
	check("listing", "%s", listing("."));
	check("stream that was open", "%s", readdir(stream) ? "an entry" : "none");
	check("createat", "%s", opened(openat(dir, "x", O_WRONLY | O_CREAT, 0644)));
	check("mkdirat", "%s", ret(mkdirat(dir, "x", 0755)));
	check("getcwd", "%s", getcwd((char[PATH_LIMIT]){0}, PATH_LIMIT) ? "a path" : error_name(errno));
	check("dots", "%s", content("../file"));
	check("dots: stat", "%s", ret(stat("..", &st)));
	check("chdir of dot", "%s", ret(chdir(".")));
	check("fchdir", "%s", ret(fchdir(dir)));
	MUST(mkdirat(up, "gone", 0755) == 0 && fstatat(up, "gone", &other, 0) == 0 && stat(".", &st) == 0);
	STEPS("a new one of the name", st.st_ino == other.st_ino ? "the same" : "another", listing("."));
	MUST(closedir(stream) == 0);
	must_close(dir);
	STEPS("out of it", ret(fchdir(up)), listing("."));
	must_close(up);
	leave();
}

int main(void)
{
	catch_faults();
	lives_on();
	one_of_two();
	wrong();
	emptied();
	removed_folder();
	return done();
}
