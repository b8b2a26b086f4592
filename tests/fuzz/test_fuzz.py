# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""The fuzzer of ext2 for a minute, over images made here, and what it found before (regressions.txt: an input a line, in
hexadecimal, with what it was)."""

import os
import re
import subprocess
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FUZZER = os.path.join(ROOT, "build/fuzz/fuzz_ext2")
SECONDS = {"default": 60, "long": 1800}
OPTIONS = ("-handle_segv=0", "-timeout=20", "-max_len=420", "-len_control=0", "-print_final_stats=1")

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import images  # noqa: E402


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """The folder with images/ and corpus/."""
    folder = str(tmp_path_factory.mktemp("fuzz"))
    images.main(folder)
    return folder


def run(base, words, seconds=300):
    environment = {**os.environ, "CAIRN_FUZZ_IMAGES": os.path.join(base, "images"),
                   "ASAN_OPTIONS": "quarantine_size_mb=4:malloc_context_size=8", "UBSAN_OPTIONS": "print_stacktrace=1"}
    return subprocess.run([FUZZER, *OPTIONS, f"-artifact_prefix={base}/found-", *words], capture_output=True, text=True,
                          errors="replace", env=environment, timeout=seconds, cwd=base, check=False)


def found(base):
    """The inputs that were written down, as lines for regressions.txt."""
    lines = []
    for name in sorted(os.listdir(base)):
        if name.startswith("found-"):
            with open(os.path.join(base, name), "rb") as file:
                lines.append(f"{file.read().hex()}  # {name}")
    return "\n".join(lines)


def regressions():
    with open(os.path.join(ROOT, "tests/fuzz/regressions.txt"), encoding="utf-8") as file:
        return [line.split("#")[0].strip() for line in file if line.split("#")[0].strip()]


def test_what_was_found_before(base, tmp_path):
    for i, line in enumerate(regressions()):
        (tmp_path / f"{i:03}").write_bytes(bytes.fromhex(line))
    result = run(base, ["-runs=1", *(str(path) for path in sorted(tmp_path.iterdir()))])
    assert result.returncode == 0, result.stderr[-8000:]
    assert result.stderr.count("Executed ") == len(regressions())


def test_every_seed(base):
    corpus = os.path.join(base, "corpus")
    result = run(base, ["-runs=1", *(os.path.join(corpus, name) for name in sorted(os.listdir(corpus)))])
    assert result.returncode == 0, result.stderr[-8000:]


def test_damage_that_was_not_asked_for_is_seen(base, tmp_path):
    """The fuzzer's own eyes: one byte of a directory is wrong before it begins."""
    folder = tmp_path / "images"
    folder.mkdir()
    name = sorted(os.listdir(os.path.join(base, "images")))[0]
    with open(os.path.join(base, "images", name), "rb") as file:
        data = bytearray(file.read())
    at = data.index(b"\x05\x01small\0\0\0") - 2
    data[at] = 3
    (folder / name).write_bytes(data)
    os.symlink(os.path.join(base, "corpus"), tmp_path / "corpus")
    result = run(str(tmp_path), ["-runs=1", str(tmp_path / "corpus" / "00-all")])
    assert result.returncode != 0 and "damage is seen where there was none" in result.stderr, result.stderr[-4000:]


@pytest.mark.default
def test_a_while(base, effort, record_property):
    seconds = SECONDS.get(effort, SECONDS["default"])
    result = run(base, [f"-max_total_time={seconds}", os.path.join(base, "corpus")], seconds + 200)
    assert result.returncode == 0 and not found(base), f"{found(base)}\n{result.stderr[-8000:]}"
    executed = re.search(r"stat::number_of_executed_units: (\d+)", result.stderr)
    assert executed and int(executed[1]) > 5 * seconds, result.stderr[-4000:]
    record_property("passed", f"{executed[1]} inputs")
