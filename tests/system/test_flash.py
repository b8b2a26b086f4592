# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""./cairn flash: what is written and what is not, onto files and loop devices full of other bytes; then the card is used."""

import os
import re
import subprocess

import pexpect
import pytest

import rig
from tools import blockmap, devices, flash, flashwrite, gpt, image, layout, tool

MIB = 1 << 20
USED = b"\xa5" * MIB
SECOND = 40 * MIB  # where the second file system of make_two() is


def used_card(path, size):
    """Full of what was there before."""
    with open(path, "wb") as file:
        for _ in range(size // MIB):
            file.write(USED)
    return path


def make(path, board="visionfive2", size=64 * MIB, **options):
    image.make(str(path), size, plan=layout.LAYOUTS[board], **options)
    return path


def free_blocks(card):
    """What dumpe2fs calls free: (first, last) blocks of the file system."""
    said = subprocess.run(["/sbin/dumpe2fs", image.ext2_device(str(card))], capture_output=True, text=True, check=True).stdout
    block_size = int(re.search(r"Block size: +(\d+)", said)[1])
    ranges = re.findall(r"^  Free blocks: (.*)$", said, re.MULTILINE)
    pairs = [tuple(map(int, (part.split("-") * 2)[:2])) for line in ranges for part in line.split(", ") if part]
    return block_size, [(int(first), int(last)) for first, last in pairs], int(re.search(r"Block count: +(\d+)", said)[1])


def unset(extents, start, size):
    """(start, length) of what no extent covers."""
    at, out = start, []
    for begin, length in extents:
        if begin + length <= start:
            continue
        if begin > at:
            out.append((at, min(begin, start + size) - at))
        at = max(at, begin + length)
    if at < start + size:
        out.append((at, start + size - at))
    return [(begin, length) for begin, length in out if length > 0]


@pytest.mark.parametrize("options", [{}, {"block_size": 1024}, {"journal": True}, {"block_size": 2048, "features": image.FEATURES + ",resize_inode"}],
                         ids=["4096", "1024", "ext3", "resize_inode"])
def test_block_map_is_what_dumpe2fs_says(options, tmp_path):
    """Nothing that is used is left out, and nothing that is free is in it."""
    card = make(tmp_path / "card.img", size=320 * MIB, files=["/usr/share/common-licenses"], **options)
    rig.debugfs(card, "rm /GPL-2", "rm /Artistic", write=True)  # free blocks between used ones
    part = image.ext2_partition(str(card))
    block_size, free, blocks = free_blocks(card)
    assert len(free) > 2
    expected = [(part.start + first * block_size, (last + 1 - first) * block_size) for first, last in free]
    end = part.start + blocks * block_size
    assert blockmap.merged(unset(blockmap.extents(str(card), os.path.getsize(card)), part.start, end - part.start)) == blockmap.merged(expected)


def test_runs_of_bits():
    for bits in range(0, 1 << 16, 7):
        bitmap = bits.to_bytes(2, "little") + b"\xff"
        for count in (7, 8, 13):
            numbers = [first + i for first, number in blockmap.runs(bitmap, count) for i in range(number)]
            assert numbers == [i for i in range(count) if bits >> i & 1]


def test_a_foreign_file_system_is_written_whole(tmp_path, capsys):
    card = make(tmp_path / "card.img")
    part = image.ext2_partition(str(card))
    with open(card, "r+b") as file:
        file.seek(part.start + 1024 + 96)
        file.write((0x42).to_bytes(4, "little"))  # filetype, extents
    extents = blockmap.extents(str(card), os.path.getsize(card))
    assert any(start <= part.start and part.start + part.size <= start + length for start, length in extents)
    assert "written whole" in capsys.readouterr().err


def test_onto_a_used_card(tmp_path):
    """Zeros arrive, what does not matter is left alone, the log is there, and the card goes on."""
    card, target = make(tmp_path / "card.img"), used_card(tmp_path / "target", 80 * MIB)
    assert rig.run("logger", "--image", card, stdin=b"before\n").status == 0
    result = rig.cairn("flash", card, target, "--yes")
    assert result.status == 0, rig.text_of(result)
    for words in ("writing:", "verifying:", "MiB/s", "RGPIO_1", "115200 8N1", "pin 8"):
        assert words in result.err
    assert target.stat().st_size == 80 * MIB
    subprocess.run(["/sbin/sfdisk", "--verify", target], check=True, capture_output=True)
    rig.check_fs(target)
    compare_blocks(card, target)
    assert rig.cairn("log", target).out == b"before\n"
    result = rig.run("logger", "--image", target, stdin=b"after\n")
    assert result.status == 0, rig.text_of(result)
    rig.check_fs(target)
    assert rig.cairn("log", target).out == b"before\nafter\n"


def compare_blocks(card, target):
    """By dumpe2fs, not by the map that was used: used blocks are equal, free ones are still what they were."""
    block_size, free, blocks = free_blocks(card)
    start, at = image.ext2_partition(str(card)).start, 0
    with open(card, "rb") as one, open(target, "rb") as other:
        for first, last in [*free, (blocks, blocks)]:
            one.seek(start + at * block_size)
            other.seek(start + at * block_size)
            used = (first - at) * block_size
            assert one.read(used) == other.read(used), f"blocks {at} to {first - 1}"
            skipped = (min(last + 1, blocks) - first) * block_size
            assert other.read(skipped).strip(b"\xa5") == b"", f"free blocks {first} to {last} were written"
            at = last + 1
        for part in image.partitions(str(card))[:-1]:
            one.seek(part.start)
            other.seek(part.start)
            assert one.read(part.size) == other.read(part.size)


def test_grow(tmp_path):
    card, target = make(tmp_path / "card.img", files=["/usr/share/common-licenses/GPL-3"]), used_card(tmp_path / "target", 200 * MIB)
    before = card.read_bytes()
    result = rig.cairn("flash", card, target, "--yes", "--grow")
    assert result.status == 0, rig.text_of(result)
    subprocess.run(["/sbin/sfdisk", "--verify", target], check=True, capture_output=True)
    part = image.ext2_partition(str(target))
    assert (part.start, part.size) == (32 * MIB, 167 * MIB)
    rig.check_fs(target)
    assert free_blocks(target)[2] * 4096 == 167 * MIB
    assert rig.take(target, "/GPL-3", tmp_path) == open("/usr/share/common-licenses/GPL-3", "rb").read()
    assert card.read_bytes() == before and sorted(os.listdir(tmp_path)) == ["GPL-3", "card.img", "target"]
    result = rig.probe(target, "spread", "30", "100000")
    assert result.status == 0, rig.text_of(result)
    rig.check_fs(target)


def test_application(tmp_path):
    target = used_card(tmp_path / "target", 32 * MIB)
    result = rig.cairn("flash", rig.PROBE, target, "--yes")
    assert result.status == 2 and "--board" in result.err
    result = rig.cairn("flash", rig.PROBE, target, "--yes", "--board", "virt")
    assert result.status == 1 and "the image 256" in result.err and "--size 32M" in result.err, rig.text_of(result)
    used_card(target, 256 * MIB)
    result = rig.cairn("flash", rig.PROBE, target, "--yes", "--board", "virt")
    assert result.status == 0, rig.text_of(result)
    assert "if it is for the board icicle" in result.err
    rig.check_fs(target)
    result = rig.probe(target, "keep", "x")
    assert result.status == 0, rig.text_of(result)


def test_every_board_is_told_of(capsys):
    for name, plan in layout.LAYOUTS.items():
        flash.advise([name])
        said = capsys.readouterr().err
        assert ("then power" in said) == bool(plan.loader) and (f"the board {name}: what is to be done there is not known" in said) == (name == "icicle")


def test_it_asks(tmp_path):
    card, target = make(tmp_path / "card.img", size=40 * MIB), used_card(tmp_path / "target", 40 * MIB)
    result = rig.cairn("flash", card, target)
    assert result.status == 1 and "--yes" in result.err
    for answer, status in (("y", 1), ("yes", 0)):
        assert target.read_bytes()[:MIB] == USED
        child = pexpect.spawn(rig.CAIRN, ["flash", str(card), str(target)], cwd=rig.ROOT, encoding="utf-8", timeout=60)
        child.expect("Type yes to go on: ")
        child.sendline(answer)
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == status, child.before
    rig.check_fs(target)


@pytest.mark.parametrize("spoil, message", [
    (lambda card: card.write_bytes(b"no card"), "no ext2"),
    (lambda card: write_at(card, 512 + 40, b"\1"), "partition table is damaged"),
    (lambda card: rig.debugfs(card, "freeb 2", write=True), "e2fsck finds faults"),
    (lambda card: make_two(card, "freeb 2"), f"e2fsck finds faults in its file system at byte {SECOND}"),
    (lambda card: make_two(card, "feature needs_recovery"), f"the journal of its file system at byte {SECOND}"),
    (lambda card: card.unlink(), "is no image"),
])
def test_bad_images(spoil, message, tmp_path):
    card, target = make(tmp_path / "card.img"), used_card(tmp_path / "target", 64 * MIB)
    spoil(card)
    with pytest.raises(flash.Failure, match=message):
        flash.flash(str(card), str(target), yes=True)
    assert target.read_bytes()[:MIB] == USED


def make_two(card, command):
    """A card with two file systems, the second an ext3; and what debugfs is to do to that."""
    card.unlink()
    with open(card, "wb") as file:
        file.truncate(64 * MIB)
    table = b"label: gpt\nstart=2048, size=69632\nstart=81920, size=40960\n"
    subprocess.run(["/sbin/sfdisk", "--quiet", "--no-reread", card], input=table, check=True)
    for start, size, kind in ((MIB, 34, "ext2"), (SECOND, 20, "ext3")):
        subprocess.run(["/sbin/mke2fs", "-q", "-F", "-t", kind, "-O", "none,filetype" + ",has_journal" * (kind == "ext3"),
                        "-E", f"offset={start}", card, f"{size}M"], check=True, capture_output=True)
    flash.check_image(str(card))
    subprocess.run(["/sbin/debugfs", "-w", "-R", command, f"{card}?offset={SECOND}"], check=True, capture_output=True)


def test_without_e2fsck_it_says_so(tmp_path, monkeypatch):
    card, target = make(tmp_path / "card.img"), used_card(tmp_path / "target", 64 * MIB)
    monkeypatch.setattr(tool, "environment", lambda: {"PATH": str(tmp_path)})
    with pytest.raises(flash.Failure, match="e2fsck is not installed"):
        flash.flash(str(card), str(target), yes=True)


@pytest.mark.parametrize("at, value", [(72, 1 << 63), (80, 1 << 31), (84, 0), (84, 64), (84, 129), (84, 1 << 31)])
def test_a_table_that_cannot_be(at, value, tmp_path):
    """Its place, its count and the size of its entries are bounded, whether or not anybody looks at checksums."""
    card = make(tmp_path / "card.img")
    write_at(card, 512 + at, value.to_bytes(8 if at == 72 else 4, "little"))
    for read in (image.partitions, gpt.read, image.ext2_partition):
        with pytest.raises(flash.Failure, match="partition table is damaged"):
            read(str(card))


def test_partitions_beyond_the_128th_and_beyond_the_image(tmp_path):
    card = make(tmp_path / "card.img")
    with open(card, "r+b") as file:
        file.seek(512 + 80)
        file.write((132).to_bytes(4, "little"))
        file.seek(1024)
        entry = file.read(128)
        file.seek(1024 + 131 * 128)
        file.write(entry[:32] + (1 << 62).to_bytes(8, "little") + ((1 << 62) + 9).to_bytes(8, "little") + entry[48:])
    parts = image.partitions(str(card))
    assert parts[-1].start == 512 << 62 and image.ext2_partition(str(card)) in parts[:-1]
    assert blockmap.extents(str(card), os.path.getsize(card))


def test_a_file_system_cut_off_is_not_believed(tmp_path):
    """Within its descriptors, and before a bitmap."""
    card = tmp_path / "card.img"
    with open(card, "wb") as file:
        file.truncate(300 * MIB)
    subprocess.run(["/sbin/mke2fs", "-q", "-F", "-t", "ext2", "-O", "none,filetype", "-b", "1024", card], check=True)
    with open(card, "r+b") as file:
        assert blockmap.ext_extents(file, 0, 300 * MIB)
        for length in (200 * MIB, 2048 + 40, 1024 + 200, 1024 + 60):
            file.truncate(length)
            assert blockmap.ext_extents(file, 0, 300 * MIB) is None


def test_a_map_of_bitmaps_older_than_the_journal_is_not_believed(tmp_path):
    card = make(tmp_path / "card.img", journal=True)
    rig.debugfs(card, "feature needs_recovery", write=True)
    part = image.ext2_partition(str(card))
    extents = blockmap.extents(str(card), os.path.getsize(card))
    assert any(start <= part.start and part.start + part.size <= start + length for start, length in extents)


def write_at(card, at, data):
    with open(card, "r+b") as file:
        file.seek(at)
        file.write(data)


def job(card, target, identity=None):
    extents, patches = flash.plan(str(card), os.path.getsize(target) if not identity else identity["size"])
    return {"image": str(card), "device": str(target), "identity": identity, "unmount": [], "extents": extents,
            "patches": [(at, data.hex()) for at, data in patches]}


def test_interrupted_writing_leaves_an_empty_card(tmp_path, monkeypatch):
    card, target = make(tmp_path / "card.img"), make(tmp_path / "target")
    told = []

    def tell(*words):
        told.append(words)
        if words[1]:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(flashwrite, "tell", tell)
    with pytest.raises(OSError, match="Input/output"):
        flashwrite.run(job(card, target))
    assert len(told) == 2 and image.partitions(str(target)) == [] and gpt.read(str(target)) is None


def test_verification_finds_one_bit(tmp_path, monkeypatch):
    card, target = make(tmp_path / "card.img"), used_card(tmp_path / "target", 64 * MIB)
    at = 32 * MIB + 4096 * 3 + 77

    def spoil(fd, _block):
        os.pwrite(fd, bytes([os.pread(fd, 1, at)[0] ^ 4]), at)

    monkeypatch.setattr(flashwrite, "drop_cache", spoil)
    with pytest.raises(flash.Failure, match=f"byte {at} of the card"):
        flashwrite.run(job(card, target))


@pytest.fixture(name="loop")
def loop_device(tmp_path):
    """A block device over a file of ours."""
    backing = used_card(tmp_path / "backing", 64 * MIB)
    if os.geteuid():
        pytest.skip("loop devices need root")
    done = subprocess.run(["losetup", "--find", "--show", backing], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no loop device: {done.stderr.strip()}")
    device = done.stdout.strip()
    try:
        yield device, backing
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


def identity_of(device):
    number = os.stat(device).st_rdev
    sequence = devices.read("/sys/class/block", os.path.basename(device), "diskseq")
    found = devices.Device(device, device, f"{os.major(number)}:{os.minor(number)}", "a loop", "1", 64 * MIB, (), sequence)
    return found, found.identity()


def test_block_device(loop, tmp_path):
    device, backing = loop
    card = make(tmp_path / "card.img")
    found, identity = identity_of(device)
    flashwrite.run(job(card, device, identity), lambda _path: found)
    compare_blocks(card, backing)
    rig.check_fs(backing)


def test_verification_reads_the_device_and_not_the_cache(loop, tmp_path, monkeypatch):
    """What the device lost is seen, though this machine's memory of the device is right."""
    device, backing = loop
    card = make(tmp_path / "card.img")
    found, identity = identity_of(device)
    at = 32 * MIB + 4096
    real = flashwrite.drop_cache

    def lose(fd, block):
        write_at(backing, at, b"lost")
        assert os.pread(fd, 4, at) != b"lost", "the cache still has what was written"
        real(fd, block)

    monkeypatch.setattr(flashwrite, "drop_cache", lose)
    with pytest.raises(flash.Failure, match=f"byte {at} of the card"):
        flashwrite.run(job(card, device, identity), lambda _path: found)


def test_without_root_the_device_is_read_all_the_same(loop, tmp_path, monkeypatch):
    """As for the group that may write it: it may not have the cache emptied."""
    device, backing = loop
    card = make(tmp_path / "card.img")
    found, identity = identity_of(device)
    at, refused, ioctl, advise = 32 * MIB + 4096, [], flashwrite.fcntl.ioctl, os.posix_fadvise

    def deny(fd, request, *more):
        if request == flashwrite.BLKFLSBUF:
            refused.append(fd)
            raise PermissionError(13, "Permission denied")
        return ioctl(fd, request, *more)

    monkeypatch.setattr(flashwrite.fcntl, "ioctl", deny)
    flashwrite.run(job(card, device, identity), lambda _path: found)
    assert len(refused) == 1
    compare_blocks(card, backing)

    def lose(*words):
        write_at(backing, at, b"lost")
        advise(*words)

    monkeypatch.setattr(flashwrite.os, "posix_fadvise", lose)
    with pytest.raises(flash.Failure, match=f"byte {at} of the card"):
        flashwrite.run(job(card, device, identity), lambda _path: found)


def test_a_device_is_never_verified_by_the_cache(tmp_path, monkeypatch):
    target, real = used_card(tmp_path / "target", MIB), os.open

    def buffered(path, flags, *more):
        if flags & os.O_DIRECT:
            raise OSError(22, "Invalid argument")
        return real(path, flags, *more)

    monkeypatch.setattr(flashwrite.os, "open", buffered)
    os.close(flashwrite.open_past_cache(str(target), False))
    with pytest.raises(flash.Failure, match="cannot be read past"):
        flashwrite.open_past_cache(str(target), True)


def test_another_device_or_one_in_use_is_not_written(loop, tmp_path):
    device, backing = loop
    card = make(tmp_path / "card.img")
    found, identity = identity_of(device)
    other = devices.Device(**{**vars(found), "model": "another"})
    with pytest.raises(flash.Failure, match="another device"):
        flashwrite.run(job(card, device, identity), lambda _path: other)
    with pytest.raises(flash.Failure, match="mounted again"):
        flashwrite.run(job(card, device, identity), lambda _path: devices.Device(**{**vars(found), "mounts": ("/media/x",)}))
    with pytest.raises(flash.Failure, match="another device"):
        flashwrite.run(job(card, device, {**identity, "number": "8:16"}), lambda _path: devices.Device(**{**vars(found), "number": "8:16"}))
    if found.sequence:  # another medium came between the last look and the opening
        earlier = devices.Device(**{**vars(found), "sequence": str(int(found.sequence) - 1)})
        with pytest.raises(flash.Failure, match="another device"):
            flashwrite.run(job(card, device, earlier.identity()), lambda _path: earlier)
    holder = os.open(device, os.O_RDWR | os.O_EXCL)
    try:
        with pytest.raises(flash.Failure, match="cannot be opened for writing"):
            flashwrite.run(job(card, device, identity), lambda _path: found)
    finally:
        os.close(holder)
    with open(backing, "rb") as file:
        assert all(piece == USED for piece in iter(lambda: file.read(MIB), b"")), "nothing was written"


def test_what_another_device_has_mounted_stays_mounted(tmp_path, monkeypatch):
    card = make(tmp_path / "card.img")
    confirmed = devices.Device("/dev/sdx", "/dev/sdx", "8:16", "a card", "1", 64 * MIB, ("/media/x",), "17")
    other = devices.Device(**{**vars(confirmed), "sequence": "18"})
    unmounted = []
    monkeypatch.setattr(flashwrite, "unmount", unmounted.extend)
    with pytest.raises(flash.Failure, match="another device"):
        flashwrite.run({**job(card, "/dev/sdx", confirmed.identity()), "unmount": ["/media/x"]}, lambda _path: other)
    assert not unmounted


def test_what_is_mounted_is_unmounted_first(loop, tmp_path):
    device, backing = loop
    card = make(tmp_path / "card.img")
    found, identity = identity_of(device)
    point = tmp_path / "media"
    point.mkdir()
    subprocess.run(["/sbin/mke2fs", "-q", "-F", device], check=True)
    mounted = subprocess.run(["mount", device, point], capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no mounts here: {mounted.stderr.strip()}")
    try:
        with pytest.raises(flash.Failure, match="cannot be opened for writing"):
            flashwrite.run(job(card, device, identity), lambda _path: found)
        flashwrite.run({**job(card, device, identity), "unmount": [str(point)]}, lambda _path: found)
        assert not os.path.ismount(point)
    finally:
        if os.path.ismount(point):
            subprocess.run(["umount", point], check=True)
    rig.check_fs(backing)


def test_writer_says_why(tmp_path, capfd):
    """The program as it is run: its lines, its status, and what the command makes of them."""
    card, target = make(tmp_path / "card.img"), used_card(tmp_path / "target", 64 * MIB)
    flash.run_writer(job(card, target), [])
    said = capfd.readouterr().err
    assert "writing: " in said and "verifying: " in said
    with pytest.raises(flash.Failure, match="cannot be opened for writing: Is a directory") as caught:
        flash.run_writer({**job(card, target), "device": str(tmp_path)}, [])
    assert caught.value.hint == "Nothing was written."
    with pytest.raises(flash.Failure, match="cannot be unmounted"):
        flash.run_writer({**job(card, target), "unmount": [str(tmp_path / "nowhere")]}, [])


def test_only_the_writing_is_done_as_root(monkeypatch):
    device = devices.Device("/dev/null", "/dev/null", "1:3", "", "", 0, ())
    assert flash.as_root(None) == []
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert flash.as_root(None) == [] and flash.as_root(device) == [], "it may be written as it is"
    mounted = devices.Device(**{**vars(device), "mounts": ("/media/x",)})
    monkeypatch.setattr(flash.shutil, "which", lambda _name: "/usr/bin/sudo")
    assert flash.as_root(mounted) == ["sudo", "--"]
    monkeypatch.setattr(flash.shutil, "which", lambda _name: None)
    with pytest.raises(flash.Failure, match="there is no sudo"):
        flash.as_root(mounted)


def test_under_sudo_it_refuses(tmp_path):
    if os.geteuid():
        pytest.skip("sudo means root")
    done = subprocess.run([rig.CAIRN, "flash", "x", str(tmp_path)], capture_output=True, text=True, check=False,
                          env={**os.environ, "SUDO_UID": "1000", "SUDO_GID": "1000"}, cwd=rig.ROOT)
    assert done.returncode == 2 and "not for sudo" in done.stderr
