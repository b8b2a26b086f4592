// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Files as posix/ sees them: descriptors, paths, mounts. Arguments marked (app) are application memory and are touched
 * only through the copy helpers; bad ones give -EFAULT or a short count. All calls may sleep and return negative errno.
 * Flags are those of <fcntl.h>, modes those of <sys/stat.h>.
 */
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include "kernel/chardev.h"
#include "lib/types.h"

struct blkdev;
struct pcache_object;
struct pcache_errors;

int fs_init(void);

/* Shows a character device as /dev/<name>. */
int fs_add_chardev(struct chardev *dev);

/*
 * Mounts the ext2 on dev at "/". -EUCLEAN: damaged, -ENOTSUP: unknown incompat feature (named in the log), -EINVAL: no
 * ext2 there, -EROFS with read_only false: only mountable read-only (unknown ro_compat feature, or the device is).
 */
int fs_mount_root(struct blkdev *dev, bool read_only);
/*
 * Writes everything, marks the volume clean. Calls under way that change it end first; those that come meanwhile wait.
 * Open files do not keep it from unmounting: they fail with -EIO after. Nothing is locked.
 */
int fs_unmount_all(void);

/* Descriptors 0, 1, 2 onto /dev/console. */
int fs_open_std(void);

int fs_open(const char *path, int flags, mode_t mode); // path (app)
int fs_close(int fd);
long fs_read(int fd, void *buf, size_t n); // buf (app)
long fs_write(int fd, const void *buf, size_t n);
long fs_pread(int fd, void *buf, size_t n, int64_t offset);
long fs_pwrite(int fd, const void *buf, size_t n, int64_t offset);
int64_t fs_lseek(int fd, int64_t offset, int whence);
int fs_ftruncate(int fd, int64_t size);
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
int fs_sync(void);		       // -EIO also if any FLUSH of the device has failed meanwhile
int fs_fstat(int fd, struct stat *st); // st is kernel memory
int fs_stat(const char *path, struct stat *st, bool follow);
int fs_mkdir(const char *path, mode_t mode);
int fs_rmdir(const char *path);
int fs_unlink(const char *path);
int fs_rename(const char *from, const char *to);
int fs_isatty(int fd);
int fs_dup(int fd);
int fs_dup2(int fd, int to);
int fs_fcntl(int fd, int cmd, long arg); // F_GETFL, F_SETFL, F_GETFD, F_SETFD, F_DUPFD

struct fs_dirent {
	uint64_t ino;
	uint8_t type; // DT_* values of <dirent.h>: 4 directory, 8 regular, 10 link, 0 unknown
	char name[256];
};
/* Next entry of an open directory into kernel memory: 1, 0 at the end, negative errno. */
int fs_readdir(int fd, struct fs_dirent *entry);
int fs_rewinddir(int fd);

struct fs_space {
	uint64_t block_size, blocks, blocks_free, blocks_avail, inodes, inodes_free;
};
int fs_space(struct fs_space *out);

/*
 * For mmap: the cache object behind a descriptor, with a reference the caller drops with object->ops->ref(object, -1);
 * *errors with one that pcache_errors_put drops; *readable, *writable as the file was opened. NULL: /dev/zero, which
 * maps as zeros. -EBADF, -ENODEV (another device, a
 * directory), -EACCES.
 */
int fs_object(int fd, struct pcache_object **object, struct pcache_errors **errors, bool *readable, bool *writable);
