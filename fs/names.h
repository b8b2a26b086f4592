// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

#include "fs/namei.h"

/*
 * A new regular file, of this mode less the umask; or what the name leads to, unless exclusive: -EEXIST. Takes the
 * write gate; nothing is locked. Sleeps.
 */
int name_create(struct last_name *last, mode_t mode, bool exclusive, struct inode **out);

/* ---- what names.c and rename.c share ---- */
bool name_is_dots(const struct last_name *last); // "." or ".."
bool name_has_mount(struct inode *dir, const char *name, unsigned len);
/* The last name of a path (app), and the directory that it is in. */
int name_parent(int at, const char *path, struct last_name *last);
/* Between these no name of the directory's volume changes, and the thread is inside the gate. -EROFS, -ENOENT (the
 * directory was removed), -EIO. */
int names_change_begin(struct inode *dir);
void names_change_end(struct inode *dir);
/* It may have lost its last name (NULL: there is none): many of those are given back when the change ends. */
void names_unlinked(const struct inode *victim);
/* err is -ENOSPC, and deleted files have given back what may have been missing: to be tried again. Between them. */
bool names_settled(struct super *super, int err);
/* May the name of `victim` be taken from dir? directory: as a directory's. */
int name_check_victim(const struct inode *dir, const struct inode *victim, bool directory);
