// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#include "tests/host/simsdhci.h"

#include <errno.h>
#include <string.h>

#include "arch/clock.h"
#include "arch/page.h"
#include "kernel/time.h"
#include "tests/host/harness.h"

#define COMMAND 1u
#define TRANSFER 2u
#define WRITE_READY 16u
#define READ_READY 32u
#define ERROR (1u << 15)
#define COMMAND_TIMEOUT (1u << 16)
#define COMMAND_CRC (1u << 17)
#define DATA_TIMEOUT (1u << 20)
#define DATA_CRC (1u << 21)
enum { MODE_DMA = 1, MODE_COUNT = 2, MODE_AUTO12 = 4, MODE_READ = 16, MODE_MULTIPLE = 32 };

#define ANSWER_TIME 20000	      // ns
#define DATA_LIMIT (5 * NSEC_PER_SEC) // of the controller's own time-out

#define CARD_IN 64u
#define CARD_OUT 128u
#define BASE_HZ 52000000u

static void raise_irq(struct simsdhci *s)
{
	sim_irq_set(SIMSDHCI_IRQ, s->status & s->signal_enable & ~ERROR);
}

static void fire(struct host_event *event)
{
	struct simsdhci *s = container_of(event, struct simsdhci, event);

	s->posted = false;
	if (s->coming & TRANSFER || s->coming >> 16)
		s->transfer = false;
	s->status |= s->coming & (s->status_enable | ERROR);
	s->status |= s->coming >> 16 ? ERROR : 0;
	s->coming = 0;
	raise_irq(s);
}

static void later(struct simsdhci *s, uint32_t bits, nsec_t time)
{
	s->coming |= bits;
	if (s->posted)
		host_event_cancel(&s->event);
	s->posted = true;
	s->event.fire = fire;
	host_event_post(&s->event, clock_now() + time);
}

static uint32_t error_bits(int error, bool data)
{
	return error == -EILSEQ ? (data ? DATA_CRC : COMMAND_CRC) : data ? DATA_TIMEOUT : COMMAND_TIMEOUT;
}

/* The card's clock, from the divider as either version has it; 0: off. */
static uint32_t card_hz(const struct simsdhci *s)
{
	const uint32_t low = s->clock >> 8, n = s->version3 ? low | (uint32_t)(s->clock >> 6 & 3) << 8 : low;

	if ((s->clock & 5) != 5)
		return 0;
	assert_true(s->version3 || (n & (n - 1)) == 0); // a power of two
	return n ? BASE_HZ / (2 * n) : BASE_HZ;
}

/* Never faster than the card was told, and slow while cards are told apart. */
static void check_clock(struct simsdhci *s, uint8_t index)
{
	const bool mmc = s->card->kind == SIMCARD_EMMC;
	const uint32_t hz = card_hz(s);

	assert_true(hz > 0);
	/* A card that was exchanged unseen hears the clock of the one before. */
	assert_true(!s->card->selected || hz <= (s->card->timing ? (mmc ? 52000000u : 50000000u)
						 : mmc		 ? 26000000u
								 : 25000000u));
	if (index <= 3)
		assert_true(hz <= 400000 && hz >= 100000);
	s->fastest = max_of(s->fastest, hz);
}

/* ---- data ---- */

static char *memory(uint64_t pa, uint32_t len)
{
	const size_t frames = harness_config()->frames ? harness_config()->frames : HARNESS_FRAMES;

	assert_true(pa % 4 == 0 && pa >= HOST_MEMORY_START && pa + len <= HOST_MEMORY_START + frames * PAGE_SIZE);
	return pa_to_va(pa);
}

/* The table's memory in the order of the transfer, checked whole before anything moves. */
static uint32_t read_table(struct simsdhci *s, struct blk_segment *out, uint32_t max)
{
	const bool wide = (s->control & 0x18) == 0x18;
	const uint64_t at = s->adma[0] | (wide ? (uint64_t)s->adma[1] << 32 : 0);
	uint64_t total = 0;

	assert_true(s->control & 0x10); // else it is no table of these
	assert_int_equal(at % 4, 0);
	s->tables++;
	for (uint32_t i = 0; i < max; i++) {
		const uint32_t *d = (const uint32_t *)memory(at + i * (wide ? 12 : 8), wide ? 12 : 8);

		assert_int_equal(d[0] & 0x3d, 0x21); // valid, transfer; END is free
		out[i].len = d[0] >> 16 ? d[0] >> 16 : 65536;
		out[i].pa = d[1] | (wide ? (uint64_t)d[2] << 32 : 0);
		(void)memory(out[i].pa, out[i].len);
		total += out[i].len;
		if (d[0] & 2) {
			assert_int_equal(total,
					 (uint64_t)s->block_size * ((s->mode & MODE_COUNT) ? s->block_count : 1));
			return i + 1;
		}
	}
	fail_msg("a table without an end");
	return 0;
}

static int move_by_dma(struct simsdhci *s, uint32_t blocks, bool write)
{
	static struct blk_segment segments[512];
	uint32_t count = read_table(s, segments, 512), segment = 0, offset = 0;
	int error = 0;

	for (uint32_t i = 0; i < blocks && !error; i++) {
		uint8_t block[512];

		if (!write)
			error = simcard_read_block(s->card, block, s->block_size);
		for (uint32_t b = 0; b < s->block_size; b++) {
			char *p;

			if (offset == segments[segment].len) {
				segment++;
				offset = 0;
				assert_true(segment < count);
			}
			p = memory(segments[segment].pa, segments[segment].len) + offset++;
			if (write)
				block[b] = (uint8_t)*p;
			else
				*p = (char)block[b];
		}
		if (write)
			error = simcard_write_block(s->card, block, s->block_size);
		s->dma_bytes += s->block_size;
	}
	return error;
}

/* All blocks are through: CMD12, and the end of busy. */
static void end_transfer(struct simsdhci *s)
{
	uint32_t response[4];

	if (s->mode & MODE_AUTO12) {
		const int error = simcard_command(s->card, 12, 0, response);

		if (error) {
			s->auto_error = error == -ETIMEDOUT ? 2 : 4;
			later(s, 1u << 24, ANSWER_TIME);
			return;
		}
		s->response[3] = response[0];
	}
	if (simcard_busy(s->card) && simcard_busy_until(s->card) > clock_now() + DATA_LIMIT)
		later(s, DATA_TIMEOUT, DATA_LIMIT);
	else if (simcard_busy(s->card))
		later(s, TRANSFER, simcard_busy_until(s->card) - clock_now());
	else
		later(s, TRANSFER, ANSWER_TIME);
}

static void port_next(struct simsdhci *s)
{
	int error;

	s->at = 0;
	if (!s->left) {
		end_transfer(s);
		return;
	}
	if (s->port_write) {
		later(s, WRITE_READY, ANSWER_TIME);
		return;
	}
	error = simcard_read_block(s->card, s->buffer, s->block_size);
	later(s, error ? error_bits(error, true) : READ_READY, ANSWER_TIME);
}

static uint32_t port_read(struct simsdhci *s)
{
	uint32_t word;

	assert_true(s->transfer && !s->port_write && s->at < s->block_size);
	memcpy(&word, s->buffer + s->at, 4);
	s->at += 4;
	s->port_bytes += 4;
	if (s->at == s->block_size) {
		s->left--;
		port_next(s);
	}
	return word;
}

static void port_write(struct simsdhci *s, uint32_t word)
{
	int error;

	assert_true(s->transfer && s->port_write && s->at < s->block_size);
	memcpy(s->buffer + s->at, &word, 4);
	s->at += 4;
	s->port_bytes += 4;
	if (s->at < s->block_size)
		return;
	s->left--;
	error = simcard_write_block(s->card, s->buffer, s->block_size);
	if (error)
		later(s, error_bits(error, true), ANSWER_TIME);
	else
		port_next(s);
}

static void begin_data(struct simsdhci *s)
{
	const uint32_t blocks = s->mode & MODE_COUNT ? s->block_count : 1;
	int error;

	s->transfer = true;
	s->left = blocks;
	s->port_write = !(s->mode & MODE_READ);
	assert_int_equal(!!(s->mode & MODE_MULTIPLE), blocks > 1);
	if (!(s->mode & MODE_DMA)) {
		port_next(s);
		return;
	}
	error = move_by_dma(s, blocks, s->port_write);
	if (error)
		later(s, error_bits(error, true), ANSWER_TIME * blocks);
	else
		end_transfer(s);
}

/* ---- commands ---- */

static void set_response(struct simsdhci *s, const uint32_t response[4], unsigned kind)
{
	if (kind != 1) {
		s->response[0] = response[0];
		return;
	}
	/* Bits 127 .. 8. */
	for (unsigned i = 0; i < 4; i++)
		s->response[i] = response[3 - i] >> 8 | (i < 3 ? response[2 - i] << 24 : 0);
}

static void command(struct simsdhci *s, uint16_t word)
{
	const uint8_t index = word >> 8 & 63;
	const unsigned kind = word & 3;
	uint32_t response[4];
	int error;

	assert_false(s->posted); // inhibited
	assert_false(s->transfer && (word & 0xc0) != 0xc0);
	assert_true(s->power & 1);
	check_clock(s, index);
	assert_int_equal(index == 12, (word & 0xc0) == 0xc0);
	error = simcard_command(s->card, index, s->argument, response);
	if (error && kind) {
		later(s, error_bits(error, false), ANSWER_TIME);
		return;
	}
	set_response(s, response, kind);
	later(s, COMMAND, ANSWER_TIME);
	if (!error && (word & 32)) {
		if ((s->control & 2 ? 4u : s->control & 32 ? 8u : 1u) == s->card->width) {
			begin_data(s);
		} else {
			s->transfer = true;
			later(s, DATA_CRC, ANSWER_TIME);
		}
	} else if (kind == 3) {
		s->transfer = true;
		s->mode = 0;
		end_transfer(s);
	}
}

static void reset(struct simsdhci *s, uint8_t what)
{
	assert_true(what == 1 || what == 2 || what == 4); // QEMU's takes two at once for none
	if (s->posted)
		host_event_cancel(&s->event);
	s->posted = false;
	s->coming = 0;
	s->transfer = false;
	if (what & 1) {
		s->status = s->status_enable = s->signal_enable = 0;
		s->clock = s->power = s->control = 0;
	}
	s->status &= ~(READ_READY | WRITE_READY | TRANSFER | COMMAND);
	raise_irq(s);
}

/* ---- registers ---- */

static uint32_t state(const struct simsdhci *s)
{
	uint32_t value = (s->posted ? 1 : 0) | (s->transfer ? 2 : 0) | (simcard_busy(s->card) ? 0 : 1u << 20);

	if (s->knows)
		value |= 1u << 17 | (s->card->present ? 1u << 16 : 0) | 1u << 19;
	return value;
}

static uint32_t read_reg(struct sim_window *window, size_t off, unsigned width)
{
	struct simsdhci *s = window->model;

	assert_true(off % width == 0);
	switch (off) {
	case 0x10:
	case 0x14:
	case 0x18:
	case 0x1c:
		return s->response[(off - 0x10) / 4];
	case 0x20:
		return port_read(s);
	case 0x24:
		return state(s);
	case 0x2c:
		return width == 2 ? s->clock | (s->clock & 1) << 1 : s->clock; // resets are over at once
	case 0x30:
		return s->status;
	case 0x3c:
		return s->auto_error;
	case 0x40:
		/* 52 MHz, ADMA2, high speed, 3.3 V; 64 bits; 8 lines and soldered for an eMMC. */
		return 0x01283400 | (s->version3 ? 1u << 28 : 0) |
		       (s->card->kind == SIMCARD_EMMC ? 1u << 30 | 1u << 18 : 0);
	case 0x44: // capabilities of 1.8 V and tuning
		return 0;
	case 0xfe:
		return s->version3 ? 2 : 1;
	default:
		fail_msg("a register at %zx is read", off);
		return 0;
	}
}

static void write_reg(struct sim_window *window, size_t off, uint32_t value, unsigned width)
{
	struct simsdhci *s = window->model;

	assert_true(off % width == 0);
	switch (off) {
	case 0x04:
		s->block_size = value & 0xfff;
		s->block_count = (uint16_t)(value >> 16);
		break;
	case 0x08:
		s->argument = value;
		break;
	case 0x0c:
		assert_int_equal(width, 4);
		s->mode = value & 0xffff;
		command(s, (uint16_t)(value >> 16));
		break;
	case 0x20:
		port_write(s, value);
		break;
	case 0x28:
		s->control = (uint8_t)value;
		break;
	case 0x29:
		s->power = (uint8_t)value;
		break;
	case 0x2c:
		s->clock = (uint16_t)value;
		break;
	case 0x2e:
		break;
	case 0x2f:
		reset(s, (uint8_t)value);
		break;
	case 0x30:
		s->status &= ~value;
		s->status &= s->status >> 16 ? UINT32_MAX : ~ERROR;
		raise_irq(s);
		break;
	case 0x34:
		s->status_enable = value;
		break;
	case 0x38:
		s->signal_enable = value;
		raise_irq(s);
		break;
	case 0x58:
	case 0x5c:
		s->adma[(off - 0x58) / 4] = value;
		break;
	default:
		fail_msg("a register at %zx is written", off);
	}
}

static void slot_changed(void *host)
{
	struct simsdhci *s = host;

	if (!s->knows)
		return;
	s->status |= s->status_enable & (s->card->present ? CARD_IN : CARD_OUT);
	raise_irq(s);
}

void simsdhci_init(struct simsdhci *s, struct simcard *card)
{
	const bool knows = s->knows, version3 = s->version3;

	*s = (struct simsdhci){
	    .card = card,
	    .knows = knows,
	    .version3 = version3,
	    .window = {.pa = SIMSDHCI_PA, .len = 256, .read = read_reg, .write = write_reg, .model = s}};
	card->slot_changed = slot_changed;
	card->host = s;
	sim_window_add(&s->window);
}
