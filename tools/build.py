# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""Calls SCons, one at a time, and knows where results are."""

import contextlib
import fcntl
import os
import shutil
import subprocess

from tools import apps, boards
from tools.ui import Failure, say

BUILD = os.path.join(apps.ROOT, "build")


def load(what):
    try:
        return apps.load(what)
    except apps.AppError as error:
        raise Failure(str(error), "./cairn run NAME takes a name under apps/, a folder with .c files, or a .c file.") from error


def kernel(app, release=False):
    return os.path.join(BUILD, *(["release"] if release else []), "riscv", app.output + ".bin")


def host_program(app):
    return os.path.join(BUILD, "host", app.output)


def logread():
    return os.path.join(BUILD, "host", "logread")


@contextlib.contextmanager
def lock():
    """SCons's database takes one build at a time."""
    try:
        os.makedirs(BUILD, exist_ok=True)
        file = open(os.path.join(BUILD, ".lock"), "w", encoding="ascii")
    except OSError as error:
        raise Failure(f"cannot write to {BUILD}: {error.strerror}",
                      "If an earlier run was root's: sudo ./cairn clean, or sudo chown -R $USER build.") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another build in this folder")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def scons(targets):
    if not shutil.which("scons"):
        raise Failure("scons is not installed", "Run ./cairn setup.")
    words = ["scons", "-Q", f"-j{min(os.cpu_count() or 1, 8)}", *targets]
    with lock():
        # stderr too: standard output belongs to the application
        result = subprocess.run(words, cwd=apps.ROOT, stdin=subprocess.DEVNULL, stdout=2, check=False)
    if result.returncode:
        raise Failure(f"the build failed ({' '.join(words)})",
                      "The first error above is the one to mend; `scons verbose=yes` shows whole commands, ./cairn doctor the tools.")


def target(app, release):
    """SCons's words for the board's image of an application."""
    path = os.path.relpath(kernel(app, release), apps.ROOT)
    return [*(["build=release"] if release else []), *([] if app.inside else [f"app={app.origin}"]), path]


def build(app, board="virt", release=False):
    """release: for the board only."""
    say(f"building {app.name}")
    if board == "host":
        scons([os.path.relpath(host_program(app), apps.ROOT)] + ([] if app.inside else [f"app={app.origin}"]))
        return host_program(app)
    trees = [os.path.relpath(boards.tree(board), apps.ROOT)] if boards.BOARDS[board].tree else []
    scons([*target(app, release), *trees])
    return kernel(app, release)


def build_tests():
    scons(["apps", "fuzz", "guest-tests", "host-tests", "logread", "oracle", "trees"])


def clean():
    try:
        shutil.rmtree(BUILD, ignore_errors=False)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise Failure(f"cannot remove {BUILD}: {error.strerror}", "If an earlier run was root's: sudo ./cairn clean.") from error
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(apps.ROOT, ".sconsign.dblite"))
