# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""The emulated VisionFive 2: the logger and file-system tests on its SD card, in each way that words can go, without one
mistake that the controller's model would tell; and a card that is taken out. The model itself: its program of mistakes."""

import json
import os
import socket
import subprocess
import time

import pytest

import needs
import rig
from tools import emulator, image

MIB = 1 << 20
LINES = b"".join(b"line %d of what is logged\n" % i for i in range(500))

WAYS = {
    "dma-32": [],
    "dma-64": ["-global", "dw-mmc.hcon=0x8443cc1"],
    "no-dma": ["-global", "dw-mmc.hcon=0x473cc1"],
    "running-clocks": ["-machine", "mmc-preinit=on"],
    "old-fifo": ["-global", "dw-mmc.verid=0x5342230a", "-global", "dw-mmc.hcon=0x473cc1"],
}
SAID = {"dma-32": "DMA", "dma-64": "DMA", "no-dma": "PIO", "running-clocks": "DMA", "old-fifo": "PIO"}


@pytest.fixture(autouse=True)
def is_built():
    needs.need_emulator()


class Mistakes:
    """What the model says of the driver: the first one ends the machine."""

    def __init__(self, folder):
        self.path = folder / "mistakes.log"

    def words(self, fatal=True):
        return ["-d", "guest_errors", "-D", str(self.path), *(["-global", "dw-mmc.fatal=on"] if fatal else [])]

    def none(self, card_changed=False):
        """A card that was out says, besides, that it does not know what it was told before."""
        assert self.path.exists(), "the emulator did not log"
        lines = self.path.read_text().splitlines()
        assert [line for line in lines if not (card_changed and line.startswith("SD: "))] == []


def make_card(folder, size=64 * MIB):
    path = folder / "card.img"
    image.make(str(path), size)
    return path


def qemu_args(words):
    return [f"--qemu-arg={word}" for word in words]


def run(app, card, mistakes, machine=(), options=(), **more):
    return rig.run(app, "--board", "visionfive2", "--image", card, *qemu_args([*mistakes.words(), *machine]), *options, **more)


def log_and_check(card, tmp_path, machine=(), options=(), said="DMA"):
    """Where the processor must keep up with the FIFO, its time is the program's: else a machine that is busy with something
    else for a third of a second lets the card starve, which is a mistake."""
    mistakes = Mistakes(tmp_path)
    if said != "DMA":
        machine, options = [*machine, "-icount", "shift=5"], [*options, "--smp", "1"]
    for _ in range(2):
        result = run("logger", card, mistakes, machine, options, stdin=LINES)
        assert result.status == 0, rig.text_of(result)
        assert f", {said}\n" in result.err.replace("\r", ""), rig.text_of(result)
        mistakes.none()
    rig.check_fs(card)
    records = rig.cairn("log", card)
    assert records.status == 0 and records.out == LINES * 2, rig.text_of(records)
    return result


@pytest.mark.parametrize("way", [way if way == "dma-32" else pytest.param(way, marks=pytest.mark.default) for way in WAYS])
def test_logger(way, tmp_path):
    log_and_check(make_card(tmp_path), tmp_path, WAYS[way], said=SAID[way])


@pytest.mark.default
@pytest.mark.parametrize("transfer,said", [("pio", "PIO"), ("polled", "polled")])
def test_transfer_can_be_chosen(transfer, said, tmp_path):
    log_and_check(make_card(tmp_path), tmp_path, options=["--append", f"sd.transfer={transfer}"], said=said)


@pytest.mark.default
def test_memory_beyond_the_reach_of_32_bits(tmp_path):
    """8 GiB, of which the controller reaches three."""
    log_and_check(make_card(tmp_path), tmp_path, options=["--memory", "8G"])


@pytest.mark.default
def test_high_capacity_card(tmp_path):
    card = make_card(tmp_path)
    os.truncate(card, 4 << 30)
    result = log_and_check(card, tmp_path)
    assert "SDHC card" in result.err, rig.text_of(result)


@pytest.mark.default
@pytest.mark.parametrize("program", ["test_files", pytest.param("test_mmap", marks=pytest.mark.long), "test_sync"])
def test_file_system(program, tmp_path):
    card, mistakes = make_card(tmp_path), Mistakes(tmp_path)
    result = run(f"tests/guest/{program}.c", card, mistakes, argv=["quick"], seconds=200)
    assert result.status == 0 and b"\nnot ok" not in result.out, rig.text_of(result)
    mistakes.none()
    rig.check_fs(card)


# ---- out and in ----

class Monitor:
    """QEMU's machine protocol."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        deadline = time.monotonic() + 60
        while True:
            try:
                self.socket.connect(str(path))
                break
            except OSError:
                assert time.monotonic() < deadline, "QEMU's monitor does not answer"
                time.sleep(0.05)
        self.file = self.socket.makefile("rw")
        self.file.readline()
        self.ask("qmp_capabilities")

    def ask(self, command, **arguments):
        self.file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.file.flush()
        while True:
            answer = json.loads(self.file.readline())
            if "return" in answer or "error" in answer:
                assert "return" in answer, answer
                return answer["return"]

    def number(self, name):
        return self.ask("qom-get", path="/machine/mmc1", property=name)

    def close(self):
        self.file.close()
        self.socket.close()


def start(card, mistakes, monitor, machine=()):
    words = [rig.CAIRN, "run", "logger", "--no-build", "--board", "visionfive2", "--image", str(card), "--timeout", str(rig.SECONDS),
             *qemu_args([*mistakes.words(), "-qmp", f"unix:{monitor},server=on,wait=off", *machine])]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=rig.ROOT)


def feed(process, lines):
    process.stdin.write(lines)
    process.stdin.flush()


def written(monitor, at_least, still_for=0.0):
    """Waits until the card has got so many bytes, and then no more for so long."""
    deadline, last, since = time.monotonic() + 60, -1, 0
    while True:
        now, number = time.monotonic(), monitor.number("stat-dma-write-bytes")
        if number != last:
            last, since = number, now
        if number >= at_least and now - since >= still_for:
            return number
        assert now < deadline, f"{number} bytes were written, not {at_least}"


@pytest.mark.default
def test_card_out_in_the_midst_of_a_transfer(tmp_path):
    """Writes fail and are told, the machine ends in order, and what had been acknowledged is on the card."""
    card, mistakes, path = make_card(tmp_path), Mistakes(tmp_path), tmp_path / "monitor"
    process = start(card, mistakes, path, ["-global", "dw-mmc.timing=2000"])  # a bus so slow that the midst is long
    monitor = Monitor(path)
    try:
        feed(process, LINES * 8)
        written(monitor, written(monitor, 64 << 10) + 4096)
        monitor.ask("eject", device="sd0", force=True)
        out, _ = process.communicate(timeout=rig.SECONDS)
    finally:
        monitor.close()
        process.kill()
        process.wait()
    text = out.decode(errors="replace")
    assert "no card (19)" in text and "the card is gone" in text, text[-4000:]
    assert "panic" not in text and process.returncode == 1, text[-4000:]
    mistakes.none(card_changed=True)
    fixed = subprocess.run(["/sbin/e2fsck", "-fy", image.ext2_device(str(card))], capture_output=True, text=True, check=False)
    assert fixed.returncode in (0, 1), fixed.stdout
    durable = int(text.split("last durable sequence ")[1].split()[0])
    records = rig.cairn("log", card).out
    assert (LINES * 8).startswith(records) and len(records.splitlines()) >= durable, durable


@pytest.mark.default
def test_card_out_and_in_again(tmp_path):
    """While nothing is under way: the card has forgotten all that it was told, and what comes after goes to it all the same."""
    card, mistakes, path = make_card(tmp_path), Mistakes(tmp_path), tmp_path / "monitor"
    process = start(card, mistakes, path)
    monitor = Monitor(path)
    try:
        feed(process, LINES)
        written(monitor, len(LINES), still_for=4)
        monitor.ask("eject", device="sd0", force=True)
        monitor.ask("blockdev-change-medium", device="sd0", filename=str(card), format="raw")
        out, _ = process.communicate(LINES, timeout=rig.SECONDS)
    finally:
        monitor.close()
        process.kill()
        process.wait()
    text = out.decode(errors="replace")
    assert process.returncode == 0, text[-4000:]
    mistakes.none(card_changed=True)
    rig.check_fs(card)
    assert rig.cairn("log", card).out == LINES * 2


# ---- the model ----

def test_the_model_knows_mistakes(tmp_path):
    """A program without an operating system does all that a driver may not do; each must be answered as by hardware."""
    folder = os.path.join(emulator.SOURCES, "test")
    program, card, log = tmp_path / "misuse.elf", tmp_path / "card.img", tmp_path / "mistakes.log"
    subprocess.run(["riscv64-unknown-elf-gcc", "-O2", "-Wno-main", "-march=rv64imac_zicsr", "-mabi=lp64", "-mcmodel=medany", "-ffreestanding",
                    "-fno-tree-loop-distribute-patterns", "-nostdlib", "-static", "-Wl,--build-id=none", "-Wl,--no-warn-rwx-segments",
                    "-T", f"{folder}/link.ld", "-o", program, f"{folder}/start.S", f"{folder}/misuse.c"], check=True)
    card.write_bytes(b"")
    os.truncate(card, 128 * MIB)
    words = [emulator.PROGRAM, "-M", "visionfive2", "-m", "1G", "-smp", "2", "-bios", "none", "-kernel", program, "-drive",
             f"if=sd,format=raw,file={card}", "-display", "none", "-serial", "stdio", "-monitor", "none", "-no-reboot", "-d",
             "guest_errors", "-D", log, "-icount", "shift=5"]  # its time is the program's, whatever else this machine does
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=rig.SECONDS, check=False)
    assert "RESULT PASS" in done.stdout, done.stdout[-4000:]
    assert len(log.read_text().splitlines()) >= 30
    done = subprocess.run([*words, "-global", "dw-mmc.fatal=on"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=rig.SECONDS, check=False)
    assert done.returncode == 3, done.stdout[-4000:]
