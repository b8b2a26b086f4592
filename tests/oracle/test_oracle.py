# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""The programs of this folder on cairn and on this Linux: what they see must be equal, line by line.

Linux is the oracle. Its side runs in a folder below build/, so that files lie on the file system of the tree, whatever
that is; what a file system may decide for itself is no check, or a program says SKIP where it finds one that cannot do
what is asked. differences.toml lists where cairn means to differ.
"""

import dataclasses
import os
import platform
import re
import subprocess
import tempfile
import tomllib

import pytest

from tools import apps, build, image

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = [app.name for app in apps.oracle()]
# Where the block size of the card may matter.
SMALL_BLOCKS = ("directories", "fallocate", "file_sizes", "holes", "last_page", "links", "seek", "shared_file", "truncate_map")
ON_A_TERMINAL = ("terminals",)  # nobody types on it
TWO_HARTS = ("append", "file_locks", "pipes", "polling", "record_locks", "signals_mmap", "threads_map")
SECONDS = 120
MEMORY = "64M"
LINE = re.compile(r"(.*?) = (.*)")

with open(os.path.join(HERE, "differences.toml"), "rb") as table:
    DIFFERENCES = tomllib.load(table)


@dataclasses.dataclass
class Machine:
    block_size: int = 4096
    harts: int = 1

    def options(self):
        return ["--block-size", str(self.block_size), "--smp", str(self.harts), "--memory", MEMORY, "--size", "64M"]


def machines():
    for name in PROGRAMS:
        yield pytest.param(name, Machine(), id=name)
        if name in SMALL_BLOCKS:
            yield pytest.param(name, Machine(block_size=1024), id=f"{name}-1024", marks=pytest.mark.default)
        if name in TWO_HARTS:
            yield pytest.param(name, Machine(harts=2), id=f"{name}-2-harts", marks=pytest.mark.default)


def run(words, where, stdin=subprocess.DEVNULL):
    """What a program printed, and what else is known of its run, for messages."""
    done = subprocess.run(words, cwd=where, capture_output=True, timeout=SECONDS + 60, check=False, stdin=stdin)
    out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    return out, f"status {done.returncode}\n{out}{err}"[-3000:]


def run_on_a_terminal(words, where):
    typist, terminal = os.openpty()
    try:
        return run(words, where, terminal)
    finally:
        os.close(typist)
        os.close(terminal)


def run_on_linux(name):
    os.makedirs(os.path.join(build.BUILD, "test"), exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"oracle-{name}-", dir=os.path.join(build.BUILD, "test")) as folder:
        return run([os.path.join(build.BUILD, "host/tests/oracle", name)], folder)


def run_on_cairn(name, machine):
    card = os.path.join(build.BUILD, "test", f"oracle-{name}-{machine.block_size}-{machine.harts}.img")
    if os.path.exists(card):
        os.unlink(card)
    words = [os.path.join(apps.ROOT, "cairn"), "run", os.path.join(HERE, f"{name}.c"), "--no-build", "--image", card,
             "--timeout", str(SECONDS), *machine.options()]
    output = run_on_a_terminal(words, apps.ROOT) if name in ON_A_TERMINAL else run(words, apps.ROOT)
    assert os.path.exists(card), f"cairn: did not run\n{output[1]}"
    checked = subprocess.run(["/sbin/e2fsck", "-fn", image.ext2_device(card)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, f"e2fsck -fn: {checked.stdout}\n{output[1]}"
    os.unlink(card)
    return output


def observations(side, output):
    """A program's lines as a dictionary. The last line counts them."""
    out, message = output
    lines = out.splitlines()
    found = {}
    for line in lines[:-1]:
        match = LINE.fullmatch(line)
        assert match, f"{side}: not a check: {line!r}\n{message}"
        assert match[1] not in found, f"{side}: {match[1]} twice"
        found[match[1]] = match[2]
    assert lines and lines[-1] == f"1..{len(found)}", f"{side}: did not get to its end\n{message}"
    return found


def answers(linux):
    """A list where Linux's file systems do not agree with each other."""
    return linux if isinstance(linux, list) else [linux]


def judge(expected, linux, cairn):
    """passed, skipped or failed; and a text that says why."""
    if linux is None or cairn is None:
        return "failed", f"on {'cairn' if linux is None else 'Linux'} only"
    if linux.startswith("SKIP "):
        return "skipped", linux.removeprefix("SKIP ")
    if expected:
        meant = f"\n  meant: Linux {expected['linux']}, cairn {expected['cairn']}: {expected['why']}"
        good = linux in answers(expected["linux"]) and cairn == expected["cairn"]
    else:
        meant, good = "", linux == cairn
    if good:
        return "passed", ""
    return "failed", f"\n  Linux: {linux}\n  cairn: {cairn}{meant}"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the oracle is x86-64's Linux: pages of 4 KiB, MAP_32BIT")
@pytest.mark.parametrize("name, machine", machines())
def test_program(name, machine, record_property):
    linux = observations("Linux", run_on_linux(name))
    cairn = observations("cairn", run_on_cairn(name, machine))
    expected = DIFFERENCES.get(name, {})
    failures = []
    for check in {**linux, **cairn, **expected}:
        outcome, why = judge(expected.get(check), linux.get(check), cairn.get(check))
        record_property(outcome, f"{check}: {why}" if outcome == "skipped" else check)
        if outcome == "failed":
            failures.append(f"{check}: {why}")
    if failures:
        pytest.fail(f"{len(failures)} of {len(linux)} differ\n" + "\n".join(failures), pytrace=False)


def test_the_table_names_programs():
    assert set(DIFFERENCES) <= set(PROGRAMS)
    for table in DIFFERENCES.values():
        for entry in table.values():
            assert set(entry) == {"linux", "cairn", "why"} and answers(entry["linux"]) != [entry["cairn"]]


def test_a_difference_is_seen():
    assert judge(None, "EINVAL", "ENOMEM")[0] == "failed"
    assert judge(None, "EINVAL", None)[0] == "failed"
    assert judge(None, None, "EINVAL")[0] == "failed"
    meant = {"linux": "0", "cairn": "EOPNOTSUPP", "why": "the format cannot hold it"}
    assert judge(meant, "0", "EOPNOTSUPP")[0] == "passed"
    assert judge(meant, "0", "0")[0] == "failed"
    assert judge({**meant, "linux": ["0", "EINVAL"]}, "EINVAL", "EOPNOTSUPP")[0] == "passed"
    assert judge(None, "SKIP no such call here", "0")[0] == "skipped"
