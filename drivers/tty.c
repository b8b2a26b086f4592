// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Input ring and line discipline of the console. Items from `out` to `ready` may be read, those from `ready` to `in`
 * are the line being typed. Bytes leave TTY_MARKS places free, so that a mark finds its place however full the ring is;
 * marks of the same kind that follow each other are one. The caller holds the console's lock; nothing sleeps.
 */
#include "drivers/tty.h"

#include <errno.h>

enum mark {
	MARK_DAMAGE = 0x100, // one read fails here
	MARK_PUSH,	     // Ctrl-D behind text: a read ends here
	MARK_END,	     // Ctrl-D on an empty line: one read returns 0
	MARK_END_FINAL,	     // every read from here on returns 0
};

enum { CTRL_C = 0x03, CTRL_D = 0x04, BACKSPACE = 0x08, CTRL_T = 0x14, CTRL_U = 0x15, CTRL_V = 0x16, DELETE = 0x7f };

static uint16_t *item_at(struct tty *tty, uint32_t i)
{
	return &tty->items[i % TTY_SIZE];
}

void tty_init(struct tty *tty, bool canonical, void (*echo)(const char *text, size_t len))
{
	tty->canonical = canonical;
	tty->echo = echo;
	tty->in = tty->ready = tty->out = 0;
	tty->literal = tty->damage_due = tty->ended = false;
}

void tty_set_canonical(struct tty *tty, bool canonical)
{
	tty->canonical = canonical;
	tty->literal = false;
	tty->ready = tty->in;
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
	if (!tty->canonical || !tty_room(tty))
		tty->ready = tty->in;
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

	if (byte == '\n')
		tty->echo("\n", 1);
	else if (echo_width(byte) == 2)
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
	while (width--)
		tty->echo("\b \b", 3);
	return true;
}

static void line_put(struct tty *tty, uint8_t byte)
{
	echo_byte(tty, byte);
	byte_put(tty, byte);
}

void tty_interrupt(struct tty *tty)
{
	if (!tty->canonical)
		return;
	tty->in = tty->ready;
	tty->literal = false;
	tty->echo("^C", 2);
	tty->echo("\n", 1);
}

void tty_redraw(struct tty *tty)
{
	for (uint32_t i = tty->ready; tty->canonical && i != tty->in; i++)
		echo_byte(tty, (uint8_t)*item_at(tty, i));
}

enum tty_key tty_input(struct tty *tty, uint8_t byte)
{
	if (!tty->canonical) {
		byte_put(tty, byte);
		return TTY_NO_KEY;
	}
	if (tty->literal) {
		tty->literal = false;
		line_put(tty, byte);
		return TTY_NO_KEY;
	}
	switch (byte) {
	case CTRL_C:
		tty_interrupt(tty);
		return TTY_INTERRUPT;
	case CTRL_D:
		mark_put(tty, tty->in == tty->ready ? MARK_END : MARK_PUSH);
		return TTY_NO_KEY;
	case CTRL_T:
		return TTY_REPORT;
	case CTRL_U:
		while (erase_character(tty))
			;
		return TTY_NO_KEY;
	case CTRL_V:
		tty->literal = true;
		return TTY_NO_KEY;
	case BACKSPACE:
	case DELETE:
		erase_character(tty);
		return TTY_NO_KEY;
	case '\r':
	case '\n':
		line_put(tty, '\n');
		tty->ready = tty->in;
		return TTY_NO_KEY;
	default:
		line_put(tty, byte);
		return TTY_NO_KEY;
	}
}

/* ---- what comes out ---- */

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
		if (tty->canonical && item == '\n')
			break;
	}
	return n || !len ? (long)n : -EAGAIN;
}
