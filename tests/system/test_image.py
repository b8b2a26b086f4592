# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""./cairn image: what is on a card and where, the same bytes for the same inputs, and inputs that are refused."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys

import pytest

import rig
from tools import blockmap, foreign, image, layout
from tools.ui import Failure

MIB = 1 << 20
SIFIVE = [(34, 2048, "5B193300-FC78-40CD-8002-E86C45580B47"), (2082, 8192, "2E54B353-1271-4842-806F-E436D6AF6985"),
          (16384, 49152, layout.FAT_GUID), (65536, None, layout.LINUX_GUID)]
PLACES = {  # first sector, number of sectors, type; the last partition ends a MiB before the card
    "virt": [(2048, 32768, layout.FAT_GUID), (34816, None, layout.LINUX_GUID)],
    "icicle": [(2048, 32768, layout.FAT_GUID), (34816, None, layout.LINUX_GUID)],
    "sifive_u": SIFIVE,
    "unmatched": SIFIVE,
    "visionfive2": [(4096, 4096, "2E54B353-1271-4842-806F-E436D6AF6985"), (8192, 8192, "BC13C2FF-59E6-4262-A352-B275FD6F7172"),
                    (16384, 49152, layout.FAT_GUID), (65536, None, layout.LINUX_GUID)],
}


def make(path, board="virt", size=64 * MIB, **options):
    image.make(str(path), size, plan=layout.LAYOUTS[board], **options)
    return path


def run(words):
    environment = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def boot_text(card, board, name):
    return run(["mtype", "-i", f"{card}@@{layout.LAYOUTS[board].part('boot').start}", f"::/{name}"])


@pytest.mark.parametrize("board", PLACES)
def test_partitions(board, tmp_path):
    kernel = tmp_path / "kernel"
    kernel.write_bytes(b"kernel" * 1000)
    card = make(tmp_path / "card.img", board, kernel=str(kernel), arguments="cairn.app=x")
    assert card.stat().st_size == 64 * MIB
    assert card.stat().st_blocks * 512 < 4 * MIB, "sparse"
    found = [(part.start // 512, part.size // 512, part.type) for part in image.partitions(str(card))]
    rest = (64 * MIB - MIB) // 512
    assert found == [(start, size or rest - start, kind) for start, size, kind in PLACES[board]]
    run(["sfdisk", "--verify", card])
    attributes = [line for line in run(["sfdisk", "-d", card]).splitlines() if "LegacyBIOSBootable" in line]
    assert len(attributes) == 1 and 'name="boot"' in attributes[0]
    run(["fsck.vfat", "-n", partition_copy(card, layout.LAYOUTS[board].part("boot"), tmp_path)])
    rig.check_fs(card)
    assert boot_text(card, board, "extlinux/extlinux.conf") == \
        "default cairn\ntimeout 1\nlabel cairn\n  kernel /cairn.bin\n  append cairn.app=x\n"
    for name in ("vf2_uEnv.txt", "uEnv.txt") if board == "visionfive2" else ():
        text = boot_text(card, board, name)
        assert text.startswith("bootargs=cairn.app=x\nboot2=") and "booti ${kernel_addr_r} - ${fdtcontroladdr}" in text


def partition_copy(card, part, folder):
    copy = folder / "partition"
    with open(card, "rb") as file:
        file.seek(part.start)
        copy.write_bytes(file.read(part.size))
    return copy


MAKER = """import os, sys
os.umask(int(sys.argv[1], 8))
sys.path.insert(0, sys.argv[2])
from tools import image, layout
image.make(sys.argv[3], 48 << 20, sys.argv[5:], kernel=sys.argv[4], plan=layout.LAYOUTS["visionfive2"], arguments="cairn.app=x",
           loaders={"spl": sys.argv[4]}, journal=len(sys.argv[3]) % 2 == 0)
"""


def fill(folder, umask, when, order):
    """The same files, made in another order under another umask at another time."""
    old = os.umask(umask)
    try:
        folder.mkdir(parents=True)
        for name in order:
            path = folder / "files" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(hashlib.sha256(name.encode()).digest() * (1 + 5000 * (name == "big")))
            os.utime(path, (when, when))
        os.chmod(folder / "files/run", 0o755 & ~umask)
        with open(folder / "files/holes", "wb") as file:
            if umask:
                file.write(bytes(MIB))
            file.truncate(MIB)
            file.seek(MIB)
            file.write(b"end")
        os.symlink("big", folder / "files/link")
        os.symlink("far/" * 100, folder / "files/long link")
        (folder / "files/empty").mkdir()
        (folder / "files/nothing").write_bytes(b"")
        (folder / "kernel").write_bytes(b"kernel" * 50_000)
    finally:
        os.umask(old)


def environment(**more):
    return {"PATH": os.environ["PATH"], **more}


def make_elsewhere(folder, name, umask, environ):
    words = [sys.executable, "-c", MAKER, oct(umask)[2:], rig.ROOT, name, "kernel", "files"]
    done = subprocess.run(words, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return (folder / name).read_bytes()


@pytest.mark.parametrize("name", ["card1.img", "card.img"], ids=["ext2", "ext3"])
def test_same_bytes_in_other_circumstances(name, tmp_path):
    names = ["run", "big", "a b/c \"d\"/e", "a.x", "a/b", "z" * 200, "\u00fc"]
    fill(tmp_path / "one", 0o022, 1_000_000_000, names)
    fill(tmp_path / "another place", 0o077, 1_700_000_000, names[::-1])
    for path in (tmp_path / "another place").rglob("*"):
        if os.geteuid() == 0 and not path.is_symlink():
            os.chown(path, 1234, 4321)
    first = make_elsewhere(tmp_path / "one", name, 0o022, environment(TZ="UTC", HOME="/root", LANG="C"))
    second = make_elsewhere(tmp_path / "another place", name, 0o077,
                            environment(TZ="Asia/Kathmandu", HOME=str(tmp_path), LANG="C.UTF-8", SOURCE_DATE_EPOCH="1234567890"))
    assert len(first) == 48 * MIB
    assert first == second, f"first difference at {next(i for i in range(len(first)) if first[i] != second[i])}"
    rig.check_fs(tmp_path / "one" / name)
    assert ("has_journal" in run(["dumpe2fs", "-h", image.ext2_device(str(tmp_path / "one" / name))])) == (len(name) % 2 == 0)


def test_files_are_what_they_were(tmp_path):
    """Names, bytes, links; owners, times and modes are the card's own."""
    fill(tmp_path / "in", 0o077, 1_000_000_000, ["run", "a b/c \"d\"/e", "big"])
    card = make(tmp_path / "card.img", files=[str(tmp_path / "in/files")])
    rig.check_fs(card)
    for name in ("run", "big", "holes", "nothing"):
        assert rig.take(card, "/" + name, tmp_path) == (tmp_path / "in/files" / name).read_bytes()
    said = rig.debugfs(card, f'dump "/a b/c ""d""/e" "{tmp_path}/taken"', "stat /run", "stat /link", "stat /holes", "ls -p /empty",
                       'cat "/long link"')
    assert (tmp_path / "taken").read_bytes() == (tmp_path / "in/files/a b/c \"d\"/e").read_bytes()
    assert "/2/040755/0/0/..//" in said and "far/" * 100 in said
    assert "Mode:  0755" in said and 'Fast link dest: "big"' in said
    assert said.count("mtime: 0x6955b900:00000000") == 3 and said.count("User:     0   Group:     0") == 3
    assert int(said.split("stat /holes")[1].split("Blockcount: ")[1].split()[0]) == 16, "zeros are holes, whatever they were"


def test_loaders_are_in_their_partitions(tmp_path):
    (tmp_path / "spl").write_bytes(b"S" * 1000)
    (tmp_path / "itb").write_bytes(b"U" * 100_000)
    card = make(tmp_path / "card.img", "sifive_u", loaders={"spl": str(tmp_path / "spl"), "uboot": str(tmp_path / "itb")})
    data = card.read_bytes()
    assert data[34 * 512:][:1001] == b"S" * 1000 + b"\0" and data[2082 * 512:][:100_001] == b"U" * 100_000 + b"\0"
    (tmp_path / "spl").write_bytes(b"S" * (MIB + 1))
    with pytest.raises(image.Failure, match="the partition spl has 1048576"):
        make(tmp_path / "other.img", "sifive_u", loaders={"spl": str(tmp_path / "spl")})
    assert not list(tmp_path.glob("other*"))


@pytest.mark.default
@pytest.mark.parametrize("board", ["sifive_u", "unmatched"])
def test_loaders_are_the_board_s_own(board, tmp_path):
    """Of boards with the same partitions the first stage tells whose card it is; U-Boot's image tree lies where that stage reads it."""
    plan = layout.LAYOUTS[board]
    loaders = image.fetch_loaders(plan)
    if not loaders:
        pytest.skip("Debian's package u-boot-sifive cannot be had")
    card = make(tmp_path / "card.img", board, loaders=loaders)
    assert blockmap.recognised(str(card), layout.LAYOUTS) == [board]
    with open(card, "rb") as file:
        file.seek(2082 * 512)
        tree = tmp_path / "u-boot.itb"
        tree.write_bytes(file.read(8192 * 512))
    described = run(["fdtget", tree, "/images/fdt-1", "description"]).strip()
    assert plan.mark.decode() == f"sifive,{described}"
    assert blockmap.recognised(str(make(tmp_path / "empty.img", board)), layout.LAYOUTS) == ["sifive_u", "unmatched"]


def test_without_the_loaders_package_it_says_so(monkeypatch, capsys):
    def fail(_name):
        raise foreign.Failure("no network")

    monkeypatch.setattr(foreign, "binary", fail)
    assert image.fetch_loaders(layout.LAYOUTS["visionfive2"]) == {}
    said = capsys.readouterr().err
    assert "u-boot-starfive" in said and "stay empty" in said and "no network" in said


def test_members_are_those_of_the_newest_package_and_fetched_by_one_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(foreign, "FOLDER", str(tmp_path))
    version = "1"

    def held():
        with open(tmp_path / ".lock", "w", encoding="ascii") as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def fetch(*_words):
        held()
        tree = tmp_path / f"tree-{version}"
        (tree / "DEBIAN").mkdir(parents=True, exist_ok=True)
        (tree / "DEBIAN/control").write_text(f"Package: x\nVersion: {version}\nArchitecture: all\nMaintainer: nobody\nDescription: x\n")
        (tree / f"of-{version}").write_text(version)
        run(["dpkg-deb", "--build", tree, tmp_path / f"{version}.deb"])
        return {"version": version, "files": {f"{version}.deb": ""}}

    def apt(_words):
        held()
        return "  Depends: x-5\n"

    monkeypatch.setattr(foreign, "fetch", fetch)
    for version in ("1", "1", "2"):
        said, folder = foreign.members("x", r"\./of-.*")
        assert said == version and sorted(os.listdir(folder)) == [".version", f"of-{version}"]
    assert os.listdir(foreign.members("x", r"none")[1]) == [".version"]
    monkeypatch.setattr(foreign, "record", dict)
    monkeypatch.setattr(foreign, "prepare", held)
    monkeypatch.setattr(foreign, "run", apt)
    assert foreign.meant_by("x", "x-") == "x-5"


def test_arguments_reach_the_boot_files(tmp_path):
    card = tmp_path / "card.img"
    result = rig.cairn("image", rig.PROBE, "--image", card, "--size", "48M", "--append", "quiet", "--", "a b", "$x")
    assert result.status == 0, rig.text_of(result)
    assert "  append cairn.app=probe quiet -- a%20b %24x\n" in boot_text(card, "virt", "extlinux/extlinux.conf")


def test_refused_with_status_1(tmp_path):
    result = rig.cairn("image", rig.PROBE, "--board", "icicle", "--image", tmp_path / "card.img", "--append", "x=$y")
    assert result.status == 1 and "'$'" in result.err, rig.text_of(result)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("options, message", [
    ({"arguments": "x" * 256}, "boot loaders take 255"), ({"size": 38 * MIB}, "too small"), ({"size": 64 * MIB + 1}, "multiple of 512"),
    ({"files": ["/dev"]}, "neither a file"), ({"files": ["no such"]}, "does not exist"), ({"kernel": "no such"}, "cannot make"),
])
def test_refused(options, message, tmp_path):
    with pytest.raises(image.Failure, match=message):
        make(tmp_path / "card.img", "sifive_u", **{"kernel": __file__, **options})
    assert not os.listdir(tmp_path)


def test_files_that_do_not_fit(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/big").write_bytes(os.urandom(MIB) * 30)
    with pytest.raises(image.Failure, match="do not fit"):
        make(tmp_path / "card.img", size=32 * MIB, files=[str(tmp_path / "in")])
    assert os.listdir(tmp_path) == ["in"]


def test_a_link_whose_target_would_be_a_command(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "file").write_text("text")
    os.symlink('x"\nrm "/file', folder / "link")
    with pytest.raises(Failure, match="a link to a name with a control character"):
        make(tmp_path / "card.img", files=[str(folder)])
    assert not (tmp_path / "card.img").exists()


def test_a_file_where_a_folder_is(tmp_path):
    (tmp_path / "one/x").mkdir(parents=True)
    (tmp_path / "two").mkdir()
    (tmp_path / "two/x").write_bytes(b"")
    with pytest.raises(image.Failure, match="both a folder"):
        make(tmp_path / "card.img", files=[str(tmp_path / "one"), str(tmp_path / "two")])
    shutil.rmtree(tmp_path / "one/x")
    make(tmp_path / "card.img", files=[str(tmp_path / "one"), str(tmp_path / "two")])


@pytest.mark.parametrize("journal", [True, False])
def test_what_is_written_goes_through_the_journal(journal, tmp_path):
    card = make(tmp_path / "card.img", journal=journal)
    result = rig.probe(card, "spread", "30", "100000")
    assert result.status == 0 and result.out == b"spread 30\n", rig.text_of(result)
    rig.check_fs(card)
    said = run(["dumpe2fs", "-h", image.ext2_device(str(card))])
    sequence = re.search(r"Journal sequence:\s+0x([0-9a-f]+)", said)
    assert (sequence and int(sequence[1], 16) > 2) if journal else not sequence, said
