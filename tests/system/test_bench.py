# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""./cairn bench: every figure is there, counts repeat from boot to boot, and the same source runs on this machine."""

import glob
import os
import re
import subprocess

import pytest

import needs
import rig
from tools import bench, emulator, image

BOUNDS = {  # guest instructions: from what no implementation undercuts to what would be a fault of the benchmark. What waits for
    # the card is measured by a clock that goes on while this machine does other things: there the bound says "it ended".
    "clock_read": (10, 1e3), "mutex_uncontended": (10, 1e3), "mutex_recursive": (10, 1e3), "thread_yield_alone": (20, 5e3),
    "thread_switch_yield": (50, 1e4), "thread_switch_sem": (100, 2e4), "thread_switch_cond": (100, 2e4), "wake_to_run": (100, 2e4),
    "thread_create_join": (500, 5e5),
    "fault_anon": (600, 2e4), "fault_anon_read": (100, 1e4), "fault_file": (100, 2e4), "fault_file_around": (10, 5e3),
    "fault_file_store": (100, 2e4), "fault_file_restore": (100, 2e4), "fault_copy": (600, 2e4), "protect_page": (100, 2e4),
    "protect_each": (10, 5e3), "unmap_each": (10, 5e3), "unmap_each_file": (10, 5e3), "mmap_munmap": (500, 3e4), "mmap_munmap_100k": (500, 3e4),
    "fault_anon_100k": (500, 2e4),
    "stat_1": (200, 2e4), "stat_4": (400, 5e4), "stat_absent": (200, 2e4), "open_close": (300, 2e4),
    "read_4k": (600, 2e4), "read_4k_random": (600, 2e4), "write_4k": (600, 2e4), "write_4k_random": (600, 2e4),
    "read_64k": (9e3, 2e5), "write_64k": (9e3, 2e5), "readdir_each": (100, 2e4), "file_create": (1000, 1e6), "file_fill": (1000, 1e6),
    "file_unlink": (1000, 1e6),
    "disk_read": (2e4, 2e9), "disk_read_raw": (2e4, 2e9), "disk_write": (2e4, 2e9), "disk_write_raw": (2e4, 2e9), "disk_append": (2e4, 2e9),
    "disk_read_cpu": (2e4, 1e7), "disk_write_cpu": (2e4, 1e7), "disk_read_raw_cpu": (2e4, 1e7), "disk_write_raw_cpu": (2e4, 1e7),
    "disk_read_commands": (0.5, 4), "disk_write_commands": (0.5, 4),
    "disk_random_1": (2e3, 2e9), "disk_random_4": (2e3, 2e9), "disk_random_16": (2e3, 2e9),
}
UNITS = {"disk_read": "insn/MiB", "disk_read_raw": "insn/MiB", "disk_write": "insn/MiB", "disk_write_raw": "insn/MiB", "disk_append": "insn/MiB",
         "disk_read_cpu": "insn/MiB", "disk_write_cpu": "insn/MiB", "disk_read_raw_cpu": "insn/MiB",
         "disk_write_raw_cpu": "insn/MiB", "disk_read_commands": "commands/MiB",
         "disk_write_commands": "commands/MiB"}  # others: insn/op
WAITING = {"file_create", "file_fill", "file_unlink", *(name for name in BOUNDS if name.startswith("disk_"))}  # for the card, whose time is counted too; and run once
CROWDED = {"mmap_munmap_100k", "fault_anon_100k"}
REPETITIONS = 5
OF_RAW = {"virtio": 0.95, "sdhci": 0.9}  # at least so much of the device's own rate has a file
SAME = 0.005


def medians(result):
    """{name: (median, unit)} of the table, and all columns as they should be."""
    assert result.status == 0, rig.text_of(result)
    head, _, rows = result.out.decode().partition("\n\n")
    assert "QEMU emulator version" in head and "release build, riscv64-unknown-elf-gcc" in head and "insn/op: guest" in head
    names, *lines = rows.splitlines()
    assert names.split() == ["name", "median", "unit", "least", "most", "spread", "n"]
    found = {}
    for line in lines:
        name, median, unit, least, most, spread, number = line.split()
        assert float(least) <= float(median) <= float(most) and re.fullmatch(r"\d+\.\d\d%", spread), line
        assert int(number) == (1 if name in WAITING else REPETITIONS), line
        found[name] = float(median), unit
    return found


def check_of_raw(found, sd):
    """A file's sequential pass takes hardly more instructions than the same of its device; the card's time is alike for both."""
    for name in ("disk_read", "disk_write"):
        share = found[f"{name}_raw_cpu"][0] / found[f"{name}_cpu"][0]
        assert share >= OF_RAW[sd], f"{name}, {sd}: {share:.3f}"


@pytest.mark.default
def test_counts_are_plausible_and_repeat():
    first, second = (medians(rig.cairn("bench", "--icount", "--boots", 1, seconds=300)) for _ in range(2))
    assert first.keys() == second.keys() == BOUNDS.keys()
    for name, (least, most) in BOUNDS.items():
        value, unit = first[name]
        assert unit == UNITS.get(name, "insn/op") and least < value < most, f"{name}: {value} {unit}"
        assert name in WAITING or abs(second[name][0] - value) <= SAME * value, f"{name}: {value} and {second[name][0]}"
    check_of_raw(first, "virtio")
    assert first["fault_file_around"] < first["fault_file"] < first["fault_copy"]
    for name in CROWDED:  # the logarithm of the number of mappings at most
        assert first[name][0] < 2 * first[name.removesuffix("_100k")][0], f"{name}: {first[name][0]}"
    assert first["stat_1"] < first["open_close"] and first["stat_1"] < first["stat_4"]
    assert first["read_4k"] < first["read_64k"] and first["write_4k"] < first["write_64k"]
    assert first["thread_yield_alone"] < first["thread_switch_yield"] < first["thread_create_join"]


@pytest.mark.default
def test_a_file_behind_sdhci():
    found = medians(rig.cairn("bench", "--icount", "--boots", 1, "--sd", "sdhci", seconds=200))
    assert found.keys() == {name for name in BOUNDS if name.startswith("disk_")}
    check_of_raw(found, "sdhci")


LATENCIES = [f"{name}_{share}" for name in ("log_group", "log_each", "msync", "fsync", "fsync_growing") for share in ("p50", "p99", "p999", "max")]
COUNTS = {  # of a record, written, zeros that prepare its place included: committed each, its page and a FLUSH, whatever the file system
    "log_group_bytes": (250, 450, "bytes/record"), "log_group_commands": (0.0005, 0.1, "commands/record"),
    "log_each_bytes": (4096, 4900, "bytes/record"), "log_each_commands": (2, 2.05, "commands/record"),
}


def check_log(found):
    """found: {name: (value, unit)}, of one kind of card."""
    assert {*LATENCIES, *COUNTS, "log_group_rate", "log_each_rate"} <= found.keys()
    for name, (least, most, unit) in COUNTS.items():
        assert found[name][1] == unit and least <= found[name][0] <= most, f"{name}: {found[name]}"
    for at in range(0, len(LATENCIES), 4):
        values = [found[name][0] for name in LATENCIES[at : at + 4]]
        assert 0 < values[0] and values == sorted(values), LATENCIES[at]
    assert 0 < found["log_each_rate"][0] < found["log_group_rate"][0]


@pytest.mark.default
@pytest.mark.parametrize("journal", (False, True), ids=("ext2", "journal"))
def test_what_a_record_costs(journal, tmp_path):
    card = str(tmp_path / "card.img")
    image.make(card, 128 * image.MIB, journal=journal)
    result = rig.run("bench", "--image", card, argv=["log"])
    assert result.status == 0, rig.text_of(result)
    check_log({name: (values[0], unit) for (name, unit), values in bench.figures(result.out.decode()).items()})


@pytest.mark.long
def test_the_record_store():
    result = rig.cairn("bench", "--log", "--icount", "--boots", 1, seconds=1200)
    assert result.status == 0, rig.text_of(result)
    rows = {line.split()[0]: line.split()[1:3] for line in result.out.decode().partition("\n\n")[2].splitlines()[1:]}
    for kind in ("ext2", "journal"):
        found = {name.removesuffix(f"_{kind}"): (float(value), unit) for name, (value, unit) in rows.items() if name.endswith(f"_{kind}")}
        check_log(found)
        assert found["log_recover"][1] == "insn/op" and 1e6 < found["log_recover"][0] < 1e9, found["log_recover"]


START_UP = {  # instructions to main; boot loaders' trees are the boards' own
    "virt_direct": (3e5, 1.8e6), "sifive_u_direct": (3e5, 1.2e7), "visionfive2_direct": (3e5, 8e6),
    "virt_uboot": (3e5, 1.8e6), "sifive_u_uboot": (3e5, 1.2e7), "visionfive2_uboot": (3e5, 4e6),
}
PACKAGES = {"virt_uboot": "u-boot-qemu", "sifive_u_uboot": "u-boot-sifive", "visionfive2_uboot": "u-boot-starfive"}


@pytest.mark.default
def test_start_up():
    result = rig.cairn("bench", "--boot", "--icount", "--boots", 1, seconds=300)
    assert result.status == 0, rig.text_of(result)
    rows = {line.split()[0]: line.split()[1:] for line in result.out.decode().partition("\n\n")[2].splitlines()[1:]}
    expected = {name for name in START_UP if not needs.may_be_lacking() or
                not ((emulator.why_not() and name.startswith("visionfive2")) or
                     (name in PACKAGES and needs.why_no_package(PACKAGES[name])))}
    assert {f"boot_cpu_{name}" for name in expected} == {name for name in rows if name.startswith("boot_cpu_")}, rig.text_of(result)
    for name in expected:
        median, unit = rows[f"boot_cpu_{name}"][:2]
        assert unit == "insn/op" and START_UP[name][0] < float(median) < START_UP[name][1], (name, median)


@pytest.mark.default
def test_the_same_source_runs_here(tmp_path):
    program = tmp_path / "bench"
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-o", program,
                    f"-I{rig.ROOT}/apps", *(source for folder in ("bench", "maplog")
                                           for source in glob.glob(os.path.join(rig.ROOT, "apps", folder, "*.c")))], check=True)
    one = min(os.sched_getaffinity(0))
    done = subprocess.run([program], capture_output=True, text=True, check=True, timeout=120,
                          preexec_fn=lambda: os.sched_setaffinity(0, {one}))
    found = bench.figures(done.stdout)
    with open("/proc/sys/vm/max_map_count", encoding="ascii") as allowed:
        possible = BOUNDS.keys() - (CROWDED if int(allowed.read()) < 101_000 else set())
    possible -= {name for name in BOUNDS if name.startswith("disk_")}  # it was given no disk
    assert {name for name, _ in found} == possible
    for (name, unit), values in found.items():
        assert unit == "ns/op" and len(values) == (1 if name in WAITING else REPETITIONS) and min(values) > 0, name


def test_only_figures_are_read():
    text = "note: hot 5.000 ns/op\nhot 5.000 ns/op\n hot 6 ns/op\nhot 7 MB/s\nhot x ns/op\nhot 9 ns/op\r\nERROR disk full\n"
    assert bench.figures(text) == {("hot", "ns/op"): [5.0, 9.0], ("hot", "MB/s"): [7.0]}


def test_table_names_the_unit_that_was_counted():
    found = {("a", "ns/op"): [3.0, 1.0, 2.0], ("b", "MB/s"): [4.0]}
    assert [line.split() for line in bench.table(found, icount=True).splitlines()[1:]] == [
        ["a", "2.000", "insn/op", "1.000", "3.000", "100.00%", "3"], ["b", "4.000", "MB/s", "4.000", "4.000", "0.00%", "1"]]
    assert "ns/op" in bench.table(found, icount=False)
