# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""Table of an image's functions for its own backtraces: symbols.py NM ELF OUT.S

The first link makes ELF with an empty table; what this writes goes into the second. Layout: arch/riscv/report.c.
"""

import subprocess
import sys

ROW = 8
TEXT_TYPES = "tTwW"


def functions(nm, elf):
    """(offset from the image's start, name), sorted, one name an address; a global one if there is one."""
    listing = subprocess.run([nm, "--defined-only", elf], check=True, capture_output=True, text=True).stdout
    symbols = [line.split(" ", 2) for line in listing.splitlines()]
    start, end = (next(int(a, 16) for a, _, name in symbols if name == edge) for edge in ("image_text", "image_text_end"))
    chosen = {}
    for address, kind, name in sorted(symbols, key=lambda symbol: (symbol[1] not in "TW", symbol[2])):
        offset = int(address, 16) - start
        if kind in TEXT_TYPES and 0 <= offset < end - start and name != "image_text" and not name.startswith((".L", "$")):
            chosen.setdefault(offset, name)
    return sorted(chosen.items())


def assembly(table):
    names = ROW * (len(table) + 1)
    lines = [".section .symbols, \"a\"", f".word {len(table)}, 0"]
    for offset, name in table:
        lines.append(f".word {offset}, {names}")
        names += len(name) + 1
    lines += [f".asciz \"{name}\"" for _, name in table]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    with open(sys.argv[3], "w", encoding="ascii") as out:
        out.write(assembly(functions(sys.argv[1], sys.argv[2])))
