# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""`./cairn test`: builds everything, lets pytest run every suite (tests/conftest.py), counts.

A suite is a folder under tests/. The last line is `N passed, N failed, N skipped`; a build or collection that fails is
one failure.
"""

import os
import subprocess
import sys
import time
import xml.etree.ElementTree as xml
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor

from tools import apps, build, emulator
from tools.ui import Failure, report, say

PYTHON = "/usr/bin/python3"  # the one that has Debian's pytest
JOBS = 2
OUTCOMES = ("passed", "failed", "skipped")
IMAGES = ("crash images", "crash images bad")  # counted by tests/crash, beside outcomes
RESULTS = os.path.join(build.BUILD, "test", "results.xml")
BUILD_FAILED = "build: the build failed"
EMULATOR_FAILED = "build: the emulated VisionFive 2 could not be built"
SUITES = ("style", "host", "fuzz", "guest", "crash", "system", "oracle")  # short ones last, so that no process is left alone for long


def run(pattern, list_only, effort, boards=False):
    """boards: the emulated VisionFive 2 is built too, and tests of boards fail for what they lack. The others run without it."""
    words = [PYTHON, "-m", "pytest", "-p", "no:cacheprovider", "--effort", effort, *(["--boards"] if boards else []), *suites()]
    if pattern:
        words += ["-k", pattern]
    if list_only:
        return listing(words)
    begin = time.monotonic()
    broken = build_all(boards)
    if BUILD_FAILED in broken:
        return conclude(Counter(failed=len(broken)), broken, [], {}, begin)
    os.makedirs(os.path.dirname(RESULTS), exist_ok=True)
    if os.path.exists(RESULTS):
        os.unlink(RESULTS)
    status = subprocess.run([*words, "-n", str(JOBS), "--dist", "worksteal" if has_worksteal() else "load", "-v", "--tb=short",
                             f"--junitxml={RESULTS}", "-o", "junit_family=xunit2"],
                            cwd=apps.ROOT, stdin=subprocess.DEVNULL, check=False).returncode
    if status == 5:  # pytest: nothing collected
        say(f"no test matches {pattern}")
        return conclude(Counter(failed=1), ["selection: no test matches"], [], {}, begin)
    counts, failed, skipped, seconds = read_results(status)
    counts["failed"] += len(broken)
    return conclude(counts, broken + failed, skipped, seconds, begin)


def build_all(boards):
    """Side by side: either has steps that keep one processor busy alone. What failed."""
    work = {BUILD_FAILED: build.build_tests, **({EMULATOR_FAILED: emulator.build} if boards else {})}
    with ThreadPoolExecutor(len(work)) as pool:
        running = {name: pool.submit(function) for name, function in work.items()}
    failures = {name: future.exception() for name, future in running.items() if future.exception()}
    for failure in failures.values():
        if not isinstance(failure, Failure):
            raise failure
        report(failure)
    return list(failures)


def suites():
    return [f"tests/{name}" for name in SUITES if os.path.isdir(os.path.join(apps.ROOT, "tests", name))]


def has_worksteal():
    """pytest-xdist 3.2 and later."""
    from importlib import metadata

    try:
        return tuple(map(int, metadata.version("pytest-xdist").split(".")[:2])) >= (3, 2)
    except metadata.PackageNotFoundError:
        return False


def listing(words):
    result = subprocess.run([*words, "--collect-only", "-q"], cwd=apps.ROOT, stdout=subprocess.PIPE, text=True, check=False)
    names = [line.removeprefix("tests/") for line in result.stdout.splitlines() if "::" in line]
    print("\n".join(names))
    say(f"{len(names)} tests")
    if result.returncode not in (0, 5):
        print(result.stdout, file=sys.stderr)
    return 1 if result.returncode not in (0, 5) else 0


def read_results(status):
    """Counts, names of what failed, names and reasons of what was skipped, seconds per suite."""
    counts, failed, skipped, seconds = Counter(), [], [], defaultdict(float)
    try:
        cases = xml.parse(RESULTS).getroot().iter("testcase")
    except (OSError, xml.ParseError) as error:
        return Counter(failed=1), [f"pytest left no results ({error}; its status {status})"], [], {}
    for case in cases:
        name = f"{case.get('classname', '').removeprefix('tests.').replace('.', '/', 1)}::{case.get('name')}"
        seconds[name.split("/")[0].split("::")[0]] += float(case.get("time") or 0)
        outcomes = {child.tag for child in case}
        inner = [(p.get("name"), p.get("value")) for p in case.iter("property")]
        for figure in IMAGES:
            counts[figure] += sum(int(value) for what, value in inner if what == figure)
        inner = [(outcome, inner_name) for outcome, inner_name in inner if outcome in OUTCOMES]
        for outcome, inner_name in inner:
            counts[outcome] += 1
            if outcome == "failed":
                failed.append(f"{name}: {inner_name}")
            elif outcome == "skipped":
                skipped.append((name, inner_name))
        if outcomes & {"failure", "error"}:
            if not any(outcome == "failed" for outcome, _ in inner):
                counts["failed"] += 1
                failed.append(name)
        elif inner:
            continue
        elif "skipped" in outcomes:
            counts["skipped"] += 1
            skipped.append((name, (case.find("skipped").get("message") or "no reason given").strip()))
        else:
            counts["passed"] += 1
    if status not in (0, 1) or (status and not failed):
        counts["failed"] += 1
        failed.append(f"pytest itself (status {status})")
    return counts, failed, skipped, seconds


def conclude(counts, failed, skipped, seconds, begin):
    print()
    for suite, used in sorted(seconds.items()):
        print(f"{suite:<10}{used:7.1f} s")
    print(f"{'all':<10}{time.monotonic() - begin:7.1f} s by the clock, {JOBS} at a time")
    for name, reason in skipped:
        print(f"skipped: {name}: {reason}")
    for name in failed:
        print(f"FAILED: {name}")
    if counts["crash images"]:
        print(f"{counts['crash images']} crash images, {counts['crash images bad']} bad")
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped", flush=True)
    return 1 if counts["failed"] else 0
