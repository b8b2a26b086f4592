// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * From power-on to the state of transfers. SD Physical Layer Simplified Specification 6.00, sections 4.2 to 4.4, 4.3.10
 * and 7.2 (SPI); JESD84-B51, sections 6.4 and 6.6. No 1.8 V. Sleeps in the host.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arch/clock.h"
#include "drivers/sd/card.h"
#include "kernel/bootargs.h"
#include "kernel/log.h"
#include "kernel/time.h"

#define IDENTIFY_CLOCK 400000
#define DEFAULT_CLOCK 25000000
#define HIGH_CLOCK 50000000
#define MMC_CLOCK 26000000
#define MMC_HIGH_CLOCK 52000000
#define POWER_UP_LIMIT NSEC_PER_SEC
#define STEP (2 * NSEC_PER_MSEC)
#define IDLE_TRIES 10
#define BRING_UP_TRIES 3

#define IF_COND 0x1aa	     // 2.7 to 3.6 V, and a pattern
#define VOLTAGES 0x00ff8000u // 2.7 to 3.6 V
#define OCR_READY (1u << 31)
#define OCR_BLOCKS (1u << 30) // addresses are sectors; asked for, and granted
#define CLASS_ERASE (1u << 5)
#define CLASS_SWITCH (1u << 10)
#define SWITCH_HIGH_SPEED 0xfffff1u
#define SWITCH_SET (1u << 31)
#define MMC_RCA 1
#define MMC_SWITCH_ERROR (1u << 7)
enum { EXT_FLUSH_CACHE = 32, EXT_CACHE = 33, EXT_PARTITION = 179, EXT_BUS_WIDTH = 183, EXT_HS_TIMING = 185 };
enum { ERASE_ARG_ERASE = 0, ERASE_ARG_DISCARD = 1, MMC_ARG_ERASE = 0, MMC_ARG_TRIM = 1, MMC_ARG_DISCARD = 3 };
#define MMC_PARTITION_ACCESS 7u // of PARTITION_CONFIG; 0: the user area

static void pause(struct sd_card *card)
{
	sd_host_sleep(card->host, clock_now() + STEP);
}

bool sd_slot_empty(const struct sd_card *card)
{
	const unsigned state = card->host->ops->state(card->host);

	return (state & SD_STATE_KNOWN) && !(state & SD_STATE_PRESENT);
}

static int set_bus(struct sd_card *card, uint32_t clock, uint8_t width, enum sd_timing timing)
{
	card->ios = (struct sd_ios){.power = true, .clock = clock, .width = width, .timing = timing};
	return card->host->ops->configure(card->host, &card->ios);
}

/* More than once: a loader may have left it in the midst of a transfer, and in SPI mode the first may go unheard. */
static int go_idle(struct sd_card *card)
{
	const bool spi = card->host->spi;
	int error = -ETIMEDOUT;

	card->rca = 0;
	for (unsigned i = 0; i < (spi ? IDLE_TRIES : 2); i++) {
		uint32_t status = 0;

		error = sd_simple(card, SD_GO_IDLE, 0, spi ? SD_R1 : SD_NONE, &status);
		pause(card);
		if (spi && !error && SD_STATUS_STATE(status) == SD_STATE_IDLE)
			return 0;
	}
	return spi ? -ETIMEDOUT : error;
}

/* ---- SD ---- */

static int sd_power_up(struct sd_card *card, bool *blocks)
{
	const nsec_t deadline = clock_now() + POWER_UP_LIMIT;
	const bool spi = card->host->spi;
	uint32_t echo, ocr = 0, ask = spi ? 0 : VOLTAGES;
	int error = sd_simple(card, SD_SEND_IF_COND, IF_COND, SD_R7, &echo);

	if (!error && (echo & 0xfff) != IF_COND)
		return -ENODEV; // not made for 3.3 V
	if (!error)
		ask |= OCR_BLOCKS;
	else if (error != -ETIMEDOUT)
		return error;
	if (spi) {
		error = sd_simple(card, SD_CRC_ON_OFF, 1, SD_R1, NULL);
		if (error)
			return error;
	}
	for (;;) {
		uint32_t answer;

		error = sd_app(card, ACMD_OP_COND, ask, spi ? SD_R1 : SD_R3, &answer);
		if (error)
			return error;
		if (spi ? SD_STATUS_STATE(answer) == SD_STATE_TRANSFER : answer & OCR_READY) {
			ocr = answer;
			break;
		}
		if (clock_now() >= deadline)
			return -ETIMEDOUT;
		pause(card);
	}
	if (spi)
		error = sd_simple(card, SD_READ_OCR, 0, SD_R3, &ocr);
	if (!error && !(ocr & OCR_READY))
		error = -EILSEQ;
	*blocks = (ask & ocr & OCR_BLOCKS) != 0;
	return error;
}

/* In SPI mode the two come as data. */
static int spi_read_words(struct sd_card *card, uint8_t index, uint32_t words[4])
{
	int error = sd_register(card, index, false, 0, 16);

	for (unsigned i = 0; i < 4 && !error; i++)
		words[i] = (uint32_t)card->buf[4 * i] << 24 | (uint32_t)card->buf[4 * i + 1] << 16 |
			   (uint32_t)card->buf[4 * i + 2] << 8 | card->buf[4 * i + 3];
	return error;
}

static int sd_identify(struct sd_card *card, uint32_t cid[4], uint32_t csd[4])
{
	uint32_t answer = 0;
	int error;

	if (card->host->spi) {
		error = spi_read_words(card, SD_SEND_CID, cid);
		return error ? error : spi_read_words(card, SD_SEND_CSD, csd);
	}
	error = sd_long(card, SD_ALL_SEND_CID, 0, cid);
	for (unsigned i = 0; i < 3 && !error && !(answer >> 16); i++)
		error = sd_simple(card, SD_SEND_RCA, 0, SD_R6, &answer);
	if (!error && !(answer >> 16))
		error = -EIO;
	card->rca = (uint16_t)(answer >> 16);
	if (!error)
		error = sd_long(card, SD_SEND_CSD, (uint32_t)card->rca << 16, csd);
	return error ? error : sd_simple(card, SD_SELECT, (uint32_t)card->rca << 16, SD_R1B, NULL);
}

/* CMD6: what the card can, then the switch; 0 also where it stays as it is. */
static int sd_to_high_speed(struct sd_card *card)
{
	int error;

	if (card->slow || !card->host->high_speed || card->scr.version < 1 || !(card->csd.classes & CLASS_SWITCH))
		return 0;
	error = sd_register(card, SD_SWITCH, false, SWITCH_HIGH_SPEED, 64);
	if (error || !(card->buf[13] & 2))
		return error;
	error = sd_register(card, SD_SWITCH, false, SWITCH_SET | SWITCH_HIGH_SPEED, 64);
	if (error || (card->buf[16] & 15) != 1)
		return error;
	return set_bus(card, HIGH_CLOCK, card->ios.width, SD_HIGH_SPEED);
}

static int sd_set_width(struct sd_card *card)
{
	int error;

	if (card->slow > 1 || card->host->spi || !card->scr.wide || !(card->host->widths & 4))
		return 0;
	error = sd_app(card, ACMD_BUS_WIDTH, 2, SD_R1, NULL);
	return error ? error : set_bus(card, card->ios.clock, 4, card->ios.timing);
}

/* What the boot argument says goes before what the card says. */
static bool cmd23_wanted(bool offered)
{
	char value[4];
	int len = bootargs_get("sd.cmd23", value, sizeof(value));

	return len < 0 ? offered : !strcmp(value, "on");
}

static int sd_configure_card(struct sd_card *card)
{
	/* SPI has neither high speed nor lines to do without. */
	const unsigned halvings = card->host->spi ? card->slow : 0;
	int error = set_bus(card, min_of(card->csd.speed, (uint32_t)DEFAULT_CLOCK) >> halvings, 1, SD_DEFAULT_SPEED);

	if (!error)
		error = sd_register(card, ACMD_SCR, true, 0, 8);
	if (error)
		return error;
	sd_scr_decode(card->buf, &card->scr);
	card->cmd23 = !card->host->spi && cmd23_wanted(card->scr.cmd23);
	error = sd_set_width(card);
	if (!error)
		error = sd_to_high_speed(card);
	if (error)
		return error;
	card->ssr = (struct sd_ssr){0};
	if (!sd_register(card, ACMD_STATUS, true, 0, 64)) // some old cards have none
		sd_ssr_decode(card->buf, &card->ssr);
	card->erase_unit = !(card->csd.classes & CLASS_ERASE) ? 0
			   : card->csd.erase_single	      ? 1
							      : card->csd.erase_sectors;
	card->erase_arg = card->ssr.discard ? ERASE_ARG_DISCARD : ERASE_ARG_ERASE;
	return card->bytes ? sd_simple(card, SD_SET_BLOCKLEN, SECTOR_SIZE, SD_R1, NULL) : 0;
}

/* ---- MMC ---- */

static int mmc_power_up(struct sd_card *card, bool *blocks)
{
	const nsec_t deadline = clock_now() + POWER_UP_LIMIT;
	uint32_t ocr;

	for (;;) {
		int error = sd_simple(card, MMC_SEND_OP_COND, OCR_BLOCKS | VOLTAGES, SD_R3, &ocr);

		if (error)
			return error;
		if (ocr & OCR_READY)
			break;
		if (clock_now() >= deadline)
			return -ETIMEDOUT;
		pause(card);
	}
	*blocks = ocr & OCR_BLOCKS;
	return 0;
}

static int mmc_identify(struct sd_card *card, uint32_t cid[4], uint32_t csd[4])
{
	int error = sd_long(card, SD_ALL_SEND_CID, 0, cid);

	if (!error)
		error = sd_simple(card, SD_SEND_RCA, (uint32_t)MMC_RCA << 16, SD_R1, NULL);
	card->rca = MMC_RCA;
	if (!error)
		error = sd_long(card, SD_SEND_CSD, (uint32_t)MMC_RCA << 16, csd);
	return error ? error : sd_simple(card, SD_SELECT, (uint32_t)MMC_RCA << 16, SD_R1, NULL);
}

/* A byte of EXT_CSD is written; the next status says how that went. */
int mmc_switch(struct sd_card *card, uint8_t index, uint8_t value)
{
	uint32_t status = 0;
	int error =
	    sd_simple(card, SD_SWITCH, 3u << 24 | (uint32_t)index << 16 | (uint32_t)value << 8 | 1, SD_R1B, NULL);

	if (!error)
		error = sd_settle(card, SD_BUSY_LIMIT);
	if (!error)
		error = sd_status(card, &status);
	return error ? error : status & MMC_SWITCH_ERROR ? -EIO : 0;
}

int mmc_flush_cache(struct sd_card *card)
{
	return mmc_switch(card, EXT_FLUSH_CACHE, 1);
}

static int mmc_read_ext_csd(struct sd_card *card, struct sd_ext_csd *ext)
{
	int error = sd_register(card, SD_SEND_IF_COND, false, 0, 512);

	return error ? error : mmc_ext_csd_decode(card->buf, ext);
}

/* Whether data come right over so many lines: the register says what it said over one. */
static int mmc_try_width(struct sd_card *card, uint8_t width)
{
	struct sd_ext_csd ext = {0};
	int error = mmc_switch(card, EXT_BUS_WIDTH, width == 8 ? 2 : width == 4 ? 1 : 0);

	if (!error)
		error = set_bus(card, card->ios.clock, width, card->ios.timing);
	if (error || width == 1)
		return error;
	error = mmc_read_ext_csd(card, &ext);
	if (!error && ext.sectors != card->ext.sectors)
		error = -EILSEQ;
	if (error)
		log_warning("%s: the card cannot be read over %u lines (error %d): fewer are used", card->host->name,
			    (unsigned)width, -error);
	return error;
}

static int mmc_set_speed(struct sd_card *card)
{
	int error = 0;

	if (!card->slow && card->ext.high_speed && card->host->high_speed) {
		error = mmc_switch(card, EXT_HS_TIMING, 1);
		if (!error)
			error = set_bus(card, MMC_HIGH_CLOCK, 1, SD_HIGH_SPEED);
	}
	if (error || card->slow > 1)
		return error;
	for (uint8_t width = 8; width > 1; width /= 2)
		if (card->host->widths & width & (4 | 8) && !mmc_try_width(card, width))
			return 0;
	return card->ios.width > 1 ? mmc_try_width(card, 1) : 0;
}

/* A loader may have left its boot area chosen. */
static int mmc_choose_user_area(struct sd_card *card)
{
	struct sd_ext_csd ext = {0};
	int error;

	if (!(card->ext.partition & MMC_PARTITION_ACCESS))
		return 0;
	error = mmc_switch(card, EXT_PARTITION, card->ext.partition & (uint8_t)~MMC_PARTITION_ACCESS);
	if (!error)
		error = mmc_read_ext_csd(card, &ext);
	return !error && ext.partition & MMC_PARTITION_ACCESS ? -EIO : error;
}

static void mmc_describe_erase(struct sd_card *card)
{
	const bool groups = !card->ext.discard && !card->ext.trim;

	card->erase_unit = !(card->csd.classes & CLASS_ERASE) ? 0 : groups ? card->csd.erase_sectors : 1;
	card->erase_arg = card->ext.discard ? MMC_ARG_DISCARD : card->ext.trim ? MMC_ARG_TRIM : MMC_ARG_ERASE;
}

static int mmc_configure_extended(struct sd_card *card)
{
	int error = mmc_read_ext_csd(card, &card->ext);

	if (!error && card->ext.sectors)
		card->csd.sectors = card->ext.sectors;
	if (!error)
		error = mmc_choose_user_area(card);
	if (!error)
		error = mmc_set_speed(card);
	if (!error && card->ext.cache) {
		error = mmc_switch(card, EXT_CACHE, 1);
		card->cached = !error;
	}
	return error;
}

static int mmc_configure_card(struct sd_card *card)
{
	int error = set_bus(card, min_of(card->csd.speed, (uint32_t)MMC_CLOCK), 1, SD_DEFAULT_SPEED);

	card->ext = (struct sd_ext_csd){0};
	card->cmd23 = cmd23_wanted(true);
	if (!error && card->bytes) // before EXT_CSD's time
		error = sd_simple(card, SD_SET_BLOCKLEN, SECTOR_SIZE, SD_R1, NULL);
	else if (!error)
		error = mmc_configure_extended(card);
	mmc_describe_erase(card);
	return error;
}

/* ---- both ---- */

static bool is_another(const struct sd_card *card, const uint32_t cid[4])
{
	return card->blk.sectors && memcmp(card->cid, cid, sizeof(card->cid));
}

static int power_up(struct sd_card *card, bool *blocks)
{
	int error = -ENODEV;

	card->kind = SD_CARD;
	if (!card->host->no_sd) {
		error = sd_power_up(card, blocks);
		if (!error || error == -ENODEV || card->host->no_mmc || card->host->spi)
			return error;
		error = go_idle(card);
		if (error)
			return error;
	}
	card->kind = SD_MMC;
	return card->host->no_mmc ? error : mmc_power_up(card, blocks);
}

static int bring_up(struct sd_card *card)
{
	uint32_t cid[4], csd[4];
	bool blocks = false;
	int error = card->host->ops->reset(card->host);

	if (!error)
		error = set_bus(card, IDENTIFY_CLOCK, 1, SD_IDENTIFY);
	if (error)
		return error;
	pause(card);
	error = go_idle(card);
	if (!error)
		error = power_up(card, &blocks);
	if (error == -ETIMEDOUT && clock_now() < card->deadline)
		return -ENODEV; // nobody answers
	if (!error)
		error = card->kind == SD_MMC ? mmc_identify(card, cid, csd) : sd_identify(card, cid, csd);
	if (error)
		return error;
	if (is_another(card, cid))
		return -EXDEV;
	memcpy(card->cid, cid, sizeof(card->cid));
	card->bytes = !blocks;
	card->cached = false;
	error = card->kind == SD_MMC ? mmc_csd_decode(csd, &card->csd) : sd_csd_decode(csd, &card->csd);
	/* The bit that tells came without a CRC, and every address hangs on it. */
	if (!error && card->kind == SD_CARD && card->csd.large != blocks)
		return -EILSEQ;
	if (error) {
		log_error("%s: the card's CSD says nothing sensible: it cannot be used", card->host->name);
		return error;
	}
	error = card->kind == SD_MMC ? mmc_configure_card(card) : sd_configure_card(card);
	if (!error)
		sd_facts_note(card, csd);
	return error;
}

/* What stays as it is, is said once. */
static void tell(struct sd_card *card, int error)
{
	if (error == card->told)
		return;
	card->told = error;
	if (error == -EXDEV)
		log_error("%s: another card is in the slot: it is left alone; put the first one back", card->blk.name);
	else if (error == -ESTALE)
		log_error("%s: the card was changed elsewhere while it was out: it is left alone, and what was not yet "
			  "written is lost",
			  card->blk.name);
	else if (error == -ENODEV && card->blk.sectors)
		log_error("%s: the card is gone: put it back, and all goes on", card->blk.name);
	else if (error && error != -ENODEV)
		log_error("%s: the card does not come up: take it out and put it in again, or try another",
			  card->host->name);
}

void sd_card_gone(struct sd_card *card)
{
	card->ready = false;
	tell(card, -ENODEV);
}

static int read_sector(struct blkdev *dev, sector_t sector, void *data)
{
	struct sd_card *card = dev->driver;

	(void)data; // it is card->buf
	return sd_register(card, SD_READ, false, sd_address(card, sector), SECTOR_SIZE);
}

/* It is there, but not what is in memory of it. */
static bool is_strange(int error)
{
	return error == -EXDEV || error == -ESTALE;
}

int sd_bring_up(struct sd_card *card)
{
	const unsigned slow = card->slow;
	int error = -ENODEV;

	for (unsigned i = 0; i < BRING_UP_TRIES && error && !is_strange(error) && !sd_slot_empty(card); i++) {
		error = bring_up(card);
		/* Perhaps a line has no contact: the last try is with one, and slow. */
		if (i + 2 == BRING_UP_TRIES && (error == -EILSEQ || error == -ETIMEDOUT))
			card->slow = 2;
		if (!error && card->blk.sectors)
			error = blk_witness_check(&card->blk, read_sector, card->buf);
	}
	card->ready = !error;
	tell(card, !error || is_strange(error) || error == -ENODEV ? error : -EIO);
	if (is_strange(error))
		error = -ENODEV;
	if (error == -ENODEV)
		card->slow = slow; // what failed was no fault of the bus
	return error;
}
