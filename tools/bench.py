# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""`./cairn bench`: boots apps/bench several times on a machine with one hart and makes a table of its figures.

The application prints a line `name value unit` for each repetition; all other lines are left alone. Each boot gets a
card of its own, so that all begin alike.

`./cairn bench --boot` measures instead how long each board takes from the kernel's first instruction to the application's
main, started in each way that it can be. A card is booted once more than is measured: the first mount makes files.
With --icount an instruction under a boot loader takes LOADER_SHIFT's time, lest it wait for billions of them.

`./cairn bench --log` measures the record store and what it calls, on ext2 and on a card with a journal: three boots of one card, of
which the second makes a log of 1 GiB and the third opens it.

`./cairn bench --board NAME`, and --sd if it is not virtio, measure the disks alone, behind that controller; a board's disk
without a file system is the card's boot partition, which a direct boot does not need.
"""

import contextlib
import os
import re
import statistics
import sys
import tempfile

from tools import boards, build, chains, doctor, image, launcher, layout, qemu
from tools.ui import Failure, say

APP = "bench"
CARD = os.path.join(build.BUILD, "bench.img")
CARD_SIZE = 128 * image.MIB
RAW = os.path.join(build.BUILD, "bench.raw")
RAW_SIZE = 64 * image.MIB
PASS = 32  # MiB that a pass over a disk moves
BOOT_SECONDS = 600.0
FIGURE = re.compile(r"^([A-Za-z]\w*) (\d+(?:\.\d+)?) (\S+/\S+)$", re.ASCII)
COUNTED_UNITS = {"ns/op": "insn/op", "ns/MiB": "insn/MiB"}  # what the guest's nanoseconds are under -icount shift=0
MEANING = {
    False: "ns/op: nanoseconds of this PC for one operation; QEMU translates instructions, so they are no board's.",
    True: "insn/op: guest instructions for one operation, the firmware's and those of interrupts included.",
}


def figures(text):
    """{(name, unit): values}, in the order of the first lines."""
    found = {}
    for line in text.splitlines():
        match = FIGURE.match(line.rstrip())
        if match:
            found.setdefault((match[1], match[3]), []).append(float(match[2]))
    return found


WAITS = ("boot",)  # figures that are time that passed: not counted in instructions
LOADER_SHIFT = 5  # 2^5 ns an instruction
RAW_DISKS = {"virtio": "/dev/vdb", "virtio-pci": "/dev/vdb", "sdhci": "/dev/mmcblk1"}  # what the second one is called


def boot(kernel, icount, sd):
    """One boot: the application's exit status and output."""
    image.make(CARD, CARD_SIZE, kernel=kernel)
    with open(RAW, "wb") as raw:  # the second disk, with nothing on it
        raw.truncate(RAW_SIZE)
    extra = ["-drive", f"if=none,id=raw,{qemu.file_drive(RAW)}", *(word.replace("drive=card", "drive=raw") for word in qemu.SLOTS[sd])]
    extra += ["-icount", "shift=0"] if icount else []
    words = [RAW_DISKS[sd]] if sd == "virtio" else ["disks", RAW_DISKS[sd], str(PASS)]  # the rest does not depend on it
    arguments = qemu.boot_arguments("virtio", "stream", quiet=True, argv=words, name=APP)
    return output_of(qemu.Machine(kernel, qemu.file_drive(CARD), bootargs=arguments, sd=sd, extra=extra))


def output_of(machine):
    """Runs it: the application's exit status and output."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output, open(os.devnull, encoding="ascii") as nothing:
        saved, sys.stdin = sys.stdin, nothing  # the launcher's streams: the application reads nothing, we its output
        try:
            with contextlib.redirect_stdout(output):
                status = launcher.run_machine(machine, BOOT_SECONDS)
        finally:
            sys.stdin = saved
        output.seek(0)
        return status, output.read()


LOG_CARDS = {"ext2": False, "journal": True}  # name of the figures: the card has a journal
LOG_CARD_SIZE = 1280 * image.MIB  # 1 GiB of segments, and what is measured before


def run_log(icount, release, boots):
    """Builds; the record store's costs on each kind of card; prints. The exit status of the command."""
    kernel = build.build(build.load(APP), release=release)
    found = {}
    for name, journal in LOG_CARDS.items():
        for number in range(1, boots + 1):
            say(f"{name}, boot {number} of {boots}")
            image.make(CARD, LOG_CARD_SIZE, kernel=kernel, journal=journal)
            for word in ("log", "fill", "recover"):
                arguments = qemu.boot_arguments("virtio", "stream", quiet=True, argv=[word], name=APP)
                status, text = output_of(qemu.Machine(kernel, qemu.file_drive(CARD), bootargs=arguments,
                                                      extra=["-icount", "shift=0"] if icount else []))
                if status == launcher.STATUS_INTERRUPTED:
                    return status
                if status:
                    raise Failure(f"the benchmark ended with status {status}", "The reason is above.")
                for (figure, unit), values in figures(text).items():
                    found.setdefault((f"{figure}_{name}", unit), []).extend(values)
    return show(found, icount, release, boots, "virt, as few harts as can be")


BOARD_CARD = 256 * image.MIB  # a power of two
BOARD_PASS = 8  # MiB, the same on a board
BOARD_DISKS = {"visionfive2": "mmcblk1"}  # whose first slot is for an eMMC


def boot_board(kernel, icount, board):
    """One boot of a board, for its disks: the application's exit status and output."""
    plan, harts = layout.LAYOUTS[board], boards.BOARDS[board].harts_range[0]
    check_counting(board, icount, harts)
    memory, harts, console = boards.check(board, None, harts, None)
    image.make(CARD, BOARD_CARD, kernel=kernel, plan=plan)
    raw = f"/dev/{BOARD_DISKS.get(board, 'mmcblk0')}p{1 + plan.parts.index(plan.part('boot'))}"
    arguments = qemu.boot_arguments(console, "stream", quiet=True, argv=["disks", raw, str(BOARD_PASS)], name=APP, board=board)
    return output_of(qemu.Machine(kernel, qemu.file_drive(CARD), memory, harts, arguments, console, board=board,
                                  extra=["-icount", "shift=0"] if icount else []))


def check_counting(board, icount, harts):
    if icount and harts > 1:
        raise Failure(f"instructions are counted on one hart, and {board} has {harts} or none")


def start_up(kernel, icount, boots, board, way):
    """{(name, unit): values} of one board, started in one way."""
    chain, plan, described = chains.of(board, way), layout.LAYOUTS[board], boards.BOARDS[board]
    harts = described.harts if chain and not icount else described.harts_range[0]  # loaders' trees know no fewer
    shift = LOADER_SHIFT if chain else 0
    boards.check_machine(board)
    check_counting(board, icount, harts)
    if icount and chain and not chain.counts:
        raise Failure(f"{board}, {way}: it does not come up where QEMU counts instructions")
    memory, harts, console = boards.check(board, None, harts, None, chain)
    image.make(CARD, CARD_SIZE, kernel=kernel, plan=plan, arguments=qemu.card_arguments(APP, "quiet", ["boot"]),
               loaders=image.fetch_loaders(plan) if chain else None)
    found = {}
    with tempfile.TemporaryDirectory(prefix="cairn-boot-") as folder:
        arguments = qemu.boot_arguments(console, "stream", quiet=True, argv=["boot"], name=APP, board=board)
        machine = qemu.Machine(kernel, qemu.file_drive(CARD), memory, harts, arguments, console, board=board,
                               extra=["-icount", f"shift={shift}"] if icount else [], loader=chain.words(CARD, folder) if chain else None)
        for number in range(boots + 1):
            status, text = output_of(machine)
            if status:
                raise Failure(f"{board}, {way}: it ended with status {status}", "The reason is above.")
            for (name, unit), values in figures(text).items():
                if not number or (icount and name in WAITS):
                    continue
                found.setdefault((f"{name}_{board}_{way}", unit), []).extend(value / (1 << shift) if icount else value for value in values)
    return found


def run_boot(icount, release, boots):
    """Builds, boots all that this machine has the means for, prints. The exit status of the command."""
    kernel = build.build(build.load(APP), release=release)
    build.scons(["trees"])
    found = {}
    for board in (name for name in layout.LAYOUTS if not boards.BOARDS[name].hardware):
        for way in chains.ways(board):
            say(f"{board}, {way}")
            try:
                found.update(start_up(kernel, icount, boots, board, way))
            except Failure as failure:
                say(f"left out: {failure}")
    if not found:
        raise Failure("no board could be started", "The reasons are above.")
    return show(found, icount, release, boots, "as few harts as can be")


def table(found, icount):
    rows = [("name", "median", "unit", "least", "most", "spread", "n")]
    for (name, unit), values in found.items():
        median = statistics.median(values)
        spread = f"{(max(values) - min(values)) / median:.2%}" if median else "-"
        rows.append((name, f"{median:.3f}", COUNTED_UNITS.get(unit, unit) if icount else unit, f"{min(values):.3f}",
                     f"{max(values):.3f}", spread, str(len(values))))
    widths = [max(map(len, column)) for column in zip(*rows)]
    left = (0, 2)
    return "\n".join(" ".join(f"{cell:{'<' if at in left else '>'}{widths[at]}}" for at, cell in enumerate(row)) for row in rows)


def run(icount, release, boots, sd, board):
    """Builds, boots, prints. The exit status of the command."""
    kernel = build.build(build.load(APP), release=release)
    if board != "virt":
        boards.check_machine(board)
        build.scons(["trees"])
    found = {}
    for number in range(1, boots + 1):
        say(f"boot {number} of {boots}")
        status, text = boot(kernel, icount, sd) if board == "virt" else boot_board(kernel, icount, board)
        if status == launcher.STATUS_INTERRUPTED:
            return status
        if status:
            raise Failure(f"the benchmark ended with status {status}", "The reason is above.")
        for key, values in figures(text).items():
            found.setdefault(key, []).extend(values)
    if not found:
        raise Failure("the benchmark printed no figure")
    return show(found, icount, release, boots, f"{board}, as few harts as can be")


def show(found, icount, release, boots, harts):
    print(f"{'release' if release else 'debug'} build, {doctor.first_line(['riscv64-unknown-elf-gcc', '--version'])}")
    print(f"{doctor.first_line([qemu.PROGRAM, '--version'])}, {harts}{', -icount shift=0' if icount else ''}, boots: {boots}")
    print(MEANING[icount])
    print(f"\n{table(found, icount)}")
    return 0
