# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""reboot(): the board starts anew, or is turned off, from file systems that were unmounted."""

import os
import select
import time

import pytest

import needs
import rig
from tools import apps, boards, foreign, image, layout, qemu

def run_raw(board, folder, harts, options=()):
    """Runs probe's `restart` with a raw console, on a machine that starts anew when it is asked to. All that it says until it ends."""
    plan, card = layout.LAYOUTS[board], folder / "card.img"
    kernel = f"{rig.ROOT}/build/riscv/{apps.load(rig.PROBE).output}.bin"
    image.make(str(card), 64 << 20, plan=plan)
    memory, harts, console = boards.check(board, None, harts, "serial")
    words = qemu.boot_arguments(console, "raw", name="probe", argv=["restart"], board=board)
    machine = qemu.Machine(kernel, qemu.file_drive(str(card)), memory, harts, words, console, board=board, extra=["-action", "reboot=reset", *options])
    running, said = qemu.Qemu(machine), b""
    try:
        deadline = time.monotonic() + rig.SECONDS
        while select.select([running.console], [], [], max(0, deadline - time.monotonic()))[0]:
            data = os.read(running.console, 4096)
            said += data
            if not data:
                break
        assert running.wait(5), said.decode(errors="replace")
    finally:
        running.close()
    rig.check_fs(card)
    return said.decode(errors="replace")

def newer_firmware():
    """Knows how the VisionFive 2 starts anew; this machine's own may not."""
    needs.need_package("opensbi")
    return "-bios", os.path.join(foreign.binary("opensbi")[1], "usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin")


@pytest.mark.parametrize("board, harts", [("virt", 1), *(pytest.param(*row, marks=pytest.mark.default) for row in (("virt", 4), ("sifive_u", 4), ("visionfive2", 4)))])
def test_reboot(board, harts, tmp_path):
    if board == "visionfive2":
        needs.need_emulator()
    said = run_raw(board, tmp_path, harts, newer_firmware() if board == "visionfive2" else ())
    assert said.count(f"] harts: {harts}\n") == 2, said
    before, _, after = said.partition("[cairn] exit 0\n")
    assert "anew\n" in before and "off\n" in after and after.count("[cairn] exit 0\n") == 1, said
    assert "was not unmounted" not in after and "power:" not in said, said


@pytest.mark.default
def test_board_that_cannot(tmp_path):
    """It is told, and ends as if it had been turned off."""
    said = run_raw("icicle", tmp_path, 4)
    assert said.count("] harts: 4\n") == 1 and said.count("power: the firmware cannot start this board anew\r") == 1, said
    assert "anew\n[cairn] exit 0\n" in said, said
