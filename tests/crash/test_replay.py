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


def recording(*entries):
    return replay.Recording(BASE, list(entries))


def sectors(card):
    return [bytes(card[at : at + 1]) for at in range(0, len(card), 512)]


def test_flushed_writes_always_arrive():
    taken = recording(write(0, b"a"), flush(), write(1, b"b"), write(2, b"c"))
    for seed in range(50):
        card = taken.image(4, seed, honest=True)
        assert card[:512] == b"a" * 512
    assert {bytes(taken.image(4, seed, True))[512:513] for seed in range(50)} == {b"\0", b"b"}


def test_a_flush_that_has_not_completed_promises_nothing():
    taken = recording(write(0, b"a"), flush())
    assert b"\0" in {bytes(taken.image(1, seed, True))[:1] for seed in range(50)}
    assert taken.durable_until(1) == 0 and taken.durable_until(2) == 1


def test_dropped_flush_may_lose_everything():
    taken = recording(write(0, b"a"), flush(), write(1, b"b"), flush())
    assert b"\0" in {bytes(taken.image(4, seed, False))[:1] for seed in range(50)}


def test_writes_tear_at_sectors_and_nowhere_else():
    taken = recording(write(0, b"a", sectors=4))
    seen = set()
    for seed in range(200):
        card = taken.image(1, seed, True)
        for at in range(0, 4 * 512, 512):
            assert card[at : at + 512] in (b"a" * 512, bytes(512))
        seen.add(tuple(sectors(card)[:4]))
    assert len(seen) > 8


def test_later_writes_win():
    taken = recording(write(0, b"a"), write(0, b"b"))
    assert taken.whole()[:1] == b"b"


def test_claims_count_from_the_write_that_holds_them():
    taken = recording(write(0, b".", text=b"[rec 00000002 durable 00000001 files 0000]"), flush(),
                      write(0, b".", text=b"[rec 00000009 durable 00000007 files 0003]"))
    assert [claim.durable for claim in taken.claims] == [0, 1, 1, 7]
    assert taken.claims[-1].files == 3


def test_reading_a_recording(tmp_path):
    path = tmp_path / "log"
    header = struct.pack("<QQQI", replay.MAGIC, 1, 0, 512).ljust(512, b"\0")
    body = struct.pack("<QQQQ", 5, 1, 0, 0).ljust(512, b"\0") + b"x" * 512
    body += struct.pack("<QQQQ", 0, 0, replay.FLUSH, 0).ljust(512, b"\0")
    cut = struct.pack("<QQQQ", 6, 2, 0, 0).ljust(512, b"\0") + b"y" * 100
    path.write_bytes(header + body + cut)
    assert replay.read_recording(path) == [replay.Entry(5, 0, b"x" * 512), replay.Entry(0, replay.FLUSH, b"")]
