# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""Signals as ./cairn run shows them: the interrupt key with and without handlers, exit statuses, what is left on the card."""

import subprocess

import pytest

import rig
from test_terminal import status_of, type_to


@pytest.mark.parametrize("how,status,line", [
    ("abort", 134, "the application aborted (status 134)"),
    ("assert", 134, "assertion failed: zero != 0"),
    ("handled-abort", 134, "the application aborted (status 134)"),
    ("blocked", 139, "application fault: SIGSEGV at address 0x123456789000"),
    ("ignored", 139, "application fault: SIGSEGV at address 0x123456789000"),
    ("nested", 139, "application fault: SIGSEGV at address 0x123456789000"),
    ("stack", 139, "stack overflow in thread main"),
    (2, 130, "interrupted (status 130)"),
    (15, 143, "the application ended with status 143"),
    (11, 139, "application fault (status 139)"),
    (30, 158, "was ended by signal 30 (status 158)"),
])
def test_ends_by_signals(how, status, line, tmp_path):
    """The status, the line that says why, and a clean file system with what was synced before."""
    card = tmp_path / "card.img"
    result = rig.probe(card, "signal", how)
    assert result.status == status and line in result.err, rig.text_of(result)
    rig.check_fs(card)
    assert rig.take(card, "/kept", tmp_path) == b"before the signal\n"


def test_try_left_over_a_lock_of_the_c_library(tmp_path):
    """A debug build stops there: the stream would stay locked."""
    result = rig.probe(tmp_path / "card.img", "signal", "try-locked")
    assert result.status == 134 and "kernel panic" in result.err and "libc_locks" in result.err, rig.text_of(result)


@pytest.mark.parametrize("how,output", [
    ("spin", "interrupted 2\n"),
    ("jump", "jumped 2\n"),
    ("sigwait", "sigwait 2\n"),
])
@pytest.mark.parametrize("console", rig.CONSOLES)
def test_interrupt_is_handled(how, output, console, tmp_path):
    card = tmp_path / "card.img"
    machine = subprocess.Popen([rig.CAIRN, "run", rig.PROBE, "--no-build", "--image", str(card), "--console", console, "--timeout",
                                "60", "--", "interrupt", how],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert machine.stdout.readline() == b"ready\n"
    machine.send_signal(2)
    out, errors = machine.communicate(timeout=60)
    assert machine.returncode == 0 and out.decode() == output, errors
    rig.check_fs(card)


@pytest.mark.parametrize("how,output", [("read", "read 4, interrupted 2"), ("sleep", "sleep 1")])  # 4: EINTR
def test_interrupt_ends_a_call(how, output, tmp_path):
    child = type_to(tmp_path / "card.img", rig.PROBE, "interrupt", how)
    child.expect("ready")
    found = 0
    while found == 0:  # what comes before the call ends nothing
        child.send("\x03")
        found = child.expect([r"\^C", output])
    child.send("\x04")
    assert status_of(child) == 0


@pytest.mark.parametrize("how,caught", [("restart", 2), ("ignore", 0)])
def test_reading_goes_on(how, caught, tmp_path):
    child = type_to(tmp_path / "card.img", rig.PROBE, "interrupt", how)
    child.expect("ready")
    child.send("\x03")
    child.expect(r"\^C")
    child.send("line\r")
    child.expect(f"read 5, interrupted {caught}")
    child.send("\x04")
    assert status_of(child) == 0
