# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""Rules that hold for the whole tree: who may include whom, licence lines, layout, whitespace."""

import os
import re
import shutil
import subprocess

import pytest

import tree

# docs/design.md, section 2. A value ending in .h allows that header only.
MAY_INCLUDE = {
    "lib": ["lib/"],
    "arch": ["lib/", "arch/"],
    "kernel": ["kernel/", "lib/", "arch/"],
    "mm": ["mm/", "kernel/", "lib/", "arch/"],
    "drivers": ["drivers/", "lib/", "arch/", "kernel/", "mm/frame.h"],
    "fs": ["fs/", "lib/", "kernel/", "mm/", "drivers/block/blkdev.h", "arch/page.h", "arch/uaccess.h",
           "arch/clock.h"],
    "posix": ["posix/", "lib/", "arch/", "kernel/", "mm/", "drivers/", "fs/"],
    "board": [""],
    "tests": [""],
}
# Rooms that may use a hosted C library: their headers are not restricted.
HOSTED = ("arch/host/", "board/", "posix/", "apps/", "tests/", "tools/")
# They see posix/include, apps/ and their own folder, by the build's include paths.
APPLICATIONS = ("apps/", "tools/", "tests/exerciser/", "tests/guest/", "tests/oracle/", "tests/system/apps/", "tests/crash/apps/")
OTHER_ROOTS = (("posix/include/", "posix/include"), ("tests/host/", "apps"))  # whose headers are named from elsewhere
FREESTANDING = {"stdint.h", "stddef.h", "stdbool.h", "stdarg.h", "stdatomic.h", "stdalign.h", "stdnoreturn.h", "limits.h",
                "inttypes.h", "string.h", "errno.h", "stdio.h", "assert.h"}
SIGNAL_HEADERS = {"signal.h"}  # arch/ lays out what a handler of the application's sees
FILE_HEADERS = {"fcntl.h", "poll.h", "sys/file.h", "sys/ioctl.h", "sys/mount.h", "sys/stat.h", "sys/types.h", "sys/uio.h",
                "unistd.h"}  # fs/ shares its constants with applications
DEVICE_HEADERS = {"linux/watchdog.h", "poll.h", "sys/ioctl.h", "termios.h"}  # and so do devices
QUOTED = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)
ANGLED = re.compile(r"^\s*#\s*include\s*<([^>]+)>", re.MULTILINE)
LICENCE = "SPDX-License-Identifier: BSD-2-Clause"
QEMU_LICENCE = "SPDX-License-Identifier: GPL-2.0-or-later"  # LICENSES/ has both texts
OWNER = "Copyright the cairn authors"
LICENSED = (".c", ".h", ".S", ".ld", ".py")
LICENSED_NAMES = ("SConstruct", "cairn", ".ci/run")
REFERENCE_FORMAT = 14  # clang-format's major version on the reference distribution; others lay out otherwise


def include_faults(path, source):
    """Sentences on what is wrong with the includes of one file."""
    faults = []
    room = tree.room(path)
    in_arch = path.startswith("arch/")  # its headers include the machine's half as <arch_NAME.h>
    for name in QUOTED.findall(source) if not path.startswith(APPLICATIONS) else []:
        if any(path.startswith(where) and os.path.exists(os.path.join(tree.ROOT, root, name)) for where, root in OTHER_ROOTS):
            continue
        if not os.path.exists(os.path.join(tree.ROOT, name)):
            faults.append(f'{path}: "{name}" is no path from the root')
        elif not any(name == allowed if allowed.endswith(".h") else name.startswith(allowed)
                     for allowed in MAY_INCLUDE.get(room, [])):
            faults.append(f"{path}: {room}/ may not include {name}")
    if not path.startswith(HOSTED):
        allowed = FREESTANDING | (FILE_HEADERS if room in ("fs", "posix") else DEVICE_HEADERS if room == "drivers" else
                                  SIGNAL_HEADERS if in_arch else set())
        faults += [f"{path}: <{name}> is not for {room}/" for name in ANGLED.findall(source)
                   if name not in allowed and not (in_arch and name.startswith("arch_"))]
    return faults


def test_include_directions():
    faults = []
    for path in tree.files():
        if path.endswith((".c", ".h", ".S")) and not path.startswith(tree.EMULATOR):
            faults += include_faults(path, tree.read(path).decode())
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("path,line", [("lib/x.c", '#include "kernel/log.h"'), ("mm/x.c", '#include "fs/fs.h"'),
                                       ("drivers/x.c", '#include "mm/map.h"'), ("fs/x.c", '#include "drivers/driver.h"'),
                                       ("kernel/x.c", "#include <unistd.h>"), ("mm/x.c", '#include "frame.h"')])
def test_the_include_check_finds(path, line):
    assert include_faults(path, line + "\n")


def test_licence_lines():
    """What is built into QEMU has QEMU's licence, and nothing else has."""
    bare = [path for path in tree.files() if path.endswith(LICENSED) or path in LICENSED_NAMES
            for licence in [QEMU_LICENCE if path.startswith(tree.EMULATOR) else LICENCE]
            if not all(words in tree.read(path)[:300].decode() for words in (licence, OWNER))]
    assert not bare, "no SPDX line and owner at the top: " + ", ".join(bare)
    assert os.listdir(os.path.join(tree.ROOT, "LICENSES")) and all(
        os.path.exists(os.path.join(tree.ROOT, "LICENSES", line.split()[-1] + ".txt")) for line in (LICENCE, QEMU_LICENCE))


def test_whitespace():
    faults = []
    for path in tree.text_files():
        data = tree.read(path)
        if data and not data.endswith(b"\n"):
            faults.append(f"{path}: no newline at the end")
        for number, line in enumerate(data.split(b"\n"), 1):
            if line.endswith((b" ", b"\t", b"\r")):
                faults.append(f"{path}:{number}: whitespace at the end of the line")
    assert not faults, "\n".join(faults)


def test_no_host_names_of_registries():
    pattern = re.compile(rb"(deb|archive|security|ports|ftp)\.(debian|ubuntu)\.(org|com)|pypi\.org|registry\.npm|crates\.io")
    found = [path for path in tree.text_files() if pattern.search(tree.read(path))]
    assert not found, ", ".join(found)


def clang_format():
    """The reference version, or a reason why not."""
    for name in (f"clang-format-{REFERENCE_FORMAT}", "clang-format"):
        if shutil.which(name):
            version = subprocess.run([name, "--version"], capture_output=True, text=True, check=True).stdout
            if re.search(rf"version {REFERENCE_FORMAT}\.", version):
                return name
    pytest.skip(f"layout is judged by clang-format {REFERENCE_FORMAT} (Debian 12), which this distribution does not have")


def test_layout():
    result = subprocess.run([clang_format(), "--dry-run", "-Werror", *tree.c_files()], cwd=tree.ROOT, capture_output=True,
                            text=True, check=False)
    wrong = sorted({line.split(":")[0] for line in result.stderr.splitlines() if "error:" in line})
    assert result.returncode == 0, f"run clang-format -i on: {' '.join(wrong)}"


def test_python_compiles():
    for path in tree.files():
        if path.endswith(".py") or path == "SConstruct":
            compile(tree.read(path), path, "exec")


LOCK_NAMED = re.compile(r'\b(?:SPINLOCK_INIT\(|(?:MUTEX|RWLOCK)_INIT\([^,()]+,|DEVICE_INIT\([^,()]+,|'
                        r'(?:spin|mutex|rwlock)_init\([^,;]+,)\s*([^)]+)\)')
LOCK_MACROS = {"what", "name", "const char *name"}


def lock_names(source):
    """How the locks that are made in this text are named: strings with their quotes, or other expressions."""
    return [name.strip() for name in LOCK_NAMED.findall(source) if name.strip() not in LOCK_MACROS]


def test_every_lock_has_its_place_in_the_order():
    """Each name in kernel/lockrank.h once, and none there that no lock has."""
    ranked = re.findall(r'^    \{("[^"]+"), ', tree.read("kernel/lockrank.h").decode(), re.MULTILINE)
    used = {}
    for path in tree.c_files():
        if not path.startswith(("tests/", "apps/")):
            for name in lock_names(tree.read(path).decode()):
                used.setdefault(name, set()).add(path)
    assert len(ranked) == len(set(ranked))
    assert set(used) - set(ranked) == set(), used
    assert set(ranked) - set(used) == set()
    assert len(used) > 40 and lock_names('spin_init(&x->lock, x->name);') == ["x->name"]
