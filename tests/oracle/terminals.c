// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* isatty and termios: what a terminal's settings are at first, what is kept of what is set, and what is none. */

#include <poll.h>
#include <termios.h>

#include "a_terminal.h"
#include "files.h"

static int tty;

static struct termios get(void)
{
	struct termios t;

	MUST(tcgetattr(tty, &t) == 0);
	return t;
}

static const char *local_flags(void)
{
	tcflag_t bits = get().c_lflag;

	return text("%s%s%s%s%s%s", bits & ISIG ? "ISIG " : "", bits & ICANON ? "ICANON " : "",
		    bits & ECHO ? "ECHO " : "", bits & ECHOE ? "ECHOE " : "", bits & ECHOK ? "ECHOK " : "",
		    bits & ECHONL ? "ECHONL " : "");
}

static const char *input_output_flags(void)
{
	struct termios t = get();

	return text("%s%s%s%s%s", t.c_iflag & ICRNL ? "ICRNL " : "", t.c_iflag & INLCR ? "INLCR " : "",
		    t.c_iflag & IGNCR ? "IGNCR " : "", t.c_oflag & OPOST ? "OPOST " : "",
		    t.c_oflag & ONLCR ? "ONLCR " : "");
}

static void first(void)
{
	struct termios t = get();

	check("at first: local", "%s", local_flags());
	check("at first: input and output", "%s", input_output_flags());
	check("at first: 8 bits", "%s", (t.c_cflag & CSIZE) == CS8 ? "yes" : "no");
	check("at first: receives", "%s", t.c_cflag & CREAD ? "yes" : "no");
	check("at first: keys", "%d %d %d %d %d %d", t.c_cc[VINTR], t.c_cc[VQUIT], t.c_cc[VERASE], t.c_cc[VKILL],
	      t.c_cc[VEOF], t.c_cc[VMIN]);
	check("at first: time", "%d", t.c_cc[VTIME]);
}

static void kept(void)
{
	static const struct {
		const char *name;
		tcflag_t bits;
	} locals[] = {{"no ICANON", ICANON},
		      {"no ECHO", ECHO},
		      {"no ISIG", ISIG},
		      {"none", ICANON | ECHO | ISIG | ECHOE | ECHOK}};
	struct termios saved = get(), t;

	for (unsigned i = 0; i < sizeof(locals) / sizeof(locals[0]); i++) {
		t = saved;
		t.c_lflag &= ~locals[i].bits;
		STEPS(text("set: %s", locals[i].name), ret(tcsetattr(tty, TCSANOW, &t)), local_flags());
	}
	t = saved;
	t.c_iflag = (t.c_iflag & ~(tcflag_t)ICRNL) | INLCR;
	STEPS("set: input", ret(tcsetattr(tty, TCSADRAIN, &t)), input_output_flags());
	t = saved;
	t.c_oflag &= ~(tcflag_t)OPOST;
	STEPS("set: output", ret(tcsetattr(tty, TCSADRAIN, &t)), input_output_flags());
	t = saved;
	t.c_cc[VINTR] = 'x';
	t.c_cc[VERASE] = 8;
	STEPS("set: keys", ret(tcsetattr(tty, TCSAFLUSH, &t)),
	      text("%d %d %d", get().c_cc[VINTR], get().c_cc[VERASE], get().c_cc[VEOF]));
	t = saved;
	t.c_lflag &= ~(tcflag_t)ICANON;
	t.c_cc[VMIN] = 3;
	t.c_cc[VTIME] = 7;
	STEPS("set: least and time", ret(tcsetattr(tty, TCSANOW, &t)),
	      text("%d %d", get().c_cc[VMIN], get().c_cc[VTIME]));
	t = saved;
	cfmakeraw(&t);
	STEPS("set: raw", ret(tcsetattr(tty, TCSANOW, &t)), local_flags(), input_output_flags());
	STEPS("set back", ret(tcsetattr(tty, TCSANOW, &saved)), local_flags(), input_output_flags());
}

static void not_there_yet(void)
{
	struct termios saved = get(), t = saved;
	struct pollfd in = {.fd = tty, .events = POLLIN | POLLOUT};
	byte typed[10];

	STEPS("nothing typed: poll", ret(poll(&in, 1, 0)), in.revents == POLLOUT ? "to write" : "other");
	MUST(fcntl(tty, F_SETFL, O_NONBLOCK) == 0);
	check("nothing typed: read", "%s", ret(read(tty, typed, sizeof(typed))));
	t.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	MUST(tcsetattr(tty, TCSANOW, &t) == 0);
	check("nothing typed: read of keys", "%s", ret(read(tty, typed, sizeof(typed))));
	MUST(fcntl(tty, F_SETFL, 0) == 0);
	t.c_cc[VMIN] = 0;
	MUST(tcsetattr(tty, TCSANOW, &t) == 0);
	check("nothing typed: least of none", "%s", ret(read(tty, typed, sizeof(typed))));
	t.c_cc[VTIME] = 1;
	MUST(tcsetattr(tty, TCSANOW, &t) == 0);
	check("nothing typed: a tenth of a second", "%s", ret(read(tty, typed, sizeof(typed))));
	MUST(tcsetattr(tty, TCSANOW, &saved) == 0);
}

static void speeds(void)
{
	struct termios t = get();

	STEPS("speeds", ret(cfsetispeed(&t, B9600)), ret(cfsetospeed(&t, B115200)),
	      cfgetospeed(&t) == B115200 ? "kept" : "lost");
	STEPS("no speed", ret(cfsetospeed(&t, 12345)), cfgetospeed(&t) == B115200 ? "kept" : "lost");
}

static void errors(void)
{
	struct termios t = get();
	struct stat st;
	int file, ends[2], null = open("/dev/null", O_RDWR);

	put("terminals.data", "content");
	file = open("terminals.data", O_RDWR);
	MUST(file >= 0 && null >= 0 && pipe(ends) == 0);
	check("terminal", "%s", ret(isatty(tty)));
	STEPS("file", ret(isatty(file)), error_name(errno), ret(tcgetattr(file, &t)),
	      ret(tcsetattr(file, TCSANOW, &t)));
	STEPS("pipe", ret(isatty(ends[0])), error_name(errno), ret(tcgetattr(ends[1], &t)),
	      ret(tcflush(ends[0], TCIFLUSH)));
	STEPS("null", ret(isatty(null)), error_name(errno), ret(tcgetattr(null, &t)));
	STEPS("none", ret(isatty(-1)), error_name(errno), ret(tcgetattr(99, &t)), ret(tcsetattr(-1, TCSANOW, &t)),
	      ret(tcdrain(-1)), ret(tcflush(99, TCIFLUSH)));
	STEPS("action", ret(tcsetattr(tty, 99, &t)), ret(tcsetattr(tty, -1, &t)));
	STEPS("queues", ret(tcflush(tty, TCIFLUSH)), ret(tcflush(tty, TCIOFLUSH)), ret(tcflush(tty, 99)),
	      ret(tcdrain(tty)));
	STEPS("no file", ret(lseek(tty, 0, SEEK_SET)), ret(pread(tty, &t, 1, 0)), ret(ftruncate(tty, 0)),
	      ret(fsync(tty)));
	STEPS("stat", ret(fstat(tty, &st)), kind_of(st.st_mode), text("%ld", (long)st.st_size));
	must_close(file);
	must_close(null);
	must_close(ends[0]);
	must_close(ends[1]);
}

int main(void)
{
	enter("terminals");
	tty = open_terminal();
	first();
	kept();
	not_there_yet();
	speeds();
	errors();
	must_close(tty);
	return done();
}
