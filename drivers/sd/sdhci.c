// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * SDHCI: see the header. Data moves by ADMA2, a descriptor a segment, straight between card and frames; or by the CPU
 * through the buffer port. The controller sends CMD12 by itself. The interrupt acknowledges what is reported, notes it
 * and wakes the card's thread, which decides. Sections named are those of the Host Controller specification.
 */
#include "drivers/sd/sdhci.h"

#include <errno.h>
#include <stdio.h>

#include "arch/barrier.h"
#include "arch/clock.h"
#include "arch/io.h"
#include "arch/page.h"
#include "drivers/wired.h"
#include "kernel/log.h"
#include "kernel/time.h"

enum {
	REG_BLOCK = 0x04, // size; count above
	REG_ARGUMENT = 0x08,
	REG_COMMAND = 0x0c, // mode; command above
	REG_RESPONSE = 0x10,
	REG_BUFFER = 0x20,
	REG_STATE = 0x24,
	REG_CONTROL = 0x28,
	REG_POWER = 0x29,
	REG_CLOCK = 0x2c,
	REG_TIMEOUT = 0x2e,
	REG_RESET = 0x2f,
	REG_STATUS = 0x30, // errors above
	REG_STATUS_ENABLE = 0x34,
	REG_SIGNAL_ENABLE = 0x38,
	REG_AUTO_ERROR = 0x3c,
	REG_CAPABILITIES = 0x40,
	REG_ADMA = 0x58,
	REG_VERSION = 0xfe,
};
enum { MODE_DMA = 1, MODE_COUNT = 2, MODE_AUTO12 = 4, MODE_READ = 16, MODE_MULTIPLE = 32 };
enum { CMD_LONG = 1, CMD_SHORT = 2, CMD_SHORT_BUSY = 3, CMD_CRC = 8, CMD_INDEX = 16, CMD_DATA = 32, CMD_ABORT = 0xc0 };
#define STATE_INHIBIT 1u
#define STATE_INHIBIT_DATA 2u
#define STATE_INSERTED (1u << 16)
#define STATE_STABLE (1u << 17)
#define STATE_WRITABLE (1u << 19)
#define STATE_DAT0 (1u << 20)
enum { CONTROL_4 = 2, CONTROL_HIGH_SPEED = 4, CONTROL_ADMA32 = 16, CONTROL_ADMA64 = 24, CONTROL_8 = 32 };
enum { CLOCK_INTERNAL = 1, CLOCK_STABLE = 2, CLOCK_CARD = 4 };
enum { AUTO_TIMEOUT = 2 };
enum { RESET_ALL = 1, RESET_COMMAND = 2, RESET_DATA = 4 };
#define STATUS_COMMAND 1u
#define STATUS_TRANSFER 2u
#define STATUS_WRITE_READY 16u
#define STATUS_READ_READY 32u
#define STATUS_CARD_IN 64u
#define STATUS_CARD_OUT 128u
#define STATUS_ERROR (1u << 15)
#define STATUS_ERRORS 0xffff0000u
#define ERROR_COMMAND_TIMEOUT (1u << 16)
#define ERROR_CRC (7u << 17) // command's CRC, end bit, index
#define ERROR_DATA_TIMEOUT (1u << 20)
#define ERROR_DATA_CRC (3u << 21)
#define ERROR_AUTO12 (1u << 24)
#define STATUS_WANTED                                                                                                  \
	(STATUS_COMMAND | STATUS_TRANSFER | STATUS_WRITE_READY | STATUS_READ_READY | STATUS_CARD_IN |                  \
	 STATUS_CARD_OUT | 0x03ff0000u)
#define CAP_BASE_CLOCK(caps, version3) (((caps) >> 8) & ((version3) ? 0xffu : 0x3fu))
#define CAP_8_LINES (1u << 18)
#define CAP_ADMA2 (1u << 19)
#define CAP_HIGH_SPEED (1u << 21)
#define CAP_3V3 (1u << 24)
#define CAP_64 (1u << 28)
#define CAP_SOLDERED (1u << 30) // of two bits
enum { ADMA_VALID = 1, ADMA_END = 2, ADMA_TRANSFER = 0x20 };

#define MAX_SEGMENT 32768u // bytes of a descriptor; the field has 16 bits
#define IRQ_LOOKS 16
#define BUSY_STEP NSEC_PER_MSEC
#define REGISTER_LIMIT (100 * NSEC_PER_MSEC)

static struct sdhci *sdhci_of(struct sd_host *host)
{
	return host->driver;
}

static bool wait_clear(struct sdhci *s, size_t off, uint32_t bits)
{
	const nsec_t deadline = clock_now() + REGISTER_LIMIT;

	while (io_read32(s->regs, off) & bits)
		if (clock_now() >= deadline)
			return false;
	return true;
}

static int reset_one(struct sdhci *s, uint8_t what)
{
	io_write8(s->regs, REG_RESET, what);
	return wait_clear(s, REG_CLOCK, (uint32_t)what << 24) ? 0 : -EIO;
}

/* One after the other: QEMU's takes two bits at once for none. */
static int reset_lines(struct sdhci *s)
{
	const int error = reset_one(s, RESET_COMMAND);

	return error ? error : reset_one(s, RESET_DATA);
}

/* ---- what the controller reports ---- */

/* False: there was nothing. */
static bool take_status(struct sdhci *s)
{
	unsigned long flags = spin_lock(&s->host.lock);
	uint32_t status = io_read32(s->regs, REG_STATUS);

	if (status == UINT32_MAX) // it is not there any more
		status = 0;
	if (status & STATUS_WANTED) {
		io_write32(s->regs, REG_STATUS, status & STATUS_WANTED);
		s->noted |= status;
		waitq_wake_all(&s->host.waitq);
	}
	spin_unlock(&s->host.lock, flags);
	if (status & (STATUS_CARD_IN | STATUS_CARD_OUT))
		sd_host_card_changed(&s->host);
	return status & STATUS_WANTED;
}

/*
 * Until nothing is left: what comes between the look and the acknowledgement keeps the line high, and not every
 * interrupt controller looks at a line again that has not been low (QEMU's PLIC does not). Nothing at all: another
 * device's.
 */
void sdhci_irq(void *arg)
{
	for (unsigned looks = 0; looks < IRQ_LOOKS && take_status(arg); looks++)
		continue;
}

static void sdhci_poll(struct sd_host *host)
{
	(void)take_status(sdhci_of(host));
}

static bool command_done(struct sd_host *host)
{
	return sdhci_of(host)->noted & (STATUS_COMMAND | STATUS_ERROR | STATUS_ERRORS);
}

static bool transfer_done(struct sd_host *host)
{
	return sdhci_of(host)->noted & (STATUS_TRANSFER | STATUS_ERROR | STATUS_ERRORS);
}

static bool read_ready(struct sd_host *host)
{
	return sdhci_of(host)->noted & (STATUS_READ_READY | STATUS_ERROR | STATUS_ERRORS);
}

static bool write_ready(struct sd_host *host)
{
	return sdhci_of(host)->noted & (STATUS_WRITE_READY | STATUS_ERROR | STATUS_ERRORS);
}

static uint32_t take_noted(struct sdhci *s, uint32_t bits)
{
	unsigned long flags = spin_lock(&s->host.lock);
	const uint32_t noted = s->noted;

	s->noted &= ~bits;
	spin_unlock(&s->host.lock, flags);
	return noted;
}

/* Error bits come first: some controllers set COMMAND beside them. Section 2.2.18. */
static int noted_error(struct sdhci *s)
{
	uint32_t noted = take_noted(s, 0);

	/* What has been transferred was not too late. Section 2.2.17. */
	if (noted & STATUS_TRANSFER)
		noted &= ~ERROR_DATA_TIMEOUT;
	if (!(noted & STATUS_ERRORS))
		return 0;
	if ((noted & ERROR_AUTO12) && (io_read16(s->regs, REG_AUTO_ERROR) & AUTO_TIMEOUT))
		return -ETIMEDOUT;
	if (noted & (ERROR_COMMAND_TIMEOUT | ERROR_DATA_TIMEOUT))
		return -ETIMEDOUT;
	if (noted & (ERROR_CRC | ERROR_DATA_CRC | ERROR_AUTO12))
		return -EILSEQ;
	return -EIO;
}

static int wait_for(struct sdhci *s, bool (*done)(struct sd_host *host), nsec_t deadline)
{
	const int error = sd_host_wait(&s->host, done, deadline), noted = noted_error(s);

	return noted ? noted : error;
}

/* ---- data ---- */

static void build_table(struct sdhci *s, const struct sd_data *data)
{
	const uint32_t step = s->wide_dma ? 3 : 2;
	uint32_t *d = s->table;

	for (uint32_t i = 0; i < data->segment_count; i++, d += step) {
		const bool last = i + 1 == data->segment_count;

		d[0] = data->segments[i].len << 16 | ADMA_TRANSFER | ADMA_VALID | (last ? ADMA_END : 0);
		d[1] = (uint32_t)data->segments[i].pa;
		if (s->wide_dma)
			d[2] = (uint32_t)(data->segments[i].pa >> 32);
	}
	dma_wmb(); // descriptors before the command register's write, which the controller reads them after
	io_write32(s->regs, REG_ADMA, (uint32_t)va_to_pa(s->table));
	if (s->wide_dma)
		io_write32(s->regs, REG_ADMA + 4, (uint32_t)((uint64_t)va_to_pa(s->table) >> 32));
}

static void port_block(struct sdhci *s, bool write, char *at, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i += 4) {
		uint32_t word;

		if (write) {
			__builtin_memcpy(&word, at + i, 4);
			io_write32(s->regs, REG_BUFFER, word);
		} else {
			word = io_read32(s->regs, REG_BUFFER);
			__builtin_memcpy(at + i, &word, 4);
		}
	}
}

static int port_transfer(struct sdhci *s, const struct sd_data *data, nsec_t deadline)
{
	uint32_t segment = 0, offset = 0;

	for (uint32_t i = 0; i < data->blocks; i++) {
		int error = wait_for(s, data->write ? write_ready : read_ready, deadline);

		if (error)
			return error;
		(void)take_noted(s, STATUS_READ_READY | STATUS_WRITE_READY);
		if (offset == data->segments[segment].len) {
			segment++;
			offset = 0;
		}
		port_block(s, data->write, (char *)pa_to_va(data->segments[segment].pa) + offset, data->block_size);
		offset += data->block_size;
	}
	return 0;
}

static uint32_t begin_data(struct sdhci *s, const struct sd_data *data)
{
	uint32_t mode = (data->write ? 0 : MODE_READ) | (data->blocks > 1 ? MODE_MULTIPLE | MODE_COUNT : 0) |
			(data->stop ? MODE_AUTO12 : 0);

	io_write32(s->regs, REG_BLOCK, data->blocks << 16 | data->block_size);
	if (s->host.transfer == SD_DMA) {
		build_table(s, data);
		mode |= MODE_DMA;
	}
	return mode;
}

/* ---- commands ---- */

static uint32_t command_word(const struct sd_command *cmd)
{
	static const uint8_t flags[] = {[SD_NONE] = 0,
					[SD_R1] = CMD_SHORT | CMD_CRC | CMD_INDEX,
					[SD_R1B] = CMD_SHORT_BUSY | CMD_CRC | CMD_INDEX,
					[SD_R2] = CMD_LONG | CMD_CRC,
					[SD_R3] = CMD_SHORT,
					[SD_R6] = CMD_SHORT | CMD_CRC | CMD_INDEX,
					[SD_R7] = CMD_SHORT | CMD_CRC | CMD_INDEX};

	return (uint32_t)cmd->index << 8 | flags[cmd->answer] | (cmd->data ? CMD_DATA : 0) |
	       (cmd->index == 12 ? CMD_ABORT : 0);
}

/* The controller leaves out the last byte, which has the CRC. */
static void read_answer(struct sdhci *s, struct sd_command *cmd)
{
	uint32_t word[4];

	if (cmd->answer != SD_R2) {
		cmd->response[0] = io_read32(s->regs, REG_RESPONSE);
		return;
	}
	for (unsigned i = 0; i < 4; i++)
		word[i] = io_read32(s->regs, REG_RESPONSE + 4 * i);
	for (unsigned i = 0; i < 4; i++)
		cmd->response[i] = word[3 - i] << 8 | (i < 3 ? word[2 - i] >> 24 : 0);
}

static int finish_data(struct sdhci *s, struct sd_command *cmd, nsec_t deadline)
{
	const struct sd_data *data = cmd->data;
	const bool dma = s->host.transfer == SD_DMA;
	int error = dma ? 0 : port_transfer(s, data, deadline);

	if (!error)
		error = wait_for(s, transfer_done, deadline);
	if (error)
		return error;
	if (dma)
		dma_rmb(); // TRANSFER before the data: pairs with the controller, which writes the data first
	else
		cmd->cpu_bytes = data->blocks * data->block_size;
	if (data->stop)
		cmd->stop_response = io_read32(s->regs, REG_RESPONSE + 12);
	return 0;
}

static bool not_busy(struct sd_host *host)
{
	return io_read32(sdhci_of(host)->regs, REG_STATE) & STATE_DAT0;
}

/* The controller's own time-out is shorter than cards may be busy: from then on the line is looked at. */
static int wait_busy(struct sdhci *s, nsec_t deadline)
{
	int error = wait_for(s, transfer_done, deadline);

	if (error != -ETIMEDOUT || !(take_noted(s, 0) & ERROR_DATA_TIMEOUT))
		return error;
	if (reset_one(s, RESET_DATA))
		return -EIO;
	while (!not_busy(&s->host)) {
		if (clock_now() >= deadline)
			return -ETIMEDOUT;
		(void)sd_host_wait(&s->host, not_busy, min_of(deadline, clock_now() + BUSY_STEP));
	}
	return 0;
}

static bool uses_data_line(const struct sd_command *cmd)
{
	return cmd->data || (cmd->answer == SD_R1B && cmd->index != 12);
}

static int sdhci_execute(struct sd_host *host, struct sd_command *cmd)
{
	struct sdhci *s = sdhci_of(host);
	const nsec_t deadline = clock_now() + cmd->limit;
	uint32_t mode = 0;
	int error;

	if (!wait_clear(s, REG_STATE, STATE_INHIBIT | (uses_data_line(cmd) ? STATE_INHIBIT_DATA : 0)))
		return -EIO;
	(void)take_noted(s, UINT32_MAX);
	if (cmd->data)
		mode = begin_data(s, cmd->data);
	io_write32(s->regs, REG_ARGUMENT, cmd->arg);
	io_write32(s->regs, REG_COMMAND, command_word(cmd) << 16 | mode);
	error = wait_for(s, command_done, deadline);
	if (!error) {
		read_answer(s, cmd);
		if (cmd->data)
			error = finish_data(s, cmd, deadline);
		else if (cmd->answer == SD_R1B)
			error = wait_busy(s, deadline);
	}
	/* After a command alone the lines are made ready here; after one with data by who resets. Section 3.10.1. */
	if (error && !cmd->data && reset_lines(s))
		return -EIO;
	return error;
}

static int sdhci_reset(struct sd_host *host)
{
	return reset_lines(sdhci_of(host));
}

/* ---- the bus ---- */

/* The divider's field for at most `clock`. Version 2: powers of two; 3: any even number. Section 2.2.14. */
static uint16_t divider(const struct sdhci *s, uint32_t clock)
{
	uint32_t n = 0;

	if (s->base_clock <= clock)
		return 0;
	if (s->version3) {
		n = (s->base_clock + 2 * clock - 1) / (2 * clock);
		n = min_of(n, 1023u);
	} else {
		for (n = 1; n < 128 && s->base_clock / (2 * n) > clock; n *= 2)
			continue;
	}
	return (uint16_t)((n & 0xff) << 8 | (n >> 8 & 3) << 6);
}

static int set_clock(struct sdhci *s, uint32_t clock)
{
	const nsec_t deadline = clock_now() + REGISTER_LIMIT;
	uint16_t value;

	io_write16(s->regs, REG_CLOCK, io_read16(s->regs, REG_CLOCK) & (uint16_t)~CLOCK_CARD);
	if (!clock)
		return 0;
	value = divider(s, clock) | CLOCK_INTERNAL;
	io_write16(s->regs, REG_CLOCK, value);
	while (!(io_read16(s->regs, REG_CLOCK) & CLOCK_STABLE))
		if (clock_now() >= deadline)
			return -EIO;
	io_write16(s->regs, REG_CLOCK, value | CLOCK_CARD);
	return 0;
}

static int sdhci_configure(struct sd_host *host, const struct sd_ios *ios)
{
	struct sdhci *s = sdhci_of(host);
	/* Also while the CPU moves the words: the way may be chosen anew before the bus is set again. */
	uint8_t control = !s->adma ? 0 : s->wide_dma ? CONTROL_ADMA64 : CONTROL_ADMA32;

	if (!(ios->width & host->widths))
		return -EOPNOTSUPP;
	control |= ios->width == 4 ? CONTROL_4 : ios->width == 8 ? CONTROL_8 : 0;
	control |= ios->timing == SD_HIGH_SPEED ? CONTROL_HIGH_SPEED : 0;
	io_write8(s->regs, REG_POWER, ios->power ? 0x0f : 0); // 3.3 V
	io_write8(s->regs, REG_CONTROL, control);
	io_write8(s->regs, REG_TIMEOUT, 0xe); // the longest
	return set_clock(s, min_of(ios->clock, host->clock_max));
}

static unsigned sdhci_state(struct sd_host *host)
{
	const struct sdhci *s = sdhci_of(host);
	const uint32_t state = io_read32(s->regs, REG_STATE);
	unsigned known = 0;

	if (!s->soldered && (state & STATE_STABLE))
		known = SD_STATE_KNOWN | (state & STATE_INSERTED ? SD_STATE_PRESENT : 0) |
			(state & STATE_WRITABLE || s->no_lock ? 0 : SD_STATE_LOCKED);
	return known;
}

static const struct sd_host_ops sdhci_ops = {.execute = sdhci_execute,
					     .configure = sdhci_configure,
					     .reset = sdhci_reset,
					     .state = sdhci_state,
					     .poll = sdhci_poll};

/* ---- start ---- */

static int read_capabilities(struct sdhci *s)
{
	const uint32_t caps = io_read32(s->regs, REG_CAPABILITIES);
	const uint32_t clock = CAP_BASE_CLOCK(caps, s->version3) * 1000000u;
	struct sd_host *host = &s->host;

	snprintf(host->registers, SD_REGISTERS_SIZE, "SDHCI %s, capabilities %08x %08x, base clock %u Hz",
		 s->version3 ? "3.0" : "2.0", (unsigned)caps, (unsigned)io_read32(s->regs, REG_CAPABILITIES + 4),
		 (unsigned)clock);
	if (!(caps & CAP_3V3)) {
		log_error("%s: the controller has no 3.3 V: it cannot be used", s->name);
		return -EINVAL;
	}
	s->base_clock = host->clock_max = clock;
	if (!clock) {
		log_error("%s: the controller does not tell its clock", s->name);
		return -EINVAL;
	}
	s->soldered |= (caps >> 30) == CAP_SOLDERED >> 30;
	host->transfer = sd_transfer_wanted();
	if (host->transfer == SD_DMA && !(caps & CAP_ADMA2))
		host->transfer = SD_PIO;
	s->adma = host->transfer == SD_DMA;
	s->wide_dma = s->version3 && (caps & CAP_64);
	host->reach = s->wide_dma || host->transfer != SD_DMA ? 0 : UINT32_MAX;
	host->high_speed = caps & CAP_HIGH_SPEED;
	host->widths = 1 | 4 | (caps & CAP_8_LINES && s->soldered ? 8 : 0);
	return 0;
}

int sdhci_init(struct sdhci *s)
{
	int error;

	s->host = (struct sd_host){.name = s->name,
				   .ops = &sdhci_ops,
				   .driver = s,
				   .max_blocks = 65535,
				   .max_segments = BLK_SEGMENTS_MAX,
				   .max_segment_bytes = MAX_SEGMENT};
	error = reset_one(s, RESET_ALL);
	if (error) {
		log_error("%s: the controller does not come out of its reset", s->name);
		return error;
	}
	s->version3 = (io_read16(s->regs, REG_VERSION) & 0xff) >= 2;
	error = read_capabilities(s);
	if (error)
		return error;
	s->host.removable = !s->soldered;
	s->host.tells = s->host.removable && s->host.transfer != SD_POLLED;
	if (s->host.reach)
		error = frame_limit_reach(s->host.reach); // for the table; the data's is the block layer's matter
	if (error)
		return error;
	s->table = wired_alloc((size_t)BLK_SEGMENTS_MAX * 3 * sizeof(uint32_t));
	if (!s->table)
		return -ENOMEM;
	sd_host_init(&s->host);
	io_write32(s->regs, REG_SIGNAL_ENABLE, 0);
	io_write32(s->regs, REG_STATUS_ENABLE, STATUS_WANTED);
	io_write32(s->regs, REG_STATUS, UINT32_MAX);
	return 0;
}

int sdhci_add(struct sdhci *s)
{
	io_write32(s->regs, REG_SIGNAL_ENABLE, s->host.transfer == SD_POLLED ? 0 : STATUS_WANTED);
	return sd_host_add(&s->host);
}
