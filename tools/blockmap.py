# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""Which bytes of a card image matter, zeros included: said by its file systems' metadata, never by the holes of the file.

mke2fs leaves the zeros of inode tables and journals as holes. On a used card they must be written all the same, or what was
there before would be taken for inodes.
"""

import struct

from tools import image
from tools.layout import MIB
from tools.ui import say

NEEDS_RECOVERY = 0x4  # the bitmaps are older than what the journal holds
PLAIN_INCOMPAT = 0x2  # filetype: with this the bitmaps say all
PLAIN_RO_COMPAT = 0x1 | 0x2 | 0x8  # sparse_super, large_file, huge_file
HEAD = 1 * MIB  # the table, and where other systems' signatures may be


def merged(extents):
    """(start, length) in order, none touching another."""
    out = []
    for start, length in sorted(extents):
        if out and start <= out[-1][0] + out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], start + length - out[-1][0]))
        else:
            out.append((start, length))
    return out


def runs(bitmap, count):
    """(first, number) of the bits that are set among the first `count`."""
    first = None
    for at, byte in enumerate(bitmap[: -(-count // 8)]):
        if first is None and byte == 0 or first is not None and byte == 0xFF and at * 8 + 8 <= count:
            continue
        for bit in range(8):
            number = at * 8 + bit
            used = number < count and byte >> bit & 1
            if used and first is None:
                first = number
            elif not used and first is not None:
                yield first, number - first
                first = None
    if first is not None:
        yield first, count - first


def ext_extents(file, start, size):
    """Of an ext2 or ext3 that begins at `start`: what its block bitmaps have as used. None: only the whole is safe."""
    file.seek(start + 1024)
    raw = file.read(1024).ljust(1024, b"\0")
    (blocks, first_block, log_size, per_group), (incompat, ro_compat) = struct.unpack_from("<I12xII4xI", raw, 4), struct.unpack_from("<II", raw, 96)
    block_size = 1024 << log_size if log_size <= 6 else 0
    if incompat & ~PLAIN_INCOMPAT or ro_compat & ~PLAIN_RO_COMPAT or not block_size or not 0 < per_group <= 8 * block_size \
            or not first_block < blocks <= size // block_size:
        return None
    extents = [(start, max(1024, first_block * block_size))]
    groups = -(-(blocks - first_block) // per_group)
    file.seek(start + (first_block + 1) * block_size)
    descriptors = file.read(groups * 32)
    if len(descriptors) < groups * 32:
        return None
    for group in range(groups):
        at = first_block + group * per_group
        file.seek(start + struct.unpack_from("<I", descriptors, group * 32)[0] * block_size)
        bitmap = file.read(block_size)
        if len(bitmap) < block_size:
            return None
        extents += [(start + (at + first) * block_size, number * block_size)
                    for first, number in runs(bitmap, min(per_group, blocks - at))]
    return extents


def partition_extents(file, part, path):
    file.seek(part.start + 1024 + 56)
    if file.read(2) == b"\x53\xef":
        extents = ext_extents(file, part.start, part.size)
        if extents is not None:
            return extents
        say(f"{path}: the file system at byte {part.start} is none of cairn's; its partition is written whole")
    return [(part.start, part.size)]


def extents(path, size):
    """Of an image of `size` bytes, in order. The end, where its backup GPT is, does not count: it has another place on a card."""
    parts = image.partitions(path)
    with open(path, "rb") as file:
        if not parts:
            found = partition_extents(file, image.Partition(0, size, ""), path)
        else:
            found = [(0, min(HEAD, *(part.start for part in parts)))]
            for part in (part for part in parts if part.start < size):
                found += partition_extents(file, part, path)
    return [(start, min(length, size - start)) for start, length in merged(found) if start < size]


def recognised(path, layouts):
    """Names of the layouts that the card's partitions have, and of these the one whose first stage is there."""
    parts = image.partitions(path)
    found = {name: layout for name, layout in layouts.items() if [(part.start, part.type) for part in parts] == [(part.start, part.type) for part in layout.parts]}
    return [name for name, layout in found.items() if layout.mark and layout.mark in first_stage(path, layout)] or list(found)


def first_stage(path, layout):
    part = layout.part("spl")
    with open(path, "rb") as file:
        file.seek(part.start)
        return file.read(part.size)
