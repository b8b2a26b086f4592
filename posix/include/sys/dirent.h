// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* What picolibc's <dirent.h> wants from the system. */
#pragma once

#include <sys/types.h>

#define DT_UNKNOWN 0
#define DT_FIFO 1
#define DT_CHR 2
#define DT_DIR 4
#define DT_BLK 6
#define DT_REG 8
#define DT_LNK 10
#define DT_SOCK 12

#define _DIRENT_HAVE_D_TYPE
#define _DIRENT_HAVE_D_OFF
#define _DIRENT_HAVE_D_RECLEN

#define IFTODT(mode) (((mode)&0170000) >> 12)
#define DTTOIF(type) ((type) << 12)

#define MAXNAMLEN 255

typedef struct __dirstream DIR;

struct dirent {
	ino_t d_ino;
	off_t d_off; // where the next one is, for seekdir
	unsigned short d_reclen;
	unsigned char d_type; // DT_*
	char d_name[MAXNAMLEN + 1];
};
