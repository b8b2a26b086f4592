# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""What an application is: a folder with .c files, or a single .c file, and perhaps an app.toml beside them.

app.toml, or NAME.toml beside a single NAME.c; all keys optional, paths relative to its folder:

    sources = ["../shared/*.c"]     # beside the folder's own *.c
    includes = ["include"]          # include paths
    defines = ["LEVEL=2"]
    libraries = ["lib/libfoo.a"]    # static libraries for the board
    files = ["data"]                # files and folders copied into the card's root when a card is made
    fixed_sources = true            # only `sources`, not the folder's *.c
"""

import glob
import hashlib
import os
import tomllib
from dataclasses import dataclass, field

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Folders under apps/ that are libraries of their own, linked to every application that needs them.
LIBRARIES = ("maplog",)
# Test programs: each folder, or each test_*.c, is an application.
TEST_FOLDERS = ("tests/system/apps/*", "tests/crash/apps/*")
TEST_FILES = ("tests/guest/test_*.c",)
ORACLE_FILES = "tests/oracle/*.c"  # run on the board and on this machine
TOML_LISTS = ("sources", "includes", "defines", "libraries", "files")


class AppError(Exception):
    pass


@dataclass
class App:
    name: str
    folder: str  # absolute
    origin: str  # the folder, or the single .c file: what load() took
    output: str  # below build/<variant>/, without suffix
    sources: list = field(default_factory=list)  # absolute
    includes: list = field(default_factory=list)
    defines: list = field(default_factory=list)
    libraries: list = field(default_factory=list)
    files: list = field(default_factory=list)

    @property
    def inside(self):
        return is_inside(self.folder)


def is_inside(path):
    return os.path.commonpath([ROOT, path]) == ROOT


def relative(path):
    """As messages show it: from the project's root if it lies there."""
    return os.path.relpath(path, ROOT) if is_inside(path) else path


def read_toml(path):
    if not os.path.exists(path):
        return {}
    try:
        with open(path, "rb") as file:
            table = tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise AppError(f"{relative(path)}: {error}") from error
    for key, value in table.items():
        if key == "fixed_sources":
            if not isinstance(value, bool):
                raise AppError(f"{relative(path)}: fixed_sources must be true or false")
        elif key not in TOML_LISTS:
            raise AppError(f"{relative(path)}: unknown key {key}; known: {', '.join(TOML_LISTS)}, fixed_sources")
        elif not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise AppError(f"{relative(path)}: {key} must be a list of strings")
    return table


def output_of(folder, name):
    if not is_inside(folder):
        return f"outside/{hashlib.sha256(folder.encode()).hexdigest()[:8]}/{name}"
    parent = os.path.relpath(os.path.dirname(folder), ROOT)
    return name if parent == "apps" else f"{parent}/{name}"


def load_file(path):
    folder, file = os.path.split(path)
    name = file[: -len(".c")]
    table = read_toml(os.path.join(folder, f"{name}.toml"))
    return load_table(name, folder, path, output_of(os.path.join(folder, name), name), table, [path])


def load_folder(folder):
    table = read_toml(os.path.join(folder, "app.toml"))
    sources = [] if table.get("fixed_sources") else sorted(glob.glob(os.path.join(glob.escape(folder), "*.c")))
    name = os.path.basename(folder)
    return load_table(name, folder, folder, output_of(folder, name), table, sources)


def load_table(name, folder, origin, output, table, sources):
    for pattern in table.get("sources", []):
        found = sorted(glob.glob(os.path.join(glob.escape(folder), pattern)))
        if not found:
            raise AppError(f"{relative(origin)}: its .toml: no source file matches {pattern}")
        sources += [os.path.normpath(f) for f in found]
    if not sources:
        raise AppError(f"{relative(folder)} holds no .c file; an application needs at least one with main()")

    def paths(key):
        return [os.path.normpath(os.path.join(folder, item)) for item in table.get(key, [])]

    for key in ("includes", "libraries", "files"):
        for path in paths(key):
            if not os.path.exists(path):
                raise AppError(f"{relative(origin)}: its .toml: {key}: {path} does not exist")
    return App(name, folder, origin, output, sources, paths("includes"), table.get("defines", []), paths("libraries"),
               paths("files"))


def names():
    """Applications under apps/."""
    found = {os.path.basename(os.path.dirname(f)) for f in glob.glob(os.path.join(glob.escape(ROOT), "apps/*/*.c"))}
    return sorted(found - set(LIBRARIES))


def load(what):
    """A name under apps/, a folder, or a .c file."""
    if what in names():
        return load_folder(os.path.join(ROOT, "apps", what))
    path = os.path.abspath(what)
    if os.path.isdir(path):
        return load_folder(path)
    if path.endswith(".c") and os.path.isfile(path):
        return load_file(path)
    raise AppError(f"no application {what}: neither under apps/ ({', '.join(names()) or 'none'}) nor a folder")


def oracle():
    return [load_file(f) for f in sorted(glob.glob(os.path.join(glob.escape(ROOT), ORACLE_FILES)))]


def tests():
    """The test programs that run on the board only."""
    root = glob.escape(ROOT)
    folders = [f for pattern in TEST_FOLDERS for f in sorted(glob.glob(os.path.join(root, pattern))) if os.path.isdir(f)]
    files = [f for pattern in TEST_FILES for f in sorted(glob.glob(os.path.join(root, pattern)))]
    return [load_folder(f) for f in folders] + [load_file(f) for f in files]
