// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Physical memory of the host build: a memfd, whose offset is the physical address, seen whole at LINEAR_BASE and page
 * by page in the mapping window. Its first MiB stays empty, so that no frame has address 0. Called once, before
 * threads.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arch/host/host.h"
#include "arch/page.h"

int host_memfd = -1;

/* Kernel memory holds pointers that the leak checker cannot see; the alternate stacks and SIGSEGV are ours. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0:use_sigaltstack=0:allow_user_segv_handler=1";
}

/* A page fault is a signal, and served like a call: with all that a call may do. A race ends the run, and its end waits
 * for nobody. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "report_signal_unsafe=0:halt_on_error=1:atexit_sleep_ms=0";
}

void host_die(const char *what)
{
	perror(what);
	abort();
}

/* Not by the C library's function, which the thread sanitizer takes for a store into all of the range. */
static void *map_raw(vaddr_t va, size_t len, int prot, int flags, int fd, paddr_t offset)
{
	long got = syscall(SYS_mmap, va, len, prot, flags, fd, offset);

	return got == -1 ? MAP_FAILED : (void *)got;
}

void host_mmap(vaddr_t va, size_t len, int prot, int flags, int fd, paddr_t offset)
{
	if (map_raw(va, len, prot, flags | MAP_FIXED, fd, offset) == MAP_FAILED)
		host_die("mmap");
}

static int window_reserve(vaddr_t base, size_t size)
{
	if (map_raw(base, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0) ==
	    MAP_FAILED)
		return errno == EEXIST ? -EBUSY : -errno;
	return 0;
}

int host_memory_init(size_t frames, paddr_t *start, paddr_t *end)
{
	size_t size = HOST_MEMORY_START + frames * PAGE_SIZE;
	int err;

	if (host_memfd >= 0)
		return -EBUSY;
	if (frames == 0 || size > LINEAR_SIZE)
		return -ENOMEM;
	err = window_reserve(LINEAR_BASE, LINEAR_SIZE);
	if (err)
		return err;
	err = window_reserve(MMAP_MIN, MMAP_MAX - MMAP_MIN);
	if (err)
		return err;
	host_memfd = memfd_create("cairn memory", MFD_CLOEXEC);
	if (host_memfd < 0)
		return -errno;
	if (ftruncate(host_memfd, (off_t)size) < 0)
		return -errno;
	if (map_raw(LINEAR_BASE + HOST_MEMORY_START, frames * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		    host_memfd, HOST_MEMORY_START) == MAP_FAILED)
		return -errno;
	host_traps_init();
	host_thread_enter();
	*start = HOST_MEMORY_START;
	*end = size;
	return 0;
}
