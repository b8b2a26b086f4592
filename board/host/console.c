// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The console of the host build: the process's standard streams, bytes as they are; a terminal's line discipline is
 * Linux's. Reading waits for the host in the scheduler's sense, so other threads run; writing blocks the process.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "arch/host/host.h"
#include "board/host/board.h"
#include "drivers/console.h"
#include "fs/fs.h"
#include "kernel/log.h"
#include "kernel/mutex.h"

static struct {
	struct mutex reader; // one at a time

	struct spinlock lock; // guards the rest
	bool ready;
	struct waitq waitq;
} console = {
    .reader = MUTEX_INIT(console.reader, "console reader"),
    .lock = SPINLOCK_INIT("console"),
    .waitq = WAITQ_INIT(console.waitq),
};

static void input_ready(void)
{
	unsigned long flags = spin_lock(&console.lock);

	console.ready = true;
	waitq_wake_one(&console.waitq);
	spin_unlock(&console.lock, flags);
}

static long input_read(struct chardev *dev, void *buf, size_t len)
{
	unsigned long flags;
	ssize_t n;

	(void)dev;
	mutex_lock(&console.reader);
	flags = spin_lock(&console.lock);
	console.ready = false;
	host_watch_fd(STDIN_FILENO, input_ready);
	while (!console.ready)
		waitq_wait(&console.waitq, &console.lock, &flags);
	spin_unlock(&console.lock, flags);
	n = read(STDIN_FILENO, buf, len);
	if (n < 0)
		n = -errno;
	mutex_unlock(&console.reader);
	return n;
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

static long output_write(struct chardev *dev, const void *buf, size_t len, int channel)
{
	int err = write_all(channel == 2 ? STDERR_FILENO : STDOUT_FILENO, buf, len);

	(void)dev;
	return err ? err : (long)len;
}

static int output_drain(struct chardev *dev)
{
	(void)dev;
	return 0;
}

static struct chardev chardev = {.name = "console", .read = input_read, .write = output_write, .drain = output_drain};

/* There is nobody to tell of an error on the way to say it. */
static void log_sink(const char *text, size_t len)
{
	(void)!write_all(STDERR_FILENO, text, len);
}

int console_init(void)
{
	chardev.is_tty = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	log_set_sink(log_sink);
	return 0;
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
