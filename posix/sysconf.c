// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* sysconf: the numbers of this machine, and of this kernel. Sleeps never. */

#include <limits.h>
#include <unistd.h>

#include "arch/page.h"
#include "fs/file.h"
#include "fs/namei.h"
#include "kernel/thread.h"
#include "mm/frame.h"
#include "posix/result.h"

long sysconf(int name)
{
	switch (name) {
	case _SC_PAGESIZE:
		return PAGE_SIZE;
	case _SC_NPROCESSORS_CONF:
	case _SC_NPROCESSORS_ONLN:
		return harts_online();
	case _SC_PHYS_PAGES:
		return (long)frame_total();
	case _SC_AVPHYS_PAGES:
		return (long)frame_free_count();
	case _SC_OPEN_MAX:
		return FDS_MAX;
	case _SC_SYMLOOP_MAX:
		return LINKS_MAX;
	case _SC_IOV_MAX:
		return IOV_MAX;
	case _SC_THREAD_STACK_MIN:
		return PTHREAD_STACK_MIN;
	case _SC_THREAD_KEYS_MAX:
		return PTHREAD_KEYS_MAX;
	case _SC_SEM_VALUE_MAX:
		return SEM_VALUE_MAX;
	default:
		return result_posix(-EINVAL);
	}
}
