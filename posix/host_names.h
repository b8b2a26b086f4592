// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Forced in front of posix/ and the applications on the host build (-include), so that what cairn defines and what
 * applications call bears cairn's names, and the host's C library and the sanitizers' interceptors stay as they are.
 * Names are changed before the host's headers are read, so these declare ours with the right types; names that are also
 * structure tags are changed as macros with arguments. The thread types are cairn's own, and so come after.
 * Not changed: stdio (but streams that a file is opened for, board/host/stdio.c), malloc, strings; they are the host's.
 * exit ends as _exit does, after the console has flushed the host's stdio: functions of atexit are not called.
 */
#pragma once

#undef _FORTIFY_SOURCE // its inline functions would call the host's

#define _exit cairn_exit
#define abort cairn_abort
#define access cairn_access
#define clock_getres cairn_clock_getres
#define clock_gettime cairn_clock_gettime
#define clock_nanosleep cairn_clock_nanosleep
#define clock_settime cairn_clock_settime
#define close cairn_close
#define closedir cairn_closedir
#define creat cairn_creat
#define dirfd cairn_dirfd
#define dup cairn_dup
#define dup2 cairn_dup2
#define exit cairn_exit
#define fcntl cairn_fcntl
#define fdatasync cairn_fdatasync
#define fdopen cairn_fdopen
#define fdopendir cairn_fdopendir
#define fopen cairn_fopen
#define freopen cairn_freopen
#define fstat cairn_fstat
#define fstatvfs cairn_fstatvfs
#define fsync cairn_fsync
#define ftruncate cairn_ftruncate
#define getcwd cairn_getcwd
#define getpagesize cairn_getpagesize
#define getpid cairn_getpid
#define gettimeofday cairn_gettimeofday
#define isatty cairn_isatty
#define kill cairn_kill
#define lseek cairn_lseek
#define lstat cairn_lstat
#define madvise cairn_madvise
#define main cairn_app_main
#define mkdir cairn_mkdir
#define mlock cairn_mlock
#define mmap cairn_mmap
#define mprotect cairn_mprotect
#define msync cairn_msync
#define munlock cairn_munlock
#define munmap cairn_munmap
#define nanosleep cairn_nanosleep
#define open cairn_open
#define opendir cairn_opendir
#define pause cairn_pause
#define posix_fallocate cairn_posix_fallocate
#define posix_madvise cairn_posix_madvise
#define pread cairn_pread
#define pwrite cairn_pwrite
#define raise cairn_raise
#define read cairn_read
#define readdir cairn_readdir
#define remove cairn_remove
#define rename cairn_rename
#define rewinddir cairn_rewinddir
#define rmdir cairn_rmdir
#define sched_yield cairn_sched_yield
#define sigaction(...) cairn_sigaction(__VA_ARGS__)
#define sigaltstack cairn_sigaltstack
#define signal(...) cairn_signal(__VA_ARGS__)
#define sigpending cairn_sigpending
#define sigprocmask cairn_sigprocmask
#define sigsuspend cairn_sigsuspend
#define sigtimedwait cairn_sigtimedwait
#define sigwait cairn_sigwait
#define sigwaitinfo cairn_sigwaitinfo
#define sleep cairn_sleep
#define stat(...) cairn_stat(__VA_ARGS__)
#define statvfs(...) cairn_statvfs(__VA_ARGS__)
#define sync cairn_sync
#define time(...) cairn_time(__VA_ARGS__)
#define truncate cairn_truncate
#define unlink cairn_unlink
#define usleep cairn_usleep
#define write cairn_write

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define pthread_attr_t cairn_pthread_attr_t
#define pthread_cond_t cairn_pthread_cond_t
#define pthread_condattr_t cairn_pthread_condattr_t
#define pthread_key_t cairn_pthread_key_t
#define pthread_mutex_t cairn_pthread_mutex_t
#define pthread_mutexattr_t cairn_pthread_mutexattr_t
#define pthread_once_t cairn_pthread_once_t
#define pthread_t cairn_pthread_t

#define pthread_attr_destroy cairn_pthread_attr_destroy
#define pthread_attr_getdetachstate cairn_pthread_attr_getdetachstate
#define pthread_attr_getstacksize cairn_pthread_attr_getstacksize
#define pthread_attr_init cairn_pthread_attr_init
#define pthread_attr_setdetachstate cairn_pthread_attr_setdetachstate
#define pthread_attr_setstacksize cairn_pthread_attr_setstacksize
#define pthread_cond_broadcast cairn_pthread_cond_broadcast
#define pthread_cond_destroy cairn_pthread_cond_destroy
#define pthread_cond_init cairn_pthread_cond_init
#define pthread_cond_signal cairn_pthread_cond_signal
#define pthread_cond_timedwait cairn_pthread_cond_timedwait
#define pthread_cond_wait cairn_pthread_cond_wait
#define pthread_condattr_destroy cairn_pthread_condattr_destroy
#define pthread_condattr_getclock cairn_pthread_condattr_getclock
#define pthread_condattr_init cairn_pthread_condattr_init
#define pthread_condattr_setclock cairn_pthread_condattr_setclock
#define pthread_create cairn_pthread_create
#define pthread_detach cairn_pthread_detach
#define pthread_equal cairn_pthread_equal
#define pthread_exit cairn_pthread_exit
#define pthread_getname_np cairn_pthread_getname_np
#define pthread_getspecific cairn_pthread_getspecific
#define pthread_join cairn_pthread_join
#define pthread_key_create cairn_pthread_key_create
#define pthread_key_delete cairn_pthread_key_delete
#define pthread_kill cairn_pthread_kill
#define pthread_mutex_destroy cairn_pthread_mutex_destroy
#define pthread_mutex_init cairn_pthread_mutex_init
#define pthread_mutex_lock cairn_pthread_mutex_lock
#define pthread_mutex_timedlock cairn_pthread_mutex_timedlock
#define pthread_mutex_trylock cairn_pthread_mutex_trylock
#define pthread_mutex_unlock cairn_pthread_mutex_unlock
#define pthread_mutexattr_destroy cairn_pthread_mutexattr_destroy
#define pthread_mutexattr_gettype cairn_pthread_mutexattr_gettype
#define pthread_mutexattr_init cairn_pthread_mutexattr_init
#define pthread_mutexattr_settype cairn_pthread_mutexattr_settype
#define pthread_once cairn_pthread_once
#define pthread_self cairn_pthread_self
#define pthread_setname_np cairn_pthread_setname_np
#define pthread_setspecific cairn_pthread_setspecific
#define pthread_sigmask cairn_pthread_sigmask

#undef PTHREAD_COND_INITIALIZER
#undef PTHREAD_CREATE_DETACHED
#undef PTHREAD_CREATE_JOINABLE
#undef PTHREAD_DESTRUCTOR_ITERATIONS
#undef PTHREAD_KEYS_MAX
#undef PTHREAD_MUTEX_INITIALIZER
#undef PTHREAD_ONCE_INIT
#undef PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP
#undef PTHREAD_STACK_MIN

#include "posix/include/pthread.h"
#include "posix/include/setjmp.h"

int pthread_kill(pthread_t thread, int sig);
int pthread_sigmask(int how, const sigset_t *__restrict set, sigset_t *__restrict old);
