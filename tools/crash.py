# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""`./cairn log --crash`: prints the end of the log that the last panic kept in /var/crash (fs/crash.h) of a card image."""

import os
import struct
import sys
import tempfile
import time

from tools import log
from tools.ui import Failure, say

PATH = "/var/crash"
UNIT = 1024
HEADER = struct.Struct("<8sIIQQ")
MARK = b"cairn 1\n"


def units(content):
    """(index, time, text) of each unit that is one."""
    for at in range(0, len(content) - UNIT + 1, UNIT):
        mark, index, length, when, _ = HEADER.unpack_from(content, at)
        if mark == MARK and index == at // UNIT and length <= UNIT - HEADER.size:
            yield index, when, content[at + HEADER.size:at + HEADER.size + length]


def last(content):
    """(time, text) of the last panic, or None. A write that was cut short leaves units of an earlier one: left out."""
    found = list(units(content))
    if not found or found[0][0] != 0 or not found[0][2]:
        return None
    when = found[0][1]
    return when, b"".join(text for _, of, text in found if of == when)


def show(card):
    with tempfile.TemporaryDirectory(prefix="cairn-crash-") as folder:
        with open(log.extract(card, PATH, folder), "rb") as file:
            kept = last(file.read())
    if kept is None:
        raise Failure(f"{os.path.basename(card)}: no panic was kept in {PATH}")
    say(time.strftime("panic of %Y-%m-%d %H:%M:%S UTC", time.gmtime(kept[0])))
    sys.stdout.buffer.write(kept[1])
    sys.stdout.buffer.flush()
    return 0
