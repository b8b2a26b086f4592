# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""What ./cairn says to the person: steps, a progress bar, failures. All of it on standard error."""

import sys

ERASE = "\r\033[K"


class Failure(Exception):
    """Ends the command. `hint` says what to do about it."""

    def __init__(self, message, hint="", status=1):
        super().__init__(message)
        self.hint = hint
        self.status = status


def say(text):
    print(f"cairn: {text}", file=sys.stderr, flush=True)


def report(failure):
    say(f"error: {failure}")
    for line in failure.hint.splitlines():
        say(f"  {line}")


class Bar:
    """A progress bar on a terminal; nothing elsewhere. Use as a context manager."""

    def __init__(self, title):
        self.title = title
        self.shown = sys.stderr.isatty()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.shown:
            sys.stderr.write(ERASE)
            sys.stderr.flush()

    def update(self, share, note=""):
        if self.shown:
            share = min(max(share, 0.0), 1.0)
            sys.stderr.write(f"{ERASE}{self.title} [{'#' * int(share * 30):<30}] {share:4.0%} {note[:40]}")
            sys.stderr.flush()
