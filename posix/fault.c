// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What becomes of a fault that nothing served and no handler took: a report, a clean unmount, the end. Thread context
 * of the one that faulted, on its kernel stack. The unmount is left out if the thread holds a lock of the kernel, since
 * it might need it.
 */

#include <string.h>

#include "arch/hart.h"
#include "arch/page.h"
#include "arch/trap.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/thread.h"
#include "mm/map.h"
#include "posix/process.h"

static const char *fault_name(enum fault_result result)
{
	return result == FAULT_ADRERR ? "SIGBUS" : "SIGSEGV";
}

static const char *fault_reason(enum fault_result result, int error)
{
	if (result == FAULT_MAPERR)
		return "nothing is mapped there";
	if (result == FAULT_ACCERR)
		return "the mapping does not allow that access";
	return error ? strerror(error) : "beyond the end of the file";
}

static void report_mapping(vaddr_t va)
{
	static const char *const kinds[] = {"anonymous", "shared file", "private file"};
	struct map_info map;

	if (!map_lookup(va, &map)) {
		log_error(va < MMAP_MAX ? "  no mapping holds that address" : "  the address is not one of mmap's");
		return;
	}
	log_error("  mapping 0x%lx-0x%lx %c%c%c %s", (unsigned long)map.start, (unsigned long)map.end,
		  map.prot & MAP_R ? 'r' : '-', map.prot & MAP_W ? 'w' : '-', map.prot & MAP_X ? 'x' : '-',
		  map.kind == MAP_KIND_SHARED && map.object->memory ? "shared memory" : kinds[map.kind]);
	if (map.kind != MAP_KIND_ANON && !map.object->memory)
		log_error("  file offset 0x%llx, file size 0x%llx", (unsigned long long)(map.offset + (va - map.start)),
			  (unsigned long long)map.object->size);
}

void trap_fatal(const struct trap_frame *tf, unsigned cause, vaddr_t va, enum fault_result result, int error)
{
	const struct thread *self = thread_self();
	const bool unlocked = self->locks_held == 0 && self->spin_depth == 0 && self->preempt_off == 0;

	/* A file that went away under it is no fault of a thread that is to end anyway. */
	if (result == FAULT_ADRERR && unlocked)
		process_stop_if_ending();
	if (result == FAULT_OK)
		log_error("application fault: exception %u in thread %s, value 0x%lx", cause, self->name,
			  (unsigned long)va);
	else
		log_error("application fault: %s at address 0x%lx in thread %s: %s", fault_name(result),
			  (unsigned long)va, self->name, fault_reason(result, error));
	if (result != FAULT_OK)
		report_mapping(va);
	trap_frame_print(tf);
	process_end(EXIT_FAULT, 'f', unlocked);
}
