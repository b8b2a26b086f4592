# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""`./cairn log`: takes /log out of a card image with debugfs, no mount and no root, and runs the reader over it."""

import os
import subprocess
import tempfile

from tools import build, image
from tools.ui import Failure


def extract(card, source, into):
    """Copies the file or folder `source` of the card's ext2 into the folder `into`."""
    device = image.ext2_device(card)
    script = f'rdump "{source}" "{into}"\n'
    try:
        result = subprocess.run(["debugfs", "-f", "-", device], input=script, capture_output=True, text=True, check=False,
                                env={**os.environ, "DEBUGFS_PAGER": "cat", "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"})
    except FileNotFoundError as error:
        raise Failure("debugfs is not installed", "Run ./cairn setup.") from error
    copied = os.path.join(into, os.path.basename(source))
    if "Filesystem not open" in result.stderr:
        raise Failure(f"{card}: its ext2 cannot be opened", "The image is damaged or cut short; e2fsck -fn says more.", 2)
    if not os.path.exists(copied):
        raise Failure(f"{card} has no {source}: {result.stderr.strip().splitlines()[-1] if result.stderr.strip() else ''}",
                      f"Has an application that makes {source} run on this card?")
    return copied


def read(card, options):
    """Runs the reader with its own options on the card's /log; its exit status."""
    with tempfile.TemporaryDirectory(prefix="cairn-log-") as folder:
        return subprocess.run([build.logread(), *options, extract(card, "/log", folder)], check=False).returncode
