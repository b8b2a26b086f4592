# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""The boards' own device trees, those of Debian's Linux and those that Debian's U-Boots carry: start-up makes of them the RAM,
harts, interrupts, serial lines, card slots and their pins that tests/host/test_boards.c expects. Fetched once, kept in build/foreign."""

import os
import re
import subprocess
import sys

import pytest

import needs

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(ROOT, "build/host/tests/host/test_boards")
LINUX = {
    "hifive-unleashed-a00": "unleashed",
    "hifive-unmatched-a00": "unmatched",
    "mpfs-icicle-kit": "icicle",
    "jh7110-starfive-visionfive-2-v1.2a": "visionfive2",
    "jh7110-starfive-visionfive-2-v1.3b": "visionfive2",
}
U_BOOT = {
    "u-boot-sifive/sifive_unleashed": "unleashed-uboot",
    "u-boot-sifive/sifive_unmatched": "unmatched",
    "u-boot-starfive/starfive_visionfive2": "visionfive2-uboot",
}

sys.path.insert(0, ROOT)

from tools import foreign  # noqa: E402
from tools.ui import Failure  # noqa: E402

pytestmark = pytest.mark.default


def need(fetch, *words):
    try:
        return fetch(*words)[1]
    except Failure as problem:
        needs.lacking(f"the boards' trees cannot be had: {problem}")


def check(board, tree):
    done = subprocess.run([PROGRAM, board, str(tree)], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(name="linux", scope="module")
def linux_trees():
    try:
        package = foreign.meant_by("linux-image-riscv64", "linux-image-")
    except Failure as problem:
        needs.lacking(f"the boards' trees cannot be had: {problem}")
    return need(foreign.members, package, r"\./usr/lib/linux-image-[^/]*/(sifive|microchip|starfive)/.*\.dtb")


@pytest.mark.parametrize("tree", LINUX)
def test_linux(tree, linux):
    check(LINUX[tree], os.path.join(linux, tree + ".dtb"))


@pytest.mark.parametrize("place", U_BOOT)
def test_u_boot(place, tmp_path):
    """The tree is a part of the image that the loader's first stage loads."""
    package, name = place.split("/")
    image = os.path.join(need(foreign.binary, package), "usr/lib/u-boot", name, "u-boot.itb")
    data = subprocess.run(["fdtget", "-t", "bx", image, "/images/fdt-1", "data"], capture_output=True, text=True, check=True).stdout
    tree = tmp_path / "tree.dtb"
    tree.write_bytes(bytes(int(byte, 16) for byte in re.findall(r"\S+", data)))
    check(U_BOOT[place], tree)
