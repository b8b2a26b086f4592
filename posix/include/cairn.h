// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* What is cairn's own. */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

#define CAIRN_VERSION "0.1"

/* Where the time of CLOCK_REALTIME comes from. */
enum cairn_clock {
	CAIRN_CLOCK_UNSET,  // nowhere: it counts from 1970 at the start
	CAIRN_CLOCK_CARD,   // the newest time found on the card: it may be behind
	CAIRN_CLOCK_DEVICE, // a clock device
	CAIRN_CLOCK_SET,    // clock_settime
};

enum cairn_clock cairn_clock_source(void);

/* Why an access to memory could not be served. */
enum cairn_fault_kind {
	CAIRN_FAULT_UNMAPPED,  // nothing is mapped there (SIGSEGV, SEGV_MAPERR)
	CAIRN_FAULT_FORBIDDEN, // the mapping does not allow that access (SIGSEGV, SEGV_ACCERR)
	CAIRN_FAULT_BUS,       // beyond the end of the file, or its page cannot be had (SIGBUS)
};

struct cairn_fault {
	enum cairn_fault_kind kind;
	void *address;
	int error; // the errno of a CAIRN_FAULT_BUS; 0: beyond the end of the file
};

/*
 * Runs fn(arg). NULL if it returned; else the fault that ended it, valid until the thread's next cairn_try, or its end:
 * fn is left at once, as by longjmp, whatever it had begun; handlers that it pushed by pthread_cleanup_push are not
 * called, and the signal mask is as before. No handler of a signal runs for such a fault. Calls may be nested, made in
 * handlers of signals, and left by longjmp, siglongjmp or pthread_exit. fn must not fault inside a function of the C
 * library that holds a lock (malloc, stdio); a debug build asserts that. What the kernel's calls are handed is no fault
 * but their EFAULT.
 */
const struct cairn_fault *cairn_try(void (*fn)(void *arg), void *arg);

#ifdef __cplusplus
}
#endif
