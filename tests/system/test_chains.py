# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""Boot chains, each from the image file alone: the loader finds the kernel on the card, and its arguments, passes a device tree
of its own, and leaves devices as it does. Loaders are Debian's, unchanged."""

import os
import select
import subprocess
import time
from dataclasses import dataclass

import pytest

import inputs
import needs
import rig
from tools import build, chains, console, image, layout, log, qemu
from tools.ui import Failure

DATA = inputs.short_hostile() + b"\n" + b"".join(b"line %d\n" % i for i in range(200))


@dataclass(frozen=True)
class Chain:
    """board, boot: of ./cairn run. model, ram (MiB): in the tree that the loader passes. harts: of the machine."""

    board: str
    boot: str
    package: str
    model: str
    ram: int
    harts: int = 1
    card: str = ""
    parks: bool = False  # the firmware cannot turn it off

    def __str__(self):
        return f"{self.board}-{self.boot}-{self.harts}"


UNLEASHED = {"package": "u-boot-sifive", "model": "SiFive HiFive Unleashed A00", "ram": 8192, "card": "SDHC card", "parks": True}
VISIONFIVE2 = {"package": "u-boot-starfive", "model": "starfive,visionfive-2-v1.3b", "ram": 2048, "card": "SDHC card"}
VIRT = Chain("virt", "uboot", "u-boot-qemu", "riscv-virtio,qemu", 256, harts=4)
CHAINS = [VIRT, Chain("sifive_u", "uboot", **UNLEASHED), Chain("sifive_u", "spl", **UNLEASHED, harts=4),
          Chain("visionfive2", "uboot", **VISIONFIVE2, harts=4)]


def every(some=tuple(CHAINS)):
    return pytest.mark.parametrize("chain", [chain if chain is VIRT else pytest.param(chain, marks=pytest.mark.default) for chain in some], ids=str)


class Card:
    """What ./cairn image makes for the chain's board, and boots of it."""

    def __init__(self, chain, folder, app="logger", size="4G", append="", argv=()):
        needs.need_package(chain.package)
        if chain.board == "visionfive2":
            needs.need_emulator()
        self.chain, self.path, self.mistakes = chain, folder / "card.img", folder / "mistakes.log"
        made = rig.cairn("image", app, "--board", chain.board, "--image", self.path, "--size", size, "--append", append, *(["--", *argv] if argv else []))
        assert made.status == 0, rig.text_of(made)

    def machine_words(self):
        """The VisionFive 2's emulator ends at the first misuse of the card's controller, U-Boot's too."""
        return ["-d", "guest_errors", "-D", str(self.mistakes), "-global", "dw-mmc.fatal=on"] if self.chain.board == "visionfive2" else []

    def boot(self, app="logger", **more):
        result = rig.run(app, "--board", self.chain.board, "--boot", self.chain.boot, "--image", self.path, "--smp", self.chain.harts,
                         *(f"--qemu-arg={word}" for word in self.machine_words()), **more)
        self.check()
        return result

    def check(self):
        rig.check_fs(self.path)
        if self.machine_words():
            assert self.mistakes.read_text(encoding="utf-8") == ""


@every()
def test_logger(chain, tmp_path):
    """The main job; on virt twice, where the second boot finds what the first has written."""
    card = Card(chain, tmp_path)
    boots = 2 if chain is VIRT else 1
    for _ in range(boots):
        result = card.boot(stdin=DATA)
        assert result.status == 0, rig.text_of(result)
        assert f"] cairn on {chain.model}\n" in result.err, rig.text_of(result)
        assert f"] memory: {chain.ram} MiB of RAM" in result.err and chain.card in result.err, rig.text_of(result)
        assert f"] harts: {chain.harts}\n" in result.err, rig.text_of(result)
        assert ("power may be removed now" in result.err) == chain.parks
        assert "did not power off" not in result.err and "cannot use it" not in result.err, rig.text_of(result)
    records = rig.cairn("log", card.path)
    assert records.status == 0 and records.out == DATA * boots, rig.text_of(records)


# ---- boot arguments ----

WORDS = ("two words", "", "$kernel_addr_r \\ '${x}' \"%\"", "--", "-n", "\x01\x7f\xe9")


def test_arguments(tmp_path):
    """What `append` of extlinux.conf says: the application's words, whatever is in them, and its name."""
    result = Card(VIRT, tmp_path, "hello", append="root=/dev/vda2 console=ttyX9,115200", argv=WORDS).boot("hello")
    assert result.status == 0, rig.text_of(result)
    shown = "".join(f'argv[{i}] = "{word}"\n' for i, word in enumerate(("hello", *WORDS)))
    assert shown.encode() in result.out, rig.text_of(result)
    assert "console=ttyX9: there is no such console, using ttyS0" in result.err


@pytest.mark.default
def test_root_of_the_arguments(tmp_path):
    result = Card(VIRT, tmp_path, append="root=/dev/vda9").boot()
    assert result.status == 1, rig.text_of(result)
    assert "root=/dev/vda9: there is no such device; these there are:" in result.err and "vda2: 4175872 KiB, a partition" in result.err, rig.text_of(result)


# ---- what the VisionFive 2's own U-Boot does ----

class Line:
    """A serial line on which somebody types, and waits for the echo of each key."""

    def __init__(self, fd):
        self.fd = fd
        self.seen = b""

    def wait_for(self, *texts, seconds=60):
        """The first of the texts; all that comes up to its end is taken off the line."""
        deadline = time.monotonic() + seconds
        while True:
            found = [(self.seen.index(text), text) for text in texts if text in self.seen]
            if found:
                at, text = min(found)
                before, self.seen = self.seen[:at], self.seen[at + len(text) :]
                return before, text
            assert select.select([self.fd], [], [], max(0, deadline - time.monotonic()))[0], f"no {texts}: {self.seen[-2000:]!r}"
            data = os.read(self.fd, 4096)
            assert data, f"the machine ended: {self.seen[-2000:]!r}"
            self.seen += data

    def command(self, text, prompt=b"StarFive # "):
        """What a command prints."""
        for key in text.encode():
            os.write(self.fd, bytes([key]))
            self.wait_for(bytes([key]))
        os.write(self.fd, b"\r")
        return self.wait_for(prompt)[0] if prompt else b""


def converse(line, data):
    """docs/console.md, with a board whose console is plain: its exit frame, and what it said on each channel."""
    decoder, sender, said = console.Decoder(), console.Sender(), {}
    sender.attach("s")
    sender.data(data)
    sender.end()
    while True:
        while sender.wire:
            sender.written(os.write(line.fd, bytes(sender.wire[:512])))
        received = line.seen or os.read(line.fd, 4096)
        line.seen = b""
        assert received, said
        for event in decoder.feed(received):
            if isinstance(event, console.Exit):
                return event, said
            if isinstance(event, console.Text):
                said[event.channel] = said.get(event.channel, b"") + event.data
            else:
                sender.handle(event)


@pytest.mark.default
def test_script_for_the_vendors_loader(tmp_path):
    """The vendor's U-Boot imports vf2_uEnv.txt of the third partition and runs its boot2, with these variables set. Here it is
    Debian's that runs these commands."""
    chain = next(chain for chain in CHAINS if chain.board == "visionfive2")
    card = Card(chain, tmp_path, append="quiet", argv=("--dir", "/other log"))
    folder = tmp_path / "loaders"
    folder.mkdir()
    machine = qemu.Machine("", qemu.file_drive(str(card.path)), "2G", chain.harts, console="serial", board="visionfive2",
                           extra=card.machine_words(), loader=chains.of("visionfive2", "uboot").words(str(card.path), str(folder)))
    board = qemu.Qemu(machine)
    try:
        line = Line(board.console)
        line.wait_for(b"Hit any key to stop autoboot")
        os.write(line.fd, b" ")
        line.wait_for(b"StarFive # ")
        for command in ("setenv devnum 1", "setenv bootpart 3", "setenv memory_addr 40000000", "setenv memory_size 80000000",
                        "fatload mmc ${devnum}:${bootpart} ${loadaddr} vf2_uEnv.txt", "env import -t ${loadaddr} ${filesize}"):
            answer = line.command(command)
            assert b"rror" not in answer and b"Unknown" not in answer, answer
        line.command("run boot2", prompt=None)
        before, _ = line.wait_for(b"[cairn] ready\n", b"StarFive # ")
        assert b"Starting kernel" in before and not line.seen.startswith(b"StarFive"), before
        end, said = converse(line, DATA)
        assert (end.kind, end.status) == ("e", 0), said
        assert board.wait(20), "the firmware did not turn the board off"
    finally:
        board.close()
    card.check()
    # The log is where the arguments said, to which the space did no harm.
    reader = subprocess.run([build.logread(), log.extract(str(card.path), "/other log", str(tmp_path))], capture_output=True, check=False)
    assert reader.returncode == 0 and reader.stdout == DATA, reader.stderr


# ---- what cannot be ----

@pytest.mark.parametrize("words, message", [
    (["--board", "icicle", "--boot", "uboot"], "has direct"),
    (["--board", "virt", "--boot", "spl"], "has direct, uboot"),
    (["--boot", "uboot", "--memory", "128M"], "has 256M to 16384M"),
    (["--boot", "uboot", "--console", "virtio"], "use the serial line"),
    (["--boot", "uboot", "--sd", "sdhci"], "goes with a direct boot"),
    (["--board", "host", "--boot", "uboot"], "is for a machine"),
])
def test_what_cannot_be(words, message, tmp_path):
    result = rig.run("hello", "--image", tmp_path / "card.img", *words)
    assert result.status == 125 and message in result.err, rig.text_of(result)


@pytest.mark.parametrize("head, message", [
    (b"\xd0\x0d\xfe\xed\x10\0\0\0" + b"x" * 64, "has 268435456 bytes; the partition uboot has"),
    (b"\xd0\x0d\xfe\xed", "has no opensbi"),
])
def test_loader_of_a_size_that_cannot_be(head, message, tmp_path):
    card, file = tmp_path / "card.img", tmp_path / "loader"
    file.write_bytes(head)
    image.make(str(card), 64 << 20, plan=layout.LAYOUTS["sifive_u"], loaders={"uboot": str(file)})
    with pytest.raises(Failure, match=message):
        chains.fit(str(card), "sifive_u", str(tmp_path))


def test_card_without_loader(tmp_path):
    """And arguments that the card would have to carry."""
    card = tmp_path / "card.img"
    image.make(str(card), 64 << 20, plan=layout.LAYOUTS["sifive_u"])
    result = rig.run("hello", "--board", "sifive_u", "--boot", "spl", "--image", card)
    assert result.status == 125 and "has no boot loader in a partition spl" in result.err, rig.text_of(result)
    result = rig.run("hello", "--boot", "uboot", "--image", card, argv=["x"])
    assert result.status == 125 and "the boot arguments are the card's" in result.err, rig.text_of(result)


# ---- firmware that cannot turn the board off ----

@pytest.mark.default
@pytest.mark.parametrize("mode", ["stream", "raw"])
def test_board_that_parks(mode, tmp_path):
    """As on the board, where nobody listens to semihosting: the status is told, then that power may be removed."""
    words = ["-append", f"cairn.console={mode} quiet cairn.app=hello"]
    card = tmp_path / "card.img"
    begin = time.monotonic()
    result = rig.run("hello", "--board", "icicle", "--image", card, *(f"--qemu-arg={word}" for word in words))
    assert result.status == 0 and b"hello from cairn" in result.out, rig.text_of(result)
    assert "power: the firmware cannot turn this board off: power may be removed now\n" in result.err
    assert "did not power off" not in result.err and time.monotonic() - begin < rig.SECONDS
    rig.check_fs(card)
