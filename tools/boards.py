# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""The boards that `./cairn run --board` knows: what the machine of each is called, needs and has."""

import os
from dataclasses import dataclass, field

from tools import apps
from tools.ui import Failure

QEMU = "qemu-system-riscv64"
TREES = os.path.join(apps.ROOT, "build/trees")
VISIONFIVE2_QEMU = os.path.join(apps.ROOT, "build/visionfive2-qemu", QEMU)
OPENSBI = "/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin"


@dataclass(frozen=True)
class Board:
    title: str
    card: str  # in words: what it is behind
    machine: str = ""  # QEMU's name; none: a process of this machine, or hardware alone
    program: str = QEMU
    firmware: str = "default"
    tree: bool = False  # QEMU is given board/NAME/NAME.dts, and makes none
    memory: str = "128M"
    memory_range: tuple = (8, 16 << 10)  # MiB
    harts: int = 1
    harts_range: tuple = (1, 8)
    monitor: int = 0  # harts without supervisor mode, which QEMU counts too
    consoles: dict = field(default_factory=lambda: {"serial": None})  # the value of console=; None: the tree's choice
    serial_before: int = 0  # serial ports before the console's
    drops: bool = False  # QEMU's model of the serial line drops what is not taken from it at once
    hardware: bool = False  # there is no machine for it
    semihosting: bool = False  # for the end, where the firmware cannot turn the machine off


BOARDS = {
    "virt": Board("QEMU's virtual machine", "virtio, or SDHCI on PCI (--sd)", "virt", consoles={"virtio": "hvc0", "serial": "ttyS0"}),
    "sifive_u": Board("SiFive HiFive Unleashed, by QEMU", "SD in SPI mode", "sifive_u", memory="256M", memory_range=(64, 8 << 10),
                      harts=4, harts_range=(1, 4), monitor=1, drops=True, semihosting=True),
    "unmatched": Board("SiFive HiFive Unmatched, which nothing emulates", "SD in SPI mode", hardware=True, memory="16G", harts=4),
    "icicle": Board("Microchip PolarFire SoC Icicle kit, by QEMU", "SD, SDHCI by Cadence", "microchip-icicle-kit", tree=True,
                    memory="3G", memory_range=(3 << 10, 3 << 10), harts=4, harts_range=(4, 4), monitor=1, serial_before=1, semihosting=True),
    "visionfive2": Board("StarFive VisionFive 2, emulated", "SD, DesignWare MSHC", "visionfive2", VISIONFIVE2_QEMU, OPENSBI, tree=True,
                         memory="1G", memory_range=(256, 8 << 10), harts=4, harts_range=(1, 4), monitor=1, semihosting=True),
    "host": Board("a process of this machine, with sanitizers", "a file"),
}


def tree(name):
    return os.path.join(TREES, name + ".dtb")


def mebibytes(text):
    return int(text[:-1]) << (10 if text.endswith("G") else 0)


def between(low, high, unit=""):
    return f"{low}{unit} to {high}{unit}" if low != high else f"{low}{unit} only"


def check(name, memory, harts, console, chain=None):
    """What was asked for, or None for the default: the memory, harts and console of the machine. chain: its boot loader's needs."""
    board = BOARDS[name]
    default = next(iter(board.consoles)) if not chain else "serial"
    memory, harts, console = memory or (chain or board).memory, harts or board.harts, console or default
    low, high = (chain or board).memory_range
    if not low <= mebibytes(memory) <= high:
        way = " with that --boot" if chain else ""
        raise Failure(f"--memory {memory}: the board {name}{way} has {between(low, high, 'M')}", "Leave out --memory for its default.", 125)
    if chain and console != "serial":
        raise Failure(f"--console {console}: boot loaders use the serial line", "Leave out --console.", 125)
    low, high = board.harts_range
    if not low <= harts <= high:
        raise Failure(f"--smp {harts}: the board {name} has {between(low, high)}", "Leave out --smp for its default.", 125)
    if console not in board.consoles:
        raise Failure(f"--console {console}: the board {name} has {', '.join(board.consoles)}", "Leave out --console.", 125)
    return memory, harts, console


def check_emulated(name):
    """That there is a machine for it."""
    if BOARDS[name].hardware:
        raise Failure(f"QEMU has no machine for the board {name}", f"./cairn image --board {name} makes its card; ./cairn boards lists the machines.", 125)


def check_machine(name):
    """That what runs it is there."""
    board = BOARDS[name]
    if os.path.isabs(board.program) and not os.path.exists(board.program):
        raise Failure(f"the emulator of the board {name} has not been built", "Run ./cairn setup --with-visionfive2-emulator.", 125)
    if os.path.isabs(board.firmware) and not os.path.exists(board.firmware):
        raise Failure(f"{board.firmware} is not there", "Run ./cairn setup: Debian's package opensbi has it.", 125)


def table(boots):
    """One line a board. boots: name of a board, words that --boot knows for it."""
    rows = [("board", "harts", "memory", "--boot", "the card is behind", "what it is")]
    rows += [(name, str(board.harts), board.memory, " ".join(boots.get(name, ("-",))), board.card, board.title) for name, board in BOARDS.items()]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
