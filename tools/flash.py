# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""./cairn flash: an image onto a card. What is decided and asked here is done by tools/flashwrite.py, as root if it must be."""

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext

from tools import blockmap, devices, gpt, image, layout
from tools.layout import MIB, SECTOR
from tools.tool import run, tool
from tools.ui import Bar, Failure, say

WRITER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "flashwrite.py")
STEPS = {
    "visionfive2": ("switches RGPIO_1 and RGPIO_0 both at 0: it starts from its flash, as it was delivered, and that reads the card",
                    "serial adapter for 3.3 V: its ground to pin 6 of the 40-pin header, its RX to pin 8, its TX to pin 10",
                    "on the PC ./cairn console /dev/ttyUSB0, or a terminal program at 115200 8N1, before the board is on",
                    "card into the slot, then power"),
    "sifive_u": ("switches MSEL at 1011 (11): it starts from the card",
                 "the serial line is behind the board's micro USB socket; on the PC ./cairn console TTY, or a terminal program at 115200 8N1",
                 "card into the slot, then power"),
    "unmatched": ("switches MSEL[3:0] at 1011, as they come: it starts from the card",
                  "the serial line is behind the board's micro USB socket, which shows two lines of which it is the second (/dev/ttyUSB1 where there is no other); "
                  "on the PC ./cairn console TTY, or a terminal program at 115200 8N1",
                  "card into the slot, then power"),
}


def check_image(path):
    """That it holds file systems which the block map may believe."""
    for part in image.ext2_partitions(path):
        name = image.e2fs_name(path, part.start)
        if int.from_bytes(superblock(path, part.start)[96:100], "little") & blockmap.NEEDS_RECOVERY:
            raise Failure(f"{path}: the journal of its file system at byte {part.start} is to be played back first", f"Do it: /sbin/e2fsck -fy '{name}'")
        if run(["e2fsck", "-fn", name]).returncode:
            raise Failure(f"{path}: e2fsck finds faults in its file system at byte {part.start}, as after a run that was cut off",
                          f"Mend it: /sbin/e2fsck -fy '{name}', or run the image once more.")


def check_size(path, size, target):
    needed = os.path.getsize(path)
    if size < needed:
        raise Failure(f"{target} has {size // MIB} MiB, the image {needed // MIB}", f"Make a smaller one: ./cairn image --size {size // MIB}M ...")
    if size % SECTOR:
        raise Failure(f"{target} has {size} bytes, which is no number of sectors", f"A card has a multiple of {SECTOR}.")


def plain_file(path):
    """A target that is no device; for tests, and for readers' programs."""
    return os.path.exists(path) and stat.S_ISREG(os.stat(path).st_mode)


def grow(path, size, table, to):
    """A copy as large as the card, its last partition and the file system in it too. The copy has what matters, no more."""
    entries, start, length = gpt.grown(table, size)
    with open(path, "rb") as source, open(to, "wb") as copy:
        copy.truncate(size)
        for at, count in blockmap.extents(path, os.path.getsize(path)):
            source.seek(at)
            copy.seek(at)
            while count:
                data = source.read(min(count, MIB))
                if not data:
                    raise Failure(f"{path} has become shorter", "Does something else write to it?")
                if any(data):
                    copy.write(data)
                else:
                    copy.seek(len(data), os.SEEK_CUR)
                count -= len(data)
        for at, data in gpt.moved(table, size, entries):
            copy.seek(at)
            copy.write(data)
    if image.ext2_partition(to) != image.Partition(start, length, layout.LINUX_GUID):
        raise Failure(f"{path}: its last partition is not the one with the file system", "Leave out --grow.")
    block_size = 1024 << int.from_bytes(superblock(to, start)[24:28], "little")
    tool(["resize2fs", "-f", image.e2fs_name(to, start), str(length // block_size)])
    check_image(to)


def superblock(path, start):
    with open(path, "rb") as file:
        file.seek(start + 1024)
        return file.read(1024)


def plan(path, size):
    """What to write of it to a card of that size: extents and patches."""
    table = gpt.read(path)
    patches = gpt.moved(table, size) if table else []
    extents = blockmap.extents(path, os.path.getsize(path)) + [(at, len(data)) for at, data in patches]
    return blockmap.merged(extents), patches


def describe(target, device, path, extents):
    lines = [f"image   {path}, {os.path.getsize(path) // MIB} MiB, of which {sum(length for _, length in extents) // MIB} are written"]
    if device:
        lines += [f"device  {target}", f"model   {device.model}", f"serial  {device.serial}", f"size    {device.size // MIB} MiB ({device.size / 1e9:.1f} GB)"]
        lines += [f"mounted {point}: will be unmounted" for point in device.mounts]
    else:
        lines += [f"file    {target}, {os.path.getsize(target) // MIB} MiB"]
    print("\n".join(lines), file=sys.stderr)


def confirm(target, yes):
    if yes:
        return
    if not sys.stdin.isatty():
        raise Failure("nobody can be asked whether to write", "Give --yes, if the device is the right one.")
    print(f"All that is on {target} will be lost. Type yes to go on: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != "yes":
        raise Failure("nothing was written", "The answer was not yes.")


def as_root(device):
    """The words before the writer's."""
    if os.geteuid() == 0 or not device or os.access(device.path, os.R_OK | os.W_OK) and not device.mounts:
        return []
    if not shutil.which("sudo"):
        raise Failure(f"writing to {device.path} needs root, and there is no sudo", "Run it as root.")
    say("writing needs root: sudo asks for your password")
    return ["sudo", "--"]


def run_writer(job, prefix):
    """Runs the writer. Its own words are shown as progress, and at the end as rates."""
    begun, rates = {}, []
    process = subprocess.Popen([*prefix, sys.executable, "-I", WRITER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        with process, Bar("flash") as bar:
            try:
                process.stdin.write(json.dumps(job))
                process.stdin.close()
            except BrokenPipeError:
                pass  # it ended before it began; its status says so
            reason = follow(process.stdout, bar, begun, rates)
    except KeyboardInterrupt:
        say("the card was not written to its end and read back: write it again" if begun else "nothing was written")
        raise
    for line in rates:
        say(line)
    if process.returncode:
        raise Failure(reason or f"the writing step ended with status {process.returncode}",
                      "The card is not usable as it is. Try again; if that fails too, try another card or reader." if begun else
                      "Nothing was written.")


def follow(lines, bar, begun, rates):
    """Shows the writer's lines on the bar. When each phase began goes to `begun`, what is to be said in the end to `rates`; the
    reason why it failed, if it did."""
    reason, now = "", time.monotonic()
    for line in lines:
        before, now = now, time.monotonic()
        phase, _, rest = line.strip().partition(" ")
        if phase == "error":
            reason = rest
        elif phase == "reinsert":
            rates.append("take the card out and put it in again before this machine looks at it")
        else:
            done, total = map(int, rest.split())
            start = begun.setdefault(phase, before)
            rate = f"{done / MIB / max(now - start, 0.001):.1f} MiB/s"
            bar.update(done / total, f"{phase} {done // MIB} of {total // MIB} MiB, {rate}")
            if done == total:
                rates.append(f"{phase}: {total / MIB:.1f} MiB, {rate}")
    return reason


def advise(boards):
    """What to do on the board."""
    for name in boards:
        if name in STEPS:
            say(f"on the board ({name}):")
            for number, step in enumerate(STEPS[name], 1):
                say(f"  {number}. {step}")
        elif name != "virt":
            say(f"if it is for the board {name}: what is to be done there is not known, for no boot loader was run on it (docs/boards.md)")


def flash(path, target, grow_it=False, yes=False, roots=devices.Roots()):
    """Writes the image to the device, or to the plain file."""
    if not os.path.isfile(path):
        raise Failure(f"{path} is no image", "./cairn image makes one.", 2)
    device = None if plain_file(target) else devices.examine(target, roots)
    if device is None and os.path.samefile(path, target):
        raise Failure(f"{target} is the image itself", "Give the card's device.", 2)
    size = device.size if device else os.path.getsize(target)
    check_size(path, size, target)
    table = gpt.read(path)
    check_image(path)
    if grow_it and not table:
        raise Failure(f"{path} has no GPT, so nothing can grow", "Leave out --grow, or make the image with ./cairn image.")
    with tempfile.TemporaryDirectory(prefix="flash-", dir=os.path.dirname(os.path.abspath(path))) if grow_it else nullcontext() as stage:
        source = os.path.join(stage, "grown.img") if grow_it else path
        if grow_it:
            grow(path, size, table, source)
        extents, patches = plan(source, size)
        describe(target, device, path, extents)
        confirm(target, yes)
        run_writer({"image": os.path.abspath(source), "device": device.stable if device else os.path.abspath(target),
                    "identity": device.identity() if device else None, "unmount": device.mounts if device else [], "extents": extents,
                    "patches": [(at, data.hex()) for at, data in patches]}, as_root(device))
    say(f"{target} holds {os.path.basename(path)}, and all of it was read back")
    advise(blockmap.recognised(path, layout.LAYOUTS))
