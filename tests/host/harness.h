// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Running code inside a kernel, from a cmocka test. Each run is a forked child: it makes memory and the scheduler,
 * calls the function in the kernel's first thread, and ends; so a run may panic, power off, or leave what it likes
 * behind. cmocka's assertions work inside (the child's message is printed, the run fails); skip() does not. Time is
 * virtual, unless there are several harts.
 *
 *	static void body(void *arg) { ...; assert_int_equal(...); }
 *
 *	static void test_something(void **state)
 *	{
 *		(void)state;
 *		harness_run(&(struct harness){.frames = 64}, body, NULL);
 *	}
 *
 * Rooms are started by the body, or by harness_start, from the bottom up: disk, page cache, file system.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arch/trap.h"
#include "lib/types.h"
#include "tests/host/simdisk.h"

struct harness {
	size_t frames;	     // of RAM; 0: HARNESS_FRAMES
	uint64_t seed;	     // of random preemption; 0: threads switch only when they wait or their slice ends
	unsigned harts;	     // 2 and more run in parallel, and no run repeats; 0: one
	unsigned preempt_in; // about once in so many chances; 0: 8
	unsigned seconds;    // of wall-clock time before the run is killed; 0: HARNESS_SECONDS
	bool verbose;	     // kernel messages to stderr as they come; else only of a run that fails
	struct simdisk disk; // for harness_start
	size_t cache_pages;  // for harness_start: pcache_limit; 0: as RAM allows
	unsigned fs_buffers; // for harness_start: metadata buffers; 0: the file system's default
};

#define HARNESS_FRAMES 8192
#define HARNESS_SECONDS 60

/* Fails the test unless body returns (or the child ends with status 0 by power_off). */
void harness_run(const struct harness *h, void (*body)(void *arg), void *arg);

/*
 * The same for a run that is expected to end otherwise: its exit status (134 panic, 139 fault...), or 128 + the signal
 * that killed it. What the kernel logged is in *log (NUL-terminated, valid until the next run) unless log is NULL.
 */
int harness_status(const struct harness *h, void (*body)(void *arg), void *arg, const char **log);

/* How much testing was asked for (CAIRN_TEST_EFFORT; default without). */
enum harness_effort { EFFORT_QUICK, EFFORT_DEFAULT, EFFORT_LONG };
enum harness_effort harness_effort(void);

/* Zeroed memory that a run and its test both see. Valid until the process ends. */
void *harness_shared(size_t size);

/* Inside a run: what the harness was given. */
const struct harness *harness_config(void);

/* Inside a run: the disk (registered; partitions found), page cache, mappings, files. harness_start does them all,
 * mounts the disk (or its first partition) as root. */
void harness_start_mm(void);
struct blkdev *harness_start_disk(void); // the whole disk
void harness_start(void);
int harness_stop(void); // fs_unmount_all's result

/* Inside a run, with an application's eyes: touches memory that may fault. 0, or the fault's result when it is not
 * served (enum fault_result), with the errno behind it in *error unless NULL. */
int harness_load(const volatile void *va, uint8_t *value, int *error);
int harness_store(volatile void *va, uint8_t value, int *error);
