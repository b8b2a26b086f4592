// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The console, docs/console.md. All that goes out passes through one ring, put there in whole frames under the lock,
 * and leaves by the transport's interrupt; so nothing interleaves, and nobody who prints waits with interrupts masked.
 * The last KEEP bytes of the ring are for kernel lines; when these run out, and at the end, it is emptied by polling.
 *
 * console.lock guards all. It nests inside the log's lock (console_sink) and around the transport's; nothing under
 * these two logs. Nothing here sleeps but the console's own thread. The sink and console_exit give up waiting for the
 * lock, which code that panicked may hold, and go on without it.
 */
#include "drivers/console_state.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "arch/clock.h"
#include "kernel/bootargs.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/poll.h"
#include "kernel/thread.h"
#include "kernel/time.h"

#define LOCK_PATIENCE NSEC_PER_SEC
#define READY_LINE "[cairn] ready\n"

struct console console = {
    .lock = SPINLOCK_INIT("console"),
    .channel = 'O',
    .writers = WAITQ_INIT(console.writers),
    .readers = WAITQ_INIT(console.readers),
    .events = WAITQ_INIT(console.events),
};

/* ---- output; the lock is held ---- */

bool console_framed(void)
{
	return console.mode != MODE_RAW;
}

/* Gives the transport what it takes. */
void console_out_pump(void)
{
	const uint8_t *data;
	uint32_t len;

	while ((len = ring_peek(&console.out, &data))) {
		size_t sent = console.port->write(console.port, data, len);

		ring_drop(&console.out, (uint32_t)sent);
		if (sent < len)
			break;
	}
	if (ring_used(&console.out) <= OUT_SIZE / 2) {
		waitq_wake_all(&console.writers);
		poll_wake();
	}
}

void console_out_poll(void)
{
	const uint8_t *data;
	uint32_t len;

	while ((len = ring_peek(&console.out, &data))) {
		console.port->write_polled(console.port, data, len);
		ring_drop(&console.out, len);
	}
	waitq_wake_all(&console.writers);
	poll_wake();
}

/* A command, which must find room. */
void console_out_command(const char *text)
{
	ring_put(&console.out, DLE);
	while (*text)
		ring_put(&console.out, (uint8_t)*text++);
}

bool console_out_room(size_t len, uint32_t keep)
{
	return ring_room(&console.out) >= keep + 2 * len + FRAME_MAX;
}

/* A dumb terminal wants both; of one that is attached, the PC sees to it. */
static bool newline_is_two(char channel)
{
	const tcflag_t both = OPOST | ONLCR;

	return !console_framed() && channel != 'K' && (console.tty.settings.c_oflag & both) == both;
}

/* Data on a channel, if all of it leaves `keep` bytes of the ring free; else nothing, and false. */
bool console_out_data(char channel, const void *data, size_t len, uint32_t keep)
{
	const bool two = newline_is_two(channel);
	const uint8_t *p = data;

	if (!console_out_room(len, keep))
		return false;
	if (console_framed() && channel != console.channel)
		console_out_command((const char[]){channel, '\0'});
	console.channel = channel;
	for (size_t n = 0; n < len; n++) {
		if (console_framed() && p[n] == DLE)
			ring_put(&console.out, DLE);
		if (two && p[n] == '\n')
			ring_put(&console.out, '\r');
		ring_put(&console.out, p[n]);
	}
	if (len)
		console.line_begun = p[len - 1] != '\n';
	return true;
}

/* Echo that finds no room is not seen; nothing else is lost by that. */
static void out_echo(const char *text, size_t len)
{
	if (!console_framed() && len == 1 && *text == '\n' && !newline_is_two('O'))
		console_out_data('O', "\r\n", 2, KEEP_ECHO);
	else
		console_out_data('O', text, len, KEEP_ECHO);
}

/* ---- credit ---- */

void console_credit_grant(bool first)
{
	uint32_t more = tty_room(&console.tty);
	char text[FRAME_MAX];

	more -= min_of(more, console.credit);
	if (!console_framed() || !console.ready || ring_room(&console.out) < 2 * FRAME_MAX)
		return;
	if (!first && more < TTY_BYTES / 4 && (console.credit || !more))
		return;
	snprintf(text, sizeof(text), "%s%04x", first ? "R1" : "C", (unsigned)more);
	console_out_command(text);
	console.credit += more;
}

/* ---- input; the lock is held ---- */

/* Output flags to begin with: a PC's terminal has ONLCR, and what a dumb one gets is bytes as they are. */
static tcflag_t oflag_default(enum mode mode)
{
	return mode == MODE_TERM ? OPOST | ONLCR : OPOST;
}

static void console_attach(enum mode mode)
{
	console.mode = mode;
	console_chardev()->is_tty = mode != MODE_STREAM;
	tty_set_terminal(&console.tty, console_chardev()->is_tty, oflag_default(mode));
	if (ring_room(&console.out) < 4 * FRAME_MAX)
		console_out_poll();
	console.credit = 0;
	console_credit_grant(true);
	console_out_command("O");
	console.channel = 'O';
}

static void input_key(enum tty_key key)
{
	if (key == TTY_NO_KEY)
		return;
	console.keys[key] = true;
	waitq_wake_all(&console.events);
}

static void input_data(uint8_t byte)
{
	if (console.credit)
		console.credit--;
	input_key(tty_input(&console.tty, byte));
}

static void input_damage(unsigned count)
{
	console.errors += count;
	tty_damage(&console.tty);
	waitq_wake_all(&console.events);
}

static void input_command(uint8_t byte)
{
	if (byte == 'A')
		console.parser = PARSER_ATTACH;
	else if (byte == DLE && console_framed())
		input_data(byte);
	else if (byte == 'Z' && console_framed())
		tty_end(&console.tty);
	else if (byte == 'I' && console_framed()) {
		tty_interrupt(&console.tty);
		input_key(TTY_INTERRUPT);
	} else if (console_framed()) {
		input_damage(1);
	} else { // a terminal on the wire knows no frames
		input_data(DLE);
		if (byte == DLE)
			console.parser = PARSER_DLE;
		else
			input_data(byte);
	}
}

static void input_byte(uint8_t byte)
{
	enum parser parser = console.parser;

	console.parser = PARSER_DATA;
	if (parser == PARSER_DLE) {
		input_command(byte);
	} else if (parser == PARSER_ATTACH && (byte == 's' || byte == 't')) {
		console_attach(byte == 's' ? MODE_STREAM : MODE_TERM);
	} else if (parser == PARSER_ATTACH && console_framed()) {
		input_damage(1);
	} else {
		if (parser == PARSER_ATTACH) {
			input_data(DLE);
			input_data('A');
		}
		if (byte == DLE)
			console.parser = PARSER_DLE;
		else
			input_data(byte);
	}
}

void console_receive(struct console_port *port, const uint8_t *buf, size_t len, unsigned errors)
{
	unsigned long flags = spin_lock(&console.lock);

	if (port == console.port && !console.ended) {
		if (errors) {
			console.parser = PARSER_DATA;
			input_damage(errors);
		}
		for (size_t i = 0; i < len; i++)
			input_byte(buf[i]);
		console_credit_grant(false); // what was erased has made room
		console_out_pump();
		waitq_wake_all(&console.readers);
		poll_wake();
	}
	spin_unlock(&console.lock, flags);
}

void console_port_room(struct console_port *port)
{
	unsigned long flags = spin_lock(&console.lock);

	if (port == console.port) {
		console_credit_grant(false);
		console_out_pump();
	}
	spin_unlock(&console.lock, flags);
}

/* ---- kernel messages and the end ---- */

static bool console_lock_patiently(unsigned long *flags)
{
	static atomic_bool lost; // waited in vain: the next line does not wait again
	nsec_t deadline = clock_now() + LOCK_PATIENCE;

	while (!spin_trylock(&console.lock, flags)) {
		if (lost || clock_now() > deadline) {
			lost = true;
			return false;
		}
	}
	return true;
}

static void console_sink(const char *text, size_t len)
{
	unsigned long flags = 0;
	bool locked = console_lock_patiently(&flags);

	len = min_of(len, (size_t)KEEP_ECHO / 2);
	if (!console.ended) {
		if (ring_room(&console.out) < 2 * len + 2 * FRAME_MAX)
			console_out_poll();
		if (!console_framed() && console.line_begun)
			console_out_data('K', "\n", 1, 0);
		console_out_data('K', text, len, 0);
		console_out_pump();
	}
	if (locked)
		spin_unlock(&console.lock, flags);
}

void console_exit(int status, char kind)
{
	unsigned long flags = 0;
	bool locked = console_lock_patiently(&flags);
	char text[32];

	if (console.port && !console.ended) {
		console_out_poll();
		if (console_framed())
			snprintf(text, sizeof(text), "%cX%02x%c", DLE, status & 0xff, kind);
		else
			snprintf(text, sizeof(text), "%s[cairn] exit %d\n", console.line_begun ? "\n" : "",
				 status & 0xff);
		console.port->write_polled(console.port, text, strlen(text));
	}
	console.ended = true;
	waitq_wake_all(&console.writers);
	poll_wake();
	if (locked)
		spin_unlock(&console.lock, flags);
}

/* ---- start ---- */

int console_register(struct console_port *port)
{
	if (console.port_count == PORTS_MAX)
		return -ENOSPC;
	console.ports[console.port_count++] = port;
	return 0;
}

void console_set_interrupt(void (*interrupt)(bool quit))
{
	unsigned long flags = spin_lock(&console.lock);

	console.interrupt = interrupt;
	spin_unlock(&console.lock, flags);
}

/* All threads, and behind them again the line that was being typed. */
static void report(void)
{
	unsigned long flags;

	threads_print();
	flags = spin_lock(&console.lock);
	tty_redraw(&console.tty);
	console_out_pump();
	spin_unlock(&console.lock, flags);
}

static bool key_is_due(void)
{
	return console.keys[TTY_INTERRUPT] || console.keys[TTY_QUIT] || console.keys[TTY_REPORT];
}

/* What input makes due but an interrupt cannot do. */
static void *console_main(void *arg)
{
	(void)arg;
	for (;;) {
		unsigned long flags = spin_lock(&console.lock);

		while (!key_is_due() && console.errors == console.reported)
			waitq_wait(&console.events, &console.lock, &flags);
		void (*interrupt)(bool quit) = console.interrupt;
		uint64_t errors = console.errors - console.reported;
		bool keys[array_size(console.keys)];

		memcpy(keys, console.keys, sizeof(keys));
		memset(console.keys, 0, sizeof(console.keys));
		console.reported = console.errors;
		spin_unlock(&console.lock, flags);
		if (errors)
			log_warning("console: %llu input bytes were lost or damaged; the reader gets an error there",
				    (unsigned long long)errors);
		if (keys[TTY_REPORT])
			report();
		if (interrupt && keys[TTY_INTERRUPT])
			interrupt(false);
		if (interrupt && keys[TTY_QUIT])
			interrupt(true);
	}
	return NULL;
}

static struct console_port *port_choose(void)
{
	struct console_port *chosen = console.port_count ? console.ports[0] : NULL;
	char name[32];
	int len = bootargs_get("console", name, sizeof(name));

	for (unsigned i = console.port_count; i-- > 0;)
		if (console.ports[i]->preferred)
			chosen = console.ports[i];
	if (len < 0)
		return chosen;
	name[strcspn(name, ",")] = '\0'; // a speed may follow
	for (unsigned i = 0; i < console.port_count; i++)
		if (!strcmp(console.ports[i]->name, name))
			return console.ports[i];
	log_warning("console=%s: there is no such console, using %s", name, chosen ? chosen->name : "none");
	return chosen;
}

static enum mode mode_choose(void)
{
	static const char *const names[] = {[MODE_RAW] = "raw", [MODE_TERM] = "term", [MODE_STREAM] = "stream"};
	char name[16];
	int len = bootargs_get("cairn.console", name, sizeof(name));

	for (unsigned i = 0; len >= 0 && i < array_size(names); i++)
		if (!strcmp(name, names[i]))
			return (enum mode)i;
	if (len != -ENOENT)
		log_warning("cairn.console: the mode must be raw, term or stream; using raw");
	return MODE_RAW;
}

int console_init(void)
{
	struct thread *thread;
	int error;

	ring_init(&console.out, console.out_data, OUT_SIZE);
	console.mode = mode_choose();
	console_chardev()->is_tty = console.mode != MODE_STREAM;
	tty_init(&console.tty, console_chardev()->is_tty, oflag_default(console.mode), out_echo);
	console.port = port_choose();
	if (!console.port)
		return -ENODEV;
	error = thread_create("console", THREAD_STACK_SIZE, console_main, NULL, &thread);
	if (error)
		return error;
	panic_set_exit(console_exit);
	log_set_sink(console_sink);
	return 0;
}

void console_ready(void)
{
	unsigned long flags = spin_lock(&console.lock);

	console.ready = true;
	if (!console_framed()) // tells a PC that it may attach
		console_out_data('K', READY_LINE, strlen(READY_LINE), 0);
	console_credit_grant(true);
	console_out_pump();
	spin_unlock(&console.lock, flags);
	console.port->start(console.port);
}
