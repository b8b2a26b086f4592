# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""What a board's card holds, and where: the partitions that its boot loader looks for, and the text files that it reads.

All of it is the same each time, identities too. Numbers of sectors are those that the boards' loaders know.
"""

from dataclasses import dataclass, field

from tools.ui import Failure

SECTOR = 512
MIB = 1 << 20
TAIL = 1 * MIB  # behind the last partition: the backup GPT
LINUX_GUID = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
FAT_GUID = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"
SIFIVE_SPL_GUID = "5B193300-FC78-40CD-8002-E86C45580B47"
SIFIVE_UBOOT_GUID = STARFIVE_SPL_GUID = "2E54B353-1271-4842-806F-E436D6AF6985"
STARFIVE_UBOOT_GUID = "BC13C2FF-59E6-4262-A352-B275FD6F7172"
IDENTITY = "7C0D1A52-3F5E-4B86-9A40-C4A1A2B1E0"  # and two digits: 00 the table, 01 the file system, 10 and up the partitions
CHANGED = "$\\'\""  # characters that U-Boot does not pass on as they are
ARGUMENTS_MAX = 255  # bytes that U-Boot takes from the `append` of an extlinux.conf, on the boards with the least


@dataclass(frozen=True)
class Part:
    name: str
    start: int  # bytes
    size: int  # bytes; 0: the rest
    type: str


@dataclass(frozen=True)
class Layout:
    parts: tuple
    size: str  # of a new card, unless told
    loader: str = ""  # Debian's package of the board's U-Boot
    loader_files: dict = field(default_factory=dict)  # name of the partition: path in the package
    mark: bytes = b""  # in its first stage and in no other board's with the same partitions
    stock_firmware: bool = False  # the vendor's U-Boot reads files of its own

    def part(self, name):
        return next(part for part in self.parts if part.name == name)

    @property
    def smallest(self):
        """Bytes: the file system has 6 MiB then."""
        return self.part("cairn").start + 6 * MIB + TAIL


def sectors(first, last):
    return {"start": first * SECTOR, "size": (last + 1 - first) * SECTOR}


def with_loader(spl, uboot, spl_type, uboot_type):
    """Loaders in partitions 1 and 2, FAT in the third, since the vendor's U-Boot of the VisionFive 2 reads no other."""
    return (Part("spl", **spl, type=spl_type), Part("uboot", **uboot, type=uboot_type), Part("boot", 8 * MIB, 24 * MIB, FAT_GUID),
            Part("cairn", 32 * MIB, 0, LINUX_GUID))


def sifive(board):
    """Both boards' ROMs look for the first partition by its type; the SPL reads from sector 2082 on, whatever the table says."""
    return Layout(with_loader(sectors(34, 2081), sectors(2082, 10273), SIFIVE_SPL_GUID, SIFIVE_UBOOT_GUID), "4G", "u-boot-sifive",
                  {"spl": f"usr/lib/u-boot/{board}/u-boot-spl.bin", "uboot": f"usr/lib/u-boot/{board}/u-boot.itb"},
                  mark=f"sifive,hifive-{board.partition('_')[2]}-a00".encode())


PLAIN = (Part("boot", 1 * MIB, 16 * MIB, FAT_GUID), Part("cairn", 17 * MIB, 0, LINUX_GUID))
LAYOUTS = {
    "virt": Layout(PLAIN, "256M"),
    "sifive_u": sifive("sifive_unleashed"),
    "unmatched": sifive("sifive_unmatched"),
    "icicle": Layout(PLAIN, "4G"),
    "visionfive2": Layout(
        with_loader(sectors(4096, 8191), sectors(8192, 16383), STARFIVE_SPL_GUID, STARFIVE_UBOOT_GUID), "4G", "u-boot-starfive",
        {"spl": "usr/lib/u-boot/starfive_visionfive2/u-boot-spl.bin.normal.out",
         "uboot": "usr/lib/u-boot/starfive_visionfive2/u-boot.itb"}, stock_firmware=True),
}


def end(part, card_size):
    """The byte behind the partition."""
    return part.start + part.size if part.size else card_size - TAIL


def table(layout, card_size):
    """sfdisk's script."""
    lines = ["label: gpt", f"label-id: {IDENTITY}00", "first-lba: 34"]
    for number, part in enumerate(layout.parts):
        attributes = ", attrs=LegacyBIOSBootable" if part.name == "boot" else ""
        lines.append(f"start={part.start // SECTOR}, size={(end(part, card_size) - part.start) // SECTOR}, type={part.type}, "
                     f"uuid={IDENTITY}{0x10 + number:02X}, name={part.name}{attributes}")
    return "\n".join(lines) + "\n"


def boot_files(layout, arguments):
    """Of the boot partition beside the kernel: path, text. arguments: the kernel's."""
    bad = next((c for c in arguments if c in CHANGED or not 0x20 <= ord(c) <= 0x7E), None)
    if bad:
        raise Failure(f"the boot arguments hold {bad!r}, which boot loaders do not pass on", "Words behind -- may hold anything.")
    if len(arguments) > ARGUMENTS_MAX:
        raise Failure(f"the boot arguments are {len(arguments)} bytes long; boot loaders take {ARGUMENTS_MAX}",
                      "Pass fewer or shorter arguments, or put them in a file on the card (--files).")
    files = {"extlinux/extlinux.conf": "default cairn\ntimeout 1\nlabel cairn\n  kernel /cairn.bin\n" +
             (f"  append {arguments}\n" if arguments else "")}
    if layout.stock_firmware:
        # The vendor's U-Boot 2021.10 imports the first and runs boot2; its oldest versions import the other one, too. It knows
        # the size of RAM in variables only, and passes the tree on as it was built unless it is told.
        files["vf2_uEnv.txt"] = files["uEnv.txt"] = (
            f"bootargs={arguments}\n"
            "boot2=if test -n ${memory_size}; then fdt addr ${fdtcontroladdr}; fdt memory ${memory_addr} ${memory_size}; fi; "
            "fatload mmc ${devnum}:3 ${kernel_addr_r} /cairn.bin && booti ${kernel_addr_r} - ${fdtcontroladdr}\n")
    return files
