// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * DW MSHC: commands, the bus, what the controller reports. Its registers have two sides: what is written to command and
 * clock registers is handed over to the card's side by the start bit, and may not be written again before that is
 * clear. The controller sends CMD12 by itself. The interrupt acknowledges what is reported, notes it and wakes the
 * card's thread, which decides.
 */
#include "drivers/sd/dw_mmc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arch/clock.h"
#include "arch/io.h"
#include "kernel/log.h"
#include "kernel/time.h"

#define CMD_ANSWER (1u << 6)
#define CMD_LONG (1u << 7)
#define CMD_CRC (1u << 8)
#define CMD_DATA (1u << 9)
#define CMD_WRITE (1u << 10)
#define CMD_AUTO_STOP (1u << 12)
#define CMD_WAIT (1u << 13) // for the data before it
#define CMD_STOP (1u << 14)
#define CMD_INITIALISE (1u << 15) // 80 clocks first
#define CMD_CLOCK (1u << 21)	  // no command: the clock registers are handed over
#define CMD_HOLD (1u << 29)
#define CMD_START (1u << 31)

#define VERID_FIFO_MOVED 0x240a
#define HCON_WIDTH(hcon) ((hcon) >> 7 & 7u)
#define HCON_WIDTH_32 1u
#define HCON_DMA(hcon) ((hcon) >> 16 & 3u)
#define HCON_DMA_INTERNAL 0u
#define HCON_64 (1u << 27)
#define FIFOTH_RX(fifoth) ((fifoth) >> 16 & 0xfffu)
#define CTYPE_4 1u
#define CTYPE_8 (1u << 16)
#define DIVIDER_MAX 255u
#define FIFO_WORDS_MIN 8u
#define FIFO_WORDS_MAX 4096u

#define COMMAND_ERRORS (DW_INT_RESPONSE | DW_INT_RESPONSE_CRC | DW_INT_NO_RESPONSE | DW_INT_LOCKED)
#define DATA_ERRORS (DW_INT_DATA_CRC | DW_INT_NO_DATA | DW_INT_STARVED | DW_INT_FIFO | DW_INT_END_BIT)
#define DMA_ERRORS (DW_DMA_BUS_ERROR | DW_DMA_NO_DESCRIPTOR)
#define BUSY_STEP_MIN (NSEC_PER_MSEC / 20)
#define BUSY_STEP_MAX NSEC_PER_MSEC

static struct dw_mmc *dw_of(struct sd_host *host)
{
	return host->driver;
}

/* ---- what the controller reports ---- */

static void take_status(struct dw_mmc *d)
{
	unsigned long flags = spin_lock(&d->host.lock);
	const uint32_t status = io_read32(d->regs, DW_RINTSTS);

	io_write32(d->regs, DW_RINTSTS, status & DW_INT_WANTED);
	d->noted |= status & DW_INT_WANTED;
	if (d->has_dma) {
		const uint32_t dma = io_read32(d->regs, d->dma_status);

		io_write32(d->regs, d->dma_status, dma & DW_DMA_WANTED);
		d->dma_noted |= dma;
	}
	if (d->data && d->noted & (COMMAND_ERRORS | DATA_ERRORS))
		dw_words_end_locked(d); // the card may go on, and would ask for ever
	else if (d->data && status & (d->data->write ? DW_INT_TX : DW_INT_RX | DW_INT_DATA))
		dw_words_move_locked(d);
	waitq_wake_all(&d->host.waitq);
	spin_unlock(&d->host.lock, flags);
}

void dw_mmc_irq(void *d)
{
	take_status(d);
}

static void dw_poll(struct sd_host *host)
{
	take_status(dw_of(host));
}

void dw_mmc_slot_changed(void *dw)
{
	struct dw_mmc *d = dw;
	unsigned long flags = spin_lock(&d->host.lock);

	d->gone |= sd_pins_empty(&d->pins);
	waitq_wake_all(&d->host.waitq);
	spin_unlock(&d->host.lock, flags);
	sd_host_card_changed(&d->host);
}

static bool failed_locked(const struct dw_mmc *d)
{
	return d->gone || d->noted & (COMMAND_ERRORS | DATA_ERRORS) || d->dma_noted & DMA_ERRORS;
}

static bool command_done(struct sd_host *host)
{
	return failed_locked(dw_of(host)) || dw_of(host)->noted & DW_INT_COMMAND;
}

/* DMA has written, or read, everything, and the card too. */
static bool data_done(struct sd_host *host)
{
	const struct dw_mmc *d = dw_of(host);

	return failed_locked(d) ||
	       (d->noted & DW_INT_DATA && (host->transfer == SD_DMA ? d->dma_noted & DW_DMA_DONE : !d->data));
}

static bool stop_done(struct sd_host *host)
{
	return failed_locked(dw_of(host)) || dw_of(host)->noted & DW_INT_STOP;
}

static int noted_error(struct dw_mmc *d)
{
	unsigned long flags = spin_lock(&d->host.lock);
	const uint32_t noted = d->noted, dma = d->dma_noted;
	const bool gone = d->gone;

	spin_unlock(&d->host.lock, flags);
	if (gone)
		return -ENODEV;
	if (noted & (DW_INT_LOCKED | DW_INT_STARVED | DW_INT_FIFO) || dma & DMA_ERRORS)
		return -EIO;
	if (noted & (DW_INT_NO_RESPONSE | DW_INT_NO_DATA))
		return -ETIMEDOUT;
	return noted & (COMMAND_ERRORS | DATA_ERRORS) ? -EILSEQ : 0;
}

static int wait_for(struct dw_mmc *d, bool (*done)(struct sd_host *host), nsec_t deadline)
{
	const int error = sd_host_wait(&d->host, done, deadline), noted = noted_error(d);

	return noted ? noted : error;
}

/* The end of busy is not reported by all versions: it is looked for, less and less often. */
static int wait_busy(struct dw_mmc *d, nsec_t deadline)
{
	nsec_t step = BUSY_STEP_MIN;

	while (io_read32(d->regs, DW_STATUS) & DW_STATUS_BUSY) {
		const nsec_t now = clock_now();

		if (now >= deadline)
			return -ETIMEDOUT;
		sd_host_sleep(&d->host, min_of(deadline, now + step));
		step = min_of(2 * step, (nsec_t)BUSY_STEP_MAX);
	}
	return 0;
}

/* ---- the bus ---- */

/* Hands the clock registers over, behind the last data; a card that is busy would hold it up. */
static int update_clock(struct dw_mmc *d)
{
	const uint32_t wait = io_read32(d->regs, DW_STATUS) & DW_STATUS_BUSY ? 0 : CMD_WAIT;

	io_write32(d->regs, DW_CMD, CMD_START | CMD_HOLD | CMD_CLOCK | wait);
	return dw_wait_clear(d, DW_CMD, CMD_START) ? 0 : -EIO;
}

static uint32_t divider(const struct dw_mmc *d, uint32_t clock)
{
	return d->ciu <= clock ? 0 : (d->ciu + 2 * clock - 1) / (2 * clock);
}

/* A divider changes while the card's clock stands still. */
static int set_clock(struct dw_mmc *d, uint32_t clock)
{
	const uint32_t n = clock ? divider(d, clock) : 0;
	int error;

	if (n > DIVIDER_MAX)
		return -EOPNOTSUPP;
	io_write32(d->regs, DW_CLKENA, 0);
	error = update_clock(d);
	if (error || !clock)
		return error;
	io_write32(d->regs, DW_CLKSRC, 0);
	io_write32(d->regs, DW_CLKDIV, n);
	error = update_clock(d);
	if (error)
		return error;
	io_write32(d->regs, DW_CLKENA, 1);
	return update_clock(d);
}

static int dw_configure(struct sd_host *host, const struct sd_ios *ios)
{
	struct dw_mmc *d = dw_of(host);

	if (!(ios->width & host->widths) || (ios->timing == SD_HIGH_SPEED && !host->high_speed))
		return -EOPNOTSUPP;
	d->ios = *ios;
	io_write32(d->regs, DW_PWREN, ios->power);
	io_write32(d->regs, DW_CTYPE, ios->width == 8 ? CTYPE_8 : ios->width == 4 ? CTYPE_4 : 0);
	return set_clock(d, min_of(ios->clock, host->clock_max));
}

/* The card's side forgets its clock; the registers have kept it. */
static int dw_reset(struct sd_host *host)
{
	struct dw_mmc *d = dw_of(host);
	unsigned long flags;

	io_write32(d->regs, DW_CTRL, DW_CTRL_RESET);
	if (!dw_wait_clear(d, DW_CTRL, DW_CTRL_RESET))
		return -EIO;
	if (d->has_dma) {
		io_write32(d->regs, DW_BMOD, DW_BMOD_RESET);
		io_write32(d->regs, d->dma_enable, 0);
		io_write32(d->regs, d->dma_status, DW_DMA_WANTED);
	}
	io_write32(d->regs, DW_RINTSTS, UINT32_MAX);
	flags = spin_lock(&host->lock);
	d->data = NULL;
	spin_unlock(&host->lock, flags);
	io_write32(d->regs, DW_TMOUT, UINT32_MAX); // the longest
	io_write32(d->regs, DW_INTMASK, host->transfer == SD_POLLED ? 0 : DW_INT_WANTED);
	io_write32(d->regs, DW_CTRL, host->transfer == SD_POLLED ? 0 : DW_CTRL_INT);
	return d->ios.clock ? update_clock(d) : 0;
}

static unsigned dw_state(struct sd_host *host)
{
	return sd_pins_state(&dw_of(host)->pins);
}

/* ---- commands ---- */

static uint32_t command_word(const struct sd_command *cmd)
{
	static const uint32_t answers[] = {[SD_NONE] = 0,
					   [SD_R1] = CMD_ANSWER | CMD_CRC,
					   [SD_R1B] = CMD_ANSWER | CMD_CRC,
					   [SD_R2] = CMD_ANSWER | CMD_LONG | CMD_CRC,
					   [SD_R3] = CMD_ANSWER,
					   [SD_R6] = CMD_ANSWER | CMD_CRC,
					   [SD_R7] = CMD_ANSWER | CMD_CRC};
	uint32_t word = CMD_START | CMD_HOLD | answers[cmd->answer] | cmd->index;

	if (cmd->index == 12)
		return word | CMD_STOP;
	if (cmd->index == 0)
		word |= CMD_INITIALISE;
	else if (cmd->index != 13)
		word |= CMD_WAIT;
	if (cmd->data)
		word |= CMD_DATA | (cmd->data->write ? CMD_WRITE : 0) | (cmd->data->stop ? CMD_AUTO_STOP : 0);
	return word;
}

static void read_answer(struct dw_mmc *d, struct sd_command *cmd)
{
	if (cmd->answer != SD_R2) {
		cmd->response[0] = io_read32(d->regs, DW_RESP);
		return;
	}
	for (uint32_t i = 0; i < 4; i++)
		cmd->response[i] = io_read32(d->regs, DW_RESP + 4 * (3 - i));
	cmd->response[3] &= ~0xffu;
}

/* A start bit that did not come is told where busy's end is, by the same bit: of reads it is an error. */
static int read_start_error(struct dw_mmc *d, const struct sd_data *data)
{
	unsigned long flags = spin_lock(&d->host.lock);
	const uint32_t noted = d->noted;

	spin_unlock(&d->host.lock, flags);
	return !data->write && noted & DW_INT_START_BIT ? -EILSEQ : 0;
}

static int finish_data(struct dw_mmc *d, struct sd_command *cmd, nsec_t deadline)
{
	const struct sd_data *data = cmd->data;
	int error = wait_for(d, data_done, deadline);

	if (!error)
		error = read_start_error(d, data);
	dw_data_end(d);
	if (!error && d->host.transfer != SD_DMA)
		cmd->cpu_bytes = data->blocks * data->block_size;
	if (!error && data->stop) {
		error = wait_for(d, stop_done, deadline);
		cmd->stop_response = io_read32(d->regs, DW_RESP + 4);
	}
	return !error && data->write ? wait_busy(d, deadline) : error;
}

static void forget(struct dw_mmc *d)
{
	unsigned long flags = spin_lock(&d->host.lock);

	d->noted = d->dma_noted = 0;
	d->gone = sd_pins_empty(&d->pins);
	spin_unlock(&d->host.lock, flags);
}

static int send(struct dw_mmc *d, struct sd_command *cmd, nsec_t deadline)
{
	const uint32_t word = command_word(cmd);
	int error = word & CMD_WAIT ? wait_busy(d, deadline) : 0;

	if (error)
		return error;
	io_write32(d->regs, DW_RINTSTS, UINT32_MAX);
	forget(d);
	error = noted_error(d);
	if (!error && cmd->data)
		error = dw_data_begin(d, cmd->data);
	if (error)
		return error;
	io_write32(d->regs, DW_CMDARG, cmd->arg);
	io_write32(d->regs, DW_CMD, word);
	return wait_for(d, command_done, deadline);
}

static int dw_execute(struct sd_host *host, struct sd_command *cmd)
{
	struct dw_mmc *d = dw_of(host);
	const nsec_t deadline = clock_now() + cmd->limit;
	int error = send(d, cmd, deadline);

	if (!error) {
		read_answer(d, cmd);
		if (cmd->data)
			error = finish_data(d, cmd, deadline);
		else if (cmd->answer == SD_R1B)
			error = wait_busy(d, deadline);
	} else if (cmd->data) {
		dw_data_end(d);
	}
	/* A command that was answered wrongly or not at all has ended; one that was not even sent is taken back. */
	if (error && !cmd->data && io_read32(d->regs, DW_CMD) & CMD_START && dw_reset(host))
		return -EIO;
	return error;
}

static const struct sd_host_ops dw_ops = {
    .execute = dw_execute, .configure = dw_configure, .reset = dw_reset, .state = dw_state, .poll = dw_poll};

/* ---- start ---- */

static int read_features(struct dw_mmc *d)
{
	const uint32_t hcon = io_read32(d->regs, DW_HCON), verid = io_read32(d->regs, DW_VERID);
	struct sd_host *host = &d->host;

	snprintf(host->registers, SD_REGISTERS_SIZE, "DW MSHC, HCON %08x VERID %08x, card clock %u Hz", (unsigned)hcon,
		 (unsigned)verid, (unsigned)d->ciu);
	if (HCON_WIDTH(hcon) != HCON_WIDTH_32) {
		log_error("%s: the FIFO is %u bits wide, this driver moves words of 32: it cannot be used", d->name,
			  16u << HCON_WIDTH(hcon));
		return -EINVAL;
	}
	d->fifo = (verid & 0xffff) < VERID_FIFO_MOVED ? 0x100 : 0x200;
	if (!d->fifo_words)
		d->fifo_words = FIFOTH_RX(io_read32(d->regs, DW_FIFOTH)) + 1;
	if (d->fifo_words < FIFO_WORDS_MIN || d->fifo_words > FIFO_WORDS_MAX) {
		log_error("%s: a FIFO of %u words: it cannot be used", d->name, (unsigned)d->fifo_words);
		return -EINVAL;
	}
	d->wide_dma = hcon & HCON_64;
	d->dma_status = DW_DBADDR + (d->wide_dma ? 8 : 4);
	d->dma_enable = d->dma_status + 4;
	d->has_dma = HCON_DMA(hcon) == HCON_DMA_INTERNAL;
	snprintf(host->registers + strlen(host->registers), SD_REGISTERS_SIZE - strlen(host->registers),
		 ", FIFO of %u words", (unsigned)d->fifo_words);
	host->transfer = d->has_irq ? sd_transfer_wanted() : SD_POLLED;
	if (host->transfer == SD_DMA && !d->has_dma)
		host->transfer = SD_PIO;
	host->reach = host->transfer != SD_DMA || d->wide_dma ? 0 : UINT32_MAX;
	return host->transfer == SD_DMA ? dw_dma_init(d) : 0;
}

int dw_mmc_init(struct dw_mmc *d)
{
	struct sd_host *host = &d->host;
	int error;

	host->name = d->name;
	host->ops = &dw_ops;
	host->driver = d;
	host->clock_max = min_of(host->clock_max, d->ciu);
	host->max_blocks = DW_MAX_BLOCKS;
	host->max_segments = BLK_SEGMENTS_MAX;
	sd_host_init(host);
	error = read_features(d);
	if (error)
		return error;
	error = dw_reset(host);
	if (error)
		log_error("%s: the controller does not come out of its reset", d->name);
	return error;
}

int dw_mmc_add(struct dw_mmc *d)
{
	return sd_host_add(&d->host);
}
