# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""Design section 1, P1 and P2 for plain ext2: after a cut at any instant `e2fsck -fy` repairs the card, and every record
and file that had been acknowledged by then is there. The same with FLUSH dropped on purpose must find losses."""

import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [ROOT, os.path.dirname(os.path.abspath(__file__)), os.path.join(ROOT, "tests/system")]

import replay  # noqa: E402
import rig  # noqa: E402
from tools import build, image  # noqa: E402

RECORDER = os.path.join(ROOT, "tests/crash/apps/recorder")
IMAGES = {"quick": 40, "default": 200, "long": 4000}  # for each recording
RECORDS = {"quick": 150, "default": 400, "long": 1500}
WORKLOADS = {"growing": 64, "recycling": 4}  # segments: enough for all records, or few
CARD_SIZE = 32 << 20
RECORD = re.compile(r"\[rec (\d+) durable (\d+) files (\d+)\]")


class Loss(Exception):
    """An acknowledged fact that the card does not show."""


@pytest.fixture(scope="module", params=WORKLOADS)
def recording(request, effort, tmp_path_factory):
    """(name, Recording, offset and size of the ext2) of one clean run of the recorder."""
    folder = tmp_path_factory.mktemp(request.param)
    card, log = str(folder / "card.img"), str(folder / "writes.log")
    image.make(card, CARD_SIZE, block_size=1024 if request.param == "growing" else 4096)
    with open(card, "rb") as file:
        base = file.read()
    open(log, "w", encoding="ascii").close()
    drive = (f"driver=blklogwrites,file.driver=file,file.filename={card},log.driver=file,log.filename={log},"
             "log-super-update-interval=1")
    result = rig.run(RECORDER, "--drive", drive, argv=[RECORDS[effort], WORKLOADS[request.param]], seconds=240)
    assert result.status == 0, rig.text_of(result)
    rig.check_fs(card)
    taken = replay.Recording(base, replay.read_recording(log))
    with open(card, "rb") as file:
        assert file.read() == taken.whole(), "the recording gives the card back"
    assert taken.claims[-1].durable > RECORDS[effort] // 2 and taken.claims[-1].files > 1 and len(taken.flushes) > 20
    return request.param, taken, image.ext2_partition(card)


@pytest.fixture
def scratch():
    """Memory-backed where there is some: many small images are written."""
    folder = f"{'/dev/shm' if os.access('/dev/shm', os.W_OK) else os.environ.get('TMPDIR', '/tmp')}/cairn-crash-{os.getpid()}"
    os.makedirs(folder, exist_ok=True)
    yield folder
    shutil.rmtree(folder)


def check(name, card, partition, claims, folder):
    """Repairs the card in a folder of its own and raises Loss for what is missing."""
    os.makedirs(folder)
    path = os.path.join(folder, "fs.img")
    try:
        with open(path, "wb") as file:
            file.write(card[partition.start : partition.start + partition.size])
        fsck = subprocess.run(["/sbin/e2fsck", "-fy", path], capture_output=True, text=True, check=False)
        if fsck.returncode not in (0, 1):
            raise Loss(f"e2fsck -fy cannot repair: status {fsck.returncode}\n{fsck.stdout[-2000:]}")
        script = "".join(f'rdump "{name}" "{folder}"\n' for name in ("/log", "/files"))
        subprocess.run(["/sbin/debugfs", "-f", "-", path], input=script, capture_output=True, text=True, check=True)
        check_records(name, folder, claims)
        check_files(folder, claims)
    finally:
        shutil.rmtree(folder)


def check_records(name, folder, claims):
    if claims.durable == 0:
        return
    read = subprocess.run([build.logread(), "--json", os.path.join(folder, "log")], capture_output=True, text=True, check=False)
    rows = [json.loads(line) for line in read.stdout.splitlines()]
    found = [int(match[1]) for match in (RECORD.search(json.dumps(row)) for row in rows) if match]
    if not found or found[-1] < claims.durable:
        raise Loss(f"records end at {found[-1] if found else 'none'}, acknowledged: {claims.durable}\n{read.stderr[-1000:]}")
    if found != list(range(found[0], found[-1] + 1)):
        raise Loss(f"records are not one run: {found}")
    if name == "growing" and found[0] != 1:
        raise Loss(f"records start at {found[0]}")


def check_files(folder, claims):
    for number in range(1, claims.files + 1):
        try:
            with open(os.path.join(folder, "files", str(number)), encoding="utf-8", errors="replace") as file:
                text = file.read()
        except OSError as error:
            raise Loss(f"file {number} is gone, acknowledged: {claims.files}") from error
        if text != f"file {number}, written whole\n":
            raise Loss(f"file {number} reads {text!r}")


def cuts(taken, count, honest):
    """(cut, seed) pairs: every flush boundary first (spread out if there are too many), then seeded subsets."""
    ends = [*taken.flushes, len(taken.entries)]
    step = max(1, 2 * len(ends) // count)
    chosen = [(end, None) for end in ends[::step]] if honest else []
    for seed in range(count - len(chosen)):
        chosen.append((1 + (seed * 7919 + 13) % len(taken.entries), seed))
    return chosen


def losses(recording, count, honest, scratch):
    name, taken, partition = recording

    def one(job):
        number, (cut, seed) = job
        try:
            check(name, taken.image(cut, seed, honest), partition, taken.claims[cut], f"{scratch}/{number}")
        except Loss as loss:
            return f"cut before entry {cut} of {len(taken.entries)}, seed {seed}: {loss}"
        return None

    with ThreadPoolExecutor(2) as pool:
        return [found for found in pool.map(one, enumerate(cuts(taken, count, honest))) if found]


def test_acknowledged_records_survive(recording, effort, scratch):
    found = losses(recording, IMAGES[effort], True, scratch)
    assert not found, f"{len(found)} of {IMAGES[effort]} images lost data:\n" + "\n".join(found[:10])


def test_dropped_flush_is_noticed(recording, scratch):
    found = losses(recording, 40, False, scratch)
    assert len(found) >= 5, f"only {len(found)} of 40 images of a card that drops FLUSH lost data: the test is blind"


@pytest.mark.default
@pytest.mark.parametrize("seed", range(3))
def test_cairn_mounts_after_a_cut(recording, seed, tmp_path):
    """Without a PC in between: it says that the card was not unmounted and goes on with the sequence. What a cut leaves on
    plain ext2 beyond blocks and counts (leaked inodes, link counts) stays for e2fsck."""
    name, taken, _ = recording
    cut = len(taken.entries) * (seed + 1) // 4
    card = tmp_path / "card.img"
    card.write_bytes(taken.image(cut, seed, True))
    result = rig.run(RECORDER, "--image", card, argv=[50, WORKLOADS[name]])
    assert result.status == 0 and "was not unmounted" in result.err, rig.text_of(result)
    check(name, card.read_bytes(), image.ext2_partition(card), replay.Claims(taken.claims[cut].durable + 50, 0),
          str(tmp_path / "check"))
