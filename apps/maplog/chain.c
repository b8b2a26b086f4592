// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Which bytes are records of the log. A record counts only if its checksum, seeded by the segment's generation, is
 * right, its sequence is exactly the next, and its boot number is that of the record before, or a higher one introduced
 * by a boot record. What a power cut left behind the end from an earlier opening therefore never counts again: every
 * opening first makes a boot record with a new number durable, and older numbers behind it are refused.
 */
#include "maplog/chain.h"

#include <string.h>

#include "maplog/crc32c.h"

static bool header_plausible(const struct source *source, uint64_t offset, const struct record_header *h)
{
	return h->kind >= RECORD_DATA && h->kind <= RECORD_PAD && h->zero == 0 && h->sequence > 0 &&
	       h->sequence < UINT64_MAX / 2 && h->durable < h->sequence && h->boot > 0 && h->boot < UINT32_MAX / 2 &&
	       h->length <= source->bytes - offset - RECORD_HEADER &&
	       record_size(h->length) <= source->bytes - offset && (h->kind != RECORD_BOOT || h->length == 0);
}

/* 1: the bytes at offset are a whole record of this segment. 0: no. *cost counts checksummed bytes. */
static int record_check(struct source *source, uint64_t offset, struct record_header *h, const uint8_t **payload,
			uint64_t *cost)
{
	const uint8_t *bytes;
	size_t covered;
	int err = source_get(source, offset, RECORD_HEADER, &bytes);

	if (err)
		return err;
	memcpy(h, bytes, RECORD_HEADER);
	if (!header_plausible(source, offset, h))
		return 0;
	covered = RECORD_HEADER + (h->kind == RECORD_DATA ? h->length : 0);
	err = source_get(source, offset, covered, &bytes);
	if (err)
		return err;
	*cost += covered;
	memcpy(h, bytes, RECORD_HEADER); // a live log may have been read twice: take header and payload of one reading
	if (!header_plausible(source, offset, h) || covered != RECORD_HEADER + (h->kind == RECORD_DATA ? h->length : 0))
		return 0;
	*payload = bytes + RECORD_HEADER;
	return h->crc == maplog_crc32c(source->seed, bytes + sizeof(h->crc), covered - sizeof(h->crc));
}

static bool follows(const struct chain *place, const struct record_header *h)
{
	if (place->sequence != 0 && h->sequence != place->sequence)
		return false;
	if (place->boot == 0)
		return true;
	return h->kind == RECORD_BOOT ? h->boot > place->boot : h->boot == place->boot;
}

static void advance(struct chain *place, const struct record_header *h)
{
	place->offset += record_size(h->length);
	place->sequence = h->sequence + (h->kind == RECORD_DATA);
	place->boot = h->boot;
}

int chain_step(struct source *source, struct chain *place, struct record_header *header, const uint8_t **payload)
{
	static const uint8_t zeros[RECORD_HEADER];
	const uint8_t *bytes;
	uint64_t cost = 0;
	int found;

	if (source->bytes - place->offset < RECORD_HEADER)
		return CHAIN_SEALED;
	found = record_check(source, place->offset, header, payload, &cost);
	if (found < 0)
		return found;
	if (found && follows(place, header)) {
		advance(place, header);
		return CHAIN_RECORD;
	}
	found = source_get(source, place->offset, RECORD_HEADER, &bytes);
	if (found)
		return found;
	if (memcmp(bytes, zeros, RECORD_HEADER) != 0 || place->offset + RECORD_HEADER > source->file_bytes)
		return CHAIN_BAD;
	return CHAIN_END;
}

int chain_next(struct source *source, struct chain *place, struct record_header *header, const uint8_t **payload)
{
	int status;

	do
		status = chain_step(source, place, header, payload);
	while (status == CHAIN_RECORD && header->kind != RECORD_DATA);
	return status;
}

static bool proves(const struct chain *broken, const struct record_header *h)
{
	return h->durable >= broken->sequence || (broken->boot != 0 && h->boot > broken->boot);
}

/*
 * Follows the chain that starts with the valid record at `from`: 1 if one of its records proves the break to be damage.
 * Otherwise 0, its records are counted as lost and *from is behind them.
 */
static int chain_proves(struct source *source, const struct chain *broken, uint64_t *from, struct chain_loss *loss)
{
	struct chain walk = {.offset = *from};
	struct record_header h;
	const uint8_t *payload;
	int status;

	while ((status = chain_step(source, &walk, &h, &payload)) == CHAIN_RECORD) {
		if (proves(broken, &h))
			return 1;
		loss->records += h.kind == RECORD_DATA;
		loss->boot = h.boot > loss->boot ? h.boot : loss->boot;
	}
	if (status < 0)
		return status;
	loss->end = *from = walk.offset;
	return 0;
}

int chain_search(struct source *source, struct chain *place, bool from_start, struct chain_loss *loss)
{
	uint64_t offset = from_start ? MAPLOG_DATA : place->offset;
	uint64_t cost = 0, budget = 4 * source->bytes; // crafted bytes cannot make this take long
	const uint8_t *payload;
	struct record_header h;

	while (source->bytes - offset >= RECORD_HEADER && cost < budget) {
		int found = record_check(source, offset, &h, &payload, &cost);

		if (found > 0 && h.sequence >= place->sequence && h.boot >= place->boot) {
			uint64_t start = offset;

			found = chain_proves(source, place, &offset, loss);
			if (found > 0) {
				*place = (struct chain){start, h.sequence, h.boot - (h.kind == RECORD_BOOT)};
				return 1;
			}
		} else {
			offset += MAPLOG_ALIGN;
		}
		if (found < 0)
			return found;
		if (from_start)
			break;
	}
	return 0;
}
