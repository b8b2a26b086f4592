# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""What tests of boards need and not every machine has: the emulated VisionFive 2, packages of another Debian release. A test
that lacks it is skipped, in a line that says what to do; with `./cairn test --boards`, as CI has it, it fails."""

import functools
import os

import pytest

from tools import emulator, foreign
from tools.ui import Failure

VARIABLE = "CAIRN_TEST_BOARDS"  # set: nothing may be lacking


def may_be_lacking():
    return not os.environ.get(VARIABLE)


def lacking(problem):
    (pytest.skip if may_be_lacking() else pytest.fail)(str(problem))


def need_emulator():
    problem = emulator.why_not()
    if problem:
        lacking(problem)


@functools.cache
def why_no_package(name):
    try:
        foreign.binary(name)
        return None
    except Failure as failure:
        return f"Debian's package {name} cannot be had: {failure}"


def need_package(name):
    problem = why_no_package(name)
    if problem:
        lacking(problem)
