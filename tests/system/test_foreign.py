# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""Which version of a package of Debian's is used: with a mirror of files in place of apt's, and no network."""

import json
import os

import pytest

from tools import foreign
from tools.ui import Failure

KEY = "binary-x"


class Mirror:
    """What apt would find; `there` says whether it can be reached."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.newest, self.there, self.asked = folder, "1", True, 0
        monkeypatch.setattr(foreign, "FOLDER", str(folder))
        monkeypatch.setattr(foreign, "RECORD", str(folder / "record.json"))
        monkeypatch.setattr(foreign, "prepare", self.prepare)
        monkeypatch.setattr(foreign, "run", self.run)
        self.patch = monkeypatch

    def prepare(self):
        self.asked += 1
        if not self.there:
            raise Failure("no network")

    def run(self, words, folder=None):
        if "madison" in words:
            return f" x | {self.newest} | mirror Packages\n x | 0 | mirror Packages\n"
        name, version = words[-1].split("=")
        with open(os.path.join(folder, f"{name}_{version}.deb"), "w", encoding="ascii") as file:
            file.write(version)
        return ""

    def fetch(self, *tested):
        """The version that is used, and whether the mirror was asked."""
        self.patch.setattr(foreign, "TESTED", {KEY: list(tested)} if tested else {})
        before = self.asked
        entry = foreign.fetch(KEY, ["apt-get", "download", "x"], ["apt-cache", "madison", "x"], r"^\s*x \| (\S+) \| .*Packages$")
        assert json.loads((self.folder / "record.json").read_text())[KEY] == entry
        (path, digest), = entry["files"].items()
        assert path == f"{KEY}/x_{entry['version']}.deb" and foreign.checksum(self.folder / path) == digest
        assert (self.folder / path).read_text() == entry["version"] and os.listdir(self.folder / KEY) == [os.path.basename(path)]
        return entry["version"], self.asked > before


@pytest.fixture(name="mirror")
def fake_mirror(tmp_path, monkeypatch):
    return Mirror(tmp_path, monkeypatch)


def test_newest_is_fetched_and_kept(mirror):
    assert mirror.fetch() == ("1", True)
    mirror.newest = "2"
    assert mirror.fetch() == ("1", False)


def test_tested_one_is_kept_while_there_is_a_newer(mirror, capsys):
    assert mirror.fetch("1") == ("1", True)
    mirror.newest = "2"
    assert mirror.fetch("0", "1") == ("1", False)
    assert "not tested" not in capsys.readouterr().err
    (mirror.folder / KEY / "x_1.deb").write_text("damaged")
    assert mirror.fetch("1") == ("2", True)
    assert "binary-x: 2 was not tested; 1 was" in capsys.readouterr().err


def test_one_that_was_not_tested_gives_way_when_others_were(mirror, capsys):
    assert mirror.fetch("0") == ("1", True)
    assert "1 was not tested; 0 was" in capsys.readouterr().err
    mirror.newest = "2"
    assert mirror.fetch("0") == ("1", False)  # nothing has changed since
    mirror.there = False
    assert mirror.fetch("2") == ("1", True)
    assert "1, which was not tested, is used on: no network" in capsys.readouterr().err
    mirror.there = True
    assert mirror.fetch("2") == ("2", True)
    assert mirror.fetch("2") == ("2", False)


def test_nothing_kept_and_no_mirror(mirror):
    mirror.there = False
    with pytest.raises(Failure, match="no network"):
        mirror.fetch("1")
