// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Requests to devices; values are Linux's. */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

#define TCGETS 0x5401
#define TCSETS 0x5402
#define TCSETSW 0x5403
#define TCSETSF 0x5404
#define TCFLSH 0x540b
#define TIOCGWINSZ 0x5413
#define FIONREAD 0x541b
#define TIOCINQ FIONREAD
#define FIONBIO 0x5421
#define FIONCLEX 0x5450
#define FIOCLEX 0x5451

struct winsize { // zeros: not known
	unsigned short ws_row, ws_col;
	unsigned short ws_xpixel, ws_ypixel;
};

int ioctl(int fd, unsigned long request, ...);

#ifdef __cplusplus
}
#endif
