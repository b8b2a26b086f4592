# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""Disks over virtio, memory-mapped and on PCI, and behind an SD host on PCI: what passes over a file cost, that no byte is moved by the processor, many
faults at once on several harts, and what a drive says of itself."""

import os

import pytest

import rig

IO = os.path.join(rig.ROOT, "tests/system/apps/io")
MIB = 12
PAGES = {1: 2000, 4: 40}  # of each thread, by harts: QEMU takes its time between them
COMMANDS = 3 * MIB + 8  # QEMU takes 126 pieces a command; a reader's first windows, and metadata
DISKIO = ("reads", "writes", "flushes", "discards", "zeroes", "errors", "retries", "resets", "split", "unreachable", "dma", "cpu", "bounced",
          "damaged", "late", "device_errors", "slower", "restarts")
DISKSTATS = ("reads", "reads_merged", "sectors_read", "ms_reading", "writes", "writes_merged", "sectors_written", "ms_writing",
             "pending", "ms_busy", "ms_weighted", "discards", "discards_merged", "sectors_discarded", "ms_discarding", "flushes", "ms_flushing")
TRANSPORTS = {"mmio": [], "mmio-modern": ["--qemu-arg=-global", "--qemu-arg=virtio-mmio.force-legacy=off"],
              "pci": ["--sd", "virtio-pci"], "sdhci": ["--sd", "sdhci"],
              "sdhci-64": ["--sd", "sdhci", *(f"--qemu-arg={word}" for word in (
                  "-global", "sdhci-pci.sd-spec-version=3", "-global", "sdhci-pci.capareg=0x157834b4",
                  "-global", "sd-card.spec_version=3"))]}


def counters(result):
    """{pass: {column: number}} of each file."""
    found = {"/proc/diskio": {}, "/proc/diskstats": {}}
    for line in result.out.decode().splitlines():
        name, _, rest = line.partition(" ")
        path, _, rest = rest.partition(" ")
        if path in found:
            columns = DISKIO if path.endswith("diskio") else DISKSTATS
            numbers = [int(word) for word in rest.split()[1 if path.endswith("diskio") else 3:]]
            assert len(numbers) == len(columns), line
            found[path][name] = dict(zip(columns, numbers))
    return found["/proc/diskio"], found["/proc/diskstats"]


def delta(table, begin, end):
    return {column: table[end][column] - table[begin][column] for column in table[end]}


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("harts", [1, 4])
def test_passes(transport, harts, tmp_path):
    card = tmp_path / "card.img"
    queues = ["--qemu-arg=-global", f"--qemu-arg=virtio-blk-device.num-queues={harts}"]
    result = rig.run(IO, "--image", card, "--smp", harts, "--memory", "256M", *queues, *TRANSPORTS[transport],
                     argv=[MIB, 8, PAGES[harts]])
    assert result.status == 0 and result.out.endswith(b"done\n"), rig.text_of(result)
    rig.check_fs(card)
    commands, stats = counters(result)
    read, written, faults = delta(commands, "begin", "read"), delta(commands, "read", "written"), delta(commands, "written", "threads")
    assert MIB // 2 <= read["reads"] <= COMMANDS, read
    assert MIB // 2 <= written["writes"] <= COMMANDS, written
    assert written["flushes"] >= 1
    assert faults["reads"] >= PAGES[harts], faults  # a page each; the threads meet on some, and some meet in the queue
    for end in commands.values():
        assert end["cpu"] == end["bounced"] == end["errors"] == end["retries"] == end["resets"] == end["unreachable"] == 0, end
        assert end["damaged"] == end["late"] == end["device_errors"] == end["slower"] == end["restarts"] == 0, end
    assert read["dma"] >= MIB << 20 and written["dma"] >= MIB << 20
    assert delta(stats, "begin", "read")["sectors_read"] >= MIB << 11
    end = stats["threads"]
    assert end["ms_busy"] > 0 and end["ms_weighted"] >= end["ms_reading"] > 0 and end["pending"] == 0, end


def test_line_shared_by_several_devices(tmp_path):
    """More devices on PCI than it has interrupt lines."""
    card = tmp_path / "card.img"
    more = [f"--qemu-arg={word}" for _ in range(5) for word in ("-device", "virtio-rng-pci")]
    result = rig.run(IO, "--image", card, "--memory", "256M", "--sd", "virtio-pci", *more, argv=[2, 4, 100])
    assert result.status == 0 and result.err.count("virtio-rng: a seed of 64 bytes") == 5, rig.text_of(result)
    rig.check_fs(card)
