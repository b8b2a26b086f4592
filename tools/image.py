# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""Card images: GPT, a FAT boot partition, an ext2 partition. Made as plain files, without root and without mounts.

    LBA 0      protective MBR, GPT
    1 MiB      boot: FAT16, 16 MiB: the kernel image and extlinux.conf for boot loaders
    17 MiB     cairn: ext2, the rest but the last MiB (backup GPT)
"""

import os
import re
import shutil
import struct
import subprocess
import tempfile
from dataclasses import dataclass

from tools.ui import Failure

SECTOR = 512
MIB = 1 << 20
BOOT_START = 1 * MIB
BOOT_SIZE = 16 * MIB
ROOT_START = BOOT_START + BOOT_SIZE
TAIL = 1 * MIB
MIN_SIZE = 24 * MIB
LINUX_GUID = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
FAT_GUID = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"
FEATURES = "none,filetype,sparse_super,large_file,dir_index,ext_attr"
IDENTITY = "7c0d1a52-3f5e-4b86-9a40-c4a1a2b1e001"  # of the file system, and what its directories hash with: runs repeat
EXTLINUX = "default cairn\ntimeout 1\nlabel cairn\n  kernel /cairn.bin\n"


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


def tool(words, **options):
    """Runs a file-system tool; its output is shown only when it fails."""
    try:
        result = subprocess.run(words, capture_output=True, text=True, check=False, errors="replace",
                                env={**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}, **options)
    except FileNotFoundError as error:
        raise Failure(f"{words[0]} is not installed", "Run ./cairn setup.") from error
    if result.returncode:
        raise Failure(f"{' '.join(words)} failed with status {result.returncode}:\n{result.stderr.strip()}")
    return result.stdout


def make(path, size, files=(), kernel=None, block_size=4096, features=FEATURES):
    """Makes the card at path, replacing what is there. files: folders whose contents, or files which, go to the root."""
    if size < MIN_SIZE:
        raise Failure(f"a card of {size // MIB} MiB is too small; at least {MIN_SIZE // MIB} MiB")
    if size % SECTOR:
        raise Failure(f"the card's size must be a multiple of {SECTOR} bytes")
    for item in files:
        if not os.path.exists(item):
            raise Failure(f"{item} does not exist")
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    partial = path + ".part"
    try:
        with open(partial, "wb") as file:
            file.truncate(size)
        partition(partial, size)
        make_boot(partial, kernel)
        make_root(partial, size, files, block_size, features)
        os.replace(partial, path)
    except OSError as error:
        raise Failure(f"cannot make {path}: {error.strerror or error}", "Is the folder writable, and is there room?") from error
    finally:
        if os.path.exists(partial):
            os.unlink(partial)


def partition(path, size):
    table = (
        "label: gpt\n"
        f"start={BOOT_START // SECTOR}, size={BOOT_SIZE // SECTOR}, type={FAT_GUID}, name=boot, attrs=LegacyBIOSBootable\n"
        f"start={ROOT_START // SECTOR}, size={(size - TAIL - ROOT_START) // SECTOR}, type={LINUX_GUID}, name=cairn\n"
    )
    tool(["sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", path], input=table)


def make_boot(path, kernel):
    tool(["mkfs.vfat", "--offset", str(BOOT_START // SECTOR), "-F", "16", "-n", "CAIRNBOOT", "-s", "2", path,
          str(BOOT_SIZE // 1024)])
    if not kernel:
        return
    drive = f"{path}@@{BOOT_START}"
    tool(["mcopy", "-i", drive, kernel, "::/cairn.bin"])
    tool(["mmd", "-i", drive, "::/extlinux"])
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as conf:
        conf.write(EXTLINUX)
        conf.flush()
        tool(["mcopy", "-i", drive, conf.name, "::/extlinux/extlinux.conf"])


def make_root(path, size, files, block_size, features):
    with tempfile.TemporaryDirectory() as stage:
        for item in files:
            if os.path.isdir(item):
                shutil.copytree(item, stage, symlinks=True, dirs_exist_ok=True)
            else:
                shutil.copy(item, stage)
        os.chmod(stage, 0o755)
        blocks = (size - TAIL - ROOT_START) // block_size
        populate = ["-d", stage] if files else []
        tool(["mke2fs", "-q", "-F", "-t", "ext2", "-O", features, "-b", str(block_size), "-I", "256", "-m", "0", "-L", "cairn",
              "-U", IDENTITY, "-E", f"offset={ROOT_START},root_owner=0:0,lazy_itable_init=0,nodiscard,hash_seed={IDENTITY}", *populate, path, f"{blocks * block_size // 1024}k"])


def partitions(path):
    """Of a GPT or, without one, an MBR."""
    with open(path, "rb") as file:
        head = file.read(2 * SECTOR)
        if head[SECTOR : SECTOR + 8] == b"EFI PART":
            entries_lba, count, entry_size = struct.unpack_from("<QII", head, SECTOR + 72)
            file.seek(entries_lba * SECTOR)
            table = file.read(min(count, 128) * entry_size)
            return list(gpt_entries(table, entry_size))
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


def ext2_partition(path):
    """The first partition that holds an ext2, or the whole image if it is one."""
    try:
        with open(path, "rb") as file:
            for candidate in [*partitions(path), Partition(0, os.path.getsize(path), "")]:
                file.seek(candidate.start + 1024 + 56)
                if file.read(2) == b"\x53\xef":
                    return candidate
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}", "A card image is wanted here.", 2) from error
    raise Failure(f"{path} holds no ext2 partition", "Make a card with ./cairn image.", 2)


def ext2_device(path):
    """The name by which e2fsprogs takes the partition inside the image."""
    if "?" in path:
        raise Failure(f"{path}: e2fsprogs cannot open a name with a question mark in it", "Rename the file.")
    return f"{path}?offset={ext2_partition(path).start}"
