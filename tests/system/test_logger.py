# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""The main job: real text through the console into the log, off the card on the PC, the same bytes."""

import json

import pytest

import inputs
import rig


def log_of(card, *options):
    result = rig.cairn("log", card, *options)
    assert result.status == 0, rig.text_of(result)
    return result


def record(card, data, *options, argv=(), seconds=240):
    result = rig.run("logger", "--image", card, *options, argv=argv, stdin=data, seconds=seconds)
    assert result.status == 0, rig.text_of(result)
    rig.check_fs(card)
    return result


SHORT_ON_SERIAL = {"quick": inputs.INPUTS.keys(), "default": {"dpkg-log", "dpkg-status"}, "long": set()}  # a byte at a time


@pytest.mark.parametrize("name", inputs.INPUTS)
@pytest.mark.parametrize("console", rig.CONSOLES)
def test_bytes_in_are_bytes_out(name, console, tmp_path, effort):
    data = inputs.INPUTS[name]()
    if console == "serial" and name in SHORT_ON_SERIAL[effort]:
        data = data[-50_000:]
    card = tmp_path / "card.img"
    record(card, data, "--console", console)
    assert log_of(card).out == data


def test_second_run_continues_the_sequence(tmp_path):
    card = tmp_path / "card.img"
    first, second = b"one\ntwo\n", b"three\n"
    record(card, first)
    record(card, second)
    assert log_of(card).out == first + second
    rows = [json.loads(line) for line in log_of(card, "--json").out.splitlines()]
    sequences = [row["sequence"] for row in rows]
    assert sequences == list(range(sequences[0], sequences[0] + len(rows))) and len(rows) == 3
    assert [row["boot"] for row in rows] == [1, 1, 2]


@pytest.mark.parametrize("memory", ["32M", "8G"])
def test_memory_sizes(memory, tmp_path):
    card = tmp_path / "card.img"
    data = inputs.dpkg_status()
    record(card, data, "--memory", memory)
    assert log_of(card).out == data


@pytest.mark.parametrize("block_size", [1024, 2048, 4096])
def test_block_sizes(block_size, tmp_path):
    card = tmp_path / "card.img"
    data = inputs.hostile()
    record(card, data, "--block-size", block_size)
    assert log_of(card).out == data


def test_empty_input(tmp_path):
    card = tmp_path / "card.img"
    record(card, b"")
    assert log_of(card).out == b""


def test_forms_of_the_log(tmp_path):
    card = tmp_path / "card.img"
    record(card, b'say "hi", twice\n\nlast')
    rows = [json.loads(line) for line in log_of(card, "--json").out.splitlines()]
    assert len(rows) == 3
    table = log_of(card, "--csv").out.decode().splitlines()
    assert len(table) == 4 and '"say ""hi"", twice"' in table[1]


def test_a_flipped_bit_is_reported_and_never_data(tmp_path):
    card = tmp_path / "card.img"
    lines = [b"line %d of the log" % i for i in range(200)]
    record(card, b"\n".join(lines) + b"\n")
    damaged = card.read_bytes().replace(b"line 150 of the log", b"line 15O of the log")
    card.write_bytes(damaged)
    result = rig.cairn("log", card)
    assert result.status == 1 and result.err, rig.text_of(result)
    assert b"15O" not in result.out and b"line 149 of the log" in result.out


def test_log_of_no_card(tmp_path):
    empty = tmp_path / "empty.img"
    empty.write_bytes(bytes(1 << 20))
    result = rig.cairn("log", empty)
    assert result.status == 2 and "no ext2" in result.err
    result = rig.cairn("log", tmp_path / "missing.img")
    assert result.status == 2 and "does not exist" in result.err


@pytest.mark.default
def test_more_input_than_the_log_keeps(tmp_path):
    """The oldest make room, and the logger says how many records that cost."""
    card = tmp_path / "card.img"
    data = b"".join(b"%08d %s\n" % (i, b"." * 180) for i in range(60_000))
    result = record(card, data, "--size", "24M")
    kept = log_of(card).out
    assert 100_000 < len(kept) < len(data) and data.endswith(kept), "what is kept is the end, whole"
    lost = 60_000 - kept.count(b"\n")
    assert str(lost) in result.err + result.out.decode(), rig.text_of(result)
