# SPDX-License-Identifier: BSD-2-Clause
# Copyright the cairn authors
"""The commands of ./cairn: options in, a function of another module called, an exit status out."""

import argparse
import glob
import os
import sys
import tempfile

from tools import (apps, bench, boards, build, chains, crash, doctor, emulator, flash, image, launcher, layout, log, packages, qemu,
                   serialline, testrun)
from tools.ui import Failure, report, say

LAST_CARD = os.path.join(build.BUILD, "card.img")
DEFAULT_APP = "logger"

COMMON_STATUS = "exit status: 0 done; 1 failed, with what to do about it; 2 wrong usage."
RUN_STATUS = """exit status: the application's, & 255. Beside it, each with a line that tells it apart:
  124  time-out (--timeout)
  125  launcher error: failed build or set-up, QEMU trouble, machine ended from the keyboard
  130  interrupted (Ctrl-C), and no handler in the application
  134  the application aborted, or a kernel panic
  139  application fault (wild pointer, stack overflow)
  143  terminated (SIGTERM), and no handler in the application
  2    wrong usage"""


def parser():
    top = argparse.ArgumentParser(prog="./cairn", description="Builds, runs and tests cairn.",
                                  epilog="./cairn COMMAND --help says more; ./cairn help lists topics.")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name, run, text, status=COMMON_STATUS, **options):
        added = commands.add_parser(name, help=text, description=text, epilog=status,
                                    formatter_class=argparse.RawDescriptionHelpFormatter, **options)
        added.set_defaults(run=run)
        return added

    setup = command("setup", run_setup, "install the Debian packages cairn needs")
    setup.add_argument("--dry-run", action="store_true", help="print the apt-get command only")
    setup.add_argument("--with-visionfive2-emulator", dest="emulator", action="store_true",
                       help="also build the emulated VisionFive 2 from Debian's source of QEMU")
    make = command("build", run_build, "build one application, or all of them")
    make.add_argument("app", nargs="?", metavar="APP", help="name under apps/, folder with .c files, or .c file")
    command("clean", run_clean, "remove everything that was built, cards under build/ included")
    command("doctor", run_doctor, "show what is installed and what is missing",
            "exit status: 0 nothing missing; 1 something is; 2 wrong usage.")
    command("boards", run_boards, "list the boards that `run` knows")
    add_run(command)
    add_test(command)
    add_bench(command)
    add_image(command)
    write = command("flash", run_flash, "write a card image to an SD card, and read it back")
    write.add_argument("what", metavar="IMAGE|APP", help="card image, or an application of which one is made for --board")
    write.add_argument("device", metavar="DEVICE", help="the card's, such as /dev/sdb or /dev/mmcblk0; a plain file is taken, too")
    write.add_argument("--board", choices=tuple(layout.LAYOUTS), help="for an APP: the board")
    write.add_argument("--grow", action="store_true",
                       help="the last partition and its file system fill the card (in a copy of the image, by resize2fs)")
    write.add_argument("--yes", action="store_true", help="do not ask")
    reader = command("log", run_log, "print the records of a card's log",
                     "exit status: 0 all records good; 1 damage found, or no log on the card;\n2 wrong usage, or nothing readable.")
    reader.add_argument("image", nargs="?", metavar="IMAGE", default=LAST_CARD, help="card image (default: the last run's)")
    form = reader.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object a record")
    form.add_argument("--csv", action="store_true", help="comma-separated values with a header")
    form.add_argument("--crash", action="store_true", help="the kernel's messages that the last panic kept, instead of the log")
    line = command("console", run_console, "talk to a board on a serial line", RUN_STATUS)
    line.add_argument("tty", metavar="TTY", help="serial device, such as /dev/ttyUSB0")
    line.add_argument("--baud", type=int, default=115200, help="bits per second (default: 115200)")
    line.add_argument("--timeout", type=positive, metavar="SECONDS", help="leave after this time with status 124")
    topic = command("help", run_help, "explain a command or a topic", "exit status: 0; 1 no such topic; 2 wrong usage.")
    topic.add_argument("topic", nargs="?", metavar="TOPIC")
    return top


def add_image(command):
    card = command("image", run_image, "make a card image: the same bytes for the same inputs, sparse, without root",
                   usage="./cairn image [APP] [options] [-- ARGV...]")
    card.add_argument("app", nargs="?", metavar="APP", default=DEFAULT_APP,
                      help="application whose kernel image goes to the boot partition, with ARGV as its arguments (default: logger)")
    card.add_argument("--board", choices=tuple(layout.LAYOUTS), default="virt",
                      help="whose boot loader is to find its files; ./cairn help boards has the layouts (default: virt)")
    card.add_argument("--image", metavar="FILE", default=LAST_CARD, help="where (default: build/card.img)")
    card.add_argument("--size", metavar="SIZE", type=size,
                      help="of the card; QEMU's SD cards want a power of two (default: 4G; for virt 256M)")
    add_card_options(card)
    card.add_argument("--fs", choices=("ext2", "ext3"), default="ext3",
                      help="ext3: with a journal, where there is room for one; ext2: without, so that after a power cut all of the card is "
                           "recounted (default: ext3)")
    card.add_argument("--append", metavar="ARGS", default="", help="more boot arguments for APP's kernel")
    card.add_argument("--force", action="store_true", help="replace an existing FILE given by --image")
    card.set_defaults(argv=[])


def add_card_options(command):
    command.add_argument("--files", metavar="DIR", action="append", default=[],
                         help="its contents go to a new card's root; may be repeated")
    command.add_argument("--block-size", type=int, choices=(1024, 2048, 4096), default=4096,
                         help="of a new card's ext2, bytes (default: 4096)")


def add_run(command):
    run = command("run", run_run, "run an application (default: logger)", RUN_STATUS,
                  usage="./cairn run [APP] [options] [-- ARGV...]")
    run.add_argument("app", nargs="?", metavar="APP", default=DEFAULT_APP,
                     help="name under apps/, folder with .c files and perhaps an app.toml, or .c file")
    run.add_argument("--board", choices=tuple(boards.BOARDS), default="virt", help="./cairn boards lists them (default: virt)")
    run.add_argument("--boot", choices=chains.NAMES, default=chains.DIRECT,
                     help="direct: firmware, then the image (default); uboot: U-Boot starts what is on the card; "
                     "spl: the same, with firmware and U-Boot off the card")
    run.add_argument("--image", metavar="FILE", help="the card; made if missing, reused if there "
                     "(default: a new one, kept as build/card.img until the next run)")
    run.add_argument("--size", metavar="SIZE", type=size, default=size("256M"), help="of a new card (default: 256M)")
    add_card_options(run)
    run.add_argument("--memory", metavar="SIZE", type=memory, help="8M to 16G, what the board can have (default: the board's)")
    run.add_argument("--smp", metavar="N", type=harts, help="harts, but for a monitor's (default: the board's)")
    run.add_argument("--timeout", type=positive, metavar="SECONDS", help="end the machine after this time")
    run.add_argument("--console", choices=("virtio", "serial"),
                     help="virtio: a fast port of QEMU's; serial: the line a real board has (default: virtio on virt)")
    run.add_argument("--quiet", action="store_true", help="no kernel messages but warnings and errors")
    run.add_argument("--gdb", action="store_true", help=f"wait for a debugger on port {qemu.GDB_PORT}")
    run.add_argument("--append", metavar="ARGS", default="", help="more boot arguments")
    run.add_argument("--qemu-arg", metavar="ARG", action="append", default=[], help="one more word for QEMU; repeat as needed")
    run.add_argument("--sd", choices=tuple(qemu.SLOTS), default="virtio",
                     help="what the card is behind: a virtio disk (default), the same, and the console, on PCI, or an SD host controller on PCI")
    run.add_argument("--read-only", action="store_true", help="a write-protected card")
    run.add_argument("--drive", metavar="SPEC", help="QEMU's -drive options for the card, in place of --image "
                     "(fault injection, recording)")
    run.add_argument("--firmware", action="store_true", help="show what the firmware prints")
    run.add_argument("--no-build", action="store_true", help="take what was built before")
    run.set_defaults(argv=[])


def add_test(command):
    test = command("test", run_test, "run the tests",
                   "exit status: 0 all passed; 1 some failed; 2 wrong usage.\nThe last line is `N passed, N failed, N skipped`.")
    test.add_argument("-k", metavar="PATTERN", dest="pattern", help="only tests whose suite/name contains PATTERN "
                      "(words, `and`, `or`, `not`)")
    test.add_argument("--list", action="store_true", help="list the tests and run none")
    test.add_argument("--boards", action="store_true", help="build the emulated VisionFive 2 first, as setup "
                      "--with-visionfive2-emulator does; then what a test of a board lacks is a failure, not a skip")
    effort = test.add_mutually_exclusive_group()
    effort.add_argument("--quick", dest="effort", action="store_const", const="quick", help="at most 3 minutes")
    effort.add_argument("--long", dest="effort", action="store_const", const="long", help="everything, without bounds")
    test.set_defaults(effort="default")


def add_bench(command):
    measure = command("bench", run_bench, "measure what operations cost, in QEMU with one hart",
                      "exit status: 0 done; 1 build, boot or benchmark failed, with the reason; 2 wrong usage; 130 interrupted.\n"
                      "./cairn help bench says how to read the table.")
    measure.add_argument("--icount", action="store_true", help="count guest instructions (QEMU's -icount shift=0) instead of time")
    measure.add_argument("--sd", choices=tuple(qemu.SLOTS), default="virtio",
                         help="what the disks are behind, as for run (default: virtio); behind another the disks alone")
    measure.add_argument("--board", choices=tuple(name for name in layout.LAYOUTS if not boards.BOARDS[name].hardware), default="virt",
                         help="on another board than virt: the disks alone, behind its own controller")
    measure.add_argument("--boot", dest="start_up", action="store_true",
                         help="instead: from the kernel's first instruction to main, on each board and by each boot loader")
    measure.add_argument("--log", dest="record_store", action="store_true",
                         help="instead: the record store, msync and fsync, on ext2 and with a journal")
    variant = measure.add_mutually_exclusive_group()
    variant.add_argument("--release", dest="release", action="store_true", default=True, help="without assertions (default)")
    variant.add_argument("--debug", dest="release", action="store_false", help="with assertions")
    measure.add_argument("--boots", metavar="N", type=count, help="how many times (default: 5, with --icount 2)")


def checked(function):
    def convert(text):
        try:
            return function(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return convert


size = checked(image.parse_size)
memory = checked(qemu.check_memory)
harts = checked(qemu.check_harts)


@checked
def positive(text):
    value = float(text)
    if not value > 0:
        raise ValueError(f"{text}: more than 0 is needed")
    return value


@checked
def count(text):
    value = int(text)
    if value < 1:
        raise ValueError(f"{text}: at least 1 is needed")
    return value


def run_setup(options):
    did = packages.setup(dry_run=options.dry_run, with_emulator=options.emulator)
    packages.drop_root()
    if options.emulator and not options.dry_run:
        did |= emulator.build()
    if not did:
        say("nothing is missing")
    return 0


def ready(with_tests=False, with_emulator=False):
    """The packages, and from here on not root if sudo was used."""
    packages.setup(with_tests, with_emulator=with_emulator)
    packages.drop_root()


def run_build(options):
    ready()
    if options.app:
        print(apps.relative(build.build(build.load(options.app))))
    else:
        build.scons([])
    return 0


def run_clean(_options):
    packages.drop_root()
    build.clean()
    return 0


def run_doctor(_options):
    return doctor.doctor()


def run_boards(_options):
    print("\n".join(boards.table({name: chains.ways(name) for name, board in boards.BOARDS.items() if board.machine})))
    return 0


def run_run(options):
    launcher.open_missing_streams()
    boards.check_emulated(options.board)
    app = load_or_launcher_error(options)
    card = options.image or LAST_CARD
    if os.path.isdir(card):
        raise Failure(f"{card} is a folder, not a card", "--image wants a file; ./cairn run makes it if it is missing.")
    if options.board == "host":
        refuse_machine_options(options)
    elif options.board != "virt":
        refuse_virt_options(options)
    chain = chains.of(options.board, options.boot)
    if chain:
        refuse_direct_options(options, os.path.exists(card) and options.image is not None)
    size_of_memory, smp, console = boards.check(options.board, options.memory, options.smp, options.console, chain)
    boards.check_machine(options.board)
    if not options.drive and (options.image is None or not os.path.exists(card)):
        make_card(options, app, card, chain)
    if options.board == "host":
        arguments = qemu.boot_arguments("serial", "raw", options.quiet, options.append, options.argv, app.name, "host")
        return launcher.run_host(build.host_program(app), card, size_of_memory, arguments, options.timeout)
    if (options.sd == "sdhci" or options.board != "virt") and not options.drive:
        qemu.check_sd_size(card)
    mode = "term" if launcher.has_terminal() else "stream"
    arguments = qemu.boot_arguments(console, mode, options.quiet, options.append, options.argv, app.name, options.board) if not chain else ""
    drive = options.drive or qemu.file_drive(card, options.read_only)
    with tempfile.TemporaryDirectory(prefix="cairn-boot-") as folder:
        loader = chain.words(card, folder) if chain else None
        machine = qemu.Machine(build.kernel(app), drive, size_of_memory, smp, arguments, console, options.gdb, options.sd,
                               options.qemu_arg, options.board, loader)
        return launcher.run_machine(machine, options.timeout, options.firmware)


def make_card(options, app, card, chain):
    """A new one. A boot loader needs to find itself and the boot arguments on it."""
    say(f"making a card: {apps.relative(os.path.abspath(card))}, {options.size >> 20} MiB")
    kernel = build.kernel(app) if options.board != "host" else None
    plan = layout.LAYOUTS.get(options.board, image.PLAIN)
    arguments, loaders = qemu.card_arguments(app.name), None
    if chain:
        arguments = qemu.card_arguments(app.name, options.append + " quiet" * options.quiet, options.argv)
        loaders = image.fetch_loaders(plan)
    image.make(card, options.size, [*app.files, *options.files], kernel, options.block_size, plan=plan, arguments=arguments, loaders=loaders)


def refuse_direct_options(options, card_is_there):
    given = {"--drive": options.drive, f"--sd {options.sd}": options.sd != "virtio"}
    for name in (name for name, value in given.items() if value):
        raise Failure(f"{name} goes with a direct boot; U-Boot reads an image file", f"Leave out {name} or --boot.")
    if not card_is_there:
        return
    say("booting what is on the card: its kernel, with its boot arguments")
    given = {"--append": options.append, "--quiet": options.quiet, "arguments after --": options.argv}
    for name in (name for name, value in given.items() if value):
        raise Failure(f"{name}: the boot arguments are the card's, in extlinux/extlinux.conf of its boot partition",
                      "./cairn image makes a card with others; --image of a new FILE makes one, too.")


def refuse_machine_options(options):
    given = {"--boot": options.boot != chains.DIRECT, "--gdb": options.gdb, "--smp": options.smp, "--qemu-arg": options.qemu_arg, "--drive": options.drive,
             "--read-only": options.read_only, "--firmware": options.firmware, "--console serial": options.console == "serial",
             f"--sd {options.sd}": options.sd != "virtio"}
    for name in (name for name, value in given.items() if value):
        raise Failure(f"{name} is for a machine; --board host runs a process", f"Leave out {name} or --board host.")


def refuse_virt_options(options):
    given = {f"--sd {options.sd}": options.sd != "virtio", "--read-only": options.read_only}
    for name in (name for name, value in given.items() if value):
        raise Failure(f"{name} is for the board virt", "Leave it out, or --board.")


def load_or_launcher_error(options):
    """Packages and build; what fails here is the launcher's status, not the application's."""
    try:
        ready()
        app = build.load(options.app)
        if not options.no_build:
            build.build(app, options.board)
        return app
    except Failure as failure:
        failure.status = launcher.STATUS_LAUNCHER
        raise


def run_test(options):
    ready(with_tests=True, with_emulator=options.boards)
    return testrun.run(options.pattern, options.list, options.effort, options.boards)


def run_bench(options):
    ready()
    if options.start_up:
        return bench.run_boot(options.icount, options.release, options.boots or (1 if options.icount else 3))
    if options.record_store:
        return bench.run_log(options.icount, options.release, options.boots or (1 if options.icount else 3))
    return bench.run(options.icount, options.release, options.boots or (2 if options.icount else 5), options.sd, options.board)


def run_image(options):
    ready()
    if os.path.exists(options.image) and options.image != LAST_CARD and not options.force:
        raise Failure(f"{options.image} exists", "--force replaces it; its data is lost then.")
    plan = layout.LAYOUTS[options.board]
    card_size = options.size or image.parse_size(plan.size)
    app = build.load(options.app)
    arguments = qemu.card_arguments(app.name, options.append, options.argv)
    image.make(options.image, card_size, [*app.files, *options.files], build.build(app), options.block_size, plan=plan, arguments=arguments,
               loaders=image.fetch_loaders(plan), journal=options.fs == "ext3")
    say(f"made {apps.relative(os.path.abspath(options.image))}, {card_size >> 20} MiB")
    return 0


def run_flash(options):
    if os.geteuid() == 0 and os.environ.get("SUDO_UID", "0") != "0":
        raise Failure("flash is for you, not for sudo", "Run it without: it calls sudo for the writing alone.", 2)
    ready()
    path = options.what
    if not os.path.isfile(path) or path.endswith(".c"):
        if not options.board:
            raise Failure(f"{path} is no image, and an application needs --board", f"Boards: {', '.join(layout.LAYOUTS)}.", 2)
        path = os.path.join(build.BUILD, "flash.img")
        app, plan = build.load(options.what), layout.LAYOUTS[options.board]
        image.make(path, image.parse_size(plan.size), app.files, build.build(app), plan=plan, arguments=qemu.card_arguments(app.name),
                   loaders=image.fetch_loaders(plan), journal=True)
    elif options.board:
        raise Failure("--board is for an application; an image has its board", "Leave it out.", 2)
    flash.flash(path, options.device, options.grow, options.yes)
    return 0


def run_log(options):
    ready()
    if not os.path.exists(options.image):
        raise Failure(f"{options.image} does not exist", "./cairn run makes a card; --image FILE keeps it at FILE.", 2)
    if options.crash:
        return crash.show(options.image)
    build.scons(["logread"])
    return log.read(options.image, ["--json"] if options.json else ["--csv"] if options.csv else [])


def run_console(options):
    return serialline.talk(options.tty, options.baud, options.timeout)


def topics():
    return {os.path.basename(f)[: -len(".md")]: f for f in sorted(glob.glob(os.path.join(apps.ROOT, "docs", "*.md")))}


def run_help(options):
    top = parser()
    if not options.topic:
        top.print_help()
        print(f"\ntopics: {', '.join(['readme', *topics()])}")
        return 0
    page = {"readme": os.path.join(apps.ROOT, "README.md"), **topics()}.get(options.topic)
    if page:
        with open(page, encoding="utf-8") as file:
            print(file.read(), end="")
        return 0
    if options.topic in top._subparsers._group_actions[0].choices:
        return main([options.topic, "--help"])
    raise Failure(f"no topic {options.topic}", f"Topics: readme, {', '.join(topics())}, and every command.")


def joined(arguments):
    """`--qemu-arg -x` as one word, since argparse takes a word that begins with a dash for an option."""
    words = list(arguments)
    for at in reversed(range(len(words) - 1)):
        if words[at] in ("--qemu-arg", "--append"):
            words[at : at + 2] = [f"{words[at]}={words[at + 1]}"]
    return words


def main(arguments):
    argv = []
    if arguments[:1] in (["run"], ["image"]) and "--" in arguments:
        at = arguments.index("--")
        arguments, argv = arguments[:at], arguments[at + 1 :]
    try:
        options = parser().parse_args(joined(arguments))
        if argv:
            options.argv = argv
        return options.run(options)
    except Failure as failure:
        report(failure)
        return launcher.STATUS_LAUNCHER if arguments[:1] == ["run"] and failure.status == 1 else failure.status
    except BrokenPipeError:
        sys.stdout = None  # whoever read our output has gone
        return 1
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 2
