// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * poll and select over fs_poll. The sets and the list of descriptors are copied into kernel memory for each look, so
 * that nothing is held when a request to cancel, or a handler that jumps, ends the call. A handled signal ends it with
 * EINTR, SA_RESTART or not. The mask of ppoll and pselect is the thread's for the time of the wait: it goes back before
 * the call returns, or when the handler does. Sleeps.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/select.h>
#include <sys/time.h>

#include "arch/clock.h"
#include "fs/file.h"
#include "fs/fs.h"
#include "kernel/time.h"
#include "mm/kmalloc.h"
#include "mm/reclaim.h"
#include "posix/call.h"
#include "posix/clock.h"
#include "posix/result.h"
#include "posix/signal.h"
#include "posix/user.h"

#define WORD_BITS 64u
#define WORDS (FDS_MAX / WORD_BITS)

_Static_assert(FD_SETSIZE >= FDS_MAX, "a set has room for every descriptor");

/* What is waited for: the application's, but for the last two. */
struct look {
	struct pollfd *fds; // of poll
	unsigned count;
	unsigned long *sets[3]; // of select: to read, to write, exceptional; NULL: nothing
	unsigned limit;		// descriptors below this

	nsec_t deadline;
	const uint64_t *mask; // NULL: the thread's own
};

static int wait_masked(const struct look *look, struct pollfd *fds, unsigned count)
{
	int r;

	if (look->mask)
		signal_mask_swap(*look->mask);
	r = fs_poll(fds, count, look->deadline);
	if (r != -EINTR)
		signal_mask_restore();
	return r;
}

/* Looks and waits until something is there, or a handler has run. look_once is called inside the kernel. */
static int wait_for_ready(const struct look *look, int (*look_once)(const struct look *))
{
	const struct posix_thread *self = posix_self();
	const unsigned handled = self->handled;
	int r;

	do {
		pthread_testcancel();
		r = KERNEL_CALL(cancel_due() ? -EINTR : look_once(look));
		(void)KERNEL_CALL(signal_mask_restore()); // if no handler's return did
	} while (r == -EINTR && self->handled == handled);
	return r;
}

/* ---- poll ---- */

static int poll_once(const struct look *look)
{
	const size_t size = look->count * sizeof(struct pollfd);
	struct pollfd *fds = NULL;
	int r = 0;

	if (size) {
		fds = kmalloc_wait(size);
		if (!fds)
			return -ENOMEM;
		r = user_copy(fds, look->fds, size);
	}
	if (!r)
		r = wait_masked(look, fds, look->count);
	for (unsigned i = 0; r >= 0 && i < look->count; i++)
		if (user_put(&look->fds[i].revents, fds[i].revents))
			r = -EFAULT;
	kfree(fds);
	return r;
}

static int poll_until(struct pollfd *fds, nfds_t count, nsec_t deadline, const uint64_t *mask)
{
	const struct look look = {.fds = fds, .count = (unsigned)count, .deadline = deadline, .mask = mask};

	return (int)result_posix(count > FDS_MAX ? -EINVAL : wait_for_ready(&look, poll_once));
}

int poll(struct pollfd *fds, nfds_t count, int timeout)
{
	return poll_until(fds, count, timeout < 0 ? UINT64_MAX : clock_now() + (nsec_t)timeout * (NSEC_PER_SEC / 1000),
			  NULL);
}

/* The deadline and the mask of a call that has both. */
static int wait_get(const struct timespec *timeout, const sigset_t *set, nsec_t *deadline, uint64_t *mask)
{
	struct timespec copy;
	sigset_t set_copy;
	int err = 0;

	*deadline = UINT64_MAX;
	if (timeout)
		err = user_get(&copy, timeout);
	if (timeout && !err)
		err = -clock_deadline_after(&copy, deadline);
	if (set && !err)
		err = user_get(&set_copy, set);
	if (set && !err)
		*mask = signal_bits(&set_copy);
	return err;
}

int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *set)
{
	nsec_t deadline;
	uint64_t mask;
	int err = wait_get(timeout, set, &deadline, &mask);

	return err ? (int)result_posix(err) : poll_until(fds, count, deadline, set ? &mask : NULL);
}

/* ---- select ---- */

/* Sets in kernel memory: as asked for, and then as found. */
struct sets {
	unsigned long words[3][WORDS];
	unsigned count;
	struct pollfd fds[FDS_MAX];
};

static bool bit(const unsigned long *words, unsigned fd)
{
	return words[fd / WORD_BITS] >> fd % WORD_BITS & 1;
}

static int sets_get(const struct look *look, struct sets *sets)
{
	const size_t size = (look->limit + WORD_BITS - 1) / WORD_BITS * sizeof(unsigned long);
	int err = 0;

	memset(sets->words, 0, sizeof(sets->words));
	for (unsigned i = 0; i < 3 && !err; i++)
		if (look->sets[i])
			err = user_copy(sets->words[i], look->sets[i], size);
	return err;
}

/* Nothing exceptional ever comes; what is only looked at for that must be open, though. */
static int sets_to_fds(const struct look *look, struct sets *sets)
{
	sets->count = 0;
	for (unsigned fd = 0; fd < look->limit; fd++) {
		const bool in = bit(sets->words[0], fd), out = bit(sets->words[1], fd);

		if (in || out)
			sets->fds[sets->count++] =
			    (struct pollfd){.fd = (int)fd, .events = (short)((in ? POLLIN : 0) | (out ? POLLOUT : 0))};
		else if (bit(sets->words[2], fd) && fs_fcntl((int)fd, F_GETFD, 0) < 0)
			return -EBADF;
	}
	return 0;
}

/* How many bits are set in all. */
static int sets_from_fds(struct sets *sets)
{
	unsigned long found[3][WORDS] = {0};
	int count = 0;

	for (unsigned i = 0; i < sets->count; i++) {
		const unsigned fd = (unsigned)sets->fds[i].fd;
		const short ready = sets->fds[i].revents;
		const unsigned long one = 1ul << fd % WORD_BITS;

		if (ready & POLLNVAL)
			return -EBADF;
		if (bit(sets->words[0], fd) && (ready & (POLLIN | POLLHUP | POLLERR))) {
			found[0][fd / WORD_BITS] |= one;
			count++;
		}
		if (bit(sets->words[1], fd) && (ready & (POLLOUT | POLLHUP | POLLERR))) {
			found[1][fd / WORD_BITS] |= one;
			count++;
		}
	}
	memcpy(sets->words, found, sizeof(found));
	return count;
}

static int sets_put(const struct look *look, const struct sets *sets)
{
	const size_t size = (look->limit + WORD_BITS - 1) / WORD_BITS * sizeof(unsigned long);
	int err = 0;

	for (unsigned i = 0; i < 3 && !err; i++)
		if (look->sets[i])
			err = user_copy(look->sets[i], sets->words[i], size);
	return err;
}

static int select_once(const struct look *look)
{
	struct sets *sets = kmalloc_wait(sizeof(*sets));
	int r, err;

	if (!sets)
		return -ENOMEM;
	r = sets_get(look, sets);
	if (!r)
		r = sets_to_fds(look, sets);
	if (!r)
		r = wait_masked(look, sets->fds, sets->count);
	if (r >= 0)
		r = sets_from_fds(sets);
	if (r >= 0) {
		err = sets_put(look, sets);
		r = err ? err : r;
	}
	kfree(sets);
	return r;
}

static int select_until(int limit, fd_set *in, fd_set *out, fd_set *except, nsec_t deadline, const uint64_t *mask)
{
	const unsigned below = (unsigned)min_of(limit, FDS_MAX);
	const struct look look = {
	    .sets = {(unsigned long *)in, (unsigned long *)out, (unsigned long *)except},
	    .limit = below,
	    .deadline = deadline,
	    .mask = mask,
	};

	return limit < 0 ? -EINVAL : wait_for_ready(&look, select_once);
}

int pselect(int limit, fd_set *in, fd_set *out, fd_set *except, const struct timespec *timeout, const sigset_t *set)
{
	nsec_t deadline;
	uint64_t mask;
	int r = wait_get(timeout, set, &deadline, &mask);

	return (int)result_posix(r ? r : select_until(limit, in, out, except, deadline, set ? &mask : NULL));
}

static int timeval_get(const struct timeval *tv, nsec_t *deadline)
{
	struct timeval copy;
	struct timespec ts;
	int err = user_get(&copy, tv);

	if (err)
		return err;
	if (copy.tv_usec < 0)
		return -EINVAL;
	ts =
	    (struct timespec){.tv_sec = copy.tv_sec + copy.tv_usec / 1000000, .tv_nsec = copy.tv_usec % 1000000 * 1000};
	return -clock_deadline_after(&ts, deadline);
}

/* As on Linux the time that is left is told. */
static int timeval_put(struct timeval *tv, nsec_t deadline)
{
	const nsec_t now = clock_now(), left = deadline > now ? deadline - now : 0;

	return user_put(tv, ((struct timeval){.tv_sec = (time_t)(left / NSEC_PER_SEC),
					      .tv_usec = (suseconds_t)(left % NSEC_PER_SEC / 1000)}));
}

int select(int limit, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout)
{
	nsec_t deadline = UINT64_MAX;
	int r = timeout ? timeval_get(timeout, &deadline) : 0;

	if (!r) {
		r = select_until(limit, in, out, except, deadline, NULL);
		if (timeout && (r >= 0 || r == -EINTR) && timeval_put(timeout, deadline))
			r = -EFAULT;
	}
	return (int)result_posix(r);
}
