// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Signals as POSIX.1-2017 has them, without queues: docs/design.md, section 4. In place of picolibc's header, whose
 * numbers these are, so that strsignal and psignal name them. The signals that stop a process do nothing.
 */
#ifndef _SIGNAL_H_
#define _SIGNAL_H_

#include <stdint.h>
#include <sys/types.h>

#include <sys/_sigset.h>
#include <sys/_timespec.h> // needs sys/types.h in later releases of picolibc

#include "sys/_pthreadtypes.h"
#include "sys/ucontext.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef int sig_atomic_t;
typedef void (*_sig_func_ptr)(int);
typedef _sig_func_ptr sighandler_t;
typedef _sig_func_ptr sig_t;

#ifndef _SIGSET_T_DECLARED
#define _SIGSET_T_DECLARED
typedef __sigset_t sigset_t;
#endif

#define SIG_DFL ((_sig_func_ptr)0)
#define SIG_IGN ((_sig_func_ptr)1)
#define SIG_ERR ((_sig_func_ptr)-1)

#define SIGHUP 1
#define SIGINT 2
#define SIGQUIT 3
#define SIGILL 4
#define SIGTRAP 5
#define SIGABRT 6
#define SIGIOT SIGABRT
#define SIGEMT 7
#define SIGFPE 8
#define SIGKILL 9
#define SIGBUS 10
#define SIGSEGV 11
#define SIGSYS 12
#define SIGPIPE 13
#define SIGALRM 14
#define SIGTERM 15
#define SIGURG 16
#define SIGSTOP 17
#define SIGTSTP 18
#define SIGCONT 19
#define SIGCHLD 20
#define SIGCLD SIGCHLD
#define SIGTTIN 21
#define SIGTTOU 22
#define SIGIO 23
#define SIGPOLL SIGIO
#define SIGXCPU 24
#define SIGXFSZ 25
#define SIGVTALRM 26
#define SIGPROF 27
#define SIGWINCH 28
#define SIGLOST 29
#define SIGUSR1 30
#define SIGUSR2 31
#define NSIG 32
#define _NSIG NSIG
#define SIG2STR_MAX (sizeof("RTMAX+") + sizeof("4294967295") - 1)

/* si_code: of any signal, then of each that a trap causes. */
#define SI_USER 0 // kill, raise, pthread_kill, the interrupt key

#define ILL_ILLOPC 1
#define TRAP_BRKPT 1
#define FPE_INTDIV 1
#define FPE_INTOVF 2
#define FPE_FLTDIV 3
#define FPE_FLTOVF 4
#define FPE_FLTUND 5
#define FPE_FLTRES 6
#define FPE_FLTINV 7
#define FPE_FLTSUB 8
#define SEGV_MAPERR 1
#define SEGV_ACCERR 2
#define BUS_ADRALN 1
#define BUS_ADRERR 2
#define BUS_OBJERR 3

typedef struct {
	int si_signo;
	int si_code;
	int si_errno; // SIGBUS: why the page could not be had (EIO, ENOSPC, ENOMEM), 0 beyond the end of the file
	pid_t si_pid;
	uid_t si_uid;
	void *si_addr; // the address that was accessed; SIGILL, SIGTRAP: the instruction
} siginfo_t;

#define SA_NOCLDSTOP 0x01 // no effect: there are no children
#define SA_NOCLDWAIT 0x02
#define SA_SIGINFO 0x04
#define SA_ONSTACK 0x08
#define SA_RESTART 0x10
#define SA_NODEFER 0x20
#define SA_RESETHAND 0x40

struct sigaction {
	union {
		void (*sa_handler)(int);
		void (*sa_sigaction)(int, siginfo_t *, void *);
	};
	sigset_t sa_mask;
	int sa_flags;
};

#define SIG_SETMASK 0
#define SIG_BLOCK 1
#define SIG_UNBLOCK 2

int sigaction(int sig, const struct sigaction *__restrict action, struct sigaction *__restrict old);
_sig_func_ptr signal(int sig, _sig_func_ptr handler); // restarts calls; the handler stays
int raise(int sig);
int kill(pid_t pid, int sig);
int pthread_kill(pthread_t thread, int sig);
int sigprocmask(int how, const sigset_t *__restrict set, sigset_t *__restrict old); // of the thread
int pthread_sigmask(int how, const sigset_t *__restrict set, sigset_t *__restrict old);
int sigpending(sigset_t *set);
int sigsuspend(const sigset_t *mask);
int sigwait(const sigset_t *__restrict set, int *__restrict sig);
int sigwaitinfo(const sigset_t *__restrict set, siginfo_t *__restrict info);
int sigtimedwait(const sigset_t *__restrict set, siginfo_t *__restrict info, const struct timespec *__restrict timeout);
int sigaltstack(const stack_t *__restrict stack, stack_t *__restrict old);

/* picolibc's. */
void psignal(int sig, const char *text);
int sig2str(int sig, char *text);
int str2sig(const char *__restrict text, int *__restrict sig);

int sigemptyset(sigset_t *set);
int sigfillset(sigset_t *set);
int sigaddset(sigset_t *set, int sig);
int sigdelset(sigset_t *set, int sig);
int sigismember(const sigset_t *set, int sig);

#ifdef __cplusplus
}
#endif

#endif
