# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""tools/console.py against docs/console.md, and tools/session.py against a fake board on a socket or a terminal."""

import os
import pty
import random
import select
import socket
import subprocess
import sys
import termios
import textwrap
import threading
import time
import tty

import pytest

from tools import session
from tools.console import Credit, Damaged, Decoder, Exit, Ready, Sender, Text

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EVERY_BYTE = bytes(range(256))


def stuff(data):
    return data.replace(b"\x10", b"\x10\x10")


def collect(events):
    text = {}
    others = []
    for event in events:
        if isinstance(event, Text):
            text[event.channel] = text.get(event.channel, b"") + event.data
        else:
            others.append(event)
    return text, others


WIRE = (b"OpenSBI\r\n\x10K[ 0.1] up\n\x10O\x10R10100" + stuff(EVERY_BYTE) + b"\x10Eerr\x10C00ff\x10Omore\x10K[ 1.0] down\n\x10X07e")


@pytest.mark.parametrize("seed", range(20))
def test_decoder_takes_any_cut(seed):
    pick = random.Random(seed)
    decoder, events, at = Decoder(), [], 0
    while at < len(WIRE):
        step = pick.randint(1, 1 + seed)
        events += decoder.feed(WIRE[at : at + step])
        at += step
    text, others = collect(events)
    assert text == {"early": b"OpenSBI\r\n", "kernel": b"[ 0.1] up\n[ 1.0] down\n", "out": EVERY_BYTE + b"more", "err": b"err"}
    assert others == [Ready(1, 0x100), Credit(0xFF), Exit(7, "e")]


def test_decoder_goes_on_after_damage():
    text, others = collect(Decoder().feed(b"\x10R10001a\x10qb\x10Czzzzc\x10X99xd"))
    assert text["out"] == b"abcd"
    assert [type(event) for event in others] == [Ready, Damaged, Damaged, Damaged]


def test_sender_is_silent_before_ready():
    sender = Sender()
    sender.data(b"abc")
    sender.end()
    sender.interrupt()
    assert not sender.wire and not sender.wants_data()
    sender.handle(Ready(1, 2))
    assert bytes(sender.wire) == b"ab"
    sender.handle(Credit(10))
    assert bytes(sender.wire) == b"abc\x10Z"


def test_sender_pays_one_credit_a_data_byte():
    sender = Sender()
    sender.handle(Ready(1, 3))
    sender.data(b"\x10" * 5)
    assert bytes(sender.wire) == b"\x10\x10" * 3
    sender.written(6)
    sender.handle(Credit(1))
    assert bytes(sender.wire) == b"\x10\x10"
    sender.written(2)
    sender.interrupt()
    assert bytes(sender.wire) == b"\x10I", "commands cost nothing"


def test_sender_that_attached_twice():
    """Both requests were heard: what the second grants is less what was sent behind it."""
    sender = Sender()
    sender.attach("s")
    sender.attach("s")
    sender.data(b"x" * 30)
    sender.handle(Ready(1, 8))
    assert bytes(sender.wire) == b"\x10As" * 2 + b"x" * 8
    sender.handle(Ready(1, 12))
    assert bytes(sender.wire) == b"\x10As" * 2 + b"x" * 12


class Board:
    """The board's side, as docs/console.md has it: echoes what it reads, with small credits, then says its status."""

    def __init__(self, descriptor, credit=64, status=0, kind="e", attach=False, last_byte=None, starts=False, parks=False):
        self.fd = descriptor
        self.credit, self.status, self.kind, self.attach = credit, status, kind, attach
        self.starts, self.parks = starts, parks
        self.last_byte = last_byte  # data that ends it, as a line discipline takes Ctrl-D
        self.received = bytearray()
        self.outstanding = 0
        self.overrun = self.interrupts = 0
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def write(self, data):
        view = memoryview(data)
        while view:
            view = view[os.write(self.fd, view) :]

    def run(self):
        if self.attach:
            self.wait_for_request()
        else:
            assert not select.select([self.fd], [], [], 0.2)[0], "nothing is sent before the board says that it may be"
        if self.starts:
            self.write(b"firmware banner\r\n[    0.000001] cairn\n[cairn] ready\ntyped: ")
            self.wait_for_request()
        elif not self.attach:
            self.write(b"firmware banner\n[    0.000001] cairn\n\x10K[    0.1] ready soon\n\x10O")
        self.grant(b"\x10R1")
        escaped = False
        while True:
            for byte in os.read(self.fd, 4096):
                if escaped and byte != 0x10:
                    escaped = False
                    if byte == ord("Z"):
                        return self.finish()
                    self.interrupts += byte == ord("I")
                    continue
                if not escaped and byte == 0x10:
                    escaped = True
                    continue
                escaped = False
                self.data(byte)
                if byte == self.last_byte:
                    return self.finish()

    def wait_for_request(self):
        wanted = b""
        while not wanted.endswith((b"\x10As", b"\x10At")):
            wanted += os.read(self.fd, 1)

    def data(self, byte):
        self.received.append(byte)
        self.outstanding -= 1
        self.overrun += self.outstanding < 0
        self.write(stuff(bytes([byte])))
        if self.outstanding == 0:
            self.grant(b"\x10C")

    def grant(self, command):
        self.outstanding += self.credit
        self.write(command + b"%04x" % self.credit)

    def finish(self):
        self.write(b"\x10Ebye\n\x10X%02x%s" % (self.status, self.kind.encode()))
        if self.parks:
            self.write(b"power: power may be removed now\r\n")
        elif not self.attach:
            os.close(self.fd)


CLIENT = textwrap.dedent("""
    import sys
    sys.path.insert(0, {root!r})
    from tools.session import Session
    from tools import launcher
    session = Session({fd}, launcher.has_terminal(), attach={attach})
    sys.exit(launcher.conclude(session.run(20), 20))
""")


def converse(data, **options):
    near, far = socket.socketpair()
    board = Board(far.detach(), **options)
    client = subprocess.run([sys.executable, "-c", CLIENT.format(root=ROOT, fd=near.fileno(), attach=options.get("attach", False))],
                            input=data, capture_output=True, pass_fds=[near.fileno()], timeout=60, check=False)
    near.close()
    board.thread.join(5)
    return board, client


@pytest.mark.parametrize("data", [b"", b"line\n", EVERY_BYTE * 40, b"\x10" * 1000, b"\x10Z\x10X00e"], ids=len)
def test_stream_session(data):
    board, client = converse(data)
    assert bytes(board.received) == data and not board.overrun
    assert client.stdout == data
    assert client.returncode == 0
    assert client.stderr == b"[    0.000001] cairn\n[    0.1] ready soon\nbye\n"


@pytest.mark.parametrize("status,kind,line", [(7, "e", b"ended with status 7"), (134, "e", b"ended with status 134"),
                                              (134, "p", b"kernel panic (status 134)"),
                                              (139, "f", b"application fault (status 139)"),
                                              (134, "f", b"the application aborted (status 134)"),
                                              (158, "f", b"was ended by signal 30 (status 158)")])
def test_status_and_its_line(status, kind, line):
    _, client = converse(b"x", status=status, kind=kind)
    assert client.returncode == status and line in client.stderr


def test_attach_to_a_running_board():
    board, client = converse(b"hello", attach=True)
    assert bytes(board.received) == b"hello" and client.stdout == b"hello" and client.returncode == 0


@pytest.mark.parametrize("attach", [False, True], ids=["starts", "console is there before it"])
def test_attach_to_a_board_that_starts(attach):
    """With a plain console, which says when it is there; in the end it parks, and nobody waits for more."""
    begin = time.monotonic()
    board, client = converse(b"hello", attach=attach, starts=True, parks=True, status=3)
    assert bytes(board.received) == b"hello" and client.stdout == b"typed: \nhello" and client.returncode == 3
    assert client.stderr.startswith(b"[    0.000001] cairn\nbye\npower: power may be removed now\n")
    assert time.monotonic() - begin < session.DRAIN_SECONDS


def test_line_that_ends_without_status():
    near, far = socket.socketpair()
    os.write(far.fileno(), b"OpenSBI\n")
    far.close()
    client = subprocess.run([sys.executable, "-c", CLIENT.format(root=ROOT, fd=near.fileno(), attach=False)],
                            input=b"", capture_output=True, pass_fds=[near.fileno()], timeout=60, check=False)
    assert client.returncode == 125 and b"without saying its exit status" in client.stderr


def test_serial_console_command():
    """./cairn console TTY on a pseudo-terminal."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    board = Board(master, attach=True, status=5)
    client = subprocess.run([os.path.join(ROOT, "cairn"), "console", os.ttyname(slave), "--timeout", "20"], input=EVERY_BYTE * 4,
                            capture_output=True, timeout=60, check=False)
    board.thread.join(5)
    os.close(slave)
    os.close(master)
    assert client.returncode == 5 and client.stdout == EVERY_BYTE * 4 and not board.overrun


@pytest.mark.parametrize("leave,status", [(b"\x04", 0), (b"\x1c", 125)], ids=["end", "quit key"])
def test_terminal_is_put_back(leave, status):
    near, far = socket.socketpair()
    board = Board(far.detach(), last_byte=0x04)
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    client = subprocess.Popen([sys.executable, "-c", CLIENT.format(root=ROOT, fd=near.fileno(), attach=False)],
                              stdin=slave, stdout=slave, stderr=slave, pass_fds=[near.fileno()])
    shown = b""
    while b"ready soon" not in shown:
        assert select.select([master], [], [], 20)[0]
        shown += os.read(master, 4096)
    os.write(master, b"hi\r\x03" + leave)
    assert client.wait(20) == status
    assert termios.tcgetattr(slave) == before
    if leave == b"\x04":
        assert bytes(board.received) == b"hi\r\x03\x04", "keys arrive as they are typed"
    near.close()
