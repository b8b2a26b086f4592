# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""The PC's side of the console protocol, docs/console.md. Moves no bytes itself: tools/session.py does."""

from dataclasses import dataclass

DLE = 0x10
MAX_BATCH = 4096  # data bytes framed at a time
CHANNELS = {ord("O"): "out", ord("E"): "err", ord("K"): "kernel"}
ARGUMENTS = {ord("R"): 5, ord("C"): 4, ord("P"): 1, ord("X"): 3}  # command: length of its arguments


@dataclass(frozen=True)
class Text:
    """Bytes on a channel: out, err, kernel, or early (before the board's first frame, and behind its last)."""

    channel: str
    data: bytes


@dataclass(frozen=True)
class Ready:
    version: int
    credits: int


@dataclass(frozen=True)
class Credit:
    credits: int


@dataclass(frozen=True)
class OutputProcessing:
    """Whether the terminal shall make two bytes of a newline."""

    on: bool


@dataclass(frozen=True)
class Exit:
    status: int
    kind: str  # e: exit, p: panic, f: application fault, b: the board could not start the application


@dataclass(frozen=True)
class Damaged:
    """A frame that makes no sense; decoding goes on with the next byte."""

    what: bytes


class Decoder:
    """The board's bytes to events, however they are cut."""

    def __init__(self):
        self.channel = "early"
        self.rest = b""

    def feed(self, data):
        data = self.rest + data
        self.rest = b""
        events = []
        at = 0
        while at < len(data):
            mark = data.find(DLE, at)
            if mark != at:
                end = len(data) if mark < 0 else mark
                self._text(events, data[at:end])
                at = end
                continue
            if mark + 1 >= len(data):
                self.rest = data[mark:]
                break
            length = 2 + ARGUMENTS.get(data[mark + 1], 0)
            if mark + length > len(data):
                self.rest = data[mark:]
                break
            self._command(events, data[mark + 1], data[mark + 2 : mark + length])
            at = mark + length
        return events

    def _text(self, events, data):
        if events and isinstance(events[-1], Text) and events[-1].channel == self.channel:
            events[-1] = Text(self.channel, events[-1].data + data)
        else:
            events.append(Text(self.channel, data))

    def _command(self, events, command, arguments):
        if command == DLE:
            self._text(events, b"\x10")
            return
        if command in CHANNELS:
            self.channel = CHANNELS[command]
            return
        try:
            events.append(parse(command, arguments))
        except ValueError:
            events.append(Damaged(bytes((DLE, command)) + arguments))
            return
        if isinstance(events[-1], Exit):
            self.channel = "early"  # what follows is the firmware's
        elif self.channel == "early":
            self.channel = "out"


def parse(command, arguments):
    if command == ord("R"):
        return Ready(int(arguments[:1]), hexadecimal(arguments[1:]))
    if command == ord("C"):
        return Credit(hexadecimal(arguments))
    if command == ord("P") and arguments in (b"0", b"1"):
        return OutputProcessing(arguments == b"1")
    if command == ord("X") and arguments[2:] in (b"e", b"p", b"f", b"b"):
        return Exit(hexadecimal(arguments[:2]), arguments[2:].decode())
    raise ValueError


def hexadecimal(digits):
    if not all(c in b"0123456789abcdefABCDEF" for c in digits):
        raise ValueError
    return int(digits, 16)


class Sender:
    """What goes to the board: at most as many data bytes as it has granted, nothing before it is ready."""

    def __init__(self):
        self.ready = False
        self.credits = 0
        self.since_attach = None  # data bytes framed since; None: it never had to
        self.pending = bytearray()  # data not yet framed
        self.ended = False  # no more data will come
        self.end_sent = False
        self.wire = bytearray()  # framed, to be written

    def handle(self, event):
        if isinstance(event, Ready):
            self.ready = True
            # What is granted does not know of data behind the request, if an earlier request was heard, too.
            self.credits = event.credits - (self.since_attach or 0)
        elif isinstance(event, Credit):
            self.credits += event.credits
        self._pump()

    def data(self, data):
        assert not self.ended
        self.pending += data
        self._pump()

    def end(self):
        self.ended = True
        self._pump()

    def interrupt(self):
        if self.ready:
            self.wire += b"\x10I"

    def attach(self, mode):
        """mode: s stream, t terminal. For a board that already runs with a plain console."""
        self.wire += b"\x10A" + mode.encode()
        self.since_attach = 0

    def wants_data(self):
        return not self.ended and self.ready and len(self.pending) < MAX_BATCH

    def written(self, count):
        del self.wire[:count]
        self._pump()

    def _pump(self):
        if not self.ready:
            return
        while self.pending and self.credits > 0 and len(self.wire) < MAX_BATCH:
            count = min(len(self.pending), self.credits, MAX_BATCH)
            self.wire += bytes(self.pending[:count]).replace(b"\x10", b"\x10\x10")
            del self.pending[:count]
            self.credits -= count
            if self.since_attach is not None:
                self.since_attach += count
        if self.ended and not self.pending and not self.end_sent:
            self.wire += b"\x10Z"
            self.end_sent = True
