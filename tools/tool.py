# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""Runs the programs that make file systems, in an environment that does not depend on who runs them, where and when."""

import os
import subprocess

from tools.ui import Failure

EPOCH = 1767225600  # 2026-01-01: the time of all that is on a new card


def environment():
    return {"PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin", "LC_ALL": "C", "TZ": "UTC", "HOME": "/nonexistent",
            "E2FSPROGS_FAKE_TIME": str(EPOCH), "SOURCE_DATE_EPOCH": str(EPOCH), "MTOOLSRC": os.devnull}


def run(words, more=None, stdin=b""):
    """What subprocess.run returns, whatever the status. more: of the environment."""
    try:
        return subprocess.run(words, input=stdin, capture_output=True, check=False, env={**environment(), **(more or {})})
    except FileNotFoundError as error:
        raise Failure(f"{words[0]} is not installed", "Run ./cairn setup.") from error


def tool(words, more=None, stdin=b"", errors=False):
    """Its output, or what it says on standard error; both are shown only when it fails. more: of the environment."""
    done = run(words, more, stdin)
    said = done.stderr.decode(errors="replace")
    if done.returncode:
        raise Failure(f"{' '.join(words)} failed with status {done.returncode}:\n{said.strip()}")
    return said if errors else done.stdout.decode(errors="replace")
