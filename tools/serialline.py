# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""`./cairn console TTY`: the console protocol on a real serial line."""

import os
import termios

from tools import launcher
from tools.session import Session
from tools.ui import Failure, say


def open_line(path, baud):
    speed = getattr(termios, f"B{baud}", None)
    if speed is None:
        raise Failure(f"{baud} bits per second is no speed this machine knows", "Common: 115200, 230400, 460800, 921600, 1500000.", 2)
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError as error:
        hint = "Add yourself to the group dialout, or use sudo." if isinstance(error, PermissionError) else "Is the cable in?"
        raise Failure(f"{path}: {error.strerror}", hint, launcher.STATUS_LAUNCHER) from error
    try:
        control = termios.CS8 | termios.CREAD | termios.CLOCAL
        characters = termios.tcgetattr(fd)[6]
        termios.tcsetattr(fd, termios.TCSANOW, [0, 0, control, 0, speed, speed, characters])
    except termios.error as error:
        os.close(fd)
        raise Failure(f"{path} is no serial line: {error.args[1]}", "", launcher.STATUS_LAUNCHER) from error
    return fd


def talk(path, baud, timeout):
    launcher.open_missing_streams()
    terminal = launcher.has_terminal()
    line = open_line(path, baud)
    try:
        if terminal:
            say("Ctrl-D ends the input, Ctrl-C interrupts, Ctrl-T lists the threads, Ctrl-\\ leaves (the board goes on)")
        return launcher.conclude(Session(line, terminal, attach=True, show_firmware=True).run(timeout), timeout)
    finally:
        os.close(line)
