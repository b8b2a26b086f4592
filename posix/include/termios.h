// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The console as a terminal; names and values are Linux's. What tcsetattr cannot change stays as it is, and tcgetattr
 * says so: docs/console.md.
 */
#pragma once

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef unsigned char cc_t;
typedef unsigned int speed_t;
typedef unsigned int tcflag_t;

#define NCCS 32

struct termios {
	tcflag_t c_iflag;
	tcflag_t c_oflag;
	tcflag_t c_cflag;
	tcflag_t c_lflag;
	cc_t c_line;
	cc_t c_cc[NCCS];
	speed_t c_ispeed;
	speed_t c_ospeed;
};

#define _POSIX_VDISABLE 0

#define VINTR 0
#define VQUIT 1
#define VERASE 2
#define VKILL 3
#define VEOF 4
#define VTIME 5
#define VMIN 6
#define VSTART 8
#define VSTOP 9
#define VSUSP 10
#define VEOL 11
#define VREPRINT 12
#define VDISCARD 13
#define VWERASE 14
#define VLNEXT 15
#define VEOL2 16

#define IGNBRK 000001
#define BRKINT 000002
#define IGNPAR 000004
#define PARMRK 000010
#define INPCK 000020
#define ISTRIP 000040
#define INLCR 000100
#define IGNCR 000200
#define ICRNL 000400
#define IUCLC 001000
#define IXON 002000
#define IXANY 004000
#define IXOFF 010000
#define IMAXBEL 020000
#define IUTF8 040000

#define OPOST 000001
#define OLCUC 000002
#define ONLCR 000004
#define OCRNL 000010
#define ONOCR 000020
#define ONLRET 000040
#define OFILL 000100
#define OFDEL 000200

#define CSIZE 000060
#define CS5 000000
#define CS6 000020
#define CS7 000040
#define CS8 000060
#define CSTOPB 000100
#define CREAD 000200
#define PARENB 000400
#define PARODD 001000
#define HUPCL 002000
#define CLOCAL 004000
#define CBAUD 010017

#define ISIG 000001
#define ICANON 000002
#define ECHO 000010
#define ECHOE 000020
#define ECHOK 000040
#define ECHONL 000100
#define NOFLSH 000200
#define TOSTOP 000400
#define ECHOCTL 001000
#define ECHOPRT 002000
#define ECHOKE 004000
#define IEXTEN 0100000

#define B0 000000
#define B50 000001
#define B75 000002
#define B110 000003
#define B134 000004
#define B150 000005
#define B200 000006
#define B300 000007
#define B600 000010
#define B1200 000011
#define B1800 000012
#define B2400 000013
#define B4800 000014
#define B9600 000015
#define B19200 000016
#define B38400 000017
#define B57600 010001
#define B115200 010002
#define B230400 010003
#define B460800 010004
#define B921600 010007

#define TCSANOW 0
#define TCSADRAIN 1
#define TCSAFLUSH 2

#define TCIFLUSH 0
#define TCOFLUSH 1
#define TCIOFLUSH 2

int tcgetattr(int fd, struct termios *settings);
int tcsetattr(int fd, int when, const struct termios *settings);
int tcdrain(int fd);
int tcflush(int fd, int queue); // output is on its way once it is written

void cfmakeraw(struct termios *settings);
speed_t cfgetispeed(const struct termios *settings);
speed_t cfgetospeed(const struct termios *settings);
int cfsetispeed(struct termios *settings, speed_t speed);
int cfsetospeed(struct termios *settings, speed_t speed);
int cfsetspeed(struct termios *settings, speed_t speed);

#ifdef __cplusplus
}
#endif
