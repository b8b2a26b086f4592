# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""Typed use through a pseudo-terminal, as a person at a keyboard sees it."""

import os
import sys

import pexpect
import pytest

import rig

TYPING_SECONDS = 60


def type_to(card, app, *argv, console="virtio"):
    child = pexpect.spawn(rig.CAIRN, ["run", app, "--no-build", "--image", str(card), "--console", console, "--timeout", "100",
                                      *(["--", *argv] if argv else [])],
                          cwd=rig.ROOT, timeout=TYPING_SECONDS, encoding="utf-8", dimensions=(24, 120))
    child.logfile_read = sys.stdout
    return child


def status_of(child):
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus


@pytest.mark.parametrize("console", rig.CONSOLES)
def test_line_editing_and_end_of_input(console, tmp_path):
    card = tmp_path / "card.img"
    child = type_to(card, rig.PROBE, "talk", console=console)
    child.expect("tty 1")
    child.send("hellp\x7fo\r")  # backspace
    child.expect("<hello>")
    child.send("wrong\x15right\r")  # Ctrl-U
    child.expect("<right>")
    child.send("a\x16\x04b\r")  # Ctrl-V takes Ctrl-D as it is
    child.expect("<a\x04b>")
    child.send("tail\x04")  # Ctrl-D with text hands it over
    child.send("\x04")  # and without ends the input
    child.expect("<tail>")
    child.expect("end")
    assert status_of(child) == 0
    rig.check_fs(card)


@pytest.mark.parametrize("console", rig.CONSOLES)
def test_keys_one_by_one(console, tmp_path):
    """Raw mode: keys come as they are typed, nothing is shown, Ctrl-C is a byte, a newline goes to column where it is."""
    child = type_to(tmp_path / "card.img", rig.PROBE, "terminal", console=console)
    child.expect("keys\r\n")
    for key, code in (("x", "78"), ("\r", "0d"), ("\x03", "03"), ("\x04", "04")):
        child.send(key)
        child.expect(f"^key {code}\r\n")  # and no echo before it
    child.expect("^/dev/console lines\r\n")  # ONLCR is back
    child.send("typedx\x7f\r")
    child.expect("left 6\r\n")
    child.expect("line typed\r\n")
    assert status_of(child) == 0


def test_no_terminal_settings_without_a_terminal(tmp_path):
    result = rig.probe(tmp_path / "card.img", "terminal")
    assert result.out == b"no terminal 1 0\n", rig.text_of(result)


def test_interrupt_key(tmp_path):
    card = tmp_path / "card.img"
    child = type_to(card, rig.PROBE, "hang")
    child.expect("hanging")
    child.send("\x03")
    assert status_of(child) == 130
    rig.check_fs(card)


@pytest.mark.parametrize("console", rig.CONSOLES)
def test_report_key_names_a_deadlock(console, tmp_path):
    """Ctrl-T says of two threads which lock each waits for and who has it; the report names the waiting function."""
    child = type_to(tmp_path / "card.img", rig.PROBE, "deadlock", console=console)
    child.expect(r"locks (0x[0-9a-f]+) (0x[0-9a-f]+)\s")
    first, second = child.match.groups()
    child.send("typed\x14")
    child.expect(rf"thread (\d+) main: waiting \d+\.\d+ s for pthread mutex {first} of thread (\d+) (\w+)\s")
    main, other, name = child.match.groups()
    child.expect("#[0-9 ]+ 0x[0-9a-f]+ take_two")
    child.expect(rf"thread {other} {name}: waiting \d+\.\d+ s for pthread mutex {second} of thread {main} main")
    child.expect("#[0-9 ]+ 0x[0-9a-f]+ take_two")
    child.expect("typed")  # the line is shown again
    child.send("\x03")
    assert status_of(child) == 130


def test_a_thread_that_reads_the_console_can_be_cancelled(tmp_path):
    child = type_to(tmp_path / "card.img", rig.PROBE, "cancel-reader")
    child.expect("cancelled")
    assert status_of(child) == 0


def test_quit_key_ends_the_machine(tmp_path):
    child = type_to(tmp_path / "card.img", rig.PROBE, "hang")
    child.expect("hanging")
    child.send("\x1c")
    child.expect("ended from the keyboard")
    assert status_of(child) == 125


def test_logger_takes_typed_lines(tmp_path):
    """It says how to end and how to read back; what was typed is in the log."""
    card = tmp_path / "card.img"
    child = type_to(card, "logger")
    child.expect("Ctrl-D")
    child.expect("cairn log")
    child.send("first line\r")
    child.expect("first line")
    child.send("second line\r")
    child.expect("second line")
    child.send("\x04")
    assert status_of(child) == 0
    rig.check_fs(card)
    result = rig.cairn("log", card)
    assert result.out == b"first line\nsecond line\n", rig.text_of(result)


def test_terminal_works_after_a_fault(tmp_path):
    child = type_to(tmp_path / "card.img", rig.PROBE, "die", "wild")
    child.expect("application fault")
    assert status_of(child) == 139
    assert os.path.exists(tmp_path / "card.img")
