// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The console over a port that the test plays: what the board sends is decoded here by a second reading of
 * docs/console.md, what it receives is made up. The code is included, so that the host build's own console, which has
 * the same functions, stays out.
 */
#include "drivers/console.c"
#include "drivers/console_dev.c"
#include "drivers/tty.c"

#include <stdlib.h>

#include "arch/host/host.h"
#include "arch/irq.h"
#include "tests/host/harness.h"

#define WIRE_MAX (8u << 20)

/* ---- the port ---- */

static struct {
	uint8_t wire[WIRE_MAX]; // all that the board sent
	size_t len;
	size_t takes; // by interrupt, before it is full; SIZE_MAX: all
	bool started;
	unsigned polled; // calls
} fake;

static size_t fake_write(struct console_port *port, const void *buf, size_t len)
{
	size_t n = min_of(len, fake.takes);

	(void)port;
	assert_true(fake.len + n <= WIRE_MAX);
	memcpy(fake.wire + fake.len, buf, n);
	fake.len += n;
	if (fake.takes != SIZE_MAX)
		fake.takes -= n;
	return n;
}

static void fake_write_polled(struct console_port *port, const void *buf, size_t len)
{
	(void)port;
	assert_true(fake.len + len <= WIRE_MAX);
	memcpy(fake.wire + fake.len, buf, len);
	fake.len += len;
	fake.polled++;
}

static void fake_start(struct console_port *port)
{
	(void)port;
	fake.started = true;
}

static struct console_port fake_port = {
    .name = "fake0", .write_polled = fake_write_polled, .write = fake_write, .start = fake_start};

static void start(const char *args)
{
	fake.takes = SIZE_MAX;
	bootargs_set(args, strlen(args));
	assert_int_equal(console_register(&fake_port), 0);
	assert_int_equal(console_init(), 0);
	assert_false(fake.started);
	console_ready();
	assert_true(fake.started);
}

/* As the driver's interrupt would. */
static void receive(const void *bytes, size_t len, unsigned errors)
{
	unsigned long flags = irq_save();

	console_receive(&fake_port, bytes, len, errors);
	irq_restore(flags);
}

static void type(const char *text)
{
	receive(text, strlen(text), 0);
}

static void room(size_t bytes)
{
	unsigned long flags = irq_save();

	fake.takes = bytes;
	console_port_room(&fake_port);
	irq_restore(flags);
}

/* ---- the PC's reading of what was sent ---- */

static struct {
	uint8_t text[3][WIRE_MAX]; // O, E, K
	size_t len[3];
	unsigned channel, ready, ends;
	uint64_t credit; // granted in all, since the last ready mark
	char end[4];
} pc;

static unsigned hex(const uint8_t *digits, unsigned count)
{
	char text[8] = {0};
	char *end;
	unsigned value;

	memcpy(text, digits, count);
	value = (unsigned)strtoul(text, &end, 16);
	assert_ptr_equal(end, text + count);
	return value;
}

static void decode(void)
{
	memset(&pc, 0, sizeof(pc));
	for (size_t i = 0; i < fake.len; i++) {
		const uint8_t *at = fake.wire + i;

		assert_int_equal(pc.ends, 0); // nothing follows the end
		if (at[0] != DLE || (i + 1 < fake.len && at[1] == DLE)) {
			pc.text[pc.channel][pc.len[pc.channel]++] = at[0];
			i += at[0] == DLE;
			continue;
		}
		assert_true(i + 1 < fake.len);
		switch (at[1]) {
		case 'O':
		case 'E':
		case 'K':
			pc.channel = at[1] == 'O' ? 0 : at[1] == 'E' ? 1 : 2;
			i += 1;
			break;
		case 'R':
			assert_int_equal(at[2], '1');
			pc.ready++;
			pc.credit = hex(at + 3, 4);
			i += 6;
			break;
		case 'C':
			assert_true(pc.ready > 0);
			pc.credit += hex(at + 2, 4);
			i += 5;
			break;
		case 'X':
			memcpy(pc.end, at + 2, 3);
			pc.ends++;
			i += 4;
			break;
		default:
			fail_msg("unknown frame %02x", at[1]);
		}
	}
}

static void sent_is(unsigned channel, const char *text)
{
	decode();
	assert_int_equal(pc.len[channel], strlen(text));
	assert_memory_equal(pc.text[channel], text, strlen(text));
}

/* ---- the application's calls ---- */

static long app_read(void *buf, size_t len)
{
	return console_chardev()->read(console_chardev(), buf, len, true);
}

static void app_write(const void *buf, size_t len, int channel)
{
	assert_int_equal(console_chardev()->write(console_chardev(), buf, len, channel, true), len);
}

static void reads(const char *text)
{
	char buf[256];
	size_t len = strlen(text);

	assert_int_equal(app_read(buf, sizeof(buf)), len);
	assert_memory_equal(buf, text, len);
}

/* ---- stream mode ---- */

static void body_stream_out(void *arg)
{
	uint8_t all[256];

	(void)arg;
	for (unsigned i = 0; i < 256; i++)
		all[i] = (uint8_t)i;
	start("console=fake0 cairn.console=stream");
	assert_false(console_chardev()->is_tty);
	decode();
	assert_int_equal(pc.ready, 1);
	assert_int_equal(pc.credit, TTY_BYTES);
	app_write(all, 256, 1);
	app_write("\x10", 1, 2);
	app_write(all, 256, 2);
	log_info("a kernel line");
	app_write("\x10O", 2, 1);
	decode();
	assert_int_equal(pc.len[0], 258);
	assert_memory_equal(pc.text[0], all, 256);
	assert_memory_equal(pc.text[0] + 256, "\x10O", 2);
	assert_int_equal(pc.len[1], 257);
	assert_memory_equal(pc.text[1] + 1, all, 256);
	assert_non_null(strstr((char *)pc.text[2], "a kernel line\n"));
}

static void body_stream_in(void *arg)
{
	uint8_t wire[512], back[600];
	size_t n = 0;

	(void)arg;
	start("console=fake0 cairn.console=stream");
	for (unsigned i = 0; i < 256; i++) {
		if (i == DLE)
			wire[n++] = DLE;
		wire[n++] = (uint8_t)i;
	}
	receive(wire, n, 0);
	assert_int_equal(app_read(back, sizeof(back)), 256);
	for (unsigned i = 0; i < 256; i++)
		assert_int_equal(back[i], i);

	/* Cut anywhere, frames too; nothing that is data ends the input. */
	for (size_t i = 0; i < n; i++)
		receive(wire + i, 1, 0);
	receive("\x10\x10Z\x04\x03", 5, 0);
	assert_int_equal(app_read(back, sizeof(back)), 260);
	assert_memory_equal(back + 256, "\x10Z\x04\x03", 4);
	receive("last\x10", 5, 0);
	receive("Z", 1, 0);
	reads("last");
	assert_int_equal(app_read(back, sizeof(back)), 0);
	receive("more", 4, 0);
	assert_int_equal(app_read(back, sizeof(back)), 0);
}

/* A PC that heeds its credit never loses a byte, however slow the reader; and it is never left without for good. */
static void body_credit(void *arg)
{
	static uint8_t buf[TTY_BYTES];
	uint64_t sent = 0, got = 0;
	unsigned seed = 7;

	(void)arg;
	start("console=fake0 cairn.console=stream");
	while (got < 20 * TTY_BYTES) {
		seed = seed * 1103515245u + 12345u;
		decode();
		assert_true(pc.credit >= sent);
		assert_true(pc.credit - got <= TTY_BYTES);
		size_t n = min_of((size_t)(pc.credit - sent), (size_t)(seed >> 16) % sizeof(buf));

		if (sent == pc.credit || seed & 0x100000) {
			long r = app_read(buf, 1 + (seed >> 12) % 5000);

			assert_true(r > 0);
			for (long i = 0; i < r; i++)
				assert_int_equal(buf[i], (uint8_t)(0x80 | (got + (uint64_t)i)));
			got += (uint64_t)r;
		} else {
			for (size_t i = 0; i < n; i++)
				buf[i] = (uint8_t)(0x80 | (sent + i));
			receive(buf, n, 0);
			sent += n;
		}
		if (sent == got) {
			decode();
			assert_true(pc.credit > sent);
			receive((uint8_t[]){(uint8_t)(0x80 | sent)}, 1, 0);
			sent++;
		}
	}
	assert_int_equal(console.errors, 0);
}

static void body_overrun(void *arg)
{
	uint8_t *buf = calloc(1, TTY_SIZE);
	size_t got = 0;
	long n;

	(void)arg;
	assert_non_null(buf);
	start("console=fake0 cairn.console=stream");
	memset(buf, 'x', TTY_SIZE);
	receive(buf, TTY_BYTES, 0);
	receive("lost", 4, 0);
	receive("lost", 4, 0);
	while ((n = app_read(buf, 4096)) > 0)
		got += (size_t)n;
	assert_int_equal(n, -EIO);
	assert_int_equal(got, TTY_BYTES);
	type("after");
	reads("after");

	/* Damage again and again, without a place for its marks: one is left, and the end finds its place behind it. */
	receive(buf, TTY_BYTES, 0);
	for (unsigned i = 0; i < 3 * TTY_MARKS; i++) {
		receive(buf, 0, 1);
		type("l");
	}
	type("\x10Z");
	for (got = 0; (n = app_read(buf, 4096)) > 0; got += (size_t)n)
		;
	assert_int_equal(n, -EIO);
	assert_int_equal(got, TTY_BYTES);
	while ((n = app_read(buf, 4096)) != 0)
		assert_int_equal(n, -EIO);
	free(buf);
}

static void body_damage(void *arg)
{
	char buf[16];

	(void)arg;
	start("console=fake0 cairn.console=stream");
	type("before");
	receive("after", 5, 2);
	reads("before");
	assert_int_equal(app_read(buf, sizeof(buf)), -EIO);
	reads("after");
	type("\x10?x"); // an unknown command
	assert_int_equal(app_read(buf, sizeof(buf)), -EIO);
	reads("x");
	type("\x10");
	receive("Z", 1, 1); // the byte that was lost may have been anything
	assert_int_equal(app_read(buf, sizeof(buf)), -EIO);
	reads("Z");
	assert_int_equal(console.errors, 4);
	thread_sleep_until(clock_now() + NSEC_PER_SEC);
	decode();
	assert_non_null(strstr((char *)pc.text[2], "4 input bytes were lost or damaged"));
}

static unsigned interrupts;

static void on_interrupt(bool quit)
{
	assert_false(quit);
	assert_int_equal(spin_depth(), 0);
	assert_true(irq_enabled());
	interrupts++;
}

static void body_interrupt(void *arg)
{
	(void)arg;
	start("console=fake0 cairn.console=stream");
	type("\x10I");
	console_set_interrupt(on_interrupt);
	thread_sleep_until(clock_now() + NSEC_PER_SEC);
	assert_int_equal(interrupts, 1);
	type("\x03\x10I");
	thread_sleep_until(clock_now() + NSEC_PER_SEC);
	assert_int_equal(interrupts, 2);
	reads("\x03");
}

/* ---- the line discipline ---- */

static const struct {
	const char *typed, *read, *echo;
} lines[] = {
    {"hello\r", "hello\n", "hello\n"},
    {"hello\n", "hello\n", "hello\n"},
    {"\r", "\n", "\n"},
    {"hellp\bo\r", "hello\n", "hellp\b \bo\n"},
    {"hellp\x7fo\r", "hello\n", "hellp\b \bo\n"},
    {"\b\b\x7fx\r", "x\n", "x\n"},
    {"ab\x15"
     "c\r",
     "c\n", "ab\b \b\b \bc\n"},
    {"\xc3\xa4\b!\r", "!\n", "\xc3\xa4\b \b!\n"},
    {"a\xe2\x82\xac\x7f\r", "a\n", "a\xe2\x82\xac\b \b\n"},
    {"\x16\x03\r", "\x03\n", "^C\n"},
    {"\x16\x04\x16\x15\x16\x16\r", "\x04\x15\x16\n", "^D^U^V\n"},
    {"\x01\b!\r", "!\n", "^A\b \b\b \b!\n"},
    {"a\tb\r", "a\tb\n", "a^Ib\n"},
    {"text\x04", "text", "text"},
};

static void lines_check(bool crlf)
{
	static char expected[4096];
	size_t n = 0;

	for (unsigned i = 0; i < array_size(lines); i++) {
		type(lines[i].typed);
		reads(lines[i].read);
		for (const char *p = lines[i].echo; *p; p++) {
			if (*p == '\n' && crlf)
				expected[n++] = '\r';
			expected[n++] = *p;
		}
	}
	expected[n] = '\0';
	if (crlf) {
		assert_int_equal(fake.len, n);
		assert_memory_equal(fake.wire, expected, n);
	} else {
		sent_is(0, expected);
	}
}

static void body_term(void *arg)
{
	char buf[16];

	(void)arg;
	start("console=fake0 cairn.console=term");
	assert_true(console_chardev()->is_tty);
	log_set_level(LOG_ERROR);
	lines_check(false);

	/* A line at a time, in pieces if need be; Ctrl-D after text that filled the buffer is no end. */
	type("one\rtwo\r");
	reads("one\n");
	assert_int_equal(app_read(buf, 2), 2);
	reads("o\n");
	type("abcd\x04");
	assert_int_equal(app_read(buf, 4), 4);
	type("\x04");
	assert_int_equal(app_read(buf, sizeof(buf)), 0);
	type("goes on\r");
	reads("goes on\n");

	console_set_interrupt(on_interrupt);
	type("dropped\x03kept\r");
	reads("kept\n");
	type("dropped\x10Ikept\r");
	reads("kept\n");
	thread_sleep_until(clock_now() + NSEC_PER_SEC);
	assert_true(interrupts >= 1);
	type("end\x10Z");
	reads("end");
	assert_int_equal(app_read(buf, sizeof(buf)), 0);
}

/* Ctrl-T: the threads, and the line being typed again; neither the line nor Ctrl-V's byte is changed by it. */
static void body_report(void *arg)
{
	const bool raw = *(bool *)arg;
	const char *text, *end;

	start(raw ? "console=fake0" : "console=fake0 cairn.console=term");
	log_set_level(LOG_WARNING);
	type("half\x14");
	thread_sleep_until(clock_now() + NSEC_PER_SEC);
	type(" a line\x16\x14\r");
	reads("half a line\x14\n");
	decode();
	text = strstr((const char *)pc.text[raw ? 0 : 2], "thread 2 boot: waiting");
	assert_non_null(text);
	assert_non_null(strstr(text, "body_report"));
	assert_non_null(strstr(text, " console: running\n"));
	end = strstr(raw ? text : (const char *)pc.text[0], raw ? "\nhalf a line^T\r\n" : "halfhalf a line^T\n");
	assert_non_null(end);
	assert_null(strstr(end, "thread 2"));
	text = end;

	type("\x14"); // nothing is being typed
	thread_sleep_until(clock_now() + NSEC_PER_SEC);
	decode();
	if (raw)
		assert_non_null(strstr(text, "thread 2 boot"));
	else
		assert_string_equal((char *)pc.text[0], "halfhalf a line^T\n");
}

static void body_report_stream(void *arg)
{
	(void)arg;
	start("console=fake0 cairn.console=stream");
	type("a\x14z");
	thread_sleep_until(clock_now() + NSEC_PER_SEC);
	reads("a\x14z");
	decode();
	assert_null(strstr((char *)pc.text[2], "thread 2"));
}

/* A line longer than the ring is handed over in pieces, and typing goes on: credit is never gone for good. */
static void body_long_line(void *arg)
{
	static char buf[4096];
	size_t sent = 0, got = 0;

	(void)arg;
	start("console=fake0 cairn.console=term");
	room(SIZE_MAX);
	while (sent < 3 * TTY_SIZE) {
		decode();
		size_t n = min_of((size_t)(pc.credit - sent), (size_t)1000);

		if (n) {
			memset(buf, 'a', n);
			receive(buf, n, 0);
			sent += n;
		} else {
			long r = app_read(buf, sizeof(buf));

			assert_true(r > 0);
			got += (size_t)r;
		}
	}
	type("\r");
	for (long r = 0; !r || buf[r - 1] != '\n'; got += (size_t)r)
		r = app_read(buf, sizeof(buf));
	assert_int_equal(got, sent + 1);
	assert_int_equal(console.errors, 0);
}

static void body_raw(void *arg)
{
	(void)arg;
	log_set_level(LOG_ERROR);
	start("console=fake0");
	assert_true(console_chardev()->is_tty);
	assert_int_equal(fake.len, 14); // no ready mark, but
	assert_memory_equal(fake.wire, "[cairn] ready\n", 14);
	fake.len = 0;
	lines_check(true);
	type("\x10Z\x10\x10x\x10"
	     "Ax\r"); // a terminal on the wire knows no frames
	reads("\x10Z\x10\x10x\x10"
	      "Ax\n");
	fake.len = 0;
	app_write("half a line", 11, 1);
	log_error("said");
	app_write("\x10", 1, 2);
	console_exit(256 + 7, 'e');
	fake.wire[fake.len] = '\0';
	const char *said = strstr((char *)fake.wire, "half a line\n[");

	assert_ptr_equal(said, (char *)fake.wire);
	assert_non_null(strstr(said, "] said\n\x10\n[cairn] exit 7\n"));
}

static void body_attach(void *arg)
{
	bool term = *(bool *)arg;
	char buf[8];

	start("console=fake0");
	type(term ? "half \x10"
		    "A"
		  : "half \x10"
		    "As");
	fake.len = 0;
	if (term) // the first part of the frame came before
		type("t");
	else
		type("\x10"
		     "As");
	decode();
	assert_int_equal(pc.ready, 1);
	assert_int_equal(pc.credit, TTY_BYTES - 5);
	assert_int_equal(console_chardev()->is_tty, term);
	reads("half ");
	type("\x10\x10\r");
	reads(term ? "\x10\n" : "\x10\r");
	app_write("\x10", 1, 2);
	decode();
	assert_int_equal(pc.len[1], 1);
	type("\x10Z");
	assert_int_equal(app_read(buf, sizeof(buf)), 0);
}

/* ---- the end ---- */

static void body_exit(void *arg)
{
	(void)arg;
	start("console=fake0 cairn.console=stream");
	room(5);
	app_write("all of it, though the port is slow", 34, 1);
	console_exit(0x2a, 'f');
	decode();
	assert_string_equal(pc.end, "2af");
	assert_int_equal(pc.len[0], 34);
	log_error("too late");
	type("\x10I");
	console_exit(1, 'e');
	decode();
	assert_int_equal(console_chardev()->write(console_chardev(), "x", 1, 1, true), -EIO);
	assert_string_equal(pc.end, "2af");
}

/* A panic while the console's lock is held: the report and the status get out all the same. */
static void body_panic(void *arg)
{
	(void)arg;
	start("console=fake0 cairn.console=stream");
	app_write("before", 6, 1);
	host_clock_real(); // patience takes a second
	unsigned long flags = spin_lock(&console.lock);

	log_emergency();
	log_error("the report");
	console_exit(134, 'p');
	decode();
	assert_string_equal(pc.end, "86p");
	assert_non_null(strstr((char *)pc.text[2], "the report\n"));
	assert_string_equal((char *)pc.text[0], "before");
	spin_unlock(&console.lock, flags);
}

/* ---- all at once: writers, kernel lines from interrupts, a port that takes a few bytes at a time ---- */

#define WRITERS 3
#define WRITES 200

static struct host_event ticker;
static unsigned ticks;

/* In the interrupt: a kernel line, and room for some bytes. */
static void tick(struct host_event *event)
{
	fake.takes = ticks * 37 % 400;
	console_port_room(&fake_port);
	log_info("tick %u\x10 of the clock", ticks++);
	host_event_post(event, clock_now() + 20000);
}

static void *writer_main(void *arg)
{
	unsigned id = (unsigned)(uintptr_t)arg;
	char text[80];

	for (unsigned i = 0; i < WRITES; i++) {
		int n = snprintf(text, sizeof(text), "<%u:%u\x10%.*s>", id, i, (int)(i % 50),
				 "..................................................");

		app_write(text, (size_t)n, id == 2 ? 2 : 1);
	}
	return NULL;
}

/* Every write of at most a chunk is whole on its channel, and in its writer's order. */
static void writes_check(unsigned channel, unsigned first, unsigned last)
{
	unsigned next[WRITERS] = {0};
	const char *at = (const char *)pc.text[channel], *end = at + pc.len[channel];

	while (at < end) {
		unsigned id, i;
		int n;

		assert_int_equal(sscanf(at, "<%u:%u\x10%n", &id, &i, &n), 2);
		assert_true(id >= first && id <= last);
		assert_int_equal(i, next[id]++);
		at += n;
		for (unsigned dots = 0; dots < i % 50; dots++)
			assert_int_equal(*at++, '.');
		assert_int_equal(*at++, '>');
	}
	for (unsigned id = first; id <= last; id++)
		assert_int_equal(next[id], WRITES);
}

static void body_mixed(void *arg)
{
	struct thread *threads[WRITERS];
	unsigned long flags;
	const char *at;
	void *result;

	(void)arg;
	start("console=fake0 cairn.console=stream");
	flags = irq_save();
	ticker.fire = tick;
	host_event_post(&ticker, clock_now() + 1000);
	irq_restore(flags);
	for (unsigned i = 0; i < WRITERS; i++)
		assert_int_equal(
		    thread_create("writer", THREAD_STACK_SIZE, writer_main, (void *)(uintptr_t)i, &threads[i]), 0);
	for (unsigned i = 0; i < WRITERS; i++)
		assert_int_equal(thread_join(threads[i], &result), 0);
	assert_int_equal(console_chardev()->drain(console_chardev()), 0);
	flags = irq_save();
	host_event_cancel(&ticker);
	irq_restore(flags);
	console_exit(0, 'e');
	decode();
	writes_check(0, 0, 1);
	writes_check(1, 2, 2);
	assert_true(ticks > 20);
	at = (const char *)pc.text[2];
	for (unsigned i = 0; i < ticks; i++) {
		char line[40];

		snprintf(line, sizeof(line), "] tick %u? of the clock\n", i);
		at = strstr(at, line);
		assert_non_null(at);
	}
}

/* Kernel lines with nobody taking them: what does not fit goes out by polling, whole and in order. */
static void body_flood(void *arg)
{
	const char *at;

	(void)arg;
	start("console=fake0 cairn.console=stream");
	room(0);
	for (unsigned i = 0; i < 2000; i++)
		log_info("line %u of many, long enough to fill the ring before long", i);
	assert_true(fake.polled > 0);
	room(SIZE_MAX);
	decode();
	at = (const char *)pc.text[2];
	for (unsigned i = 0; i < 2000; i++) {
		char line[40];

		snprintf(line, sizeof(line), "] line %u of many", i);
		at = strstr(at, line);
		assert_non_null(at);
	}
}

/* ---- any bytes at all ---- */

/* A read that does not wait: 0 at the end, and when there is nothing. */
static long read_now(void *buf, size_t len)
{
	unsigned long flags = spin_lock(&console.lock);
	long n = tty_read(&console.tty, buf, len);

	spin_unlock(&console.lock, flags);
	assert_true(n >= 0 ? (size_t)n <= len : n == -EIO || n == -EAGAIN);
	return n == -EAGAIN ? 0 : n;
}

static void body_noise(void *arg)
{
	static const char *const modes[] = {"raw", "term", "stream"};
	unsigned seed = *(unsigned *)arg;
	char args[64];
	uint8_t buf[300];

	snprintf(args, sizeof(args), "console=fake0 cairn.console=%s", modes[seed % 3]);
	start(args);
	for (unsigned step = 0; step < 3000; step++) {
		long n;

		seed = seed * 1103515245u + 12345u;
		n = (seed >> 16) % sizeof(buf);
		for (long i = 0; i < n; i++) {
			static const char likely[] = "\x10\x10ZIAst\r\n\b\x04\x03\x15\x16";

			seed = seed * 1103515245u + 12345u;
			buf[i] = seed & 0x10000 ? (uint8_t)(seed >> 20) : (uint8_t)likely[(seed >> 20) % 13];
			if (buf[i] == 'Z' && step < 2900) // the end is for the end
				buf[i] = 'z';
		}
		receive(buf, (size_t)n, (seed >> 8) % 16 == 0);
		assert_true(console.tty.in - console.tty.out <= TTY_SIZE);
		assert_true(console.tty.ready - console.tty.out <= console.tty.in - console.tty.out);
		fake.len = 0;
		while (seed & 0x3000 && (n = read_now(buf, 1 + step % 300)) != 0)
			;
	}
}

#define TEST(name)                                                                                                     \
	static void test_##name(void **state)                                                                          \
	{                                                                                                              \
		(void)state;                                                                                           \
		harness_run(&(struct harness){0}, body_##name, NULL);                                                  \
	}

TEST(stream_out)
TEST(stream_in)
TEST(credit)
TEST(overrun)
TEST(damage)
TEST(interrupt)
TEST(term)
TEST(long_line)
TEST(raw)
TEST(exit)
TEST(panic)
TEST(flood)

static void test_report(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++)
		harness_run(&(struct harness){0}, body_report, &(bool){i == 1});
	harness_run(&(struct harness){0}, body_report_stream, NULL);
}

static void test_attach(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++)
		harness_run(&(struct harness){0}, body_attach, &(bool){i == 1});
}

static void test_mixed(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 30; seed++)
		harness_run(&(struct harness){.seed = seed, .preempt_in = 3}, body_mixed, NULL);
}

static void test_noise(void **state)
{
	(void)state;
	for (unsigned seed = 0; seed < 30; seed++)
		harness_run(&(struct harness){0}, body_noise, &seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_stream_out), cmocka_unit_test(test_stream_in), cmocka_unit_test(test_credit),
	    cmocka_unit_test(test_overrun),    cmocka_unit_test(test_damage),	 cmocka_unit_test(test_interrupt),
	    cmocka_unit_test(test_term),       cmocka_unit_test(test_long_line), cmocka_unit_test(test_raw),
	    cmocka_unit_test(test_attach),     cmocka_unit_test(test_exit),	 cmocka_unit_test(test_panic),
	    cmocka_unit_test(test_report),     cmocka_unit_test(test_mixed),	 cmocka_unit_test(test_flood),
	    cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
