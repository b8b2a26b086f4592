# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""What the system tests share: ./cairn run with a time limit, file-system checks, files out of and into cards."""

import os
import subprocess
import sys
from dataclasses import dataclass

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, ROOT)

from tools import image, log  # noqa: E402

CAIRN = os.path.join(ROOT, "cairn")
PROBE = os.path.join(ROOT, "tests/system/apps/probe")
SECONDS = 120
CONSOLES = ("virtio", "serial")


@dataclass
class Result:
    status: int
    out: bytes
    err: str


def cairn(*words, stdin=b"", seconds=SECONDS):
    done = subprocess.run([CAIRN, *map(str, words)], input=stdin, capture_output=True, timeout=seconds + 60, check=False,
                          cwd=ROOT)
    return Result(done.returncode, done.stdout, done.stderr.decode(errors="replace"))


def run(app, *options, argv=(), stdin=b"", seconds=SECONDS, no_build=True):
    """./cairn run with what was built before."""
    words = ["run", app, "--timeout", seconds, *options, *(["--no-build"] if no_build else [])]
    return cairn(*words, *(["--", *argv] if argv else []), stdin=stdin, seconds=seconds)


def probe(card, *argv, options=(), **more):
    return run(PROBE, "--image", card, *options, argv=argv, **more)


def check_fs(card):
    """e2fsck finds nothing."""
    done = subprocess.run(["/sbin/e2fsck", "-fn", image.ext2_device(str(card))], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def debugfs(card, *commands, write=False):
    script = "".join(command + "\n" for command in commands)
    done = subprocess.run(["/sbin/debugfs", *(["-w"] if write else []), "-f", "-", image.ext2_device(str(card))], input=script,
                          capture_output=True, text=True, check=True)
    return done.stdout


def take(card, source, folder):
    """The bytes of a file of the card."""
    with open(log.extract(str(card), source, str(folder)), "rb") as file:
        return file.read()


def text_of(result):
    """For assertion messages."""
    return f"status {result.status}\n{result.out[-2000:]!r}\n{result.err[-6000:]}"
