// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Terminals, and other requests to devices. What they do is drivers/console_dev.c's. Sleeps where output is drained. */

#include <termios.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/watchdog.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "fs/fs.h"
#include "posix/call.h"
#include "posix/result.h"
#include "posix/user.h"

#define CONSOLE "/dev/console"

int isatty(int fd)
{
	int r = KERNEL_CALL(fs_isatty(fd));

	return result_posix(r) > 0;
}

/* The error number. */
static int terminal_name(int fd, char *buf, size_t size)
{
	int r = KERNEL_CALL(fs_isatty(fd));

	if (r < 0)
		return -r;
	if (size < sizeof(CONSOLE))
		return ERANGE;
	return -user_copy(buf, CONSOLE, sizeof(CONSOLE));
}

int ttyname_r(int fd, char *buf, size_t size)
{
	return terminal_name(fd, buf, size);
}

char *ttyname(int fd)
{
	static char name[sizeof(CONSOLE)];

	return result_posix(-terminal_name(fd, name, sizeof(name))) ? NULL : name;
}

int tcgetattr(int fd, struct termios *out)
{
	struct termios settings;
	int err = KERNEL_CALL(fs_ioctl(fd, TCGETS, &settings));

	return (int)result_posix(err ? err : user_put(out, settings));
}

int tcsetattr(int fd, int when, const struct termios *settings)
{
	static const unsigned long requests[] = {[TCSANOW] = TCSETS, [TCSADRAIN] = TCSETSW, [TCSAFLUSH] = TCSETSF};
	struct termios copy;
	int err = when < 0 || when > TCSAFLUSH ? -EINVAL : user_get(&copy, settings);

	return (int)result_posix(err ? err : KERNEL_CALL(fs_ioctl(fd, requests[when], &copy)));
}

static int drain(int fd)
{
	int r = fs_isatty(fd);

	return r < 0 ? r : fs_fsync(fd, false);
}

int tcdrain(int fd)
{
	pthread_testcancel();
	return (int)result_posix(KERNEL_CALL(drain(fd)));
}

int tcflush(int fd, int queue)
{
	return (int)result_posix(KERNEL_CALL(fs_ioctl(fd, TCFLSH, &queue)));
}

/* ---- settings in memory ---- */

void cfmakeraw(struct termios *t)
{
	t->c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
	t->c_oflag &= ~(tcflag_t)OPOST;
	t->c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
	t->c_cflag &= ~(tcflag_t)(CSIZE | PARENB);
	t->c_cflag |= CS8;
	t->c_cc[VMIN] = 1;
	t->c_cc[VTIME] = 0;
}

speed_t cfgetispeed(const struct termios *t)
{
	return t->c_ispeed;
}

speed_t cfgetospeed(const struct termios *t)
{
	return t->c_ospeed;
}

int cfsetispeed(struct termios *t, speed_t speed)
{
	if (speed & ~(speed_t)CBAUD)
		return (int)result_posix(-EINVAL);
	t->c_ispeed = speed;
	return 0;
}

int cfsetospeed(struct termios *t, speed_t speed)
{
	if (speed & ~(speed_t)CBAUD)
		return (int)result_posix(-EINVAL);
	t->c_ospeed = speed;
	t->c_cflag = (t->c_cflag & ~(tcflag_t)CBAUD) | speed;
	return 0;
}

int cfsetspeed(struct termios *t, speed_t speed)
{
	int err = cfsetispeed(t, speed);

	return err ? err : cfsetospeed(t, speed);
}

/* ---- ioctl ---- */

/* A structure of the application's that the request fills, or takes. */
static int exchange(int fd, unsigned long request, void *arg, size_t in, size_t out)
{
	union {
		struct termios termios;
		struct winsize winsize;
		int number;
	} data;
	int err = user_copy(&data, arg, in);

	if (!err)
		err = fs_ioctl(fd, request, &data);
	return err ? err : user_copy(arg, &data, out);
}

static int request_do(int fd, unsigned long request, uintptr_t arg)
{
	int queue = (int)arg;

	switch (request) {
	case TCGETS:
		return exchange(fd, request, (void *)arg, 0, sizeof(struct termios));
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
		return exchange(fd, request, (void *)arg, sizeof(struct termios), 0);
	case TIOCGWINSZ:
		return exchange(fd, request, (void *)arg, 0, sizeof(struct winsize));
	case FIONREAD:
	case BLKSSZGET:
	case WDIOC_GETTIMEOUT:
	case WDIOC_GETTIMELEFT:
		return exchange(fd, request, (void *)arg, 0, sizeof(int));
	case BLKGETSIZE64:
		return exchange(fd, request, (void *)arg, 0, sizeof(uint64_t));
	case FIONBIO:
		return exchange(fd, request, (void *)arg, sizeof(int), 0);
	case WDIOC_SETTIMEOUT:
		return exchange(fd, request, (void *)arg, sizeof(int), sizeof(int));
	case WDIOC_KEEPALIVE:
		return fs_ioctl(fd, request, NULL);
	case TCFLSH:
		return fs_ioctl(fd, request, &queue);
	case FIOCLEX:
		return fs_fcntl(fd, F_SETFD, FD_CLOEXEC);
	case FIONCLEX:
		return fs_fcntl(fd, F_SETFD, 0);
	default:
		return fs_fcntl(fd, F_GETFD, 0) < 0 ? -EBADF : -ENOTTY;
	}
}

int ioctl(int fd, unsigned long request, ...)
{
	uintptr_t arg;
	va_list ap;

	va_start(ap, request);
	arg = va_arg(ap, uintptr_t);
	va_end(ap);
	return (int)result_posix(KERNEL_CALL(request_do(fd, request, arg)));
}
