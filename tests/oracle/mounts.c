// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * mount and umount2, shown with tmpfs: what is under a mount, what cannot cross it, what is busy, what a read-only one
 * refuses. On Linux only who may mount sees this.
 */

#include <sys/file.h>
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

/* Nothing is in it, and nothing can be made in it; so what changes is its root. */
static void read_only(void)
{
	struct statvfs st;
	int fd = -1;

	enter("read_only");
	put("file", "content");
	MUST(mkdir("dir", 0755) == 0);
	must_mount("dir", MS_RDONLY);
	MUST(!possible || ((fd = open("dir", O_RDONLY)) >= 0 && statvfs("dir", &st) == 0));
	MOUNTS("read-only: statvfs", st.f_flag & ST_RDONLY ? "says so" : "does not say so");
	MOUNTS("read-only: created", opened(open("dir/new", O_RDWR | O_CREAT, 0644)),
	       opened(open("dir/new", O_RDONLY | O_CREAT | O_EXCL, 0644)),
	       opened(open("dir/new/", O_RDWR | O_CREAT, 0644)), opened(open("dir/absent/new", O_RDWR | O_CREAT, 0644)),
	       opened(openat(fd, "new", O_WRONLY | O_CREAT, 0644)));
	MOUNTS("read-only: opened", opened(open("dir", O_RDONLY)), opened(open("dir", O_WRONLY)),
	       opened(open("dir", O_RDONLY | O_CREAT, 0644)), opened(open("dir/absent", O_WRONLY)));
	MOUNTS("read-only: mkdir", ret(mkdir("dir/new", 0755)), ret(mkdir("dir/.", 0755)),
	       ret(mkdir("dir/absent/new", 0755)));
	MOUNTS("read-only: removed", ret(unlink("dir/absent")), ret(rmdir("dir/absent")), ret(rmdir("dir/.")),
	       ret(unlink("dir/.")));
	MOUNTS("read-only: renamed", ret(rename("dir/absent", "dir/new")), ret(rename("dir/.", "dir/new")),
	       ret(rename("file", "dir/new")), ret(rename("dir/absent", "new")));
	MOUNTS("read-only: linked", ret(link("file", "dir/new")), ret(link("dir/absent", "dir/new")),
	       ret(symlink("x", "dir/new")), ret(symlink("x", "dir/.")));
	MOUNTS("read-only: changed", ret(chmod("dir", 0700)), ret(fchmod(fd, 0700)),
	       ret(utimensat(AT_FDCWD, "dir", NULL, 0)), ret(futimens(fd, NULL)), ret(chmod("dir/absent", 0700)),
	       ret(truncate("dir", 0)), ret(truncate("dir/absent", 0)));
	MOUNTS("read-only: access", ret(access("dir", R_OK | X_OK)), ret(access("dir", W_OK)),
	       ret(access("dir/absent", W_OK)));
	MOUNTS("read-only: read", listing("dir"), mode_at("dir/absent"), ret(fsync(fd)), ret(flock(fd, LOCK_EX)));
	if (possible)
		must_close(fd);
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
