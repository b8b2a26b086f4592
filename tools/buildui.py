# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""How a build looks: short command lines, and a progress bar when a person watches. SConstruct only."""

import atexit
import os
import sys

REFERENCE = ("debian", "12")  # warnings are errors here
SAVED_COUNT = "build/.nodes"  # nodes that the last build visited: the bar's full length
ERASE = "\r\033[K"


def is_reference_distribution():
    fields = {}
    try:
        with open("/etc/os-release", encoding="utf-8") as file:
            for line in file:
                key, _, value = line.strip().partition("=")
                fields[key] = value.strip('"')
    except OSError:
        return False
    return (fields.get("ID"), fields.get("VERSION_ID")) == REFERENCE


def watched():
    return sys.stderr.isatty()


def short_line(verb):
    return f"{ERASE if watched() and sys.stdout.isatty() else ''}  {verb:<9}$TARGET"


def short_commands(env):
    for verb, variables in {
        "compile": ("CCCOMSTR",), "assemble": ("ASPPCOMSTR", "ASCOMSTR"), "archive": ("ARCOMSTR",),
        "index": ("RANLIBCOMSTR",), "link": ("LINKCOMSTR",),
    }.items():
        for variable in variables:
            env[variable] = short_line(verb)


def progress(scons_progress):
    """Draws a bar over the nodes visited; the first build in a folder has no measure yet and counts."""
    if not watched():
        return
    try:
        with open(SAVED_COUNT, encoding="ascii") as file:
            total = int(file.read())
    except (OSError, ValueError):
        total = 0
    seen = 0

    def draw(node):
        nonlocal seen
        seen += 1
        if seen % 8:
            return
        if total:
            share = min(seen / total, 1.0)
            text = f"build [{'#' * int(share * 30):<30}] {share:4.0%}"
        else:
            text = f"build {seen} files looked at"
        sys.stderr.write(ERASE + text)
        sys.stderr.flush()

    def save():
        sys.stderr.write(ERASE)
        try:
            os.makedirs(os.path.dirname(SAVED_COUNT), exist_ok=True)
            with open(SAVED_COUNT, "w", encoding="ascii") as file:
                file.write(str(seen))
        except OSError:
            pass  # only the bar's measure is lost

    atexit.register(save)
    scons_progress(draw)
