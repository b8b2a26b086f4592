// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Input ring and line discipline of the console. Items from `out` to `ready` may be read, those from `ready` to `in`
 * are the line being typed. Bytes leave TTY_MARKS places free, so that a mark finds its place however full the ring is;
 * marks of the same kind that follow each other are one. The caller holds the console's lock; nothing sleeps.
 */
#include "drivers/tty.h"

#include <errno.h>
#include <string.h>

/* Flags that can be set. The others stay as settings_default has them. */
#define IFLAGS (ISTRIP | INLCR | IGNCR | ICRNL)
#define OFLAGS (OPOST | ONLCR)
#define LFLAGS (ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHONL | ECHOCTL | ECHOKE | NOFLSH | IEXTEN)

enum mark {
	MARK_DAMAGE = 0x100, // one read fails here
	MARK_PUSH,	     // Ctrl-D behind text: a read ends here
	MARK_END,	     // Ctrl-D on an empty line: one read returns 0
	MARK_END_FINAL,	     // every read from here on returns 0
};

enum {
	NO_KEY = 0x00, // of a control character that is switched off
	CTRL_C = 0x03,
	CTRL_D = 0x04,
	BACKSPACE = 0x08,
	CTRL_T = 0x14,
	CTRL_U = 0x15,
	CTRL_V = 0x16,
	CTRL_BACKSLASH = 0x1c,
	DELETE = 0x7f,
};

/* Control characters that can be set; the others are switched off. */
static const uint8_t keys[] = {VINTR, VQUIT, VERASE, VKILL, VEOF, VEOL, VEOL2, VLNEXT, VMIN, VTIME};

static uint16_t *item_at(struct tty *tty, uint32_t i)
{
	return &tty->items[i % TTY_SIZE];
}

static struct termios settings_default(tcflag_t oflag)
{
	struct termios t;

	memset(&t, 0, sizeof(t));
	t.c_iflag = ICRNL | IUTF8;
	t.c_oflag = oflag;
	t.c_cflag = CS8 | CREAD | CLOCAL | B115200; // a speed that there is
	t.c_ispeed = t.c_ospeed = B115200;
	t.c_lflag = ISIG | ICANON | IEXTEN | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE;
	t.c_cc[VINTR] = CTRL_C;
	t.c_cc[VQUIT] = CTRL_BACKSLASH;
	t.c_cc[VERASE] = DELETE;
	t.c_cc[VKILL] = CTRL_U;
	t.c_cc[VEOF] = CTRL_D;
	t.c_cc[VLNEXT] = CTRL_V;
	t.c_cc[VMIN] = 1;
	return t;
}

static struct termios settings_of(bool terminal, tcflag_t oflag)
{
	struct termios t;

	if (terminal)
		return settings_default(oflag);
	memset(&t, 0, sizeof(t));
	t.c_cc[VMIN] = 1;
	return t;
}

static bool flag(const struct tty *tty, tcflag_t lflag)
{
	return tty->settings.c_lflag & lflag;
}

static bool key_is(const struct tty *tty, unsigned which, uint8_t byte)
{
	return byte != NO_KEY && tty->settings.c_cc[which] == byte;
}

void tty_init(struct tty *tty, bool terminal, tcflag_t oflag, void (*echo)(const char *text, size_t len))
{
	tty->settings = settings_of(terminal, oflag);
	tty->echo = echo;
	tty->in = tty->ready = tty->out = 0;
	tty->literal = tty->damage_due = tty->ended = false;
}

void tty_set_terminal(struct tty *tty, bool terminal, tcflag_t oflag)
{
	tty->settings = settings_of(terminal, oflag);
	tty->literal = false;
	tty->ready = tty->in;
}

static tcflag_t mixed(tcflag_t old, tcflag_t new, tcflag_t settable)
{
	return (old & ~settable) | (new &settable);
}

void tty_set(struct tty *tty, const struct termios *settings)
{
	struct termios *own = &tty->settings;
	const tcflag_t before = own->c_lflag;

	own->c_iflag = mixed(own->c_iflag, settings->c_iflag, IFLAGS);
	own->c_oflag = mixed(own->c_oflag, settings->c_oflag, OFLAGS);
	own->c_lflag = mixed(own->c_lflag, settings->c_lflag, LFLAGS);
	for (unsigned i = 0; i < array_size(keys); i++)
		own->c_cc[keys[i]] = settings->c_cc[keys[i]];
	if ((before ^ own->c_lflag) & ICANON) {
		tty->literal = false;
		tty->ready = tty->in;
	}
}

uint32_t tty_room(const struct tty *tty)
{
	uint32_t used = tty->in - tty->out;

	return used < TTY_BYTES ? TTY_BYTES - used : 0;
}

/* ---- what goes into the ring ---- */

/* A mark, and all before it may be read. The last two places are kept for what tty_end puts there. */
static void mark_put(struct tty *tty, enum mark mark)
{
	if (tty->in - tty->out < TTY_SIZE - 2)
		*item_at(tty, tty->in++) = mark;
	else if (mark == MARK_DAMAGE)
		tty->damage_due = true;
	tty->ready = tty->in;
}

void tty_damage(struct tty *tty)
{
	if (!tty->ended && (tty->in == tty->out || *item_at(tty, tty->in - 1) != MARK_DAMAGE))
		mark_put(tty, MARK_DAMAGE);
}

void tty_end(struct tty *tty)
{
	if (tty->ended)
		return;
	tty->ended = true;
	if (tty->damage_due)
		*item_at(tty, tty->in++) = MARK_DAMAGE;
	*item_at(tty, tty->in++) = MARK_END_FINAL;
	tty->ready = tty->in;
}

static void byte_put(struct tty *tty, uint8_t byte)
{
	if (tty->ended)
		return;
	if (!tty_room(tty)) {
		tty_damage(tty);
		return;
	}
	if (tty->damage_due) {
		tty->damage_due = false;
		mark_put(tty, MARK_DAMAGE);
	}
	*item_at(tty, tty->in++) = byte;
	/* A line that fills the ring is handed over in pieces: it could never end otherwise. */
	if (!flag(tty, ICANON) || !tty_room(tty))
		tty->ready = tty->in;
}

void tty_flush(struct tty *tty)
{
	tty->in = tty->ready = tty->out;
	tty->literal = tty->damage_due = false;
	if (tty->ended) {
		*item_at(tty, tty->in++) = MARK_END_FINAL;
		tty->ready = tty->in;
	}
}

/* ---- line discipline ---- */

/* Columns that the byte took: control characters show as ^X, the rest of a UTF-8 character as nothing. */
static unsigned echo_width(uint8_t byte)
{
	if (byte < 0x20 || byte == DELETE)
		return 2;
	return (byte & 0xc0) == 0x80 ? 0 : 1;
}

static void echo_byte(struct tty *tty, uint8_t byte)
{
	char text[2] = {'^', (char)(byte ^ 0x40)};

	if (byte == '\n' && (flag(tty, ECHO) || (flag(tty, ECHONL) && flag(tty, ICANON))))
		tty->echo("\n", 1);
	else if (!flag(tty, ECHO))
		return;
	else if (echo_width(byte) == 2 && flag(tty, ECHOCTL))
		tty->echo(text, 2);
	else
		tty->echo((const char *)&byte, 1);
}

/* Takes the last character off the line: all bytes of one in UTF-8. False: the line is empty. */
static bool erase_character(struct tty *tty)
{
	unsigned width = 0;

	if (tty->in == tty->ready)
		return false;
	do
		width = echo_width((uint8_t)*item_at(tty, --tty->in));
	while (!width && tty->in != tty->ready);
	if (width == 2 && !flag(tty, ECHOCTL))
		width = 0;
	while (width-- && flag(tty, ECHO))
		tty->echo("\b \b", 3);
	return true;
}

/* The erase key: the character goes from the screen, or the key is shown. */
static void erase(struct tty *tty, uint8_t key)
{
	if (flag(tty, ECHOE) || tty->in == tty->ready) {
		(void)erase_character(tty); // of an empty line there is none
		return;
	}
	while ((*item_at(tty, --tty->in) & 0xc0) == 0x80 && tty->in != tty->ready)
		; // all bytes of a character in UTF-8
	echo_byte(tty, key);
}

/* The kill key: the line goes from the screen, or the key is shown, and a new line begins. */
static void kill_line(struct tty *tty, uint8_t key)
{
	const tcflag_t visual = ECHOE | ECHOK | ECHOKE;

	if ((tty->settings.c_lflag & visual) == visual) {
		while (erase_character(tty))
			;
		return;
	}
	tty->in = tty->ready;
	echo_byte(tty, key);
	if (flag(tty, ECHO) && flag(tty, ECHOK))
		tty->echo("\n", 1);
}

static void line_put(struct tty *tty, uint8_t byte)
{
	echo_byte(tty, byte);
	byte_put(tty, byte);
}

static void interrupt(struct tty *tty, uint8_t key)
{
	if (flag(tty, ICANON) && !flag(tty, NOFLSH))
		tty->in = tty->ready;
	tty->literal = false;
	if (!flag(tty, ECHO))
		return;
	echo_byte(tty, key);
	tty->echo("\n", 1);
}

void tty_interrupt(struct tty *tty)
{
	interrupt(tty, CTRL_C);
}

void tty_redraw(struct tty *tty)
{
	for (uint32_t i = tty->ready; flag(tty, ICANON) && i != tty->in; i++)
		echo_byte(tty, (uint8_t)*item_at(tty, i));
}

/* What a byte stands for when it comes: true if for nothing. */
static bool translate(const struct tty *tty, uint8_t *byte)
{
	const tcflag_t iflag = tty->settings.c_iflag;

	if (iflag & ISTRIP)
		*byte &= 0x7f;
	if (*byte == '\r' && (iflag & IGNCR))
		return true;
	if (*byte == '\r' && (iflag & ICRNL))
		*byte = '\n';
	else if (*byte == '\n' && (iflag & INLCR))
		*byte = '\r';
	return false;
}

/* A byte of a line being typed: into it, or what it does with it. */
static void line_input(struct tty *tty, uint8_t byte)
{
	if (key_is(tty, VERASE, byte) || (flag(tty, IEXTEN) && byte == BACKSPACE)) {
		erase(tty, byte);
	} else if (key_is(tty, VKILL, byte)) {
		kill_line(tty, byte);
	} else if (key_is(tty, VEOF, byte)) {
		mark_put(tty, tty->in == tty->ready ? MARK_END : MARK_PUSH);
	} else if (flag(tty, IEXTEN) && key_is(tty, VLNEXT, byte)) {
		tty->literal = true;
	} else if (key_is(tty, VEOL, byte) || (flag(tty, IEXTEN) && key_is(tty, VEOL2, byte))) {
		line_put(tty, byte);
		mark_put(tty, MARK_PUSH);
	} else {
		line_put(tty, byte);
		if (byte == '\n')
			tty->ready = tty->in;
	}
}

enum tty_key tty_input(struct tty *tty, uint8_t byte)
{
	if (tty->literal) {
		tty->literal = false;
		line_put(tty, byte);
		return TTY_NO_KEY;
	}
	if (translate(tty, &byte))
		return TTY_NO_KEY;
	if (flag(tty, ISIG) && (key_is(tty, VINTR, byte) || key_is(tty, VQUIT, byte))) {
		interrupt(tty, byte);
		return key_is(tty, VINTR, byte) ? TTY_INTERRUPT : TTY_QUIT;
	}
	if (!flag(tty, ICANON)) {
		line_put(tty, byte);
		return TTY_NO_KEY;
	}
	if (flag(tty, IEXTEN) && byte == CTRL_T)
		return TTY_REPORT;
	line_input(tty, byte);
	return TTY_NO_KEY;
}

/* ---- what comes out ---- */

uint32_t tty_readable(const struct tty *tty, uint32_t max, bool *marked)
{
	uint32_t n = 0;

	*marked = false;
	for (uint32_t i = tty->out; i != tty->ready && n < max; i++) {
		const uint16_t item = tty->items[i % TTY_SIZE];

		if (item == MARK_PUSH && !n)
			continue; // as tty_read does
		if (item >= MARK_DAMAGE) {
			*marked = true;
			break;
		}
		n++;
	}
	return n;
}

long tty_read(struct tty *tty, uint8_t *buf, size_t len)
{
	size_t n = 0;

	while (n < len && tty->out != tty->ready) {
		uint16_t item = *item_at(tty, tty->out);

		if (item >= MARK_DAMAGE && item != MARK_PUSH && n)
			break;
		if (item == MARK_END_FINAL)
			return 0;
		tty->out++;
		if (item == MARK_DAMAGE)
			return -EIO;
		if (item == MARK_END)
			return 0;
		if (item == MARK_PUSH) {
			if (n)
				break;
			continue; // the text before it filled the reader's buffer
		}
		buf[n++] = (uint8_t)item;
		if (flag(tty, ICANON) && item == '\n')
			break;
	}
	return n || !len ? (long)n : -EAGAIN;
}
