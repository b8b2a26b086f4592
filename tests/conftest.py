# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""pytest's side of `./cairn test`: how much to run, and C programs as tests.

- --effort quick|default|long; tests marked `default` or `long` are left out below that. C programs find the word in
  CAIRN_TEST_EFFORT.
- --boards: tests of boards fail for what they lack (needs.py).
- tests/host/test_*.c: one item each, run from build/host; tests/guest/test_*.c: the same on QEMU. Both print TAP; the
  cases become properties of the item, which tools/testrun.py counts one by one.
"""

import functools
import os
import re
import subprocess
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

import needs  # noqa: E402
from tools import qemu  # noqa: E402

EFFORTS = ("quick", "default", "long")
SECONDS = {"quick": 120, "default": 400, "long": 7200}  # for one program, on a busy machine
TAP_LINE = re.compile(r"^(not )?ok\b(?: +\d+)?(?: +-)? *(.*?)(?: *# *(SKIP|TODO)\b *(.*))?$", re.IGNORECASE)


def pytest_addoption(parser):
    parser.addoption("--effort", choices=EFFORTS, default="default", help="how much to run")
    parser.addoption("--boards", action="store_true", help="what a test of a board lacks is a failure")


def pytest_configure(config):
    for effort in EFFORTS[1:]:
        config.addinivalue_line("markers", f"{effort}: not run with less effort than this")
    os.environ["CAIRN_TEST_EFFORT"] = config.getoption("--effort")
    if config.getoption("--boards"):
        os.environ[needs.VARIABLE] = "yes"


def pytest_collection_modifyitems(config, items):
    level = EFFORTS.index(config.getoption("--effort"))
    left_out = [item for item in items
                if any(item.get_closest_marker(effort) for effort in EFFORTS[level + 1:])]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def effort(request):
    return request.config.getoption("--effort")


def pytest_collect_file(file_path, parent):
    if file_path.suffix == ".c" and file_path.name.startswith("test_"):
        kind = {"host": HostProgram, "guest": GuestProgram}.get(file_path.parent.name)
        if kind:
            return ProgramFile.from_parent(parent, path=file_path, kind=kind)
    return None


class ProgramFile(pytest.File):
    def __init__(self, *, kind, **arguments):
        super().__init__(**arguments)
        self.kind = kind

    def collect(self):
        for name in self.kind.names(self.path.stem):
            yield self.kind.from_parent(self, name=name)


class ProgramFailure(Exception):
    pass


class Program(pytest.Item):
    """One C test program. run_program gives its status and its output."""

    def runtest(self):
        try:
            status, output, errors = self.run_program(SECONDS[self.config.getoption("--effort")])
        except subprocess.TimeoutExpired as late:
            raise ProgramFailure(f"no end within {late.timeout} s\n{text_of(late.stdout)}{text_of(late.stderr)}") from late
        cases = parse_tap(output)
        self.user_properties += cases
        failed = [case for outcome, case in cases if outcome == "failed"]
        planned = re.search(r"^1\.\.(\d+)", output, re.MULTILINE)
        if status or failed or not cases or (planned and int(planned[1]) != len(cases)):
            raise ProgramFailure(f"status {status}, failed: {failed or 'none named'}, cases seen: {len(cases)}"
                                 f" of {planned[1] if planned else '?'}\n{output}{errors}"[-20000:])

    def repr_failure(self, excinfo):
        if isinstance(excinfo.value, ProgramFailure):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self):
        return self.path, None, self.name


def text_of(output):
    return (output or b"").decode(errors="replace")


def parse_tap(output):
    cases = []
    for line in output.splitlines():
        match = TAP_LINE.match(line.strip())
        if match:
            failed, name, directive, reason = match.groups()
            if directive and directive.upper() == "SKIP":
                cases.append(("skipped", f"{name}: {reason or 'no reason given'}"))
            else:
                cases.append(("failed" if failed else "passed", name))
    return cases


# Run under the thread sanitizer too: RACE_TESTS of SConstruct.
RACE = ("test_locks", "test_pipe", "test_parallel_kernel", "test_parallel_stack", "test_parallel_exerciser", "test_parallel_holes",
        "test_parallel_names", "test_parallel_tmpfs")


class HostProgram(Program):
    @staticmethod
    def names(stem):
        return [stem, f"{stem}[race]"] if stem in RACE else [stem]

    def command(self):
        if not self.name.endswith("[race]"):
            return [os.path.join(ROOT, "build/host/tests/host", self.name)]
        # Where addresses are very random, the thread sanitizer finds no room.
        return ["setarch", "-R", os.path.join(ROOT, "build/race/tests/host", self.path.stem)]

    def run_program(self, seconds):
        environment = {**os.environ, "CMOCKA_MESSAGE_OUTPUT": "TAP", "UBSAN_OPTIONS": "print_stacktrace=1"}
        result = subprocess.run(self.command(), capture_output=True, timeout=seconds, cwd=ROOT, env=environment,
                                check=False, stdin=subprocess.DEVNULL)
        if b"FATAL: ThreadSanitizer" in result.stderr and not result.stdout:
            pytest.skip("the thread sanitizer does not run on this kernel")
        return result.returncode, text_of(result.stdout), text_of(result.stderr)


NO_AD = ",svadu=off"  # a processor that faults where others set the bits A and D, as the boards' do
MACHINES = {"test_stress": ("1", "2", "4", "8", f"2{NO_AD}"), "test_mmap": ("1", "4", f"1{NO_AD}"),
            "test_sched_harts": ("1", "2", "4"), "test_mmap_race": ("1", "2", "4"),
            "test_tenfold": ("1", "2", "4")}
LONG = ("test_tenfold[4]",)
MACHINES_USUAL = ("1", "4")  # numbers of harts
MEMORY = {"test_stress": "32M", "test_mappings": "64M", "test_tenfold": "16M", "test_mmap": "64M"}
CARD = {"test_signal_fault": "64M", "test_try": "64M", "test_falloc": "64M"}  # which they fill


@functools.cache
def qemu_knows(cpu):
    words = [qemu.PROGRAM, "-M", "virt", "-cpu", cpu, "-nodefaults", "-display", "none", "-bios", "none", "-S", "-monitor", "stdio"]
    return subprocess.run(words, input=b"quit\n", capture_output=True, timeout=60, check=False).returncode == 0


class GuestProgram(Program):
    @staticmethod
    def names(stem):
        return [f"{stem}[{machine}]" for machine in MACHINES.get(stem, MACHINES_USUAL)]

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.machine = self.name.split("[")[1].rstrip("]")
        self.harts, *features = self.machine.split(",")
        self.cpu = ",".join(["rv64", *features]) if features else None
        if self.name in LONG:
            self.add_marker(pytest.mark.long)
        elif self.machine != "1":
            self.add_marker(pytest.mark.default)

    def run_program(self, seconds):
        if self.cpu and not qemu_knows(self.cpu):
            return 0, f"1..1\nok 1 - {self.name} # SKIP this QEMU has no -cpu {self.cpu}\n", ""
        card = os.path.join(ROOT, "build/test", f"{self.name}.img")
        os.makedirs(os.path.dirname(card), exist_ok=True)
        if os.path.exists(card):
            os.unlink(card)
        words = [os.path.join(ROOT, "cairn"), "run", str(self.path), "--no-build", "--image", card, "--timeout", str(seconds),
                 "--smp", self.harts, *(["--qemu-arg=-cpu", f"--qemu-arg={self.cpu}"] if self.cpu else []), "--memory", MEMORY.get(self.path.stem, "128M"),
                 "--size", CARD.get(self.path.stem, "256M"), "--", self.config.getoption("--effort")]
        result = subprocess.run(words, capture_output=True, timeout=seconds + 60, cwd=ROOT, check=False,
                                stdin=subprocess.DEVNULL)
        from tools import image

        checked = subprocess.run(["/sbin/e2fsck", "-fn", image.ext2_device(card)], capture_output=True, check=False)
        if checked.returncode:
            raise ProgramFailure(f"e2fsck -fn: {text_of(checked.stdout)}\n{text_of(result.stderr)[-4000:]}")
        os.unlink(card)
        return result.returncode, text_of(result.stdout), text_of(result.stderr)
