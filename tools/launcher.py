# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""Runs an application: on QEMU's machine behind the console protocol, or as a process of the host build.

run_machine and run_host return the exit status of `./cairn run`.
"""

import os
import re
import signal
import subprocess
import sys

from tools import qemu
from tools.session import Session
from tools.ui import Failure, say

STATUS_TIMEOUT = 124
STATUS_LAUNCHER = 125
STATUS_INTERRUPTED = 130
STATUS_PANIC = STATUS_ABORT = 134
STATUS_FAULT = 139
POWER_OFF_SECONDS = 5.0
NOISE = re.compile(r"^warning: nic \S+ has no peer$")


def has_terminal():
    return sys.stdin.isatty()


def open_missing_streams():
    """A closed standard stream becomes /dev/null, so that its number is not reused."""
    for number, flags in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, flags)
    sys.stdin = sys.stdin or os.fdopen(0)
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")


class QemuMessages:
    """QEMU's own, which come in pieces, a line at a time."""

    def __init__(self):
        self.rest = b""

    def show(self, data):
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            text = line.decode(errors="replace").removeprefix(qemu.PROGRAM + ": ")
            if "terminating on signal" not in text and not NOISE.search(text):
                say(f"qemu: {text}")
            if 'Failed to get "write" lock' in text:
                say("another machine uses this card: end it, or give --image another FILE")


def run_machine(machine, timeout=None, show_firmware=False):
    terminal = has_terminal()
    board = qemu.Qemu(machine)
    try:
        session = Session(board.console, terminal, show_firmware=show_firmware)
        for early in board.early:
            session.watch_text(early)
        session.watch(board.errors, QemuMessages().show)
        if machine.gdb:
            elf = machine.kernel.removesuffix(".bin") + ".elf"
            say(f"waiting for a debugger: gdb-multiarch {elf} -ex 'target remote :{qemu.GDB_PORT}'")
        if terminal:
            say("Ctrl-D ends the input, Ctrl-C interrupts, Ctrl-T lists the threads, Ctrl-\\ ends the machine")
        outcome = session.run(timeout)
        ended = outcome.kind in ("exit", "panic", "fault", "boot", "closed")
        if ended and not session.parked and not board.wait(POWER_OFF_SECONDS):
            say(f"the machine did not power off within {POWER_OFF_SECONDS:.0f} s of its end; ending process {board.process.pid}")
        board.end()
        session.drain()
        if outcome.kind == "closed" or (outcome.kind == "timeout" and not session.sender.ready):
            for line in session.firmware()[-20:]:
                session.err.write(line + b"\n")
        return conclude(outcome, timeout, board.process.returncode)
    finally:
        board.close()


def conclude(outcome, timeout, qemu_status=0):
    """One line for every end but status 0, so that equal numbers can be told apart."""
    if outcome.kind == "exit":
        if outcome.status == STATUS_INTERRUPTED:
            say(f"interrupted (status {STATUS_INTERRUPTED})")
        elif outcome.status:
            say(f"the application ended with status {outcome.status}")
        return outcome.status
    if outcome.kind == "boot":
        say(f"the application was not started (status {outcome.status}); the reason is above")
        return outcome.status
    if outcome.kind == "panic":
        say(f"kernel panic (status {STATUS_PANIC}); the report is above")
        return STATUS_PANIC
    if outcome.kind == "fault":
        what = {STATUS_FAULT: "application fault", STATUS_ABORT: "the application aborted"}.get(
            outcome.status, f"the application was ended by signal {outcome.status - 128}")
        say(f"{what} (status {outcome.status}); the report is above")
        return outcome.status
    if outcome.kind == "timeout":
        say(f"time-out: no end within {timeout:g} s, machine ended (status {STATUS_TIMEOUT})")
        return STATUS_TIMEOUT
    reason = {
        "quit": "machine ended from the keyboard",
        "signal": f"machine ended by {signal.Signals(outcome.status).name}" if outcome.kind == "signal" else "",
        "closed": f"the machine stopped without saying its exit status (QEMU's own: {qemu_status})",
    }[outcome.kind]
    say(f"launcher error: {reason} (status {STATUS_LAUNCHER})")
    return STATUS_LAUNCHER


def run_host(program, card, memory, bootargs, timeout=None):
    """The host build of an application: program --card FILE --memory SIZE --append ARGS."""
    words = [program, "--card", card, "--memory", memory, "--append", bootargs]
    try:
        return conclude_host(subprocess.run(words, timeout=timeout, check=False).returncode)
    except subprocess.TimeoutExpired:
        say(f"time-out: no end within {timeout:g} s, process ended (status {STATUS_TIMEOUT})")
        return STATUS_TIMEOUT
    except OSError as error:
        raise Failure(f"{program}: {error.strerror}", "Build it with ./cairn build.", STATUS_LAUNCHER) from error


def conclude_host(returncode):
    if returncode < 0:
        name = signal.Signals(-returncode).name
        status = {"SIGABRT": STATUS_PANIC, "SIGSEGV": STATUS_FAULT, "SIGBUS": STATUS_FAULT}.get(name, STATUS_LAUNCHER)
        say(f"the host process was ended by {name} (status {status})")
        return status
    if returncode:
        kind = {STATUS_PANIC: "abort, kernel panic or sanitizer report", STATUS_FAULT: "application fault"}
        say(f"{kind[returncode]} (status {returncode})" if returncode in kind else
            f"the application ended with status {returncode}")
    return returncode
