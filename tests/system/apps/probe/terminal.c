// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* What a program does that takes keys one by one, as an editor or a game. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <termios.h>
#include <unistd.h>

#include "probe.h"

/* The key that comes next, by poll or by select; -1: none in ten seconds. */
static int next_key(int by_select)
{
	struct pollfd fd = {.fd = 0, .events = POLLIN};
	struct timeval time = {.tv_sec = 10};
	unsigned char key;
	fd_set set;
	int ready;

	FD_ZERO(&set);
	FD_SET(0, &set);
	ready = by_select ? select(1, &set, NULL, NULL, &time) : poll(&fd, 1, 10000);
	if (ready != 1 || read(0, &key, 1) != 1)
		return -1;
	return key;
}

int terminal(void)
{
	struct termios before, raw;
	struct winsize size;
	char line[80];
	int left;

	if (tcgetattr(0, &before)) {
		printf("no terminal %d %d\n", errno == ENOTTY, isatty(0));
		return 0;
	}
	raw = before;
	cfmakeraw(&raw);
	if (tcsetattr(0, TCSAFLUSH, &raw) || ioctl(0, TIOCGWINSZ, &size))
		return fail("raw");
	printf("keys\r\n");
	fflush(stdout);
	for (int i = 0; i < 4; i++) {
		printf("key %02x\r\n", next_key(i % 2));
		fflush(stdout);
	}
	if (fcntl(0, F_SETFL, O_NONBLOCK) || read(0, line, 1) != -1 || errno != EAGAIN || fcntl(0, F_SETFL, 0))
		return fail("O_NONBLOCK");
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 1;
	if (tcsetattr(0, TCSANOW, &raw) || read(0, line, sizeof(line)) != 0)
		return fail("VTIME");
	if (tcsetattr(0, TCSADRAIN, &before))
		return fail("back");
	printf("%s lines\n", ttyname(0));
	fflush(stdout);
	while (ioctl(0, FIONREAD, &left) == 0 && left < 5)
		usleep(1000);
	printf("left %d\n", left);
	printf("line %s\n", fgets(line, sizeof(line), stdin) ? line : "none");
	return 0;
}
