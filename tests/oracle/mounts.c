// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * mount and umount2, shown with tmpfs: what is under a mount, what cannot cross it, what is busy, what a read-only one
 * refuses. On Linux only who may mount sees this.
 */

#include <sys/statvfs.h>

#include "files.h"
#include "own_mounts.h"

static bool possible;

/* A check that needs mounts, of steps. */
#define MOUNTS(name, ...)                                                                                              \
	do {                                                                                                           \
		if (possible)                                                                                          \
			STEPS(name, __VA_ARGS__);                                                                      \
		else                                                                                                   \
			check(name, "SKIP may not mount");                                                             \
	} while (0)

static const char *tmpfs(const char *path, unsigned long flags)
{
	return ret(mount("tmpfs", path, "tmpfs", flags, NULL));
}

static const char *device_of(const char *path, const char *other)
{
	struct stat a, b;

	if (stat(path, &a) || stat(other, &b))
		return error_name(errno);
	return a.st_dev == b.st_dev ? "same device" : "other device";
}

static void must_mount(const char *path, unsigned long flags)
{
	MUST(!possible || mount("tmpfs", path, "tmpfs", flags, NULL) == 0);
}

static void must_unmount(const char *path)
{
	MUST(!possible || umount2(path, 0) == 0);
}

static void covered(void)
{
	enter("covered");
	MUST(mkdir("dir", 0755) == 0);
	put("dir/under", "under");
	MOUNTS("mount", tmpfs("dir", 0), listing("dir"), device_of("dir", "."), device_of("dir/..", "."));
	MOUNTS("in it", opened(open("dir/file", O_RDWR | O_CREAT, 0644)), ret(mkdir("dir/sub", 0755)), listing("dir"));
	MOUNTS("its root", same_file("dir/.", "dir"), same_file("dir/..", "."), same_file("dir/sub/../..", "."));
	MOUNTS("where one is", ret(chdir("dir/sub")), same_file("../..", "../../../covered"), ret(chdir("../..")),
	       kind("dir"));
	MOUNTS("by a link", ret(symlink("dir", "to")), listing("to"), same_file("to/..", "."));
	MOUNTS("over a mount", tmpfs("dir", 0), listing("dir"), ret(umount2("dir", 0)), listing("dir"));
	MOUNTS("unmounted", ret(umount2("dir", 0)), listing("dir"), device_of("dir", "."), content("dir/under"));
	MOUNTS("unmounted: again", ret(umount2("dir", 0)));
	MOUNTS("mounted again: empty", tmpfs("dir", 0), listing("dir"), ret(umount2("dir", 0)));
	leave();
}

static void across(void)
{
	int inner = -1;

	enter("across");
	put("file", "content");
	MUST(mkdir("dir", 0755) == 0 && mkdir("folder", 0755) == 0 && mkdir("other", 0755) == 0);
	must_mount("dir", 0);
	must_mount("other", 0);
	if (possible) {
		put("dir/inner", "inner");
		inner = open("dir", O_RDONLY | O_DIRECTORY);
	}
	MOUNTS("rename into", ret(rename("file", "dir/file")), ret(rename("folder", "dir/folder")),
	       ret(rename("file", "dir/inner")));
	MOUNTS("rename out of", ret(rename("dir/inner", "inner")), ret(rename("dir/inner", "file")));
	MOUNTS("rename between two", ret(rename("dir/inner", "other/inner")));
	MOUNTS("rename of what is absent", ret(rename("absent", "dir/x")), ret(rename("dir/absent", "x")));
	MOUNTS("exchange", ret(renameat2(AT_FDCWD, "file", AT_FDCWD, "dir/inner", RENAME_EXCHANGE)));
	MOUNTS("link into", ret(link("file", "dir/file")), ret(link("file", "dir/inner")));
	MOUNTS("link out of", ret(link("dir/inner", "inner")), ret(linkat(inner, "inner", AT_FDCWD, "x", 0)));
	MOUNTS("symlink into", ret(symlink("../file", "dir/to")), content("dir/to"));
	MOUNTS("found through it", content("dir/../other/../dir/inner"), content("other/../file"));
	MOUNTS("dots of its root by descriptor", opened(openat(inner, "../file", O_RDONLY)));
	MOUNTS("all across", listing("."), listing("dir"));
	if (possible)
		must_close(inner);
	must_unmount("dir");
	must_unmount("other");
	leave();
}

static void busy(void)
{
	int fd = -1;
	byte *p = NULL;

	enter("busy");
	MUST(mkdir("dir", 0755) == 0 && mkdir("x", 0755) == 0);
	must_mount("dir", 0);
	MOUNTS("mount point: removed", ret(rmdir("dir")), ret(unlink("dir")));
	MOUNTS("mount point: renamed", ret(rename("dir", "moved")), ret(rename("x", "dir")));
	MOUNTS("mount point: its folder renamed", ret(rename("../busy", "../busier")), listing("dir"),
	       ret(rename("../busier", "../busy")));
	if (possible)
		MUST((fd = open("dir/file", O_RDWR | O_CREAT, 0644)) >= 0);
	MOUNTS("open file", ret(umount2("dir", 0)), ret(close(fd)), ret(umount2("dir", 0)));
	must_mount("dir", 0);
	MOUNTS("busy: where one is", ret(chdir("dir")), ret(umount2("../dir", 0)), ret(umount2(".", 0)),
	       ret(chdir("..")), ret(umount2("dir", 0)));
	must_mount("dir", 0);
	if (possible) {
		fd = open("dir/file", O_RDWR | O_CREAT, 0644);
		MUST(fd >= 0 && ftruncate(fd, PAGE) == 0);
		p = map(1, RW, MAP_SHARED, fd, 0);
		must_close(fd);
	}
	MOUNTS("mapping", ret(umount2("dir", 0)), store(p, 1), ret(munmap(p, PAGE)), ret(umount2("dir", 0)));
	must_mount("dir", 0);
	MUST(!possible || mkdir("dir/sub", 0755) == 0);
	must_mount("dir/sub", 0);
	MOUNTS("mount in it", ret(umount2("dir", 0)), ret(umount2("dir/sub", 0)), ret(umount2("dir", 0)));
	leave();
}

static void read_only(void)
{
	int fd = -1;

	enter("read_only");
	MUST(mkdir("dir", 0755) == 0);
	must_mount("dir", 0);
	if (possible) {
		put("dir/file", "content");
		MUST(mkdir("dir/sub", 0755) == 0 && symlink("file", "dir/to") == 0);
		MUST(mount("tmpfs", "dir", NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0);
		MUST((fd = open("dir/file", O_RDONLY)) >= 0);
	}
	MOUNTS("read-only: opened", opened(open("dir/file", O_RDONLY)), opened(open("dir/file", O_WRONLY)),
	       opened(open("dir/file", O_RDWR)), opened(open("dir/file", O_RDONLY | O_TRUNC)));
	MOUNTS("read-only: created", opened(open("dir/new", O_RDWR | O_CREAT, 0644)),
	       opened(open("dir/file", O_RDONLY | O_CREAT, 0644)),
	       opened(open("dir/file", O_RDONLY | O_CREAT | O_EXCL, 0644)),
	       opened(open("dir/sub", O_RDONLY | O_CREAT, 0644)));
	MOUNTS("read-only: mkdir", ret(mkdir("dir/new", 0755)), ret(mkdir("dir/sub", 0755)));
	MOUNTS("read-only: removed", ret(unlink("dir/file")), ret(unlink("dir/absent")), ret(rmdir("dir/sub")),
	       ret(rmdir("dir/file")), ret(rmdir("dir/absent")));
	MOUNTS("read-only: renamed", ret(rename("dir/file", "dir/new")), ret(rename("dir/absent", "dir/new")),
	       ret(rename("dir/file", "dir/file")));
	MOUNTS("read-only: linked", ret(link("dir/file", "dir/new")), ret(symlink("x", "dir/new")),
	       ret(symlink("x", "dir/file")));
	MOUNTS("read-only: changed", ret(chmod("dir/file", 0600)), ret(truncate("dir/file", 0)),
	       ret(utimensat(AT_FDCWD, "dir/file", NULL, 0)), ret(fchmod(fd, 0600)), ret(futimens(fd, NULL)));
	MOUNTS("read-only: access", ret(access("dir/file", R_OK)), ret(access("dir/file", W_OK)),
	       ret(access("dir", W_OK)), ret(access("dir/absent", W_OK)));
	MOUNTS("read-only: read", content("dir/file"), target("dir/to"), listing("dir"), ret(fsync(fd)));
	MOUNTS("read-only: absent", opened(open("dir/absent", O_WRONLY)), ret(truncate("dir/absent", 0)),
	       ret(chmod("dir/absent", 0600)));
	if (possible) {
		struct statvfs st;

		MUST(statvfs("dir", &st) == 0);
		check("read-only: statvfs", "%s", st.f_flag & ST_RDONLY ? "says so" : "does not say so");
		must_close(fd);
	} else {
		check("read-only: statvfs", "SKIP may not mount");
	}
	must_unmount("dir");
	leave();
}

static void errors(void)
{
	enter("errors");
	put("file", "content");
	MUST(mkdir("dir", 0755) == 0 && symlink("loop", "loop") == 0);
	MOUNTS("error: absent", tmpfs("absent", 0), tmpfs("", 0), tmpfs("file/x", 0), tmpfs("loop", 0));
	MOUNTS("error: a file", tmpfs("file", 0));
	MOUNTS("error: kind", ret(mount("x", "dir", "no-such-kind", 0, NULL)), ret(mount("x", "dir", "", 0, NULL)));
	MOUNTS("error: kind, absent", ret(mount("x", "absent", "no-such-kind", 0, NULL)));
	MOUNTS("error: unmount", ret(umount2("absent", 0)), ret(umount2("file", 0)), ret(umount2("dir", 0)),
	       ret(umount2("", 0)));
	MOUNTS("error: unmount, flags", ret(umount2("dir", 1 << 20)), ret(umount2("absent", 1 << 20)));
	leave();
}

int main(void)
{
	possible = may_mount();
	catch_faults();
	enter("mounts");
	covered();
	across();
	busy();
	read_only();
	errors();
	return done();
}
