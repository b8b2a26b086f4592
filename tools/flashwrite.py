# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""The writing step of ./cairn flash, the only one that needs root: a program of its own, whose standard input is what to do.

A JSON object: `image` and `device`, paths; `identity` of the device, null for a plain file; `unmount`, mount points; `extents`,
[start, length] of the image; `patches`, [start, hexadecimal bytes] that replace or follow what is in the image. It examines the
device again, opens it for itself alone, writes, and reads all of it back from the device. Its output are lines
`PHASE DONE TOTAL`; its status is 0, or 1 with the reason in a line `error REASON`.

The partition table comes last, and an old one goes first: a card whose writing was interrupted is an empty one.
"""

import fcntl
import json
import mmap
import os
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from tools import devices  # noqa: E402
from tools.ui import Failure  # noqa: E402

CHUNK = 4 << 20
ALIGNMENT = 4096
HEAD = 64 << 10  # has the partition table of any kind
BLKFLSBUF, BLKGETSIZE64, BLKGETDISKSEQ, BLKRRPART = 0x1261, 0x80081272, 0x80081280, 0x125F


class Source:
    """The image with its patches."""

    def __init__(self, path, patches):
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.patches = [(start, bytes.fromhex(data)) for start, data in patches]

    def read(self, start, length):
        data = bytearray(length)
        done = 0
        while done < length:
            piece = os.pread(self.fd, length - done, start + done)
            if not piece:
                break  # behind the image there are zeros
            data[done : done + len(piece)] = piece
            done += len(piece)
        for at, patch in self.patches:
            first, last = max(start, at), min(start + length, at + len(patch))
            if first < last:
                data[first - start : last - start] = patch[first - at : last - at]
        return data


def pieces(extents):
    for start, length in extents:
        for at in range(start, start + length, CHUNK):
            yield at, min(CHUNK, start + length - at)


def put(fd, start, data):
    view = memoryview(data)
    while view:
        done = os.pwrite(fd, view, start)
        start, view = start + done, view[done:]


def tell(phase, done, total):
    print(phase, done, total, flush=True)


def write(fd, source, extents, size):
    """All but the head; then, when that is on the card, the head."""
    rest = [(max(start, HEAD), start + length - max(start, HEAD)) for start, length in extents if start + length > HEAD]
    total, done = sum(length for _, length in rest), 0
    tell("writing", 0, total)
    put(fd, 0, bytes(HEAD))
    put(fd, size - HEAD, bytes(HEAD))
    os.fsync(fd)
    for start, length in pieces(rest):
        put(fd, start, source.read(start, length))
        os.fdatasync(fd)  # so that what is told as done is done
        done += length
        tell("writing", done, total)
    put(fd, 0, source.read(0, HEAD))
    os.fsync(fd)


def drop_cache(fd, block):
    if block:
        try:
            fcntl.ioctl(fd, BLKFLSBUF)
        except PermissionError:
            pass  # root's alone, though others may write the device; what verifies reads past the cache in any case
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def read_direct(fd, buffer, start, length):
    """As much as there is; past the page cache if the descriptor is so."""
    done = 0
    with memoryview(buffer) as view:
        while done < length:
            with view[done : -(-length // ALIGNMENT) * ALIGNMENT] as rest:
                got = os.preadv(fd, [rest], start + done)
            if not got:
                break
            done += got
        return bytes(view[:min(done, length)])


def open_past_cache(path, block):
    """A descriptor whose reads come from the device: O_DIRECT. A plain file's file system need not have it."""
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
    except OSError as error:
        if block:
            raise Failure(f"{path} cannot be read past this machine's cache: {error.strerror}") from error
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def verify(path, source, extents, block):
    """Reads what was written; a Failure at the first difference."""
    total, done = sum(length for _, length in extents), 0
    fd = open_past_cache(path, block)
    try:
        with mmap.mmap(-1, CHUNK + 2 * ALIGNMENT) as buffer:
            for start, length in pieces(extents):
                before = start % ALIGNMENT
                got = read_direct(fd, buffer, start - before, length + before)[before:]
                wanted = source.read(start, length)
                if got != wanted:
                    at = next((i for i, pair in enumerate(zip(got, wanted)) if pair[0] != pair[1]), len(got))
                    raise Failure(f"byte {start + at} of the card is not what was written there")
                done += length
                tell("verifying", done, total)
    finally:
        os.close(fd)


def unmount(points):
    for point in points:
        done = subprocess.run(["umount", "--", point], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failure(f"{point} cannot be unmounted: {done.stderr.strip()}")


def open_device(path, identity):
    """For writing, and for nobody else meanwhile; the very device that was confirmed."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_EXCL if identity else 0))
    except OSError as error:
        raise Failure(f"{path} cannot be opened for writing: {error.strerror}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # so that nobody mounts what is found on it meanwhile
    except OSError as error:
        os.close(fd)
        raise Failure(f"{path} is being used by another program") from error
    if identity and not is_confirmed(fd, identity):
        os.close(fd)
        raise Failure(f"{path} is another device than the one that was confirmed")
    return fd


def is_confirmed(fd, identity):
    """Asks what is open, not what its path leads to by now."""
    def number_by(request):
        return int.from_bytes(fcntl.ioctl(fd, request, bytes(8)), sys.byteorder)

    number = os.fstat(fd).st_rdev
    return f"{os.major(number)}:{os.minor(number)}" == identity["number"] and number_by(BLKGETSIZE64) == identity["size"] and \
        (not identity["sequence"] or str(number_by(BLKGETDISKSEQ)) == identity["sequence"])


def run(job, examine=devices.examine):
    path, identity = job["device"], job["identity"]
    if identity and examine(path).identity() != identity:
        raise Failure(f"{path} is another device than the one that was confirmed")
    unmount(job["unmount"])
    if identity:
        found = examine(path)
        if found.mounts:
            raise Failure(f"{path} was mounted again at {found.mounts[0]}")
    source = Source(job["image"], job["patches"])
    extents = [tuple(extent) for extent in job["extents"]]
    fd = open_device(path, identity)
    try:
        size = identity["size"] if identity else os.fstat(fd).st_size
        write(fd, source, extents, size)
        drop_cache(fd, bool(identity))
        verify(path, source, extents, bool(identity))
        if identity:
            try:
                fcntl.ioctl(fd, BLKRRPART)
            except OSError:
                tell("reinsert", 0, 0)  # this machine goes on with the old table until then
    finally:
        os.close(fd)


def main():
    try:
        run(json.load(sys.stdin))
    except Failure as failure:
        print("error", failure, flush=True)
        return 1
    except BrokenPipeError:
        return 1  # nobody waits for it any more
    except OSError as error:
        print("error", f"the card failed: {error.strerror}", flush=True)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
