# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""The exerciser on Linux: what its model says is what Linux does, so a difference on cairn is cairn's."""

import os
import subprocess

PROGRAM = os.path.join(os.path.dirname(__file__), "..", "..", "build", "host", "plain-exerciser")


def test_model(effort, tmp_path):
    words = [PROGRAM, effort, f"path={tmp_path}/file"]
    kind = subprocess.run(["stat", "-f", "-c", "%T", tmp_path], capture_output=True, text=True, check=True).stdout
    if kind.strip() == "tmpfs":  # which shows bytes that were stored behind the end of a file once that is longer
        words.append("skip=tail")
    result = subprocess.run(words, capture_output=True, text=True, timeout=3600, check=False, stdin=subprocess.DEVNULL)
    assert result.returncode == 0 and "not ok" not in result.stdout, result.stdout[-8000:] + result.stderr
    assert result.stdout.count("\nok ") == 3
