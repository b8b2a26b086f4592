// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#include "tests/host/simdw.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arch/clock.h"
#include "arch/page.h"
#include "drivers/sd/dw_mmc.h"
#include "kernel/time.h"
#include "tests/host/harness.h"

#define OSC 24000000u
#define HANDOVER 2000 // ns
#define COMMAND_TIME 5000
#define BLOCK_TIME 3000
#define LATE (5 * NSEC_PER_MSEC)
#define DATA_TIMEOUT (300 * NSEC_PER_MSEC)
#define NEVER UINT64_MAX
#define NOT_YET UINT32_MAX

#define CMD_START (1u << 31)
#define CMD_CLOCK (1u << 21)
#define CMD_WAIT (1u << 13)
#define CMD_AUTO_STOP (1u << 12)
#define CMD_STOP (1u << 14)
#define CMD_WRITE (1u << 10)
#define CMD_DATA (1u << 9)
#define CMD_ANSWER (1u << 6)
#define CMD_LONG (1u << 7)
#define CTRL_INT (1u << 4)
#define CTRL_DMA_ENABLE (1u << 5)
#define CTRL_IDMAC (1u << 25)
#define BMOD_ENABLE (1u << 7)
#define DMA_SENT 1u
#define DMA_RECEIVED 2u
#define DMA_NORMAL (1u << 8)
#define DMA_ABNORMAL (1u << 9)
enum { MINTSTS = 0x40, PLDMND = 0x84, FIFO_AREA = 0x100 };

enum { SDIO1_AHB = 92, SDIO1_CARD = 94, RESET_ASSERT = 0x300, RESET_STATUS = 0x310, RESET_SDIO1 = 1u << 1 };
enum { PIN_LEVEL = 0x11c, PIN_PENDING = 0x114, PIN_UNMASK = 0x104, PIN_CLEAR = 0x0ec, PIN_CD = 1u << 9, PINS_IRQ = 86 };

struct simdw_state {
	struct simdw *dw;
	struct host_event event;
	bool posted;
	uint32_t regs[DW_REGS_SIZE / 4];
	/* The card's side. */
	uint32_t clkdiv, clkena;
	nsec_t handover, answer, step, stop; // when each is due
	uint32_t cmd, arg;
	nsec_t reset_until;
	uint32_t resetting;
	uint32_t raised, dma_raised;
	/* Data. */
	bool active, write, dma, faulty;
	uint32_t left, block_size;
	uint8_t block[512];
	uint32_t block_at; // bytes of the block that have passed
	bool block_full;
	uint32_t fifo[SIMDW_FIFO_MAX], fifo_count, fifo_head;
	/* The DMA. */
	paddr_t descriptor, buffer;
	uint32_t buffer_left, control;
	bool dma_on, dma_first;
	uint32_t *last, kept; // the last word that was transferred, and what it will be
	bool late;
	uint32_t crg[0x400], syscon[0x40], pins[0xc0];
	uint32_t pin_pending;
};

static uint32_t *reg(struct simdw *dw, uint32_t off)
{
	return &dw->s->regs[off / 4];
}

static uint32_t dma_status(const struct simdw *dw)
{
	return DW_DBADDR + (dw->wide ? 8 : 4);
}

/* ---- around it ---- */

static uint32_t axi_hz(struct simdw *dw)
{
	struct simdw_state *s = dw->s;
	const uint64_t pll2 = (uint64_t)OSC * (s->syscon[0x2c / 4] >> 17 & 0xfff) / (s->syscon[0x34 / 4] & 63);
	const uint64_t root = s->crg[5] >> 24 & 1 ? pll2 : OSC;

	return (uint32_t)(root / (s->crg[7] & 3));
}

static uint32_t ciu_hz(struct simdw *dw)
{
	const uint32_t value = dw->s->crg[SDIO1_CARD];

	return value & CMD_START ? axi_hz(dw) / (value & 15) : 0;
}

static void set_pins_irq(struct simdw *dw)
{
	sim_irq_set(PINS_IRQ, dw->s->pin_pending & dw->s->pins[PIN_UNMASK / 4]);
}

static uint32_t crg_read(struct sim_window *window, size_t off, unsigned width)
{
	struct simdw_state *s = ((struct simdw *)window->model)->s;

	assert_int_equal(width, 4);
	return off == RESET_STATUS ? ~s->crg[RESET_ASSERT / 4] : s->crg[off / 4];
}

static void hard_reset(struct simdw *dw);

static void crg_write(struct sim_window *window, size_t off, uint32_t value, unsigned width)
{
	struct simdw *dw = window->model;

	assert_int_equal(width, 4);
	dw->s->crg[off / 4] = value;
	if (off == RESET_ASSERT && value & RESET_SDIO1)
		hard_reset(dw);
}

static uint32_t syscon_read(struct sim_window *window, size_t off, unsigned width)
{
	assert_int_equal(width, 4);
	return ((struct simdw *)window->model)->s->syscon[off / 4];
}

static void syscon_write(struct sim_window *window, size_t off, uint32_t value, unsigned width)
{
	(void)window;
	(void)off;
	(void)value;
	(void)width;
	fail_msg("the system controller is the loader's");
}

static uint32_t pins_read(struct sim_window *window, size_t off, unsigned width)
{
	struct simdw *dw = window->model;

	assert_int_equal(width, 4);
	if (off == PIN_LEVEL)
		return dw->card->present ? 0 : PIN_CD;
	return off == PIN_PENDING ? dw->s->pin_pending & dw->s->pins[PIN_UNMASK / 4] : dw->s->pins[off / 4];
}

static void pins_write(struct sim_window *window, size_t off, uint32_t value, unsigned width)
{
	struct simdw *dw = window->model;

	assert_int_equal(width, 4);
	dw->s->pins[off / 4] = value;
	if (off == PIN_CLEAR)
		dw->s->pin_pending &= value;
	set_pins_irq(dw);
}

/* The pin's edge. */
static void slot_changed(void *host)
{
	struct simdw *dw = host;

	dw->s->pin_pending |= PIN_CD;
	set_pins_irq(dw);
}

/* ---- what is reported ---- */

static void update_irq(struct simdw *dw)
{
	struct simdw_state *s = dw->s;
	const uint32_t idinten = *reg(dw, dma_status(dw) + 4);
	bool level;

	if (s->dma_raised & idinten & (DMA_SENT | DMA_RECEIVED))
		s->dma_raised |= DMA_NORMAL;
	if (s->dma_raised & idinten & (DW_DMA_BUS_ERROR | DW_DMA_NO_DESCRIPTOR))
		s->dma_raised |= DMA_ABNORMAL;
	level = s->raised & *reg(dw, DW_INTMASK) || s->dma_raised & idinten & (DMA_NORMAL | DMA_ABNORMAL);
	sim_irq_set(SIMDW_IRQ, level && *reg(dw, DW_CTRL) & CTRL_INT);
}

/* What asks for words is a level that its bit follows. */
static void update_words(struct simdw *dw)
{
	struct simdw_state *s = dw->s;
	const uint32_t fifoth = *reg(dw, DW_FIFOTH);

	if (s->dma || *reg(dw, DW_CTRL) & CTRL_DMA_ENABLE)
		return;
	if (!s->write && s->fifo_count > (fifoth >> 16 & 0xfff))
		s->raised |= DW_INT_RX;
	if (s->write && s->active && s->fifo_count <= (fifoth & 0xfff))
		s->raised |= DW_INT_TX;
}

static bool fault_is(struct simdw *dw, enum simdw_fault fault)
{
	return dw->s->faulty && dw->fault == fault;
}

/* ---- the DMA ---- */

static uint32_t *memory(paddr_t pa)
{
	assert_int_equal(pa % 4, 0);
	return pa_to_va(pa);
}

static void dma_fetch(struct simdw *dw)
{
	struct simdw_state *s = dw->s;
	const uint32_t *d = memory(s->descriptor);

	s->control = d[0];
	assert_true(s->control & 1u << 31);			  // ours
	assert_true(s->control & 1u << 4);			  // chained
	assert_int_equal(!!(s->control & 1u << 3), s->dma_first); // the first says so
	s->dma_first = false;
	s->buffer_left = (dw->wide ? d[2] : d[1]) & 0x1fff;
	assert_true(s->buffer_left && s->buffer_left % 4 == 0);
	assert_true(!dw->wide || (d[1] == 0 && d[3] == 0));
	s->buffer = dw->wide ? d[4] | (paddr_t)d[5] << 32 : d[2];
}

static void dma_close(struct simdw *dw)
{
	struct simdw_state *s = dw->s;
	uint32_t *d = memory(s->descriptor);

	d[0] &= ~(1u << 31);
	if (!(s->control & 2))
		s->dma_raised |= s->write ? DMA_SENT : DMA_RECEIVED;
	s->descriptor = dw->wide ? d[6] | (paddr_t)d[7] << 32 : d[3];
	s->dma_on = !(s->control & 4);
}

/* The next word's place; NULL: the chain has ended. */
static uint32_t *dma_next(struct simdw *dw)
{
	struct simdw_state *s = dw->s;
	uint32_t *at;

	if (!s->dma_on)
		return NULL;
	if (!s->buffer_left)
		dma_fetch(dw);
	at = memory(s->buffer);
	s->buffer += 4;
	s->buffer_left -= 4;
	dw->dma_bytes += 4;
	return at;
}

static void dma_moved(struct simdw *dw)
{
	if (!dw->s->buffer_left)
		dma_close(dw);
}

static void dma_start(struct simdw *dw)
{
	struct simdw_state *s = dw->s;

	assert_true(*reg(dw, DW_CTRL) & CTRL_DMA_ENABLE);
	assert_true(*reg(dw, DW_BMOD) & BMOD_ENABLE);
	s->descriptor = *reg(dw, DW_DBADDR) | (dw->wide ? (paddr_t)*reg(dw, DW_DBADDR + 4) << 32 : 0);
	s->buffer_left = 0;
	s->dma_on = s->dma_first = true;
}

/* ---- FIFO ---- */

static void fifo_push(struct simdw *dw, uint32_t word)
{
	struct simdw_state *s = dw->s;

	if (s->fifo_count == dw->fifo_words)
		fail_msg("the FIFO is full");
	s->fifo[(s->fifo_head + s->fifo_count++) % dw->fifo_words] = word;
}

static uint32_t fifo_pop(struct simdw *dw)
{
	struct simdw_state *s = dw->s;
	uint32_t word;

	if (!s->fifo_count)
		fail_msg("the FIFO is empty");
	word = s->fifo[s->fifo_head];
	s->fifo_head = (s->fifo_head + 1) % dw->fifo_words;
	s->fifo_count--;
	return word;
}

/* ---- data ---- */

static void data_end(struct simdw *dw, uint32_t why)
{
	struct simdw_state *s = dw->s;

	s->active = false;
	s->step = NEVER;
	s->raised |= DW_INT_DATA | why;
	if (!why && s->dma)
		assert_false(s->dma_on); // as many bytes as the command
	s->dma_on = false;
	if (!why && s->cmd & CMD_AUTO_STOP)
		s->stop = clock_now() + COMMAND_TIME;
}

static bool data_broken(struct simdw *dw, int error)
{
	struct simdw_state *s = dw->s;

	if (!error)
		return false;
	if (error == -EILSEQ) {
		data_end(dw, DW_INT_DATA_CRC);
	} else if (s->write) {
		data_end(dw, DW_INT_END_BIT);
	} else {
		s->faulty = false;
		s->left = NOT_YET; // silence, until the time is over
		s->step = clock_now() + DATA_TIMEOUT;
	}
	return true;
}

/* False: nothing more for now. */
static bool read_step(struct simdw *dw)
{
	struct simdw_state *s = dw->s;
	bool moved = false;

	if (!s->block_full && s->left) {
		if (data_broken(dw, simcard_read_block(dw->card, s->block, s->block_size)))
			return false;
		s->block_full = true;
		s->block_at = 0;
	}
	for (; s->block_full && s->fifo_count < dw->fifo_words; moved = true) {
		uint32_t word;

		memcpy(&word, s->block + s->block_at, 4);
		fifo_push(dw, word);
		s->block_at += 4;
		s->left -= 4;
		s->block_full = s->block_at < s->block_size;
	}
	for (uint32_t *at; s->dma && s->fifo_count && (at = dma_next(dw)); moved = true) {
		*at = fifo_pop(dw);
		s->last = at;
		dma_moved(dw);
	}
	return moved;
}

static bool write_step(struct simdw *dw)
{
	struct simdw_state *s = dw->s;
	bool moved = false;

	for (uint32_t *at; s->dma && s->fifo_count < dw->fifo_words && (at = dma_next(dw)); moved = true) {
		fifo_push(dw, *at);
		dma_moved(dw);
	}
	for (; s->fifo_count && s->left && s->block_at < s->block_size; moved = true) {
		const uint32_t word = fifo_pop(dw);

		memcpy(s->block + s->block_at, &word, 4);
		s->block_at += 4;
	}
	if (s->block_at == s->block_size) {
		if (data_broken(dw, simcard_write_block(dw->card, s->block, s->block_size)))
			return false;
		s->block_at = 0;
		s->left -= s->block_size;
	}
	return moved;
}

/* A fault in the midst; true: it has happened. */
static bool data_fault(struct simdw *dw)
{
	struct simdw_state *s = dw->s;

	if (!s->faulty || s->left * 2 > *reg(dw, DW_BYTCNT))
		return false;
	switch (dw->fault) {
	case SIMDW_FIFO_ERROR:
		s->raised |= DW_INT_FIFO;
		break;
	case SIMDW_STARVED:
		s->raised |= DW_INT_STARVED;
		break;
	case SIMDW_START_BIT:
		if (s->write)
			return false;
		data_end(dw, DW_INT_START_BIT);
		break;
	case SIMDW_BUS_ERROR:
		s->dma_raised |= DW_DMA_BUS_ERROR;
		break;
	case SIMDW_NO_DESCRIPTOR:
		s->dma_raised |= DW_DMA_NO_DESCRIPTOR;
		break;
	default:
		return false;
	}
	s->step = NEVER;
	return true;
}

/* The card's side has ended, but the last word is not yet in memory. */
static void be_late(struct simdw *dw)
{
	struct simdw_state *s = dw->s;

	if (!s->late) {
		s->late = true;
		s->kept = *s->last;
		*s->last = ~s->kept;
		s->dma_raised &= ~DMA_RECEIVED;
		s->raised |= DW_INT_DATA;
		s->step = clock_now() + LATE;
		return;
	}
	s->late = s->faulty = false;
	*s->last = s->kept;
	s->dma_raised |= DMA_RECEIVED;
	data_end(dw, 0);
}

static void data_step(struct simdw *dw)
{
	struct simdw_state *s = dw->s;

	if (s->left == NOT_YET) {
		data_end(dw, DW_INT_NO_DATA);
		return;
	}
	if (data_fault(dw))
		return;
	while (s->active && s->left != NOT_YET && (s->write ? write_step(dw) : read_step(dw)))
		if (s->write ? !s->block_at : !s->block_full)
			break; // one block at a time
	if (!s->active || s->left == NOT_YET)
		return;
	update_words(dw);
	if (!s->left && (!s->dma || !s->fifo_count)) {
		if (fault_is(dw, SIMDW_DMA_LATE) && s->dma && !s->write)
			be_late(dw);
		else
			data_end(dw, 0);
		return;
	}
	/* Without room or words it waits until somebody comes. */
	s->step =
	    s->dma || (s->write ? s->fifo_count : s->fifo_count < dw->fifo_words) ? clock_now() + BLOCK_TIME : NEVER;
}

static void data_start(struct simdw *dw)
{
	struct simdw_state *s = dw->s;

	assert_false(s->active);
	s->active = true;
	s->write = s->cmd & CMD_WRITE;
	s->dma = *reg(dw, DW_CTRL) & CTRL_IDMAC;
	assert_false(s->dma && dw->no_dma);
	s->late = false;
	assert_true(s->dma || !(*reg(dw, DW_CTRL) & CTRL_DMA_ENABLE));
	s->block_size = *reg(dw, DW_BLKSIZ);
	s->left = *reg(dw, DW_BYTCNT);
	assert_true(s->block_size && s->left && s->left % s->block_size == 0);
	assert_int_equal(s->fifo_count, 0);
	s->block_at = 0;
	s->block_full = false;
	/* Both ends must agree on the bus. */
	assert_int_equal(dw->card->width, *reg(dw, DW_CTYPE) & 1u << 16 ? 8 : *reg(dw, DW_CTYPE) & 1 ? 4 : 1);
	assert_true(dw->card_hz <= 26000000 || dw->card->timing);
	if (s->dma)
		dma_start(dw);
	s->step = clock_now() + BLOCK_TIME;
	update_words(dw);
}

/* ---- commands ---- */

static void take_clock(struct simdw *dw)
{
	struct simdw_state *s = dw->s;
	const uint32_t n = *reg(dw, DW_CLKDIV);

	if (s->clkena & *reg(dw, DW_CLKENA) & 1 && s->clkdiv != n)
		fail_msg("the divider changes while the card's clock runs");
	s->clkdiv = n;
	s->clkena = *reg(dw, DW_CLKENA);
	dw->card_hz = s->clkena & 1 ? ciu_hz(dw) / (n ? 2 * n : 1) : 0;
	assert_true(dw->card_hz <= 50000000);
}

/* The card's side takes what was written: a command may have to wait for the data before it. */
static void hand_over(struct simdw *dw)
{
	struct simdw_state *s = dw->s;
	const uint32_t cmd = *reg(dw, DW_CMD);

	s->handover = NEVER;
	if (!ciu_hz(dw) || (fault_is(dw, SIMDW_SILENT) && cmd & CMD_DATA))
		return;
	if (cmd & CMD_WAIT && (s->active || simcard_busy(dw->card))) {
		s->handover = clock_now() + HANDOVER;
		return;
	}
	*reg(dw, DW_CMD) &= ~CMD_START;
	if (cmd & CMD_CLOCK) {
		take_clock(dw);
		return;
	}
	assert_true(*reg(dw, DW_PWREN) & 1);
	assert_true(cmd & 1u << 29); // the hold register
	s->cmd = cmd;
	s->arg = *reg(dw, DW_CMDARG);
	s->answer = clock_now() + COMMAND_TIME;
}

static void put_answer(struct simdw *dw, const uint32_t response[4])
{
	*reg(dw, DW_RESP) = response[0];
	if (dw->s->cmd & CMD_LONG)
		for (uint32_t i = 0; i < 4; i++)
			*reg(dw, DW_RESP + 4 * (3 - i)) = response[i] | (i == 3 ? 0xab : 0); // with a CRC
}

static void answer(struct simdw *dw)
{
	struct simdw_state *s = dw->s;
	const uint8_t index = s->cmd & 63;
	uint32_t response[4];
	int error = -ETIMEDOUT;

	s->answer = NEVER;
	dw->commands++;
	assert_int_equal(index == 12, !!(s->cmd & CMD_STOP));
	if (index >= 1 && index <= 3) // while cards are told apart
		assert_true(dw->card_hz <= 400000);
	if (s->clkena & 1)
		error = simcard_command(dw->card, index, s->arg, response);
	s->raised |= DW_INT_COMMAND;
	if (!(s->cmd & CMD_ANSWER))
		return;
	if (error) {
		s->raised |= error == -EILSEQ ? DW_INT_RESPONSE_CRC : DW_INT_NO_RESPONSE;
		if (error == -ETIMEDOUT)
			return; // no data either
	} else {
		put_answer(dw, response);
	}
	if (s->cmd & CMD_DATA)
		data_start(dw);
}

static void auto_stop(struct simdw *dw)
{
	uint32_t response[4];
	const int error = fault_is(dw, SIMDW_STOP_UNHEARD) ? -ETIMEDOUT : simcard_command(dw->card, 12, 0, response);

	dw->s->stop = NEVER;
	if (!error)
		*reg(dw, DW_RESP + 4) = response[0];
	dw->s->raised |= DW_INT_STOP | (error == -EILSEQ ? DW_INT_RESPONSE_CRC : error ? DW_INT_NO_RESPONSE : 0);
}

/* ---- time ---- */

static void post(struct simdw *dw);

static void pump(struct simdw *dw)
{
	struct simdw_state *s = dw->s;

	for (bool again = true; again;) {
		const nsec_t now = clock_now();

		again = true;
		if (s->handover <= now)
			hand_over(dw);
		else if (s->answer <= now)
			answer(dw);
		else if (s->step <= now)
			data_step(dw);
		else if (s->stop <= now)
			auto_stop(dw);
		else
			again = false;
	}
	if (s->resetting && clock_now() >= s->reset_until) {
		*reg(dw, DW_CTRL) &= ~s->resetting;
		s->resetting = 0;
	}
	update_irq(dw);
	post(dw);
}

static void fire(struct host_event *event)
{
	struct simdw_state *s = container_of(event, struct simdw_state, event);

	s->posted = false;
	pump(s->dw);
}

static void post(struct simdw *dw)
{
	struct simdw_state *s = dw->s;
	const nsec_t command = min_of(s->handover, s->answer), data = min_of(s->step, s->stop),
		     due = min_of(command, data);

	if (s->posted && !host_event_cancel(&s->event))
		return;
	s->posted = due != NEVER;
	if (s->posted) {
		s->event.fire = fire;
		host_event_post(&s->event, due);
	}
}

/* ---- registers ---- */

static void soft_reset(struct simdw *dw)
{
	struct simdw_state *s = dw->s;

	s->handover = s->answer = s->step = s->stop = NEVER;
	s->active = s->dma_on = s->late = s->faulty = false;
	s->fifo_count = s->clkdiv = s->clkena = 0;
	dw->card_hz = 0;
	*reg(dw, DW_CMD) &= ~CMD_START;
}

static void hard_reset(struct simdw *dw)
{
	struct simdw_state *s = dw->s;

	memset(s->regs, 0, sizeof(s->regs));
	*reg(dw, DW_FIFOTH) = (dw->fifo_words - 1) << 16;
	*reg(dw, DW_HCON) =
	    1u | (dw->wide_fifo ? 2u : 1u) << 7 | (dw->no_dma ? 3u << 16 : 0) | (dw->wide ? 1u << 27 : 0);
	*reg(dw, DW_VERID) = dw->old ? 0x5342230a : 0x5342290a;
	s->raised = s->dma_raised = s->resetting = 0;
	soft_reset(dw);
	post(dw);
	update_irq(dw);
}

static void write_ctrl(struct simdw *dw, uint32_t value)
{
	struct simdw_state *s = dw->s;
	const uint32_t resets = value & DW_CTRL_RESET;

	if (resets & 1)
		soft_reset(dw);
	if (resets & DW_CTRL_RESET_FIFO) {
		assert_false(s->active); // the FIFO's reset in the midst of data
		s->fifo_count = 0;
	}
	*reg(dw, DW_CTRL) = value | s->resetting;
	if (resets) {
		dw->resets++;
		s->resetting |= resets;
		s->reset_until = clock_now() + HANDOVER;
	}
}

static bool handed_over(uint32_t off)
{
	return (off >= DW_CLKDIV && off <= DW_BYTCNT) || off == DW_CMDARG || off == DW_CMD;
}

static void write_cmd(struct simdw *dw, uint32_t value)
{
	struct simdw_state *s = dw->s;

	*reg(dw, DW_CMD) = value;
	if (!(value & CMD_START))
		return;
	assert_int_equal(s->resetting, 0);
	if (value & CMD_DATA && !(value & CMD_CLOCK)) {
		s->faulty = dw->data_commands >= dw->fault_at && dw->data_commands - dw->fault_at < dw->fault_times;
		dw->data_commands++;
		dw->fired += s->faulty;
		if (fault_is(dw, SIMDW_LOCKED)) {
			s->raised |= DW_INT_LOCKED;
			*reg(dw, DW_CMD) &= ~CMD_START;
			return;
		}
	}
	s->handover = clock_now() + HANDOVER;
}

static void check_alive(struct simdw *dw)
{
	if (!(dw->s->crg[SDIO1_AHB] & CMD_START))
		fail_msg("the controller's bus clock stands still: the bus hangs");
	if (dw->s->crg[RESET_ASSERT / 4] & RESET_SDIO1)
		fail_msg("the controller is in reset");
}

static uint32_t read_status(struct simdw *dw)
{
	const uint32_t count = dw->s->fifo_count, fifoth = *reg(dw, DW_FIFOTH);

	return count << 17 | (simcard_busy(dw->card) ? DW_STATUS_BUSY : 0) |
	       (count > (fifoth >> 16 & 0xfff) ? DW_STATUS_RX : 0) | (count <= (fifoth & 0xfff) ? DW_STATUS_TX : 0);
}

static uint32_t read_fifo(struct simdw *dw)
{
	struct simdw_state *s = dw->s;
	uint32_t word;

	assert_false(s->active && s->dma);
	word = fifo_pop(dw);
	dw->cpu_bytes += 4;
	if (s->active && s->step == NEVER)
		s->step = clock_now() + BLOCK_TIME;
	return word;
}

static void write_fifo(struct simdw *dw, uint32_t word)
{
	struct simdw_state *s = dw->s;

	assert_true(s->write && !s->dma);
	assert_true(s->active || s->raised & DW_INT_DATA); // the card may just have given up
	fifo_push(dw, word);
	dw->cpu_bytes += 4;
	if (s->active && s->step == NEVER)
		s->step = clock_now() + BLOCK_TIME;
}

static uint32_t dw_read(struct sim_window *window, size_t off, unsigned width)
{
	struct simdw *dw = window->model;
	uint32_t value;

	assert_int_equal(width, 4);
	assert_int_equal(off % 4, 0);
	check_alive(dw);
	pump(dw);
	if (off == (dw->old ? FIFO_AREA : 2 * FIFO_AREA))
		value = read_fifo(dw);
	else if (off == DW_RINTSTS)
		value = dw->s->raised;
	else if (off == MINTSTS)
		value = dw->s->raised & *reg(dw, DW_INTMASK);
	else if (off == DW_STATUS)
		value = read_status(dw);
	else if (off == dma_status(dw))
		value = dw->s->dma_raised;
	else
		value = *reg(dw, (uint32_t)off);
	update_words(dw);
	update_irq(dw);
	post(dw);
	return value;
}

static void dw_write(struct sim_window *window, size_t off, uint32_t value, unsigned width)
{
	struct simdw *dw = window->model;
	struct simdw_state *s = dw->s;

	assert_int_equal(width, 4);
	check_alive(dw);
	pump(dw);
	if (*reg(dw, DW_CMD) & CMD_START && handed_over((uint32_t)off))
		fail_msg("offset %#zx is written while it is handed over", off);
	if (off == (dw->old ? FIFO_AREA : 2 * FIFO_AREA)) {
		write_fifo(dw, value);
	} else if (off == DW_CTRL) {
		write_ctrl(dw, value);
	} else if (off == DW_CMD) {
		write_cmd(dw, value);
	} else if (off == DW_RINTSTS) {
		s->raised &= ~value;
	} else if (off == dma_status(dw)) {
		s->dma_raised &= ~value;
	} else if (off == DW_BMOD) {
		assert_false(value & DW_BMOD_RESET && s->active && s->dma);
		*reg(dw, DW_BMOD) = value & ~DW_BMOD_RESET;
	} else {
		assert_false(off >= DW_RESP && off < DW_RINTSTS);
		assert_false(off == DW_STATUS || off == DW_VERID || off == DW_HCON || off == PLDMND);
		*reg(dw, (uint32_t)off) = value;
	}
	update_words(dw);
	update_irq(dw);
	post(dw);
}

/* ---- start ---- */

static void add(struct sim_window *window, struct simdw *dw, paddr_t pa, size_t len,
		uint32_t (*read)(struct sim_window *, size_t, unsigned),
		void (*write)(struct sim_window *, size_t, uint32_t, unsigned))
{
	*window = (struct sim_window){.pa = pa, .len = len, .read = read, .write = write, .model = dw};
	sim_window_add(window);
}

void simdw_init(struct simdw *dw)
{
	struct simdw_state *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->dw = dw;
	dw->s = s;
	dw->card->slot_changed = slot_changed;
	dw->card->host = dw;
	if (!dw->fifo_words)
		dw->fifo_words = 32;
	/* As U-Boot leaves it: bus root from PLL 2, 1188 MHz, of which AXI has a third. */
	s->crg[5] = 1u << 24;
	s->crg[7] = 3;
	s->crg[8] = 2;
	s->crg[SDIO1_CARD] = dw->vendor_clocks ? 2 : 8;
	s->syscon[0x2c / 4] = 12 | 3u << 15 | 99u << 17;
	s->syscon[0x34 / 4] = 2;
	hard_reset(dw);
	add(&dw->window, dw, SIMDW_PA, DW_REGS_SIZE, dw_read, dw_write);
	add(&dw->crg, dw, 0x13020000, 0x10000, crg_read, crg_write);
	add(&dw->syscon, dw, 0x13030000, 0x1000, syscon_read, syscon_write);
	add(&dw->pins, dw, 0x13040000, 0x300, pins_read, pins_write);
}
