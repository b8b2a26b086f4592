# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""What must be found on a card after a cut: the two workloads' facts.

A workload has `scan` and `nothing` for replay.Recording, and `check(folder, told, begun, atomic)`, which raises Loss for what
`told` acknowledges and the files in folder do not have. begun: what the acknowledgement says that came next; no later
operation had begun. atomic: operations on names come whole and in order, as with a journal.
"""

import json
import os
import re
import struct
import subprocess
from collections import defaultdict
from dataclasses import dataclass

from tools import build

CLAIM = re.compile(rb"\[rec (\d{8}) durable (\d{8}) files (\d{4})\]")
RECORD = re.compile(r"\[rec (\d+) durable (\d+) files (\d+)\]")
CELL = 512
ACK, DATA = 0xACC1, 0xC5A1  # upper 16 bits of each word of a cell


class Loss(Exception):
    """An acknowledged fact that the card does not show."""


@dataclass(frozen=True, order=True)
class Claims:
    """What had been acknowledged: records up to `durable`, files up to `files`."""

    durable: int = 0
    files: int = 0


class Records:
    """apps/recorder: record i says which sequence was durable when it was appended."""

    nothing = Claims()
    trees = ("/log", "/files")

    def __init__(self, whole):
        self.whole = whole  # all records from the first on are there

    @staticmethod
    def scan(data, told):
        durable, files = told.durable, told.files
        for match in CLAIM.finditer(data):
            durable, files = max(durable, int(match[2])), max(files, int(match[3]))
        return Claims(durable, files)

    def check(self, folder, told, _begun=None, _atomic=False):
        if told.durable:
            self.check_records(os.path.join(folder, "log"), told.durable)
        for number in range(1, told.files + 1):
            try:
                with open(os.path.join(folder, "files", str(number)), encoding="utf-8", errors="replace") as file:
                    text = file.read()
            except OSError as error:
                raise Loss(f"file {number} is gone, acknowledged: {told.files}") from error
            if text != f"file {number}, written whole\n":
                raise Loss(f"file {number} reads {text!r}")

    def check_records(self, folder, durable):
        read = subprocess.run([build.logread(), "--json", folder], capture_output=True, text=True, check=False)
        rows = [json.loads(line) for line in read.stdout.splitlines()]
        found = [int(match[1]) for match in (RECORD.search(json.dumps(row)) for row in rows) if match]
        if not found or found[-1] < durable:
            raise Loss(f"records end at {found[-1] if found else 'none'}, acknowledged: {durable}\n{read.stderr[-1000:]}")
        if found != list(range(found[0], found[-1] + 1)):
            raise Loss(f"records are not one run: {found}")
        if self.whole and found[0] != 1:
            raise Loss(f"records start at {found[0]}")


class File:
    """One file's life, whatever its names: sizes and contents by number of operation."""

    def __init__(self, made):
        self.sizes = [(made, 0)]
        self.writes = defaultdict(list)  # cell: numbers of the operations that wrote it
        self.zeroed = defaultdict(list)  # ... that cut it off
        self.whole_syncs = []  # numbers of operations that made all of it durable
        self.part_syncs = []  # (number, first cell, behind the last)

    def size_at(self, number):
        return next(size for at, size in reversed(self.sizes) if at <= number)

    def sizes_since(self, number, begun):
        """Sizes that it may have if it is durable as operation `number` left it: one that grows passes others on its way."""
        size = self.size_at(number)
        found = {size}
        for at, new in self.sizes:
            if number < at <= begun:
                found |= set(range(size, new + 1)) | {new}
                size = new
        return found

    def write(self, number, at, cells):
        for cell in range(at, at + cells):
            self.writes[cell].append(number)
        if at + cells > self.sizes[-1][1]:
            self.sizes.append((number, at + cells))

    def truncate(self, number, cells):
        for cell in range(cells, self.sizes[-1][1]):
            self.zeroed[cell].append(number)
        self.sizes.append((number, cells))

    def differs(self, content, told, begun, round_up):
        """What of the content cannot be, as text; None if all can. round_up: cells, to which e2fsck may make it longer if it has
        been growing."""
        made = self.sizes[0][0]
        synced = max((at for at in self.whole_syncs if at <= told), default=made)
        sizes = self.sizes_since(synced, begun)
        sizes |= {-(-size // round_up) * round_up for size in sizes if size > min(sizes)}
        for at, _, end in self.part_syncs:
            if at <= told and all(size >= end for when, size in self.sizes if at < when <= begun):
                sizes = {size for size in sizes if size >= end}
        if len(content) % CELL or len(content) // CELL not in sizes:
            return f"its size is {len(content)}, which was none of {sorted(sizes)} cells"
        for cell in range(len(content) // CELL):
            last = max((at for at, first, end in self.part_syncs if at <= told and first <= cell < end), default=synced)
            wrong = self.cell_differs(cell, content[cell * CELL : (cell + 1) * CELL], max(synced, last), begun)
            if wrong:
                return wrong
        return None

    def cell_differs(self, cell, content, synced, begun):
        """synced: the operation since which nothing of the cell is durable."""
        before = max((at for at in self.writes[cell] if at <= synced), default=0)
        cut = max((at for at in self.zeroed[cell] if at <= synced), default=0)
        zero = (cut >= before or cell >= self.size_at(synced) or any(synced < at <= begun for at in self.zeroed[cell]))
        writers = {at for at in self.writes[cell] if synced < at <= begun} | ({before} if before > cut else set())
        words = {struct.pack("<Q", DATA << 48 | at << 16 | cell) for at in writers} | ({bytes(8)} if zero else set())
        if content[:8] * (CELL // 8) == content and content[:8] in words:
            return None
        # The card may have taken it while it was being stored.
        if all(content[at : at + 8] in words for at in range(0, CELL, 8)):
            return None
        return (f"cell {cell} has {sorted({content[at : at + 8][::-1].hex() for at in range(0, CELL, 8)})}, not one of the operations"
                f" {sorted(writers)}{' or zeros' if zero else ''}")


class Mix:
    """apps/mixer: /ack has the number of the last operation that was acknowledged."""

    nothing = 0
    trees = ("/mix",)

    def __init__(self, trace, block_size):
        self.block_size = block_size
        self.names = {}  # as they are while the trace is read: path: File, or None for a directory
        self.snapshots = []  # (number, names) after each operation that changed any
        self.synced_names = []  # (number, paths)
        self.last = 0
        for line in trace.splitlines():
            number, verb, *words = line.split()
            self.last = int(number)
            getattr(self, f"do_{verb}")(self.last, *(int(word) if word.isdigit() else word for word in words))

    @staticmethod
    def scan(data, told):
        for at in range(0, len(data), CELL):
            word = int.from_bytes(data[at : at + 8], "little")
            if word >> 48 == ACK and data[at : at + 8] * (CELL // 8) == data[at : at + CELL]:
                told = max(told, word & 0xFFFFFFFF)
        return told

    # ---- the trace ----

    def changed(self, number):
        self.snapshots.append((number, dict(self.names)))

    def do_create(self, number, path):
        self.names[path] = File(number)
        self.changed(number)

    def do_mkdir(self, number, path):
        self.names[path] = None
        self.changed(number)

    def do_unlink(self, number, path):
        del self.names[path]
        self.changed(number)

    do_rmdir = do_unlink

    def do_rename(self, number, path, to):
        self.names[to] = self.names.pop(path)
        self.changed(number)

    def do_write(self, number, path, at, cells):
        self.names[path].write(number, at, cells)

    def do_truncate(self, number, path, cells):
        self.names[path].truncate(number, cells)

    def do_fsync(self, number, path):
        self.names[path].whole_syncs.append(number)
        self.synced_names.append((number, {path, os.path.dirname(path)}))

    def do_msync(self, number, path, at, cells):
        self.names[path].part_syncs.append((number, at, at + cells))
        self.synced_names.append((number, {path, os.path.dirname(path)}))

    def do_fsyncdir(self, number, path):
        every = {name for _, names in self.snapshots for name in names if os.path.dirname(name) == path}
        self.synced_names.append((number, every | {path}))

    def do_sync(self, number):
        for file in self.names.values():
            if file:
                file.whole_syncs.append(number)
        self.synced_names.append((number, {name for _, names in self.snapshots for name in names}))

    # ---- what is on a card ----

    def check(self, folder, told, begun, atomic):
        if told == 0:
            return
        begun = self.last if begun is None else begun
        found = self.read(folder)
        known = {}  # (path, number of the file's first operation): what differs

        def wrong(path, names):
            """Why the path cannot be what it is among these names."""
            if (path in found) != (path in names):
                return f"{path} is {'there' if path in found else 'gone'}"
            if path not in found:
                return None
            if (found[path] is None) != (names[path] is None):
                return f"{path} is of another kind"
            if found[path] is None:
                return None
            key = path, names[path].sizes[0][0]
            if key not in known:
                known[key] = names[path].differs(found[path], told, begun, 1 if atomic else self.block_size // CELL)
            return known[key] and f"{path}: {known[key]}"

        every = {name for at, names in self.snapshots if at <= begun for name in names} | set(found)
        since = {path: max((at for at, paths in self.synced_names if at <= told and path in paths), default=0) for path in every}
        if atomic:
            moment = max(self.changed_last(path, since[path]) for path in every)
            self.check_snapshots(every, self.states(moment, begun), wrong)
            return
        for path in every:
            reasons = [wrong(path, names) for names in self.states(since[path], begun)]
            if all(reasons):
                raise Loss("; ".join(sorted(set(reasons))))

    def changed_last(self, path, number):
        """The last operation up to this one that made the path another one, or took it away."""
        last, before = 0, None
        for at, names in self.snapshots:
            if at > number:
                break
            if path in names and (before is None or names[path] is not before[0]):
                last, before = at, (names[path],)
            elif path not in names and before is not None:
                last, before = at, None
        return last

    @staticmethod
    def check_snapshots(every, states, wrong):
        reasons = []
        for names in states:
            reasons.append([reason for reason in (wrong(path, names) for path in sorted(every)) if reason])
            if not reasons[-1]:
                return
        raise Loss(f"the names are those of no moment among {len(states)}; nearest: {min(reasons, key=len)}")

    def states(self, since, begun):
        """The names as they were after operation `since`, and as each one up to `begun` made them."""
        first = max((at for at, (number, _) in enumerate(self.snapshots) if number <= since), default=0)
        return [names for number, names in self.snapshots[first:] if number <= begun]

    @staticmethod
    def read(folder):
        """{path: content, None of a directory}."""
        found = {}
        for place, folders, files in os.walk(os.path.join(folder, "mix")):
            path = place[len(folder) :]
            found[path] = None
            for name in files:
                with open(os.path.join(place, name), "rb") as file:
                    found[f"{path}/{name}"] = file.read()
        return found
