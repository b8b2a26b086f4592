# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""A store into a mapped page that is resident and backed never waits for the card (promise P4).

All harts store into a log that is being written out all the time, to a slow card. Stores are measured in instructions
(`-icount shift=0`): what bounds one is the code that it runs and that it waits for at spinlocks, so the bound does not
know the card. The card's time is the PC's clock: how many instructions go by in one of its writes depends on how fast
the PC is just then. So it is slow by far, the more so with harts in short turns, where QEMU does few instructions a
second; and a store that waited for a write would be found out.

QEMU runs harts in turns then, one after another, until the next timer of the machine is due: a hart that spins waits in
vain for a whole turn. A network filter that nothing passes through has such a timer, TURN_US long, and makes the
turns short.
"""

import re

import pytest

import rig
from tools import image

WRITES_PER_SECOND = {1: 20, 4: 5}
TURN_US = 2
# The longest was 4.7 thousand on one hart: the fault, and an interrupt of the card's that falls into it. On several, a
# store may wait at a few spinlocks for all other harts, each a round of turns.
BOUND = {1: 20_000, 4: 400_000}
SLOW = 2  # times the bound: what msync takes, but for the few writes that QEMU lets through at once


def share_above(text, name, limit):
    buckets = [(1 << int(power), int(count)) for power, count in re.findall(rf"^{name} 2\^(\d+) (\d+)$", text, re.MULTILINE)]
    return sum(count for least, count in buckets if least >= limit) / sum(count for _, count in buckets)


def figures(text):
    return {name: int(value) for name, value in re.findall(r"^([a-z-]+) (\d+)$", text, re.MULTILINE)}


def run(card, harts, msyncs):
    image.make(str(card), 32 << 20)
    result = rig.run("tests/system/apps/storelatency", "--smp", harts, "--drive",
                     f"file={card},format=raw,throttling.iops-write={WRITES_PER_SECOND[harts]}",
                     *(f"--qemu-arg={word}" for word in (
                         "-icount", "shift=0", "-netdev", "hubport,id=turns,hubid=0",
                         "-object", f"filter-buffer,id=turn,netdev=turns,interval={TURN_US}")),
                     argv=[harts, msyncs])
    assert result.status == 0, rig.text_of(result)
    rig.check_fs(card)
    return result.out.decode()


@pytest.mark.parametrize("harts", [1, pytest.param(4, marks=pytest.mark.default)])
def test_stores_do_not_wait_for_the_card(harts, tmp_path):
    text = run(tmp_path / "card.img", harts, {1: 20, 4: 3}[harts])
    print(text)
    found = figures(text)
    assert share_above(text, "msync", SLOW * BOUND[harts]) > 0.7, "the card was slow\n" + text
    assert found["store-most"] < BOUND[harts], text
    assert found["written-pages"] > 4 * found["log-pages"], "pages were written\n" + text
    assert found["store-faults"] >= found["written-pages"] - found["log-pages"], "and stored into again\n" + text
