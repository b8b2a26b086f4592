// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The tester on Linux: the calls of fs/fs.h by POSIX ones, on whatever file system a folder is. What the model says is
 * what Linux does, so a difference on cairn is cairn's.
 *
 * Words are those of fsmodel_option, path=FOLDER (which is empty), and size-max=BYTES, time-max=SECONDS, coarse=1 of
 * its file system, if they are to be tried.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/fsmodel/state.h"

static long result(long r)
{
	return r < 0 ? -errno : r;
}

int fs_open(int at, const char *path, int flags, mode_t mode)
{
	return (int)result(openat(at, path, flags, mode));
}

int fs_close(int fd)
{
	return (int)result(close(fd));
}

int fs_dup(int fd)
{
	return (int)result(dup(fd));
}

long fs_read(int fd, void *buf, size_t n)
{
	return result(read(fd, buf, n));
}

long fs_write(int fd, const void *buf, size_t n)
{
	return result(write(fd, buf, n));
}

long fs_pread(int fd, void *buf, size_t n, int64_t offset)
{
	return result(pread(fd, buf, n, offset));
}

long fs_pwrite(int fd, const void *buf, size_t n, int64_t offset)
{
	return result(pwrite(fd, buf, n, offset));
}

int64_t fs_lseek(int fd, int64_t offset, int whence)
{
	return result(lseek(fd, offset, whence));
}

int fs_ftruncate(int fd, int64_t size)
{
	return (int)result(ftruncate(fd, size));
}

int fs_fallocate_mode(int fd, int mode, int64_t offset, int64_t len)
{
	return (int)result(fallocate(fd, mode, offset, len));
}

int fs_fsync(int fd, bool data_only)
{
	return (int)result(data_only ? fdatasync(fd) : fsync(fd));
}

int fs_sync(void)
{
	sync();
	return 0;
}

int fs_syncfs(int fd)
{
	return (int)result(syncfs(fd));
}

int fs_fstat(int fd, struct stat *st)
{
	return (int)result(fstat(fd, st));
}

int fs_stat(int at, const char *path, struct stat *st, int flags)
{
	return (int)result(fstatat(at, path, st, flags));
}

int fs_access(int at, const char *path, int mode, int flags)
{
	return (int)result(faccessat(at, path, mode, flags));
}

int fs_setattr(int at, const char *path, const struct fs_attr *attr, int flags)
{
	const struct timespec times[] = {attr->atime, attr->mtime};

	switch (attr->what) {
	case FS_ATTR_MODE:
		return (int)result(fchmodat(at, path, attr->mode, flags));
	case FS_ATTR_OWNER:
		return (int)result(fchownat(at, path, attr->uid, attr->gid, flags));
	case FS_ATTR_TIMES:
		return (int)result(utimensat(at, path, times, flags));
	}
	return -EINVAL;
}

int fs_mkdir(int at, const char *path, mode_t mode)
{
	return (int)result(mkdirat(at, path, mode));
}

int fs_unlink(int at, const char *path, int flags)
{
	return (int)result(unlinkat(at, path, flags));
}

int fs_rename(int from_at, const char *from, int to_at, const char *to, unsigned flags)
{
	return (int)result(renameat2(from_at, from, to_at, to, flags));
}

int fs_link(int from_at, const char *from, int to_at, const char *to, int flags)
{
	return (int)result(linkat(from_at, from, to_at, to, flags));
}

int fs_symlink(const char *target, int at, const char *path)
{
	return (int)result(symlinkat(target, at, path));
}

long fs_readlink(int at, const char *path, char *buf, size_t size)
{
	return result(readlinkat(at, path, buf, size));
}

int fs_chdir(const char *path)
{
	return (int)result(chdir(path));
}

int fs_fchdir(int fd)
{
	return (int)result(fchdir(fd));
}

int fs_getcwd(char *buf, size_t size)
{
	return getcwd(buf, size) ? 0 : -errno;
}

/* One entry; the others that came with it are read again, from where it says that they begin. */
int fs_readdir(int fd, struct fs_dirent *out)
{
	struct dirent64 *entry;
	_Alignas(struct dirent64) char buf[2048];
	const long got = syscall(SYS_getdents64, fd, buf, sizeof(buf));

	if (got < 0 && errno == ENOENT)
		return 0; // it was removed: an end to POSIX, and the C library
	if (got <= 0)
		return (int)result(got);
	entry = (struct dirent64 *)buf;
	*out = (struct fs_dirent){.ino = entry->d_ino, .next = entry->d_off, .type = entry->d_type};
	memcpy(out->name, entry->d_name, strlen(entry->d_name) + 1);
	return lseek(fd, entry->d_off, SEEK_SET) == entry->d_off ? 1 : -errno;
}

static int space_of(const struct statvfs *st, struct fs_space *out)
{
	*out = (struct fs_space){.block_size = st->f_frsize,
				 .blocks = st->f_blocks,
				 .blocks_free = st->f_bfree,
				 .blocks_avail = st->f_bavail,
				 .inodes = st->f_files,
				 .inodes_free = st->f_ffree};
	return 0;
}

int fs_space(int at, const char *path, struct fs_space *out)
{
	struct statvfs st;

	(void)at;
	return statvfs(path, &st) == 0 ? space_of(&st, out) : -errno;
}

int fs_fspace(int fd, struct fs_space *out)
{
	struct statvfs st;

	return fstatvfs(fd, &st) == 0 ? space_of(&st, out) : -errno;
}

/* Time stamps are those of the last tick, or exact. */
void fsmodel_now(struct timespec *now, bool earliest)
{
	if (clock_gettime(earliest ? CLOCK_REALTIME_COARSE : CLOCK_REALTIME, now) != 0)
		abort();
}

/* ---- the program ---- */

static bool take_word(struct fsmodel_config *c, const char *word)
{
	unsigned long value;

	if (strncmp(word, "path=", 5) == 0)
		c->prefix = word + 5;
	else if (word_number(word, "time-max", &value))
		c->time_max = (int64_t)value;
	else if (word_number(word, "coarse", &value))
		c->coarse_times = value;
	else
		return fsmodel_option(c, word);
	return true;
}

/* One can seek no further than a file can reach. */
static uint64_t size_max(int fd)
{
	uint64_t good = 0, bad = INT64_MAX;

	while (bad - good > 1) {
		const uint64_t at = good + (bad - good) / 2;

		if (lseek(fd, (off_t)at, SEEK_SET) < 0)
			bad = at;
		else
			good = at;
	}
	return good;
}

/* What this file system cannot do is left out. */
static void probe(struct fsmodel_config *c)
{
	char path[PATH_BYTES];
	struct statvfs st;
	int fd;

	if (snprintf(path, sizeof(path), "%s/probe", c->prefix) >= (int)sizeof(path) || statvfs(c->prefix, &st) != 0)
		exit(2);
	c->block_size = (unsigned)st.f_bsize;
	fd = open(path, O_CREAT | O_RDWR, 0600);
	if (fd < 0 || pwrite(fd, "x", 1, 0) != 1) {
		perror(path);
		exit(2);
	}
	c->size_max = size_max(fd);
	if (c->size_max > 1ull << 50)
		c->size_max = 0; // what is behind the limit cannot be asked for
	if (fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, 1) != 0)
		c->no_zero_range = true;
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1) != 0)
		(void)fsmodel_option(c, "skip=punch");
	if (fallocate(fd, 0, 0, 1) != 0)
		(void)fsmodel_option(c, "skip=allocate");
	if (close(fd) != 0 || unlink(path) != 0)
		exit(2);
}

int main(int argc, char **argv)
{
	struct fsmodel_config config = FSMODEL_DEFAULT;
	struct fsmodel *m = calloc(1, fsmodel_size());
	struct fsmodel_result r;
	uint64_t missing;

	config.linux_fs = true;
	config.replay = argv[0];
	for (int i = 1; i < argc; i++) {
		if (!take_word(&config, argv[i])) {
			printf("%s: no such word\n", argv[i]);
			return 2;
		}
	}
	if (!m || !*config.prefix)
		return 2;
	umask(0);
	probe(&config);
	r = fsmodel_run(m, &config);
	missing = fsmodel_kinds(&config) & ~r.kinds;
	if (!r.failed_at && config.ops >= 5000 && !config.drops && missing) {
		printf("# never carried out:%s\n", fsmodel_names(missing));
		r.failed_at = config.ops;
	}
	printf("%sok 1 - random operations on a tree\n1..1\n", r.failed_at ? "not " : "");
	free(m);
	return r.failed_at != 0;
}
