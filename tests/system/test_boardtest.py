# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""apps/boardtest: the report that a board's user pastes has what it should have, and says so when the card fails."""

import re

import pytest

import needs
import rig

WAY = r"\d+ KiB in \d+ ms, \d+ KiB/s; \d+ commands, (\d+) bytes by DMA, (\d+) by the CPU, (\d+) interrupts, 0 errors, 0 retries"
MIB = 2


def lines_of(result):
    text = result.out.decode()
    assert text.startswith("---- boardtest report ----\n") and text.endswith("---- end of report ----\n"), rig.text_of(result)
    return text.splitlines()[1:-1]


def one(lines, pattern):
    found = [match for match in (re.fullmatch(pattern, line) for line in lines) if match]
    assert len(found) == 1, f"{pattern}: {len(found)} lines\n" + "\n".join(lines)
    return found[0]


def check(result, card, ways, bounds):
    """What every board has; then each way, whose bytes all went that way."""
    assert result.status == 0, rig.text_of(result)
    lines = lines_of(result)
    one(lines, r"firmware: SBI \d+\.\d+, OpenSBI \(1\), its version 0x\w+ \(\d+\.\d+\)")
    one(lines, r"firmware: extensions TIME IPI RFENCE HSM.*")
    one(lines, r"firmware: mvendorid \S+ marchid \S+ mimpid \S+")
    one(lines, r"board: model .+")
    one(lines, r"board: time base \d+ Hz, started by hart \d+")
    assert [line for line in lines if re.fullmatch(r"cpu: processor\t: \d+", line)]
    for way in ways:
        for what in ("write", "read back"):
            dma, cpu, interrupts = map(int, one(lines, f"{way} {what}: {WAY}").groups())
            moved, other = (dma, cpu) if "dma" in way or way == "disk" else (cpu, dma)
            assert moved >= MIB << 20 and other == 0 and interrupts >= bounds, f"{way} {what}: {dma} {cpu} {interrupts}"
        if way != "dma again":
            one(lines, rf"{way} 4 KiB at random: 64 times, us: least \d+, half under \d+, most \d+")
            one(lines, rf"{way} 4 KiB and fdatasync: 32 times, us: least \d+, half under \d+, most \d+")
    assert lines[-1] == "result: good" and not [line for line in lines if line.startswith("FAILED")]
    rig.check_fs(card)
    assert "boardtest.tmp" not in rig.debugfs(card, "ls /")
    return lines


def test_virt(tmp_path):
    card = tmp_path / "card.img"
    check(rig.run("boardtest", "--image", card, argv=[MIB]), card, ["disk"], 1)


def test_card(tmp_path):
    """A card behind SDHCI: by DMA, by the CPU, by DMA again."""
    card = tmp_path / "card.img"
    lines = check(rig.run("boardtest", "--image", card, "--sd", "sdhci", "--size", "64M", argv=[MIB]), card, ["dma", "pio", "dma again"], 1)
    one(lines, r"mmcblk0: host \S+: SDHCI [23]\.0, capabilities \w{8} \w{8}, base clock \d+ Hz")
    one(lines, r"mmcblk0: card CID \w{32} CSD \w{32}, SDSC, spec 2, CMD23 \d, allocation unit \d+ KiB")
    one(lines, r"mmcblk0: bus 4 lines, at most 50000000 Hz, high speed")


@pytest.mark.default
@pytest.mark.parametrize("way", ["pio", "polled"])
def test_way_of_the_boot_argument(way, tmp_path):
    card = tmp_path / "card.img"
    result = rig.run("boardtest", "--image", card, "--sd", "sdhci", "--size", "64M", "--append", f"sd.transfer={way}", argv=[MIB])
    check(result, card, [way], 0)


@pytest.mark.default
@pytest.mark.parametrize("board, ways, host", [
    ("icicle", ["dma", "pio", "dma again"], r"mmcblk0: host mmc@20008000: SDHCI .*"),
    ("visionfive2", ["dma", "pio", "dma again"], r"mmcblk1: host mmc@16020000: DW MSHC, HCON \w{8} VERID \w{8}, card clock 49500000 Hz, FIFO of 32 words"),
    ("sifive_u", ["pio"], r"mmcblk0: host spi@10050000: SPI, clock \d+ Hz, card at most 20000000 Hz"),
])
def test_board(board, ways, host, tmp_path):
    card, misuse = tmp_path / "card.img", tmp_path / "guest_errors"
    watch = []
    if board == "visionfive2":
        needs.need_emulator()
        watch = [f"--qemu-arg={word}" for word in ("-d", "guest_errors", "-D", misuse, "-global", "dw-mmc.fatal=on")]
    lines = check(rig.run("boardtest", "--board", board, "--image", card, "--size", "64M", *watch, argv=[MIB]), card, ways, 0)
    one(lines, host)
    assert not misuse.exists() or misuse.read_text(encoding="utf-8") == ""


def test_no_room(tmp_path):
    """What fails is named, and the report goes on to its end."""
    result = rig.run("boardtest", "--image", tmp_path / "card.img", "--size", "32M", argv=[64])
    assert result.status == 1, rig.text_of(result)
    lines = lines_of(result)
    assert any(line.startswith("FAILED: disk write: No space left") for line in lines) and re.fullmatch(r"result: FAILED, \d+ times", lines[-1])


def test_bad_argument(tmp_path):
    result = rig.run("boardtest", "--image", tmp_path / "card.img", argv=["0"])
    assert result.status == 1 and "a number of MiB" in result.err, rig.text_of(result)
