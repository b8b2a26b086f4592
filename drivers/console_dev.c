// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The console as a device: reading, writing, readiness, and the terminal's settings, <termios.h>'s. All is guarded by
 * console.lock. Read, write, drain and control sleep.
 */
#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>

#include "arch/clock.h"
#include "drivers/console_state.h"
#include "kernel/poll.h"
#include "kernel/time.h"

#define DECISEC (NSEC_PER_SEC / 10)

/* How long a read waits, of how many bytes: POSIX's four cases of VMIN and VTIME, and a line or a stream. */
struct patience {
	uint32_t want;	  // a read begins with so many, or a mark; or
	nsec_t deadline;  // then
	uint32_t counted; // bytes seen last
};

static bool read_may_begin(struct patience *p, size_t len, nsec_t begun)
{
	const struct termios *t = &console.tty.settings;
	const bool line = t->c_lflag & ICANON;
	const uint32_t min = line ? 1 : t->c_cc[VMIN];
	const nsec_t time = line ? 0 : t->c_cc[VTIME] * DECISEC;
	bool marked;
	uint32_t n;

	p->want = (uint32_t)min_of(len, (size_t)max_of(min, 1u));
	n = tty_readable(&console.tty, p->want, &marked);
	if (!min) {
		p->deadline = begun + time;
	} else if (!time || !n) {
		p->deadline = UINT64_MAX;
	} else if (n != p->counted) {
		p->deadline = clock_now() + time; // from byte to byte
	}
	p->counted = n;
	return n >= p->want || marked || p->deadline <= clock_now();
}

/* 0, or -EINTR, -EAGAIN: nothing can be read. */
static int input_wait(size_t len, bool wait, unsigned long *flags)
{
	const nsec_t begun = clock_now();
	struct patience p = {0};
	int err = 0;

	while (!read_may_begin(&p, len, begun) && !err) {
		if (!wait)
			return p.counted ? 0 : -EAGAIN;
		err = waitq_wait_interruptible(&console.readers, &console.lock, flags, p.deadline);
		if (err == -ETIMEDOUT)
			err = 0; // the next look says so
	}
	return p.counted ? 0 : err;
}

static long console_read(struct chardev *dev, void *buf, size_t len, bool wait)
{
	unsigned long flags = spin_lock(&console.lock);
	long n;

	(void)dev;
	len = min_of(len, (size_t)CHUNK);
	n = input_wait(len, wait, &flags);
	if (!n) {
		n = tty_read(&console.tty, buf, len);
		if (n == -EAGAIN)
			n = 0; // VTIME is over
	}
	console_credit_grant(false);
	if (console.port)
		console_out_pump();
	spin_unlock(&console.lock, flags);
	return n;
}

/* At most a chunk stays in one piece. */
static long console_write(struct chardev *dev, const void *buf, size_t len, int channel, bool wait)
{
	const char *p = buf;
	bool gone = false, full = false;
	size_t done = 0, n;

	(void)dev;
	for (; done < len && !gone && !full; done += n) {
		unsigned long flags = spin_lock(&console.lock);

		n = min_of(len - done, (size_t)CHUNK);
		while (!(gone = console.ended || !console.port) &&
		       (full = !console_out_data(channel == 2 ? 'E' : 'O', p + done, n, KEEP)) && wait)
			waitq_wait(&console.writers, &console.lock, &flags);
		if (gone || full)
			n = 0;
		else
			console_out_pump();
		spin_unlock(&console.lock, flags);
	}
	if (done || !len)
		return (long)done;
	return gone ? -EIO : -EAGAIN;
}

static int console_drain(struct chardev *dev)
{
	unsigned long flags = spin_lock(&console.lock);

	(void)dev;
	while (!console.ended && ring_used(&console.out))
		waitq_wait(&console.writers, &console.lock, &flags);
	spin_unlock(&console.lock, flags);
	return 0;
}

static short console_poll(struct chardev *dev)
{
	unsigned long flags = spin_lock(&console.lock);
	const struct termios *t = &console.tty.settings;
	const bool counts = !(t->c_lflag & ICANON) && !t->c_cc[VTIME];
	const uint32_t want = counts ? max_of(t->c_cc[VMIN], 1u) : 1;
	short ready = 0;
	bool marked;

	(void)dev;
	if (tty_readable(&console.tty, want, &marked) >= want || marked)
		ready |= POLLIN;
	if (console.ended || console_out_room(CHUNK, KEEP))
		ready |= POLLOUT;
	spin_unlock(&console.lock, flags);
	return ready;
}

/* ---- settings ---- */

/* Tells the PC whether its terminal shall still make two of a newline. */
static void out_processing(bool process)
{
	while (ring_room(&console.out) < 2 * FRAME_MAX)
		console_out_poll();
	console_out_command(process ? "P1" : "P0");
	console_out_pump();
}

static int settings_change(const struct termios *settings, bool flush)
{
	const tcflag_t both = OPOST | ONLCR;
	unsigned long flags = spin_lock(&console.lock);
	const tcflag_t before = console.tty.settings.c_oflag;

	if (flush)
		tty_flush(&console.tty);
	tty_set(&console.tty, settings);
	if (console_framed() && ((before & both) == both) != ((console.tty.settings.c_oflag & both) == both))
		out_processing((before & both) != both);
	console_credit_grant(false);
	console_out_pump();
	waitq_wake_all(&console.readers); // who waits does so by the new ones
	poll_wake();
	spin_unlock(&console.lock, flags);
	return 0;
}

static int input_flush(int queue)
{
	unsigned long flags;

	if (queue != TCIFLUSH && queue != TCOFLUSH && queue != TCIOFLUSH)
		return -EINVAL;
	if (queue == TCOFLUSH)
		return 0; // what was written is on its way
	flags = spin_lock(&console.lock);
	tty_flush(&console.tty);
	console_credit_grant(false);
	console_out_pump();
	spin_unlock(&console.lock, flags);
	return 0;
}

static int console_control(struct chardev *dev, unsigned long request, void *arg)
{
	unsigned long flags;
	bool marked;

	if (request == FIONREAD) {
		flags = spin_lock(&console.lock);
		*(int *)arg = (int)tty_readable(&console.tty, TTY_SIZE, &marked);
		spin_unlock(&console.lock, flags);
		return 0;
	}
	if (!dev->is_tty)
		return -ENOTTY;
	switch (request) {
	case TCGETS:
		flags = spin_lock(&console.lock);
		*(struct termios *)arg = console.tty.settings;
		spin_unlock(&console.lock, flags);
		return 0;
	case TCSETSW:
	case TCSETSF:
		(void)console_drain(dev); // cannot fail
		return settings_change(arg, request == TCSETSF);
	case TCSETS:
		return settings_change(arg, false);
	case TCFLSH:
		return input_flush(*(const int *)arg);
	case TIOCGWINSZ:
		*(struct winsize *)arg = (struct winsize){0}; // nobody says
		return 0;
	default:
		return -ENOTTY;
	}
}

static struct chardev chardev = {
    .name = "console",
    .read = console_read,
    .write = console_write,
    .drain = console_drain,
    .poll = console_poll,
    .control = console_control,
};

struct chardev *console_chardev(void)
{
	return &chardev;
}
