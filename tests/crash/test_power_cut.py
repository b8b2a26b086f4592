# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""Design section 1, P1 and P2: after a cut at any instant the card is whole again by e2fsck, and by cairn's own mount, and what
had been acknowledged by then is there. Cards that drop FLUSH, or reorder a journal's writes, must be found out."""

import fcntl
import os
import pickle
import shutil
import subprocess
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [ROOT, os.path.dirname(os.path.abspath(__file__)), os.path.join(ROOT, "tests/system")]

import check  # noqa: E402
import facts  # noqa: E402
import replay  # noqa: E402
import rig  # noqa: E402
from tools import image  # noqa: E402

RECORDER = os.path.join(ROOT, "tests/crash/apps/recorder")
MIXER = os.path.join(ROOT, "tests/crash/apps/mixer")
JOURNAL_BLOCKS = 1024  # as short as e2fsprogs make it
CARD_SIZE = 30 << 20  # of which the file system has 12 MiB
BROKEN = 40  # images of a card that breaks its promise,
BROKEN_BAD = 3  # of which so many must be found to be bad


def records(segments, whole):
    """segments: enough for all records, or few."""
    def make(_out, _block_size):
        return facts.Records(whole)

    return RECORDER, {"quick": 150, "default": 400, "long": 1500}, segments, make


# name: application, how much it does, its second argument, its facts by what it printed; block size; memory. With little of
# that a journal has to be emptied now and then, and with small blocks it is so short that it begins anew.
WORKLOADS = {
    "growing": (*records(64, True), 1024, "128M"),
    "recycling": (*records(4, False), 4096, "128M"),
    "mix": (MIXER, {"quick": 150, "default": 600, "long": 5000}, 1, facts.Mix, 1024, "8M"),
    "mix_4k": (MIXER, {"quick": 150, "default": 600, "long": 5000}, 2, facts.Mix, 4096, "128M"),
}
IMAGES = {"quick": 8, "default": 256, "long": 2600}  # of each of the eight recordings; but with quick, at least one of each epoch
CARDS = [(kind, name) for kind in ("plain", "journal") for name in WORKLOADS]


def record(kind, name, effort, folder):
    """A clean run of the workload on a new card."""
    app, amounts, argument, make, block_size, memory = WORKLOADS[name]
    card, log = os.path.join(folder, "card.img"), os.path.join(folder, "writes.log")
    image.make(card, CARD_SIZE, block_size=block_size)
    if kind == "journal":
        size = JOURNAL_BLOCKS * block_size >> 20
        subprocess.run(["/sbin/tune2fs", "-j", "-J", f"size={size}", image.ext2_device(card)], capture_output=True, check=True)
    part = image.ext2_partition(card)
    with open(card, "rb") as file:
        base = file.read()
    open(log, "w", encoding="ascii").close()
    drive = (f"driver=blklogwrites,file.driver=file,file.filename={card},log.driver=file,log.filename={log},"
             "log-super-update-interval=1")
    result = rig.run(app, "--drive", drive, "--memory", memory, argv=[amounts[effort], argument], seconds=300)
    assert result.status == 0, rig.text_of(result)
    rig.check_fs(card)
    entries = replay.read_recording(log)
    with open(card, "rb") as file:
        assert file.read() == replay.Recording(base, entries).whole(), "the recording gives the card back"
    workload = make(result.out.decode(), block_size)
    first = part.start // replay.SECTOR
    assert all(entry.sector >= first for entry in entries if entry.data), "it writes into its partition only"
    moved = [replay.Entry(entry.sector - first, entry.flags, entry.data) for entry in entries]
    taken = replay.Recording(base[part.start : part.start + part.size], moved, workload.scan, workload.nothing)
    assert taken.told[-1] > workload.nothing and len(taken.flushes) > 20
    return check.Taken(workload, kind == "journal", taken)


@pytest.fixture(scope="module", params=CARDS, ids="-".join)
def taken(request, effort, tmp_path_factory):
    """Made once, whichever of pytest's workers asks first."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / ("crash-" + "-".join(request.param))
    shared.mkdir(exist_ok=True)
    with open(shared / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = shared / "taken"
        if not kept.exists():
            made = record(*request.param, effort, str(shared))
            with open(kept, "wb") as file:
                pickle.dump(made, file)
        with open(kept, "rb") as file:
            return pickle.load(file)


@pytest.fixture
def scratch():
    """Memory-backed where there is some: many small images are written."""
    folder = f"{'/dev/shm' if os.access('/dev/shm', os.W_OK) else os.environ.get('TMPDIR', '/tmp')}/cairn-crash-{os.getpid()}"
    os.makedirs(folder, exist_ok=True)
    yield folder
    shutil.rmtree(folder)


def listing(found):
    return "\n".join(f"{cut}: {loss}" for cut, loss in found[:10])


def test_acknowledged_facts_survive(taken, effort, scratch, record_property):
    epochs = taken.recording.epochs()
    count = max(IMAGES[effort], 0 if effort == "quick" else len(epochs))
    cuts = taken.recording.cuts(epochs, count)
    found = check.losses(taken, cuts, scratch)
    record_property("crash images", len(cuts))
    record_property("crash images bad", len(found))
    assert len(cuts) == count
    assert not found, f"{len(found)} of {len(cuts)} images are bad:\n{listing(found)}"


def test_dropped_flush_is_noticed(taken, scratch):
    cuts = taken.recording.cuts(taken.recording.dropping(), BROKEN)
    found = check.losses(taken, cuts, scratch)
    assert len(found) >= BROKEN_BAD, f"only {len(found)} of {BROKEN} images of a card that drops FLUSH are bad: the test is blind"


@pytest.mark.parametrize("taken", [card for card in CARDS if card[0] == "journal"], indirect=True, ids="-".join)
def test_overtaken_commit_is_noticed(taken, scratch):
    cuts = taken.recording.cuts(taken.recording.overtaking(), BROKEN)
    found = check.losses(taken, cuts, scratch)
    damaged = [loss for _, loss in found if isinstance(loss, check.Damage)]
    assert len(damaged) >= BROKEN_BAD, f"only {len(damaged)} of {BROKEN} images with commits before their blocks are damaged: the test is blind"


@pytest.mark.default
@pytest.mark.parametrize("taken", [card for card in CARDS if WORKLOADS[card[1]][0] == RECORDER], indirect=True, ids="-".join)
def test_the_board_goes_on_after_a_cut(taken, request, scratch):
    """Without a PC in between: the log goes on with its sequence."""
    kind, name = request.node.callspec.params["taken"]
    card = os.path.join(scratch, "card.img")
    segments, block_size = WORKLOADS[name][2], WORKLOADS[name][4]
    epochs = taken.recording.epochs()
    for number, cut in enumerate(taken.recording.cuts(epochs[len(epochs) // 4 :: len(epochs) // 4], 3)):
        image.make(card, CARD_SIZE, block_size=block_size)
        part = image.ext2_partition(card)
        with open(card, "r+b") as file:
            file.seek(part.start)
            file.write(taken.recording.medium().image(cut))
        result = rig.run(RECORDER, "--image", card, argv=[50, segments])
        assert result.status == 0, rig.text_of(result)
        assert ("journal replayed" if kind == "journal" else "was not unmounted") in result.err, rig.text_of(result)
        rig.check_fs(card)
        with open(card, "rb") as file:
            file.seek(part.start)
            after = file.read(part.size)
        told = facts.Claims(taken.recording.told[cut.end].durable + 50, 0)
        with check.Mounter() as mounter:
            check.look(taken, mounter, os.path.join(scratch, str(number)), after, told, None)
