# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""Which devices `./cairn flash` writes to: on trees of files that look like /sys, /proc and /dev, each refusal in one line."""

import os

import pytest

from tools import devices
from tools.ui import Failure

GIB_SECTORS = 1 << 21
BASE_MOUNTS = ("8:2 / / ext4 /dev/sda2", "8:1 / /boot ext4 /dev/sda1")


class Machine:
    """A PC with a SATA disk, a reader with a card on USB, an SD slot, eMMC, a CD drive, a loop device, and an empty reader."""

    def __init__(self, folder):
        self.roots = devices.Roots(str(folder / "sys"), str(folder / "proc"), str(folder / "dev"))
        self.folder = folder
        usb = {"../../../../idVendor": "0bda", "../../../../serial": "000000000001", "../../../../product": "Reader"}
        self.disk("sda", "pci0000:00/ata1/host0/target/0:0:0:0", "8:0", {"device/vendor": "ATA", "device/model": "Internal"}, 3)
        self.disk("sdb", "pci0000:00/usb1/1-2/1-2:1.0/host6/target/6:0:0:0", "8:16",
                  {"removable": "1", "device/vendor": "Generic", "device/model": "MassStorageClass"}, 2, usb)
        self.disk("sdc", "pci0000:00/usb1/1-2/1-2:1.0/host6/target/6:0:0:1", "8:32", {"removable": "1", "size": "0"}, 0)
        self.disk("sdd", "pci0000:00/usb1/1-3/1-3:1.0/host7/target/7:0:0:0", "8:48", {"device/model": "Disk in a case"}, 1,
                  {"../../../../idVendor": "1234"})
        self.disk("sde", "pci0000:00/sas/host9/target/9:0:0:0", "8:64", {"removable": "1", "device/model": "Hot-plugged"}, 0)
        self.disk("mmcblk0", "platform/mmc0/mmc0:0001", "179:0", {"device/type": "MMC", "device/name": "8GTF4R"}, 0)
        self.disk("mmcblk1", "platform/mmc1/mmc1:aaaa", "179:8", {"device/type": "SD", "device/name": "SC64G", "device/serial": "0x1234abcd"}, 2, {}, "p")
        self.disk("mmcblk0boot0", "platform/mmc0/mmc0:0001/block/mmcblk0", "179:16", {"device/type": "MMC"}, 0)
        self.disk("sr0", "pci0000:00/ata2/host1/target/1:0:0:0", "11:0", {"removable": "1"}, 0)
        self.disk("loop0", "virtual", "7:0", {}, 0)
        self.write("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n/dev/sda3 partition 1 0 -2\n")
        self.mounts()
        by_id = folder / "dev/disk/by-id"
        by_id.mkdir(parents=True)
        os.symlink("../../sdb", by_id / "usb-Generic_MassStorageClass_000000000001-0:0")
        os.symlink("../../sdb1", by_id / "usb-Generic_MassStorageClass_000000000001-0:0-part1")
        os.symlink("../../sdb", by_id / "wwn-0x5000")
        (folder / "dev/disk/by-path").mkdir()
        os.symlink("../../mmcblk1", folder / "dev/disk/by-path/platform-mmc1")
        os.symlink("sdb", folder / "dev/card")

    def write(self, path, text):
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def disk(self, name, place, number, values, partitions, above=(), separator=""):
        node = f"sys/devices/{place}/block/{name}"
        for key, value in {"dev": number, "size": str(64 * GIB_SECTORS), "removable": "0", "ro": "0", **values}.items():
            target = f"sys/devices/{place}/{key.removeprefix('device/')}" if key.startswith("device/") else f"{node}/{key}"
            self.write(target, value + "\n")
        os.symlink(os.path.relpath(self.folder / f"sys/devices/{place}", self.folder / node), self.folder / node / "device")
        major, minor = map(int, number.split(":"))
        for key, value in dict(above).items():
            self.write(os.path.normpath(f"sys/devices/{place}/{key.removeprefix('../')}"), value + "\n")
        names = [(name, node)]
        for part in range(1, partitions + 1):
            part_name = f"{name}{separator}{part}"
            self.write(f"{node}/{part_name}/partition", f"{part}\n")
            self.write(f"{node}/{part_name}/dev", f"{major}:{minor + part}\n")
            names.append((part_name, f"{node}/{part_name}"))
        for one, where in names:
            (self.folder / where / "holders").mkdir()
            self.write(f"dev/{one}", "")
            link = self.folder / "sys/class/block" / one
            link.parent.mkdir(parents=True, exist_ok=True)
            os.symlink(os.path.relpath(self.folder / where, link.parent), link)

    def mounts(self, *more):
        lines = [f"{number} 1 {device} {root} {point} rw shared:1 - {kind} {source} rw"
                 for number, line in enumerate([*BASE_MOUNTS, *more], 20) for device, root, point, kind, source in [line.split(" ")]]
        self.write("proc/self/mountinfo", "\n".join(lines) + "\n")

    def examine(self, name):
        return devices.examine(os.path.join(self.roots.dev, name), self.roots, lambda path: True)

    def refused(self, name):
        with pytest.raises(Failure) as caught:
            self.examine(name)
        message = str(caught.value)
        assert "\n" not in message and message.startswith(os.path.join(self.roots.dev, name)) and caught.value.hint, message
        return message, caught.value.hint


@pytest.fixture(name="pc")
def fake_machine(tmp_path):
    return Machine(tmp_path)


def test_card_in_a_reader_on_usb(pc):
    for name in ("sdb", "card", "disk/by-id/wwn-0x5000"):
        found = pc.examine(name)
        assert found == devices.Device(f"{pc.roots.dev}/sdb", f"{pc.roots.dev}/disk/by-id/usb-Generic_MassStorageClass_000000000001-0:0",
                                       "8:16", "Generic MassStorageClass", "000000000001", 64 << 30, ())


def test_another_card_in_the_same_reader(pc):
    """All else is equal; the kernel's count of media is not, where it has one."""
    without = pc.examine("sdb").identity()
    pc.write("sys/class/block/sdb/diskseq", "17\n")
    first = pc.examine("sdb").identity()
    assert pc.examine("sdb").identity() == first != without
    pc.write("sys/class/block/sdb/diskseq", "18\n")
    assert pc.examine("sdb").identity() != first


def test_card_in_a_slot(pc):
    found = pc.examine("mmcblk1")
    assert (found.model, found.serial, found.stable) == ("SC64G", "0x1234abcd", f"{pc.roots.dev}/disk/by-path/platform-mmc1")


def test_others_that_may_be_written(pc):
    assert pc.examine("sdd").model == "Disk in a case"
    found = pc.examine("sde")
    assert (found.model, found.serial, found.stable) == ("Hot-plugged", "unknown", f"{pc.roots.dev}/sde")


@pytest.mark.parametrize("name, words", [
    ("sda", "neither removable, nor an SD card, nor on USB"), ("mmcblk0", "neither removable"), ("mmcblk0boot0", "neither removable"),
    ("sr0", "neither removable"), ("loop0", "neither removable"), ("sdc", "holds no card"), ("sdb1", "is a partition"),
    ("mmcblk1p2", "is a partition"), ("sdx", "does not exist"),
])
def test_refused(name, words, pc):
    message, hint = pc.refused(name)
    assert words in message
    if "partition" in words:
        assert f"Give {pc.roots.dev}/{'sdb' if name.startswith('sdb') else 'mmcblk1'}," in hint
    elif "holds" not in words:
        assert hint == "Cards here: " + ", ".join(f"{pc.roots.dev}/{card}" for card in ("mmcblk1", "sdb", "sdd", "sde")) + "."


def test_what_is_no_block_device(pc):
    with pytest.raises(Failure, match="is no block device"):
        devices.examine(f"{pc.roots.dev}/sdb", pc.roots)
    with pytest.raises(Failure, match="is no block device"):
        pc.examine("disk")


def test_write_protected(pc):
    pc.write("sys/class/block/sdb/ro", "1\n")
    assert "write-protected" in pc.refused("sdb")[0]


@pytest.mark.parametrize("name", ["sdb", "sdb2"])
def test_holders(name, pc):
    (pc.folder / "sys/class/block" / name / "holders/dm-0").mkdir()
    assert f"{name} is part of dm-0" in pc.refused("sdb")[0]


def test_swap(pc):
    pc.write("proc/swaps", f"Filename\tType\tSize\tUsed\tPriority\n{pc.roots.dev}/sdb2 partition 1 0 -2\n")
    assert "swaps to" in pc.refused("sdb")[0]


@pytest.mark.parametrize("mount", ["8:17 / /home ext4 /dev/sdb1", "8:18 / / ext4 /dev/sdb2", "8:16 / /boot/efi vfat /dev/sdb",
                                   "0:44 / /var btrfs /dev/sdb1", "8:17 / /media ext4 /dev/sdb1", "8:17 / /mnt ext4 /dev/sdb1"])
def test_mounted_where_the_system_is(mount, pc):
    pc.mounts(mount, "8:17 / /media/user/BOOT vfat /dev/sdb1")
    message, hint = pc.refused("sdb")
    assert f"{mount.split()[2]} is mounted from it" in message and "unmount" in hint


def test_mounted_by_the_desktop(pc):
    pc.mounts("8:17 / /media/user/BO\\040OT vfat /dev/sdb1", "8:18 / /run/media/user/x ext4 /dev/sdb2",
              "8:18 / /run/media/user/x/in ext4 /dev/sdb2", "8:49 / /home ext4 /dev/sdd1")
    assert pc.examine("sdb").mounts == ("/run/media/user/x/in", "/run/media/user/x", "/media/user/BO OT")


def test_no_card_at_all(tmp_path):
    with pytest.raises(Failure) as caught:
        devices.examine("/dev/sdx", devices.Roots(str(tmp_path), str(tmp_path), str(tmp_path)))
    assert caught.value.hint == "No card is seen here: insert one."
