# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""Inputs for the main job: real text of this machine, and text made to be awkward. The same bytes every time they are
made on one machine."""

import glob
import os
import random

LEAST_LINES = 10_000


def read_all(paths):
    data = b""
    for path in paths:
        with open(path, "rb") as file:
            data += file.read()
    return data


def enlarge(data):
    """Repeats it until it has the lines that the main job promises."""
    lines = data.count(b"\n")
    return data * (1 + LEAST_LINES // max(lines, 1)) if lines < LEAST_LINES else data


def dpkg_log():
    """The package manager's log of this machine, or, where the machine has none, its installed packages in the form
    of one."""
    logs = read_all(sorted(glob.glob("/var/log/dpkg.log") + glob.glob("/var/log/apt/*.log")))
    if logs.count(b"\n") >= 1000:
        return enlarge(logs)[:1_200_000]
    packages = [line.split(" ", 1)[1] for line in open("/var/lib/dpkg/status", encoding="utf-8") if line.startswith("Package: ")]
    pick = random.Random(1)
    rows = []
    while len(rows) < LEAST_LINES:
        for name in packages:
            second = len(rows) // 7
            stamp = f"2026-01-{1 + second // 86400:02} {second // 3600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}"
            state = pick.choice(("half-installed", "unpacked", "half-configured", "installed"))
            rows.append(f"{stamp} status {state} {name.strip()}:amd64 {pick.randint(0, 9)}.{pick.randint(0, 40)}-{pick.randint(1, 9)}")
    return "\n".join(rows).encode() + b"\n"


def dpkg_status():
    """Real text of every Debian machine: continuation lines, empty lines, UTF-8."""
    return enlarge(read_all(["/var/lib/dpkg/status"]))[:1_000_000]


def licences():
    return enlarge(read_all(sorted(path for path in glob.glob("/usr/share/common-licenses/*") if not os.path.islink(path))))[:600_000]


def hostile():
    """Every byte value, very long and empty lines, the console's own escapes, no newline at the end."""
    pick = random.Random(2)
    parts = [bytes(range(256)), b"\n\n\n\n", bytes([0x10]) * 999, b"\n", b"\x10Z\x10X00e\x10K\n", b"x" * 200_000, b"\n",
             pick.randbytes(60_000), b"\n", b"\r\n" * 50, b"\x04\x03\x16\x15\x7f\n"]
    parts += [pick.randbytes(pick.randint(0, 300)).replace(b"\n", b"") + b"\n" for _ in range(500)]
    return b"".join(parts) + b"no newline at the end"


def short_hostile():
    return bytes(range(256)) + b"\n\n" + b"y" * 9000 + b"\n\x10Z\x10\x10\n" + b"last"


INPUTS = {"dpkg-log": dpkg_log, "dpkg-status": dpkg_status, "licences": licences, "hostile": hostile}
