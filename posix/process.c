// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* The one process: how it ends, and what it may ask about itself. */

#include "posix/process.h"

#include <assert.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "arch/hart.h"
#include "arch/page.h"
#include "arch/power.h"
#include "drivers/console.h"
#include "fs/fs.h"
#include "kernel/log.h"
#include "kernel/thread.h"
#include "mm/map.h"
#include "posix/call.h"
#include "posix/result.h"
#include "posix/thread.h"

static void interrupt_key(bool quit)
{
	(void)kill(getpid(), quit ? SIGQUIT : SIGINT); // it is there
}

void process_begin(void)
{
	signal_thread_add(posix_self());
	console_set_interrupt(interrupt_key);
}

static _Atomic(struct thread *) ender; // whoever called process_end first

void process_stop_if_ending(void)
{
	const struct thread *by = atomic_load(&ender);

	while (by && by != thread_self())
		thread_sleep_until(UINT64_MAX);
}

/* As process_end; anew: the board starts again. */
static _Noreturn void end(bool anew, int status, char kind, bool unmount)
{
	struct thread *nobody = NULL;
	bool first = atomic_compare_exchange_strong(&ender, &nobody, thread_self());
	int err = 0;

	(void)call_begin(); // for good: no handler runs any more
	/* The first may be waiting for a lock of somebody who cannot unmount, or have faulted while it unmounts: these
	   end the machine as it is. */
	while (!first && unmount && nobody != thread_self())
		thread_sleep_until(UINT64_MAX);
	assert(!first || !unmount || map_is_sound());
	if (first && unmount)
		err = fs_unmount_all();
	else
		log_error("the file system is left as it is: %s",
			  unmount ? "a fault while unmounting" : "the thread holds a lock of the kernel");
	if (err) {
		log_error("unmounting failed: %s; run e2fsck on the card", strerror(-err));
		if (status == 0)
			status = 1;
	}
	console_exit(status & 0xff, kind);
	if (anew)
		power_reset(status & 0xff);
	power_off(status & 0xff);
}

void process_end(int status, char kind, bool unmount)
{
	end(false, status, kind, unmount);
}

int reboot(int command)
{
	switch (command) {
	case RB_AUTOBOOT:
		end(true, 0, 'e', true);
	case RB_POWER_OFF:
		end(false, 0, 'e', true);
	default:
		return (int)result_posix(-EINVAL);
	}
}

void _exit(int status)
{
	process_end(status, 'e', true);
}

pid_t getpid(void)
{
	return 1;
}

int getpagesize(void)
{
	return PAGE_SIZE;
}
