// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What the application will read from the console: bytes as they came, or lines edited on the way (ICANON), with marks
 * between them where input ended or was damaged. Calls are made under the console's lock; none sleeps.
 */
#pragma once

#include <termios.h>

#include "lib/types.h"

#define TTY_SIZE 32768u			 // places, a power of two
#define TTY_MARKS 64u			 // of those, kept for marks
#define TTY_BYTES (TTY_SIZE - TTY_MARKS) // that are granted as credit

struct tty {
	/* What is in effect. Of a stream, which is no terminal: no flag is set, and a read waits for one byte. */
	struct termios settings;
	void (*echo)(const char *text, size_t len);

	uint16_t items[TTY_SIZE]; // a byte, or a mark
	uint32_t in;		  // free-running: where the next item goes,
	uint32_t ready;		  // up to where it may be read (the line being typed lies behind),
	uint32_t out;		  // where it is read
	bool literal;		  // Ctrl-V was typed
	bool damage_due;	  // a mark that has found no place yet
	bool ended;		  // nothing comes after
};

/* oflag: the terminal's output flags to begin with. */
void tty_init(struct tty *tty, bool terminal, tcflag_t oflag, void (*echo)(const char *text, size_t len));

/* From now on a terminal as it is to begin with, or none; the line being typed is handed over. */
void tty_set_terminal(struct tty *tty, bool terminal, tcflag_t oflag);

/*
 * Takes over of the settings what can be set; the rest stays, so that what is read back is what is done. A line being
 * typed is handed over if lines end with this. The speed is the line's, and fixed.
 */
void tty_set(struct tty *tty, const struct termios *settings);

enum tty_key { TTY_NO_KEY, TTY_INTERRUPT, TTY_QUIT, TTY_REPORT };

/* A received byte, and what the user asks for by it: Ctrl-C, Ctrl-\, Ctrl-T. Without room it is lost, and marked as
 * damage. */
enum tty_key tty_input(struct tty *tty, uint8_t byte);
/* Echoes the line being typed once more, since something else stands behind it now. */
void tty_redraw(struct tty *tty);
/* As Ctrl-C, whatever the settings: drops the line being typed. */
void tty_interrupt(struct tty *tty);
/* Drops all that could be read. */
void tty_flush(struct tty *tty);
/* Bytes were lost or damaged here: one read fails with -EIO at this place. */
void tty_damage(struct tty *tty);
/* Input ends here for good. */
void tty_end(struct tty *tty);

/* Bytes that may still come without being lost. */
uint32_t tty_room(const struct tty *tty);
/* Bytes that can be read before the next mark; at most max are counted. *marked: a mark ends them. */
uint32_t tty_readable(const struct tty *tty, uint32_t max, bool *marked);

/* Bytes up to the next mark (ICANON: or end of line); 0: end of input; -EIO: damage; -EAGAIN: nothing yet. */
long tty_read(struct tty *tty, uint8_t *buf, size_t len);
