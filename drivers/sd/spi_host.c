// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * An SD card in SPI mode (SD Physical Layer Simplified Specification 6.00, chapter 7) behind a SiFive SPI controller,
 * as a host of drivers/sd: answers, tokens, busy and both checksums are this file's. Long transfers are moved by the
 * interrupt; a few bytes are waited for. What comes after an answer is read eight bytes at a time and kept until it is
 * asked for, which never goes beyond the end of a block, since a command may follow there.
 *
 * sd_host.lock guards the controller. The card's thread, which sleeps in sd_host_wait.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arch/clock.h"
#include "arch/page.h"
#include "drivers/irq.h"
#include "drivers/sd/pins.h"
#include "drivers/spi/sifive.h"
#include "drivers/wired.h"
#include "kernel/time.h"
#include "lib/crc16.h"

#define IDLE_CLOCKS 10 // bytes: 80 clocks before the first command
#define ANSWER_BYTES 16
#define PATIENCE 32		 // looks at eight bytes before it sleeps between them
#define NAP (NSEC_PER_MSEC / 10) // grows to NAP_MAX
#define NAP_MAX (5 * NSEC_PER_MSEC)
#define CLOCK_MAX 20000000

enum { TOKEN_BLOCK = 0xfe, TOKEN_MULTIPLE = 0xfc, TOKEN_STOP = 0xfd, TOKEN_ERRORS = 0x20 };
enum { R1_IDLE = 1, R1_ILLEGAL = 4, R1_CRC = 8, R1_SEQUENCE = 16, R1_ADDRESS = 32, R1_PARAMETER = 64 };
enum { ACCEPTED = 5, REJECTED = 13, RESPONSE_BITS = 31 };
enum { CMD_STOP = 12, CMD_STATUS = 13, CMD_WRITE_MULTIPLE = 25 };

struct spi_host {
	struct sd_host host;
	struct sifive_spi spi; // guarded by host.lock
	bool ended;	       // the same: nothing is under way
	struct sd_pins pins;

	/* The card's thread's. */
	uint8_t ahead[8]; // read and not yet asked for
	unsigned at;
};

static struct spi_host *spi_of(struct sd_host *host)
{
	return host->driver;
}

/* ---- bytes ---- */

static void pump(struct spi_host *s)
{
	unsigned long flags = spin_lock(&s->host.lock);

	if (!s->ended && sifive_spi_pump(&s->spi)) {
		s->ended = true;
		waitq_wake_all(&s->host.waitq);
	}
	spin_unlock(&s->host.lock, flags);
}

static void spi_irq(void *arg)
{
	pump(arg);
}

static void spi_poll(struct sd_host *host)
{
	pump(spi_of(host));
}

static bool ended(struct sd_host *host)
{
	return spi_of(host)->ended;
}

/* out NULL: ones; in NULL: dropped. The bus always answers: time only runs out when the controller is gone. */
static int move(struct spi_host *s, const uint8_t *out, uint8_t *in, size_t len)
{
	const nsec_t deadline = clock_now() + NSEC_PER_SEC;
	unsigned long flags = spin_lock(&s->host.lock);

	s->ended = false;
	sifive_spi_begin(&s->spi, out, in, len);
	spin_unlock(&s->host.lock, flags);
	pump(s);
	if (len > SIFIVE_SPI_FIFO)
		return sd_host_wait(&s->host, ended, deadline) ? -EIO : 0;
	while (!ended(&s->host)) {
		if (clock_now() >= deadline)
			return -EIO;
		pump(s);
	}
	return 0;
}

static int next_byte(struct spi_host *s, uint8_t *byte)
{
	if (s->at == sizeof(s->ahead)) {
		int error = move(s, NULL, s->ahead, sizeof(s->ahead));

		if (error)
			return error;
		s->at = 0;
	}
	*byte = s->ahead[s->at++];
	return 0;
}

static int read_bytes(struct spi_host *s, uint8_t *to, size_t len)
{
	const size_t have = min_of(len, sizeof(s->ahead) - s->at);

	memcpy(to, s->ahead + s->at, have);
	s->at += (unsigned)have;
	return len > have ? move(s, NULL, to + have, len - have) : 0;
}

/* Sleeps between looks once that has gone on for a while. */
static int look_again(struct spi_host *s, unsigned *looks, nsec_t deadline)
{
	if (s->at < sizeof(s->ahead))
		return 0;
	if (sd_pins_empty(&s->pins))
		return -ENODEV; // nobody holds the line: it would be read as ones for ever
	if (clock_now() >= deadline)
		return -ETIMEDOUT;
	if (++*looks > PATIENCE)
		sd_host_sleep(&s->host, clock_now() + min_of((*looks - PATIENCE) * NAP / 4 + NAP, NAP_MAX));
	return 0;
}

static int wait_ready(struct spi_host *s, nsec_t deadline)
{
	unsigned looks = 0;
	uint8_t byte;

	for (;;) {
		int error = next_byte(s, &byte);

		if (error || byte == 0xff)
			return error;
		error = look_again(s, &looks, deadline);
		if (error)
			return error;
	}
}

/* ---- commands ---- */

static void deselect(struct spi_host *s)
{
	unsigned long flags = spin_lock(&s->host.lock);

	sifive_spi_select(&s->spi, false);
	spin_unlock(&s->host.lock, flags);
}

static int send_frame(struct spi_host *s, uint8_t index, uint32_t arg)
{
	uint8_t frame[6] = {(uint8_t)(0x40 | index), (uint8_t)(arg >> 24), (uint8_t)(arg >> 16), (uint8_t)(arg >> 8),
			    (uint8_t)arg};
	int error;

	frame[5] = (uint8_t)(crc7(0, frame, 5) << 1 | 1);
	error = move(s, frame, NULL, sizeof(frame));
	s->at = sizeof(s->ahead);
	if (!error && index == CMD_STOP) {
		uint8_t stuff;

		error = move(s, NULL, &stuff, 1);
	}
	return error;
}

static int read_r1(struct spi_host *s, uint8_t *r1)
{
	for (unsigned i = 0; i < ANSWER_BYTES; i++) {
		int error = next_byte(s, r1);

		if (error || !(*r1 & 0x80))
			return error;
	}
	return -ETIMEDOUT;
}

/* The same as a card's native status. */
static uint32_t native(uint8_t r1, uint8_t r2)
{
	static const uint8_t bits[8] = {25, 15, 19, 20, 21, 26, 27, 31};
	uint32_t status = r1 & R1_IDLE ? 0 : 4u << 9 | 1u << 8;

	status |=
	    (r1 & R1_SEQUENCE ? 1u << 28 : 0) | (r1 & R1_ADDRESS ? 1u << 30 : 0) | (r1 & R1_PARAMETER ? 1u << 31 : 0);
	for (unsigned i = 0; i < 8; i++)
		status |= r2 >> i & 1 ? 1u << bits[i] : 0;
	return status;
}

static int read_answer(struct spi_host *s, struct sd_command *cmd)
{
	uint8_t r1, rest[4] = {0};
	int error = read_r1(s, &r1);

	if (error)
		return error;
	if (r1 & R1_CRC)
		return -EILSEQ;
	if (r1 & R1_ILLEGAL)
		return -ETIMEDOUT; // a card that is not in SPI mode says nothing either
	if (cmd->answer == SD_R3 || cmd->answer == SD_R7) {
		error = read_bytes(s, rest, 4);
		cmd->response[0] = (uint32_t)rest[0] << 24 | (uint32_t)rest[1] << 16 | (uint32_t)rest[2] << 8 | rest[3];
		return error;
	}
	if (cmd->index == CMD_STATUS) // and the application command of that number
		error = read_bytes(s, rest, 1);
	cmd->response[0] = native(r1, rest[0]);
	return error;
}

/* ---- data ---- */

/* Bits 7 to 5 are zero, and one of the others says what happened. */
static bool is_error_token(uint8_t token)
{
	return token && token < TOKEN_ERRORS;
}

static int read_block(struct spi_host *s, uint8_t *to, uint32_t len, nsec_t deadline)
{
	unsigned looks = 0;
	uint8_t token, crc[2];
	int error;

	do {
		error = next_byte(s, &token);
		if (!error && token == 0xff)
			error = look_again(s, &looks, deadline);
	} while (!error && token == 0xff);
	if (error)
		return error;
	if (token != TOKEN_BLOCK)
		return is_error_token(token) ? -EIO : -EILSEQ; // nothing that a card says: damaged on the way
	error = read_bytes(s, to, len);
	if (!error)
		error = read_bytes(s, crc, sizeof(crc));
	return error ? error : crc16(0, to, len) == (crc[0] << 8 | crc[1]) ? 0 : -EILSEQ;
}

static int write_block(struct spi_host *s, const uint8_t *from, uint32_t len, bool multiple, nsec_t deadline)
{
	const uint16_t crc = crc16(0, from, len);
	const uint8_t head[2] = {0xff, multiple ? TOKEN_MULTIPLE : TOKEN_BLOCK},
		      tail[2] = {(uint8_t)(crc >> 8), (uint8_t)crc};
	uint8_t response = 0xff;
	int error = move(s, head, NULL, sizeof(head));

	if (!error)
		error = move(s, from, NULL, len);
	if (!error)
		error = move(s, tail, NULL, sizeof(tail));
	s->at = sizeof(s->ahead);
	for (unsigned i = 0; i < ANSWER_BYTES && !error && response == 0xff; i++)
		error = next_byte(s, &response);
	if (error)
		return error;
	if (response == 0xff)
		return -ETIMEDOUT;
	if ((response & RESPONSE_BITS) != ACCEPTED)
		return (response & RESPONSE_BITS) == REJECTED ? -EIO : -EILSEQ;
	return wait_ready(s, deadline);
}

static int move_blocks(struct spi_host *s, const struct sd_data *data, bool multiple, nsec_t deadline)
{
	uint32_t segment = 0, offset = 0;
	int error = 0;

	for (uint32_t i = 0; i < data->blocks && !error; i++) {
		uint8_t *at;

		if (offset == data->segments[segment].len) {
			segment++;
			offset = 0;
		}
		at = (uint8_t *)pa_to_va(data->segments[segment].pa) + offset;
		error = data->write ? write_block(s, at, data->block_size, multiple, deadline)
				    : read_block(s, at, data->block_size, deadline);
		offset += data->block_size;
	}
	return error;
}

/* A read is ended by CMD12, right behind the last block; a write by a token. */
static int end_multiple(struct spi_host *s, struct sd_command *cmd, nsec_t deadline)
{
	const uint8_t stop[2] = {TOKEN_STOP, 0xff};
	uint8_t r1;
	int error;

	if (cmd->data->write) {
		error = move(s, stop, NULL, sizeof(stop));
		s->at = sizeof(s->ahead);
		return error ? error : wait_ready(s, deadline);
	}
	error = send_frame(s, CMD_STOP, 0);
	if (!error)
		error = read_r1(s, &r1);
	if (error)
		return error;
	cmd->stop_response = native(r1, 0);
	return r1 & R1_CRC ? -EILSEQ : wait_ready(s, deadline);
}

static int carry_out(struct spi_host *s, struct sd_command *cmd, nsec_t deadline)
{
	int error;

	s->at = sizeof(s->ahead);
	error = cmd->index == 0 || cmd->index == CMD_STOP ? 0 : wait_ready(s, deadline);
	if (!error)
		error = send_frame(s, cmd->index, cmd->arg);
	if (!error)
		error = read_answer(s, cmd);
	if (!error && cmd->answer == SD_R1B)
		error = wait_ready(s, deadline);
	if (error || !cmd->data)
		return error;
	error = move_blocks(s, cmd->data, cmd->index == CMD_WRITE_MULTIPLE, deadline);
	cmd->cpu_bytes = cmd->data->blocks * cmd->data->block_size;
	return error || !cmd->data->stop ? error : end_multiple(s, cmd, deadline);
}

static int spi_execute(struct sd_host *host, struct sd_command *cmd)
{
	struct spi_host *s = spi_of(host);
	const uint8_t ones = 0xff;
	unsigned long flags;
	int error, last;

	if (sd_pins_empty(&s->pins))
		return -ENODEV;
	flags = spin_lock(&host->lock);
	sifive_spi_select(&s->spi, true);
	spin_unlock(&host->lock, flags);
	error = carry_out(s, cmd, clock_now() + cmd->limit);
	deselect(s);
	last = move(s, &ones, NULL, 1); // the card lets go of its line a clock later
	if (!error)
		error = last;
	return error && sd_pins_empty(&s->pins) ? -ENODEV : error;
}

static int spi_reset(struct sd_host *host)
{
	struct spi_host *s = spi_of(host);
	unsigned long flags = spin_lock(&host->lock);

	sifive_spi_stop(&s->spi);
	s->ended = true;
	sifive_spi_select(&s->spi, false);
	spin_unlock(&host->lock, flags);
	return 0;
}

static int spi_configure(struct sd_host *host, const struct sd_ios *ios)
{
	struct spi_host *s = spi_of(host);
	unsigned long flags;
	int error = 0;

	if (ios->width != 1 || ios->timing == SD_HIGH_SPEED)
		return -EOPNOTSUPP;
	flags = spin_lock(&host->lock);
	if (ios->clock)
		(void)sifive_spi_set_clock(&s->spi, min_of(ios->clock, host->clock_max));
	if (ios->timing == SD_IDENTIFY)
		sifive_spi_unselected(&s->spi);
	spin_unlock(&host->lock, flags);
	if (ios->timing == SD_IDENTIFY)
		error = move(s, NULL, NULL, IDLE_CLOCKS);
	deselect(s);
	return error;
}

static unsigned spi_state(struct sd_host *host)
{
	return sd_pins_state(&spi_of(host)->pins);
}

static void slot_changed(void *host)
{
	sd_host_card_changed(host);
}

static const struct sd_host_ops spi_ops = {
    .execute = spi_execute, .configure = spi_configure, .reset = spi_reset, .state = spi_state, .poll = spi_poll};

static void spi_host_init(struct spi_host *s, const char *name, uint32_t clock)
{
	s->host = (struct sd_host){.name = name,
				   .ops = &spi_ops,
				   .driver = s,
				   .spi = true,
				   .removable = true,
				   .no_mmc = true,
				   .widths = 1,
				   .clock_max = clock,
				   .max_blocks = 65535,
				   .max_segments = BLK_SEGMENTS_MAX,
				   .transfer = sd_transfer_wanted() == SD_POLLED ? SD_POLLED : SD_PIO};
	snprintf(s->host.registers, SD_REGISTERS_SIZE, "SPI, clock %llu Hz, card at most %u Hz",
		 (unsigned long long)s->spi.clock, (unsigned)clock);
	s->ended = true;
	sd_host_init(&s->host);
}

static int spi_probe(const struct device *dev)
{
	fdt_node_t child = fdt_first_child(dev->fdt, dev->node);
	struct spi_host *s;
	uint32_t clock = CLOCK_MAX;
	int error;

	while (child >= 0 && !fdt_is_compatible(dev->fdt, child, "mmc-spi-slot"))
		child = fdt_next_sibling(dev->fdt, child);
	if (child < 0)
		return -ENODEV; // flash memory, say
	(void)fdt_prop_u32(dev->fdt, child, "spi-max-frequency", 0, &clock);
	s = wired_alloc(sizeof(*s));
	if (!s)
		return -ENOMEM;
	error = dev->irq_count && clock ? sifive_spi_init(&s->spi, dev) : -EINVAL;
	if (error)
		return error;
	spi_host_init(s, dev->name, clock);
	sd_pins_find(&s->pins, dev->fdt, child, dev->name);
	error = irq_request(dev->irq[0], spi_irq, s, dev->name);
	if (error)
		return error;
	s->host.tells = sd_pins_watch(&s->pins, slot_changed, &s->host);
	return sd_host_add(&s->host);
}

static const char *const compatible[] = {"sifive,spi0", NULL};
const struct driver spi_sd_driver = {.name = "spi-sd", .compatible = compatible, .probe = spi_probe};
