// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * A slot in /proc/board: its controller, the registers of the card that was brought up last, the bus; and the way of
 * its data, which may be chosen while it works: PIO where it began with DMA, and back. The card's thread writes the
 * lines down when it has brought the card up, and takes a choice before its next request. sd_card.lock guards both.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "drivers/sd/card.h"

static const char *const ways[] = {"dma", "pio", "polled"};

static void describe_kind(const struct sd_card *card, char *text, size_t size)
{
	if (card->kind == SD_MMC)
		snprintf(text, size, "MMC, addresses are %s, cache %d", card->bytes ? "bytes" : "sectors",
			 card->cached);
	else
		snprintf(text, size, "%s, spec %u, CMD23 %d, allocation unit %u KiB", card->bytes ? "SDSC" : "SDHC",
			 card->scr.version, card->cmd23, (unsigned)(card->ssr.au_sectors / 2));
}

void sd_facts_note(struct sd_card *card, const uint32_t csd[4])
{
	static const char *const timings[] = {"identification", "default speed", "high speed"};
	char card_text[FACT_SIZE], bus_text[FACT_SIZE], more[80];
	unsigned long flags;

	describe_kind(card, more, sizeof(more));
	snprintf(card_text, FACT_SIZE, "card CID %08x%08x%08x%08x CSD %08x%08x%08x%08x, %s", (unsigned)card->cid[0],
		 (unsigned)card->cid[1], (unsigned)card->cid[2], (unsigned)card->cid[3], (unsigned)csd[0],
		 (unsigned)csd[1], (unsigned)csd[2], (unsigned)csd[3], more);
	snprintf(bus_text, FACT_SIZE, "bus %u lines, at most %u Hz, %s", (unsigned)card->ios.width,
		 (unsigned)card->ios.clock, timings[card->ios.timing]);
	flags = spin_lock(&card->lock);
	memcpy(card->text[0], card_text, FACT_SIZE);
	memcpy(card->text[1], bus_text, FACT_SIZE);
	spin_unlock(&card->lock, flags);
}

static bool slot_line(const struct facts *facts, unsigned n, char text[FACT_SIZE])
{
	struct sd_card *card = facts->owner;
	unsigned long flags;
	bool found = true;

	if (n == 0) {
		snprintf(text, FACT_SIZE, "host %.40s: %s", card->host->name, card->host->registers);
		return true;
	}
	flags = spin_lock(&card->lock);
	if (n == 1)
		snprintf(text, FACT_SIZE, "transfer %s", ways[card->way]);
	else if (n < 2 + array_size(card->text) && card->text[n - 2][0])
		memcpy(text, card->text[n - 2], FACT_SIZE);
	else
		found = false;
	spin_unlock(&card->lock, flags);
	return found;
}

static int slot_set(const struct facts *facts, const char *value)
{
	struct sd_card *card = facts->owner;
	enum sd_transfer way = SD_DMA;
	unsigned long flags;

	while (way <= SD_POLLED && strcmp(ways[way], value))
		way++;
	if (way > SD_POLLED || (way != card->first_way && !(way == SD_PIO && card->first_way == SD_DMA)))
		return -EINVAL;
	flags = spin_lock(&card->lock);
	card->way = way;
	spin_unlock(&card->lock, flags);
	return 0;
}

void sd_facts_add(struct sd_card *card)
{
	card->way = card->first_way = card->host->transfer;
	card->facts = (struct facts){.name = card->blk.name, .line = slot_line, .set = slot_set, .owner = card};
	facts_add(&card->facts);
}
