// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* statvfs: what must hold of its numbers on any file system; pathconf. */

#include <sys/statvfs.h>

#include "files.h"

static const char *yes(bool truth)
{
	return truth ? "yes" : "no";
}

static void numbers(void)
{
	struct statvfs st, again;
	int fd, dir = open(".", O_RDONLY);

	put("file", "content");
	fd = open("file", O_RDWR);
	MUST(fd >= 0 && dir >= 0);
	STEPS("by path", ret(statvfs(".", &st)), ret(statvfs("file", &st)), ret(statvfs("./file", &again)));
	check("longest name", "%lu", st.f_namemax);
	check("block size is a power of two", "%s", yes(st.f_bsize && !(st.f_bsize & (st.f_bsize - 1))));
	check("fragment size", "%s", yes(st.f_frsize && st.f_frsize <= st.f_bsize));
	check("free of all", "%s", yes(st.f_bfree <= st.f_blocks && st.f_bavail <= st.f_bfree));
	check("some are used", "%s", yes(st.f_blocks && st.f_bfree < st.f_blocks));
	check("free inodes of all", "%s", yes(st.f_ffree <= st.f_files && st.f_favail <= st.f_ffree));
	check("read only", "%s", yes(st.f_flag & ST_RDONLY));
	check("the same by another path", "%s",
	      yes(st.f_fsid == again.f_fsid && st.f_blocks == again.f_blocks && st.f_bsize == again.f_bsize));
	STEPS("by descriptor", ret(fstatvfs(fd, &again)),
	      yes(st.f_fsid == again.f_fsid && st.f_blocks == again.f_blocks && st.f_namemax == again.f_namemax));
	STEPS("by a folder's", ret(fstatvfs(dir, &again)), yes(st.f_fsid == again.f_fsid));
	STEPS("errors", ret(statvfs("absent", &st)), ret(statvfs("file/x", &st)), ret(fstatvfs(-1, &st)),
	      ret(fstatvfs(99, &st)));
	must_close(fd);
	must_close(dir);
}

static void limits(void)
{
	int fd = open(".", O_RDONLY);

	MUST(fd >= 0);
	STEPS("pathconf: names", ret(pathconf(".", _PC_NAME_MAX)), ret(fpathconf(fd, _PC_NAME_MAX)));
	STEPS("pathconf: paths", ret(pathconf(".", _PC_PATH_MAX)), ret(fpathconf(fd, _PC_PATH_MAX)));
	STEPS("pathconf: longer names", ret(pathconf(".", _PC_NO_TRUNC)));
	STEPS("pathconf: pipes", ret(pathconf(".", _PC_PIPE_BUF)));
	STEPS("pathconf: unknown", ret(pathconf(".", 9999)), ret(fpathconf(fd, -1)));
	STEPS("pathconf: absent", ret(pathconf("absent", _PC_LINK_MAX)));
	STEPS("sysconf", ret(sysconf(_SC_OPEN_MAX) >= 1024 ? 0 : -1), ret(sysconf(_SC_IOV_MAX)),
	      ret(sysconf(_SC_SYMLOOP_MAX) == -1 || sysconf(_SC_SYMLOOP_MAX) >= 8 ? 0 : -1));
	must_close(fd);
}

int main(void)
{
	enter("statvfs");
	numbers();
	limits();
	return done();
}
