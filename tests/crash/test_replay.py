# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""The power-cut model itself, on recordings made by hand."""

import os
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import replay  # noqa: E402

BASE = bytes(8 * 512)


def write(sector, fill, sectors=1, text=b""):
    return replay.Entry(sector, 0, (text + fill * 512 * sectors)[: 512 * sectors])


def flush():
    return replay.Entry(0, replay.FLUSH, b"")


def recording(*entries, **more):
    return replay.Recording(BASE, list(entries), **more)


def sectors(card):
    return b"".join(bytes(card[at : at + 1]) for at in range(0, len(card), 512))


def images(taken, epochs, count=200):
    medium = taken.medium()
    return [sectors(medium.image(cut)) for cut in taken.cuts(epochs, count)]


def test_flushed_writes_always_arrive_and_others_may():
    taken = recording(write(0, b"a"), flush(), write(1, b"b"), write(2, b"c"))
    assert taken.epochs() == [(0, 1, 1), (1, 4, 4)]
    found = images(taken, taken.epochs()[1:])
    assert sorted(found) == [b"a\0\0" + bytes(5), b"a\0c" + bytes(5), b"ab\0" + bytes(5), b"abc" + bytes(5)]


def test_each_image_once_and_as_many_as_asked_for():
    taken = recording(write(0, b"a", sectors=4), flush(), write(1, b"b"), flush(), write(4, b"c", sectors=3))
    found = images(taken, taken.epochs())
    assert len(found) <= 16 + 2 + 8 and len(set(found)) > 15
    assert len(images(taken, taken.epochs(), 7)) == 7
    assert len(images(taken, taken.epochs(), 2)) == 2  # fewer than there are epochs


def test_a_flush_that_has_not_completed_promises_nothing():
    taken = recording(write(0, b"a"), flush())
    assert set(images(taken, taken.epochs())) == {bytes(8), b"a" + bytes(7)}


def test_dropped_flush_may_lose_everything():
    taken = recording(write(0, b"a"), flush(), write(1, b"b"), flush())
    assert {found[:2] for found in images(taken, taken.dropping())} == {b"\0\0", b"a\0", b"\0b", b"ab"}
    assert b"\0b" not in {found[:2] for found in images(taken, taken.epochs())}


def test_a_commit_block_that_overtakes():
    taken = recording(write(5, b"x"), flush(), write(0, b"a"), flush(), write(1, b".", text=replay.JOURNAL_COMMIT), flush(), write(2, b"c"))
    assert taken.overtaking() == [(1, 3, 5)]
    found = images(taken, taken.overtaking())
    assert {image[:2] for image in found} == {b"\0\xc0", b"a\xc0"} and all(image[5:6] == b"x" for image in found)


def test_writes_tear_at_sectors_and_nowhere_else():
    taken = recording(write(0, b"a", sectors=4))
    medium, seen = taken.medium(), set()
    for cut in taken.cuts(taken.epochs(), 200):
        card = medium.image(cut)
        for at in range(0, 4 * 512, 512):
            assert card[at : at + 512] in (b"a" * 512, bytes(512))
        seen.add(sectors(card)[:4])
    assert len(seen) > 8


def test_later_writes_win():
    taken = recording(write(0, b"a"), write(0, b"b"))
    assert taken.whole()[:1] == b"b"


def test_what_is_told_counts_from_the_write_that_says_it():
    taken = recording(write(0, b"\2"), flush(), write(0, b"\7"), scan=lambda data, told: max(told, *data[:1], 0))
    assert taken.told == [0, 2, 2, 7]
    assert taken.told_next(0) == 2 and taken.told_next(2) == 7 and taken.told_next(3) is None


def test_reading_a_recording(tmp_path):
    path = tmp_path / "log"
    header = struct.pack("<QQQI", replay.MAGIC, 1, 0, 512).ljust(512, b"\0")
    body = struct.pack("<QQQQ", 5, 1, 0, 0).ljust(512, b"\0") + b"x" * 512
    body += struct.pack("<QQQQ", 0, 0, replay.FLUSH, 0).ljust(512, b"\0")
    cut = struct.pack("<QQQQ", 6, 2, 0, 0).ljust(512, b"\0") + b"y" * 100
    path.write_bytes(header + body + cut)
    assert replay.read_recording(path) == [replay.Entry(5, 0, b"x" * 512), replay.Entry(0, replay.FLUSH, b"")]
