// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * In place of picolibc's: its dev_t, ino_t, uid_t and gid_t have 16 bits on this target, too few for an ext2 inode
 * number. Nothing in its library but the hash search (hsearch's file-backed relative) was compiled with struct stat.
 */
#ifndef _MACHINE__TYPES_H
#define _MACHINE__TYPES_H

#include <machine/_default_types.h>

typedef unsigned long __dev_t;
#define __machine_dev_t_defined
typedef unsigned long __ino_t;
typedef unsigned long __ino64_t; // named by later releases of picolibc
#define __machine_ino_t_defined
typedef unsigned int __uid_t;
#define __machine_uid_t_defined
typedef unsigned int __gid_t;
#define __machine_gid_t_defined

#endif
