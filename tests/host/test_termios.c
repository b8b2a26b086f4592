// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The console's terminal settings, VMIN and VTIME, reads and writes that do not wait, readiness. The port is made up;
 * the code is included, so that the host build's own console stays out. Time is virtual.
 */
#include "drivers/console.c"
#include "drivers/console_dev.c"
#include "drivers/tty.c"

#include "arch/host/host.h"
#include "arch/irq.h"
#include "tests/host/harness.h"

static struct {
	char wire[65536]; // all that the board sent
	size_t len;
	size_t takes; // by interrupt, before it is full
} fake;

static size_t fake_write(struct console_port *port, const void *buf, size_t len)
{
	size_t n = min_of(len, fake.takes);

	(void)port;
	assert_true(fake.len + n < sizeof(fake.wire));
	memcpy(fake.wire + fake.len, buf, n);
	fake.len += n;
	fake.wire[fake.len] = '\0';
	if (fake.takes != SIZE_MAX)
		fake.takes -= n;
	return n;
}

static void fake_write_polled(struct console_port *port, const void *buf, size_t len)
{
	fake.takes = SIZE_MAX;
	(void)fake_write(port, buf, len);
}

static void fake_start(struct console_port *port)
{
	(void)port;
}

static struct console_port fake_port = {
    .name = "fake0", .write_polled = fake_write_polled, .write = fake_write, .start = fake_start};

/* mode: of docs/console.md. Nothing of it is left on the wire. */
static void start(const char *mode)
{
	char args[64];

	fake.takes = SIZE_MAX;
	snprintf(args, sizeof(args), "console=fake0 cairn.console=%s", mode);
	bootargs_set(args, strlen(args));
	assert_int_equal(console_register(&fake_port), 0);
	assert_int_equal(console_init(), 0);
	console_ready();
	fake.len = 0;
}

static void type(const char *text)
{
	unsigned long flags = irq_save();

	console_receive(&fake_port, (const uint8_t *)text, strlen(text), 0);
	irq_restore(flags);
}

static struct chardev *dev(void)
{
	return console_chardev();
}

static void reads(const char *text, size_t max)
{
	char buf[64];
	long n = dev()->read(dev(), buf, max, true);

	assert_int_equal(n, strlen(text));
	assert_memory_equal(buf, text, (size_t)n);
}

static long read_now(size_t max)
{
	char buf[64];

	return dev()->read(dev(), buf, max, false);
}

static void wire_is(const char *text)
{
	fake.wire[fake.len] = '\0';
	assert_string_equal(fake.wire, text);
	fake.len = 0;
}

static struct termios get(void)
{
	struct termios t;

	assert_int_equal(dev()->control(dev(), TCGETS, &t), 0);
	return t;
}

static void set(const struct termios *t)
{
	assert_int_equal(dev()->control(dev(), TCSETS, (void *)t), 0);
}

static void set_raw(unsigned min, unsigned time)
{
	struct termios t = get();

	t.c_iflag &= ~(tcflag_t)ICRNL;
	t.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG | IEXTEN);
	t.c_cc[VMIN] = (cc_t)min;
	t.c_cc[VTIME] = (cc_t)time;
	set(&t);
}

/* ---- settings ---- */

static void body_settings(void *arg)
{
	struct termios t, before;
	struct winsize size = {1, 1, 1, 1};

	(void)arg;
	start("term");
	before = t = get();
	assert_true((t.c_lflag & (ISIG | ICANON | ECHO | IEXTEN)) == (ISIG | ICANON | ECHO | IEXTEN));
	assert_true((t.c_oflag & (OPOST | ONLCR)) == (OPOST | ONLCR));
	assert_int_equal(t.c_cc[VINTR], 3);

	/* What cannot be had is not pretended. */
	t.c_iflag |= IXON | IUCLC;
	t.c_cflag = CS7;
	t.c_lflag &= ~(tcflag_t)ECHO;
	t.c_lflag |= TOSTOP;
	t.c_cc[VINTR] = 'x';
	t.c_cc[VSUSP] = 'z';
	t.c_ispeed = t.c_ospeed = B50;
	set(&t);
	t = get();
	assert_int_equal(t.c_iflag, before.c_iflag);
	assert_int_equal(t.c_cflag, before.c_cflag);
	assert_int_equal(t.c_lflag, before.c_lflag & ~(tcflag_t)ECHO);
	assert_int_equal(t.c_cc[VINTR], 'x');
	assert_int_equal(t.c_cc[VSUSP], 0);
	assert_int_equal(t.c_ospeed, B115200);

	assert_int_equal(dev()->control(dev(), TIOCGWINSZ, &size), 0);
	assert_int_equal(size.ws_row + size.ws_col, 0);
	assert_int_equal(dev()->control(dev(), 1, &t), -ENOTTY);
	assert_int_equal(dev()->control(dev(), TCFLSH, &(int){17}), -EINVAL);
}

static void body_stream_is_none(void *arg)
{
	struct termios t;
	int n;

	(void)arg;
	start("stream");
	assert_int_equal(dev()->control(dev(), TCGETS, &t), -ENOTTY);
	assert_int_equal(dev()->control(dev(), TCSETS, &t), -ENOTTY);
	assert_int_equal(dev()->control(dev(), TIOCGWINSZ, &t), -ENOTTY);
	type("abc\x03\r");
	assert_int_equal(dev()->control(dev(), FIONREAD, &n), 0);
	assert_int_equal(n, 5);
	reads("abc\x03\r", 60);
}

static unsigned interrupts, quits;

static void on_key(bool quit)
{
	*(quit ? &quits : &interrupts) += 1;
}

static void body_echo_and_keys(void *arg)
{
	struct termios t;

	(void)arg;
	start("term");
	console_set_interrupt(on_key);
	t = get();
	t.c_lflag &= ~(tcflag_t)ECHO;
	set(&t);
	type("secret\x7f\x7fT\r");
	reads("secrT\n", 60);
	wire_is("");
	t.c_lflag |= ECHONL;
	set(&t);
	type("x\r");
	reads("x\n", 60);
	wire_is("\n");

	t.c_lflag |= ECHO;
	t.c_cc[VEOL] = ';';
	t.c_cc[VERASE] = '#';
	t.c_cc[VKILL] = '@';
	set(&t);
	type("gone@ab#c;d\r");
	reads("ac;", 60);
	reads("d\n", 60);
	fake.len = 0;

	/* On paper: keys are shown, and nothing is taken back. */
	t.c_lflag &= ~(tcflag_t)(ECHOE | ECHOKE | ECHOCTL | ECHONL);
	set(&t);
	type("ab#\xc3\xa4#c\x01@#d\r");
	reads("d\n", 60);
	wire_is("ab#\xc3\xa4#c\x01@\nd\n");
	t.c_lflag &= ~(tcflag_t)ECHOK;
	set(&t);
	type("x@y\r");
	reads("y\n", 60);
	wire_is("x@y\n");
	t.c_lflag |= ECHOE | ECHOK | ECHOKE | ECHOCTL;
	set(&t);

	/* The keys are what c_cc says, and nothing without ISIG. */
	type("line\x1c");
	thread_sleep_until(clock_now() + NSEC_PER_SEC);
	assert_int_equal(quits, 1);
	assert_int_equal(interrupts, 0);
	wire_is("line^\\\n");
	type("\x03");
	thread_sleep_until(clock_now() + NSEC_PER_SEC);
	assert_int_equal(interrupts, 1);
	t.c_lflag &= ~(tcflag_t)ISIG;
	set(&t);
	type("\x03\x1c\r");
	reads("\x03\x1c\n", 60);
	thread_sleep_until(clock_now() + NSEC_PER_SEC);
	assert_int_equal(quits + interrupts, 2);

	t.c_lflag |= ISIG | NOFLSH;
	set(&t);
	type("kept\x03\r");
	reads("kept\n", 60);
	t.c_iflag = IGNCR;
	set(&t);
	type("a\rb\n");
	reads("ab\n", 60);
	t.c_iflag = INLCR | ISTRIP;
	set(&t);
	type("\xc1\n\x04");
	reads("A\r", 60);
}

/* Raw and back: the line being typed is handed over, bytes come as they are. */
static void body_raw_and_back(void *arg)
{
	const struct termios before = (start("term"), get());

	(void)arg;
	type("half");
	assert_int_equal(read_now(60), -EAGAIN);
	set_raw(1, 0);
	reads("half", 60);
	fake.len = 0;
	type("\r\n\x04\x03\x7f\x16\x14");
	reads("\r\n\x04\x03\x7f\x16\x14", 60);
	wire_is("");
	type("one");
	set(&before);
	reads("one", 60);
	type("two\r");
	reads("two\n", 60);
}

/* ---- output ---- */

static void write_text(const char *text)
{
	assert_int_equal(dev()->write(dev(), text, strlen(text), 1, true), strlen(text));
}

static void body_output(void *arg)
{
	struct termios t;

	(void)arg;
	start("raw"); // a dumb terminal: bytes as they are, unless it is asked for
	write_text("a\nb\n");
	wire_is("a\nb\n");
	t = get();
	assert_int_equal(t.c_oflag, OPOST);
	t.c_oflag |= ONLCR;
	set(&t);
	write_text("a\nb\n");
	wire_is("a\r\nb\r\n");
	type("x\r");
	wire_is("x\r\n");
	t.c_oflag &= ~(tcflag_t)OPOST;
	set(&t);
	write_text("a\n");
	wire_is("a\n");
}

static void body_output_framed(void *arg)
{
	struct termios t;

	(void)arg;
	start("term"); // the PC's terminal does it, and is told
	write_text("a\n");
	wire_is("a\n");
	t = get();
	t.c_oflag &= ~(tcflag_t)OPOST;
	set(&t);
	wire_is("\x10P0");
	write_text("a\n");
	wire_is("a\n");
	set(&t);
	wire_is("");
	t.c_oflag |= OPOST;
	set(&t);
	wire_is("\x10P1");
}

static void body_flush(void *arg)
{
	struct termios t;
	int n;

	(void)arg;
	start("term");
	type("a line\rhalf");
	assert_int_equal(dev()->control(dev(), TCFLSH, &(int){TCOFLUSH}), 0);
	assert_int_equal(dev()->control(dev(), FIONREAD, &n), 0);
	assert_int_equal(n, 7);
	assert_int_equal(dev()->control(dev(), TCFLSH, &(int){TCIFLUSH}), 0);
	assert_int_equal(read_now(60), -EAGAIN);
	type("next\r");
	reads("next\n", 60);
	type("a line\r");
	t = get();
	assert_int_equal(dev()->control(dev(), TCSETSF, &t), 0);
	assert_int_equal(read_now(60), -EAGAIN);
	type("gone\r\x10Z"); // the end stays
	assert_int_equal(dev()->control(dev(), TCFLSH, &(int){TCIOFLUSH}), 0);
	assert_int_equal(read_now(60), 0);
}

/* ---- VMIN, VTIME ---- */

static const char *to_type;
static unsigned typed_at;

/* A byte each tenth of a second. */
static void tick(struct host_event *event)
{
	const char byte[2] = {to_type[typed_at++], '\0'};

	console_receive(&fake_port, (const uint8_t *)byte, 1, 0);
	if (to_type[typed_at])
		host_event_post(event, clock_now() + DECISEC);
}

static struct host_event typist = {.fire = tick};

static void type_slowly(const char *text)
{
	unsigned long flags = irq_save();

	to_type = text;
	typed_at = 0;
	host_event_post(&typist, clock_now() + DECISEC);
	irq_restore(flags);
}

static void body_min_time(void *arg)
{
	nsec_t before;

	(void)arg;
	start("term");
	set_raw(3, 0);
	type_slowly("abcd");
	reads("abc", 60);
	reads("d", 1); // the buffer is full with it

	set_raw(0, 0);
	reads("", 60);
	type("now");
	reads("now", 60);
	assert_int_equal(read_now(60), 0);

	set_raw(0, 5);
	before = clock_now();
	reads("", 60);
	assert_true(clock_now() - before >= 5 * DECISEC && clock_now() - before < 6 * DECISEC);
	assert_int_equal(read_now(60), -EAGAIN);
	type_slowly("x");
	before = clock_now();
	reads("x", 60);
	assert_true(clock_now() - before < 2 * DECISEC);

	/* From byte to byte: the first is waited for as long as it takes. */
	set_raw(10, 3);
	type_slowly("abc");
	before = clock_now();
	reads("abc", 60);
	assert_true(clock_now() - before >= 6 * DECISEC && clock_now() - before < 7 * DECISEC);
	type_slowly("abcdefghijkl");
	reads("abcdefghij", 60);
	reads("kl", 2);
	assert_int_equal(read_now(60), -EAGAIN);
}

/* ---- without waiting ---- */

static void body_ready(void *arg)
{
	static char full[2 * OUT_SIZE];
	uint64_t seen;
	long n;

	(void)arg;
	start("term");
	assert_int_equal(dev()->poll(dev()), POLLOUT);
	seen = poll_seen();
	type("line");
	assert_int_equal(dev()->poll(dev()), POLLOUT);
	type("\r");
	assert_int_equal(dev()->poll(dev()), POLLIN | POLLOUT);
	assert_int_equal(poll_wait(seen, UINT64_MAX), 0);
	reads("line\n", 60);
	type("\x04");
	assert_int_equal(dev()->poll(dev()), POLLIN | POLLOUT);
	assert_int_equal(read_now(60), 0);
	assert_int_equal(dev()->poll(dev()), POLLOUT);
	set_raw(3, 0);
	type("ab");
	assert_int_equal(dev()->poll(dev()), POLLOUT);
	assert_int_equal(read_now(60), 2); // what there is
	type("abc");
	assert_int_equal(dev()->poll(dev()), POLLIN | POLLOUT);

	fake.takes = 0;
	memset(full, '.', sizeof(full));
	n = dev()->write(dev(), full, sizeof(full), 1, false);
	assert_true(n > 0 && n < (long)sizeof(full));
	assert_int_equal(dev()->write(dev(), full, sizeof(full), 1, false), -EAGAIN);
	assert_int_equal(dev()->poll(dev()), POLLIN);
	seen = poll_seen();
	fake.takes = SIZE_MAX;
	console_port_room(&fake_port);
	assert_int_equal(poll_wait(seen, UINT64_MAX), 0);
	assert_int_equal(dev()->poll(dev()), POLLIN | POLLOUT);
}

#define TEST(name)                                                                                                     \
	static void test_##name(void **state)                                                                          \
	{                                                                                                              \
		(void)state;                                                                                           \
		harness_run(&(struct harness){0}, body_##name, NULL);                                                  \
	}

TEST(settings)
TEST(stream_is_none)
TEST(echo_and_keys)
TEST(raw_and_back)
TEST(output)
TEST(output_framed)
TEST(flush)
TEST(min_time)
TEST(ready)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_settings),	  cmocka_unit_test(test_stream_is_none),
	    cmocka_unit_test(test_echo_and_keys), cmocka_unit_test(test_raw_and_back),
	    cmocka_unit_test(test_output),	  cmocka_unit_test(test_output_framed),
	    cmocka_unit_test(test_flush),	  cmocka_unit_test(test_min_time),
	    cmocka_unit_test(test_ready),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
