// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Commands by their names, and what a card's status says. SD Physical Layer Simplified Specification 6.00, sections
 * 4.7 to 4.10; JESD84-B51, sections 6.10 to 6.13. Sleeps in the host.
 */
#include "drivers/sd/card.h"

#include <errno.h>

#include "arch/cache.h"
#include "arch/clock.h"
#include "arch/page.h"
#include "kernel/log.h"
#include "kernel/time.h"

#define COMMAND_LIMIT NSEC_PER_SEC    // a command without data, busy not counted
#define POLL_STEP (NSEC_PER_MSEC / 4) // at least between looks at a busy card; grows with how long it is
#define POLL_STEP_MAX (10 * NSEC_PER_MSEC)

static const struct {
	uint8_t index;
	bool app;
	const char *name;
} names[] = {
    {SD_GO_IDLE, false, "GO_IDLE_STATE"},
    {MMC_SEND_OP_COND, false, "SEND_OP_COND"},
    {SD_ALL_SEND_CID, false, "ALL_SEND_CID"},
    {SD_SEND_RCA, false, "SEND_RELATIVE_ADDR"},
    {SD_SWITCH, false, "SWITCH_FUNC"},
    {SD_SELECT, false, "SELECT_CARD"},
    {SD_SEND_IF_COND, false, "SEND_IF_COND"},
    {SD_SEND_CSD, false, "SEND_CSD"},
    {SD_SEND_CID, false, "SEND_CID"},
    {SD_STOP, false, "STOP_TRANSMISSION"},
    {SD_SEND_STATUS, false, "SEND_STATUS"},
    {SD_SET_BLOCKLEN, false, "SET_BLOCKLEN"},
    {SD_READ, false, "READ_SINGLE_BLOCK"},
    {SD_READ_MULTIPLE, false, "READ_MULTIPLE_BLOCK"},
    {SD_SET_BLOCK_COUNT, false, "SET_BLOCK_COUNT"},
    {SD_WRITE, false, "WRITE_BLOCK"},
    {SD_WRITE_MULTIPLE, false, "WRITE_MULTIPLE_BLOCK"},
    {SD_ERASE_START, false, "ERASE_WR_BLK_START"},
    {SD_ERASE_END, false, "ERASE_WR_BLK_END"},
    {MMC_ERASE_START, false, "ERASE_GROUP_START"},
    {MMC_ERASE_END, false, "ERASE_GROUP_END"},
    {SD_ERASE, false, "ERASE"},
    {SD_APP, false, "APP_CMD"},
    {SD_READ_OCR, false, "READ_OCR"},
    {SD_CRC_ON_OFF, false, "CRC_ON_OFF"},
    {ACMD_BUS_WIDTH, true, "SET_BUS_WIDTH"},
    {ACMD_STATUS, true, "SD_STATUS"},
    {ACMD_PRE_ERASE, true, "SET_WR_BLK_ERASE_COUNT"},
    {ACMD_OP_COND, true, "SD_SEND_OP_COND"},
    {ACMD_SCR, true, "SEND_SCR"},
};

const char *sd_name(uint8_t index, bool app)
{
	for (size_t i = 0; i < array_size(names); i++)
		if (names[i].index == index && names[i].app == app)
			return names[i].name;
	return "command";
}

/*
 * Card status, error bits: the address, the erase sequence and parameter; then protection; then failures. Bits 23 and
 * 22 are about the command before.
 */
#define STATUS_BAD_ARGUMENT (1u << 31 | 1u << 30 | 1u << 29 | 1u << 28 | 1u << 27)
#define STATUS_PROTECTED (1u << 26 | 1u << 15)
#define STATUS_FAILED (1u << 24 | 1u << 21 | 1u << 20 | 1u << 19 | 1u << 16 | 1u << 3)

int sd_status_error(uint32_t status)
{
	if (status & STATUS_PROTECTED)
		return -EROFS;
	if (status & STATUS_FAILED)
		return -EIO;
	return status & STATUS_BAD_ARGUMENT ? -EINVAL : 0;
}

int sd_execute(struct sd_card *card, struct sd_command *cmd)
{
	const nsec_t now = clock_now();

	if (now >= card->deadline)
		return -ETIMEDOUT;
	cmd->limit = min_of(cmd->limit, card->deadline - now);
	return card->host->ops->execute(card->host, cmd);
}

/* Told once for each command: what follows tells of the request. */
static int status_error(struct sd_card *card, const struct sd_command *cmd)
{
	const int error = sd_status_error(cmd->response[0]);
	const uint64_t bit = 1ull << cmd->index;

	if (error && !(card->said[cmd->app] & bit)) {
		card->said[cmd->app] |= bit;
		log_warning("%s: %s: error (%d), card status %08x", card->blk.name, sd_name(cmd->index, cmd->app),
			    -error, (unsigned)cmd->response[0]);
	}
	return error;
}

static int execute(struct sd_card *card, struct sd_command *cmd)
{
	int error = sd_execute(card, cmd);

	return error || (cmd->answer != SD_R1 && cmd->answer != SD_R1B) ? error : status_error(card, cmd);
}

static int simple(struct sd_card *card, uint8_t index, bool app, uint32_t arg, enum sd_answer answer,
		  uint32_t *response)
{
	struct sd_command cmd = {.index = index,
				 .app = app,
				 .answer = answer,
				 .arg = arg,
				 .limit = answer == SD_R1B ? SD_BUSY_LIMIT : COMMAND_LIMIT};
	int error = execute(card, &cmd);

	if (response)
		*response = cmd.response[0];
	return error;
}

int sd_simple(struct sd_card *card, uint8_t index, uint32_t arg, enum sd_answer answer, uint32_t *response)
{
	return simple(card, index, false, arg, answer, response);
}

int sd_long(struct sd_card *card, uint8_t index, uint32_t arg, uint32_t response[4])
{
	struct sd_command cmd = {.index = index, .answer = SD_R2, .arg = arg, .limit = COMMAND_LIMIT};
	int error = execute(card, &cmd);

	for (unsigned i = 0; i < 4; i++)
		response[i] = cmd.response[i];
	return error;
}

/* What the prefix says of an earlier command is not this one's. */
static int app_prefix(struct sd_card *card)
{
	struct sd_command cmd = {
	    .index = SD_APP, .answer = SD_R1, .arg = (uint32_t)card->rca << 16, .limit = COMMAND_LIMIT};
	int error = sd_execute(card, &cmd);

	if (error)
		return error;
	return card->host->spi || (cmd.response[0] & SD_STATUS_APP) ? 0 : -EIO; // SPI has no such bit
}

int sd_app(struct sd_card *card, uint8_t index, uint32_t arg, enum sd_answer answer, uint32_t *response)
{
	int error = app_prefix(card);

	return error ? error : simple(card, index, true, arg, answer, response);
}

int sd_register(struct sd_card *card, uint8_t index, bool app, uint32_t arg, uint32_t bytes)
{
	const struct blk_segment segment = {.pa = va_to_pa(card->buf), .len = bytes};
	const struct sd_data data = {.block_size = bytes, .blocks = 1, .segments = &segment, .segment_count = 1};
	struct sd_command cmd = {
	    .index = index, .app = app, .answer = SD_R1, .arg = arg, .data = &data, .limit = COMMAND_LIMIT};
	int error = app ? app_prefix(card) : 0, reset;

	if (error)
		return error;
	dma_sync_for_device(segment.pa, bytes, DMA_FROM_DEVICE);
	error = execute(card, &cmd);
	dma_sync_for_cpu(segment.pa, bytes, DMA_FROM_DEVICE);
	if (!error)
		return 0;
	reset = card->host->ops->reset(card->host); // some can do without the register
	return reset ? reset : error;
}

uint32_t sd_address(const struct sd_card *card, sector_t sector)
{
	return (uint32_t)(card->bytes ? sector << SECTOR_SHIFT : sector);
}

/* In SPI mode the answer comes when the card is not busy any more. */
static int ask_status(struct sd_card *card, struct sd_command *cmd)
{
	*cmd = (struct sd_command){.index = SD_SEND_STATUS,
				   .answer = SD_R1,
				   .arg = (uint32_t)card->rca << 16,
				   .limit = card->host->spi ? SD_BUSY_LIMIT : COMMAND_LIMIT};
	return sd_execute(card, cmd);
}

int sd_status(struct sd_card *card, uint32_t *status)
{
	struct sd_command cmd;
	int error = ask_status(card, &cmd);

	*status = cmd.response[0];
	return error;
}

int sd_settle(struct sd_card *card, nsec_t limit)
{
	const nsec_t start = clock_now(), deadline = start + limit;

	for (;;) {
		struct sd_command cmd;
		int error = ask_status(card, &cmd);
		const uint32_t status = cmd.response[0];
		nsec_t now;

		if (!error)
			error = status_error(card, &cmd);
		if (error)
			return error;
		/* In SPI mode an answer to CMD13 is one in the state of transfers, and busy has been waited for. */
		if (card->host->spi || (SD_STATUS_STATE(status) == SD_STATE_TRANSFER && (status & SD_STATUS_READY)))
			return 0;
		if (SD_STATUS_STATE(status) != SD_STATE_PROGRAM && SD_STATUS_STATE(status) != SD_STATE_TRANSFER)
			return -EIO;
		now = clock_now();
		if (now >= deadline)
			return -ETIMEDOUT;
		sd_host_sleep(card->host,
			      now + min_of(max_of((now - start) / 8, (nsec_t)POLL_STEP), (nsec_t)POLL_STEP_MAX));
	}
}
