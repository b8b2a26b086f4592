# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""The project's own files."""

import os

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SKIPPED_FOLDERS = {".git", "build", "__pycache__", ".sconf_temp", ".pytest_cache"}
SKIPPED_FILES = {".sconsign.dblite"}


def files():
    """Paths from the root, sorted."""
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in SKIPPED_FOLDERS]
        found += [os.path.relpath(os.path.join(folder, name), ROOT) for name in names if name not in SKIPPED_FILES]
    return sorted(found)


def read(path):
    with open(os.path.join(ROOT, path), "rb") as file:
        return file.read()


def text_files():
    """Those without a NUL byte: the others are test data."""
    return [path for path in files() if b"\0" not in read(path)]


EMULATOR = "board/visionfive2/qemu/"  # built as a part of QEMU, in its style and under its licence


def c_files():
    """Ours, in our style."""
    return [path for path in files() if path.endswith((".c", ".h")) and not path.startswith(EMULATOR)]


def room(path):
    return path.split("/")[0] if "/" in path else "."
