# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""The tester of trees on Linux: what its model says is what Linux does, so a difference on cairn is cairn's."""

import os
import subprocess

import pytest

PROGRAM = os.path.join(os.path.dirname(__file__), "..", "..", "build", "host", "plain-fsmodel")
OPERATIONS = {"quick": 5000, "default": 20000, "long": 300000}
KNOWN = ("ext2/ext3", "tmpfs", "xfs")  # others count links, or name files, otherwise


@pytest.mark.parametrize("seed", (1, 2, 3))
def test_model(effort, tmp_path, seed):
    kind = subprocess.run(["stat", "-f", "-c", "%T", tmp_path], capture_output=True, text=True, check=True).stdout.strip()
    if kind not in KNOWN:
        pytest.skip(f"the folder for tests is on {kind}")
    if os.geteuid() != 0:
        pytest.skip("modes and owners are those that only root may set")
    folder = tmp_path / "tree"
    folder.mkdir()
    words = [PROGRAM, f"path={folder}", f"seed={seed}", f"ops={OPERATIONS[effort]}", "check=2000"]
    result = subprocess.run(words, capture_output=True, text=True, timeout=3600, check=False, stdin=subprocess.DEVNULL)
    assert result.returncode == 0 and "\nok 1" in "\n" + result.stdout, result.stdout[-8000:] + result.stderr
