// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#include "tests/host/simcard.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arch/clock.h"
#include "tests/host/harness.h"

enum { IDLE, READY, IDENT, STANDBY, TRANSFER, DATA, RECEIVE, PROGRAM };

#define ST_OUT_OF_RANGE (1u << 31)
#define ST_WRITE_PROTECTED (1u << 26)
#define ST_ILLEGAL (1u << 22)
#define ST_ERASE_SEQUENCE (1u << 28)
#define ST_ERASE_PARAM (1u << 27)
#define ST_ERROR (1u << 19)
#define ST_READY (1u << 8)
#define ST_APP (1u << 5)
struct pending {
	uint64_t block;
	uint8_t data[512];
};

struct simcard_state {
	unsigned state;
	uint32_t sticky; // status bits until they were told
	uint16_t rca;
	bool app;
	unsigned op_conds;
	nsec_t busy_until;
	uint32_t count; // of CMD23; 0: none
	/* Of a transfer. */
	bool multiple, fails, whole_fails;
	uint64_t at;
	uint32_t done, left; // blocks; left: UINT32_MAX until CMD12
	uint8_t reg[512];    // a register that is read
	uint32_t reg_len;
	uint64_t erase_first, erase_last;
	unsigned erase_set; // how many of the two
	bool cache;
	/* Written and not yet programmed. */
	struct pending *pending;
	size_t pending_count, pending_room;
};

static bool is_mmc(const struct simcard *card)
{
	return card->kind == SIMCARD_EMMC;
}

static bool by_blocks(const struct simcard *card)
{
	return card->kind >= SIMCARD_SDHC;
}

static void program(struct simcard *card)
{
	struct simcard_state *s = card->s;

	for (size_t i = 0; i < s->pending_count; i++)
		memcpy(card->media + 512 * s->pending[i].block, s->pending[i].data, 512);
	s->pending_count = 0;
}

static void look_at_time(struct simcard *card)
{
	struct simcard_state *s = card->s;

	if (s->state == PROGRAM && clock_now() >= s->busy_until) {
		s->state = TRANSFER;
		if (!s->cache)
			program(card);
	}
}

static void be_busy(struct simcard *card, nsec_t length)
{
	card->s->busy_until = clock_now() + length;
	card->s->state = PROGRAM;
	look_at_time(card);
}

static void tell(struct simcard *card)
{
	if (card->slot_changed)
		card->slot_changed(card->host);
}

void simcard_insert(struct simcard *card)
{
	if (!card->s)
		card->s = calloc(1, sizeof(*card->s));
	assert_non_null(card->s);
	free(card->s->pending);
	*card->s = (struct simcard_state){0};
	card->width = 1;
	card->timing = 0;
	card->present = true;
	card->selected = false;
	tell(card);
}

void simcard_remove(struct simcard *card)
{
	look_at_time(card);
	card->s->pending_count = 0;
	card->present = false;
	tell(card);
}

bool simcard_busy(struct simcard *card)
{
	if (!card->present)
		return false;
	look_at_time(card);
	return card->s->state == PROGRAM;
}

nsec_t simcard_busy_until(const struct simcard *card)
{
	return card->s->busy_until;
}

/* ---- registers ---- */

static void put_bits(uint32_t words[4], unsigned high, unsigned low, uint32_t value)
{
	for (unsigned bit = low; bit <= high; bit++)
		if (value >> (bit - low) & 1)
			words[3 - bit / 32] |= 1u << bit % 32;
}

static void make_cid(const struct simcard *card, uint32_t words[4])
{
	static const char name[] = "SIMUL";

	memset(words, 0, 16);
	put_bits(words, 127, 120, 0x27);
	for (unsigned i = 0; i < 5; i++)
		put_bits(words, 103 - 8 * i, 96 - 8 * i, (uint8_t)name[i]);
	put_bits(words, 55, 24, card->serial);
}

static void make_csd(const struct simcard *card, uint32_t words[4])
{
	memset(words, 0, 16);
	put_bits(words, 103, 96, 0x32);
	put_bits(words, 95, 84, 0x5b5);
	if (is_mmc(card)) {
		put_bits(words, 46, 42, SIMCARD_GROUP / 4 - 1);
		put_bits(words, 41, 37, 3);
	} else {
		put_bits(words, 46, 46, !card->erase_groups);
		put_bits(words, 45, 39, SIMCARD_GROUP - 1);
	}
	put_bits(words, 25, 22, 9);
	put_bits(words, 83, 80, 9);
	put_bits(words, 12, 12, card->write_protected);
	if (card->kind == SIMCARD_SDHC) {
		put_bits(words, 127, 126, 1);
		put_bits(words, 69, 48, (uint32_t)(card->blocks / 1024 - 1));
	} else if (is_mmc(card)) {
		put_bits(words, 127, 126, 3);
		put_bits(words, 73, 62, 0xfff);
		put_bits(words, 49, 47, 7);
	} else {
		put_bits(words, 73, 62, (uint32_t)(card->blocks / 512 - 1));
		put_bits(words, 49, 47, 7);
	}
}

void simcard_register(const struct simcard *card, bool cid, uint32_t words[4])
{
	if (cid)
		make_cid(card, words);
	else
		make_csd(card, words);
}

static void reg_begin(struct simcard *card, uint32_t len)
{
	struct simcard_state *s = card->s;

	memset(s->reg, 0, sizeof(s->reg));
	s->reg_len = len;
	s->state = DATA;
	s->multiple = false;
	s->done = 0;
	s->left = 1;
}

static void make_ext_csd(struct simcard *card)
{
	uint8_t *r = card->s->reg;

	for (unsigned i = 0; i < 4; i++)
		r[212 + i] = (uint8_t)(card->blocks >> 8 * i);
	r[179] = card->partition;
	r[192] = card->old ? 5 : 8;
	r[196] = 3;
	r[249] = 128;
	r[231] = card->erase_groups ? 0 : 16;
}

static void make_switch_status(struct simcard *card, uint32_t arg)
{
	uint8_t *r = card->s->reg;

	r[13] = 3;
	r[16] = arg & 15;
	if (arg >> 31 && (arg & 15) == 1)
		card->timing = 1;
}

/* ---- commands ---- */

static uint32_t status(struct simcard *card)
{
	struct simcard_state *s = card->s;
	uint32_t value = s->sticky | s->state << 9 | (s->state == TRANSFER ? ST_READY : 0) | (s->app ? ST_APP : 0);

	s->sticky = 0;
	return value;
}

static int illegal(struct simcard *card)
{
	card->s->sticky |= ST_ILLEGAL;
	return -ETIMEDOUT;
}

static int op_cond(struct simcard *card, uint32_t arg, uint32_t response[4])
{
	struct simcard_state *s = card->s;
	bool ready = s->op_conds++ > 2 && (card->kind != SIMCARD_SDHC || arg & 1u << 30) && arg & 0x00ff8000;

	response[0] = 0x00ff8000 | (ready ? 1u << 31 | (by_blocks(card) ? 1u << 30 : 0) : 0);
	if (ready)
		s->state = READY;
	return 0;
}

static int app_command(struct simcard *card, uint8_t index, uint32_t arg, uint32_t response[4])
{
	struct simcard_state *s = card->s;

	if (index == 41)
		return s->state == IDLE ? op_cond(card, arg, response) : illegal(card);
	if (s->state != TRANSFER)
		return illegal(card);
	response[0] = status(card) | ST_APP;
	switch (index) {
	case 6:
		card->width = arg == 2 ? 4 : 1;
		return 0;
	case 13:
		reg_begin(card, 64);
		s->reg[24] = card->discard ? 2 : 0;
		return 0;
	case 23:
		return 0;
	case 51:
		reg_begin(card, 8);
		s->reg[0] = card->kind == SIMCARD_SDSC1 ? 1 : 2;
		s->reg[1] = 5;
		s->reg[3] = card->cmd23 ? 2 : 0;
		return 0;
	default:
		return illegal(card);
	}
}

static int begin_transfer(struct simcard *card, uint8_t index, uint32_t arg)
{
	struct simcard_state *s = card->s;
	const bool write = index >= 24;

	assert_int_equal(card->partition & 7, 0);
	s->multiple = index == 18 || index == 25;
	s->at = by_blocks(card) ? arg : arg / 512;
	s->done = 0;
	s->left = !s->multiple ? 1 : s->count ? s->count : UINT32_MAX;
	s->reg_len = 0;
	card->multi_reads += index == 18;
	card->multi_writes += index == 25;
	if (!by_blocks(card) && arg % 512)
		s->sticky |= 1u << 30;
	if (write && card->write_protected)
		s->sticky |= ST_WRITE_PROTECTED;
	s->state = write ? RECEIVE : DATA;
	return 0;
}

static int stop(struct simcard *card)
{
	struct simcard_state *s = card->s;

	card->stops++;
	if (s->state == RECEIVE)
		be_busy(card, card->write_busy);
	else if (s->state == DATA)
		s->state = TRANSFER;
	else if (s->state != PROGRAM)
		return illegal(card);
	s->left = 0;
	return 0;
}

static bool erase_arg_known(const struct simcard *card, uint32_t arg)
{
	if (!is_mmc(card))
		return arg == 0 || (arg == 1 && card->discard);
	return arg == 0 || (arg == 1 && !card->erase_groups) || (arg == 3 && !card->old);
}

/* Whole groups where it has no other, and where an eMMC is not told that single blocks are meant. */
static void erase(struct simcard *card, uint32_t arg)
{
	struct simcard_state *s = card->s;

	if (s->erase_set != 2 || s->erase_first > s->erase_last || s->erase_last >= card->blocks)
		s->sticky |= ST_ERASE_SEQUENCE;
	else if (!erase_arg_known(card, arg))
		s->sticky |= ST_ERASE_PARAM;
	s->erase_set = 0;
	if (s->sticky & (ST_ERASE_SEQUENCE | ST_ERASE_PARAM))
		return;
	card->erases++;
	card->erase_arg = arg;
	card->erase_longest = max_of(card->erase_longest, s->erase_last - s->erase_first + 1);
	if (is_mmc(card) ? arg == 0 : card->erase_groups) {
		s->erase_first = s->erase_first / SIMCARD_GROUP * SIMCARD_GROUP;
		s->erase_last = s->erase_last / SIMCARD_GROUP * SIMCARD_GROUP + SIMCARD_GROUP - 1;
	}
	for (uint64_t b = s->erase_first; b <= s->erase_last && b < card->blocks; b++, card->erased++)
		memset(card->media + 512 * b, SIMCARD_ERASED, 512);
	be_busy(card, card->write_busy);
}

static int switch_mmc(struct simcard *card, uint32_t arg)
{
	const uint8_t index = (uint8_t)(arg >> 16), value = (uint8_t)(arg >> 8);

	if (index == 183)
		card->width = value == 2 ? 8 : value == 1 ? 4 : 1;
	else if (index == 185)
		card->timing = value;
	else if (index == 33)
		card->s->cache = value;
	else if (index == 32)
		program(card);
	else if (index == 179)
		card->partition = value;
	else
		card->s->sticky |= 1u << 7;
	be_busy(card, card->write_busy);
	return 0;
}

static int in_transfer(struct simcard *card, uint8_t index, uint32_t arg, uint32_t response[4])
{
	struct simcard_state *s = card->s;

	response[0] = status(card);
	switch (index) {
	case 6:
		if (is_mmc(card))
			return switch_mmc(card, arg);
		reg_begin(card, 64);
		make_switch_status(card, arg);
		return 0;
	case 8:
		if (!is_mmc(card))
			return illegal(card);
		reg_begin(card, 512);
		make_ext_csd(card);
		return 0;
	case 16:
		return arg == 512 ? 0 : illegal(card);
	case 17:
	case 18:
	case 24:
	case 25:
		begin_transfer(card, index, arg);
		response[0] |= s->sticky;
		return 0;
	case 23:
		if (!card->cmd23)
			return illegal(card);
		s->count = arg;
		card->counts++;
		return 0;
	case 32:
	case 35:
		if ((index == 35) != is_mmc(card))
			return illegal(card);
		s->erase_set = 1;
		s->erase_first = by_blocks(card) ? arg : arg / 512;
		return 0;
	case 33:
	case 36:
		if ((index == 36) != is_mmc(card))
			return illegal(card);
		s->erase_set += s->erase_set == 1;
		s->erase_last = by_blocks(card) ? arg : arg / 512;
		return 0;
	case 38:
		erase(card, arg);
		response[0] |= s->sticky;
		return 0;
	default:
		return illegal(card);
	}
}

static int carry_out(struct simcard *card, uint8_t index, uint32_t arg, uint32_t response[4])
{
	struct simcard_state *s = card->s;
	const bool app = s->app;
	const uint32_t count = s->count;
	int error;

	s->app = false;
	memset(response, 0, 16);
	if (index == 0) {
		s->state = IDLE;
		s->sticky = s->count = s->op_conds = 0;
		s->cache = false;
		card->width = 1;
		card->timing = 0;
		return 0;
	}
	if (index == 55 && !is_mmc(card)) {
		s->app = true;
		response[0] = status(card);
		return 0;
	}
	if (app)
		return app_command(card, index, arg, response);
	if (s->state == IDLE && index == 8 && card->kind != SIMCARD_SDSC1 && !is_mmc(card)) {
		response[0] = arg & 0xfff;
		return 0;
	}
	if (s->state == IDLE && index == 1 && is_mmc(card))
		return op_cond(card, arg, response);
	if (s->state == READY && index == 2) {
		s->state = IDENT;
		make_cid(card, response);
		return 0;
	}
	if (s->state == IDENT && index == 3) {
		s->state = STANDBY;
		s->rca = is_mmc(card) ? (uint16_t)(arg >> 16) : 0x1234;
		response[0] = is_mmc(card) ? status(card) : (uint32_t)s->rca << 16 | 0x500;
		return 0;
	}
	if (s->state == STANDBY && index == 9) {
		make_csd(card, response);
		return 0;
	}
	if (s->state == STANDBY && index == 7 && arg >> 16 == s->rca) {
		s->state = TRANSFER;
		card->selected = true;
		response[0] = status(card);
		return 0;
	}
	if (index == 13 && s->state >= STANDBY) {
		response[0] = status(card);
		return 0;
	}
	if (index == 12 && s->state >= STANDBY) {
		response[0] = status(card);
		return stop(card);
	}
	error = s->state == TRANSFER ? in_transfer(card, index, arg, response) : illegal(card);
	if (count && s->count == count && index != 23)
		s->count = 0;
	return error;
}

int simcard_command(struct simcard *card, uint8_t index, uint32_t arg, uint32_t response[4])
{
	struct simcard_state *s = card->s;
	const bool fault = card->commands >= card->fault_at && card->commands - card->fault_at < card->fault_times;
	int error;

	card->commands++;
	if (fault && card->present) {
		card->fired++;
		if (card->fault == SIMCARD_REMOVED)
			simcard_remove(card);
		if (card->fault == SIMCARD_NO_ANSWER)
			return -ETIMEDOUT;
	}
	if (!card->present)
		return -ETIMEDOUT;
	look_at_time(card);
	if (s->state == PROGRAM && index != 0 && index != 12 && index != 13)
		return -ETIMEDOUT;
	error = carry_out(card, index, arg, response);
	s->fails = fault;
	s->whole_fails = fault && card->fault == SIMCARD_ERROR;
	if (error || !fault)
		return error;
	if (s->whole_fails && s->state >= STANDBY && index != 2 && index != 9 && index != 3)
		response[0] |= ST_ERROR;
	if (card->fault == SIMCARD_BUSY && (s->state == TRANSFER || s->state == PROGRAM) && index != 13 && index != 55)
		be_busy(card, card->fault_busy);
	return card->fault == SIMCARD_BAD_ANSWER ? -EILSEQ : 0;
}

/* ---- data ---- */

static bool data_fails(struct simcard *card, enum simcard_fault fault)
{
	const struct simcard_state *s = card->s;

	return s->fails && card->fault == fault && s->done >= card->fault_block;
}

static int data_begin(struct simcard *card, unsigned state)
{
	if (card->present && data_fails(card, SIMCARD_REMOVED_MID))
		simcard_remove(card);
	if (!card->present || card->s->state != state || !card->s->left)
		return -ETIMEDOUT;
	if (data_fails(card, SIMCARD_NO_DATA))
		return -ETIMEDOUT;
	if (!card->s->reg_len && card->s->at >= card->blocks) {
		card->s->sticky |= ST_OUT_OF_RANGE;
		return -ETIMEDOUT;
	}
	return 0;
}

static bool lines_missing(const struct simcard *card)
{
	return card->lines && card->width > card->lines;
}

static void block_done(struct simcard *card)
{
	struct simcard_state *s = card->s;

	s->done++;
	s->at++;
	if (s->left != UINT32_MAX)
		s->left--;
}

int simcard_read_block(struct simcard *card, void *data, uint32_t len)
{
	struct simcard_state *s = card->s;
	int error = data_begin(card, DATA);

	if (error)
		return error;
	assert_int_equal(len, s->reg_len ? s->reg_len : 512);
	memcpy(data, s->reg_len ? s->reg : card->media + 512 * s->at, len);
	for (size_t i = 0; i < s->pending_count && !s->reg_len; i++)
		if (s->pending[i].block == s->at)
			memcpy(data, s->pending[i].data, 512);
	if (data_fails(card, SIMCARD_BAD_DATA) || lines_missing(card)) {
		((uint8_t *)data)[s->done % len] ^= 4;
		error = -EILSEQ;
	}
	block_done(card);
	if (!s->left)
		s->state = TRANSFER;
	return error;
}

int simcard_write_block(struct simcard *card, const void *data, uint32_t len)
{
	struct simcard_state *s = card->s;
	int error = data_begin(card, RECEIVE);

	if (error)
		return error;
	assert_int_equal(len, 512);
	if (data_fails(card, SIMCARD_BAD_DATA) || lines_missing(card))
		return -EILSEQ;
	if (!card->write_protected && !s->whole_fails) {
		if (s->pending_count == s->pending_room) {
			s->pending_room = s->pending_room ? 2 * s->pending_room : 64;
			s->pending = realloc(s->pending, s->pending_room * sizeof(*s->pending));
			assert_non_null(s->pending);
		}
		s->pending[s->pending_count].block = s->at;
		memcpy(s->pending[s->pending_count++].data, data, 512);
	}
	block_done(card);
	if (!s->left)
		be_busy(card, s->fails && card->fault == SIMCARD_BUSY ? card->fault_busy : card->write_busy);
	return 0;
}
