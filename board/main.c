// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Start-up, in the order in which things depend on each other, from the first C code in the high half to the
 * application's main. The boot flow is a thread from sched_init on, and the first to find nothing to do.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arch/firmware.h"
#include "arch/irq.h"
#include "arch/power.h"
#include "arch/riscv/riscv.h"
#include "arch/uaccess.h"
#include "board/facts.h"
#include "board/harts.h"
#include "board/memory.h"
#include "board/root.h"
#include "drivers/console.h"
#include "drivers/driver.h"
#include "drivers/irq.h"
#include "drivers/serial/firmware.h"
#include "drivers/watchdog/watchdog.h"
#include "fs/crash.h"
#include "fs/fs.h"
#include "kernel/bootargs.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/random.h"
#include "kernel/thread.h"
#include "mm/map.h"
#include "posix/process.h"

#define MAIN_STACK_SIZE (256 * 1024)
#define EXIT_NO_START 1
#define FDT_NODES_MAX 2048 // of a tree that we take; those of the boards have some hundred

/* The application's, and the C library's around it. */
int main(int argc, char **argv);
void __libc_init_array(void);
_Noreturn void exit(int status);

static struct fdt tree;
static struct fdt_entry tree_nodes[FDT_NODES_MAX];

/* What has been said names the trouble. */
static _Noreturn void start_failed(void)
{
	console_exit(EXIT_NO_START, 'b');
	power_off(EXIT_NO_START);
}

/* Before there is a console: its last word is said on the firmware's. */
static _Noreturn void start_failed_early(void)
{
	char text[32];
	const int len = snprintf(text, sizeof(text), "[cairn] exit %d\n", EXIT_NO_START);

	firmware_console_write(text, (size_t)len);
	power_off(EXIT_NO_START);
}

/* What the boot loader gave to begin with; it stays nowhere, neither in the tree nor in what that was copied from. */
static void take_seed(char *copy, char *blob)
{
	fdt_node_t chosen = fdt_by_path(&tree, "/chosen");
	uint32_t len;
	const char *seed = chosen >= 0 ? fdt_prop(&tree, chosen, "rng-seed", &len) : NULL;

	if (!seed)
		return;
	random_seed(seed, len);
	random_wipe(copy + (seed - copy), len);
	random_wipe(blob + (seed - copy), len);
}

/* Copies it word by word: where the loader says that it is there may be no memory. False: there is none somewhere. */
static bool tree_copy(uint32_t *copy, const uint32_t *blob, uint32_t size)
{
	for (uint32_t i = 0; i * sizeof(*copy) < size; i++)
		if (!uaccess_peek32(&blob[i], &copy[i]))
			return false;
	return true;
}

/* What its header says, or 0: none is there. */
static uint32_t tree_size(paddr_t fdt_pa)
{
	uint32_t header[2];

	if (!fdt_pa || fdt_pa % 8 || fdt_pa >= LINEAR_SIZE || !tree_copy(header, pa_to_va(fdt_pa), sizeof(header)))
		return 0;
	return fdt_total_size(header);
}

/* Keeps the tree: copied behind the image, since it may lie in memory that is not ours. */
static int tree_keep(paddr_t fdt_pa)
{
	uint32_t size = tree_size(fdt_pa);
	void *copy;
	int err;

	if (size == 0) {
		log_error("no device tree at %#lx: the boot loader must pass its address in a1 (booti does)", fdt_pa);
		return -ENOENT;
	}
	if (size > FDT_SIZE_MAX) {
		log_error("the device tree at %#lx is larger than %d KiB", fdt_pa, FDT_SIZE_MAX / 1024);
		return -E2BIG;
	}
	copy = map_boot_take((size + PAGE_SIZE - 1) / PAGE_SIZE);
	if (size > LINEAR_SIZE - fdt_pa || !tree_copy(copy, pa_to_va(fdt_pa), size)) {
		log_error("the device tree at %#lx says that it has %u bytes: memory ends before", fdt_pa,
			  (unsigned)size);
		return -EFAULT;
	}
	err = fdt_open(&tree, copy, size, tree_nodes, FDT_NODES_MAX);
	if (err == -E2BIG)
		log_error("the device tree at %#lx has more than %d nodes, or more than %d within each other", fdt_pa,
			  FDT_NODES_MAX, FDT_DEPTH_MAX);
	else if (err)
		log_error("the device tree at %#lx is damaged", fdt_pa);
	if (err)
		return err;
	take_seed(copy, pa_to_va(fdt_pa));
	return 0;
}

static void read_bootargs(void)
{
	fdt_node_t chosen = fdt_by_path(&tree, "/chosen");
	const char *line = chosen >= 0 ? fdt_prop_string(&tree, chosen, "bootargs") : NULL;
	char value[8];

	if (line)
		bootargs_set(line, strlen(line));
	if (bootargs_get("quiet", value, sizeof(value)) != -ENOENT)
		log_set_level(LOG_WARNING);
	power_init(bootargs_get("cairn.semihosting", value, sizeof(value)) != -ENOENT);
}

static void banner(void)
{
	const char *name = fdt_prop_string(&tree, FDT_ROOT, "model");

	if (!name) // U-Boot's own tree of the VisionFive 2 has none
		name = fdt_prop_string(&tree, FDT_ROOT, "compatible");
	log_info("cairn on %s", name ? name : "a board without a name");
}

static void *application(void *arg)
{
	char name[32];
	char **argv;
	int argc;

	(void)arg;
	if (bootargs_get("cairn.app", name, sizeof(name)) <= 0)
		strcpy(name, "application");
	bootargs_argv(name, &argc, &argv);
	process_begin();
	__libc_init_array();
	exit(main(argc, argv));
}

/* From here on there are frames, and the boot flow may become a thread. */
static void start_devices(void)
{
	int err;

	sched_init();
	hart_init();
	irq_enable();
	harts_count(&tree);
	board_facts_add(&tree);
	drivers_probe(&tree);
	if (!irq_present())
		log_error("no interrupt controller in the device tree that there is a driver for: without it most "
			  "devices cannot be used");
	err = firmware_console_register();
	if (!err)
		err = console_init();
	if (err)
		log_error("no console (error %d)", -err);
	panic_set_exit(console_exit);
}

static int start_files(void)
{
	int err = pcache_init();

	if (!err)
		err = map_init();
	if (!err)
		err = fs_init();
	if (!err && console_chardev())
		err = fs_add_chardev(console_chardev());
	if (!err && watchdog_chardev())
		err = fs_add_chardev(watchdog_chardev());
	if (err) {
		log_error("start: error %d: too little memory? 32 MiB are the least", -err);
		return err;
	}
	err = root_mount();
	if (!err) {
		crash_prepare();
		panic_set_keep(crash_keep);
	}
	if (!err)
		err = fs_open_std();
	return err;
}

void board_main(paddr_t fdt_pa)
{
	log_set_sink(firmware_console_write);
	if (tree_keep(fdt_pa))
		start_failed_early();
	read_bootargs();
	banner();
	if (clock_init(&tree)) {
		log_error("the device tree lacks /cpus/timebase-frequency");
		start_failed_early();
	}
	smp_init();
	if (memory_init(&tree))
		start_failed_early();
	start_devices();
	if (start_files())
		start_failed();
	harts_start(&tree);
	console_ready();
	if (thread_create("main", MAIN_STACK_SIZE, application, NULL, NULL)) {
		log_error("no memory for the application's first thread");
		start_failed();
	}
	thread_exit(NULL);
}
