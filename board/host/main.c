// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * An application as a Linux process: what board/main.c does on a board, with an image file for a card and the process's
 * streams for a console. The application's main is compiled under another name (posix/host_names.h).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arch/host/host.h"
#include "arch/irq.h"
#include "arch/page.h"
#include "board/host/board.h"
#include "board/root.h"
#include "drivers/block/blkdev.h"
#include "drivers/console.h"
#include "fs/fs.h"
#include "kernel/bootargs.h"
#include "kernel/log.h"
#include "kernel/random.h"
#include "kernel/thread.h"
#include "mm/frame.h"
#include "mm/map.h"
#include "mm/pcache.h"
#include "posix/process.h"

#define MAIN_STACK_SIZE (1024 * 1024) // the sanitizers' frames are large
#define STATUS_USAGE 125	      // the launcher's own errors: README.md
#define MEMORY_DEFAULT (128ul << 20)

int cairn_app_main(int argc, char **argv);

struct options {
	const char *card, *bootargs;
	size_t memory;
};

static _Noreturn void usage(const char *program)
{
	fprintf(stderr, "usage: %s --card IMAGE [--memory SIZE[K|M|G]] [--append \"BOOT ARGUMENTS\"]\n", program);
	exit(STATUS_USAGE);
}

/* 0: not a size. */
static size_t parse_size(const char *text)
{
	static const char units[] = "KMG";
	char *end;
	size_t n = strtoul(text, &end, 10);
	const char *unit = *end ? strchr(units, *end) : NULL;

	if (end == text || (*end && (!unit || end[1])))
		return 0;
	return unit ? n << (10 * (unit - units + 1)) : n;
}

/* By hand: the application finds getopt as it is at a program's start. */
static void parse_options(int argc, char **argv, struct options *options)
{
	*options = (struct options){.bootargs = "", .memory = MEMORY_DEFAULT};
	for (int i = 1; i < argc; i += 2) {
		if (i + 1 == argc)
			usage(argv[0]);
		if (strcmp(argv[i], "--card") == 0)
			options->card = argv[i + 1];
		else if (strcmp(argv[i], "--memory") == 0)
			options->memory = parse_size(argv[i + 1]);
		else if (strcmp(argv[i], "--append") == 0)
			options->bootargs = argv[i + 1];
		else
			usage(argv[0]);
	}
	if (!options->card || !options->memory)
		usage(argv[0]);
}

/* The process's own, in place of a boot loader's. */
static void take_seed(void)
{
	uint8_t seed[32];

	if (getentropy(seed, sizeof(seed)))
		host_die("getentropy");
	random_seed(seed, sizeof(seed));
	random_wipe(seed, sizeof(seed));
}

/* Everything up to the application; false after a message. */
static bool start_rooms(const struct options *options)
{
	struct blkdev *card;

	if (pcache_init() || map_init() || fs_init() || fs_add_chardev(console_chardev())) {
		log_error("memory of %zu MiB is too small: choose more with --memory", options->memory >> 20);
		return false;
	}
	return !host_card_open(options->card, &card) && !root_mount() && !fs_open_std();
}

/* The C library's exit ends here, after the application's own handlers, in the thread that called it. */
static void end(int status, void *arg)
{
	(void)arg;
	(void)fflush(NULL); // an error is the application's to look for, before
	process_end(status, 'e', true);
}

static void *main_thread(void *arg)
{
	int argc;
	char **argv;

	bootargs_argv(arg, &argc, &argv);
	host_stdio_init();
	if (on_exit(end, NULL))
		host_die("on_exit");
	process_begin();
	console_ready();
	exit(cairn_app_main(argc, argv));
}

int main(int argc, char **argv)
{
	struct options options;
	struct mem_range range;
	char value[8];
	int err;

	parse_options(argc, argv, &options);
	err = host_memory_init(options.memory / PAGE_SIZE, &range.start, &range.end);
	if (err) {
		fprintf(stderr, "%s: memory of %zu MiB: %s\n", argv[0], options.memory >> 20, strerror(-err));
		return STATUS_USAGE;
	}
	host_interrupt_block();
	host_clock_real();
	host_stuck_hook = threads_print;
	take_seed();
	bootargs_set(options.bootargs, strlen(options.bootargs));
	if (bootargs_get("quiet", value, sizeof(value)) >= 0)
		log_set_level(LOG_WARNING);
	frame_init(&range, 1);
	sched_init();
	irq_enable();
	if (console_init() || !start_rooms(&options))
		return EXIT_FAILURE;
	if (thread_create("main", MAIN_STACK_SIZE, main_thread, argv[0], NULL)) {
		log_error("no memory for the application's stack: choose more with --memory");
		return EXIT_FAILURE;
	}
	for (;;) // the boot flow has nothing left to do
		thread_sleep_until(UINT64_MAX);
}
