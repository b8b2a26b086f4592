// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What a card's registers say. SD Physical Layer Simplified Specification 6.00, chapter 5 and section 4.10.2;
 * JESD84-B51, sections 7.3 and 7.4. Numbers from the card are checked here and trusted after (I8).
 */
#include <errno.h>

#include "drivers/sd/card.h"

#define SECTORS_MAX ((sector_t)1 << 32) // what a command's argument reaches: 2 TiB

uint32_t sd_bits(const uint32_t words[4], unsigned high, unsigned low)
{
	uint64_t both = words[3 - low / 32];
	const unsigned count = high - low + 1;

	if (low / 32 < 3)
		both |= (uint64_t)words[2 - low / 32] << 32;
	both >>= low % 32;
	return (uint32_t)(count == 32 ? both : both & ((1ull << count) - 1));
}

/* TRAN_SPEED: a unit and a factor in tenths; both kinds of card. */
static uint32_t speed_of(uint32_t code)
{
	static const uint8_t tenths[16] = {0, 10, 12, 13, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 70, 80};
	static const uint32_t units[4] = {10000, 100000, 1000000, 10000000}; // Hz a tenth

	return (code & 7) > 3 ? 0 : units[code & 7] * tenths[(code >> 3) & 15];
}

static void csd_common(const uint32_t words[4], struct sd_csd *out)
{
	out->classes = (uint16_t)sd_bits(words, 95, 84);
	out->write_protected = sd_bits(words, 13, 13) || sd_bits(words, 12, 12);
	out->speed = speed_of(sd_bits(words, 103, 96));
}

/* Capacity of version 1: SD and small MMC. */
static int csd_capacity(const uint32_t words[4], sector_t *sectors)
{
	const uint32_t shift = sd_bits(words, 49, 47) + 2 + sd_bits(words, 83, 80);

	if (sd_bits(words, 83, 80) < 9 || sd_bits(words, 83, 80) > 11)
		return -EINVAL;
	*sectors = ((sector_t)sd_bits(words, 73, 62) + 1) << (shift - SECTOR_SHIFT);
	return 0;
}

int sd_csd_decode(const uint32_t words[4], struct sd_csd *out)
{
	int error = 0;

	*out = (struct sd_csd){0};
	csd_common(words, out);
	out->erase_single = sd_bits(words, 46, 46);
	out->erase_sectors = sd_bits(words, 45, 39) + 1;
	out->large = sd_bits(words, 127, 126) > 0;
	switch (sd_bits(words, 127, 126)) {
	case 0:
		error = csd_capacity(words, &out->sectors);
		out->erase_sectors <<=
		    sd_bits(words, 25, 22) > SECTOR_SHIFT ? sd_bits(words, 25, 22) - SECTOR_SHIFT : 0;
		break;
	case 1:
		out->sectors = ((sector_t)sd_bits(words, 69, 48) + 1) << 10;
		break;
	case 2:
		out->sectors = ((sector_t)sd_bits(words, 75, 48) + 1) << 10;
		break;
	default:
		error = -EINVAL;
	}
	return error ? error : out->sectors > SECTORS_MAX || !out->speed ? -EINVAL : 0;
}

int mmc_csd_decode(const uint32_t words[4], struct sd_csd *out)
{
	int error;

	*out = (struct sd_csd){0};
	csd_common(words, out);
	error = csd_capacity(words, &out->sectors);
	out->erase_sectors = (sd_bits(words, 46, 42) + 1) * (sd_bits(words, 41, 37) + 1);
	out->erase_sectors <<= sd_bits(words, 25, 22) > SECTOR_SHIFT ? sd_bits(words, 25, 22) - SECTOR_SHIFT : 0;
	return error ? error : !out->speed ? -EINVAL : 0;
}

void sd_scr_decode(const uint8_t bytes[8], struct sd_scr *out)
{
	out->version = bytes[0] & 15;
	out->wide = bytes[1] & 4;
	out->cmd23 = bytes[3] & 2;
}

void sd_ssr_decode(const uint8_t bytes[64], struct sd_ssr *out)
{
	/* Sectors of an allocation unit by its code: 16 KiB doubled, then 12, 16, 24, 32, 64 MiB. */
	static const uint32_t units[16] = {0,	 32,   64,    128,   256,   512,   1024,  2048,
					   4096, 8192, 16384, 24576, 32768, 49152, 65536, 131072};

	out->au_sectors = units[bytes[10] >> 4];
	out->discard = bytes[24] & 2;
}

static uint32_t little32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

int mmc_ext_csd_decode(const uint8_t bytes[512], struct sd_ext_csd *out)
{
	*out = (struct sd_ext_csd){
	    .sectors = little32(bytes + 212),
	    .high_speed = bytes[196] & 2,
	    .cache = little32(bytes + 249) != 0 && bytes[192] >= 6,
	    .trim = bytes[231] & 16,
	    .discard = bytes[192] >= 6,
	    .partition = bytes[179],
	};
	return bytes[192] > 32 ? -EINVAL : 0; // EXT_CSD_REV: this is no such register
}
