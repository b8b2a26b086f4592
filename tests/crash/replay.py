# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""Power cuts from a recording of QEMU's blklogwrites driver.

The model of the card: a FLUSH makes everything durable that completed before it. Of the writes since the last FLUSH any
subset may have reached the medium, and of each of those any subset of its 512-byte sectors; a sector is whole or absent.
An epoch is what was written between two FLUSHes: a cut in it may have come before the second one completed, with any of
these writes on the medium, whichever of them had completed.

Two broken cards, which the tests must notice: one that drops FLUSH, so every write since power-on may be missing; and one
on which a journal's commit block overtakes what came before the FLUSH in front of it.
"""

import bisect
import random
import struct
from dataclasses import dataclass

MAGIC = 0x6A736677736872
FLUSH, DISCARD = 1, 4
SECTOR = 512
JOURNAL_COMMIT = struct.pack(">II", 0xC03B3998, 2)  # how a journal's commit block begins


@dataclass(frozen=True)
class Entry:
    sector: int
    flags: int
    data: bytes


@dataclass(frozen=True)
class Cut:
    """Entries before `sure` are on the medium, of those from there to `open` the sectors that `seed` chooses (None: all), and
    those from there to `end`."""

    sure: int
    open: int
    end: int
    seed: int | None


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
    """scan(data, told): what is known to have been acknowledged once these data were written, from what was known before."""

    def __init__(self, base, entries, scan=lambda data, told: told, nothing=0):
        self.base = bytes(base)
        self.entries = entries
        self.flushes = [at for at, entry in enumerate(entries) if entry.flags & FLUSH]
        self.told = [nothing]  # told[q]: by entries before q
        for entry in entries:
            self.told.append(scan(entry.data, self.told[-1]))

    def told_next(self, end):
        """What the acknowledgement says that comes first after entry `end`: no more than that had been begun."""
        at = bisect.bisect_right(self.told, self.told[end])
        return self.told[at] if at < len(self.told) else None

    def epochs(self):
        """(sure, open, end) as a cut has them, for each FLUSH and for the recording's end."""
        starts = [0, *self.flushes]
        return [(first, end, end) for first, end in zip(starts, [*self.flushes, len(self.entries)])
                if self.writes(first, end)]

    def writes(self, first, end):
        return any(entry.data for entry in self.entries[first:end])

    def dropping(self):
        """Epochs of a card that drops FLUSH."""
        return [(0, end, end) for _, _, end in self.epochs()]

    def overtaking(self):
        """Epochs of a card on which a journal's commit block comes before the blocks that it commits."""
        found = []
        for first, _, end in self.epochs():
            before = self.flushes[: bisect.bisect_left(self.flushes, first)]
            if before and self.writes(before[-1], first) and any(entry.data.startswith(JOURNAL_COMMIT) for entry in self.entries[first:end]):
                found.append((before[-1], first, end))
        return found

    def whole(self):
        return self.medium().image(Cut(*3 * [len(self.entries)], None))

    def medium(self):
        return Medium(self)

    def chosen(self, cut):
        """{entry: its sectors that have arrived} of the entries that are not sure."""
        sectors = {at: range(len(self.entries[at].data) // SECTOR) for at in range(cut.sure, cut.end) if self.entries[at].data}
        if cut.seed is None:
            return {at: tuple(all_of) for at, all_of in sectors.items()}
        late = {at: tuple(all_of) for at, all_of in sectors.items() if at >= cut.open}
        return self.subset(cut, {at: all_of for at, all_of in sectors.items() if at < cut.open}) | late

    @staticmethod
    def subset(cut, sectors):
        pick = random.Random(f"{cut.sure} {cut.end} {cut.seed}")
        writes = list(sectors)
        shape = pick.randrange(5)
        if shape == 0:  # all but one
            lost = pick.choice(writes)
            kept = {at: some(pick, all_of) if at == lost else tuple(all_of) for at, all_of in sectors.items()}
        elif shape == 1:  # one after the other, until the power goes
            last = pick.randrange(len(writes))
            kept = {at: some(pick, sectors[at]) if number == last else tuple(sectors[at])
                    for number, at in enumerate(writes) if number <= last}
        elif shape == 2:
            kept = {at: tuple(all_of) for at, all_of in sectors.items()}
        else:
            share = pick.choice((0.15, 0.5, 0.85))
            kept = {at: some(pick, all_of) if pick.random() < 0.5 else tuple(all_of) for at, all_of in sectors.items()
                    if pick.random() < share}
        return {at: which for at, which in kept.items() if which}

    def cuts(self, epochs, count):
        """That many cuts, no two of them with the same sectors, spread evenly over the epochs; fewer if there are no more."""
        last = {epoch: 0 for epoch in epochs}  # seeds tried
        seen = {epoch: set() for epoch in epochs}
        found, step = [], max(1, len(epochs) / count)
        live = [epochs[int(number * step)] for number in range(min(count, len(epochs)))]
        while live and len(found) < count:
            for epoch in list(live):
                if len(found) == count:
                    break
                cut = self.another(epoch, last, seen[epoch])
                if cut:
                    found.append(cut)
                else:
                    live.remove(epoch)
        return sorted(found, key=lambda cut: (cut.sure, cut.end))

    def another(self, epoch, last, seen):
        for _ in range(50):
            last[epoch] += 1
            cut = Cut(*epoch, last[epoch])
            key = tuple(self.chosen(cut).items())
            if key not in seen:
                seen.add(key)
                return cut
        return None


def some(pick, sectors):
    return tuple(at for at in sectors if pick.random() < 0.5)


class Medium:
    """Makes images of cuts, quickly where their sure parts grow."""

    def __init__(self, recording):
        self.recording = recording
        self.at, self.sure = 0, bytearray(recording.base)

    def image(self, cut):
        entries = self.recording.entries
        if cut.sure < self.at:
            self.at, self.sure = 0, bytearray(self.recording.base)
        for entry in entries[self.at : cut.sure]:
            self.sure[entry.sector * SECTOR : entry.sector * SECTOR + len(entry.data)] = entry.data
        self.at = cut.sure
        card = bytearray(self.sure)
        for at, sectors in self.recording.chosen(cut).items():
            for sector in sectors:
                start = (entries[at].sector + sector) * SECTOR
                card[start : start + SECTOR] = entries[at].data[sector * SECTOR : (sector + 1) * SECTOR]
        return card
