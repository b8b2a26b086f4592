# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""Device trees that a board may not be started with: each is told of in one line, and ends the start or does not. The firmware
sees the machine's own tree; the kernel another one, which a few instructions before it put in its place."""

import os
import struct
import subprocess

import pytest

import needs
import rig
from tools import apps, foreign, image, qemu
from tools.ui import Failure

STUB, KERNEL, TREE = 0x80200000, 0x80400000, 0x84000000
HARTS = 2


def lower(register, base, offset):
    """The instruction ld."""
    return offset << 20 | base << 15 | 3 << 12 | register << 7 | 0x03


def stub(tree):
    """Loads a1 and goes to the kernel. At its end the two addresses."""
    t0, a1 = 5, 11
    code = [0x00000297, lower(a1, t0, 16), lower(t0, t0, 24), t0 << 15 | 0x67]
    return struct.pack("<4I2Q", *code, tree, KERNEL)


class Machine:
    """Its own tree in `tree`, to be changed. The serial line is the console."""

    def __init__(self, folder, mode="stream"):
        self.folder = folder
        self.tree = folder / "tree.dtb"
        self.card = folder / "card.img"
        image.make(str(self.card), 32 << 20)
        subprocess.run([qemu.PROGRAM, "-M", f"virt,dumpdtb={self.tree}", "-smp", str(HARTS), "-m", "128M", "-nodefaults",
                        "-display", "none"], check=True, capture_output=True)
        self.put("s", "/chosen", "bootargs", qemu.boot_arguments("serial", mode, name="probe", argv=["status", "7"]))

    def put(self, kind, node, name, *values):
        subprocess.run(["fdtput", "-t", kind, self.tree, node, name, *values], check=True)

    def remove(self, *nodes):
        subprocess.run(["fdtput", "-r", self.tree, *nodes], check=True)

    def remove_property(self, node, *names):
        subprocess.run(["fdtput", "-d", self.tree, node, *names], check=True)

    def nodes(self, parent, begin):
        listed = subprocess.run(["fdtget", "-l", self.tree, parent], check=True, capture_output=True, text=True)
        return [f"{parent}/{name}" for name in listed.stdout.split() if name.startswith(begin)]

    def run(self, address=TREE, options=(), stdin=b""):
        (self.folder / "stub.bin").write_bytes(stub(address))
        words = ["-kernel", self.folder / "stub.bin", "-device", f"loader,file={kernel()},addr={KERNEL:#x},force-raw=on",
                 "-device", f"loader,file={self.tree},addr={TREE:#x},force-raw=on", *options]
        return rig.run(rig.PROBE, "--image", self.card, "--console", "serial", "--smp", HARTS, *(f"--qemu-arg={word}" for word in words),
                       stdin=stdin)


def kernel():
    return f"{rig.ROOT}/build/riscv/{apps.load(rig.PROBE).output}.bin"


@pytest.fixture(name="machine")
def new_machine(tmp_path):
    return Machine(tmp_path)


def told(result, status, *words):
    """One line has the words; the end is the kernel's own."""
    lines = [line for line in result.err.splitlines() if all(word in line for word in words)]
    assert len(lines) == 1 and result.status == status, rig.text_of(result)
    assert "trap" not in result.err and "panic" not in result.err, rig.text_of(result)


def test_what_is_changed_is_what_boots(machine):
    result = machine.run()
    assert result.status == 7 and "harts: 2" in result.err, rig.text_of(result)


@pytest.mark.parametrize("address", [0, 0x1003, 0x100, 0x7ffff000, 0x84800000, 0x123456789000, 1 << 63])
def test_none(address, machine):
    told(machine.run(address), 1, "no device tree at", "a1")


def test_behind_the_end_of_memory(machine):
    data = machine.tree.read_bytes()
    machine.tree.write_bytes(data[:4] + struct.pack(">I", 64 << 10) + data[8:4096])
    told(machine.run(options=["-device", f"loader,file={machine.tree},addr=0x87fff000,force-raw=on"], address=0x87FFF000), 1, "device tree", "memory")


def test_too_large(machine):
    data = machine.tree.read_bytes()
    machine.tree.write_bytes(data[:4] + struct.pack(">I", 1 << 20) + data[8:])
    told(machine.run(), 1, "larger than 128 KiB")


def test_damaged(machine):
    data = machine.tree.read_bytes()
    machine.tree.write_bytes(data[:len(data) // 2] + bytes(len(data) // 2))
    told(machine.run(), 1, "is damaged")


@pytest.mark.parametrize("nodes", [[f"/n{i}" for i in range(2048)], ["/n" * depth for depth in range(1, 33)]], ids=["many", "deep"])
def test_more_nodes_than_are_taken(nodes, machine):
    subprocess.run(["fdtput", "-c", machine.tree, *nodes], check=True)
    assert machine.tree.stat().st_size <= 128 << 10
    told(machine.run(), 1, "more than 2048 nodes", "32 within each other")


def test_no_memory(machine):
    machine.remove(*machine.nodes("/", "memory"))
    told(machine.run(), 1, "no RAM", "/memory")


def test_no_time_base(machine):
    machine.remove_property("/cpus", "timebase-frequency")
    told(machine.run(), 1, "timebase-frequency")


@pytest.mark.parametrize("how", ["disabled", "mmu-less"])
def test_no_usable_hart(how, machine):
    """One runs all the same."""
    for cpu in machine.nodes("/cpus", "cpu@"):
        if how == "disabled":
            machine.put("s", cpu, "status", "disabled")
        else:
            machine.remove_property(cpu, "mmu-type")
    result = machine.run()
    told(result, 7, "no hart", "mmu-type")
    assert "harts: 1" in result.err, rig.text_of(result)


@pytest.mark.parametrize("firmware", ["default", pytest.param("debian", marks=pytest.mark.default)])
def test_no_console(firmware, machine):
    """The firmware's serves, both ways: its legacy calls, or the debug console of a newer one. It turns \\n into \\r\\n."""
    options = ["-bios", newer_firmware()] if firmware == "debian" else []
    machine.remove(*machine.nodes("/soc", "serial"), *machine.nodes("/soc", "uart"))
    machine.remove_property("/chosen", "stdout-path")
    machine.put("s", "/chosen", "bootargs", "cairn.console=stream -- cat")
    data = bytes(range(256)) * 8
    result = machine.run(options=options, stdin=data)
    told(result, 0, "no line that there is a driver for", "firmware")
    assert result.out == data.replace(b"\n", b"\r\n")


def newer_firmware():
    try:
        return os.path.join(foreign.binary("opensbi")[1], "usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin")
    except Failure as problem:
        needs.lacking(problem)


def test_no_interrupt_controller(machine):
    machine.remove(*machine.nodes("/soc", "plic"), *machine.nodes("/soc", "interrupt-controller"))
    told(machine.run(), 1, "no interrupt controller")


@pytest.mark.parametrize("slot", [False, True], ids=["no slot", "empty slot"])
def test_no_card(slot, machine):
    machine.remove(*machine.nodes("/soc", "virtio"))
    result = machine.run(options=["-device", "sdhci-pci"] if slot else [])
    told(result, 1, "no block device", "put in a card")
    assert ("no card in the slot" in result.err) == slot


def test_root_that_does_not_exist(machine):
    machine.put("s", "/chosen", "bootargs", "console=ttyS0 cairn.console=stream root=/dev/vdz9 -- status 7")
    told(machine.run(), 1, "root=/dev/vdz9")
