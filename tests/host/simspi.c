// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#include "tests/host/simspi.h"

#include <errno.h>
#include <string.h>

#include "arch/clock.h"
#include "kernel/time.h"
#include "lib/crc16.h"
#include "tests/host/harness.h"

enum { CS_HOLD = 2, CS_OFF = 3 };

static void say(struct simspi *s, uint8_t byte)
{
	assert_true(s->out_len < sizeof(s->out));
	s->out[s->out_len++] = byte;
}

static void say_block(struct simspi *s, const uint8_t *data, uint32_t len, bool damaged)
{
	const uint16_t crc = crc16(0, data, len);

	say(s, 0xff);
	say(s, len == 512 && s->bad_token ? s->bad_token : 0xfe);
	if (len == 512)
		s->bad_token = 0;
	for (uint32_t i = 0; i < len; i++)
		say(s, data[i]);
	say(s, (uint8_t)(crc >> 8));
	say(s, (uint8_t)(damaged ? crc ^ 1 : crc));
}

/* The next block of a read; a card that has none says nothing. */
static void next_block(struct simspi *s)
{
	uint8_t data[512];
	int error = simcard_read_block(s->card, data, s->block_len);

	if (error == -ETIMEDOUT) {
		s->phase = SIMSPI_IDLE;
		return;
	}
	if (s->fails) {
		say(s, 0xff);
		say(s, 1); // an error token
		s->phase = SIMSPI_IDLE;
		return;
	}
	/* The bytes are right where only the checksum says that they are not. */
	say_block(s, data, s->block_len, error != 0);
	if (!s->multiple)
		s->phase = SIMSPI_IDLE;
}

/* Of a native answer, R1. */
static uint8_t r1_of(int error, uint32_t status)
{
	if (error == -EILSEQ)
		return 8;
	return (uint8_t)((status >> 9 & 15) == 0 ? 1 : 0) | (status >> 28 & 1 ? 16 : 0) | (status >> 30 & 1 ? 32 : 0) |
	       (status >> 31 ? 64 : 0);
}

static uint8_t r2_of(uint32_t status)
{
	static const uint8_t bits[8] = {25, 15, 19, 20, 21, 26, 27, 31};
	uint8_t r2 = 0;

	for (unsigned i = 0; i < 8; i++)
		r2 |= (uint8_t)((status >> bits[i] & 1) << i);
	return r2;
}

/*
 * The native card has states that SPI does not know: it is led through them where SPI's commands go past them. These
 * commands are the card's own, and faults are not for them.
 */
static int hidden(struct simspi *s, uint8_t index, uint32_t arg, uint32_t response[4])
{
	const uint64_t times = s->card->fault_times, commands = s->card->commands;
	int error;

	s->card->fault_times = 0;
	error = simcard_command(s->card, index, arg, response);
	s->card->fault_times = times;
	s->card->commands = commands;
	return error;
}

static void power_up_done(struct simspi *s)
{
	uint32_t response[4];

	(void)hidden(s, 2, 0, response);
	(void)hidden(s, 3, 0, response);
	(void)hidden(s, 7, 0x12340000, response);
}

static void say_words(struct simspi *s, const uint32_t words[4])
{
	uint8_t data[16];

	for (unsigned i = 0; i < 16; i++)
		data[i] = (uint8_t)(words[i / 4] >> (24 - 8 * (i % 4)));
	say_block(s, data, 16, false);
}

static void say_four(struct simspi *s, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		say(s, (uint8_t)(value >> (24 - 8 * i)));
}

/* Registers that come as data where a native card answers with them. */
static void register_command(struct simspi *s, uint8_t index)
{
	uint32_t words[4];
	uint32_t answer[4] = {0};
	int error = simcard_command(s->card, 13, 0, answer); // takes the fault, and tells how the card is

	if (error == -ETIMEDOUT)
		return;
	say(s, r1_of(error, answer[0]));
	if (error)
		return;
	simcard_register(s->card, index == 10, words);
	say_words(s, words);
}

static void app_command(struct simspi *s, uint8_t index, uint32_t arg)
{
	uint32_t answer[4];
	int error = simcard_command(s->card, index, index == 41 ? arg | 0x00ff8000 : arg, answer);

	if (error == -ETIMEDOUT)
		return;
	if (index == 41 && !error) {
		say(s, answer[0] >> 31 ? 0 : 1);
		if (answer[0] >> 31)
			power_up_done(s);
		return;
	}
	say(s, r1_of(error, answer[0]));
	if (index == 13)
		say(s, r2_of(answer[0]));
	if (error || (index != 13 && index != 51))
		return;
	s->phase = SIMSPI_READ;
	s->multiple = s->fails = false;
	s->block_len = index == 13 ? 64 : 8;
}

static void begin_transfer(struct simspi *s, uint8_t index, uint32_t status)
{
	s->fails = status >> 19 & 1;
	s->multiple = index == 18 || index == 25;
	s->block_len = index == 6 ? 64 : 512;
	s->phase = index >= 24 ? SIMSPI_WRITE : SIMSPI_READ;
	s->in_block = false;
}

static void command(struct simspi *s)
{
	const uint8_t index = s->frame[0] & 63;
	const uint32_t arg =
	    (uint32_t)s->frame[1] << 24 | (uint32_t)s->frame[2] << 16 | (uint32_t)s->frame[3] << 8 | s->frame[4];
	const bool app = s->app;
	uint32_t answer[4] = {0};
	int error;

	s->out_at = s->out_len = 0;
	s->phase = SIMSPI_IDLE;
	s->app = index == 55;
	assert_int_equal(s->frame[5], crc7(0, s->frame, 5) << 1 | 1);
	if (index == 12)
		say(s, 0x7f); // the stuff byte
	say(s, 0xff);
	if (app) {
		app_command(s, index, arg);
		return;
	}
	if (index == 9 || index == 10) {
		register_command(s, index);
		return;
	}
	if (index == 59 || index == 58) {
		s->crc_on |= index == 59 && arg == 1;
		say(s, 1);
		if (index == 58)
			say_four(s, 0x80ff8000 | (s->card->kind == SIMCARD_SDHC ? 1u << 30 : 0));
		return;
	}
	error = simcard_command(s->card, index, arg, answer);
	if (error == -ETIMEDOUT) {
		if (s->card->present && index != 0)
			say(s, 4); // illegal, or not heard: a native card keeps still, and so might this one
		return;
	}
	if (index == 0) {
		say(s, error ? 8 : 1);
		return;
	}
	say(s, index == 8 ? 1 : r1_of(error, answer[0]));
	if (index == 8)
		say_four(s, answer[0]);
	if (index == 13)
		say(s, r2_of(answer[0]));
	if (!error && (index == 6 || index == 17 || index == 18 || index == 24 || index == 25))
		begin_transfer(s, index, answer[0]);
}

static void take_block(struct simspi *s)
{
	const uint16_t crc = (uint16_t)(s->block[512] << 8 | s->block[513]);
	int error;

	assert_true(s->crc_on);
	assert_int_equal(crc, crc16(0, s->block, 512));
	error = simcard_write_block(s->card, s->block, 512);
	s->in_block = false;
	s->out_at = s->out_len = 0;
	if (error == -ETIMEDOUT)
		return;
	error = s->fails ? -EIO : error;
	say(s, s->bad_response ? s->bad_response : error == -EIO ? 0xed : error ? 0xeb : 0xe5);
	s->bad_response = 0;
	if (!s->multiple || error)
		s->phase = SIMSPI_IDLE;
}

/* A byte each way, with the chip select held. */
static uint8_t exchange(struct simspi *s, uint8_t byte)
{
	uint8_t answer = 0xff;

	if (s->out_at == s->out_len && s->phase == SIMSPI_READ && !s->frame_len) {
		s->out_at = s->out_len = 0;
		next_block(s);
	}
	if (s->out_at < s->out_len)
		answer = s->out[s->out_at++];
	else if (simcard_busy(s->card) && !s->in_block)
		answer = 0;
	if (s->in_block) {
		s->block[s->block_at++] = byte;
		if (s->block_at == 514)
			take_block(s);
		return answer;
	}
	if (s->phase == SIMSPI_WRITE && !s->frame_len && (byte == 0xfe || byte == 0xfc)) {
		assert_int_equal(byte == 0xfc, s->multiple);
		s->in_block = true;
		s->block_at = 0;
		return answer;
	}
	if (s->phase == SIMSPI_WRITE && !s->frame_len && byte == 0xfd) {
		uint32_t response[4];

		(void)hidden(s, 12, 0, response); // the token does what CMD12 does
		s->phase = SIMSPI_IDLE;
		return answer;
	}
	if (s->frame_len || (byte & 0xc0) == 0x40) {
		s->frame[s->frame_len++] = byte;
		if (s->frame_len == sizeof(s->frame)) {
			s->frame_len = 0;
			command(s);
		}
	}
	return answer;
}

/* ---- registers ---- */

#define CLOCK_HZ 500000000ull

static void set_irq(struct simspi *s)
{
	const bool irq = (s->irq_enable & 2) && s->rx_count > s->rx_mark;

	s->interrupts += irq && !s->irq;
	s->irq = irq;
	sim_irq_set(SIMSPI_IRQ, irq);
}

/* A byte has been shifted out, and another one in. */
static void shift(struct simspi *s, uint8_t byte)
{
	assert_true(s->rx_count < sizeof(s->rx)); // else it would be lost
	s->clocks += s->cs_mode == CS_OFF;
	s->rx[s->rx_count++] = s->cs_mode == CS_HOLD && s->card->present ? exchange(s, byte) : 0xff;
}

static void shift_later(struct simspi *s);

static void shifted(struct host_event *event)
{
	struct simspi *s = container_of(event, struct simspi, event);
	const uint8_t byte = s->tx[0];

	memmove(s->tx, s->tx + 1, --s->tx_count);
	shift(s, byte);
	set_irq(s);
	if (s->tx_count)
		shift_later(s);
}

static void shift_later(struct simspi *s)
{
	s->event.fire = shifted;
	host_event_post(&s->event, clock_now() + 8 * 2 * (s->divider + 1) * NSEC_PER_SEC / CLOCK_HZ);
}

static void send(struct simspi *s, uint8_t byte)
{
	if (!s->slow) {
		shift(s, byte);
		return;
	}
	assert_true(s->tx_count < sizeof(s->tx));
	s->tx[s->tx_count++] = byte;
	if (s->tx_count == 1)
		shift_later(s);
}

static uint32_t read_reg(struct sim_window *window, size_t off, unsigned width)
{
	struct simspi *s = window->model;
	uint32_t value;

	assert_int_equal(width, 4);
	assert_int_equal(off, 0x4c);
	if (!s->rx_count)
		return 1u << 31;
	value = s->rx[0];
	memmove(s->rx, s->rx + 1, --s->rx_count);
	set_irq(s);
	return value;
}

static void write_reg(struct sim_window *window, size_t off, uint32_t value, unsigned width)
{
	struct simspi *s = window->model;

	assert_int_equal(width, 4);
	switch (off) {
	case 0x00:
		assert_int_equal(s->tx_count, 0);
		s->divider = value;
		break;
	case 0x18:
		assert_int_equal(s->tx_count, 0);
		s->cs_mode = value;
		if (value != CS_HOLD)
			s->frame_len = 0;
		break;
	case 0x48:
		send(s, (uint8_t)value);
		break;
	case 0x54:
		s->rx_mark = value;
		break;
	case 0x70:
		s->irq_enable = value;
		break;
	default:
		break;
	}
	set_irq(s);
}

void simspi_init(struct simspi *s, struct simcard *card)
{
	*s =
	    (struct simspi){.card = card,
			    .slow = s->slow,
			    .window = {.pa = SIMSPI_PA, .len = 4096, .read = read_reg, .write = write_reg, .model = s}};
	sim_window_add(&s->window);
}
