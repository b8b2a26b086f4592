// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Pipes, readiness, locks, names and attributes as an application calls them; fs/'s side has tests of its own. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

#include "tap.h"

#define FAILS(call, error) (errno = 0, (call) == -1 && errno == (error))

static void *volatile bad = (void *)8; // the compiler must not know it

static volatile sig_atomic_t caught;

static void on_signal(int sig)
{
	caught = sig;
}

static void catch (int sig, int flags)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};

	caught = 0;
	CHECK(sigaction(sig, &action, NULL) == 0);
}

static pthread_t interrupted;

/* A signal to the first thread, in a moment. */
static void *interrupt(void *arg)
{
	usleep(20000);
	CHECK(pthread_kill(interrupted, (int)(intptr_t)arg) == 0);
	return NULL;
}

static pthread_t start(void *(*entry)(void *), void *arg)
{
	pthread_t thread;

	interrupted = pthread_self();
	CHECK(pthread_create(&thread, NULL, entry, arg) == 0);
	return thread;
}

static void join(pthread_t thread)
{
	CHECK(pthread_join(thread, NULL) == 0);
}

/* ---- pipes ---- */

static void test_pipe(void)
{
	int fds[2], n = 0;
	char buf[16];
	struct stat st;
	pthread_t t;

	CHECK(FAILS(pipe(bad), EFAULT) && FAILS(pipe2(fds, O_RDWR), EINVAL));
	CHECK(pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0 && fcntl(fds[0], F_GETFD) == FD_CLOEXEC);
	CHECK(fds[0] == 3 && fds[1] == 4); // nothing was left open
	CHECK(fstat(fds[1], &st) == 0 && S_ISFIFO(st.st_mode));
	CHECK(FAILS(read(fds[0], buf, 1), EAGAIN) && write(fds[1], "abc", 3) == 3);
	CHECK(ioctl(fds[0], FIONREAD, &n) == 0 && n == 3 && FAILS(ioctl(fds[0], FIONREAD, bad), EFAULT));
	CHECK(FAILS(ioctl(fds[0], TCGETS, buf), ENOTTY) && FAILS(ioctl(77, FIONREAD, &n), EBADF));
	CHECK(read(fds[0], buf, sizeof(buf)) == 3 && FAILS(lseek(fds[0], 0, SEEK_SET), ESPIPE));

	/* A reader that waits: interrupted, and with SA_RESTART not. */
	n = 0;
	CHECK(ioctl(fds[0], FIONBIO, &n) == 0 && !(fcntl(fds[0], F_GETFL) & O_NONBLOCK));
	catch (SIGUSR1, 0);
	t = start(interrupt, (void *)SIGUSR1);
	CHECK(FAILS(read(fds[0], buf, 1), EINTR) && caught == SIGUSR1);
	join(t);

	/* Without a reader. */
	catch (SIGPIPE, 0);
	CHECK(close(fds[0]) == 0 && FAILS(write(fds[1], "x", 1), EPIPE) && caught == SIGPIPE);
	CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR && FAILS(write(fds[1], "x", 1), EPIPE) && close(fds[1]) == 0);
	CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
}

static void *open_to_write(void *arg)
{
	int fd = open("/fifo", O_WRONLY);

	CHECK(fd >= 0 && write(fd, "through", 7) == 7 && close(fd) == 0);
	return arg;
}

static void test_fifo(void)
{
	char buf[16];
	struct stat st;
	pthread_t t;
	int fd;

	CHECK(mkfifo("/fifo", 0640) == 0 && FAILS(mkfifo("/fifo", 0640), EEXIST));
	CHECK(stat("/fifo", &st) == 0 && S_ISFIFO(st.st_mode) && (st.st_mode & 0777) == 0640);
	CHECK(FAILS(open("/fifo", O_WRONLY | O_NONBLOCK), ENXIO));
	t = start(open_to_write, NULL);
	fd = open("/fifo", O_RDONLY);
	CHECK(fd >= 0 && read(fd, buf, sizeof(buf)) == 7 && memcmp(buf, "through", 7) == 0);
	CHECK(read(fd, buf, sizeof(buf)) == 0);
	join(t);
	CHECK(close(fd) == 0);
	fd = open("/fifo", O_RDONLY | O_NONBLOCK);
	CHECK(fd >= 0 && read(fd, buf, sizeof(buf)) == 0 && close(fd) == 0);
	catch (SIGUSR1, 0);
	t = start(interrupt, (void *)SIGUSR1);
	CHECK(FAILS(open("/fifo", O_RDONLY), EINTR) && unlink("/fifo") == 0);
	join(t);
}

/* ---- several buffers ---- */

static void test_vectors(void)
{
	char a[4] = "abc", b[8] = "defgh", back[16] = "", more[16] = "";
	struct iovec out[] = {{a, 3}, {bad, 0}, {b, 5}}, in[] = {{back, 6}, {more, 10}};
	struct iovec many[IOV_MAX + 1] = {{0}}, partly[] = {{a, 3}, {bad, 5}};
	int fds[2], fd = open("/f", O_CREAT | O_RDWR | O_TRUNC, 0600);

	CHECK(writev(fd, out, 3) == 8 && lseek(fd, 0, SEEK_CUR) == 8);
	CHECK(preadv(fd, in, 2, 1) == 7 && memcmp(back, "bcdefg", 6) == 0 && memcmp(more, "h", 1) == 0);
	CHECK(pwritev(fd, out, 3, 100) == 8 && lseek(fd, 0, SEEK_CUR) == 8 && lseek(fd, 0, SEEK_SET) == 0);
	CHECK(readv(fd, in, 2) == 16 && memcmp(back, "abcdef", 6) == 0 && readv(fd, in, 0) == 0);
	CHECK(FAILS(readv(fd, many, IOV_MAX + 1), EINVAL) && FAILS(readv(fd, many, -1), EINVAL));
	CHECK(FAILS(writev(fd, bad, 1), EFAULT) && FAILS(writev(77, bad, 3), EBADF) && readv(fd, many, IOV_MAX) == 0);
	many[0] = many[1] = (struct iovec){a, SSIZE_MAX};
	CHECK(FAILS(writev(fd, many, 2), EINVAL) && FAILS(preadv(fd, in, 2, -1), EINVAL));
	CHECK(pwritev(fd, partly, 2, 0) == 3);
	CHECK(close(fd) == 0 && unlink("/f") == 0);

	CHECK(pipe(fds) == 0 && writev(fds[1], out, 3) == 8 && readv(fds[0], in, 2) == 8);
	CHECK(memcmp(back, "abcdef", 6) == 0 && memcmp(more, "gh", 2) == 0);
	CHECK(FAILS(preadv(fds[0], in, 2, 0), ESPIPE) && close(fds[0]) == 0 && close(fds[1]) == 0);
}

/* ---- readiness ---- */

static void test_poll(void)
{
	struct timespec time = {0}, late = {.tv_nsec = 20000000};
	struct pollfd p[2];
	sigset_t mask, none;
	pthread_t t;
	int fds[2];

	CHECK(pipe(fds) == 0);
	p[0] = (struct pollfd){.fd = fds[0], .events = POLLIN};
	p[1] = (struct pollfd){.fd = fds[1], .events = POLLOUT};
	CHECK(poll(p, 2, -1) == 1 && p[0].revents == 0 && p[1].revents == POLLOUT && poll(p, 1, 0) == 0);
	CHECK(poll(p, 1, 10) == 0 && ppoll(p, 1, &late, NULL) == 0 && ppoll(p, 1, &time, NULL) == 0);
	CHECK(FAILS(poll(bad, 1, 0), EFAULT) && FAILS(poll(p, 1000000, 0), EINVAL));
	time.tv_nsec = -1;
	CHECK(FAILS(ppoll(p, 1, &time, NULL), EINVAL) && FAILS(ppoll(p, 1, bad, NULL), EFAULT));
	p[0].fd = 77;
	CHECK(poll(p, 1, -1) == 1 && p[0].revents == POLLNVAL);
	p[0].fd = fds[0];

	/* Never started again; and the mask lets a signal in for the time of the wait. */
	catch (SIGUSR1, SA_RESTART);
	t = start(interrupt, (void *)SIGUSR1);
	CHECK(FAILS(poll(p, 1, -1), EINTR) && caught == SIGUSR1);
	join(t);
	CHECK(sigemptyset(&none) == 0 && sigemptyset(&mask) == 0 && sigaddset(&mask, SIGUSR1) == 0);
	CHECK(pthread_sigmask(SIG_BLOCK, &mask, NULL) == 0);
	caught = 0;
	CHECK(raise(SIGUSR1) == 0 && caught == 0);
	CHECK(FAILS(ppoll(p, 1, NULL, &none), EINTR) && caught == SIGUSR1);
	CHECK(pthread_sigmask(SIG_BLOCK, NULL, &none) == 0 && sigismember(&none, SIGUSR1) == 1);
	CHECK(pthread_sigmask(SIG_UNBLOCK, &mask, NULL) == 0);
	CHECK(close(fds[1]) == 0 && poll(p, 1, -1) == 1 && p[0].revents == POLLHUP && close(fds[0]) == 0);
}

static void test_select(void)
{
	struct timeval time = {.tv_usec = 20000};
	fd_set in, out, except;
	int fds[2];

	CHECK(pipe(fds) == 0 && dup2(fds[0], 1000) == 1000);
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&except);
	FD_SET(1000, &in);
	FD_SET(fds[1], &out);
	FD_SET(fds[1], &except);
	CHECK(select(1001, &in, &out, &except, NULL) == 1 && !FD_ISSET(1000, &in) && FD_ISSET(fds[1], &out));
	CHECK(!FD_ISSET(fds[1], &except));
	FD_SET(1000, &in);
	CHECK(select(1001, &in, NULL, NULL, &time) == 0 && time.tv_sec == 0 && time.tv_usec == 0);
	CHECK(write(fds[1], "x", 1) == 1);
	FD_SET(1000, &in);
	FD_SET(fds[0], &in);
	CHECK(select(1001, &in, &out, NULL, NULL) == 3 && FD_ISSET(1000, &in) && FD_ISSET(fds[0], &in));
	CHECK(pselect(1001, &in, NULL, NULL, &(struct timespec){0}, NULL) == 2);
	FD_SET(999, &except);
	CHECK(FAILS(select(1001, NULL, NULL, &except, NULL), EBADF) &&
	      FAILS(select(-1, NULL, NULL, NULL, NULL), EINVAL));
	FD_SET(999, &in);
	CHECK(FAILS(select(1001, &in, NULL, NULL, NULL), EBADF) && FD_ISSET(999, &in));
	CHECK(FAILS(select(10, bad, NULL, NULL, NULL), EFAULT) && FAILS(select(1, NULL, NULL, NULL, bad), EFAULT));
	time = (struct timeval){.tv_usec = 10000};
	CHECK(select(0, NULL, NULL, NULL, &time) == 0);
	CHECK(close(1000) == 0 && close(fds[0]) == 0 && close(fds[1]) == 0);
}

/* ---- locks ---- */

static int other;

static void *unlock_soon(void *arg)
{
	usleep(20000);
	CHECK(flock(other, LOCK_UN) == 0);
	return arg;
}

static void test_locks(void)
{
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = open("/f", O_CREAT | O_RDWR, 0600);
	pthread_t t;

	other = open("/f", O_RDWR);
	CHECK(FAILS(fcntl(fd, F_SETLK, bad), EFAULT) && fcntl(fd, F_SETLK, &fl) == 0);
	CHECK(fcntl(other, F_GETLK, &fl) == 0 && fl.l_type == F_UNLCK);
	fl = (struct flock){.l_type = F_RDLCK};
	CHECK(fcntl(other, F_OFD_GETLK, &fl) == 0 && fl.l_type == F_WRLCK && fl.l_pid == getpid());
	fl = (struct flock){.l_type = F_RDLCK, .l_start = 5, .l_len = 5};
	CHECK(FAILS(fcntl(other, F_OFD_SETLK, &fl), EAGAIN));
	CHECK(lseek(fd, 5, SEEK_SET) == 5 && lockf(fd, F_ULOCK, 5) == 0 && fcntl(other, F_OFD_SETLK, &fl) == 0);
	CHECK(FAILS(lockf(fd, F_TLOCK, 1), EAGAIN) && FAILS(lockf(fd, F_TEST, 1), EACCES));
	CHECK(lockf(fd, F_TLOCK, -5) == 0 && lockf(fd, F_TEST, -5) == 0 && FAILS(lockf(fd, 77, 0), EINVAL));
	catch (SIGUSR1, 0);
	t = start(interrupt, (void *)SIGUSR1);
	CHECK(FAILS(lockf(fd, F_LOCK, 1), EINTR));
	join(t);

	CHECK(flock(other, LOCK_EX) == 0 && FAILS(flock(fd, LOCK_SH | LOCK_NB), EWOULDBLOCK));
	t = start(unlock_soon, NULL);
	CHECK(flock(fd, LOCK_EX) == 0);
	join(t);
	CHECK(close(other) == 0 && close(fd) == 0 && unlink("/f") == 0);
}

/* ---- names ---- */

static void test_at(void)
{
	char buf[16] = "";
	struct stat st;
	int dir, fd;

	CHECK(umask(027) == 022 && mkdir("/d", 0777) == 0 && stat("/d", &st) == 0 && (st.st_mode & 0777) == 0750);
	CHECK(umask(022) == 027);
	dir = open("/d", O_RDONLY | O_DIRECTORY);
	fd = openat(dir, "f", O_CREAT | O_RDWR, 0666);
	CHECK(fd >= 0 && fstatat(dir, "f", &st, 0) == 0 && (st.st_mode & 0777) == 0644);
	CHECK(fstatat(fd, "", &st, AT_EMPTY_PATH) == 0 && FAILS(openat(fd, "x", O_RDONLY), ENOTDIR));
	CHECK(FAILS(openat(77, "x", O_RDONLY), EBADF) && openat(77, "/d/f", O_RDONLY) == fd + 1 && close(fd + 1) == 0);
	CHECK(mkdirat(dir, "sub", 0700) == 0 && linkat(dir, "f", dir, "g", 0) == 0 && symlinkat("f", dir, "s") == 0);
	CHECK(fstatat(dir, "s", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode) && st.st_size == 1);
	CHECK(readlinkat(dir, "s", buf, sizeof(buf)) == 1 && buf[0] == 'f' && FAILS(readlink("/d/f", buf, 1), EINVAL));
	CHECK(faccessat(dir, "s", R_OK, 0) == 0 && FAILS(access("/d/none", F_OK), ENOENT));
	CHECK(FAILS(renameat2(dir, "f", dir, "g", RENAME_NOREPLACE), EEXIST));
	CHECK(renameat2(dir, "sub", dir, "s", RENAME_EXCHANGE) == 0 && fstatat(dir, "s", &st, 0) == 0);
	CHECK(S_ISDIR(st.st_mode) && renameat(dir, "s", AT_FDCWD, "/moved") == 0 && rmdir("/moved") == 0);
	CHECK(unlinkat(dir, "sub", 0) == 0 && unlinkat(dir, "f", 0) == 0 &&
	      FAILS(unlinkat(dir, "g", AT_REMOVEDIR), ENOTDIR));
	CHECK(unlink("/d/g") == 0 && close(fd) == 0 && close(dir) == 0 && rmdir("/d") == 0);
	CHECK(FAILS(link(bad, "/x"), EFAULT) && FAILS(symlink("x", bad), EFAULT) && FAILS(chdir(bad), EFAULT));
}

static void test_where(void)
{
	char buf[PATH_MAX], *made;
	int root = open("/", O_RDONLY);

	CHECK(mkdir("/d", 0755) == 0 && mkdir("/d/e", 0755) == 0 && symlink("d/e", "/s") == 0);
	CHECK(getcwd(buf, sizeof(buf)) == buf && strcmp(buf, "/") == 0 && chdir("/s") == 0);
	CHECK(getcwd(buf, sizeof(buf)) == buf && strcmp(buf, "/d/e") == 0);
	CHECK((errno = 0, !getcwd(buf, 4)) && errno == ERANGE && (errno = 0, !getcwd(buf, 0)) && errno == EINVAL);
	made = getcwd(NULL, 0);
	CHECK(made && strcmp(made, "/d/e") == 0);
	free(made);
	CHECK(close(open("f", O_CREAT | O_RDWR, 0600)) == 0 && access("/d/e/f", F_OK) == 0);
	CHECK(realpath("../../s/./f", buf) == buf && strcmp(buf, "/d/e/f") == 0);
	made = realpath("..", NULL);
	CHECK(made && strcmp(made, "/d") == 0);
	free(made);
	CHECK((errno = 0, !realpath("none", NULL)) && errno == ENOENT && (errno = 0, !realpath("", buf)) &&
	      errno == ENOENT);
	CHECK(FAILS(chdir("f"), ENOTDIR) && unlink("f") == 0 && fchdir(root) == 0 && close(root) == 0);
	CHECK(rmdir("/d/e") == 0 && rmdir("/d") == 0 && unlink("/s") == 0);
	CHECK(realpath("/", buf) && strcmp(buf, "/") == 0);
}

static void test_attributes(void)
{
	struct timespec times[2] = {{.tv_sec = 1000, .tv_nsec = 5}, {.tv_nsec = UTIME_OMIT}};
	struct timeval old[2] = {{.tv_sec = 2000}, {.tv_sec = 3000}};
	int fd = open("/f", O_CREAT | O_RDWR, 0600);
	struct stat st, before;

	CHECK(chmod("/f", 04751) == 0 && fstat(fd, &st) == 0 && (st.st_mode & 07777) == 04751);
	CHECK(fchmod(fd, 0640) == 0 && fchmodat(AT_FDCWD, "/f", 0600, 0) == 0);
	CHECK(chown("/f", 12, 34) == 0 && fchown(fd, (uid_t)-1, 56) == 0 && fstat(fd, &st) == 0);
	CHECK(st.st_uid == 12 && st.st_gid == 56 && lchown("/f", 0, 0) == 0);
	CHECK(fstat(fd, &before) == 0 && futimens(fd, times) == 0 && fstat(fd, &st) == 0);
	CHECK(st.st_atim.tv_sec == 1000 && st.st_mtim.tv_sec == before.st_mtim.tv_sec);
	CHECK(utimes("/f", old) == 0 && stat("/f", &st) == 0 && st.st_atime == 2000 && st.st_mtime == 3000);
	CHECK(utime("/f", &(struct utimbuf){7, 8}) == 0 && stat("/f", &st) == 0 && st.st_atime == 7 &&
	      st.st_mtime == 8);
	times[0].tv_nsec = 1000000000;
	CHECK(FAILS(utimensat(AT_FDCWD, "/f", times, 0), EINVAL) && FAILS(futimens(fd, bad), EFAULT));
	CHECK(utimensat(AT_FDCWD, "/f", NULL, 0) == 0 && stat("/f", &st) == 0 && st.st_mtime != 8);
	CHECK(truncate("/f", 123) == 0 && stat("/f", &st) == 0 && st.st_size == 123 && syncfs(fd) == 0);
	CHECK(FAILS(stat("/f", bad), EFAULT) && FAILS(truncate("/", 0), EISDIR) && FAILS(syncfs(77), EBADF));
	CHECK(pathconf("/f", _PC_NAME_MAX) == 255 && fpathconf(fd, _PC_PIPE_BUF) == PIPE_BUF);
	CHECK(FAILS(pathconf("/none", _PC_NAME_MAX), ENOENT) && FAILS(mount("x", "/none", "none", 0, NULL), ENOENT));
	CHECK(FAILS(umount("/none"), ENOENT) && FAILS(umount2("/f", 0), EINVAL));
	CHECK(close(fd) == 0 && unlink("/f") == 0);
}

static int is_x(const struct dirent *entry)
{
	return entry->d_name[0] == 'x';
}

static void test_directories(void)
{
	struct dirent **list, *entry;
	char name[20], third[NAME_MAX + 1] = "";
	int count = 0;
	long place = -1;
	DIR *dir;

	CHECK(mkdir("/d", 0755) == 0);
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "/d/%c%02d", i % 2 ? 'x' : 'y', 20 - i);
		CHECK(close(open(name, O_CREAT | O_RDWR, 0600)) == 0);
	}
	CHECK(scandir("/d", &list, is_x, alphasort) == 10 && strcmp(list[0]->d_name, "x01") == 0);
	for (int i = 0; i < 10; i++) {
		CHECK(i == 0 || strcmp(list[i - 1]->d_name, list[i]->d_name) < 0);
		free(list[i]);
	}
	free(list);
	dir = opendir("/d");
	while (dir && (entry = readdir(dir))) {
		if (count == 2)
			strcpy(third, entry->d_name);
		if (count++ == 1)
			place = telldir(dir);
	}
	CHECK(count == 22);
	seekdir(dir, place);
	entry = readdir(dir);
	CHECK(entry && strcmp(entry->d_name, third) == 0);
	CHECK(closedir(dir) == 0 && scandir("/none", &list, NULL, NULL) == -1);
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "/d/%c%02d", i % 2 ? 'x' : 'y', 20 - i);
		CHECK(unlink(name) == 0);
	}
	CHECK(rmdir("/d") == 0);
}

static void test_temporary(void)
{
	char file[] = "/aXXXXXX", other_file[] = "/bXXXXXX.c", dir[] = "/cXXXXXX", short_of_xs[] = "/XXXXX";
	int fd = mkstemp(file), second = mkostemps(other_file, 2, O_APPEND);
	struct stat st;

	CHECK(fd >= 0 && stat(file, &st) == 0 && (st.st_mode & 0777) == 0600 && strcmp(file, "/aXXXXXX") != 0);
	CHECK(second >= 0 && (fcntl(second, F_GETFL) & O_APPEND) && strcmp(other_file + 8, ".c") == 0);
	CHECK(mkdtemp(dir) == dir && rmdir(dir) == 0 && FAILS(mkstemp(short_of_xs), EINVAL));
	CHECK(close(fd) == 0 && close(second) == 0 && unlink(file) == 0 && unlink(other_file) == 0);
}

static void test_limits(void)
{
	int last = -1, fd = open("/f", O_CREAT | O_RDWR, 0600), opened = 0;

	for (int i; (i = dup(fd)) >= 0; last = i)
		opened++;
	CHECK(errno == EMFILE && last == OPEN_MAX - 1 && sysconf(_SC_OPEN_MAX) == OPEN_MAX);
	CHECK(FAILS(open("/f", O_RDONLY), EMFILE) && FAILS(pipe((int[2]){0}), EMFILE));
	CHECK(close(500) == 0 && FAILS(pipe((int[2]){0}), EMFILE) && fcntl(fd, F_DUPFD, 10) == 500);
	CHECK(FAILS(fcntl(fd, F_DUPFD, OPEN_MAX), EINVAL) && FAILS(dup2(fd, OPEN_MAX), EBADF));
	CHECK(FAILS(dup3(fd, fd, 0), EINVAL) && dup3(fd, 700, O_CLOEXEC) == 700 && fcntl(700, F_GETFD) == FD_CLOEXEC);
	CHECK(dup2(fd, fd) == fd && FAILS(dup2(OPEN_MAX, 5), EBADF));
	for (int i = last; opened-- > 0; i--)
		CHECK(close(i) == 0);
	CHECK(close(fd) == 0 && unlink("/f") == 0);
}

static void test_terminal(void)
{
	struct termios t = {0};
	int fd = open("/f", O_CREAT | O_RDWR, 0600);

	CHECK(FAILS(tcgetattr(fd, &t), ENOTTY) && FAILS(tcsetattr(fd, TCSANOW, &t), ENOTTY) &&
	      FAILS(tcdrain(fd), ENOTTY));
	CHECK(FAILS(tcflush(fd, TCIFLUSH), ENOTTY) && FAILS(tcgetattr(77, &t), EBADF) &&
	      FAILS(tcsetattr(fd, 9, &t), EINVAL));
	CHECK((errno = 0, !ttyname(fd)) && errno == ENOTTY);
	CHECK(cfsetspeed(&t, B9600) == 0 && cfgetospeed(&t) == B9600 && FAILS(cfsetispeed(&t, 12345), EINVAL));
	CHECK(close(fd) == 0 && unlink("/f") == 0);
}

TAP_MAIN({"pipe", test_pipe}, {"fifo", test_fifo}, {"vectors", test_vectors}, {"poll", test_poll},
	 {"select", test_select}, {"locks", test_locks}, {"at", test_at}, {"where", test_where},
	 {"attributes", test_attributes}, {"directories", test_directories}, {"temporary", test_temporary},
	 {"limits", test_limits}, {"terminal", test_terminal})
