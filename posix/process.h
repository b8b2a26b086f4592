// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

#include "lib/types.h"

/* The calling thread becomes the first of the application's; the interrupt key is SIGINT from here on. Once. */
void process_begin(void);

/* The calling thread ends: the free blocks that malloc keeps for it go back to all. */
void malloc_thread_end(void);

/*
 * Ends the machine: unmounts (status 0 becomes 1 if that fails), tells the console the status and its kind ('e' exit,
 * 'f' fault), turns the power off. unmount false: the thread holds a lock of the kernel, so nothing can be written.
 * Only the first call counts; a second thread's waits for the end.
 */
_Noreturn void process_end(int status, char kind, bool unmount);
/*
 * If another thread has begun to end the process, this one sleeps for good: called where an error would go to the
 * application, so that no thread complains of files that go away under it. No lock of the kernel is held.
 */
void process_stop_if_ending(void);
