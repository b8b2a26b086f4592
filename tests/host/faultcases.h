// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What test_faults lets fail: calls and accesses of an application, to a file /new of PAGES pages that ends in a hole,
 * and is mapped. Included where posix/host_names.h is.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define PAGES 24ul   // of /new
#define HOLE 16ul    // the first page in its hole
#define RESIDENT 5ul // a page that is in memory, and those beside it
#define GREATEST (PAGES + 8)
#define SHORT (-1) // a short count: why, the next call would say

enum { READS = 1, WRITES = 2, FLUSHES = 4, ALLOC = 8, NO_READS = 16, NO_MEMORY = 32 }; // NO_: from the nth on
#define DATA (WRITES | FLUSHES)							       // of which a sync tells
#define CARD (READS | NO_READS)
#define MEMORY (ALLOC | NO_MEMORY)

struct fault_case {
	const char *name;
	int (*act)(void);      // 0 or an errno; may be repeated
	void (*prepare)(void); // before the failure is armed
	void (*effect)(void);  // on `want`
	void (*undo)(void);    // what act leaves behind, but for the file
	unsigned fires, told;  // the kinds that it must meet; those of which each is an error that it returns
	int read_error;	       // what it says of a read that failed; 0: EIO
	int memory_error;      // what else than ENOMEM it may say of memory that is not to be had; 0: nothing
	bool needs_nothing;    // nothing that could fail is asked for
};
extern const struct fault_case fault_cases[];
extern const size_t fault_case_count;
const struct fault_case *fault_case_named(const char *name);

/* What /new is to hold, and where it is open and mapped: the test's. */
struct fault_file {
	size_t size;
	uint8_t want[GREATEST * PAGE];
};
extern struct fault_file *fault_file;
extern int fault_fd;
extern uint8_t *fault_map;

/* Accesses that may end in SIGBUS: 0, or the errno behind it. A load must find what is expected. */
void fault_catch(void);
int fault_load(const uint8_t *p, uint8_t expected);
int fault_store(uint8_t *p, uint8_t value);
static inline int error_of(long result)
{
	return result < 0 ? errno : 0;
}
