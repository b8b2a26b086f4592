// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The mapping calls: flags are checked here, a descriptor, or shared memory, becomes an object, and mm/map.h does the
 * rest. Error
 * numbers are those of POSIX, and Linux's where POSIX leaves a choice. All may sleep.
 */

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/mman.h>

#include "fs/fs.h"
#include "mm/map.h"
#include "mm/shm.h"
#include "posix/call.h"
#include "posix/mman.h"
#include "posix/result.h"

#define FLAGS_KNOWN                                                                                                    \
	(MAP_TYPE | MAP_FIXED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_POPULATE | MAP_NONBLOCK | MAP_LOCKED |       \
	 MAP_NORESERVE | MAP_32BIT | MAP_GROWSDOWN | MAP_STACK | MAP_DENYWRITE |                                       \
	 MAP_EXECUTABLE)		       // the last 3: no effect
#define FLAGS_REFUSED (MAP_HUGETLB | MAP_SYNC) // known, and not to be had: an honest error

_Static_assert((int)MAP_R == PROT_READ && (int)MAP_W == PROT_WRITE && (int)MAP_X == PROT_EXEC, "same bits");

/* Common rules of the calls on a range. */
int mman_range_check(const void *addr, size_t *len)
{
	if (!page_aligned(addr))
		return -EINVAL;
	if (*len > SIZE_MAX - PAGE_MASK)
		return -ENOMEM;
	*len = align_up(*len, PAGE_SIZE);
	return (vaddr_t)addr + *len < (vaddr_t)addr ? -ENOMEM : 0;
}

static bool prot_valid(int prot)
{
	return !(prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC));
}

static int request_check(void *addr, size_t len, int prot, int flags, off_t offset)
{
	int type = flags & MAP_TYPE;

	if (len == 0 || (offset & PAGE_MASK) || !prot_valid(prot))
		return -EINVAL;
	if (type != MAP_SHARED && type != MAP_PRIVATE && (type != MAP_SHARED_VALIDATE || (flags & MAP_ANONYMOUS)))
		return -EINVAL;
	if (flags & FLAGS_REFUSED)
		return -EOPNOTSUPP;
	if (flags & ~FLAGS_KNOWN) // Linux looks the other way unless asked to validate
		return type == MAP_SHARED_VALIDATE ? -EOPNOTSUPP : -EINVAL;
	if ((flags & MAP_GROWSDOWN) && (type != MAP_PRIVATE || !(flags & MAP_ANONYMOUS)))
		return -EINVAL;
	return (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) && !page_aligned(addr) ? -EINVAL : 0;
}

static void request_end(struct map_request *req)
{
	if (req->object)
		req->object->ops->ref(req->object, -1);
	pcache_errors_put(req->errors);
}

/* Takes the object behind fd into the request, with a reference, if the file was opened for it; NULL: /dev/zero's. */
static int request_file(struct map_request *req, int fd, bool shared)
{
	bool readable, writable;
	int err = fs_object(fd, &req->object, &req->errors, &readable, &writable);

	if (err)
		return err;
	req->kind = shared ? MAP_KIND_SHARED : MAP_KIND_PRIVATE;
	req->max_prot = MAP_R | MAP_X | (!shared || writable ? MAP_W : 0);
	if (!readable || (req->prot & ~req->max_prot)) {
		request_end(req);
		return -EACCES;
	}
	return 0;
}

/* Zeros: private memory, or an object of the mapping's size, in which a device's offset counts. */
static int request_memory(struct map_request *req, bool shared)
{
	req->kind = shared ? MAP_KIND_SHARED : MAP_KIND_ANON;
	if (shared)
		return shm_create(align_up(req->len, PAGE_SIZE) / PAGE_SIZE, req->noreserve, &req->object);
	req->offset = 0;
	return 0;
}

static int map_memory(struct map_request *req, bool shared, vaddr_t *at)
{
	int err = request_memory(req, shared);

	if (err)
		return err;
	err = map_create(req, at);
	request_end(req);
	return err;
}

static int map_file(struct map_request *req, int fd, bool shared, vaddr_t *at)
{
	int err = request_file(req, fd, shared);

	if (err)
		return err;
	if (!req->object)
		return map_memory(req, shared, at);
	err = map_create(req, at);
	request_end(req);
	return err;
}

void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	bool shared = (flags & MAP_TYPE) != MAP_PRIVATE;
	struct map_request req = {
	    .addr = (vaddr_t)addr,
	    .len = len,
	    .prot = (enum map_prot)prot,
	    .max_prot = MAP_R | MAP_W | MAP_X,
	    .kind = MAP_KIND_ANON,
	    .fixed = flags & (MAP_FIXED | MAP_FIXED_NOREPLACE),
	    .noreplace = flags & MAP_FIXED_NOREPLACE,
	    .populate = flags & MAP_POPULATE,
	    .cached_only = flags & MAP_NONBLOCK,
	    .locked = flags & MAP_LOCKED,
	    .noreserve = flags & MAP_NORESERVE,
	    .low = flags & MAP_32BIT,
	    .grows_down = flags & MAP_GROWSDOWN,
	};
	vaddr_t at;
	int err = request_check(addr, len, prot, flags, offset);

	if (!err && !(flags & MAP_ANONYMOUS)) {
		req.offset = (uint64_t)offset;
		err = KERNEL_CALL(map_file(&req, fd, shared, &at));
	} else if (!err) {
		err = KERNEL_CALL(map_memory(&req, shared, &at));
	}
	return err ? (void *)result_posix(err) : (void *)at; // MAP_FAILED
}

int munmap(void *addr, size_t len)
{
	if (!page_aligned(addr) || len == 0 || len > SIZE_MAX - PAGE_MASK)
		return (int)result_posix(-EINVAL);
	return (int)result_posix(KERNEL_CALL(map_remove((vaddr_t)addr, len)));
}

void *mremap(void *old, size_t old_len, size_t new_len, int flags, ...)
{
	struct map_remap req = {
	    .old = (vaddr_t)old,
	    .old_len = old_len,
	    .new_len = new_len,
	    .may_move = flags & MREMAP_MAYMOVE,
	    .fixed = flags & MREMAP_FIXED,
	    .keep_old = flags & MREMAP_DONTUNMAP,
	};
	vaddr_t at;
	va_list args;
	int err;

	if (flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP))
		return (void *)result_posix(-EINVAL);
	if (req.fixed) {
		va_start(args, flags);
		req.addr = (vaddr_t)va_arg(args, void *);
		va_end(args);
	}
	err = KERNEL_CALL(map_remap(&req, &at));
	return err ? (void *)result_posix(err) : (void *)at; // MAP_FAILED
}

int mprotect(void *addr, size_t len, int prot)
{
	int err = prot_valid(prot) ? mman_range_check(addr, &len) : -EINVAL;

	if (!err && len)
		err = KERNEL_CALL(map_protect((vaddr_t)addr, len, (enum map_prot)prot));
	return (int)result_posix(err);
}

static int sync_range(vaddr_t addr, size_t len, int flags)
{
	int err = flags & MS_INVALIDATE ? map_invalidate(addr, len) : 0;

	return err && err != -ENOMEM ? err : map_sync(addr, len, flags & MS_SYNC);
}

int msync(void *addr, size_t len, int flags)
{
	int err = mman_range_check(addr, &len);

	pthread_testcancel();
	if ((flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) || (flags & (MS_ASYNC | MS_SYNC)) == (MS_ASYNC | MS_SYNC))
		err = -EINVAL;
	if (!err && len)
		err = KERNEL_CALL(sync_range((vaddr_t)addr, len, flags));
	return (int)result_posix(err);
}
