# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""The machine as ./cairn run shows it: streams, arguments, exit statuses, memory, faults, time-outs."""

import os
import re
import subprocess
import time

import pytest

import inputs
import rig


@pytest.mark.parametrize("console", rig.CONSOLES)
@pytest.mark.parametrize("data", [b"", b"\x10", inputs.short_hostile(), bytes(range(256)) * 200],
                         ids=["empty", "dle", "hostile", "50k"])
def test_streams_are_exact_both_ways(console, data, tmp_path):
    card = tmp_path / "card.img"
    result = rig.probe(card, "cat", options=["--console", console], stdin=data)
    assert result.status == 0 and result.out == data, rig.text_of(result)
    rig.check_fs(card)


@pytest.mark.parametrize("console", rig.CONSOLES)
def test_arguments_arrive(console, tmp_path):
    words = ["plain", "two words", "", "100%", "a%20b", "tab\there", "ümlaut", "--", "-k", 'quote"\\', "x=y"]
    result = rig.probe(tmp_path / "card.img", "args", *words, options=["--console", console])
    expected = "".join(f"{len(word.encode())}:{word}\n" for word in words)
    assert result.status == 0 and result.out.decode() == expected, rig.text_of(result)


@pytest.mark.parametrize("console", rig.CONSOLES)
@pytest.mark.parametrize("value,status", [(0, 0), (7, 7), (256, 0), (-1, 255), (134, 134), (124, 124)])
def test_exit_status(console, value, status, tmp_path):
    result = rig.probe(tmp_path / "card.img", "status", value, options=["--console", console])
    assert result.status == status, rig.text_of(result)
    assert (f"the application ended with status {status}" in result.err) == bool(status)


@pytest.mark.parametrize("console", rig.CONSOLES)
@pytest.mark.parametrize("how", ["null", "wild", "high", "constant", "exec", "stack", "thread"])
def test_application_fault(console, how, tmp_path):
    """A report, a clean file system, status 139, and what was synced before is there."""
    card = tmp_path / "card.img"
    result = rig.probe(card, "die", how, options=["--console", console])
    assert result.status == 139 and "application fault (status 139)" in result.err, rig.text_of(result)
    if how in ("stack", "thread"):
        assert f"stack overflow in thread {'main' if how == 'stack' else 'deep'}:" in result.err
    else:
        assert re.search(r"\b(pc|epc|sepc)\b", result.err), "registers"
        assert how == "exec" or "die" in result.err, "a symbolised backtrace"
    if how == "wild":
        assert "123456789000" in result.err
    rig.check_fs(card)
    assert rig.take(card, "/kept", tmp_path) == b"before the fault\n"


@pytest.mark.parametrize("how,status", [("", 7), ("null", 139)], ids=["exit", "fault"])
@pytest.mark.parametrize("ms", [1, 30, 200, pytest.param(1000, marks=pytest.mark.default)])
def test_end_while_threads_change_files(ms, how, status, tmp_path):
    """The first one's status, a clean file system, and not a word of the other threads'."""
    card = tmp_path / "card.img"
    result = rig.probe(card, "busy", ms, *([how] if how else []))
    assert result.status == status, rig.text_of(result)
    assert "probe:" not in result.err and "SIGBUS" not in result.err and result.err.count("ext2") == 1, rig.text_of(result)
    rig.check_fs(card)


@pytest.mark.parametrize("console", rig.CONSOLES)
def test_panic(console, tmp_path):
    result = rig.probe(tmp_path / "card.img", "die", "panic", options=["--console", console])
    assert result.status == 134 and "kernel panic (status 134)" in result.err, rig.text_of(result)
    report = result.err[result.err.index("the application asked for it"):]
    assert re.search(r"thread \d+ main: running$", report, re.MULTILINE), rig.text_of(result)
    assert re.search(r"thread \d+ reaper: waiting \d+\.\d+ s for queue \"threads\"$", report, re.MULTILINE), rig.text_of(result)
    assert re.search(r"#\d+ +0x[0-9a-f]+ reaper_main\+", report), rig.text_of(result)
    assert "the application asked for it" in result.err and "#0 " in result.err
    assert "die" in result.err, "a symbolised backtrace"


@pytest.mark.parametrize("how", ["store", "copy", "resident"])
def test_application_memory_under_a_spinlock(how, tmp_path):
    """Never, whether the page would have to be fetched or not (I1)."""
    result = rig.probe(tmp_path / "card.img", "touch-locked", how)
    assert result.status == 134 and "panic: " in result.err, rig.text_of(result)
    assert "touch_locked" in result.err, "a symbolised backtrace"


def test_time_out(tmp_path):
    begin = time.monotonic()
    result = rig.probe(tmp_path / "card.img", "hang", seconds=8)
    assert result.status == 124 and "time-out" in result.err and result.out == b"hanging\n", rig.text_of(result)
    assert time.monotonic() - begin < 30


def test_launcher_error(tmp_path):
    result = rig.probe(tmp_path / "card.img", "cat", options=["--qemu-arg=-no-such-option"])
    assert result.status == 125 and "launcher error" in result.err and "no-such-option" in result.err
    result = rig.run(str(tmp_path), "--image", tmp_path / "card.img")
    assert result.status == 125 and "holds no .c file" in result.err


def test_interrupt_ends_the_application(tmp_path):
    machine = subprocess.Popen([rig.CAIRN, "run", rig.PROBE, "--no-build", "--image", str(tmp_path / "card.img"), "--timeout", "60",
                                "--", "hang"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert machine.stdout.readline() == b"hanging\n"
    machine.send_signal(2)
    _, errors = machine.communicate(timeout=60)
    assert machine.returncode == 130, errors
    rig.check_fs(tmp_path / "card.img")


def test_killed_launcher_leaves_no_machine(tmp_path):
    card = str(tmp_path / "card.img")
    machine = subprocess.Popen([rig.CAIRN, "run", rig.PROBE, "--no-build", "--image", card, "--timeout", "60", "--", "hang"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert machine.stdout.readline() == b"hanging\n"
    machine.kill()
    machine.wait()
    deadline = time.monotonic() + 10
    while qemus_with(card) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not qemus_with(card)


def qemus_with(card):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read()
        except OSError:
            continue
        if words.startswith(b"qemu-system") and card.encode() in words:
            found.append(pid)
    return found


@pytest.mark.parametrize("memory", ["32M", "128M", "3G", pytest.param("16G", marks=pytest.mark.default)])
def test_memory_sizes(memory, tmp_path):
    result = rig.probe(tmp_path / "card.img", "keep", "x", options=["--memory", memory])
    assert result.status == 0, rig.text_of(result)
    rig.check_fs(tmp_path / "card.img")


def test_start_up_does_not_grow_with_memory(tmp_path):
    """The time of the kernel's last message before the application, at 128 MiB and at 8 GiB."""
    def started(memory):
        result = rig.probe(tmp_path / f"{memory}.img", "status", "0", options=["--memory", memory])
        assert result.status == 0, rig.text_of(result)
        return max(float(stamp) for stamp in re.findall(r"^\[ *(\d+\.\d+)\]", result.err, re.MULTILINE))

    assert started("8G") < started("128M") + 0.5


def test_several_harts_are_tolerated(tmp_path):
    result = rig.probe(tmp_path / "card.img", "cat", options=["--smp", "4"], stdin=b"hello")
    assert result.status == 0 and result.out == b"hello", rig.text_of(result)


def test_modern_virtio(tmp_path):
    """virtio-mmio version 2; QEMU's default is the legacy one."""
    result = rig.probe(tmp_path / "card.img", "cat", stdin=b"hello",
                       options=["--qemu-arg=-global", "--qemu-arg=virtio-mmio.force-legacy=false"])
    assert result.status == 0 and result.out == b"hello", rig.text_of(result)
    rig.check_fs(tmp_path / "card.img")


def test_quiet(tmp_path):
    stamp = re.compile(r"^\[ *\d+\.\d+\]", re.MULTILINE)
    loud = rig.probe(tmp_path / "card.img", "status", "0")
    quiet = rig.probe(tmp_path / "card.img", "status", "0", options=["--quiet"])
    assert stamp.search(loud.err), "kernel messages carry [seconds]"
    assert not stamp.search(quiet.err), quiet.err


@pytest.mark.default
@pytest.mark.parametrize("block_size", [1024, 4096])
def test_file_larger_than_memory(block_size, tmp_path):
    """256 MiB mapped, written and read back with 64 MiB of RAM; the card read on this machine."""
    card = tmp_path / "card.img"
    result = rig.probe(card, "big", 256, options=["--memory", "64M", "--size", "512M", "--block-size", block_size], seconds=240)
    assert result.status == 0 and b"big 256 MiB good" in result.out, rig.text_of(result)
    rig.check_fs(card)
    data = rig.take(card, "/big", tmp_path)
    assert len(data) == 256 << 20
    for page in (0, 1, 12, 1035, 40000, 65535):
        for word in (0, 7, 511):
            at = page * 4096 + word * 8
            expected = (page * 0x9E3779B97F4A7C15 & (1 << 64) - 1) ^ (word << 20) ^ page
            assert int.from_bytes(data[at : at + 8], "little") == expected, (page, word)
