# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""Power cuts from a recording of QEMU's blklogwrites driver.

The model of the card: a FLUSH makes everything durable that completed before it. Of the writes since the last FLUSH any
subset may have reached the medium, and of each of those any subset of its 512-byte sectors; a sector is whole or absent.
With `honest` false the card drops FLUSH: every write since power-on may be missing.
"""

import random
import re
import struct
from dataclasses import dataclass

MAGIC = 0x6A736677736872
FLUSH, DISCARD = 1, 4
SECTOR = 512
CLAIM = re.compile(rb"\[rec (\d{8}) durable (\d{8}) files (\d{4})\]")


@dataclass(frozen=True)
class Entry:
    sector: int
    flags: int
    data: bytes


@dataclass(frozen=True)
class Claims:
    """What had been acknowledged: records up to `durable`, files up to `files`."""

    durable: int = 0
    files: int = 0

    def with_write(self, data):
        durable, files = self.durable, self.files
        for match in CLAIM.finditer(data):
            durable, files = max(durable, int(match[2])), max(files, int(match[3]))
        return Claims(durable, files)


def read_recording(path):
    with open(path, "rb") as file:
        data = file.read()
    magic, version, _count, sector_size = struct.unpack_from("<QQQI", data)
    if magic != MAGIC or version != 1:
        raise ValueError(f"{path} is no recording")
    entries, at = [], sector_size
    while at + sector_size <= len(data):
        sector, sectors, flags, _length = struct.unpack_from("<QQQQ", data, at)
        at += sector_size
        size = 0 if flags & DISCARD else sectors * sector_size
        if at + size > len(data):
            break  # the recording itself was cut
        entries.append(Entry(sector * (sector_size // SECTOR), flags, data[at : at + size]))
        at += size
    return entries


class Recording:
    def __init__(self, base, entries):
        self.base = bytes(base)
        self.entries = entries
        self.flushes = [at for at, entry in enumerate(entries) if entry.flags & FLUSH]
        self.claims = [Claims()]  # claims[q]: before entry q
        for entry in entries:
            self.claims.append(self.claims[-1].with_write(entry.data))

    def durable_until(self, cut):
        """Entries before this are on the medium whatever happens, if the power goes before entry `cut`."""
        return max((at for at in self.flushes if at < cut), default=0)

    def whole(self):
        return self.image(len(self.entries), None, honest=True)

    def image(self, cut, seed, honest):
        """The card after a cut before entry `cut`. seed None: everything before the cut has arrived."""
        card = bytearray(self.base)
        sure = self.durable_until(cut) if honest else 0
        pick = random.Random(seed)
        keep = pick.choice((0.15, 0.5, 0.85))
        for at, entry in enumerate(self.entries[:cut]):
            if at < sure or seed is None:
                apply(card, entry, None)
            elif pick.random() < keep:
                apply(card, entry, pick if pick.random() < 0.5 else None)
        return card


def apply(card, entry, torn):
    """torn: a source of randomness that decides which sectors arrive; None: all."""
    offset = entry.sector * SECTOR
    if torn is None:
        card[offset : offset + len(entry.data)] = entry.data
        return
    for at in range(0, len(entry.data), SECTOR):
        if torn.random() < 0.5:
            card[offset + at : offset + at + SECTOR] = entry.data[at : at + SECTOR]
