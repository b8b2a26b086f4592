# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""One conversation with a board: its line on one side, this process's standard streams on the other.

Used by `./cairn run` (the line is a socket to QEMU) and `./cairn console` (a serial device). A terminal is put into
raw mode and put back on every way out. Signals end the conversation instead of the process, so that the caller can
clean up.
"""

import os
import re
import select
import signal
import sys
import termios
import time
from dataclasses import dataclass

from tools import console
from tools.ui import say

QUIT_KEY = b"\x1c"  # Ctrl-\
DRAIN_SECONDS = 5.0  # from the exit frame to the end of the line
PARK_SECONDS = 1.0  # ... where the line does not end: to what the firmware still says
CHUNK = 65536
KERNEL_LINE = re.compile(rb"^\[ *\d+\.\d+\]")
PLAIN_EXIT = re.compile(rb"^\[cairn\] exit (\d+)\s*$")
PLAIN_READY = b"[cairn] ready"
PARKED = b"power may be removed"  # arch/riscv/power.c


@dataclass(frozen=True)
class Outcome:
    """kind: exit, panic, fault, boot (status says which); timeout; quit (keyboard); signal; closed (the line ended)."""

    kind: str
    status: int = 0
    line_open: bool = True  # False: the other side has closed, as a machine does that powers off


class EarlyText:
    """Unframed text: the firmware's, then the kernel's first lines. Keeps the firmware's back, passes the kernel's."""

    def __init__(self, write, ready, application, show_firmware=False):
        self.write = write
        self.ready = ready  # called when the board says that a PC may attach
        self.application = application  # takes what the application says until it has done so
        self.started = False
        self.kernel_seen = show_firmware
        self.firmware = []
        self.rest = b""
        self.status = None  # of a plain `[cairn] exit N` line
        self.parked = False  # it has ended, and cannot turn itself off

    def feed(self, data):
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            self._line(line.rstrip(b"\r"))

    def _line(self, line):
        match = PLAIN_EXIT.match(line)
        if match:
            self.status = int(match[1])
            return
        if line == PLAIN_READY:
            self.started = True
            self.ready()
            return
        kernels = KERNEL_LINE.match(line) is not None
        self.parked = self.parked or PARKED in line
        self.kernel_seen = self.kernel_seen or kernels
        if self.started and not kernels and not self.parked:
            self.application(line + b"\n")
        elif self.kernel_seen or self.parked:
            self.write(line + b"\n")
        else:
            self.firmware.append(line)

    def finish(self):
        if self.rest:
            self._line(self.rest)
            self.rest = b""


class RawTerminal:
    """No echo, no line editing, no signal keys; output processing stays until the board asks. Put back by close()."""

    def __init__(self, fd):
        self.fd = fd
        self.saved = termios.tcgetattr(fd)
        raw = termios.tcgetattr(fd)
        raw[0] &= ~(termios.ICRNL | termios.INLCR | termios.IGNCR | termios.IXON | termios.ISTRIP | termios.BRKINT)
        raw[3] &= ~(termios.ICANON | termios.ECHO | termios.ISIG | termios.IEXTEN)
        raw[6][termios.VMIN] = 1
        raw[6][termios.VTIME] = 0
        termios.tcsetattr(fd, termios.TCSANOW, raw)

    def process_output(self, on):
        now = termios.tcgetattr(self.fd)
        now[1] = now[1] | termios.OPOST if on else now[1] & ~termios.OPOST
        termios.tcsetattr(self.fd, termios.TCSADRAIN, now)

    def close(self):
        termios.tcsetattr(self.fd, termios.TCSADRAIN, self.saved)


class Signals:
    """Turns signals into bytes on a pipe for the time of the conversation."""

    CAUGHT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self):
        self.read_fd, self.write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.handlers = {number: signal.signal(number, lambda *_: None) for number in self.CAUGHT}
        self.old_wakeup = signal.set_wakeup_fd(self.write_fd)

    def take(self):
        return os.read(self.read_fd, 64)

    def close(self):
        signal.set_wakeup_fd(self.old_wakeup)
        for number, handler in self.handlers.items():
            signal.signal(number, handler)
        os.close(self.read_fd)
        os.close(self.write_fd)


class Output:
    """A standard stream of ours. A reader that has gone away is noticed once; its bytes are dropped from then on."""

    def __init__(self, fd):
        self.fd = fd
        self.broken = False
        self.at_line_start = True

    def write(self, data):
        if not data or self.broken:
            return
        self.at_line_start = data.endswith(b"\n")
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self.fd, view) :]
        except BrokenPipeError:
            self.broken = True


class Session:
    """line: file descriptor of the board. extra: more descriptors to watch, each with a function for their bytes."""

    def __init__(self, line, terminal, attach=False, show_firmware=False):
        self.line = line
        self.terminal = terminal
        self.raw_terminal = None  # while the conversation lasts, if it is typed
        self.attach = attach
        self.stdin = sys.stdin.fileno()
        self.out = Output(sys.stdout.fileno())
        self.err = Output(sys.stderr.fileno())
        self.decoder = console.Decoder()
        self.sender = console.Sender()
        self.show_firmware = show_firmware
        self.early = EarlyText(self.err.write, self._attach, self.out.write, show_firmware)
        self.texts = [self.early]
        self.extra = {}
        self.exit = None  # the exit frame
        self.exit_deadline = None
        self.interrupted = False

    def watch(self, fd, handle):
        """Also reads fd and hands its bytes to handle."""
        os.set_blocking(fd, False)
        self.extra[fd] = handle

    def watch_text(self, fd):
        """Also shows what comes on fd, a line that carries plain text only."""
        text = EarlyText(self.err.write, lambda: None, self.err.write, self.show_firmware)
        self.texts.append(text)
        self.watch(fd, text.feed)

    def drain(self):
        """Once the other side has ended: what it still had to say on the watched descriptors."""
        for fd in list(self.extra):
            while fd in self.extra and select.select([fd], [], [], 0)[0]:
                self._read_extra(fd)
        for text in self.texts:
            text.finish()

    def firmware(self):
        """What came instead of a kernel's first line."""
        return [line for text in self.texts if not text.kernel_seen for line in text.firmware]

    def run(self, timeout=None):
        deadline = time.monotonic() + timeout if timeout else None
        os.set_blocking(self.line, False)
        signals = Signals()
        try:
            if self.terminal:
                self.raw_terminal = RawTerminal(self.stdin)
            if self.attach:
                self._attach()
            return self._loop(signals, deadline)
        finally:
            if self.raw_terminal:
                self.raw_terminal.close()
            signals.close()
            if not (self.out.at_line_start and self.err.at_line_start) and sys.stderr.isatty():
                self.err.write(b"\n")

    def _attach(self):
        self.sender.attach("t" if self.terminal else "s")

    @property
    def parked(self):
        return any(text.parked for text in self.texts)

    def _loop(self, signals, deadline):
        while not self.parked:
            wait = self._wait(deadline)
            if wait is not None and wait <= 0:
                return self._outcome(line_open=True) if self.exit else Outcome("timeout")
            ready = self._poll(signals, wait)
            if signals.read_fd in ready:
                outcome = self._signals(signals.take())
                if outcome:
                    return outcome
            for fd in self.extra.keys() & ready.keys():
                self._read_extra(fd)
            if ready.get(self.line, 0) & ~select.POLLOUT and not self._read_line():
                return self._outcome(line_open=False)
            if self.stdin in ready and self._read_stdin():
                return Outcome("quit")
            self._write_line()
            if self.out.broken and not self.interrupted:
                self.interrupted = True
                self.sender.interrupt()  # nobody reads the output: as SIGPIPE would, ask the application to end
        return self._outcome(line_open=True)

    def _wait(self, deadline):
        ends = [end for end in (deadline if not self.exit else None, self.exit_deadline) if end is not None]
        return min(ends) - time.monotonic() if ends else None

    def _poll(self, signals, wait):
        poll = select.poll()
        poll.register(signals.read_fd, select.POLLIN)
        poll.register(self.line, select.POLLIN | (select.POLLOUT if self.sender.wire else 0))
        for fd in self.extra:
            poll.register(fd, select.POLLIN)
        if self.sender.wants_data() and not self.exit:
            poll.register(self.stdin, select.POLLIN)
        return dict(poll.poll(None if wait is None else max(1, int(wait * 1000) + 1)))

    def _signals(self, numbers):
        for number in numbers:
            if number == signal.SIGINT and not self.interrupted and self.sender.ready:
                self.interrupted = True
                self.sender.interrupt()
                say("interrupt sent; once more ends the machine")
            elif number in Signals.CAUGHT:
                return Outcome("signal", number)
        return None

    def _read_extra(self, fd):
        data = read_some(fd)
        if data:
            self.extra[fd](data)
        elif data == b"":
            del self.extra[fd]

    def _read_line(self):
        data = read_some(self.line)
        if data is None:
            return True
        for event in self.decoder.feed(data):
            self._event(event)
        return bool(data)

    def _event(self, event):
        if isinstance(event, console.Text):
            {"out": self.out.write, "early": self.early.feed}.get(event.channel, self.err.write)(event.data)
        elif isinstance(event, console.Exit):
            self.exit = event
            self.exit_deadline = time.monotonic() + (PARK_SECONDS if self.attach else DRAIN_SECONDS)
        elif isinstance(event, console.OutputProcessing):
            if self.raw_terminal:
                self.raw_terminal.process_output(event.on)
        elif isinstance(event, console.Damaged):
            say(f"damaged frame from the board: {event.what!r}; going on")
        else:
            if isinstance(event, console.Ready) and event.version != 1:
                say(f"the board speaks console protocol {event.version}, this tool 1; trying")
            if isinstance(event, console.Ready):
                self.early.finish()
            self.sender.handle(event)

    def _read_stdin(self):
        data = read_some(self.stdin, console.MAX_BATCH)
        if self.terminal and data and QUIT_KEY in data:
            return True
        if data:
            self.sender.data(data)
        elif data == b"":
            self.sender.end()
        return False

    def _write_line(self):
        if not self.sender.wire:
            return
        try:
            self.sender.written(os.write(self.line, bytes(self.sender.wire[:CHUNK])))
        except BlockingIOError:
            pass
        except OSError:
            self.sender.wire.clear()  # closed: the next read says so

    def _outcome(self, line_open):
        if self.exit:
            return Outcome({"e": "exit", "p": "panic", "f": "fault", "b": "boot"}[self.exit.kind], self.exit.status, line_open)
        self.drain()
        plain = [text.status for text in self.texts if text.status is not None]
        if plain:  # it ended before its console was up
            return Outcome({134: "panic", 139: "fault"}.get(plain[0], "exit"), plain[0], line_open)
        return Outcome("closed", line_open=line_open)


def read_some(fd, limit=CHUNK):
    """Bytes; b"" at the end; None when nothing is there."""
    try:
        return os.read(fd, limit)
    except BlockingIOError:
        return None
    except OSError:
        return b""
