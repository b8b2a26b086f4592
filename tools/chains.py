# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""Boot chains: what a machine is given in place of the kernel, so that a boot loader finds the kernel on the card.

    direct   QEMU's firmware, then the image: no boot loader (tools/qemu.py)
    uboot    firmware, then U-Boot in supervisor mode, which reads extlinux/extlinux.conf from the card's boot partition
    spl      U-Boot's first stage off the card, which loads firmware and U-Boot from there, as the board's ROM starts it

Loaders come off the card itself (partitions `spl` and `uboot`), but for virt's, whose card has none: Debian's package.
"""

import os
import struct
import subprocess
import zlib
from dataclasses import dataclass

from tools import foreign, image, layout
from tools.ui import Failure

DIRECT = "direct"
FIT_MAGIC = b"\xd0\x0d\xfe\xed"
FLASH_SIZE = 32 << 20
FLASH_SCRIPT = 0x1FFF000  # where the HiFive Unleashed's U-Boot looks for one, when it could not boot from the card
# QEMU's card answers the first reset of one that was in use as if it had refused it. The first stage has used it.
SECOND_TRY = "mmc dev 0; mmc dev 0; run bootcmd_mmc0; run bootcmd_mmc0\n"


@dataclass(frozen=True)
class Chain:
    words: object  # (card, folder for files): QEMU's words
    memory: str  # unless told
    memory_range: tuple  # MiB
    counts: bool = True  # it comes up where QEMU counts instructions


def loader(card, board, name):
    """What a board's card has in the partition of that name; not empty."""
    wanted = layout.LAYOUTS[board].part(name).type
    found = next((part for part in image.partitions(card) if part.type == wanted), None)
    data = b""
    if found:
        with open(card, "rb") as file:
            file.seek(found.start)
            data = file.read(found.size).rstrip(b"\0")
    if not data:
        raise Failure(f"{card} has no boot loader in a partition {name}",
                      f"./cairn image --board {board} puts it there, where Debian's packages can be had.", 125)
    return data


def put(folder, name, data):
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(data)
    return path


def fit(card, board, folder):
    """Of U-Boot's image tree on the card: name of an image, file with its bytes."""
    data = loader(card, board, "uboot")
    if not data.startswith(FIT_MAGIC):
        raise Failure(f"{card}: what is in the partition uboot is not Debian's u-boot.itb", "Make the card anew.", 125)
    size, room = int.from_bytes(data[4:8].ljust(4, b"\0"), "big"), layout.LAYOUTS[board].part("uboot").size
    if size > room:
        raise Failure(f"{card}: U-Boot's image tree says that it has {size} bytes; the partition uboot has {room}", "Make the card anew.", 125)
    tree = put(folder, "u-boot.itb", data.ljust(size, b"\0"))
    return {name: put(folder, name, fit_data(tree, name)) for name in ("opensbi", "uboot", "fdt-1")}


def fit_data(tree, name):
    try:
        done = subprocess.run(["fdtget", "-t", "bx", tree, f"/images/{name}", "data"], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise Failure("fdtget is not installed", "Run ./cairn setup.", 125) from error
    if done.returncode:
        raise Failure(f"U-Boot's image has no {name}: {done.stderr.strip()}", "Make the card anew.", 125)
    return bytes(int(byte, 16) for byte in done.stdout.split())


def boot_script(commands):
    """U-Boot's old image format: a header with two checksums, a list of sizes, the text."""
    body = struct.pack(">II", len(commands), 0) + commands.encode()

    def header(checksum):
        return struct.pack(">7I4B32s", 0x27051956, checksum, 0, len(body), 0, 0, zlib.crc32(body), 5, 26, 6, 0, b"cairn")

    return header(zlib.crc32(header(0))) + body


def virt_uboot(_card, _folder):
    _, root = foreign.binary("u-boot-qemu")
    return ["-bios", "default", "-kernel", os.path.join(root, "usr/lib/u-boot/qemu-riscv64_smode/u-boot.bin")]


def unleashed_uboot(card, folder):
    """U-Boot with its device tree behind it, as it is linked to be."""
    parts = fit(card, "sifive_u", folder)
    with open(parts["uboot"], "ab") as program, open(parts["fdt-1"], "rb") as tree:
        program.write(tree.read())
    return ["-bios", "default", "-kernel", parts["uboot"]]


def unleashed_spl(card, folder):
    """As with the board's switches at 1011: from the card."""
    flash = bytearray(b"\xff" * FLASH_SIZE)
    script = boot_script(SECOND_TRY)
    flash[FLASH_SCRIPT : FLASH_SCRIPT + len(script)] = script
    return ["-machine", "msel=11", "-bios", put(folder, "spl.bin", loader(card, "sifive_u", "spl")),
            "-drive", f"if=mtd,format=raw,file={put(folder, 'flash.img', flash)}"]


def visionfive2_uboot(card, folder):
    """Without the first stage, which trains the memory: it has nothing to train here."""
    parts = fit(card, "visionfive2", folder)
    return ["-bios", parts["opensbi"], "-kernel", parts["uboot"], "-dtb", parts["fdt-1"]]


UNLEASHED_MEMORY = ("8G", (8 << 10, 8 << 10))  # what U-Boot's device tree says
CHAINS = {
    "virt": {"uboot": Chain(virt_uboot, "256M", (256, 16 << 10))},  # it loads files at 200 MiB
    "sifive_u": {"uboot": Chain(unleashed_uboot, *UNLEASHED_MEMORY), "spl": Chain(unleashed_spl, *UNLEASHED_MEMORY, counts=False)},
    "visionfive2": {"uboot": Chain(visionfive2_uboot, "2G", (2 << 10, 8 << 10))},  # the board's smallest
}
NAMES = (DIRECT, "uboot", "spl")


def ways(board):
    """The names of its chains."""
    return DIRECT, *CHAINS.get(board, ())


def of(board, name):
    """The board's chain, or None for DIRECT."""
    if name == DIRECT:
        return None
    chain = CHAINS.get(board, {}).get(name)
    if not chain:
        raise Failure(f"--boot {name}: the board {board} has {', '.join(ways(board))}", "Leave out --boot.", 125)
    return chain
