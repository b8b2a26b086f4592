# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""./cairn itself: every command's help, set-up, images, applications outside the project, README's example."""

import os
import re
import subprocess

import pytest

import needs
import rig
from tools import build, emulator, image, packages, qemu, testrun
from tools.ui import Failure

COMMANDS = ("setup", "build", "clean", "doctor", "run", "test", "bench", "boards", "image", "flash", "log", "console", "help")
MIB = 1 << 20


@pytest.mark.parametrize("command", COMMANDS)
def test_help_documents_the_exit_statuses(command):
    result = rig.cairn(command, "--help")
    assert result.status == 0 and b"exit status:" in result.out


def test_help_topics():
    listing = rig.cairn("help").out.decode()
    for topic in re.search(r"topics: (.*)", listing)[1].split(", "):
        assert rig.cairn("help", topic).out
    assert rig.cairn("help", "run").out == rig.cairn("run", "--help").out
    assert rig.cairn("help", "no-such-topic").status == 1


@pytest.mark.parametrize("words", [["no-such-command"], ["run", "--memory", "lots"], ["run", "--timeout", "0"], ["run", "--memory", "1M"],
                                   ["run", "--smp", "0"], ["test", "--quick", "--long"], ["bench", "--boots", "0"],
                                   ["bench", "--release", "--debug"]])
def test_wrong_usage(words):
    assert rig.cairn(*words).status == 2


def test_doctor_finds_nothing_missing():
    result = rig.cairn("doctor")
    assert result.status == 0 and b"MISSING" not in result.out, result.out.decode()
    assert b"QEMU emulator version" in result.out


def test_setup_dry_run_changes_nothing():
    result = rig.cairn("setup", "--dry-run")
    assert result.status == 0 and "nothing is missing" in result.err and not result.out


def test_setup_chooses_what_the_distribution_offers(monkeypatch):
    needs = (packages.Need("a", ("new-name", "old-name")), packages.Need("b", ("nowhere",)))
    monkeypatch.setattr(packages, "offered", lambda names: {"old-name"} & set(names))
    chosen, hopeless = packages.choose(needs)
    assert chosen == ["old-name"] and hopeless == [needs[1]]
    monkeypatch.setattr(packages, "offered", lambda names: {"old-name", "new-name"} & set(names))
    assert packages.choose(needs[:1]) == (["new-name"], [])


def test_what_a_board_lacks_is_a_failure_in_a_run_for_all_boards(monkeypatch):
    monkeypatch.setattr(emulator, "why_not", lambda: "it is not built")
    monkeypatch.delenv(needs.VARIABLE, raising=False)
    with pytest.raises(pytest.skip.Exception, match="it is not built"):
        needs.need_emulator()
    monkeypatch.setenv(needs.VARIABLE, "yes")
    with pytest.raises(pytest.fail.Exception, match="it is not built"):
        needs.need_emulator()


def test_emulator_that_cannot_be_built_is_a_failure(monkeypatch, capsys):
    """Only where it was asked for; the other build ends all the same."""
    built = []

    def no_source():
        raise Failure("no mirror")

    monkeypatch.setattr(build, "build_tests", lambda: built.append(1))
    monkeypatch.setattr(emulator, "build", no_source)
    assert testrun.build_all(False) == []
    assert testrun.build_all(True) == [testrun.EMULATOR_FAILED] and len(built) == 2
    assert "error: no mirror" in capsys.readouterr().err


@pytest.mark.parametrize("size, block_size, journal", [(24, 1024, True), (24, 4096, False), (256, 2048, True)])
def test_image_holds_what_it_should(size, block_size, journal, tmp_path):
    (tmp_path / "files/sub").mkdir(parents=True)
    (tmp_path / "files/sub/data").write_bytes(b"content")
    card = tmp_path / "card.img"
    result = rig.cairn("image", "--image", card, "--size", f"{size}M", "--block-size", block_size, "--files", tmp_path / "files")
    assert result.status == 0, rig.text_of(result)
    assert card.stat().st_size == size * MIB
    boot, root = image.partitions(str(card))
    assert (boot.start, boot.size, boot.type) == (MIB, 16 * MIB, image.FAT_GUID)
    assert (root.start, root.size, root.type) == (17 * MIB, (size - 18) * MIB, image.LINUX_GUID)
    assert image.ext2_partition(str(card)) == root
    rig.check_fs(card)
    said = subprocess.run(["/sbin/dumpe2fs", "-h", image.ext2_device(str(card))], capture_output=True, text=True, check=True).stdout
    assert ("has_journal" in said) == journal
    assert rig.take(card, "/sub/data", tmp_path) == b"content"
    assert subprocess.run(["sfdisk", "--verify", card], capture_output=True, check=False,
                          env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"}).returncode == 0


def test_image_for_an_application_boots_by_itself(tmp_path):
    """The boot partition holds the kernel image and what U-Boot reads."""
    card = tmp_path / "card.img"
    result = rig.cairn("image", rig.PROBE, "--image", card)
    assert result.status == 0, rig.text_of(result)
    listing = subprocess.run(["mdir", "-b", "-/", "-i", f"{card}@@{MIB}", "::/"], capture_output=True, text=True, check=True).stdout
    assert "cairn.bin" in listing and "extlinux/extlinux.conf" in listing


def test_image_does_not_overwrite(tmp_path):
    card = tmp_path / "card.img"
    card.write_bytes(b"precious")
    result = rig.cairn("image", "--image", card)
    assert result.status == 1 and "--force" in result.err and card.read_bytes() == b"precious"
    assert rig.cairn("image", "--image", card, "--force").status == 0


def test_image_too_small(tmp_path):
    result = rig.cairn("image", "--image", tmp_path / "card.img", "--size", "10M")
    assert result.status == 1 and "too small" in result.err and not os.listdir(tmp_path)


def test_boot_arguments_have_a_limit():
    with pytest.raises(qemu.Failure, match="boot arguments"):
        qemu.boot_arguments("virtio", "stream", argv=["x" * 5000])


def test_application_outside_the_project(tmp_path):
    app = tmp_path / "my app"
    (app / "include").mkdir(parents=True)
    (app / "data").mkdir()
    (app / "more").mkdir()
    (app / "data/greeting").write_text("from the card\n")
    (app / "include/number.h").write_text("int number(void);\n")
    (app / "more/number.c").write_text('#include "number.h"\nint number(void) { return NUMBER; }\n')
    (app / "main.c").write_text('#include <stdio.h>\n#include "number.h"\nint main(void)\n{\n\tchar line[80];\n'
                                '\tFILE *file = fopen("/greeting", "r");\n\n\tif (!file || !fgets(line, sizeof(line), file))\n'
                                '\t\treturn 1;\n\tprintf("%d %s", number(), line);\n\treturn 0;\n}\n')
    (app / "app.toml").write_text('sources = ["more/*.c"]\nincludes = ["include"]\ndefines = ["NUMBER=42"]\nfiles = ["data"]\n')
    result = rig.run(app, "--image", tmp_path / "card.img", no_build=False)
    assert result.status == 0 and result.out == b"42 from the card\n", rig.text_of(result)


@pytest.mark.parametrize("toml,words", [("sources = [", "app.toml"), ("sauces = []", "unknown key sauces"),
                                        ('sources = "x.c"', "list of strings"), ('files = ["nowhere"]', "nowhere")])
def test_bad_app_toml_is_explained(toml, words, tmp_path):
    (tmp_path / "main.c").write_text("int main(void) { return 0; }\n")
    (tmp_path / "app.toml").write_text(toml)
    result = rig.cairn("build", tmp_path)
    assert result.status == 1 and words in result.err, rig.text_of(result)


def test_failed_build_says_what_to_do(tmp_path):
    (tmp_path / "main.c").write_text("int main(void) { return missing; }\n")
    result = rig.cairn("build", tmp_path)
    assert result.status == 1 and "missing" in result.err and "scons verbose=yes" in result.err, rig.text_of(result)


def readme_example():
    with open(os.path.join(rig.ROOT, "README.md"), encoding="utf-8") as file:
        return re.search(r"```c\n(.*?)```", file.read(), re.DOTALL)[1]


def test_readme_example_works_when_pasted(tmp_path):
    app, card = tmp_path / "counter", tmp_path / "card.img"
    app.mkdir()
    source = readme_example()
    assert len(source.splitlines()) <= 25
    (app / "main.c").write_text(source)
    for run in (1, 2):
        result = rig.run(app, "--image", card, no_build=False)
        assert result.status == 0 and f"started {run} time" in result.out.decode(), rig.text_of(result)
        rig.check_fs(card)


def test_host_board_runs_an_application(tmp_path):
    card = tmp_path / "card.img"
    result = rig.run("hello", "--board", "host", "--image", card, no_build=False)
    assert result.status == 0 and result.out, rig.text_of(result)
    rig.check_fs(card)


def test_scons_alone_lists_targets_and_options():
    done = subprocess.run(["scons", "-h"], cwd=rig.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    for word in ("host-tests", "logger", "build:", "werror:", "app="):
        assert word in done.stdout


STREAMS = """#include <stdio.h>
int main(void)
{
	char line[16] = "";
	FILE *escaped = fopen("%s", "w"), *file = fopen("/note", "w+");

	if (escaped || !file || fputs("a stream\\n", file) < 0)
		return 1;
	rewind(file);
	return !fgets(line, sizeof(line), file) || fclose(file) || printf("%%s", line) < 0;
}
"""


def test_streams_of_the_host_build_reach_the_card_only(tmp_path):
    folder, escaped = tmp_path / "streams", tmp_path / "escaped"
    folder.mkdir()
    (folder / "main.c").write_text(STREAMS % escaped)
    card = tmp_path / "card.img"
    result = rig.run(folder, "--board", "host", "--image", card, no_build=False)
    assert result.status == 0 and result.out == b"a stream\n", rig.text_of(result)
    assert not escaped.exists() and rig.take(card, "/note", tmp_path) == b"a stream\n"


def test_words_for_qemu_may_begin_with_a_dash(tmp_path):
    result = rig.run("hello", "--qemu-arg", "-name", "--qemu-arg", "x", "--image", tmp_path / "card.img")
    assert result.status == 0 and b'argv[0] = "hello"' in result.out, rig.text_of(result)


def test_options_of_a_machine_are_refused_on_the_host(tmp_path):
    result = rig.run("hello", "--board", "host", "--smp", "2", "--image", tmp_path / "card.img", no_build=False)
    assert result.status == 125 and "--smp" in result.err, rig.text_of(result)
