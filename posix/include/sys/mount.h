// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Mounting file systems; values are Linux's. */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

#define MS_RDONLY 0x1
#define MS_NOSUID 0x2 // this and the next two: there is nobody to keep from it
#define MS_NODEV 0x4
#define MS_NOEXEC 0x8
#define MS_SYNCHRONOUS 0x10
#define MS_NOATIME 0x400
#define MS_SILENT 0x8000

#define MNT_FORCE 0x1
#define MNT_DETACH 0x2
#define UMOUNT_NOFOLLOW 0x8

/* Requests of ioctl, of a block device: bytes of a sector, an int; bytes of all, an uint64_t. */
#define BLKSSZGET 0x1268
#define BLKGETSIZE64 0x80081272

/*
 * source: a block device, /dev/<name>, where the type needs one. type: ext2, tmpfs. data: of a tmpfs a text,
 * "size=...,nr_inodes=...,mode=...", or NULL.
 */
int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data);
int umount(const char *target);
int umount2(const char *target, int flags);

#ifdef __cplusplus
}
#endif
