# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""What a panic keeps in /var/crash: read on this machine, and the card is no worse for it."""

import re
import struct
import subprocess

import pytest

import needs
import rig
from tools import crash, image


def panic(card, *options):
    result = rig.probe(card, "die", "panic", options=options)
    assert result.status == 134, rig.text_of(result)
    return result


def shown(card):
    result = rig.cairn("log", "--crash", card)
    assert result.status == 0, rig.text_of(result)
    return result.out.decode()


def check_repairable(card):
    """As any card that was not unmounted: only counts may be wrong, and nothing once it has been repaired."""
    device = image.ext2_device(str(card))
    found = subprocess.run(["/sbin/e2fsck", "-fn", device], capture_output=True, text=True, check=False)
    told = [line for line in found.stdout.splitlines()[1:] if line and not line.startswith("Pass ")]
    assert all(re.search(r"not cleanly unmounted|count|Fix\?|WARNING|differences|files \(|still has errors", line) for line in told), found.stdout
    subprocess.run(["/sbin/e2fsck", "-fy", device], capture_output=True, check=False)
    rig.check_fs(card)


@pytest.mark.parametrize("where,name", [((), "vda2"), (("--sd", "sdhci"), "mmcblk0p2"), (("--board", "icicle"), "mmcblk0p2"),
                                        (("--board", "sifive_u"), "mmcblk0p4"), (("--board", "visionfive2"), "mmcblk1p4")],
                         ids=["virtio", "sdhci", "icicle", "sifive_u", "visionfive2"])
def test_panic_is_kept(where, name, tmp_path):
    """Also by the emulator of the VisionFive 2, which ends at the first misuse of the card's controller."""
    card, misuse = tmp_path / "card.img", tmp_path / "guest_errors"
    strict = []
    if "visionfive2" in where:
        needs.need_emulator()
        strict = [f"--qemu-arg={word}" for word in ("-d", "guest_errors", "-D", misuse, "-global", "dw-mmc.fatal=on")]
    result = panic(card, *where, *strict)
    assert not misuse.exists() or misuse.read_text(encoding="utf-8") == ""
    text = shown(card)
    assert "panic: the application asked for it" in text and "backtrace:" in text and f"ext2: {name}: mounted" in text
    # Nothing of the report is missing: what the console had from the panic on, line for line.
    report = [line for line in result.err.splitlines() if re.match(r"\[ *\d+\.\d+\] ", line)]
    kept = {line for line in text.splitlines()}
    begin = next(i for i, line in enumerate(report) if "panic: " in line)
    bare = [re.sub(r" \S+\+0x[0-9a-f]+.*$", "", line) for line in report[begin:]]  # without what ./cairn adds
    assert len(bare) > 5 and all(any(mine.startswith(line) for mine in kept) for line in bare), (bare, text)
    check_repairable(card)


def test_the_next_panic_replaces_it_and_a_good_run_keeps_it(tmp_path):
    card = tmp_path / "card.img"
    panic(card)
    first = shown(card)
    assert rig.probe(card, "status", 0).status == 0
    assert shown(card) == first
    rig.check_fs(card)
    panic(card, "--smp", 2)
    assert "harts: 2" in shown(card) and "harts: 2" not in first


def test_none_was_kept(tmp_path):
    card = tmp_path / "card.img"
    assert rig.probe(card, "status", 0).status == 0
    result = rig.cairn("log", "--crash", card)
    assert result.status == 1 and "no panic was kept" in result.err, rig.text_of(result)


def unit(index, when, text, mark=crash.MARK):
    return (crash.HEADER.pack(mark, index, len(text), when, 0) + text).ljust(crash.UNIT, b"\0")


@pytest.mark.parametrize("content,expected", [
    (b"", None),
    (b"\0" * 4096, None),
    (unit(0, 0, b""), None),
    (unit(0, 5, b"one ") + unit(1, 5, b"two") + unit(2, 5, b""), (5, b"one two")),
    (unit(0, 5, b"one ") + unit(1, 4, b"an old one"), (5, b"one ")),  # cut short
    (unit(1, 5, b"one"), None),
    (unit(0, 5, b"one ") + unit(1, 5, b"two", b"elsewise") + unit(2, 5, b"three"), (5, b"one three")),
    (struct.pack("<8sIIQQ", crash.MARK, 0, 5000, 5, 0).ljust(1024, b"x"), None),
])
def test_units(content, expected):
    assert crash.last(content) == expected
