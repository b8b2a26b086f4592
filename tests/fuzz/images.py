#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""The fuzzer's base images and first inputs, made by mke2fs, debugfs and e2fsck.

images.py FOLDER writes FOLDER/images/*.img and FOLDER/corpus/*. The same versions of these programs make the same bytes.
"""

import os
import subprocess
import sys
import tempfile

TIME = "1700000000"
ENVIRONMENT = {**os.environ, "PATH": os.environ["PATH"] + ":/sbin:/usr/sbin", "E2FSPROGS_FAKE_TIME": TIME,
               "SOURCE_DATE_EPOCH": TIME, "MKE2FS_DETERMINISTIC": "1"}
UUID = "11223344-5566-7788-99aa-bbccddeeff00"

# Name, size, mke2fs's words, whether it was unmounted.
IMAGES = (
    ("1k", "256k", "-b 1024 -I 128 -N 64", True),
    ("1k-256", "256k", "-b 1024 -I 256 -N 64", True),
    ("1k-groups", "768k", "-b 1024 -I 256 -N 96 -g 256", True),
    ("1k-none", "256k", "-b 1024 -O none -N 64", True),
    ("1k-rev0", "256k", "-b 1024 -r 0 -N 64", True),
    ("1k-unclean", "256k", "-b 1024 -I 256 -N 64", False),
    ("1k-remount", "256k", "-b 1024 -I 128 -N 64 -e remount-ro", True),
    ("2k", "512k", "-b 2048 -I 256 -N 64 -O dir_nlink,extra_isize,large_file", True),
    ("4k", "1M", "-b 4096 -I 256 -N 64", True),
    ("4k-unclean", "1M", "-b 4096 -I 128 -N 64", False),
    ("1k-tree", "512k", "-b 1024 -I 128 -N 64", True),
    ("1k-backup", "8400k", "-b 1024 -I 128 -N 64", True),
    ("1k-journal", "2600k", "-b 1024 -I 128 -N 64 -O has_journal -J size=1", True),
)
LOGGED = (1, 2, 2)  # the blocks of 1k-journal that its transactions have; after the second one it is revoked
# Blocks of the indexed directory, its names, and how long they are; in a tree of two levels, if a block has no room for more leaves.
INDEX, INDEX_TREE = (5, 40, 60), (170, 600, 200)


def run(words, stdin=None, good=(0,)):
    result = subprocess.run(words, input=stdin, capture_output=True, text=True, env=ENVIRONMENT, check=False)
    if result.returncode not in good:
        sys.exit(f"{' '.join(words)}: {result.stdout}{result.stderr}")


def contents(folder, block):
    """Files to copy in: their paths by name."""
    def write(name, pieces):
        path = os.path.join(folder, name)
        with open(path, "wb") as file:
            for at, data in pieces:
                file.seek(at)
                file.write(data)
        return path

    pointers = block // 4
    double, triple = 12 + pointers, 12 + pointers + pointers * pointers
    return {
        "small": write("small", [(0, b"small\n")]),
        "large": write("large", [(0, bytes(range(1, 251)) * 60)]),
        "deep": write("deep", [(0, b"d"), (12 * block, b"i"), ((double + 3) * block, b"dd"),
                               ((triple + pointers + 5) * block, b"ddd")]),
        "value": write("value", [(0, b"v" * (block // 2))]),
    }


def script(files, revision0, index):
    blocks, names, length = index
    lines = ["mkdir dir", "mkdir dir/sub", "mkdir many", "mkdir index", f"write {files['small']} small",
             f"write {files['large']} large", f"write {files['deep']} deep", f"write {files['small']} dir/a",
             f"write {files['large']} dir/sub/b", "ln small hard", "sif hard links_count 2", "symlink fast dir/a",
             "symlink slow " + "dir/../" * 12 + "small", "cd dir", "mknod fifo p", "cd /", "mknod device c 4 64",
             "mknod fifo p"]
    lines += [f"ln small many/{i}" for i in range(12)] + ["sif small links_count 14"]
    lines += ["expand_dir index"] * (blocks - 1) + ["ln small index/name-23"]
    lines += [f"ln small index/name-{i}-{'x' * length}" for i in range(names)] + [f"sif small links_count {names + 15}"]
    lines += [f"write {files['small']} gone", "sif gone links_count 0", "sif gone dtime 0", "unlink gone"]
    lines += [f"write {files['small']} attributes"]
    if not revision0:
        lines += [f"ea_set -f {files['value']} attributes user.large", "ea_set attributes user.small here"]
    return "\n".join(lines) + "\n"


def make(path, size, options, clean):
    block = int(options.split()[1])
    with tempfile.TemporaryDirectory() as folder:
        if os.path.exists(path):
            os.unlink(path)
        revision0 = "-r 0" in options
        make_fs(path, size, options)
        run(["debugfs", "-w", "-f", "/dev/stdin", path], script(contents(folder, block), revision0, INDEX_TREE if "tree" in path else INDEX))
        # Counts right, the directory indexed; then one file without a name in the list of orphans.
        run(["e2fsck", "-fy", "-D", path], good=(0, 1))
        run(["e2fsck", "-fn", path])
        lines = "write /dev/null gone\nsif gone links_count 0\nsif gone dtime 0\n"
        number = subprocess.run(["debugfs", "-w", "-f", "/dev/stdin", path], input=lines + "stat gone\n", capture_output=True,
                                text=True, env=ENVIRONMENT, check=True).stdout.split("Inode: ")[1].split()[0]
        run(["debugfs", "-w", "-f", "/dev/stdin", path],
            f"unlink gone\nssv last_orphan {number}\n" + ("" if clean else "ssv state 0\n"))
        if "has_journal" in options:
            write_log(path, block)


def write_log(path, block):
    """Transactions that are to be replayed, with what is there already."""
    for i, number in enumerate(LOGGED):
        with open(path, "rb") as image, tempfile.NamedTemporaryFile() as file:
            image.seek(number * block)
            file.write(image.read(block))
            file.flush()
            run(["debugfs", "-w", "-f", "/dev/stdin", path], f"jo\njw -b {number} {file.name}\njc\n")
        if i == 1:
            run(["debugfs", "-w", "-f", "/dev/stdin", path], f"jo\njw -r {number}\njc\n")


def make_fs(path, size, options):
    """Revision 0 is asked for by another word from e2fsprogs 1.47.1 on."""
    words = ["mke2fs", "-q", "-F", "-t", "ext2", "-U", UUID, "-E", f"hash_seed={UUID}"]
    if "-r 0" in options and subprocess.run([*words, *options.split(), path, size], capture_output=True, env=ENVIRONMENT, check=False).returncode:
        words[-1] += ",revision=0"
        options = options.replace("-r 0", "")
    run([*words, *options.split(), path, size])


def seeds(folder, count):
    """Each image with every operation; and with one change at each kind of place, and without the superblock's magic number."""
    def write(name, data):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(bytes(data))

    for image in range(count):
        write(f"{image:02}-all", [image, 0])
        write(f"{image:02}-few", [image, 0x80])
        write(f"{image:02}-magic", [image, 1, 0, 8, 0, 0, 56, 0, 0, 0, 0, 0])
        for place in range(8):
            write(f"{image:02}-place-{place}", [image, 1, place, 8 + 4, place, 0, place * 4, 0, image, 0, 0, 0])


def main(folder):
    images, corpus = os.path.join(folder, "images"), os.path.join(folder, "corpus")
    os.makedirs(images, exist_ok=True)
    os.makedirs(corpus, exist_ok=True)
    for i, (name, size, options, clean) in enumerate(IMAGES):
        make(os.path.join(images, f"{i:02}-{name}.img"), size, options, clean)
    seeds(corpus, len(IMAGES))


if __name__ == "__main__":
    main(sys.argv[1])
