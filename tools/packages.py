# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""The Debian packages cairn needs, and their installation.

A need names candidates: the first that is installed serves, else the first that this distribution offers. Only apt runs
as root: under sudo, drop_root() makes everything else run as the person who called.
"""

import os
import pwd
import subprocess
import sys
import threading
from collections import deque
from dataclasses import dataclass

from tools.ui import Bar, Failure, say

LOCK_SECONDS = 300
REFERENCE = ("debian 12", "debian 13", "ubuntu 24.04")


@dataclass(frozen=True)
class Need:
    what_for: str
    candidates: tuple
    tests_only: bool = False
    version: tuple = ()  # the command that prints it
    emulator_only: bool = False  # for building the emulated VisionFive 2


NEEDS = (
    Need("the machine", ("qemu-system-riscv", "qemu-system-misc"), version=("qemu-system-riscv64", "--version")),
    Need("the board's firmware", ("opensbi",)),
    Need("the board's compiler", ("gcc-riscv64-unknown-elf",), version=("riscv64-unknown-elf-gcc", "--version")),
    Need("the board's C library", ("picolibc-riscv64-unknown-elf",)),
    Need("the build", ("scons",)),
    Need("the host build", ("gcc",), version=("gcc", "--version")),
    Need("the host build's C library", ("libc6-dev",)),
    Need("device trees", ("device-tree-compiler",), version=("dtc", "--version")),
    Need("ext2 on cards", ("e2fsprogs",), version=("mke2fs", "-V")),
    Need("FAT on cards", ("dosfstools",)),
    Need("files on FAT", ("mtools",)),
    Need("partition tables", ("fdisk",), version=("sfdisk", "--version")),
    Need("card layouts of one's own", ("genimage",)),
    Need("unit tests", ("libcmocka-dev",), True),
    Need("device trees in unit tests", ("libfdt-dev",), True),
    Need("system tests", ("python3-pytest",), True),
    Need("system tests, two at a time", ("python3-pytest-xdist",), True),
    Need("terminal tests", ("python3-pexpect",), True),
    Need("the second compiler", ("clang",), True, ("clang", "--version")),
    Need("the second compiler's sanitizers and fuzzer", ("libclang-rt-dev", "libclang-rt-18-dev"), True),
    Need("layout of the source", ("clang-format-14", "clang-format"), True, ("clang-format-14", "--version")),
    Need("static checks", ("clang-tidy",), True, ("clang-tidy", "--version")),
    Need("more static checks", ("cppcheck",), True, ("cppcheck", "--version")),
    Need("the emulator's build", ("ninja-build",), emulator_only=True),
    Need("the emulator's libraries", ("libglib2.0-dev",), emulator_only=True),
    Need("the emulator's device trees", ("libfdt-dev",), emulator_only=True),
    Need("the emulator's Python", ("python3-venv",), emulator_only=True),
    Need("the emulator's source", ("dpkg-dev",), emulator_only=True),
    Need("what Debian signs its releases with", ("debian-archive-keyring",)),
)


def distribution():
    """ID and version, such as "debian 12"."""
    fields = {}
    try:
        with open("/etc/os-release", encoding="utf-8") as file:
            for line in file:
                key, _, value = line.strip().partition("=")
                fields[key] = value.strip('"')
    except OSError:
        pass
    return f"{fields.get('ID', 'unknown')} {fields.get('VERSION_ID', '')}".strip()


def installed(names):
    """Those of the packages that are installed, with their versions."""
    try:
        result = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Abbrev} ${Version}\\n", *names],
                                capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise Failure("this machine has no dpkg", f"cairn installs its tools on {', '.join(REFERENCE)}.") from error
    rows = (line.split() for line in result.stdout.splitlines())
    return {row[0]: row[-1] for row in rows if len(row) == 3 and row[1] == "ii"}


def missing(with_tests, with_emulator=False):
    wanted = [need for need in NEEDS if (with_tests or not need.tests_only) and (with_emulator or not need.emulator_only)]
    present = installed([name for need in wanted for name in need.candidates])
    return [need for need in wanted if not any(name in present for name in need.candidates)]


def offered(names):
    """Those of the packages that apt could install."""
    result = subprocess.run(["apt-cache", "policy", *names], capture_output=True, text=True, check=False,
                            env={**os.environ, "LC_ALL": "C"})
    found, name = set(), None
    for line in result.stdout.splitlines():
        if line and not line.startswith(" "):
            name = line.strip().rstrip(":")
        elif line.strip().startswith("Candidate:") and "(none)" not in line:
            found.add(name)
    return found


def choose(needs):
    """Package names to install, and the needs that nothing serves."""
    have = offered([name for need in needs for name in need.candidates])
    chosen, hopeless = [], []
    for need in needs:
        name = next((name for name in need.candidates if name in have), None)
        chosen.append(name) if name else hopeless.append(need)
    return chosen, hopeless


def apt_prefix():
    if os.geteuid() == 0:
        return []
    if subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0 or sys.stdin.isatty():
        return ["sudo"]
    raise FileNotFoundError("sudo")


def apt(words, title):
    """Runs apt-get; the bar follows its status lines, which sudo would not let through. Its status and last words."""
    read_fd, write_fd = os.pipe()
    root = os.geteuid() == 0
    command = [*apt_prefix(), "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-y", "-q",
               "-o", f"DPkg::Lock::Timeout={LOCK_SECONDS}", "-o", "Acquire::Retries=3", "-o", "Dpkg::Use-Pty=0",
               *(["-o", f"APT::Status-Fd={write_fd}"] if root else []), *words]
    last = deque(maxlen=15)
    with Bar(title) as bar, os.fdopen(read_fd) as status:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL if root else None, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, errors="replace", pass_fds=[write_fd])
        os.close(write_fd)
        reader = threading.Thread(target=follow, args=(status, bar), daemon=True)
        reader.start()
        last.extend(line.rstrip() for line in process.stdout)
        process.wait()
        reader.join(5)
    return process.returncode, list(last)


def follow(status, bar):
    """apt's status lines, kind:package:percent:text; fetching is the first half."""
    for line in status:
        fields = line.split(":", 3)
        if fields[0] in ("dlstatus", "pmstatus") and len(fields) == 4 and fields[2].replace(".", "", 1).isdigit():
            bar.update((0.0 if fields[0] == "dlstatus" else 0.5) + float(fields[2]) / 200, fields[3].strip())


def setup(with_tests=True, dry_run=False, with_emulator=False):
    """Installs what is missing. True if it had to do something."""
    needs = missing(with_tests, with_emulator)
    if not needs:
        return False
    if distribution() not in REFERENCE:
        say(f"{distribution()} is not one of {', '.join(REFERENCE)}; trying all the same")
    names = ", ".join(need.candidates[0] if len(need.candidates) == 1 else " or ".join(need.candidates) for need in needs)
    if dry_run:
        return dry(needs, names)
    say(f"installing with apt: {names}")
    try:
        code, text = apt(["update"], "apt: lists")
        if code:
            say("apt-get update failed; going on with the package lists that are here")
            for line in text[-3:]:
                say(f"  {line}")
        chosen, hopeless = choose(needs)
        if hopeless:
            raise Failure("no package for " + ", ".join(f"{n.what_for} ({' or '.join(n.candidates)})" for n in hopeless),
                          "Check /etc/apt/sources.list (on Ubuntu the component `universe` is needed) and the network.")
        code, text = apt(["install", "--no-install-recommends", *chosen], "apt: install")
    except FileNotFoundError as error:
        raise Failure("packages are missing, and installing them needs root",
                      f"Run as root, or: sudo apt-get install --no-install-recommends {' '.join(choose(needs)[0])}") from error
    if code:
        raise Failure("apt-get install failed; it said at the end:\n" + "\n".join(text),
                      "Mend what apt complains about (`apt-get -f install`, network, disk space), then run the command again.")
    return True


def dry(needs, names):
    chosen, hopeless = choose(needs)
    say(f"missing: {names}")
    if chosen:
        print(f"apt-get install --no-install-recommends {' '.join(chosen)}")
    for need in hopeless:
        say(f"not in apt's present lists: {' or '.join(need.candidates)} ({need.what_for}); setup runs apt-get update first")
    return True


def drop_root():
    """Under sudo: from here on as the person who called."""
    uid, gid = int(os.environ.get("SUDO_UID", "0")), int(os.environ.get("SUDO_GID", "0"))
    if os.geteuid() != 0 or uid == 0:
        return
    try:
        user = pwd.getpwuid(uid)
        os.initgroups(user.pw_name, gid)
        os.environ.update(HOME=user.pw_dir, USER=user.pw_name, LOGNAME=user.pw_name)
    except KeyError:
        os.setgroups([gid])
    os.setgid(gid)
    os.setuid(uid)
