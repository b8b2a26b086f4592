# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""Card images: a GPT, a FAT boot partition, an ext file system, and what else the board's layout has (tools/layout.py). Made
as plain files, without root and without mounts; the same inputs give the same bytes.
"""

import os
import re
import shutil
import struct
import tempfile
from dataclasses import dataclass

from tools import foreign, gpt, layout, rootfs
from tools.layout import FAT_GUID, LINUX_GUID, MIB, SECTOR  # noqa: F401
from tools.rootfs import FEATURES
from tools.tool import tool
from tools.ui import Failure, say

PLAIN = layout.LAYOUTS["virt"]
ROOT_START = PLAIN.part("cairn").start


@dataclass(frozen=True)
class Partition:
    start: int  # bytes
    size: int
    type: str  # GUID (GPT) or two hexadecimal digits (MBR)


def parse_size(text):
    match = re.fullmatch(r"([1-9][0-9]*)([KMG]?)", text)
    if not match:
        raise ValueError(f"{text}: a size such as 256M or 2G")
    return int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[match[2]]


def make(path, size, files=(), kernel=None, block_size=4096, features=FEATURES, plan=PLAIN, arguments="", loaders=None, journal=False):
    """Makes the card at path, replacing what is there. files: folders whose contents, or files which, go to the root.
    kernel: its image, and arguments: its boot arguments, for the boot partition. loaders: name of a partition, file to put there."""
    if size < plan.smallest:
        raise Failure(f"a card of {size // MIB} MiB is too small; at least {plan.smallest // MIB} MiB")
    if size % SECTOR:
        raise Failure(f"the card's size must be a multiple of {SECTOR} bytes")
    for item in files:
        if not os.path.exists(item):
            raise Failure(f"{item} does not exist")
    partial = path + ".part"
    try:
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        with open(partial, "wb") as file:
            file.truncate(size)
        root = plan.part("cairn")
        rootfs.make(e2fs_name(partial, root.start), root.start, layout.end(root, size) - root.start, files, block_size, features, journal)
        tool(["sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", partial], stdin=layout.table(plan, size).encode())
        put_loaders(partial, plan, loaders or {})
        make_boot(partial, plan.part("boot"), layout.boot_files(plan, arguments) if kernel else {}, kernel)
        os.replace(partial, path)
    except OSError as error:
        raise Failure(f"cannot make {path}: {error.strerror or error}", "Is the folder writable, and is there room?") from error
    finally:
        if os.path.exists(partial):
            os.unlink(partial)


def fetch_loaders(plan):
    """Files for make(): the board's U-Boot, if it can be had; else what is missing is said."""
    if not plan.loader:
        return {}
    try:
        version, folder = foreign.binary(plan.loader)
    except Failure as failure:
        say(f"without {plan.loader}, its partitions stay empty, and the board must have a boot loader in its flash: {failure}")
        return {}
    say(f"with {plan.loader} {version}")
    return {name: os.path.join(folder, file) for name, file in plan.loader_files.items()}


def put_loaders(path, plan, loaders):
    with open(path, "r+b") as card:
        for name, source in loaders.items():
            part = plan.part(name)
            with open(source, "rb") as file:
                data = file.read()
            if len(data) > part.size:
                raise Failure(f"{source} has {len(data)} bytes; the partition {name} has {part.size}", "cairn must be changed for it.")
            card.seek(part.start)
            card.write(data)


def make_boot(path, part, texts, kernel):
    """The FAT. Its files have the time of all that is new: mtools takes it from the environment."""
    tool(["mkfs.vfat", "--invariant", "--offset", str(part.start // SECTOR), "-F", "16", "-n", "CAIRNBOOT", "-s", "2", path,
          str(part.size // 1024)])
    if not kernel:
        return
    drive = f"{path}@@{part.start}"
    with tempfile.TemporaryDirectory() as stage:
        tool(["mmd", "-i", drive, "::/extlinux"])
        shutil.copyfile(kernel, os.path.join(stage, "kernel"))
        tool(["mcopy", "-i", drive, os.path.join(stage, "kernel"), "::/cairn.bin"])
        for name, text in texts.items():
            with open(os.path.join(stage, "text"), "w", encoding="ascii") as file:
                file.write(text)
            tool(["mcopy", "-o", "-i", drive, os.path.join(stage, "text"), f"::/{name}"])


def partitions(path):
    """Of a GPT or, without one, an MBR."""
    with open(path, "rb") as file:
        head = file.read(2 * SECTOR).ljust(2 * SECTOR, b"\0")
        if head[SECTOR : SECTOR + 8] == gpt.SIGNATURE:
            header = gpt.HEADER.unpack_from(head, SECTOR)
            return list(gpt_entries(gpt.read_entries(file, path, header), header[12]))
    return list(mbr_entries(head)) if head[510:512] == b"\x55\xaa" else []


def gpt_entries(table, entry_size):
    for at in range(0, len(table) - entry_size + 1, entry_size):
        first, last = struct.unpack_from("<QQ", table, at + 32)
        a, b, c = struct.unpack_from("<IHH", table, at)
        rest = table[at + 8 : at + 16].hex().upper()
        if any(table[at : at + 16]):
            yield Partition(first * SECTOR, (last + 1 - first) * SECTOR, f"{a:08X}-{b:04X}-{c:04X}-{rest[:4]}-{rest[4:]}")


def mbr_entries(head):
    for at in range(446, 510, 16):
        start, sectors = struct.unpack_from("<II", head, at + 8)
        if sectors:
            yield Partition(start * SECTOR, sectors * SECTOR, f"{head[at + 4]:02X}")


def ext2_partitions(path):
    """All that hold an ext2, or the whole image if it is one. At least one."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            whole = Partition(0, size, "")

            def holds_one(part):
                file.seek(min(part.start + 1024 + 56, size))
                return file.read(2) == b"\x53\xef"

            found = [part for part in partitions(path) if holds_one(part)] or [part for part in [whole] if holds_one(part)]
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}", "A card image is wanted here.", 2) from error
    if not found:
        raise Failure(f"{path} holds no ext2 partition", "Make a card with ./cairn image.", 2)
    return found


def ext2_partition(path):
    """The first of them."""
    return ext2_partitions(path)[0]


def e2fs_name(path, start):
    """The name by which e2fsprogs takes what begins at that byte of the file."""
    if "?" in path:
        raise Failure(f"{path}: e2fsprogs cannot open a name with a question mark in it", "Rename the file.")
    return f"{path}?offset={start}"


def ext2_device(path):
    """The same for the file system of a card."""
    return e2fs_name(path, ext2_partition(path).start)
