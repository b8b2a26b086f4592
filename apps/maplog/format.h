// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The bytes of a segment file; docs/maplog.md tells it in prose. All numbers are little-endian. A file is a
 * struct segment_header in MAPLOG_DATA bytes, then records, each at a multiple of 8 bytes.
 */
#pragma once

#include <stdint.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the structs below are the file's bytes");

#define MAPLOG_MAGIC "MAPLOG\r\n"
#define MAPLOG_VERSION 1u
#define MAPLOG_DATA 4096u // where records start; a page, so that the header is never written again
#define MAPLOG_ALIGN 8u
#define MAPLOG_SEGMENT_UNIT 65536u // segment sizes are multiples: a multiple of every page size in use
#define MAPLOG_SEGMENT_MAX (1u << 30)
#define MAPLOG_SUFFIX ".seg"
#define MAPLOG_NEW_SUFFIX ".new" // being prepared

struct segment_header {
	char magic[8];
	uint32_t version;
	uint32_t data;	     // MAPLOG_DATA
	uint64_t generation; // from 1; each preparation of a segment takes the next one; seeds every checksum in it
	uint64_t bytes;	     // of the whole file
	uint64_t sequence;   // every record here has at least this sequence
	uint32_t boot;	     // ... and this boot number
	uint8_t zero[16];
	uint32_t crc; // CRC-32C of the bytes before
};
_Static_assert(sizeof(struct segment_header) == 64, "struct segment_header");

enum record_kind {
	RECORD_DATA = 1,
	RECORD_BOOT =
	    2, // start of an opening, durable before its first data; no payload; sequence of the next data record
	RECORD_PAD = 3, // `length` unused bytes; sequence of the next data record
};

struct record_header {
	uint32_t
	    crc; // CRC-32C of the segment's generation (8 bytes), the header from `length` on, a data record's payload
	uint32_t length; // bytes after the header, without the fill to a multiple of 8
	uint64_t sequence;
	uint32_t boot;
	uint8_t kind;  // enum record_kind
	uint8_t flags; // enum maplog_flags
	uint8_t clock; // enum maplog_clock
	uint8_t zero;
	uint64_t monotonic_ns;
	int64_t wall_offset_ns;
	uint64_t durable; // newest durable sequence when written
};
_Static_assert(sizeof(struct record_header) == 48, "struct record_header");

#define RECORD_HEADER sizeof(struct record_header)

/* Bytes that a record takes. */
static inline uint64_t record_size(uint32_t length)
{
	return RECORD_HEADER + (((uint64_t)length + MAPLOG_ALIGN - 1) & ~(uint64_t)(MAPLOG_ALIGN - 1));
}
