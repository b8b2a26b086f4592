// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The firmware's console as a line like others, named sbi: the last resort of a board whose lines no driver knows. Each
 * of its calls waits for the line, so a few bytes go out at a time; nothing interrupts, so a thread asks for input. It
 * is for text: OpenSBI puts a carriage return before each newline.
 *
 * fw.lock guards the rest of fw and nests inside the console's; the console is called without it.
 */
#include "drivers/serial/firmware.h"

#include "arch/clock.h"
#include "arch/firmware.h"
#include "drivers/console.h"
#include "kernel/log.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "kernel/wait.h"

#define LOOK_PERIOD NSEC_PER_MSEC // a FIFO of 16 bytes is full after 1.4 ms at 115200 baud
#define PIECE 64		  // bytes at once, with the console's lock held

static struct {
	struct spinlock lock;
	struct waitq work;
	bool room_wanted; // the console has more than was taken
} fw = {.lock = SPINLOCK_INIT("firmware console"), .work = WAITQ_INIT(fw.work)};

static void firmware_write_polled(struct console_port *port, const void *buf, size_t len)
{
	(void)port;
	firmware_console_write(buf, len);
}

static size_t firmware_write(struct console_port *port, const void *buf, size_t len)
{
	const size_t sent = min_of(len, (size_t)PIECE);

	(void)port;
	firmware_console_write(buf, sent);
	if (sent < len) {
		unsigned long flags = spin_lock(&fw.lock);

		fw.room_wanted = true;
		waitq_wake_all(&fw.work);
		spin_unlock(&fw.lock, flags);
	}
	return sent;
}

/* True: the console has more to send. */
static bool wait_for_work(void)
{
	const nsec_t until = clock_now() + LOOK_PERIOD;
	unsigned long flags = spin_lock(&fw.lock);
	bool room;

	while (!fw.room_wanted && !waitq_wait_until(&fw.work, &fw.lock, &flags, until))
		continue;
	room = fw.room_wanted;
	fw.room_wanted = false;
	spin_unlock(&fw.lock, flags);
	return room;
}

static void *firmware_main(void *arg)
{
	struct console_port *port = arg;

	for (;;) {
		const bool room = wait_for_work();
		uint8_t buf[PIECE];
		size_t len = 0;
		int byte;

		while (len < sizeof(buf) && (byte = firmware_console_read()) >= 0)
			buf[len++] = (uint8_t)byte;
		if (len)
			console_receive(port, buf, len, 0);
		if (room)
			console_port_room(port);
	}
	return NULL;
}

static void firmware_start(struct console_port *port)
{
	log_warning("console: no line that there is a driver for: the firmware's serves, slowly");
	if (thread_create("sbi", THREAD_STACK_SIZE, firmware_main, port, NULL))
		log_error("console: no memory for its thread: nothing is read");
}

static struct console_port firmware_port = {
    .name = "sbi", .write_polled = firmware_write_polled, .write = firmware_write, .start = firmware_start};

int firmware_console_register(void)
{
	return console_register(&firmware_port);
}
