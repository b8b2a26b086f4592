// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Between drivers/console.c, which moves bytes and frames, and drivers/console_dev.c, the device that it is. */
#pragma once

#include "drivers/console.h"
#include "drivers/tty.h"
#include "kernel/wait.h"
#include "lib/ring.h"

#define DLE 0x10
#define PORTS_MAX 8
#define OUT_SIZE 16384u
#define KEEP 4096u	// of the ring, for kernel lines; with a chunk at its worst, less than half
#define KEEP_ECHO 2048u // ... that echo leaves too
#define CHUNK 1024u	// written, or read, at one go with interrupts masked
#define FRAME_MAX 8u	// longest command, of ours

enum mode { MODE_RAW, MODE_TERM, MODE_STREAM };
enum parser { PARSER_DATA, PARSER_DLE, PARSER_ATTACH };

struct console {
	/* Constant after console_init. */
	struct console_port *ports[PORTS_MAX];
	unsigned port_count;
	struct console_port *port; // NULL: none yet

	struct spinlock lock; // guards all below
	enum mode mode;
	bool ready, ended;

	struct ring out;
	char channel;	 // of the last data that went out: O, E, K
	bool line_begun; // raw mode: the terminal's cursor is not in the first column
	struct waitq writers;

	enum parser parser;
	uint32_t credit; // granted, and not yet used
	struct tty tty;
	struct waitq readers;

	bool keys[TTY_REPORT + 1]; // by enum tty_key: what was asked for, and is not done yet
	void (*interrupt)(bool quit);
	uint64_t errors, reported; // input bytes lost or damaged; of these, how many the log tells of
	struct waitq events;	   // the console's own thread

	uint8_t out_data[OUT_SIZE];
};

extern struct console console;

/* All with the lock held. */
bool console_framed(void);
/* Gives the transport what it takes; or all, by polling. */
void console_out_pump(void);
void console_out_poll(void);
/* A command, which must find room. */
void console_out_command(const char *text);
/* Is there room for so much data that leaves `keep` bytes of the ring free? */
bool console_out_room(size_t len, uint32_t keep);
/* Data on a channel if there is; else nothing, and false. */
bool console_out_data(char channel, const void *data, size_t len, uint32_t keep);
/* Lets the PC send what there is room for; first: says that the board is ready. */
void console_credit_grant(bool first);
