# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""Looks at images of cuts: what e2fsck and debugfs find, and what cairn itself finds that mounts them (mount.c)."""

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from facts import Loss
from tools import build

MOUNT = os.path.join(build.BUILD, "host/tests/crash/mount")
WORKERS = 2
TEXT = 2000  # characters of a program's output that a report has


class Damage(Loss):
    """A file system that is not whole."""


@dataclass
class Taken:
    """One recorded run."""

    workload: object
    journal: bool
    recording: object  # replay.Recording of the partition alone


class Mounter:
    """Mounts images, one after the other, in one process."""

    def __init__(self):
        self.process = subprocess.Popen([MOUNT], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        if self.process.wait():
            raise ChildProcessError(f"{MOUNT} ended with {self.process.returncode}")

    def mount(self, image, save, folder, trees):
        """The kernel's messages. Damage if it could not mount, copy or unmount."""
        self.process.stdin.write(" ".join((image, save, folder, *trees)).encode() + b"\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if len(answer) != 2:
            raise ChildProcessError(f"{MOUNT} says {answer}")
        log = self.process.stdout.read(int(answer[1])).decode(errors="replace")
        if int(answer[0]):
            raise Damage(f"cairn's mount ended with {int(answer[0])}\n{log[-TEXT:]}")
        return log


def e2fsck(image, options, good):
    done = subprocess.run(["/sbin/e2fsck", options, image], capture_output=True, text=True, check=False)
    if done.returncode not in good:
        raise Damage(f"e2fsck {options}: status {done.returncode}\n{done.stdout[-TEXT:]}{done.stderr[-TEXT:]}")


def by_cairn(taken, mounter, folder, image, told, begun):
    """Mounted as it is, without a PC before it; and whole when it is unmounted."""
    saved, copied = os.path.join(folder, "saved"), os.path.join(folder, "cairn")
    os.mkdir(copied)
    log = mounter.mount(image, saved, copied, taken.workload.trees)
    if taken.journal and "recounting" in log:
        raise Damage(f"cairn had to recount\n{log[-TEXT:]}")
    e2fsck(saved, "-fn", (0,))
    taken.workload.check(copied, told, begun, taken.journal)


def by_e2fsck(taken, folder, image, told, begun):
    """Plain ext2 is repaired; with a journal replaying it is all that is needed, and what it leaves is whole."""
    copied = os.path.join(folder, "e2fsck")
    os.mkdir(copied)
    e2fsck(image, "-p" if taken.journal else "-fy", (0, 1))
    e2fsck(image, "-fn", (0,))
    script = "".join(f'rdump "{tree}" "{copied}"\n' for tree in taken.workload.trees)
    subprocess.run(["/sbin/debugfs", "-f", "-", image], input=script, capture_output=True, text=True, check=True)
    taken.workload.check(copied, told, begun, taken.journal)


def look(taken, mounter, folder, card, told, begun):
    """Loss for what is missing on the card."""
    image = os.path.join(folder, "fs.img")
    os.makedirs(folder)
    try:
        with open(image, "wb") as file:
            file.write(card)
        by_cairn(taken, mounter, folder, image, told, begun)
        by_e2fsck(taken, folder, image, told, begun)
    finally:
        shutil.rmtree(folder)


def losses(taken, cuts, scratch):
    """[(cut, Loss)] of these cuts, whose images are looked at by several workers."""
    recording = taken.recording

    def work(number):
        medium, found = recording.medium(), []
        with Mounter() as mounter:
            for cut in cuts[number::WORKERS]:
                told, begun = recording.told[cut.end], recording.told_next(cut.end)
                try:
                    look(taken, mounter, f"{scratch}/{number}", medium.image(cut), told, begun)
                except Loss as loss:
                    found.append((cut, loss))
        return found

    with ThreadPoolExecutor(WORKERS) as pool:
        return [loss for some in pool.map(work, range(WORKERS)) for loss in some]
