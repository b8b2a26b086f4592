// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The console: one byte transport (serial line or virtio-console) that carries typed use, byte-exact streams, kernel
 * messages and the exit status. Protocol: docs/console.md. The line discipline and the framing are here; a transport
 * only moves bytes.
 */
#pragma once

#include "kernel/chardev.h"
#include "lib/types.h"

struct console_port {
	const char *name; // "ttyS0", "hvc0": the value of console= in the boot arguments
	/* Polled: all bytes are accepted when it returns. Any context. */
	void (*write_polled)(struct console_port *port, const void *buf, size_t len);
	/* Takes up to len bytes for sending by interrupt; returns how many. console_port_room is called when there is
	 * room. */
	size_t (*write)(struct console_port *port, const void *buf, size_t len);
	/* Lets received bytes flow: until then the driver leaves them in the device. */
	void (*start)(struct console_port *port);
	bool preferred; // stdout-path of the device tree
};

/* A transport announces itself. The one that console= names becomes the console, else the preferred one. */
int console_register(struct console_port *port);
/* From the transport, interrupt context: bytes came; errors is how many were lost or damaged. */
void console_receive(struct console_port *port, const uint8_t *buf, size_t len, unsigned errors);
void console_port_room(struct console_port *port);

/* Picks the transport and mode from the boot arguments, becomes the log's sink. After drivers_probe. */
int console_init(void);
/* Sends the ready mark; the launcher sends nothing before it. */
void console_ready(void);
struct chardev *console_chardev(void);
/* Called from thread context when the user asked for an interrupt (Ctrl-C), or quit (Ctrl-\). NULL: none. */
void console_set_interrupt(void (*interrupt)(bool quit));

/* The last word: flushes, then the exit status frame. kind: 'e' exit, 'p' panic, 'f' a signal with a report,
 * 'b' the application could not be started. Polled. */
void console_exit(int status, char kind);
