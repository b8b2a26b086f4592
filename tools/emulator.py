# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""The emulated VisionFive 2: QEMU's source as Debian has it, with the machine of board/visionfive2/qemu/ put in, built
with next to nothing else into build/visionfive2-qemu."""

import glob
import hashlib
import os
import shutil
import subprocess
import sys

from tools import boards, foreign
from tools.apps import ROOT
from tools.ui import Failure, say

SOURCES = os.path.join(ROOT, "board", "visionfive2", "qemu")
PROGRAM = boards.VISIONFIVE2_QEMU
FOLDER = os.path.dirname(PROGRAM)
STAMP = os.path.join(FOLDER, "built-from")
SERIES = "1:10.0."  # of Debian's versions: what the patch is for
CONFIGURE = ("--target-list=riscv64-softmmu", "--without-default-features", "--without-default-devices",
             "--with-devices-riscv64=visionfive2", "--enable-system", "--enable-tcg", "--enable-fdt=system", "--disable-tools",
             "--disable-docs", "--disable-guest-agent", "--disable-install-blobs", "--disable-kvm", "--disable-debug-info",
             "--audio-drv-list=", "-Doptimization=1")  # -O2 takes half as long again, and gains tests a sixth


def own_files():
    return sorted(path for path in glob.glob(os.path.join(SOURCES, "src", "**"), recursive=True) if os.path.isfile(path)) + \
        [os.path.join(SOURCES, "qemu.patch")]


def fingerprint():
    """Of what is our own in it."""
    digest = hashlib.sha256()
    for path in own_files():
        digest.update(os.path.relpath(path, SOURCES).encode())
        with open(path, "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def built():
    """True if the program is there and is what the sources say."""
    try:
        with open(STAMP, encoding="utf-8") as file:
            return os.path.exists(PROGRAM) and file.read() == fingerprint()
    except OSError:
        return False


def why_not():
    """What to say to who needs it and does not have it; None: it is there."""
    if built():
        return None
    state = "is of other sources" if os.path.exists(PROGRAM) else "is not built"
    return f"the emulated VisionFive 2 {state}: run ./cairn setup --with-visionfive2-emulator"


def run(words, folder, log):
    with open(log, "ab") as file:
        code = subprocess.run(words, cwd=folder, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, check=False,
                              env={**os.environ, "LC_ALL": "C"}).returncode
    if code:
        with open(log, encoding="utf-8", errors="replace") as file:
            last = file.read().splitlines()[-12:]
        raise Failure(f"{words[0]} failed ({log}); it said at the end:\n" + "\n".join(last),
                      "Mend that (network, disk space, packages), then run the command again.")


def unpack(log):
    """QEMU's source tree with our files in it; kept while it is of the same version, so that a change builds quickly."""
    version, dsc = foreign.source("qemu")
    if not version.startswith(SERIES):
        raise Failure(f"Debian {foreign.SUITE} has QEMU {version}; the machine is for {SERIES}x", "cairn must be changed for it.")
    tree = os.path.join(FOLDER, "source")
    stamp = os.path.join(FOLDER, "source-version")
    patch = os.path.join(SOURCES, "qemu.patch")
    with open(patch, "rb") as file:
        identity = version + " " + hashlib.sha256(file.read()).hexdigest()
    if not os.path.exists(stamp) or open(stamp, encoding="utf-8").read() != identity:
        shutil.rmtree(tree, ignore_errors=True)
        shutil.rmtree(os.path.join(FOLDER, "objects"), ignore_errors=True)
        say(f"unpacking QEMU {version}")
        # Not again by dpkg-source: apt has checked the signature.
        run(["dpkg-source", "--no-check", "--no-copy", "-x", dsc, tree], FOLDER, log)
        run(["patch", "-p1", "--forward", "-i", patch], tree, log)
        with open(stamp, "w", encoding="utf-8") as file:
            file.write(identity)
    for path in own_files()[:-1]:
        to = os.path.join(tree, os.path.relpath(path, os.path.join(SOURCES, "src")))
        with open(path, "rb") as file:
            data = file.read()
        if not os.path.exists(to) or open(to, "rb").read() != data:
            os.makedirs(os.path.dirname(to), exist_ok=True)
            shutil.copyfile(path, to)
    return tree


def python_with_meson(log):
    """QEMU's configure wants a Python that has meson; Debian's source comes without its own."""
    python = os.path.join(FOLDER, "python")
    if not os.path.exists(os.path.join(python, "bin", "python3")):
        run([sys.executable, "-m", "venv", python], FOLDER, log)
    _, root = foreign.binary("meson")
    packages = glob.glob(os.path.join(python, "lib", "python3*", "site-packages"))[0]
    for path in glob.glob(os.path.join(root, "usr", "lib", "python3", "dist-packages", "*")):
        shutil.copytree(path, os.path.join(packages, os.path.basename(path)), dirs_exist_ok=True)
    return os.path.join(python, "bin", "python3")


def build():
    """Builds it unless it is there. True if it had to."""
    if built():
        return False
    os.makedirs(FOLDER, exist_ok=True)
    log = os.path.join(FOLDER, "build.log")
    open(log, "wb").close()
    mark = fingerprint()
    tree = unpack(log)
    python = python_with_meson(log)
    objects = os.path.join(FOLDER, "objects")
    os.makedirs(objects, exist_ok=True)
    say("building the emulated VisionFive 2 (some minutes)")
    if not os.path.exists(os.path.join(objects, "build.ninja")):
        run([os.path.join(tree, "configure"), f"--python={python}", *CONFIGURE], objects, log)
    run(["ninja", "qemu-system-riscv64"], objects, log)
    run(["strip", "-o", PROGRAM, os.path.join(objects, "qemu-system-riscv64")], FOLDER, log)
    with open(STAMP, "w", encoding="utf-8") as file:
        file.write(mark)
    say(f"built {os.path.relpath(PROGRAM)}")
    return True
