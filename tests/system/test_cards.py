# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""Bad cards: each ends in one clear message that names the thing and the fix, and what was acknowledged stays."""

import errno
import json
import os
import subprocess

import pytest

import rig
from tools import image

MIB = 1 << 20


def make_card(path, **options):
    image.make(str(path), options.pop("size", 32 * MIB), **options)
    return path


def refused(result, *words):
    """The machine ended by itself, with a status that is neither 0 nor a crash, naming the words in one message."""
    assert result.status not in (0, 124, 125, 134, 139), rig.text_of(result)
    lines = [line for line in result.err.splitlines() if all(word in line for word in words)]
    assert lines, f"no line names {words}\n{rig.text_of(result)}"


def test_empty_card(tmp_path):
    card = tmp_path / "card.img"
    card.write_bytes(bytes(4 * MIB))
    refused(rig.probe(card, "status", "0"), "ext2", "./cairn image")


def test_partition_without_ext2(tmp_path):
    card = make_card(tmp_path / "card.img")
    with open(card, "r+b") as file:
        file.seek(image.ROOT_START)
        file.write(bytes(64 * 1024))
    refused(rig.probe(card, "status", "0"), "ext2", "./cairn image")


def test_partition_named_by_root_is_missing(tmp_path):
    card = make_card(tmp_path / "card.img")
    result = rig.probe(card, "status", "0", options=["--quiet", "--append", "root=vda7"])
    refused(result, "vda7")
    assert "vda2" in result.err and "the application was not started" in result.err, rig.text_of(result)


def test_root_can_be_named(tmp_path):
    result = rig.probe(make_card(tmp_path / "card.img"), "keep", "x", options=["--append", "root=vda2"])
    assert result.status == 0, rig.text_of(result)


def test_no_card_at_all(tmp_path):
    result = rig.run(rig.PROBE, "--drive", "driver=null-co,size=0", argv=["status", "0"])
    refused(result, "./cairn image")


@pytest.mark.parametrize("bits,name", [(0x40, "extents"), (0x80, "64bit"), (0x80000000, "bit 31")])
def test_unknown_incompat_feature(bits, name, tmp_path):
    card = make_card(tmp_path / "card.img")
    before = set_superblock(card, 96, bits)
    refused(rig.probe(card, "keep", "x"), name)
    assert superblock(card) == before, "a file system that is not understood is not touched"


def test_unknown_ro_compat_feature_mounts_read_only(tmp_path):
    card = make_card(tmp_path / "card.img", files=["/etc/os-release"])
    before = set_superblock(card, 100, 0x40000000)
    result = rig.probe(card, "read", "/os-release")
    assert result.status == 0 and result.out == b"read 0 %d\n" % os.path.getsize("/etc/os-release"), rig.text_of(result)
    assert "read-only" in result.err
    assert superblock(card) == before
    result = rig.probe(card, "keep", "x")
    assert result.status == 1 and "Read-only file system" in result.err, rig.text_of(result)


def set_superblock(card, offset, bits):
    with open(card, "r+b") as file:
        at = image.ROOT_START + 1024 + offset
        file.seek(at)
        old = int.from_bytes(file.read(4), "little")
        file.seek(at)
        file.write((old | bits).to_bytes(4, "little"))
    return superblock(card)


def superblock(card):
    with open(card, "rb") as file:
        file.seek(image.ROOT_START + 1024)
        return file.read(1024)


@pytest.mark.parametrize("offset,value,words", [(4, 0xFFFFFFFF, ("too small",)), (32, 0, ("e2fsck",)), (24, 6, ("mke2fs -b",)),
                                                (24, 99, ("e2fsck", "block size"))],
                         ids=["more blocks than the card", "no blocks in a group", "block size", "no block size"])
def test_damaged_superblock(offset, value, words, tmp_path):
    card = make_card(tmp_path / "card.img")
    with open(card, "r+b") as file:
        file.seek(image.ROOT_START + 1024 + offset)
        file.write(value.to_bytes(4, "little"))
    refused(rig.probe(card, "status", "0"), *words)


DEFAULT = "sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr"  # of mke2fs -t ext2, 1.46 and 1.47


@pytest.mark.parametrize("block_size,features", [(1024, "none"), pytest.param(2048, "none", marks=pytest.mark.default),
                                                 pytest.param(1024, DEFAULT, marks=pytest.mark.default), (4096, DEFAULT)])
def test_what_mke2fs_makes(block_size, features, tmp_path):
    card = make_card(tmp_path / "card.img", block_size=block_size, features=features, files=["/etc/os-release"])
    before = superblock(card)
    result = rig.probe(card, "spread", "30", "100000")
    assert result.status == 0 and result.out == b"spread 30\n", rig.text_of(result)
    rig.check_fs(card)
    assert superblock(card)[92:104] == before[92:104], "features are what they were"
    result = rig.probe(card, "read", "/os-release")
    assert result.status == 0 and result.out == b"read 0 %d\n" % os.path.getsize("/etc/os-release"), rig.text_of(result)


def wipe(card, offset, size):
    with open(card, "r+b") as file:
        file.seek(image.ROOT_START + offset)
        file.write(bytes(size))


@pytest.mark.parametrize("offset,size,words", [(1024, 1024, "its backup in block 8193 is used"),
                                               (2048, 1024, "their backup in block 8194 is used")],
                         ids=["superblock", "descriptors"])
def test_backups_are_used(offset, size, words, tmp_path):
    card = make_card(tmp_path / "card.img", block_size=1024, files=["/etc/os-release"])
    wipe(card, offset, size)
    result = rig.probe(card, "spread", "3", "100000", options=["--append", "root=vda2"])
    assert result.status == 0 and words in result.err, rig.text_of(result)
    rig.check_fs(card)
    result = rig.probe(card, "read", "/os-release")
    assert result.status == 0 and b"read 0 " in result.out, rig.text_of(result)
    assert "running e2fsck is recommended" in result.err, rig.text_of(result)


def test_card_of_8_gib(tmp_path):
    """Sparse here; on it, blocks on both sides of 4 GiB, and files larger than that."""
    card = make_card(tmp_path / "card.img", size=8 << 30)
    result = rig.probe(card, "spread", "70", str(5 << 30))
    assert result.status == 0 and result.out == b"spread 70\n", rig.text_of(result)
    rig.check_fs(card)
    blocks = [int(rig.debugfs(card, f"bmap /d{i}/far {(5 << 30) // 4096}").strip().splitlines()[-1]) for i in (0, 20, 40, 60, 69)]
    assert max(blocks) * 4096 > 4 << 30 > min(blocks) * 4096, blocks
    assert os.stat(card).st_blocks * 512 < 200 * MIB


def test_read_only_card(tmp_path):
    card = make_card(tmp_path / "card.img", files=["/etc/os-release"])
    before = card.read_bytes()
    result = rig.probe(card, "read", "/os-release", options=["--read-only"])
    assert result.status == 0, rig.text_of(result)
    assert "read-only" in result.err
    result = rig.run("logger", "--image", card, "--read-only", stdin=b"a line\n")
    refused(result, "read-only")
    assert card.read_bytes() == before


@pytest.mark.parametrize("block_size", [1024, 4096])
def test_full_card(block_size, tmp_path):
    card = make_card(tmp_path / "card.img", block_size=block_size)
    result = rig.probe(card, "fill")
    assert result.status == 0, rig.text_of(result)
    word, error, size = result.out.split()
    assert word == b"full" and int(error) == errno.ENOSPC and int(size) > 10 * MIB
    rig.check_fs(card)
    assert len(rig.take(card, "/full", tmp_path)) == int(size)


def test_logger_on_a_full_card(tmp_path):
    """Names the card and the fix; records written before are intact."""
    card = make_card(tmp_path / "card.img")
    assert rig.run("logger", "--image", card, stdin=b"acknowledged\n").status == 0
    assert rig.probe(card, "fill").status == 0
    result = rig.run("logger", "--image", card, stdin=b"".join(b"%06d\n" % i for i in range(200_000)))
    rig.check_fs(card)
    read = rig.cairn("log", card)
    assert read.status == 0, rig.text_of(read)
    if result.status == 0:  # it had room in what it had prepared, or recycled and said so
        assert read.out.endswith(b"199999\n")
    else:
        refused(result, "full")
        assert read.out.startswith(b"acknowledged\n")


def test_card_too_small_for_a_log(tmp_path):
    card = make_card(tmp_path / "card.img", size=24 * MIB)
    rig.debugfs(card, "mkdir /log", write=True)
    assert rig.probe(card, "fill").status == 0
    result = rig.run("logger", "--image", card, stdin=b"a line\n")
    refused(result, "/log")
    rig.check_fs(card)


def blkdebug(card, *rules):
    """A drive whose card fails: each rule is (event, errno, sector or None, once)."""
    inject = [{"event": event, "errno": number, "once": once, **({"sector": sector} if sector is not None else {})}
              for event, number, sector, once in rules]
    node = {"driver": "raw", "file": {"driver": "blkdebug", "image": {"driver": "file", "filename": str(card)}, "inject-error": inject}}
    return "file=json:" + json.dumps(node).replace(",", ",,") + ",werror=report,rerror=report"


def test_write_errors_are_reported(tmp_path):
    """Every write fails from the start on: EIO reaches the caller, nothing crashes, the card's old content stays."""
    card = make_card(tmp_path / "card.img", files=["/etc/os-release"])
    result = rig.run(rig.PROBE, "--drive", blkdebug(card, ("pwritev", errno.EIO, None, False)), argv=["steps", "3"])
    assert result.status not in (0, 124, 125, 134, 139), rig.text_of(result)
    assert b"step 0 5" in result.out or b"open 5" in result.out or "error" in result.err, rig.text_of(result)
    fsck = subprocess.run(["/sbin/e2fsck", "-fn", image.ext2_device(str(card))], capture_output=True, check=False)
    assert fsck.returncode == 0
    assert rig.take(card, "/os-release", tmp_path) == open("/etc/os-release", "rb").read()


def test_failed_flush_is_an_error(tmp_path):
    card = make_card(tmp_path / "card.img")
    result = rig.run(rig.PROBE, "--drive", blkdebug(card, ("flush_to_disk", errno.EIO, None, False)), argv=["steps", "2"])
    assert result.status not in (0, 124, 125, 134, 139), rig.text_of(result)
    assert b" 0\n" not in result.out, "no fsync may claim success when FLUSH fails"


def test_read_error_is_reported_and_never_data(tmp_path):
    card = make_card(tmp_path / "card.img", files=["/usr/share/common-licenses"])
    sector = first_sector(card, "/GPL-3")
    result = rig.run(rig.PROBE, "--drive", blkdebug(card, ("read_aio", errno.EIO, sector, False)), argv=["read", "/GPL-3"])
    assert result.out.startswith(b"read 5 "), rig.text_of(result)
    rig.check_fs(card)


def first_sector(card, path):
    block = int(rig.debugfs(card, f"bmap {path} 0").strip().splitlines()[-1])
    return (image.ROOT_START + block * 4096) // 512


def test_logger_says_that_the_card_fails(tmp_path):
    """What was acknowledged before the errors stays readable; the run does not end with status 0."""
    card = make_card(tmp_path / "card.img")
    assert rig.run("logger", "--image", card, stdin=b"acknowledged\n").status == 0
    result = rig.run("logger", "--drive", blkdebug(card, ("pwritev", errno.EIO, None, False)), stdin=b"lost\n" * 1000)
    assert result.status not in (0, 124, 125, 134, 139), rig.text_of(result)
    read = rig.cairn("log", card)
    assert read.out.startswith(b"acknowledged\n"), rig.text_of(read)
