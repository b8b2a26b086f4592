# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""Which file system is the root, by each of the names that it has, and cards beside it."""

import re
import subprocess

import pytest

import rig
from tools import image, qemu

MIB = 1 << 20
FS_UUID = "01234567-89ab-cdef-0123-456789abcdef"
PART_UUID = "fedcba98-7654-3210-0123-456789abcdef"


def make_card(path, label, uuid):
    """A card whose file system and whose partition are told from others."""
    image.make(str(path), 32 * MIB)
    subprocess.run(["/sbin/tune2fs", "-L", label, "-U", uuid, image.ext2_device(str(path))], check=True, capture_output=True)
    return path


def set_part_uuid(path, uuid):
    subprocess.run(["/sbin/sfdisk", "--part-uuid", str(path), "2", uuid], check=True, capture_output=True)


def second_disk(path):
    """Options of ./cairn run for one more card."""
    words = ["-drive", f"if=none,id=second,{qemu.file_drive(str(path))}", "-device", "virtio-blk-device,drive=second"]
    return [f"--qemu-arg={word}" for word in words]


@pytest.fixture(name="cards")
def two_cards(tmp_path):
    """The second one has the names."""
    first = make_card(tmp_path / "first.img", "first", "11111111-1111-1111-1111-111111111111")
    second = make_card(tmp_path / "second.img", "wanted", FS_UUID)
    set_part_uuid(second, PART_UUID)
    return first, second


def has_kept(card):
    return "kept" in rig.debugfs(card, "ls -p /")


@pytest.mark.parametrize("root", [f"UUID={FS_UUID}", f"UUID={FS_UUID.upper()}", "LABEL=wanted", f"PARTUUID={PART_UUID}",
                                  f"PARTUUID={PART_UUID.upper()}"])
def test_by_name(root, cards):
    first, second = cards
    result = rig.probe(first, "keep", "x", options=["--append", f"root={root}", *second_disk(second)])
    assert result.status == 0, rig.text_of(result)
    assert has_kept(second) and not has_kept(first)
    for card in cards:
        rig.check_fs(card)


def test_mbr_partition_by_uuid(tmp_path):
    card = tmp_path / "mbr.img"
    card.write_bytes(bytes(16 * MIB))
    table = "label: dos\nlabel-id: 0x1a2b3c4d\nstart=2048, size=4096, type=c\nstart=8192, type=83\n"
    subprocess.run(["/sbin/sfdisk", "--quiet", str(card)], input=table, text=True, check=True, capture_output=True)
    subprocess.run(["/sbin/mke2fs", "-q", "-F", "-t", "ext2", "-O", "none,filetype", "-E", f"offset={8192 * 512}", str(card),
                    "8M"], check=True, capture_output=True)
    result = rig.probe(card, "keep", "x", options=["--append", "root=PARTUUID=1a2b3c4d-02"])
    assert result.status == 0 and re.search("ext2: vda2: mounted", result.err), rig.text_of(result)


def test_none_of_that_name_lists_what_there_is(cards):
    first, second = cards
    result = rig.probe(first, "keep", "x", options=["--append", "root=LABEL=none", *second_disk(second)])
    assert result.status not in (0, 124, 125, 134, 139), rig.text_of(result)
    assert "root=LABEL=none" in result.err
    for name in ("LABEL=first", "LABEL=wanted", f"UUID={FS_UUID}", f"PARTUUID={PART_UUID}"):
        assert name in result.err, rig.text_of(result)


def test_damaged_superblock(tmp_path):
    """Nothing says any more that there is an ext2 but the backup."""
    card = tmp_path / "card.img"
    image.make(str(card), 32 * MIB, block_size=1024)
    start = image.ext2_partition(str(card)).start
    with open(card, "r+b") as file:
        file.seek(start + 1024)
        file.write(bytes(1024))
    result = rig.probe(card, "keep", "x")
    assert result.status == 0 and "its backup in block" in result.err, rig.text_of(result)
    assert has_kept(card)
    rig.check_fs(card)


def test_read_only(cards):
    first, _ = cards
    before = first.read_bytes()
    result = rig.probe(first, "keep", "x", options=["--append", "ro"])
    assert result.status == 1 and "Read-only file system" in result.err, rig.text_of(result)
    assert first.read_bytes() == before, "nothing is written"
    result = rig.probe(first, "keep", "x", options=["--append", "ro rw"])
    assert result.status == 0, rig.text_of(result)


@pytest.mark.parametrize("end", ["exit", "umount"])
def test_two_cards_at_once(end, cards, tmp_path):
    first, second = cards
    result = rig.probe(first, "cards", end, options=["--append", "root=LABEL=first", *second_disk(second)])
    assert result.status == 0, rig.text_of(result)
    mounts = result.out.decode().splitlines()
    devices = [line.split()[0] for line in mounts if re.fullmatch(r"/dev/vd[ab]2 (/|/second) ext2 rw 0 0", line)]
    assert sorted(devices) == ["/dev/vda2", "/dev/vdb2"], mounts
    wanted = b"".join(b"line %10d\n" % i for i in range(200))
    for card in cards:
        rig.check_fs(card)
        assert rig.take(card, "/log", tmp_path) == wanted


def test_virtio_rng_gives_a_seed(cards):
    result = rig.probe(cards[0], "keep", "x", options=["--qemu-arg=-device", "--qemu-arg=virtio-rng-device"])
    assert result.status == 0 and "virtio-rng: a seed of 64 bytes" in result.err, rig.text_of(result)
