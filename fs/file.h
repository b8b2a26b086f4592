// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Open files, and the descriptors that stand for them. */
#pragma once

#include "fs/inode.h"

#define FDS_MAX 1024

/*
 * What is done with an open file that is neither a regular file nor a directory. Buffers are the application's. All may
 * sleep but poll. NULL where there is nothing to do; read and write: -EINVAL.
 */
struct file_ops {
	bool stream; // it has no offset: lseek, pread and pwrite are -ESPIPE
	/* Its private data, and what else it needs; it is not in any slot yet. */
	int (*open)(struct file *file);
	/* The last reference is gone. */
	void (*release)(struct file *file);
	long (*read)(struct file *file, void *buf, size_t n, uint64_t offset);
	long (*write)(struct file *file, const void *buf, size_t n, uint64_t offset);
	/* Which of POLLIN, POLLOUT, POLLHUP, POLLERR are true now; when that changes, poll_wake is called. */
	short (*poll)(struct file *file);
	/* Waits until what was written is where it belongs. */
	int (*sync)(struct file *file);
	/* Its device is a terminal. */
	bool (*is_tty)(struct file *file);
	/* A request of <sys/ioctl.h>; arg is kernel memory. -ENOTTY: not of its. */
	int (*control)(struct file *file, unsigned long request, void *arg);
};

struct file {
	struct inode *inode;	      // constant: what was opened, a reference
	const struct file_ops *ops;   // constant: the inode's
	void *private;		      // the ops'; constant once it is open
	int channel;		      // constant: of the console, which of its streams is written
	struct pcache_errors *errors; // constant: what it was told of failed writes to its pages; else NULL
	atomic_int flags;	      // O_*
	atomic_uint refs;

	/* Guarded by lock, a mutex: read, write and seek keep the offset one. Before the inode's lock. */
	struct mutex lock;
	int64_t offset;
	struct readahead readahead;
};

/* 0, -ENOMEM, or what its open says. Takes over the inode's reference, also if it fails. No descriptor yet. */
int file_make(struct inode *inode, int flags, struct file **out);
/* The lowest free descriptor from `from` on; takes over a reference. -EMFILE: that is dropped. */
int file_install(struct file *file, int from, bool cloexec);
/*
 * The same in two steps, for who must know first that there is one: until it is filled, or given back, nobody finds
 * anything there. -EMFILE.
 */
int fd_reserve(void);
void fd_fill(int fd, struct file *file, bool cloexec); // takes over a reference
void fd_give_back(int fd);
/* The open file behind a descriptor, referenced. -EBADF; -EIO: its volume is unmounted. */
int file_get(int fd, struct file **out);
/* The last one closes it, and is told if its time stamps cannot be written. Outside the write gate, which that enters.
 */
int file_put(struct file *file);

bool file_readable(const struct file *file);
bool file_writable(const struct file *file);
bool file_is_stream(const struct file *file); // it has no offset
/* Those of `which` are set to `flags`, others stay. */
void file_set_flags(struct file *file, int which, int flags);
