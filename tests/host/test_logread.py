# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""The logger and the PC's reader as plain Linux programs: every form of output, damage, exit statuses."""

import base64
import csv
import io
import json
import os
import random
import subprocess

import pytest

BUILD = os.path.join(os.path.dirname(__file__), "..", "..", "build", "host")


def logger(folder, data, *options, status=0):
    result = subprocess.run([os.path.join(BUILD, "plain-logger"), "--dir", folder, *options], input=data, capture_output=True,
                            timeout=60, check=False)
    assert result.returncode == status, result.stderr
    return result


def logread(folder, *options, status=0):
    result = subprocess.run([os.path.join(BUILD, "logread"), *options, folder], capture_output=True, timeout=60, check=False)
    assert result.returncode == status, result.stderr
    return result


def hostile(seed):
    """Very long and empty lines, lengths around the size of a part, every byte value, no newline at the end."""
    rng = random.Random(seed)
    lines = [rng.randbytes(rng.choice([0, 1, 7, 300, 8191, 8192, 8193, 16384, 16385, 100_000])) for _ in range(100)]
    return b"\n".join(lines) + bytes(range(256)) + b"the end"


INPUTS = {
    "empty": b"",
    "newline": b"\n",
    "no newline": b"x",
    "a part and no newline": b"x" * 8192,
    "two parts": b"x" * 16384 + b"\n",
    "hostile": hostile(1),
    "text": b"".join(b"line %d\n" % i for i in range(20_000)),
    "UTF-8": "grüße, 世界 \U0001f600\n\u2028\"\\\x00\x1f\x7f\n".encode(),
    "not UTF-8": b"\xc0\x80\n\xed\xa0\x80\n\xf4\x90\x80\x80\n\xe2\x82\n\xff\n\x80\n\xf8\x88\x80\x80\x80\n",
}


def joined(rows):
    """The input again, from the parsed rows of --json or --csv."""
    out = b""
    for row in rows:
        data = base64.b64decode(row["base64"], validate=True) if "base64" in row else row["data"].encode()
        out += data + (b"\n" if row["newline"] else b"")
    return out


def json_rows(folder, status=0):
    return [json.loads(line) for line in logread(folder, "--json", status=status).stdout.decode().split("\n") if line]


def csv_rows(folder):
    rows = csv.DictReader(io.StringIO(logread(folder, "--csv").stdout.decode(), newline=""))
    for row in rows:
        kind = {"text": "data", "base64": "base64"}[row["encoding"]]
        yield {kind: row["data"], "newline": row["newline"] == "1", "sequence": int(row["sequence"])}


@pytest.mark.parametrize("name", INPUTS)
def test_round_trip(name, tmp_path):
    data = INPUTS[name]
    logger(tmp_path, data)
    assert logread(tmp_path).stdout == data
    assert joined(json_rows(tmp_path)) == data
    csv.field_size_limit(1 << 20)
    assert joined(csv_rows(tmp_path)) == data


def test_runs_follow_each_other(tmp_path):
    for data in INPUTS.values():
        logger(tmp_path, data)
    assert logread(tmp_path).stdout == b"".join(INPUTS.values())
    rows = json_rows(tmp_path)
    assert sorted({row["boot"] for row in rows}) == list(range(2, len(INPUTS) + 1))  # the first input was empty
    assert all(a["sequence"] + a["records"] == b["sequence"] for a, b in zip(rows, rows[1:]))
    assert all(row["complete"] for row in rows)


def test_summary(tmp_path):
    result = logger(tmp_path, b"a\nb\n" + b"c" * 10_000)
    assert result.stdout == b"logger: 3 lines, 4 records, last durable sequence 4\n"


def test_recycling_is_told_exactly(tmp_path):
    data = b"".join(b"%06d %s\n" % (i, b"." * 90) for i in range(5000))
    result = logger(tmp_path, data, "--segment-bytes", "64K", "--segments", "3")
    kept = logread(tmp_path).stdout
    assert data.endswith(kept) and kept
    assert b"%d oldest records" % (5000 - kept.count(b"\n")) in result.stdout


@pytest.mark.parametrize("policy", ["refuse", "stop"])
def test_full(policy, tmp_path):
    data = b"".join(b"%06d %s\n" % (i, b"." * 90) for i in range(5000))
    result = logger(tmp_path, data, "--segment-bytes", "64K", "--segments", "3", "--policy", policy, status=1)
    assert b"append: No space left on device: the log is full" in result.stderr and result.stderr.count(b"\n") == 1
    kept = logread(tmp_path).stdout
    assert data.startswith(kept) and kept.count(b"\n") > 1000
    assert b"last durable sequence %d\n" % kept.count(b"\n") in result.stdout


def test_line_cut_off(tmp_path):
    """The last part of a long line is lost: the rest stays, marked, and the next line starts on its own."""
    logger(tmp_path, b"first\n" + b"x" * 8192 + b"END\n")
    segment = tmp_path / "0000000001.seg"
    content = bytearray(segment.read_bytes())
    content[content.index(b"END")] ^= 1
    segment.write_bytes(content)
    result = logread(tmp_path, status=1)
    assert result.stdout == b"first\n" + b"x" * 8192 and b"torn after sequence 2" in result.stderr
    assert [row["complete"] for row in json_rows(tmp_path, status=1)] == [True, False]
    assert b"torn" in logger(tmp_path, b"next\n").stderr
    assert logread(tmp_path).stdout == b"first\n" + b"x" * 8192 + b"\nnext\n"


def test_flip_in_the_middle(tmp_path):
    """Behind a damaged record that was acknowledged before, the log goes on."""
    logger(tmp_path, b"one\n")
    logger(tmp_path, b"two\n")
    logger(tmp_path, b"three\n")
    segment = tmp_path / "0000000001.seg"
    segment.write_bytes(segment.read_bytes().replace(b"two", b"twO"))
    result = logread(tmp_path, status=1)
    assert result.stdout == b"one\nthree\n"
    assert b"records 2 to 2 are damaged" in result.stderr
    assert b"records 2 to 2" in logger(tmp_path, b"four\n").stderr
    assert logread(tmp_path, status=1).stdout == b"one\nthree\nfour\n"


@pytest.mark.parametrize("words", [[], ["--xml", "."], [".", "."], ["/nonexistent"]])
def test_wrong_usage(words):
    result = subprocess.run([os.path.join(BUILD, "logread"), *words], capture_output=True, timeout=60, check=False)
    assert result.returncode == 2 and result.stderr


def test_nothing_there(tmp_path):
    assert b"holds no segment files" in logread(tmp_path, status=2).stderr


@pytest.mark.parametrize("words", [["--policy", "hope"], ["--segments", "many"], ["--segments", "-1"], ["more"], ["--delay"],
                                   ["--segment-bytes", "5G"]])
def test_logger_wrong_usage(words, tmp_path):
    assert logger(tmp_path, b"", *words, status=2).stderr


def test_logger_errors_are_one_line(tmp_path):
    result = logger(tmp_path, b"", "--segment-bytes", "1000", status=1)
    assert result.stderr.count(b"\n") == 1 and b"out of range" in result.stderr
    result = logger(tmp_path / "no" / "such", b"", status=1)
    assert result.stderr.count(b"\n") == 1


def test_threads_under_the_thread_sanitizer():
    """The same program as test_maplog_threads. Address space randomisation that it cannot bear is turned off for it."""
    result = subprocess.run(["setarch", "-R", os.path.join(BUILD, "tests/host/maplog_threads_tsan")], capture_output=True,
                            timeout=120, check=False)
    if b"FATAL: ThreadSanitizer" in result.stderr:
        pytest.skip("the thread sanitizer does not run on this kernel")
    assert result.returncode == 0, result.stdout + result.stderr
