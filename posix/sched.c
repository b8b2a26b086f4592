// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The calls of <sched.h>. SCHED_OTHER has the kernel's priority 0, SCHED_FIFO and SCHED_RR the others. There is one
 * process; what asks about it means the calling thread. Sleeps never, but for giving way.
 */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "arch/hart.h"
#include "kernel/thread.h"
#include "posix/call.h"
#include "posix/result.h"
#include "posix/thread.h"
#include "posix/user.h"

/* -EINVAL: no such policy. */
static int lowest_priority(int policy)
{
	return policy == SCHED_OTHER ? 0 : policy == SCHED_FIFO || policy == SCHED_RR ? 1 : -EINVAL;
}

static int highest_priority(int policy)
{
	int lowest = lowest_priority(policy);

	return lowest == 1 ? THREAD_PRIORITIES - 1 : lowest;
}

bool priority_is_valid(int policy, int priority)
{
	int lowest = lowest_priority(policy);

	return lowest >= 0 && priority >= lowest && priority <= highest_priority(policy);
}

int sched_get_priority_min(int policy)
{
	return (int)result_posix(lowest_priority(policy));
}

int sched_get_priority_max(int policy)
{
	return (int)result_posix(highest_priority(policy));
}

static int process_check(pid_t pid)
{
	return pid < 0 ? -EINVAL : pid == 0 || pid == getpid() ? 0 : -ESRCH;
}

int sched_rr_get_interval(pid_t pid, struct timespec *interval)
{
	int err = process_check(pid);

	return (int)result_posix(err ? err : user_put(interval, (struct timespec){.tv_nsec = SLICE_NS}));
}

int sched_getscheduler(pid_t pid)
{
	struct sched_param param;
	int policy, err = process_check(pid);

	if (!err)
		err = -pthread_getschedparam(pthread_self(), &policy, &param);
	return (int)result_posix(err ? err : policy);
}

int sched_getparam(pid_t pid, struct sched_param *param)
{
	int policy, err = process_check(pid);
	struct sched_param own;

	if (!err)
		err = -pthread_getschedparam(pthread_self(), &policy, &own);
	return (int)result_posix(err ? err : user_put(param, own));
}

int sched_setparam(pid_t pid, const struct sched_param *param)
{
	int err = process_check(pid);
	struct sched_param copy = {0};

	if (!err)
		err = user_get(&copy, param);
	if (!err)
		err = -pthread_setschedprio(pthread_self(), copy.sched_priority);
	return (int)result_posix(err);
}

/* The policy before. */
int sched_setscheduler(pid_t pid, int policy, const struct sched_param *param)
{
	int before = sched_getscheduler(pid), err;
	struct sched_param copy = {0};

	if (before < 0)
		return before;
	err = user_get(&copy, param);
	if (!err)
		err = -pthread_setschedparam(pthread_self(), policy, &copy);
	return (int)result_posix(err ? err : before);
}

int sched_getcpu(void)
{
	int index;

	preempt_disable();
	index = (int)hart_self()->index;
	preempt_enable();
	return index;
}

int sched_yield(void)
{
	struct thread *caller = call_begin();

	thread_yield();
	(void)call_end(caller); // nothing to start again
	return 0;
}
