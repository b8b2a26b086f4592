// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The console of the host build: the process's standard streams, bytes as they are; a terminal's line discipline is
 * Linux's. Reading waits for the host in the scheduler's sense, so other threads run; writing blocks the process.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "arch/host/host.h"
#include "board/host/board.h"
#include "drivers/console.h"
#include "fs/fs.h"
#include "kernel/log.h"
#include "kernel/mutex.h"
#include "kernel/poll.h"
#include "kernel/thread.h"
#include "posix/process.h"

/* Something of the host that a thread waits for. */
struct device {
	struct host_watch watch;
	struct spinlock lock; // guards the rest
	bool watched, ready;
	struct waitq waitq;
};

static void device_ready(struct host_event *event);

#define DEVICE_INIT(device, what)                                                                                      \
	{                                                                                                              \
		.watch.event.fire = device_ready, .lock = SPINLOCK_INIT(what), .waitq = WAITQ_INIT((device).waitq)     \
	}

static struct device input = DEVICE_INIT(input, "console input");
static struct device interrupt = DEVICE_INIT(interrupt, "interrupt key");
static struct mutex reader = MUTEX_INIT(reader, "console reader"); // one at a time

static void device_ready(struct host_event *event)
{
	struct device *device = container_of(event, struct device, watch.event);
	unsigned long flags = spin_lock(&device->lock);

	device->watched = false;
	device->ready = true;
	waitq_wake_one(&device->waitq);
	poll_wake();
	spin_unlock(&device->lock, flags);
}

static void watch_locked(struct device *device, int fd)
{
	if (!device->watched && !device->ready) {
		device->watched = true;
		device->watch.fd = fd;
		host_watch(&device->watch);
	}
}

/* 0 or -EINTR; then the watch stays, for the next to wait. */
static int device_wait(struct device *device, int fd)
{
	unsigned long flags = spin_lock(&device->lock);
	int err = 0;

	watch_locked(device, fd);
	while (!device->ready && !err)
		err = waitq_wait_interruptible(&device->waitq, &device->lock, &flags, UINT64_MAX);
	if (device->ready)
		err = 0;
	if (!err)
		device->ready = false;
	spin_unlock(&device->lock, flags);
	return err;
}

static bool input_is_there(void)
{
	struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};

	return poll(&fd, 1, 0) > 0;
}

static short console_poll(struct chardev *dev)
{
	unsigned long flags;

	(void)dev;
	if (input_is_there())
		return POLLIN | POLLOUT;
	flags = spin_lock(&input.lock);
	input.ready = false; // it was of what has been read
	watch_locked(&input, STDIN_FILENO);
	spin_unlock(&input.lock, flags);
	return POLLOUT;
}

static long input_read(struct chardev *dev, void *buf, size_t len, bool wait)
{
	ssize_t n;

	(void)dev;
	mutex_lock(&reader);
	if (wait)
		n = device_wait(&input, STDIN_FILENO);
	else
		n = input_is_there() ? 0 : -EAGAIN;
	if (n == 0) {
		n = read(STDIN_FILENO, buf, len);
		if (n < 0)
			n = -errno;
	}
	mutex_unlock(&reader);
	return n;
}

static void (*interrupt_hook)(bool quit); // set before the application runs

void console_set_interrupt(void (*hook)(bool quit))
{
	interrupt_hook = hook;
}

/* Linux's SIGINT is blocked in every thread, and comes to this one, in its turn, as the key does to a board's console.
 */
static _Noreturn void *interrupt_main(void *arg)
{
	int fd = *(const int *)arg;
	struct signalfd_siginfo info;

	for (;;) {
		(void)device_wait(&interrupt, fd); // nobody interrupts a thread of the kernel
		if (read(fd, &info, sizeof(info)) != sizeof(info))
			host_die("SIGINT");
		if (interrupt_hook)
			interrupt_hook(false);
		else
			process_end(128 + SIGINT, 'e', true);
	}
}

static sigset_t interrupt_set(void)
{
	sigset_t set;

	if (sigemptyset(&set) < 0 || sigaddset(&set, SIGINT) < 0)
		host_die("SIGINT");
	return set;
}

void host_interrupt_block(void)
{
	const sigset_t set = interrupt_set();

	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		host_die("SIGINT");
}

static int interrupt_init(void)
{
	const sigset_t set = interrupt_set();
	static int fd;
	struct thread *thread;
	int err;

	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		host_die("SIGINT");
	err = thread_create("interrupt", THREAD_STACK_SIZE, interrupt_main, &fd, &thread);
	return err ? err : thread_detach(thread);
}

static int write_all(int fd, const char *buf, size_t len)
{
	while (len) {
		ssize_t n = write(fd, buf, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			buf += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static long output_write(struct chardev *dev, const void *buf, size_t len, int channel, bool wait)
{
	int err = write_all(channel == 2 ? STDERR_FILENO : STDOUT_FILENO, buf, len);

	(void)dev;
	(void)wait;
	return err ? err : (long)len;
}

static int output_drain(struct chardev *dev)
{
	(void)dev;
	return 0;
}

/* The terminal's settings are Linux's, and so is what becomes of them. */
static int console_control(struct chardev *dev, unsigned long request, void *arg)
{
	int r;

	if (!dev->is_tty && request != FIONREAD)
		return -ENOTTY;
	switch (request) {
	case TCGETS:
		r = tcgetattr(STDIN_FILENO, arg);
		break;
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
		r = tcsetattr(STDIN_FILENO, (int)(request - TCSETS), arg); // TCSANOW and on
		break;
	case TCFLSH:
		r = tcflush(STDIN_FILENO, *(const int *)arg);
		break;
	case FIONREAD:
	case TIOCGWINSZ:
		r = ioctl(STDIN_FILENO, request, arg);
		break;
	default:
		return -ENOTTY;
	}
	return r < 0 ? -errno : 0;
}

static struct chardev chardev = {
    .name = "console",
    .read = input_read,
    .write = output_write,
    .drain = output_drain,
    .poll = console_poll,
    .control = console_control,
};

/* There is nobody to tell of an error on the way to say it. */
static void log_sink(const char *text, size_t len)
{
	(void)!write_all(STDERR_FILENO, text, len);
}

int console_init(void)
{
	chardev.is_tty = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	log_set_sink(log_sink);
	return interrupt_init();
}

void console_ready(void)
{
}

struct chardev *console_chardev(void)
{
	return &chardev;
}

/* The process's status is the last word: arch/power.h. */
void console_exit(int status, char kind)
{
	(void)status;
	(void)kind;
}

/* ---- the C library's streams ---- */

static ssize_t stdin_read(void *cookie, char *buf, size_t len)
{
	long n = fs_read(STDIN_FILENO, buf, len);

	(void)cookie;
	if (n < 0)
		errno = (int)-n;
	return n < 0 ? -1 : n;
}

/*
 * Through a buffer of ours, since the host's kernel cannot fault mapped memory in. Takes none of our locks: the C
 * library holds the stream's, for which another thread of ours would wait with the baton in its hand.
 */
static ssize_t stdout_write(void *cookie, const char *buf, size_t len)
{
	char bounce[4096];

	for (size_t done = 0, n; done < len; done += n) {
		int err;

		n = min_of(len - done, sizeof(bounce));
		memcpy(bounce, buf + done, n);
		err = write_all(cookie ? STDERR_FILENO : STDOUT_FILENO, bounce, n);
		if (err) {
			errno = -err;
			return (ssize_t)done;
		}
	}
	return (ssize_t)len;
}

void host_stdio_init(void)
{
	const cookie_io_functions_t in = {.read = stdin_read}, out = {.write = stdout_write};

	stdin = fopencookie(NULL, "r", in);
	stdout = fopencookie(NULL, "w", out);
	stderr = fopencookie(&chardev, "w", out);
	if (!stdin || !stdout || !stderr)
		host_die("standard streams");
	if (setvbuf(stdout, NULL, chardev.is_tty ? _IOLBF : _IOFBF, BUFSIZ) || setvbuf(stderr, NULL, _IONBF, 0))
		host_die("standard streams");
}
