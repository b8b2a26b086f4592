// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Files as posix/ sees them: descriptors, paths, mounts. Arguments marked (app) are application memory and are touched
 * only through the copy helpers; bad ones give -EFAULT or a short count. All calls may sleep and return negative errno.
 * Flags are those of <fcntl.h>, modes those of <sys/stat.h>. `at` is the descriptor of the directory in which a path
 * without a leading slash begins, or AT_FDCWD.
 */
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include "kernel/chardev.h"
#include "lib/types.h"

struct blkdev;
struct flock;
struct iovec;
struct pcache_object;
struct pcache_errors;
struct pollfd;

int fs_init(void);

/* Shows a character device as /dev/<name>. */
int fs_add_chardev(struct chardev *dev);

/* ---- mounts ---- */
/*
 * Mounts the ext2 on dev at "/". -EUCLEAN: damaged, -ENOTSUP: unknown incompat feature (named in the log), -EINVAL: no
 * ext2 there, -EROFS with read_only false: only mountable read-only (unknown ro_compat feature, or the device is).
 */
int fs_mount_root(struct blkdev *dev, bool read_only);
/*
 * Mounts a file system of a type ("ext2", "tmpfs") on an existing directory. source: /dev/<name> of a block device,
 * where the type needs one; flags: MS_* of <sys/mount.h>; options: the type's own (fs/tmpfs/tmpfs.h), or NULL. -ENODEV:
 * no such type, -ENOTBLK, -EBUSY, -EINVAL (an option), as above.
 */
int fs_mount(const char *source, const char *target, const char *type, unsigned long flags,
	     const char *options); // all (app)
/* flags: MNT_FORCE, MNT_DETACH: open files do not keep it from unmounting. -EBUSY, -EINVAL (no mount there). */
int fs_umount(const char *target, int flags); // target (app)
/*
 * Writes everything, marks the volumes clean. Calls under way that change them end first; those that come meanwhile
 * wait. Open files do not keep them from unmounting: they fail with -EIO after. Nothing is locked.
 */
int fs_unmount_all(void);

struct fs_space {
	uint64_t block_size, blocks, blocks_free, blocks_avail, inodes, inodes_free;
	bool read_only;
	unsigned id;
};
int fs_space(int at, const char *path, struct fs_space *out); // path (app)
int fs_fspace(int fd, struct fs_space *out);

/* ---- descriptors ---- */
/* Descriptors 0, 1, 2 onto /dev/console. */
int fs_open_std(void);
int fs_open(int at, const char *path, int flags, mode_t mode); // path (app)
int fs_close(int fd);
int fs_dup(int fd);
int fs_dup3(int fd, int to, int flags);	 // -EINVAL: the same, or flags but O_CLOEXEC
int fs_fcntl(int fd, int cmd, long arg); // F_GETFL, F_SETFL, F_GETFD, F_SETFD, F_DUPFD, F_DUPFD_CLOEXEC
int fs_isatty(int fd);
/* A request of <sys/ioctl.h>; arg: what it takes or fills, kernel memory. -ENOTTY: not of this file. */
int fs_ioctl(int fd, unsigned long request, void *arg);
/* Two new descriptors: to read, to write; flags: O_CLOEXEC, O_NONBLOCK. -EMFILE, -ENOMEM. */
int fs_pipe(int fds[2], int flags);
/* poll: fds are kernel memory. How many are ready, 0 once clock_now() is past the deadline, -EINTR. */
int fs_poll(struct pollfd *fds, unsigned count, nsec_t deadline);
mode_t fs_umask(mode_t mask); // the one before

long fs_read(int fd, void *buf, size_t n); // buf (app)
long fs_write(int fd, const void *buf, size_t n);
long fs_pread(int fd, void *buf, size_t n, int64_t offset);
long fs_pwrite(int fd, const void *buf, size_t n, int64_t offset);
/* count structures at iov (app), at most IOV_MAX, with buffers (app). -EINVAL also: more bytes than an off_t holds. */
long fs_readv(int fd, const struct iovec *iov, int count);
long fs_writev(int fd, const struct iovec *iov, int count);
long fs_preadv(int fd, const struct iovec *iov, int count, int64_t offset);
long fs_pwritev(int fd, const struct iovec *iov, int count, int64_t offset);
int64_t fs_lseek(int fd, int64_t offset, int whence);

/* ---- advisory locks ---- */
/*
 * F_GETLK, F_SETLK, F_SETLKW of <fcntl.h>, whose owner is the process, and F_OFD_GETLK and so on, whose owner is the
 * open file. fl is kernel memory; l_pid of a lock that is told of: -1 an open file's, 0 the process's. -EAGAIN, -EINTR,
 * -EBADF, -EINVAL, -EOVERFLOW, -ENOLCK.
 */
int fs_record_lock(int fd, int cmd, struct flock *fl);
int fs_flock(int fd, int operation); // LOCK_* of <sys/file.h>; -EWOULDBLOCK, -EINTR, -ENOLCK

/* ---- contents ---- */
int fs_ftruncate(int fd, int64_t size);
int fs_truncate(const char *path, int64_t size);		      // path (app)
int fs_fallocate(int fd, int64_t offset, int64_t len);		      // posix_fallocate
int fs_fallocate_mode(int fd, int mode, int64_t offset, int64_t len); // fallocate: FALLOC_FL_* of <fcntl.h>
/* posix_fadvise: POSIX_FADV_* of <fcntl.h>; len 0: to the end. -EINVAL. */
int fs_fadvise(int fd, int64_t offset, int64_t len, int advice);
/* Starts reading. -EBADF (also: not open for reading), -EINVAL (no regular file). */
int fs_readahead(int fd, int64_t offset, size_t count);
/*
 * sync_file_range: SYNC_FILE_RANGE_* of <fcntl.h>; len 0: to the end. Writes data; neither metadata nor a FLUSH, so
 * nothing is durable for it. -EINVAL, -ESPIPE (a device), the error of a write.
 */
int fs_sync_range(int fd, int64_t offset, int64_t len, unsigned flags);
int fs_fsync(int fd, bool data_only);
int fs_sync(void); // -EIO also if any FLUSH of a device has failed meanwhile
/* Makes free what was deleted, on all that can be written. No lock held. Whether there is any that could. */
bool fs_settle(void);
int fs_syncfs(int fd); // the file system that the file is on

/*
 * For mmap: the cache object behind a descriptor, with a reference the caller drops with object->ops->ref(object, -1);
 * *errors with one that pcache_errors_put drops; *readable, *writable as the file was opened. NULL: /dev/zero, which
 * maps as zeros. -EBADF, -ENODEV (another device, a
 * directory), -EACCES.
 */
int fs_object(int fd, struct pcache_object **object, struct pcache_errors **errors, bool *readable, bool *writable);

/* ---- attributes ---- */
int fs_fstat(int fd, struct stat *st);				   // st is kernel memory
int fs_stat(int at, const char *path, struct stat *st, int flags); // path (app); AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH
int fs_access(int at, const char *path, int mode, int flags);	   // path (app); R_OK ...; AT_SYMLINK_NOFOLLOW
/* What a change is: of the mode, the owner (-1: as it is), or the times (UTIME_NOW, UTIME_OMIT in tv_nsec). */
struct fs_attr {
	enum { FS_ATTR_MODE, FS_ATTR_OWNER, FS_ATTR_TIMES } what;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	struct timespec atime, mtime;
};
int fs_setattr(int at, const char *path, const struct fs_attr *attr, int flags); // path (app); as fs_stat
int fs_fsetattr(int fd, const struct fs_attr *attr);

/* ---- names; all paths (app) ---- */
int fs_mkdir(int at, const char *path, mode_t mode);
int fs_mkfifo(int at, const char *path, mode_t mode);
int fs_unlink(int at, const char *path, int flags); // AT_REMOVEDIR
/* flags: RENAME_NOREPLACE, RENAME_EXCHANGE of <stdio.h>. */
int fs_rename(int from_at, const char *from, int to_at, const char *to, unsigned flags);
int fs_link(int from_at, const char *from, int to_at, const char *to, int flags); // AT_SYMLINK_FOLLOW
int fs_symlink(const char *target, int at, const char *path);
long fs_readlink(int at, const char *path, char *buf, size_t size); // buf (app), not terminated: how many bytes
int fs_chdir(const char *path);
int fs_fchdir(int fd);
/* The path of the current directory, in kernel memory. -ENOENT: it was removed, -ENAMETOOLONG: it is longer. */
int fs_getcwd(char *buf, size_t size);
/* Of what a path leads to, without links and dots, in PATH_SIZE bytes. */
int fs_realpath(const char *path, char *buf); // path (app)

/* ---- directories ---- */
struct fs_dirent {
	uint64_t ino;
	int64_t next; // where fs_lseek goes on behind it
	uint8_t type; // DT_* values of <dirent.h>: 4 directory, 8 regular, 10 link, 0 unknown
	char name[256];
};
/* Next entry of an open directory into kernel memory: 1, 0 at the end, negative errno. */
int fs_readdir(int fd, struct fs_dirent *entry);
