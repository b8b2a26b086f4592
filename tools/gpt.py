# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""A GPT for a card that is larger than the image: its backup moves to the card's end, and the last partition may grow."""

import os
import struct
import zlib
from dataclasses import dataclass

from tools.layout import SECTOR, TAIL
from tools.ui import Failure

SIGNATURE = b"EFI PART"
HEADER = struct.Struct("<8sIIIIQQQQ16sQIII")
MIN_ENTRIES = 128 * 128  # bytes that a table takes at least
MOST = 1 << 20  # bytes of a table that is believed
ENTRY, LARGEST_ENTRY = 128, 4096  # bytes


@dataclass(frozen=True)
class Table:
    header: tuple
    entries: bytes
    entry_size: int


def damaged(path):
    return Failure(f"{path}: its partition table is damaged", "Make the card anew with ./cairn image.")


def read_entries(file, path, header):
    """The bytes of the entries, of which there may be as many as fit into MOST."""
    at, count, entry_size = header[10] * SECTOR, header[11], header[12]
    if not ENTRY <= entry_size <= LARGEST_ENTRY or entry_size % ENTRY or count * entry_size > MOST \
            or at + count * entry_size > file.seek(0, os.SEEK_END):
        raise damaged(path)
    file.seek(at)
    return file.read(count * entry_size)


def read(path):
    """The table, or None where there is none."""
    with open(path, "rb") as file:
        file.seek(SECTOR)
        raw = file.read(SECTOR).ljust(SECTOR, b"\0")
        if raw[:8] != SIGNATURE:
            return None
        header = HEADER.unpack_from(raw)
        size, crc, entry_size = header[2], header[3], header[12]
        entries = read_entries(file, path, header)
    plain = raw[:16] + bytes(4) + raw[20:size]
    if not HEADER.size <= size <= SECTOR or zlib.crc32(plain) != crc or zlib.crc32(entries) != header[13]:
        raise damaged(path)
    return Table(header, entries, entry_size)


def packed(header, own, other, entries_at, last_usable, entries):
    fields = [*header[:3], 0, 0, own, other, header[7], last_usable, header[9], entries_at, header[11], header[12], zlib.crc32(entries)]
    fields[2] = HEADER.size
    fields[3] = zlib.crc32(HEADER.pack(*fields))
    return HEADER.pack(*fields).ljust(SECTOR, b"\0")


def last_partition(table):
    """Its place in the entries, first and last sector."""
    found = []
    for at in range(0, len(table.entries) - table.entry_size + 1, table.entry_size):
        if any(table.entries[at : at + 16]):
            found.append((at, *struct.unpack_from("<QQ", table.entries, at + 32)))
    return max(found, key=lambda entry: entry[1])


def grown(table, card_size):
    """The entries with the last partition up to where a new card of this size would have it end."""
    at, first, last = last_partition(table)
    entries = bytearray(table.entries)
    struct.pack_into("<Q", entries, at + 40, max(last, (card_size - TAIL) // SECTOR - 1))
    return bytes(entries), first * SECTOR, (max(last, (card_size - TAIL) // SECTOR - 1) + 1 - first) * SECTOR


def moved(table, card_size, entries=None):
    """(byte, data) of what is to be written to a card of this size: protective MBR, header, entries, and both at its end."""
    entries = entries or table.entries
    end = card_size // SECTOR - 1
    sectors = -(-max(len(entries), MIN_ENTRIES) // SECTOR)
    protective = bytes(446) + struct.pack("<B3sB3sII", 0, b"\0\2\0", 0xEE, b"\xff\xff\xff", 1, min(end, 0xFFFFFFFF)) + bytes(48) + b"\x55\xaa"
    at = table.header[10]
    return [(0, protective), (SECTOR, packed(table.header, 1, end, at, end - sectors - 1, entries)), (at * SECTOR, entries),
            ((end - sectors) * SECTOR, entries), (end * SECTOR, packed(table.header, end, 1, end - sectors, end - sectors - 1, entries))]
