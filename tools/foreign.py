# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""Packages of another Debian release, for what boards need beyond this machine's: fetched by apt, checked by apt against
the release's signature, unpacked by dpkg, never installed. apt runs with a configuration, state and cache of its own
under build/foreign; the system's are not touched, and nothing needs root.

The mirror is the one that this machine's own apt uses for Debian, or what CAIRN_DEBIAN_MIRROR says. The newest version is fetched,
and recorded with version and checksum. As long as it is there it is used again, whatever is newer; but one that is not among
those that cairn was tested with (TESTED) is replaced by the newest when that list has changed. One process at a time fetches and
unpacks.
"""

import contextlib
import fcntl
import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import tarfile

from tools.build import BUILD
from tools.ui import Failure, say

SUITE = "trixie"
ARCHITECTURE = "riscv64"  # of binary packages; those for all come with it
FOLDER = os.path.join(BUILD, "foreign")
RECORD = os.path.join(FOLDER, "record.json")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
MIRROR_VARIABLE = "CAIRN_DEBIAN_MIRROR"
TESTED = {  # versions, of what is kept under these names
    "binary-meson": ["1.7.0-1"],
    "binary-opensbi": ["1.6-1"],
    "binary-u-boot-qemu": ["2025.01-3+deb13u1"],
    "binary-u-boot-sifive": ["2025.01-3+deb13u1"],
    "binary-u-boot-starfive": ["2025.01-3+deb13u1"],
    "source-qemu": ["1:10.0.13+ds-0+deb13u1"],
}

CONFIGURATION = """\
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
Dir::State "{folder}/state";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
Dir::Etc::sourcelist "{folder}/debian.sources";
Dir::Etc::sourceparts "{folder}/no-parts";
Dir::Etc::preferences "{folder}/no-preferences";
Dir::Etc::preferencesparts "{folder}/no-parts";
Dir::Etc::trustedparts "{folder}/no-parts";
APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
APT::Get::List-Cleanup "false";
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Retries "3";
"""
SOURCES = """\
Types: deb deb-src
URIs: {mirror}
Suites: {suite}
Components: main
Signed-By: {keyring}
"""


def mirror():
    """Where Debian's packages come from."""
    if os.environ.get(MIRROR_VARIABLE):
        return os.environ[MIRROR_VARIABLE]
    try:
        targets = subprocess.run(["apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages"],
                                 capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise Failure("this machine has no apt", "Boards' packages are fetched by apt of Debian or Ubuntu.") from error
    found = [line.split()[1] for line in targets.stdout.splitlines() if line.split()[:1] == ["Debian"] and len(line.split()) == 2]
    if not found:
        raise Failure("this machine's apt knows no Debian mirror",
                      f"Run apt-get update, or set {MIRROR_VARIABLE} to a mirror's address, as in /etc/apt/sources.list.")
    return found[0]


def environment():
    return {**os.environ, "APT_CONFIG": os.path.join(FOLDER, "apt.conf"), "LC_ALL": "C"}


def run(words, folder=FOLDER):
    done = subprocess.run(words, cwd=folder, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=False)
    if done.returncode:
        raise Failure(f"{' '.join(words)} failed; it said at the end:\n" + "\n".join((done.stdout + done.stderr).splitlines()[-8:]),
                      "Check the network; then run the command again.")
    return done.stdout


@contextlib.contextmanager
def lock():
    os.makedirs(FOLDER, exist_ok=True)
    with open(os.path.join(FOLDER, ".lock"), "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@functools.cache
def prepare():
    """apt's configuration and lists, once a process."""
    if not os.path.exists(KEYRING):
        raise Failure(f"{KEYRING} is missing", "Install the package debian-archive-keyring.")
    for name in ("state/lists/partial", "cache/archives/partial", "no-parts"):
        os.makedirs(os.path.join(FOLDER, name), exist_ok=True)
    for name, text in (("status", ""), ("apt.conf", CONFIGURATION.format(folder=FOLDER, architecture=ARCHITECTURE)),
                       ("debian.sources", SOURCES.format(mirror=mirror(), suite=SUITE, keyring=KEYRING))):
        with open(os.path.join(FOLDER, name), "w", encoding="utf-8") as file:
            file.write(text)
    run(["apt-get", "-q", "update"])


def record():
    try:
        with open(RECORD, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return {}


def checksum(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else \
            hashlib.sha256(file.read()).hexdigest()


def kept(key):
    """What was fetched before, if all of it is still as it was."""
    entry = record().get(key)
    if entry and entry["files"] and all(os.path.exists(os.path.join(FOLDER, path)) and checksum(os.path.join(FOLDER, path)) == digest
                                        for path, digest in entry["files"].items()):
        return entry
    return None


def fetch(key, words, version_words, version_pattern):
    """What is kept, or else the newest, downloaded into build/foreign/<key>; the record's entry."""
    old, tested = kept(key), TESTED.get(key, [])
    if old and (old["version"] in tested or old.get("tested", []) == tested):
        return old
    try:
        new = fetch_newest(key, words, version_words, version_pattern, tested)
    except Failure as failure:
        if not old:
            raise
        say(f"{key}: {old['version']}, which was not tested, is used on: {failure}")
        return old
    if tested and new["version"] not in tested:
        say(f"{key}: {new['version']} was not tested; {', '.join(tested)} was")
    return new


def fetch_newest(key, words, version_words, version_pattern, tested):
    """Takes the place of what was kept, once it is there."""
    folder, part = os.path.join(FOLDER, key), os.path.join(FOLDER, f"{key}.part")
    say(f"fetching {key} of Debian {SUITE}")
    prepare()
    versions = re.findall(version_pattern, run(version_words), re.MULTILINE)
    if not versions:
        raise Failure(f"Debian {SUITE} has no {key}", f"Check {MIRROR_VARIABLE}, if it is set.")
    shutil.rmtree(part, ignore_errors=True)
    os.makedirs(part)
    run([*words[:-1], f"{words[-1]}={versions[0]}"], part)
    files = {os.path.join(key, name): checksum(os.path.join(part, name)) for name in sorted(os.listdir(part))}
    shutil.rmtree(folder, ignore_errors=True)
    os.rename(part, folder)
    entry = {"version": versions[0], "files": files, "tested": tested}
    entries = {**record(), key: entry}
    with open(RECORD + ".part", "w", encoding="utf-8") as file:
        json.dump(entries, file, indent=1, sort_keys=True)
    os.replace(RECORD + ".part", RECORD)
    return entry


def source(name):
    """A source package: its version, and the path of its .dsc."""
    with lock():
        entry = fetch(f"source-{name}", ["apt-get", "-q", "source", "--download-only", name],
                      ["apt-cache", "madison", name], rf"^\s*{re.escape(name)} \|\s+(\S+)\s+\| .*Sources$")
    return entry["version"], next(os.path.join(FOLDER, path) for path in entry["files"] if path.endswith(".dsc"))


def binary(name):
    """A binary package: its version, and the folder that it is unpacked in."""
    with lock():
        return unpacked(name)


def unpacked(name):
    entry = fetch(f"binary-{name}", ["apt-get", "-q", "download", name],
                  ["apt-cache", "madison", name], rf"^\s*{re.escape(name)} \|\s+(\S+)\s+\| .*Packages$")
    package = next(iter(entry["files"]))
    root = os.path.join(FOLDER, f"root-{name}")
    stamp = os.path.join(root, ".version")
    if not os.path.exists(stamp) or open(stamp, encoding="utf-8").read() != entry["version"]:
        shutil.rmtree(root, ignore_errors=True)
        run(["dpkg-deb", "-x", os.path.join(FOLDER, package), root])
        with open(stamp, "w", encoding="utf-8") as file:
            file.write(entry["version"])
    return entry["version"], root


def meant_by(name, begin):
    """The package with a name that begins so and that this one depends on; one that was fetched before is as good."""
    with lock():
        for key in record():
            if key.startswith(f"binary-{begin}") and kept(key):
                return key.removeprefix("binary-")
        prepare()
        found = re.search(rf"^\s*Depends: ({re.escape(begin)}\S*)", run(["apt-cache", "depends", name]), re.MULTILINE)
    if not found:
        raise Failure(f"Debian {SUITE}'s {name} depends on no {begin}*", f"Check {MIRROR_VARIABLE}, if it is set.")
    return found[1]


def members(name, pattern):
    """Of a large binary package: its version, and the folder of the files alone whose paths match, by their base names."""
    with lock():
        return unpacked_members(name, pattern)


def unpacked_members(name, pattern):
    entry = fetch(f"binary-{name}", ["apt-get", "-q", "download", name],
                  ["apt-cache", "madison", name], rf"^\s*{re.escape(name)} \|\s+(\S+)\s+\| .*Packages$")
    folder = os.path.join(FOLDER, f"members-{name}")
    stamp, wanted = os.path.join(folder, ".version"), f"{entry['version']} {pattern}"
    if not os.path.exists(stamp) or open(stamp, encoding="utf-8").read() != wanted:
        for old in (folder, folder + ".new"):
            shutil.rmtree(old, ignore_errors=True)
        os.makedirs(folder + ".new")
        words = ["dpkg-deb", "--fsys-tarfile", os.path.join(FOLDER, next(iter(entry["files"])))]
        with subprocess.Popen(words, stdout=subprocess.PIPE) as unpacked, tarfile.open(fileobj=unpacked.stdout, mode="r|") as tar:
            for member in tar:
                if member.isfile() and re.fullmatch(pattern, member.name):
                    with open(os.path.join(folder + ".new", os.path.basename(member.name)), "wb") as file:
                        shutil.copyfileobj(tar.extractfile(member), file)
        with open(os.path.join(folder + ".new", ".version"), "w", encoding="utf-8") as file:
            file.write(wanted)
        os.rename(folder + ".new", folder)
    return entry["version"], folder
