# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""The ext file system of a card: made by mke2fs in the midst of an image, filled by debugfs.

The same files give the same bytes, whoever makes it where and when: mke2fs has a configuration of the tree's own, identities
and times are fixed, files come in sorted order and belong to root, and of their modes only the owner's right to execute counts.
"""

import os
import stat
from dataclasses import dataclass

from tools import apps
from tools.layout import IDENTITY, MIB
from tools.tool import EPOCH, tool
from tools.ui import Failure

FEATURES = "none,filetype,sparse_super,large_file,dir_index,ext_attr"
UUID = IDENTITY.lower() + "01"
CONFIGURATION = os.path.join(apps.ROOT, "tools", "mke2fs.conf")
SMALL = 512 * MIB  # below it there is an inode for each 4 KiB, as mke2fs does
JOURNAL_MIB = ((256 * MIB, 4), (4096 * MIB, 16), (1 << 63, 64))  # up to this size of the file system, the journal has that
JOURNAL_BLOCKS = 1024  # at least
JOURNAL_SHARE = 3  # of the file system at most one such part
LINE_MAX = 8000  # bytes that debugfs takes as one command
FIELDS = {"uid": "0", "gid": "0", **{f"{which}time{extra}": "0" if extra else f"@{EPOCH}" for which in ("a", "c", "m", "cr")
                                    for extra in ("", "_extra")}}


@dataclass(frozen=True)
class Entry:
    source: str
    kind: str  # folder, file, link
    mode: int = 0
    target: str = ""  # of a link


def describe(path, follow=False):
    """An Entry for what is at path."""
    found = os.stat(path) if follow else os.lstat(path)
    if stat.S_ISDIR(found.st_mode):
        return Entry(path, "folder", 0o40755)
    if stat.S_ISLNK(found.st_mode):
        return Entry(path, "link", 0o120777, os.readlink(path))
    if not stat.S_ISREG(found.st_mode):
        raise Failure(f"{path} is neither a file, a folder nor a symbolic link", "A card is made of these; leave it out.")
    if not os.access(path, os.R_OK):
        raise Failure(f"{path} cannot be read", "Give yourself the right to read it, or leave it out.")
    return Entry(path, "file", 0o100755 if found.st_mode & stat.S_IXUSR else 0o100644)


def collect(items):
    """Path on the card: Entry, of folders' contents and of files. Later ones replace earlier ones."""
    entries = {}

    def add(path, entry):
        if path in entries and "folder" in (entry.kind, entries[path].kind) and entry.kind != entries[path].kind:
            raise Failure(f"/{path} would be both a folder ({entries[path].source}) and none ({entry.source})", "Rename one of them.")
        if any(ord(c) < 32 for c in path) or any(ord(c) < 32 for c in entry.source):
            raise Failure(f"{entry.source!r}: a name with a control character", "Rename it.")
        if any(ord(c) < 32 for c in entry.target):
            raise Failure(f"{entry.source}: a link to a name with a control character, {entry.target!r}", "Change the link.")
        entries[path] = entry

    def fail(error):
        raise error

    for item in items:
        if not os.path.isdir(item):
            add(os.path.basename(item), describe(item, follow=True))
            continue
        for folder, folders, files in os.walk(item, onerror=fail):
            for name in folders + files:
                path = os.path.join(folder, name)
                add(os.path.relpath(path, item), describe(path))
    return {path: entries[path] for path in sorted(entries, key=os.fsencode)}


def quoted(text):
    return b'"' + os.fsencode(text).replace(b'"', b'""') + b'"'


def commands(entries):
    """debugfs's, one a line."""
    at = None
    for path, entry in entries.items():
        parent, name = os.path.split(path)
        if parent != at:
            yield b"cd " + quoted("/" + parent)
            at = parent
        if entry.kind == "link":
            yield b" ".join([b"symlink", quoted(name), quoted(entry.target)])
        elif entry.kind == "file":
            yield b" ".join([b"write", quoted(os.path.abspath(entry.source)), quoted(name)])
        elif path != "lost+found":
            yield b"mkdir " + quoted(name)
    for path, entry in entries.items():
        for field, value in {"mode": f"0{entry.mode:o}", **FIELDS}.items():
            yield b" ".join([b"set_inode_field", quoted("/" + path), field.encode(), value.encode()])


def journal_mib(size, block_size):
    """How large the journal of a file system of this size is to be. None: there is no room for one."""
    least, most = JOURNAL_BLOCKS * block_size // MIB, size // JOURNAL_SHARE // MIB
    return max(least, min(most, next(mib for bound, mib in JOURNAL_MIB if size <= bound))) if least <= most else None


def make(device, start, size, files, block_size, features, journal):
    """device: as e2fsprogs takes it, with its offset. start and size: bytes of the partition. journal: where there is room for
    it."""
    entries = collect(files)
    kind = ["-t", "ext2"]
    mib = journal_mib(size, block_size) if journal else None
    if mib:
        kind = ["-t", "ext3", "-J", f"size={mib}"]
        features += ",has_journal"
    environment = {"MKE2FS_CONFIG": CONFIGURATION}
    tool(["mke2fs", "-q", "-F", *kind, "-T", "cairn", "-O", features, "-b", str(block_size), "-I", "256",
          "-i", "4096" if size < SMALL else "16384", "-m", "0", "-L", "cairn", "-U", UUID,
          "-E", f"offset={start},root_owner=0:0,lazy_itable_init=0,discard,hash_seed={UUID}",
          device.partition("?")[0], f"{size // block_size * block_size // 1024}k"], environment)
    if not entries:
        return
    script = list(commands(entries))
    for line in script:
        if len(line) > LINE_MAX:
            raise Failure(f"{line[:200].decode(errors='replace')}...: a path that is too long", "Put the files into a folder nearer to the root.")
    said = tool(["debugfs", "-w", "-f", "-", device], environment, stdin=b"\n".join(script) + b"\n", errors=True)
    complaints = [line for line in said.splitlines() if line.strip() and not line.startswith("debugfs 1.")]
    if any("ould not allocate" in line or "No free" in line or "No space" in line for line in complaints):
        raise Failure(f"the files do not fit on the card, whose file system has {size // MIB} MiB", "Make a larger card (--size).")
    if complaints:
        raise Failure(f"debugfs could not copy the files: {complaints[0]}", "Can all of them be read, and is there room (--size)?")
