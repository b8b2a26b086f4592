// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Every call that enters the kernel with a pointer, handed every kind of bad one: EFAULT or a short count, never a
 * signal, and the kernel goes on as before. For the board and for the host build alike.
 */
#pragma once

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

#define BP_PAGE 4096ul
#define BP_FILE "/pointers"
#define BP_LINK "/link"	     // to "target"
#define BP_MAPPED "/mapped"  // another one, which no write makes longer
#define BP_LEN (2 * BP_PAGE) // of what is read and written

/* What a call does with the pointer: takes a path, takes or fills a structure, or as many bytes as it can. */
enum bp_use { BP_PATH, BP_IN, BP_OUT, BP_SOURCE, BP_TARGET };

static int bp_fd, bp_zero, bp_random;
static char *bp_range; // of pages that are mapped

static long bp_result(long r)
{
	return r == -1 ? -errno : r;
}

/* ---- the calls ---- */
#define BP_NULL_TOO __attribute__((no_sanitize("nonnull-attribute"))) // what the host's headers forbid
#define BP_CALL(name, call)                                                                                            \
	BP_NULL_TOO static long bp_##name(void *p)                                                                     \
	{                                                                                                              \
		return bp_result(call);                                                                                \
	}
/* Those that return the error number. */
#define BP_CALL_ERROR(name, call)                                                                                      \
	BP_NULL_TOO static long bp_##name(void *p)                                                                     \
	{                                                                                                              \
		return -(call);                                                                                        \
	}

BP_CALL(open, open(p, O_RDONLY))
BP_CALL(open_new, open(p, O_RDWR | O_CREAT, 0644))
BP_CALL(creat, creat(p, 0644))
BP_CALL(truncate, truncate(p, 5))
BP_CALL(stat_path, stat(p, &(struct stat){0}))
BP_CALL(lstat_path, lstat(p, &(struct stat){0}))
BP_CALL(access, access(p, R_OK))
BP_CALL(mkdir, mkdir(p, 0755))
BP_CALL(rmdir, rmdir(p))
BP_CALL(unlink, unlink(p))
BP_CALL(rename_from, rename(p, "/other"))
BP_CALL(rename_to, rename(BP_FILE, p))
BP_CALL(remove, remove(p))
BP_CALL(statvfs_path, statvfs(p, &(struct statvfs){0}))
BP_CALL(opendir, opendir(p) ? 0 : -1)

BP_CALL(stat_out, stat(BP_FILE, p))
BP_CALL(lstat_out, lstat(BP_FILE, p))
BP_CALL(fstat, fstat(bp_fd, p))
BP_CALL(statvfs_out, statvfs("/", p))
BP_CALL(fstatvfs, fstatvfs(bp_fd, p))
BP_CALL(getcwd, p &&getcwd(p, 100) ? 0 : (errno = p ? errno : EFAULT, -1)) // NULL: into memory of malloc's
BP_CALL(clock_gettime, clock_gettime(CLOCK_MONOTONIC, p))
BP_CALL(clock_gettime_wall, clock_gettime(CLOCK_REALTIME, p))
BP_CALL(clock_getres, p ? clock_getres(CLOCK_REALTIME, p) : (errno = EFAULT, -1)) // NULL: wants to know nothing
BP_CALL(gettimeofday, gettimeofday(p, NULL))
BP_CALL(time, p ? time(p) : (errno = EFAULT, -1))
BP_CALL(sched_rr_get_interval, sched_rr_get_interval(0, p))
BP_CALL(sched_getparam, sched_getparam(0, p))
BP_CALL(sigpending, sigpending(p))
BP_CALL(sigaction_out, p ? sigaction(SIGUSR1, NULL, p) : (errno = EFAULT, -1))
BP_CALL(sigprocmask_out, p ? sigprocmask(SIG_BLOCK, NULL, p) : (errno = EFAULT, -1))
BP_CALL_ERROR(pthread_sigmask_out, p ? pthread_sigmask(SIG_BLOCK, NULL, p) : EFAULT)
BP_CALL(sigaltstack_out, p ? sigaltstack(NULL, p) : (errno = EFAULT, -1))

static sigset_t bp_usr2(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR2);
	return set;
}

/* SIGUSR2 is blocked and pending. */
BP_NULL_TOO static long bp_sigwait_out(void *p)
{
	const sigset_t set = bp_usr2();

	return raise(SIGUSR2) ? -errno : -sigwait(&set, p);
}

BP_NULL_TOO static long bp_sigwaitinfo_out(void *p)
{
	const sigset_t set = bp_usr2();

	return bp_result(raise(SIGUSR2) ? -1 : p ? sigwaitinfo(&set, p) : (sigwaitinfo(&set, p), errno = EFAULT, -1));
}

BP_CALL(mincore, mincore(bp_range, 2 * BP_PAGE, p))

BP_CALL(clock_settime, clock_settime(CLOCK_REALTIME, p))
BP_CALL(settimeofday, p ? settimeofday(p, NULL) : (errno = EFAULT, -1))
BP_CALL(nanosleep, nanosleep(p, NULL))
BP_CALL_ERROR(clock_nanosleep, clock_nanosleep(CLOCK_REALTIME, 0, p, NULL))
BP_CALL_ERROR(clock_nanosleep_until, clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, p, NULL))
BP_CALL(sched_setparam, sched_setparam(0, p))
BP_CALL(sched_setscheduler, sched_setscheduler(0, SCHED_OTHER, p))
BP_CALL(sigaction_in, p ? sigaction(SIGUSR1, p, NULL) : (errno = EFAULT, -1))
BP_CALL(sigprocmask_in, p ? sigprocmask(SIG_BLOCK, p, NULL) : (errno = EFAULT, -1))
BP_CALL_ERROR(pthread_sigmask_in, p ? pthread_sigmask(SIG_BLOCK, p, NULL) : EFAULT)
BP_CALL(sigsuspend, sigsuspend(p))
BP_CALL_ERROR(sigwait_in, sigwait(p, &(int){0}))
BP_CALL(sigwaitinfo_in, sigwaitinfo(p, NULL))
BP_CALL(sigaltstack_in, p ? sigaltstack(p, NULL) : (errno = EFAULT, -1))

BP_NULL_TOO static long bp_sigtimedwait_time(void *p)
{
	const sigset_t set = bp_usr2();

	return bp_result(p ? sigtimedwait(&set, NULL, p) : (errno = EFAULT, -1)); // NULL: waits for ever
}

BP_CALL(openat, openat(AT_FDCWD, p, O_RDONLY))
BP_CALL(mkdirat, mkdirat(AT_FDCWD, p, 0755))
BP_CALL(mkfifo, mkfifo(p, 0644))
BP_CALL(unlinkat, unlinkat(AT_FDCWD, p, 0))
BP_CALL(link_from, link(p, "/other"))
BP_CALL(link_to, link(BP_FILE, p))
BP_CALL(symlink_target, symlink(p, "/other"))
BP_CALL(symlink_path, symlink("target", p))
BP_CALL(readlink_path, readlink(p, (char[8]){0}, 8))
BP_CALL(renameat2, renameat2(AT_FDCWD, p, AT_FDCWD, "/other", 0))
BP_CALL(chdir, chdir(p))
BP_CALL(realpath_path, p &&realpath(p, NULL) ? 0 : (errno = p ? errno : EFAULT, -1)) // NULL is EINVAL
BP_CALL(chmod, chmod(p, 0644))
BP_CALL(chown, chown(p, 0, 0))
BP_CALL(lchown, lchown(p, 0, 0))
BP_CALL(faccessat, faccessat(AT_FDCWD, p, R_OK, 0))
BP_CALL(fstatat_path, fstatat(AT_FDCWD, p, &(struct stat){0}, 0))
BP_CALL(utimensat_path, p ? utimensat(AT_FDCWD, p, NULL, 0) : (errno = EFAULT, -1)) // NULL is EINVAL
BP_CALL(utimes_path, utimes(p, NULL))
BP_CALL(utime_path, utime(p, NULL))
BP_CALL(pathconf, pathconf(p, _PC_NAME_MAX))
BP_CALL(mount_target, mount("none", p, "ext2", 0, NULL))
BP_CALL(mount_type, mount("none", "/", p, 0, NULL))
BP_CALL(umount, umount(p))

BP_CALL(fstatat_out, fstatat(AT_FDCWD, BP_FILE, p, 0))
BP_CALL(readlink_out, readlink(BP_LINK, p, 8))
BP_CALL(realpath_out, p &&realpath("/", p) ? 0 : (errno = p ? errno : EFAULT, -1))
BP_CALL(pipe, pipe(p))
BP_CALL(poll, poll(p, 1, 0))
BP_CALL(ioctl_out, ioctl(bp_fd, FIONREAD, p))
BP_CALL(ioctl_in, ioctl(bp_fd, FIONBIO, p))
BP_CALL(ppoll_time, p ? ppoll(NULL, 0, p, NULL) : (errno = EFAULT, -1)) // NULL: for ever
BP_CALL(ppoll_mask, p ? ppoll(NULL, 0, &(struct timespec){0}, p) : (errno = EFAULT, -1))
BP_CALL(select_in, p ? select(1, p, NULL, NULL, &(struct timeval){0}) : (errno = EFAULT, -1))
BP_CALL(select_except, p ? select(1, NULL, NULL, p, &(struct timeval){0}) : (errno = EFAULT, -1))
BP_CALL(select_time, p ? select(0, NULL, NULL, NULL, p) : (errno = EFAULT, -1))
BP_CALL(pselect_time, p ? pselect(0, NULL, NULL, NULL, p, NULL) : (errno = EFAULT, -1))
BP_CALL(pselect_mask, p ? pselect(0, NULL, NULL, NULL, &(struct timespec){0}, p) : (errno = EFAULT, -1))
BP_CALL(fcntl_getlk, fcntl(bp_fd, F_GETLK, p))
BP_CALL(fcntl_setlk, fcntl(bp_fd, F_SETLK, p))
BP_CALL(futimens, p ? futimens(bp_fd, p) : (errno = EFAULT, -1))
BP_CALL(utimensat_times, p ? utimensat(AT_FDCWD, BP_FILE, p, 0) : (errno = EFAULT, -1))
BP_CALL(utimes_times, p ? utimes(BP_FILE, p) : (errno = EFAULT, -1))
BP_CALL(utime_times, p ? utime(BP_FILE, p) : (errno = EFAULT, -1))
BP_CALL(readv_list, readv(bp_fd, p, 1))
BP_CALL(writev_list, writev(bp_fd, p, 1))
BP_CALL(readv, lseek(bp_fd, 0, SEEK_SET) == 0 ? readv(bp_fd, &(struct iovec){p, BP_LEN}, 1) : -1)
BP_CALL(writev, writev(bp_fd, &(struct iovec){p, BP_LEN}, 1))

/* Through a pipe that holds so much. */
BP_NULL_TOO static long bp_pipe_read(void *p)
{
	static char text[BP_LEN];
	int fds[2];
	long r;

	if (pipe(fds) || write(fds[1], text, BP_LEN) != (ssize_t)BP_LEN)
		return -1000;
	r = bp_result(read(fds[0], p, BP_LEN));
	return close(fds[0]) || close(fds[1]) ? -1000 : r;
}

BP_NULL_TOO static long bp_pipe_write(void *p)
{
	int fds[2];
	long r;

	if (pipe(fds))
		return -1000;
	r = bp_result(write(fds[1], p, BP_LEN));
	return close(fds[0]) || close(fds[1]) ? -1000 : r;
}

BP_CALL(write, write(bp_fd, p, BP_LEN))
BP_CALL(pwrite, pwrite(bp_fd, p, BP_LEN, 100))
BP_CALL(pwrite_hole, pwrite(bp_fd, p, BP_LEN, (off_t)(64 * BP_PAGE)))
BP_CALL(write_random, write(bp_random, p, BP_LEN))
BP_CALL(read, lseek(bp_fd, 0, SEEK_SET) == 0 ? read(bp_fd, p, BP_LEN) : -1)
BP_CALL(pread, pread(bp_fd, p, BP_LEN, 0))
BP_CALL(pread_across, pread(bp_fd, p, BP_LEN, 100))
BP_CALL(read_zero, read(bp_zero, p, BP_LEN))

#define BP_ROW(use, size, name)                                                                                        \
	{                                                                                                              \
		use, size, #name, bp_##name                                                                            \
	}

static const struct bp_call {
	enum bp_use use;
	size_t size;
	const char *name;
	long (*call)(void *p);
} bp_calls[] = {
    BP_ROW(BP_PATH, 0, open),
    BP_ROW(BP_PATH, 0, open_new),
    BP_ROW(BP_PATH, 0, creat),
    BP_ROW(BP_PATH, 0, truncate),
    BP_ROW(BP_PATH, 0, stat_path),
    BP_ROW(BP_PATH, 0, lstat_path),
    BP_ROW(BP_PATH, 0, access),
    BP_ROW(BP_PATH, 0, mkdir),
    BP_ROW(BP_PATH, 0, rmdir),
    BP_ROW(BP_PATH, 0, unlink),
    BP_ROW(BP_PATH, 0, rename_from),
    BP_ROW(BP_PATH, 0, rename_to),
    BP_ROW(BP_PATH, 0, remove),
    BP_ROW(BP_PATH, 0, statvfs_path),
    BP_ROW(BP_PATH, 0, opendir),
    BP_ROW(BP_OUT, sizeof(struct stat), stat_out),
    BP_ROW(BP_OUT, sizeof(struct stat), lstat_out),
    BP_ROW(BP_OUT, sizeof(struct stat), fstat),
    BP_ROW(BP_OUT, sizeof(struct statvfs), statvfs_out),
    BP_ROW(BP_OUT, sizeof(struct statvfs), fstatvfs),
    BP_ROW(BP_OUT, 2, getcwd),
    BP_ROW(BP_OUT, sizeof(struct timespec), clock_gettime),
    BP_ROW(BP_OUT, sizeof(struct timespec), clock_gettime_wall),
    BP_ROW(BP_OUT, sizeof(struct timespec), clock_getres),
    BP_ROW(BP_OUT, sizeof(struct timeval), gettimeofday),
    BP_ROW(BP_OUT, sizeof(time_t), time),
    BP_ROW(BP_OUT, sizeof(struct timespec), sched_rr_get_interval),
    BP_ROW(BP_OUT, sizeof(struct sched_param), sched_getparam),
    BP_ROW(BP_OUT, sizeof(sigset_t), sigpending),
    BP_ROW(BP_OUT, sizeof(struct sigaction), sigaction_out),
    BP_ROW(BP_OUT, sizeof(sigset_t), sigprocmask_out),
    BP_ROW(BP_OUT, sizeof(sigset_t), pthread_sigmask_out),
    BP_ROW(BP_OUT, sizeof(stack_t), sigaltstack_out),
    BP_ROW(BP_OUT, sizeof(int), sigwait_out),
    BP_ROW(BP_OUT, sizeof(siginfo_t), sigwaitinfo_out),
    BP_ROW(BP_OUT, 2, mincore),
    BP_ROW(BP_IN, sizeof(struct timespec), clock_settime),
    BP_ROW(BP_IN, sizeof(struct timeval), settimeofday),
    BP_ROW(BP_IN, sizeof(struct timespec), nanosleep),
    BP_ROW(BP_IN, sizeof(struct timespec), clock_nanosleep),
    BP_ROW(BP_IN, sizeof(struct timespec), clock_nanosleep_until),
    BP_ROW(BP_IN, sizeof(struct sched_param), sched_setparam),
    BP_ROW(BP_IN, sizeof(struct sched_param), sched_setscheduler),
    BP_ROW(BP_IN, sizeof(struct sigaction), sigaction_in),
    BP_ROW(BP_IN, sizeof(sigset_t), sigprocmask_in),
    BP_ROW(BP_IN, sizeof(sigset_t), pthread_sigmask_in),
    BP_ROW(BP_IN, sizeof(sigset_t), sigsuspend),
    BP_ROW(BP_IN, sizeof(sigset_t), sigwait_in),
    BP_ROW(BP_IN, sizeof(sigset_t), sigwaitinfo_in),
    BP_ROW(BP_IN, sizeof(stack_t), sigaltstack_in),
    BP_ROW(BP_IN, sizeof(struct timespec), sigtimedwait_time),
    BP_ROW(BP_PATH, 0, openat),
    BP_ROW(BP_PATH, 0, mkdirat),
    BP_ROW(BP_PATH, 0, mkfifo),
    BP_ROW(BP_PATH, 0, unlinkat),
    BP_ROW(BP_PATH, 0, link_from),
    BP_ROW(BP_PATH, 0, link_to),
    BP_ROW(BP_PATH, 0, symlink_target),
    BP_ROW(BP_PATH, 0, symlink_path),
    BP_ROW(BP_PATH, 0, readlink_path),
    BP_ROW(BP_PATH, 0, renameat2),
    BP_ROW(BP_PATH, 0, chdir),
    BP_ROW(BP_PATH, 0, realpath_path),
    BP_ROW(BP_PATH, 0, chmod),
    BP_ROW(BP_PATH, 0, chown),
    BP_ROW(BP_PATH, 0, lchown),
    BP_ROW(BP_PATH, 0, faccessat),
    BP_ROW(BP_PATH, 0, fstatat_path),
    BP_ROW(BP_PATH, 0, utimensat_path),
    BP_ROW(BP_PATH, 0, utimes_path),
    BP_ROW(BP_PATH, 0, utime_path),
    BP_ROW(BP_PATH, 0, pathconf),
    BP_ROW(BP_PATH, 0, mount_target),
    BP_ROW(BP_PATH, 0, mount_type),
    BP_ROW(BP_PATH, 0, umount),
    BP_ROW(BP_OUT, sizeof(struct stat), fstatat_out),
    BP_ROW(BP_OUT, 6, readlink_out),
    BP_ROW(BP_OUT, 2, realpath_out),
    BP_ROW(BP_OUT, 2 * sizeof(int), pipe),
    BP_ROW(BP_OUT, sizeof(struct pollfd), poll),
    BP_ROW(BP_OUT, sizeof(int), ioctl_out),
    BP_ROW(BP_IN, sizeof(int), ioctl_in),
    BP_ROW(BP_IN, sizeof(struct timespec), ppoll_time),
    BP_ROW(BP_IN, sizeof(sigset_t), ppoll_mask),
    BP_ROW(BP_IN, sizeof(long), select_in),
    BP_ROW(BP_IN, sizeof(long), select_except),
    BP_ROW(BP_IN, sizeof(struct timeval), select_time),
    BP_ROW(BP_IN, sizeof(struct timespec), pselect_time),
    BP_ROW(BP_IN, sizeof(sigset_t), pselect_mask),
    BP_ROW(BP_IN, sizeof(struct flock), fcntl_getlk),
    BP_ROW(BP_IN, sizeof(struct flock), fcntl_setlk),
    BP_ROW(BP_IN, 2 * sizeof(struct timespec), futimens),
    BP_ROW(BP_IN, 2 * sizeof(struct timespec), utimensat_times),
    BP_ROW(BP_IN, 2 * sizeof(struct timeval), utimes_times),
    BP_ROW(BP_IN, sizeof(struct utimbuf), utime_times),
    BP_ROW(BP_IN, sizeof(struct iovec), readv_list),
    BP_ROW(BP_IN, sizeof(struct iovec), writev_list),
    BP_ROW(BP_TARGET, BP_LEN, readv),
    BP_ROW(BP_SOURCE, BP_LEN, writev),
    BP_ROW(BP_TARGET, BP_LEN, pipe_read),
    BP_ROW(BP_SOURCE, BP_LEN, pipe_write),
    BP_ROW(BP_SOURCE, BP_LEN, write),
    BP_ROW(BP_SOURCE, BP_LEN, pwrite),
    BP_ROW(BP_SOURCE, BP_LEN, pwrite_hole),
    BP_ROW(BP_SOURCE, BP_LEN, write_random),
    BP_ROW(BP_TARGET, BP_LEN, read),
    BP_ROW(BP_TARGET, BP_LEN, pread),
    BP_ROW(BP_TARGET, BP_LEN, pread_across),
    BP_ROW(BP_TARGET, BP_LEN, read_zero),
};

/* ---- the pointers ---- */
struct bp_pointer {
	const char *name;
	char *p;
	size_t readable, writable; // bytes from there on
};
#define BP_POINTERS_MAX 16

static sigjmp_buf bp_back;

static void bp_signal(int sig, siginfo_t *info, void *context)
{
	(void)info;
	(void)context;
	siglongjmp(bp_back, sig);
}

static char *bp_map(size_t pages, int prot, int flags, int fd)
{
	char *p = mmap(NULL, pages * BP_PAGE, prot, flags, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* How many there are; 0: something that is no part of the test has failed. */
static size_t bp_pointers_make(struct bp_pointer *out)
{
	const int rw = PROT_READ | PROT_WRITE, file = open(BP_MAPPED, O_RDWR | O_CREAT | O_TRUNC, 0644);
	char *data = bp_map(2, rw, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	char *reader = bp_map(1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	char *none = bp_map(1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	char *guarded = bp_map(2, rw, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	char *mapped = bp_map(3, rw, MAP_SHARED, file);
	pthread_attr_t attr;
	size_t n = 0, size;
	void *stack;

	if (!data || !reader || !none || !guarded || !mapped || ftruncate(file, (off_t)BP_PAGE) || close(file))
		return 0;
	if (pthread_getattr_np(pthread_self(), &attr) || pthread_attr_getstack(&attr, &stack, &size))
		return 0;
	data[BP_PAGE - 1] = guarded[BP_PAGE - 1] = mapped[BP_PAGE - 1] = 'x';
	/* The hole of a page stays one: what is mapped from here on is larger. */
	if (mprotect(guarded + BP_PAGE, BP_PAGE, PROT_NONE) || munmap(data + BP_PAGE, BP_PAGE))
		return 0;
	bp_range = guarded;
	out[n++] = (struct bp_pointer){"NULL", NULL, 0, 0};
	out[n++] = (struct bp_pointer){"just above NULL", (char *)8, 0, 0};
	out[n++] = (struct bp_pointer){"unmapped", data + BP_PAGE, 0, 0};
	out[n++] = (struct bp_pointer){"second page unmapped", data + BP_PAGE - 1, 1, 1};
	out[n++] = (struct bp_pointer){"read-only", reader, BP_PAGE, 0};
	out[n++] = (struct bp_pointer){"PROT_NONE", none + 100, 0, 0};
	out[n++] = (struct bp_pointer){"second page PROT_NONE", guarded + BP_PAGE - 1, 1, 1};
	out[n++] = (struct bp_pointer){"beyond the end of file", mapped + BP_PAGE, 0, 0};
	out[n++] = (struct bp_pointer){"second page beyond the end of file", mapped + BP_PAGE - 1, 1, 1};
	out[n++] = (struct bp_pointer){"no such address", (char *)0x123456789000, 0, 0};
	out[n++] = (struct bp_pointer){"below the stack", (char *)stack - 8, 0, 0};
	out[n++] = (struct bp_pointer){"code", (char *)(uintptr_t)bp_signal, BP_LEN, 0};
	out[n++] = (struct bp_pointer){"the last byte", (char *)-1, 0, 0};
	return n;
}

/* 0: the pointer is not bad for the call. */
static long bp_expected(const struct bp_call *call, const struct bp_pointer *bad)
{
	const size_t good = call->use == BP_OUT || call->use == BP_TARGET ? bad->writable : bad->readable;

	if (call->use == BP_PATH)
		return good > 1 ? 0 : -EFAULT;
	if (good >= call->size)
		return 0;
	return good && (call->use == BP_SOURCE || call->use == BP_TARGET) ? (long)good : -EFAULT;
}

static long bp_try(const struct bp_call *call, const struct bp_pointer *bad)
{
	int sig = sigsetjmp(bp_back, 1);

	return sig ? -1000 - sig : call->call(bad->p);
}

/* What needs the locks that the calls take. */
static int bp_goes_on(void)
{
	char buf[100] = "some text";
	struct timespec ts;
	struct stat st;
	int fd = open("/goes-on", O_RDWR | O_CREAT | O_TRUNC, 0644);
	char *p = bp_map(2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	if (fd < 0 || !p || write(fd, buf, 100) != 100 || pread(fd, p, 100, 0) != 100 || memcmp(buf, p, 100))
		return -1;
	if (pwrite(bp_fd, buf, 10, 5) != 10 || pread(bp_fd, p, 10, 5) != 10 || memcmp(buf, p, 10))
		return -1;
	if (fstat(fd, &st) || st.st_size != 100 || fsync(fd) || close(fd) || rename("/goes-on", "/gone-on"))
		return -1;
	if (unlink("/gone-on") || munmap(p, 2 * BP_PAGE) || clock_gettime(CLOCK_REALTIME, &ts) ||
	    nanosleep(&(struct timespec){0}, NULL))
		return -1;
	return sigaction(SIGUSR1, NULL, &(struct sigaction){0});
}

/* Returns how many calls were made; what was wrong is told to `fail`. */
static size_t bp_run(void (*fail)(const char *call, const char *pointer, long got, long expected))
{
	const struct sigaction action = {.sa_sigaction = bp_signal, .sa_flags = SA_SIGINFO};
	const sigset_t usr2 = bp_usr2();
	struct bp_pointer bad[BP_POINTERS_MAX];
	char text[BP_PAGE];
	size_t n, made = 0;

	memset(text, 'x', sizeof(text));
	bp_fd = open(BP_FILE, O_RDWR | O_CREAT | O_TRUNC, 0644);
	bp_zero = open("/dev/zero", O_RDWR);
	bp_random = open("/dev/random", O_RDWR);
	if (bp_fd < 0 || bp_zero < 0 || bp_random < 0 || ftruncate(bp_fd, (off_t)BP_PAGE) || symlink("target", BP_LINK))
		return 0;
	n = bp_pointers_make(bad);
	if (!n || sigaction(SIGSEGV, &action, NULL) || sigaction(SIGBUS, &action, NULL) ||
	    pthread_sigmask(SIG_BLOCK, &usr2, NULL))
		return 0;
	for (size_t i = 0; i < sizeof(bp_calls) / sizeof(*bp_calls); i++) {
		const struct bp_call *call = &bp_calls[i];

		for (size_t j = 0; j < n; j++) {
			long expected = bp_expected(call, &bad[j]), got;

			if (!expected)
				continue;
			if (call->use == BP_TARGET &&
			    (pwrite(bp_fd, text, BP_PAGE, 0) != (ssize_t)BP_PAGE || ftruncate(bp_fd, (off_t)BP_PAGE)))
				return 0;
			got = bp_try(call, &bad[j]);
			made++;
			if (got != expected)
				fail(call->name, bad[j].name, got, expected);
		}
		if (bp_goes_on())
			fail(call->name, "(the kernel goes on)", -errno, 0);
	}
	if (close(bp_fd) || close(bp_zero) || close(bp_random) || unlink(BP_FILE) || unlink(BP_LINK) ||
	    unlink(BP_MAPPED))
		return 0;
	return made;
}
