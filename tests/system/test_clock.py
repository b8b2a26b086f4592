# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""The wall clock: from the machine's clock device, from the card, set by the application; and from one boot to the next."""

import calendar
import json
import re
import subprocess
import time

import pytest

import rig
from tools import tool

CARD, DEVICE, SET = 1, 2, 3  # enum cairn_clock
LATER = calendar.timegm((2031, 5, 6, 7, 8, 9))
SLACK = 60  # seconds that a run may take on a busy machine
RTC_NODE = "/soc/rtc@101000"


def rtc(base):
    return ["--qemu-arg=-rtc", f"--qemu-arg=base={base}"]


def clock(card, *argv, options=()):
    """(time, source, mtime of a file just written, messages)"""
    result = rig.probe(card, "clock", *argv, options=options)
    assert result.status == 0, rig.text_of(result)
    match = re.fullmatch(rb"clock (\d+) (\d) (\d+)\n", result.out)
    assert match, rig.text_of(result)
    return int(match[1]), int(match[2]), int(match[3]), result.err


def test_the_device_gives_the_time(tmp_path):
    card = tmp_path / "card.img"
    before = int(time.time())
    now, source, mtime, _ = clock(card)
    assert before <= now <= time.time() and source == DEVICE
    assert before <= mtime <= now
    rig.check_fs(card)
    stat = rig.debugfs(card, "stat /clock")
    assert re.search(rf"mtime: 0x{mtime:08x}", stat), stat


def test_a_device_that_is_behind_the_card(tmp_path):
    """The newest time on the card is taken; and a device that is ahead again is believed."""
    card = tmp_path / "card.img"
    now, source, mtime, messages = clock(card, options=rtc("2001-02-03T04:05:06"))
    assert tool.EPOCH <= now <= tool.EPOCH + SLACK and source == CARD and tool.EPOCH <= mtime
    assert "the clock device is behind" in messages
    now, source, _, messages = clock(card, options=rtc("2031-05-06T07:08:09"))
    assert LATER <= now <= LATER + SLACK and source == DEVICE and "behind" not in messages
    now, source, _, _ = clock(card)
    assert LATER <= now <= LATER + 2 * SLACK and source == CARD


def test_what_was_set_stays_across_boots(tmp_path):
    card = tmp_path / "card.img"
    now, source, mtime, _ = clock(card, LATER)
    assert LATER <= now <= LATER + SLACK and source == SET and LATER <= mtime <= now
    again, source, mtime, _ = clock(card)
    assert now <= again <= now + SLACK and source == CARD and now <= mtime <= again
    back = int(time.time()) - 86400 * 365  # what the application asks for is done, in both directions
    now, source, _, _ = clock(card, back)
    assert back <= now <= back + SLACK and source == SET
    now, source, _, _ = clock(card)
    assert abs(now - time.time()) < SLACK and source == DEVICE


def test_never_back_after_a_power_cut(tmp_path):
    """What was durable carries its time: the next boot is not before it."""
    card = tmp_path / "card.img"
    machine = subprocess.Popen([rig.CAIRN, "run", rig.PROBE, "--no-build", "--image", str(card), "--timeout", "60", "--",
                                "clock", str(LATER), "hang"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL)
    now = int(machine.stdout.readline().split()[1])
    machine.kill()
    machine.communicate()
    assert now >= LATER
    again, source, _, messages = clock(card)
    assert "was not unmounted" in messages
    assert now <= again <= now + SLACK and source == CARD


@pytest.mark.parametrize("change,why", [
    (["-d", RTC_NODE, "reg"], "error 22"),
    (["-t", "x", RTC_NODE, "reg", "0", "0x101000", "0", "0x4"], "error 22"),
    (["-t", "x", RTC_NODE, "reg", "0", "0x101001", "0", "0x1000"], "error 22"),
    (["-t", "x", RTC_NODE, "reg", "0", "0x101000", "0xffffffff", "0xffffffff"], "error 22"),
    (["-t", "x", RTC_NODE, "reg", "0xffffffff", "0xfffff000", "0", "0x1000"], "error 22"),
    (["-t", "x", RTC_NODE, "reg", "0x10", "0x0", "0", "0x1000"], "error 5"),
    (["-t", "x", RTC_NODE, "reg", "0", "0x84000000", "0", "0x1000"], "error 34"),
], ids=["none", "short", "odd", "endless", "beyond", "nothing there", "memory"])
def test_a_wrong_device_tree(change, why, tmp_path):
    """One message, and the card gives the time."""
    tree = tmp_path / "virt.dtb"
    subprocess.run(["qemu-system-riscv64", "-machine", f"virt,dumpdtb={tree}", "-m", "128M", "-display", "none"], check=True,
                   capture_output=True)
    subprocess.run(["fdtput", tree, *change], check=True)
    now, source, _, messages = clock(tmp_path / "card.img", options=["--qemu-arg=-dtb", f"--qemu-arg={tree}"])
    assert tool.EPOCH <= now <= tool.EPOCH + SLACK
    assert re.findall(r"goldfish-rtc cannot use it \((error \d+)\)", messages) == [why] and source == CARD, messages


def test_records_say_where_their_time_comes_from(tmp_path):
    card = tmp_path / "card.img"
    for options in ([], rtc("2001-01-01T00:00:00")):
        result = rig.run("logger", "--image", card, *options, stdin=b"line\n")
        assert result.status == 0, rig.text_of(result)
    result = rig.cairn("log", "--json", card)
    assert result.status == 0, rig.text_of(result)
    records = [json.loads(line) for line in result.out.splitlines()]
    assert [record["clock"] for record in records] == ["rtc", "bound"], result.out
