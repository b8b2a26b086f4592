// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Kernel messages. A line is made on the caller's stack, then kept in a ring under the lock and sent to the sink from
 * there, so that what was said before there was a sink, or lies behind a line still being sent, comes out in order. In
 * the ring a line is its level's digit, its text, a newline; the oldest are overwritten. Never sleeps; any context.
 */

#include "kernel/log.h"

#include <stdatomic.h>
#include <stdio.h>

#include "arch/clock.h"
#include "kernel/spinlock.h"
#include "kernel/time.h"

#define RING_SIZE (64 * 1024)
#define LINE_MAX_LEN 320 // with level and newline; the rest of a longer one is cut off

typedef void (*log_sink)(const char *text, size_t len);

static struct {
	struct spinlock lock;	// guards the rest but level and emergency
	uint64_t written, sent; // bytes ever put into the ring; of those, handed to a sink or passed over
	log_sink sink;
	_Atomic enum log_level level;
	atomic_bool emergency;
	char ring[RING_SIZE];
} kernel_log = {
    .lock = SPINLOCK_INIT("log"),
    .level = LOG_INFO,
};

/* Makes "Ltext\n" in line; returns its length. */
static size_t line_format(char *line, enum log_level level, const char *format, va_list ap)
{
	nsec_t now = clock_now();
	size_t room = LINE_MAX_LEN - 1; // the newline's place; vsnprintf's NUL may lie there
	size_t len, i;
	int n;

	n = snprintf(line, room, "%u[%5u.%06u] %s", (unsigned)level, (unsigned)(now / NSEC_PER_SEC),
		     (unsigned)(now % NSEC_PER_SEC / 1000), level == LOG_WARNING ? "warning: " : "");
	len = n > 0 ? (size_t)n : 0;
	i = len;
	n = vsnprintf(line + len, room - len, format, ap);
	if (n > 0)
		len += min_of((size_t)n, room - len - 1);
	/* Names from the card or the device tree must not end a line or command a terminal. */
	for (; i < len; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	line[len++] = '\n';
	return len;
}

static void ring_put_locked(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		kernel_log.ring[kernel_log.written++ % RING_SIZE] = line[i];
}

/* Takes the next line not yet sent out of the ring; 0: there is none. */
static size_t ring_take_locked(char *line)
{
	size_t len = 0;

	if (kernel_log.written - kernel_log.sent > RING_SIZE) {
		kernel_log.sent = kernel_log.written - RING_SIZE;
		while (kernel_log.ring[kernel_log.sent++ % RING_SIZE] != '\n')
			;
	}
	while (kernel_log.sent < kernel_log.written) {
		line[len++] = kernel_log.ring[kernel_log.sent++ % RING_SIZE];
		if (line[len - 1] == '\n')
			break;
	}
	return len;
}

static void line_send(const char *line, size_t len)
{
	if (kernel_log.sink && (enum log_level)(line[0] - '0') <= kernel_log.level)
		kernel_log.sink(line + 1, len - 1);
}

static void send_all_locked(void)
{
	char line[LINE_MAX_LEN];
	size_t len;

	while (kernel_log.sink && (len = ring_take_locked(line)) > 0)
		line_send(line, len);
}

void log_at_v(enum log_level level, const char *format, va_list ap)
{
	char line[LINE_MAX_LEN];
	size_t len = line_format(line, level, format, ap);
	unsigned long flags;

	if (kernel_log.emergency) {
		ring_put_locked(line, len); // nobody else runs
		line_send(line, len);
		return;
	}
	flags = spin_lock(&kernel_log.lock);
	ring_put_locked(line, len);
	send_all_locked();
	spin_unlock(&kernel_log.lock, flags);
}

void log_at(enum log_level level, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	log_at_v(level, format, ap);
	va_end(ap);
}

void log_set_level(enum log_level level)
{
	kernel_log.level = level;
}

void log_set_sink(log_sink sink)
{
	unsigned long flags = spin_lock(&kernel_log.lock);

	kernel_log.sink = sink;
	send_all_locked();
	spin_unlock(&kernel_log.lock, flags);
}

void log_emergency(void)
{
	kernel_log.emergency = true;
}

static char ring_at(uint64_t at)
{
	return kernel_log.ring[at % RING_SIZE];
}

size_t log_copy(char *out, size_t size)
{
	const uint64_t end = kernel_log.written, kept = min_of(end, (uint64_t)RING_SIZE);
	const bool all = kept == end && end <= size;
	uint64_t at = end - min_of(kept, (uint64_t)size);
	size_t len = 0;

	while (!all && at < end && ring_at(at++) != '\n') // the rest of a line
		;
	while (at < end) {
		for (at++; at < end && ring_at(at) != '\n'; at++) // behind the level
			out[len++] = ring_at(at);
		out[len++] = '\n';
		at++;
	}
	return len;
}
