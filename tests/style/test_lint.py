# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""The second compiler and the static checkers, room by room, for the board and for the host."""

import os
import shutil
import subprocess

import pytest

import tree
from tools.buildui import is_reference_distribution

WARNINGS = ("-std=gnu17 -fsyntax-only -Wall -Wextra -Werror -Wundef -Wshadow -Wvla -Wpointer-arith -Wstrict-prototypes "
            "-Wmissing-prototypes -Wwrite-strings -Wimplicit-fallthrough -D_GNU_SOURCE").split()
PICOLIBC = "/usr/lib/picolibc/riscv64-unknown-elf/include"
BOARD = ["--target=riscv64-unknown-elf", "-march=rv64gc", "-mabi=lp64d", "-mcmodel=medany", "-isystem", PICOLIBC]
KERNEL_INCLUDES = {"board": ["-I.", "-Iarch/riscv/include", "-Iposix/include"], "host": ["-I.", "-Iarch/host/include"]}
APP_INCLUDES = ["-Iposix/include", "-Iapps"]
ROOMS = ("lib", "arch", "kernel", "mm", "drivers", "fs", "posix", "board", "apps")
HOST_ONLY = ("arch/host/", "board/host/")
NOT_ON_HOST = ("arch/riscv/", "board/", "drivers/virtio/", "drivers/serial/", "drivers/irq/", "drivers/", "posix/", "apps/")
ON_HOST = ("drivers/block/", "drivers/clk/", "drivers/sd/", "drivers/serial/", "board/host/")


def sources(room, target):
    found = [path for path in tree.c_files() if path.endswith(".c") and tree.room(path) == room]
    if target == "board":
        return [path for path in found if not path.startswith(HOST_ONLY)]
    return [path for path in found if not path.startswith(NOT_ON_HOST) or path.startswith(ON_HOST)]


def flags(room, target):
    includes = APP_INCLUDES if room == "apps" else KERNEL_INCLUDES[target]
    return WARNINGS + (BOARD if target == "board" else []) + includes


def need(program):
    if not is_reference_distribution():
        pytest.skip(f"{program} differs from release to release; its judgement on Debian 12 counts")
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")


def check(words):
    result = subprocess.run(words, cwd=tree.ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert result.returncode == 0, (result.stdout + result.stderr)[-8000:]


@pytest.mark.parametrize("target", ["board", "host"])
@pytest.mark.parametrize("room", ROOMS)
def test_clang_has_no_warning(room, target):
    need("clang")
    files = sources(room, target)
    if files:
        check(["clang", *flags(room, target), *files])


@pytest.mark.default
@pytest.mark.parametrize("room", ROOMS)
def test_clang_tidy(room):
    need("clang-tidy")
    files = sources(room, "board")
    if files:
        check(["clang-tidy", "--quiet", *files, "--", *flags(room, "board")])


@pytest.mark.default
@pytest.mark.parametrize("room", ROOMS)
def test_cppcheck(room):
    need("cppcheck")
    files = sources(room, "board")
    if files:
        includes = [word for word in flags(room, "board") if word.startswith("-I")]
        check(["cppcheck", "--quiet", "--error-exitcode=1", "--enable=warning,portability", "--inline-suppr", "--std=c11",
               "--suppress=missingIncludeSystem", "--suppress=comparePointers",  # linker symbols
               "--suppress=normalCheckLevelMaxBranches", "--library=posix",
               f"--suppressions-list={os.path.join(tree.ROOT, 'tests/style/cppcheck.txt')}", *includes, *files])


@pytest.mark.long
@pytest.mark.parametrize("room", ROOMS)
def test_clang_analyzer(room):
    need("clang-tidy")
    files = sources(room, "board")
    if files:
        check(["clang-tidy", "--quiet", "--checks=-*,clang-analyzer-*,-clang-analyzer-security.insecureAPI.*", *files, "--",
               *flags(room, "board")])
