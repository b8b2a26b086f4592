# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""`./cairn doctor`: what is installed, in which version, what is missing."""

import os
import subprocess
import sys

from tools import apps, emulator, packages


def first_line(words):
    try:
        result = subprocess.run(words, capture_output=True, text=True, check=False, timeout=20,
                                env={**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"})
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = (result.stdout + result.stderr).strip().splitlines()
    return lines[0] if lines else ""


def doctor():
    """Prints a table. 0 if nothing is missing, else 1."""
    present = packages.installed([name for need in packages.NEEDS for name in need.candidates])
    print(f"distribution   {packages.distribution()}"
          + ("" if packages.distribution() in packages.REFERENCE else f" (made for {', '.join(packages.REFERENCE)})"))
    print(f"python         {sys.version.split()[0]}")
    print(f"processors     {os.cpu_count()}")
    print(f"applications   {', '.join(apps.names())}")
    absent = 0
    for need in packages.NEEDS:
        name = next((name for name in need.candidates if name in present), None)
        if not name and not need.emulator_only:
            absent += 1
        state = f"{name} {present[name]}" if name else f"{'not here' if need.emulator_only else 'MISSING'}: {' or '.join(need.candidates)}"
        tool = first_line(need.version) if name and need.version else ""
        print(f"{'ok' if name else '--':<3}{need.what_for:<30} {state}" + (f"   [{tool}]" if tool else ""))
    print(f"emulator       {emulator.why_not() or 'the VisionFive 2 is built'}")
    if absent:
        print(f"{absent} missing: run ./cairn setup")
    return 1 if absent else 0
