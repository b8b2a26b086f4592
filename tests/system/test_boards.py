# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""The boards' machines, and virt with its card behind SDHCI: each boots the same image to its main, with the card behind its own controller, and ends."""

import subprocess

import pytest

import inputs
import needs
import rig
from tools import boards

MACHINES = {
    "virt-sdhci": {"ram": 256, "card": "00:01.0", "words": ["--board", "virt", "--sd", "sdhci", "--memory", "256M", "--smp", "4"]},
    "sifive_u": {"ram": 256, "card": "spi@10050000"},
    "icicle": {"ram": 2048, "card": "mmc@20008000"},
    "visionfive2": {"ram": 1024, "card": "mmc@16020000"},
}


class Machine:
    """A board, and its card. The VisionFive 2's emulator ends at the first misuse of the card's controller."""

    def __init__(self, name, folder):
        self.name = name
        self.card = folder / "card.img"
        self.misuse = folder / "guest_errors"
        if name == "visionfive2":
            needs.need_emulator()

    def run(self, app, *options, **more):
        watch = ["-d", "guest_errors", "-D", self.misuse, "-global", "dw-mmc.fatal=on"] if self.name == "visionfive2" else []
        result = rig.run(app, *MACHINES[self.name].get("words", ["--board", self.name]), "--image", self.card, *(f"--qemu-arg={word}" for word in watch), *options, **more)
        if watch and self.misuse.exists():
            assert self.misuse.read_text(encoding="utf-8") == ""
        assert result.status == 0, rig.text_of(result)
        assert "did not power off" not in result.err
        rig.check_fs(self.card)
        return result


def everywhere(*quick):
    return pytest.mark.parametrize("name", [name if name in quick else pytest.param(name, marks=pytest.mark.default) for name in MACHINES])


@everywhere("icicle", "virt-sdhci")
def test_logger(name, tmp_path):
    """The main job, on a card of high capacity, as the boards' are."""
    machine = Machine(name, tmp_path)
    data = inputs.hostile()[-60_000:] + b"".join(b"line %d\n" % i for i in range(500))
    result = machine.run("logger", "--size", "4G", stdin=data)
    assert rig.cairn("log", machine.card).out == data
    expected = MACHINES[name]
    assert f"memory: {expected['ram']} MiB of RAM" in result.err
    assert f"SDHC card QEMU! on {expected['card']}" in result.err
    assert "harts: 4" in result.err


@everywhere()
@pytest.mark.parametrize("program", ["test_calls", "test_files", pytest.param("test_mmap", marks=pytest.mark.long)])
def test_program(name, program, tmp_path):
    """Semantics on a card of standard capacity; the programs are the guest tests' own."""
    result = Machine(name, tmp_path).run(f"tests/guest/{program}.c", argv=["quick"], seconds=1800)
    assert b"not ok" not in result.out and b"\nok 1 " in b"\n" + result.out, rig.text_of(result)


@pytest.mark.default
@pytest.mark.parametrize("name", ["sifive_u", "visionfive2"])
def test_one_hart(name, tmp_path):
    result = Machine(name, tmp_path).run("hello", "--smp", "1")
    assert "harts: 1" in result.err


def test_a_board_that_nothing_emulates(tmp_path):
    result = rig.run("hello", "--image", tmp_path / "card.img", "--board", "unmatched")
    assert result.status == 125 and not result.out
    assert result.err == "cairn: error: QEMU has no machine for the board unmatched\n" \
        "cairn:   ./cairn image --board unmatched makes its card; ./cairn boards lists the machines.\n", result.err
    assert not list(tmp_path.iterdir())


@pytest.mark.default
@pytest.mark.parametrize("low_with_a_card", [True, False])
def test_card_detection_of_sifive_u(low_with_a_card, tmp_path):
    """Its tree names no pin for it. One that nobody drives is low: so by a tree that names one there is a card, or none."""
    tree, slot = str(tmp_path / "tree.dtb"), "/soc/spi@10050000/mmc@0"
    subprocess.run([boards.QEMU, "-M", f"sifive_u,dumpdtb={tree}", "-smp", "5", "-m", "256M", "-display", "none"], check=True, capture_output=True)
    pins = subprocess.run(["fdtget", "-t", "u", tree, "/soc/gpio@10060000", "phandle"], check=True, capture_output=True, text=True).stdout.strip()
    subprocess.run(["fdtput", "-t", "u", tree, slot, "gpios", pins, "15", str(int(low_with_a_card))], check=True)
    result = rig.run("hello", "--board", "sifive_u", "--image", tmp_path / "card.img", "--qemu-arg=-dtb", f"--qemu-arg={tree}")
    assert ("no card in the slot spi@10050000" in result.err) == (not low_with_a_card), rig.text_of(result)
    assert result.status == (0 if low_with_a_card else 1), rig.text_of(result)


@pytest.mark.parametrize("words, message", [
    (["--board", "sifive_u", "--smp", "5"], "has 1 to 4"),
    (["--board", "icicle", "--memory", "1G"], "has 3072M only"),
    (["--board", "visionfive2", "--console", "virtio"], "has serial"),
    (["--board", "icicle", "--sd", "sdhci"], "is for the board virt"),
    (["--board", "sifive_u", "--read-only"], "is for the board virt"),
    (["--board", "icicle", "--size", "100M"], "a power of two"),
])
def test_what_a_machine_cannot_be(words, message, tmp_path):
    result = rig.run("hello", "--image", tmp_path / "card.img", *words)
    assert result.status == 125 and message in result.err, rig.text_of(result)


def test_list():
    listed = rig.cairn("boards")
    assert listed.status == 0
    assert [line.split()[0] for line in listed.out.decode().splitlines()[1:]] == list(boards.BOARDS)
