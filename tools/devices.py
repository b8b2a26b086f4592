# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""Which block devices of this machine a card image may be written to, by what the kernel says of them under /sys and /proc.

Only removable devices, SD cards and what hangs on USB, and none of them that is in use: examine() names the one reason
against a device.
"""

import os
import re
import stat
from dataclasses import dataclass

from tools.ui import Failure

SECTOR = 512  # of what /sys counts
USERS_MOUNTS = ("/media/", "/run/media/", "/mnt/")  # what desktops mount by themselves, and people by hand for a while


@dataclass(frozen=True)
class Roots:
    """Where the kernel's folders are."""

    sys: str = "/sys"
    proc: str = "/proc"
    dev: str = "/dev"


@dataclass(frozen=True)
class Device:
    path: str  # the kernel's name
    stable: str  # a link that names this very device, if there is one
    number: str  # major:minor
    model: str
    serial: str
    size: int
    mounts: tuple  # to be unmounted first
    sequence: str = ""  # the kernel counts it up for another medium in the same reader; older kernels have none

    def identity(self):
        """What must be the same when it is opened."""
        return {"number": self.number, "model": self.model, "serial": self.serial, "size": self.size, "sequence": self.sequence}


def read(*path):
    try:
        with open(os.path.join(*path), encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def names_in(folder):
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def node_of(name, roots):
    """The folder under /sys of a device or partition, links resolved."""
    return os.path.realpath(os.path.join(roots.sys, "class/block", name))


def partitions(node, name):
    return [entry for entry in names_in(node) if entry.startswith(name) and os.path.exists(os.path.join(node, entry, "partition"))]


def on_usb(node, roots):
    """The folder of the USB device above it, or None."""
    while node.startswith(os.path.realpath(roots.sys) + os.sep):
        if os.path.exists(os.path.join(node, "idVendor")):
            return node
        node = os.path.dirname(node)
    return None


def kind_of(node, name, roots):
    """In words, if images may be written to its kind; else None."""
    if re.fullmatch(r"mmcblk\d+", name):
        return "SD card" if read(node, "device/type") == "SD" else None
    if name.startswith(("sr", "fd")):
        return None
    if on_usb(node, roots):
        return "USB"
    return "removable" if read(node, "removable") == "1" else None


def mount_table(roots):
    """(major:minor, mount point, source) of all that is mounted."""
    table = []
    for line in read(roots.proc, "self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        fields, more = before.split(" "), after.split(" ")
        if len(fields) > 4 and len(more) > 1:
            table.append((fields[2], unescaped(fields[4]), unescaped(more[1])))
    return table


def unescaped(text):
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def mounts_of(names, node, roots):
    """Where the device and its partitions are mounted, the innermost first."""
    numbers = {read(node_of(name, roots), "dev") for name in names} - {""}
    points = [point for number, point, source in mount_table(roots)
              if number in numbers or os.path.basename(os.path.realpath(source)) in names and source.startswith("/")]
    return tuple(sorted(dict.fromkeys(points), key=lambda point: -point.count("/")))


def stable_name(path, roots):
    """The link of /dev/disk that names it by its own model and serial number, or else by its place; else the path itself."""
    for folder in ("disk/by-id", "disk/by-path"):
        for name in names_in(os.path.join(roots.dev, folder)):
            link = os.path.join(roots.dev, folder, name)
            if not name.startswith("wwn-") and os.path.realpath(link) == path:
                return link
    return path


def refuse(path, reason, hint="", roots=Roots()):
    others = [name for name in candidates(roots) if name != path]
    raise Failure(f"{path} {reason}", hint or (f"Cards here: {', '.join(others)}." if others else "No card is seen here: insert one."))


def candidates(roots):
    """Paths of what could be written to, in use or not."""
    found = []
    for name in names_in(os.path.join(roots.sys, "class/block")):
        node = node_of(name, roots)
        if not os.path.exists(os.path.join(node, "partition")) and kind_of(node, name, roots) and read(node, "size") not in ("", "0"):
            found.append(os.path.join(roots.dev, name))
    return found


def check_use(path, names, roots):
    """That nothing on it is in use, but for mounts that may be undone: those."""
    node = node_of(os.path.basename(path), roots)
    for name in names:
        holders = names_in(os.path.join(node_of(name, roots), "holders"))
        if holders:
            refuse(path, f"is in use: {name} is part of {', '.join(holders)}", "Give another device, or end that (RAID, LVM, encryption).", roots)
    for line in read(roots.proc, "swaps").splitlines()[1:]:
        if os.path.basename(os.path.realpath(line.split()[0])) in names:
            refuse(path, f"is in use: this machine swaps to {line.split()[0]}", "Give another device.", roots)
    mounts = mounts_of(names, node, roots)
    for point in mounts:
        if not point.startswith(USERS_MOUNTS):
            refuse(path, f"is in use: {point} is mounted from it", "Give another device; if it is the one that is meant, unmount it first.", roots)
    return mounts


def examine(path, roots=Roots(), is_block=lambda path: stat.S_ISBLK(os.stat(path).st_mode)):
    """The Device, or a Failure with the one reason why nothing is written to it."""
    if not os.path.exists(path):
        refuse(path, "does not exist", roots=roots)
    real = os.path.realpath(path)
    name = os.path.basename(real)
    node = node_of(name, roots)
    if not is_block(real) or not os.path.isdir(node):
        refuse(path, "is no block device", roots=roots)
    if os.path.exists(os.path.join(node, "partition")):
        whole = os.path.join(roots.dev, os.path.basename(os.path.dirname(node)))
        refuse(path, "is a partition; a card is written as a whole", f"Give {whole}, if that is the card.", roots)
    if not kind_of(node, name, roots):
        refuse(path, "is neither removable, nor an SD card, nor on USB", roots=roots)
    size = int(read(node, "size") or "0") * SECTOR
    if not size:
        refuse(path, "holds no card", "Insert the card.", roots)
    if read(node, "ro") == "1":
        refuse(path, "is write-protected", "Is the lock at the card's side on? Does the reader have one?", roots)
    mounts = check_use(path, [name, *partitions(node, name)], roots)
    usb = on_usb(node, roots)
    model = " ".join(filter(None, (read(node, "device/vendor"), read(node, "device/model") or read(node, "device/name")))) or \
        (read(usb, "product") if usb else "")
    serial = read(node, "device/serial") or (read(usb, "serial") if usb else "")
    return Device(real, stable_name(real, roots), read(node, "dev"), model or "unknown", serial or "unknown", size, mounts, read(node, "diskseq"))
