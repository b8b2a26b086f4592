# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""QEMU: the command line of a board's machine, and its process. Knows nothing of consoles beyond their sockets."""

import ctypes
import os
import re
import signal
import socket
import subprocess
from dataclasses import dataclass, field

from tools import boards, layout
from tools.ui import Failure

PROGRAM = boards.QEMU
BOOTARGS_MAX = 4095  # kernel/bootargs.h, less the NUL
PR_SET_PDEATHSIG = 1
GDB_PORT = 1234
MEMORY_MIN, MEMORY_MAX = 8, 16 << 10  # MiB
SLOTS = {"virtio": ["-device", "virtio-blk-device,drive=card"],
         "virtio-pci": ["-device", "virtio-blk-pci,drive=card"],
         "sdhci": ["-device", "sdhci-pci", "-device", "sd-card,drive=card"]}


@dataclass
class Machine:
    kernel: str
    drive: str  # QEMU's -drive options for the card, without if= and id=
    memory: str = "128M"
    harts: int = 1  # those that run the application
    bootargs: str = ""
    console: str = "virtio"  # virtio | serial
    gdb: bool = False
    sd: str = "virtio"  # how the card of `virt` is reached: one of SLOTS
    extra: list = field(default_factory=list)
    board: str = "virt"
    loader: list = None  # words of a boot chain, in place of the kernel and its boot arguments


def file_drive(path, read_only=False):
    return f"file={path.replace(',', ',,')},format=raw" + (",readonly=on" if read_only else "")


def check_sd_size(path):
    """QEMU's SD cards have sizes that are powers of two."""
    size = os.path.getsize(path)
    if size & (size - 1):
        raise Failure(f"{path} has {size} bytes; QEMU's SD cards have a power of two", "Make it with --size 256M, 512M, 1G...", 125)


def check_memory(text):
    if not re.fullmatch(r"[1-9][0-9]*[MG]", text):
        raise ValueError(f"{text}: a size such as 128M or 2G")
    if not MEMORY_MIN <= boards.mebibytes(text) <= MEMORY_MAX:
        raise ValueError(f"{text}: from {MEMORY_MIN}M to {MEMORY_MAX >> 10}G")
    return text


def check_harts(text):
    if not re.fullmatch(r"[1-8]", text):
        raise ValueError(f"{text}: 1 to 8")
    return int(text)


def escape_argument(argument):
    """For the boot arguments: spaces, %, what U-Boot would change, and what is no printable ASCII as %XX; the empty word as %00."""
    data = os.fsencode(argument)
    if not data:
        return "%00"
    return "".join(chr(c) if 0x21 <= c <= 0x7E and chr(c) not in "%" + layout.CHANGED else f"%{c:02X}" for c in data)


def boot_arguments(console, mode, quiet=False, append="", argv=(), name=None, board="virt"):
    described = boards.BOARDS[board]
    words = [f"console={described.consoles[console]}"] if described.consoles[console] else []
    words += [f"cairn.console={mode}"]
    words += ["cairn.semihosting"] if described.semihosting else []
    words += ["quiet"] if quiet else []
    words += [f"cairn.app={escape_argument(name)}"] if name else []
    words += append.split()
    if argv:
        words += ["--", *map(escape_argument, argv)]
    line = " ".join(words)
    if len(line) > BOOTARGS_MAX:
        raise Failure(f"the boot arguments are {len(line)} bytes long; the board takes {BOOTARGS_MAX}",
                      "Pass fewer or shorter arguments after --, or put them in a file on the card (image --files).", 125)
    return line


def card_arguments(name, append="", argv=()):
    """Those that a card's boot loader passes."""
    words = [f"cairn.app={escape_argument(name)}", *append.split()]
    return " ".join([*words, "--", *map(escape_argument, argv)] if argv else words)


def direct(machine):
    board = boards.BOARDS[machine.board]
    return ["-bios", board.firmware, "-kernel", machine.kernel, "-append", machine.bootargs,
            *(["-dtb", boards.tree(machine.board)] if board.tree else [])]


def has_semihosting(machine):
    """For the end alone: a card's boot arguments do not ask for it."""
    return boards.BOARDS[machine.board].semihosting and not machine.loader


def command(machine, serial_fd, virtio_fd):
    """virtio_fd: None when the serial port is the console."""
    board = boards.BOARDS[machine.board]
    slot = [f"if=none,id=card,{machine.drive}", *SLOTS[machine.sd]] if machine.board == "virt" else [f"if=sd,{machine.drive}"]
    words = [board.program, "-M", board.machine, "-m", machine.memory, "-smp", str(machine.harts + board.monitor), "-nodefaults",
             "-display", "none", "-no-reboot", *(machine.loader or direct(machine)), "-drive", *slot, *["-serial", "null"] * board.serial_before,
             "-chardev", f"socket,id=c0,fd={serial_fd}", "-serial", "chardev:c0"]
    words += ["-semihosting"] if has_semihosting(machine) else []
    if virtio_fd is not None:
        words += ["-device", f"virtio-serial-{'pci' if machine.sd == 'virtio-pci' else 'device'}", "-chardev", f"socket,id=c1,fd={virtio_fd}",
                  "-device", "virtconsole,chardev=c1"]
    if machine.gdb:
        words += ["-gdb", f"tcp::{GDB_PORT}", "-S"]
    return words + machine.extra


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.setpgid(0, 0)  # the terminal's signals are for the launcher


def roomy_pair():
    """Two ends of a connection that holds megabytes of single bytes, where a socketpair holds some hundred."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, peer = server.accept()
    if peer != near.getsockname():
        raise Failure("another program took the machine's serial line", "Run it again.", 125)
    return near, far


class Qemu:
    """A running machine. `console` is the descriptor that speaks the protocol, `early` those where the firmware's text comes beside
    it, `errors` QEMU's own messages."""

    def __init__(self, machine):
        serial, serial_far = roomy_pair() if boards.BOARDS[machine.board].drops else socket.socketpair()
        virtio, virtio_far = socket.socketpair() if machine.console == "virtio" else (None, None)
        far = [s for s in (serial_far, virtio_far) if s]
        words = command(machine, serial_far.fileno(), virtio_far.fileno() if virtio_far else None)
        try:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                            stderr=subprocess.PIPE, pass_fds=[s.fileno() for s in far],
                                            preexec_fn=die_with_parent)
        except FileNotFoundError as error:
            raise Failure(f"{words[0]} is not installed", "Run ./cairn setup.", 125) from error
        for s in far:
            s.close()
        self.sockets = [s for s in (serial, virtio) if s]
        self.console = (virtio or serial).fileno()
        # OpenSBI since 1.3 writes to standard output where there is semihosting.
        self.early = [self.process.stdout.fileno(), *([serial.fileno()] if virtio else [])]
        self.errors = self.process.stderr.fileno()

    def wait(self, seconds):
        """True once it has ended by itself."""
        try:
            self.process.wait(seconds)
            return True
        except subprocess.TimeoutExpired:
            return False

    def end(self):
        """Ends it, by its process id, if it still runs."""
        if self.process.poll() is None:
            self.process.terminate()
            if not self.wait(3):
                self.process.kill()
                self.process.wait()

    def close(self):
        self.end()
        for s in self.sockets:
            s.close()
        self.process.stdout.close()
        self.process.stderr.close()
