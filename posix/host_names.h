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
#define alphasort cairn_alphasort
#define cfgetispeed cairn_cfgetispeed
#define cfgetospeed cairn_cfgetospeed
#define cfmakeraw cairn_cfmakeraw
#define cfsetispeed cairn_cfsetispeed
#define cfsetospeed cairn_cfsetospeed
#define cfsetspeed cairn_cfsetspeed
#define chdir cairn_chdir
#define chmod cairn_chmod
#define chown cairn_chown
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
#define dup3 cairn_dup3
#define exit cairn_exit
#define faccessat cairn_faccessat
#define fallocate cairn_fallocate
#define fchdir cairn_fchdir
#define fchmod cairn_fchmod
#define fchmodat cairn_fchmodat
#define fchown cairn_fchown
#define fchownat cairn_fchownat
#define fcntl cairn_fcntl
#define fdatasync cairn_fdatasync
#define fdopen cairn_fdopen
#define fdopendir cairn_fdopendir
#define flock(...) cairn_flock(__VA_ARGS__)
#define fopen cairn_fopen
#define fpathconf cairn_fpathconf
#define freopen cairn_freopen
#define fstat cairn_fstat
#define fstatat cairn_fstatat
#define fstatvfs cairn_fstatvfs
#define fsync cairn_fsync
#define ftruncate cairn_ftruncate
#define futimens cairn_futimens
#define futimes cairn_futimes
#define get_current_dir_name cairn_get_current_dir_name
#define getcwd cairn_getcwd
#define getegid cairn_getegid
#define getentropy cairn_getentropy
#define geteuid cairn_geteuid
#define getgid cairn_getgid
#define getpagesize cairn_getpagesize
#define getpid cairn_getpid
#define getrandom cairn_getrandom
#define gettimeofday cairn_gettimeofday
#define getuid cairn_getuid
#define ioctl cairn_ioctl
#define isatty cairn_isatty
#define kill cairn_kill
#define lchown cairn_lchown
#define link cairn_link
#define linkat cairn_linkat
#define lockf cairn_lockf
#define lseek cairn_lseek
#define lstat cairn_lstat
#define lutimes cairn_lutimes
#define madvise cairn_madvise
#define main cairn_app_main
#define mincore cairn_mincore
#define mkdir cairn_mkdir
#define mkdirat cairn_mkdirat
#define mkdtemp cairn_mkdtemp
#define mkfifo cairn_mkfifo
#define mkfifoat cairn_mkfifoat
#define mkostemp cairn_mkostemp
#define mkostemps cairn_mkostemps
#define mkstemp cairn_mkstemp
#define mkstemps cairn_mkstemps
#define mktemp cairn_mktemp
#define mlock cairn_mlock
#define mlockall cairn_mlockall
#define mmap cairn_mmap
#define mount cairn_mount
#define mprotect cairn_mprotect
#define mremap cairn_mremap
#define msync cairn_msync
#define munlock cairn_munlock
#define munlockall cairn_munlockall
#define munmap cairn_munmap
#define nanosleep cairn_nanosleep
#define open cairn_open
#define openat cairn_openat
#define opendir cairn_opendir
#define pathconf cairn_pathconf
#define pause cairn_pause
#define pipe cairn_pipe
#define pipe2 cairn_pipe2
#define poll cairn_poll
#define posix_fadvise cairn_posix_fadvise
#define posix_fallocate cairn_posix_fallocate
#define posix_madvise cairn_posix_madvise
#define ppoll cairn_ppoll
#define pread cairn_pread
#define preadv cairn_preadv
#define pselect cairn_pselect
#define pwrite cairn_pwrite
#define pwritev cairn_pwritev
#define raise cairn_raise
#define read cairn_read
#define readahead cairn_readahead
#define readdir cairn_readdir
#define readlink cairn_readlink
#define readlinkat cairn_readlinkat
#define readv cairn_readv
#define realpath cairn_realpath
#define reboot cairn_reboot
#define remove cairn_remove
#define rename cairn_rename
#define renameat cairn_renameat
#define renameat2 cairn_renameat2
#define rewinddir cairn_rewinddir
#define rmdir cairn_rmdir
#define sbrk cairn_sbrk
#define scandir cairn_scandir
#define sched_get_priority_max cairn_sched_get_priority_max
#define sched_get_priority_min cairn_sched_get_priority_min
#define sched_getcpu cairn_sched_getcpu
#define sched_getparam cairn_sched_getparam
#define sched_getscheduler cairn_sched_getscheduler
#define sched_rr_get_interval cairn_sched_rr_get_interval
#define sched_setparam cairn_sched_setparam
#define sched_setscheduler cairn_sched_setscheduler
#define sched_yield cairn_sched_yield
#define seekdir cairn_seekdir
#define select cairn_select
#define settimeofday cairn_settimeofday
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
#define symlink cairn_symlink
#define symlinkat cairn_symlinkat
#define sync cairn_sync
#define sync_file_range cairn_sync_file_range
#define syncfs cairn_syncfs
#define sysconf cairn_sysconf
#define tcdrain cairn_tcdrain
#define tcflush cairn_tcflush
#define tcgetattr cairn_tcgetattr
#define tcsetattr cairn_tcsetattr
#define telldir cairn_telldir
#define time(...) cairn_time(__VA_ARGS__)
#define timespec_get cairn_timespec_get
#define tmpfile cairn_tmpfile
#define truncate cairn_truncate
#define ttyname cairn_ttyname
#define ttyname_r cairn_ttyname_r
#define umask cairn_umask
#define umount cairn_umount
#define umount2 cairn_umount2
#define unlink cairn_unlink
#define unlinkat cairn_unlinkat
#define usleep cairn_usleep
#define utime cairn_utime
#define utimensat cairn_utimensat
#define utimes cairn_utimes
#define write cairn_write
#define writev cairn_writev

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define pthread_attr_t cairn_pthread_attr_t
#define pthread_barrier_t cairn_pthread_barrier_t
#define pthread_barrierattr_t cairn_pthread_barrierattr_t
#define pthread_cond_t cairn_pthread_cond_t
#define pthread_condattr_t cairn_pthread_condattr_t
#define pthread_key_t cairn_pthread_key_t
#define pthread_mutex_t cairn_pthread_mutex_t
#define pthread_mutexattr_t cairn_pthread_mutexattr_t
#define pthread_once_t cairn_pthread_once_t
#define pthread_rwlock_t cairn_pthread_rwlock_t
#define pthread_rwlockattr_t cairn_pthread_rwlockattr_t
#define pthread_spinlock_t cairn_pthread_spinlock_t
#define pthread_t cairn_pthread_t
#define sem_t cairn_sem_t

#define _pthread_cleanup_pop cairn__pthread_cleanup_pop
#define _pthread_cleanup_push cairn__pthread_cleanup_push
#define pthread_attr_destroy cairn_pthread_attr_destroy
#define pthread_attr_getdetachstate cairn_pthread_attr_getdetachstate
#define pthread_attr_getguardsize cairn_pthread_attr_getguardsize
#define pthread_attr_getinheritsched cairn_pthread_attr_getinheritsched
#define pthread_attr_getname_np cairn_pthread_attr_getname_np
#define pthread_attr_getschedparam cairn_pthread_attr_getschedparam
#define pthread_attr_getschedpolicy cairn_pthread_attr_getschedpolicy
#define pthread_attr_getscope cairn_pthread_attr_getscope
#define pthread_attr_getstack cairn_pthread_attr_getstack
#define pthread_attr_getstacksize cairn_pthread_attr_getstacksize
#define pthread_attr_init cairn_pthread_attr_init
#define pthread_attr_setdetachstate cairn_pthread_attr_setdetachstate
#define pthread_attr_setguardsize cairn_pthread_attr_setguardsize
#define pthread_attr_setinheritsched cairn_pthread_attr_setinheritsched
#define pthread_attr_setname_np cairn_pthread_attr_setname_np
#define pthread_attr_setschedparam cairn_pthread_attr_setschedparam
#define pthread_attr_setschedpolicy cairn_pthread_attr_setschedpolicy
#define pthread_attr_setscope cairn_pthread_attr_setscope
#define pthread_attr_setstack cairn_pthread_attr_setstack
#define pthread_attr_setstacksize cairn_pthread_attr_setstacksize
#define pthread_barrier_destroy cairn_pthread_barrier_destroy
#define pthread_barrier_init cairn_pthread_barrier_init
#define pthread_barrier_wait cairn_pthread_barrier_wait
#define pthread_barrierattr_destroy cairn_pthread_barrierattr_destroy
#define pthread_barrierattr_getpshared cairn_pthread_barrierattr_getpshared
#define pthread_barrierattr_init cairn_pthread_barrierattr_init
#define pthread_barrierattr_setpshared cairn_pthread_barrierattr_setpshared
#define pthread_cancel cairn_pthread_cancel
#define pthread_cond_broadcast cairn_pthread_cond_broadcast
#define pthread_cond_clockwait cairn_pthread_cond_clockwait
#define pthread_cond_destroy cairn_pthread_cond_destroy
#define pthread_cond_init cairn_pthread_cond_init
#define pthread_cond_signal cairn_pthread_cond_signal
#define pthread_cond_timedwait cairn_pthread_cond_timedwait
#define pthread_cond_wait cairn_pthread_cond_wait
#define pthread_condattr_destroy cairn_pthread_condattr_destroy
#define pthread_condattr_getclock cairn_pthread_condattr_getclock
#define pthread_condattr_getpshared cairn_pthread_condattr_getpshared
#define pthread_condattr_init cairn_pthread_condattr_init
#define pthread_condattr_setclock cairn_pthread_condattr_setclock
#define pthread_condattr_setpshared cairn_pthread_condattr_setpshared
#define pthread_create cairn_pthread_create
#define pthread_detach cairn_pthread_detach
#define pthread_equal cairn_pthread_equal
#define pthread_exit cairn_pthread_exit
#define pthread_getattr_np cairn_pthread_getattr_np
#define pthread_getname_np cairn_pthread_getname_np
#define pthread_getschedparam cairn_pthread_getschedparam
#define pthread_getspecific cairn_pthread_getspecific
#define pthread_join cairn_pthread_join
#define pthread_key_create cairn_pthread_key_create
#define pthread_key_delete cairn_pthread_key_delete
#define pthread_kill cairn_pthread_kill
#define pthread_mutex_clocklock cairn_pthread_mutex_clocklock
#define pthread_mutex_destroy cairn_pthread_mutex_destroy
#define pthread_mutex_init cairn_pthread_mutex_init
#define pthread_mutex_lock cairn_pthread_mutex_lock
#define pthread_mutex_timedlock cairn_pthread_mutex_timedlock
#define pthread_mutex_trylock cairn_pthread_mutex_trylock
#define pthread_mutex_unlock cairn_pthread_mutex_unlock
#define pthread_mutexattr_destroy cairn_pthread_mutexattr_destroy
#define pthread_mutexattr_getprotocol cairn_pthread_mutexattr_getprotocol
#define pthread_mutexattr_getpshared cairn_pthread_mutexattr_getpshared
#define pthread_mutexattr_gettype cairn_pthread_mutexattr_gettype
#define pthread_mutexattr_init cairn_pthread_mutexattr_init
#define pthread_mutexattr_setprotocol cairn_pthread_mutexattr_setprotocol
#define pthread_mutexattr_setpshared cairn_pthread_mutexattr_setpshared
#define pthread_mutexattr_settype cairn_pthread_mutexattr_settype
#define pthread_once cairn_pthread_once
#define pthread_rwlock_clockrdlock cairn_pthread_rwlock_clockrdlock
#define pthread_rwlock_clockwrlock cairn_pthread_rwlock_clockwrlock
#define pthread_rwlock_destroy cairn_pthread_rwlock_destroy
#define pthread_rwlock_init cairn_pthread_rwlock_init
#define pthread_rwlock_rdlock cairn_pthread_rwlock_rdlock
#define pthread_rwlock_timedrdlock cairn_pthread_rwlock_timedrdlock
#define pthread_rwlock_timedwrlock cairn_pthread_rwlock_timedwrlock
#define pthread_rwlock_tryrdlock cairn_pthread_rwlock_tryrdlock
#define pthread_rwlock_trywrlock cairn_pthread_rwlock_trywrlock
#define pthread_rwlock_unlock cairn_pthread_rwlock_unlock
#define pthread_rwlock_wrlock cairn_pthread_rwlock_wrlock
#define pthread_rwlockattr_destroy cairn_pthread_rwlockattr_destroy
#define pthread_rwlockattr_getpshared cairn_pthread_rwlockattr_getpshared
#define pthread_rwlockattr_init cairn_pthread_rwlockattr_init
#define pthread_rwlockattr_setpshared cairn_pthread_rwlockattr_setpshared
#define pthread_self cairn_pthread_self
#define pthread_setcancelstate cairn_pthread_setcancelstate
#define pthread_setcanceltype cairn_pthread_setcanceltype
#define pthread_setname_np cairn_pthread_setname_np
#define pthread_setschedparam cairn_pthread_setschedparam
#define pthread_setschedprio cairn_pthread_setschedprio
#define pthread_setspecific cairn_pthread_setspecific
#define pthread_sigmask cairn_pthread_sigmask
#define pthread_spin_destroy cairn_pthread_spin_destroy
#define pthread_spin_init cairn_pthread_spin_init
#define pthread_spin_lock cairn_pthread_spin_lock
#define pthread_spin_trylock cairn_pthread_spin_trylock
#define pthread_spin_unlock cairn_pthread_spin_unlock
#define pthread_testcancel cairn_pthread_testcancel
#define sem_clockwait cairn_sem_clockwait
#define sem_destroy cairn_sem_destroy
#define sem_getvalue cairn_sem_getvalue
#define sem_init cairn_sem_init
#define sem_post cairn_sem_post
#define sem_timedwait cairn_sem_timedwait
#define sem_trywait cairn_sem_trywait
#define sem_wait cairn_sem_wait

#define call_once cairn_call_once
#define cnd_broadcast cairn_cnd_broadcast
#define cnd_destroy cairn_cnd_destroy
#define cnd_init cairn_cnd_init
#define cnd_signal cairn_cnd_signal
#define cnd_t cairn_cnd_t
#define cnd_timedwait cairn_cnd_timedwait
#define cnd_wait cairn_cnd_wait
#define mtx_destroy cairn_mtx_destroy
#define mtx_init cairn_mtx_init
#define mtx_lock cairn_mtx_lock
#define mtx_plain cairn_mtx_plain
#define mtx_recursive cairn_mtx_recursive
#define mtx_t cairn_mtx_t
#define mtx_timed cairn_mtx_timed
#define mtx_timedlock cairn_mtx_timedlock
#define mtx_trylock cairn_mtx_trylock
#define mtx_unlock cairn_mtx_unlock
#define once_flag cairn_once_flag
#define thrd_busy cairn_thrd_busy
#define thrd_create cairn_thrd_create
#define thrd_current cairn_thrd_current
#define thrd_detach cairn_thrd_detach
#define thrd_equal cairn_thrd_equal
#define thrd_error cairn_thrd_error
#define thrd_exit cairn_thrd_exit
#define thrd_join cairn_thrd_join
#define thrd_nomem cairn_thrd_nomem
#define thrd_sleep cairn_thrd_sleep
#define thrd_start_t cairn_thrd_start_t
#define thrd_success cairn_thrd_success
#define thrd_t cairn_thrd_t
#define thrd_timedout cairn_thrd_timedout
#define thrd_yield cairn_thrd_yield
#define tss_create cairn_tss_create
#define tss_delete cairn_tss_delete
#define tss_dtor_t cairn_tss_dtor_t
#define tss_get cairn_tss_get
#define tss_set cairn_tss_set
#define tss_t cairn_tss_t

#undef ONCE_FLAG_INIT
#undef PTHREAD_BARRIER_SERIAL_THREAD
#undef PTHREAD_CANCELED
#undef PTHREAD_CANCEL_ASYNCHRONOUS
#undef PTHREAD_CANCEL_DEFERRED
#undef PTHREAD_CANCEL_DISABLE
#undef PTHREAD_CANCEL_ENABLE
#undef PTHREAD_COND_INITIALIZER
#undef PTHREAD_CREATE_DETACHED
#undef PTHREAD_CREATE_JOINABLE
#undef PTHREAD_DESTRUCTOR_ITERATIONS
#undef PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP
#undef PTHREAD_EXPLICIT_SCHED
#undef PTHREAD_INHERIT_SCHED
#undef PTHREAD_PRIO_INHERIT
#undef PTHREAD_PRIO_NONE
#undef PTHREAD_PRIO_PROTECT
#undef PTHREAD_SCOPE_PROCESS
#undef PTHREAD_SCOPE_SYSTEM
#undef PTHREAD_KEYS_MAX
#undef PTHREAD_MUTEX_DEFAULT
#undef PTHREAD_MUTEX_ERRORCHECK
#undef PTHREAD_MUTEX_INITIALIZER
#undef PTHREAD_MUTEX_NORMAL
#undef PTHREAD_MUTEX_RECURSIVE
#undef PTHREAD_ONCE_INIT
#undef PTHREAD_PROCESS_PRIVATE
#undef PTHREAD_PROCESS_SHARED
#undef PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP
#undef PTHREAD_RWLOCK_INITIALIZER
#undef PTHREAD_STACK_MIN
#undef SEM_VALUE_MAX
#undef TSS_DTOR_ITERATIONS
#undef pthread_cleanup_pop
#undef pthread_cleanup_push
#undef thread_local

#include "posix/include/pthread.h"
#include "posix/include/setjmp.h"

int pthread_kill(pthread_t thread, int sig);
int pthread_sigmask(int how, const sigset_t *__restrict set, sigset_t *__restrict old);
#include "posix/include/semaphore.h"
#include "posix/include/threads.h"
