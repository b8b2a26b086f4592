// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* What the files of /proc say: Linux's formats, as scripts read them; and that long ones can be read in any pieces. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "arch/clock.h"
#include "drivers/block/blkdev.h"
#include "fs/blkfile.h"
#include "kernel/bootargs.h"
#include "kernel/cpu.h"
#include "kernel/facts.h"
#include "kernel/interrupts.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "mm/frame.h"
#include "mm/map.h"
#include "tests/host/harness.h"
#include "tests/host/image.h"
#include "tests/host/simdisk.h"
#include "tests/host/stack.h"

#define RW (MAP_R | MAP_W)
#define WHOLE_MAX (1u << 20)

static char whole[WHOLE_MAX];

static void with_files(void (*body)(void *arg))
{
	harness_run(&(struct harness){.frames = 4096, .disk = {.image = stack_image("proc", "4M", 1024, 4096)}}, body,
		    NULL);
}

/* All of a file, read in pieces of this size, into whole[]. */
static size_t get(const char *path, size_t piece)
{
	int fd = stack_open(path, O_RDONLY);
	size_t len = 0;
	long n;

	while ((n = fs_read(fd, whole + len, min_of(piece, WHOLE_MAX - 1 - len))) > 0)
		len += (size_t)n;
	assert_int_equal(n, 0);
	assert_int_equal(fs_close(fd), 0);
	whole[len] = 0;
	return len;
}

static void has_line(const char *line)
{
	const size_t len = strlen(line);

	for (const char *at = whole; (at = strstr(at, line)); at++) {
		if ((at == whole || at[-1] == '\n') && at[len] == '\n')
			return;
	}
	fail_msg("no line \"%s\" in:\n%s", line, whole);
}

/* ---- maps ---- */

#define MANY 3000

static void maps_body(void *arg)
{
	char line[200], *kept;
	struct stat st;
	uint8_t *file, *tmp, *anon, *shared;
	struct map_request request = {.len = PAGE_SIZE, .prot = RW, .max_prot = RW, .kind = MAP_KIND_ANON};
	vaddr_t va;
	size_t len, lines = 0;
	int fd;

	(void)arg;
	harness_start();
	assert_int_equal(get("/proc/maps", 4096), 0);
	fd = stack_open("/data", O_RDWR);
	assert_int_equal(fs_fstat(fd, &st), 0);
	file = stack_map(fd, 2 * PAGE_SIZE, MAP_R, MAP_KIND_SHARED);
	get("/proc/maps", 4096);
	snprintf(line, sizeof(line), "%08lx-%08lx r--s 00000000 00:%02x %u", (unsigned long)file,
		 (unsigned long)file + 2 * PAGE_SIZE, (unsigned)st.st_dev, (unsigned)st.st_ino);
	snprintf(line + strlen(line), sizeof(line) - strlen(line), "%*s[sim0]", 73 - (int)strlen(line), "");
	has_line(line);
	anon = stack_map(-1, PAGE_SIZE, RW, MAP_KIND_ANON);
	get("/proc/maps", 4096);
	snprintf(line, sizeof(line), "%08lx-%08lx rw-p 00000000 00:00 0 ", (unsigned long)anon,
		 (unsigned long)anon + PAGE_SIZE);
	has_line(line);
	stack_unmap(anon, PAGE_SIZE);
	tmp = stack_map(stack_open("/tmp/t", O_CREAT | O_RDWR), PAGE_SIZE, RW, MAP_KIND_PRIVATE);
	get("/proc/maps", 4096);
	assert_non_null(strstr(whole, "rw-p 00000000 00:"));
	assert_non_null(strstr(whole, "[tmpfs]\n"));
	stack_unmap(tmp, PAGE_SIZE);
	shared = (uint8_t *)map_sbrk(PAGE_SIZE);
	assert_non_null(shared);
	get("/proc/maps", 4096);
	assert_non_null(strstr(whole, "[heap]\n"));

	/* Thousands of lines, alternating so that none are joined; in pieces of any size it is one text. */
	for (unsigned i = 0; i < MANY; i++) {
		request.prot = i % 2 ? MAP_R : RW;
		assert_int_equal(map_create(&request, &va), 0);
	}
	len = get("/proc/maps", 4096);
	for (size_t i = 0; i < len; i++)
		lines += whole[i] == '\n';
	assert_int_equal(lines, MANY + 2);
	kept = strdup(whole);
	assert_non_null(kept);
	assert_int_equal(get("/proc/maps", 1000), len);
	assert_string_equal(whole, kept);
	assert_int_equal(get("/proc/maps", 65536), len);
	assert_string_equal(whole, kept);
	fd = stack_open("/proc/maps", O_RDONLY);
	for (size_t at = len; at > 0; at -= min_of(at, (size_t)997)) { // backwards, too
		const size_t from = at - min_of(at, (size_t)997);

		assert_int_equal(fs_pread(fd, whole, at - from, (int64_t)from), at - from);
		assert_memory_equal(whole, kept + from, at - from);
	}
	assert_int_equal(fs_pread(fd, whole, 100, (int64_t)len), 0);
	assert_int_equal(fs_close(fd), 0);
	free(kept);
	assert_int_equal(harness_stop(), 0);
}

static void test_maps(void **state)
{
	(void)state;
	with_files(maps_body);
}

/* ---- mounts, devices ---- */

static void mounts_body(void *arg)
{
	char line[4200], *deep = malloc(3000);

	(void)arg;
	harness_start();
	get("/proc/mounts", 4096);
	has_line("/dev/sim0 / ext2 rw 0 0");
	has_line("devtmpfs /dev devtmpfs ro 0 0");
	has_line("proc /proc proc ro 0 0");
	has_line("tmpfs /tmp tmpfs rw 0 0");
	assert_int_equal(fs_mkdir(AT_FDCWD, "/a b\t\\", 0755), 0);
	assert_int_equal(fs_chdir("/a b\t\\"), 0);
	assert_int_equal(fs_mkdir(AT_FDCWD, "m", 0755), 0);
	assert_int_equal(fs_mount("none", "../a b\t\\/./m/", "tmpfs", MS_RDONLY, NULL), 0);
	get("/proc/mounts", 4096);
	has_line("tmpfs /a\\040b\\011\\134/m tmpfs ro 0 0");
	assert_int_equal(fs_umount("m", 0), 0);
	get("/proc/mounts", 4096);
	assert_null(strstr(whole, "/m "));

	/* A path longer than a page of them. */
	assert_non_null(deep);
	strcpy(deep, "/tmp");
	for (unsigned i = 0; i < 12; i++) {
		memset(deep + strlen(deep) + 1, 0, 201);
		deep[strlen(deep)] = '/';
		memset(deep + strlen(deep), 'a' + (int)i, 200);
		assert_int_equal(fs_mkdir(AT_FDCWD, deep, 0755), 0);
	}
	assert_int_equal(fs_mount("none", deep, "tmpfs", 0, NULL), 0);
	get("/proc/mounts", 100);
	snprintf(line, sizeof(line), "tmpfs %s tmpfs rw 0 0", deep);
	has_line(line);
	assert_int_equal(fs_umount(deep, 0), 0);
	free(deep);
	get("/proc/filesystems", 4096);
	has_line("\text2");
	has_line("nodev\ttmpfs");
	assert_int_equal(fs_chdir("/"), 0);
	assert_int_equal(harness_stop(), 0);
}

static void test_mounts(void **state)
{
	(void)state;
	with_files(mounts_body);
}

/* A read that takes some milliseconds. */
static void *slow_reader(void *arg)
{
	assert_int_equal(blk_read(arg, 0, page_va(frame_alloc()), 2), 0);
	return NULL;
}

static void take_time(struct blkdev *dev)
{
	struct thread *thread;
	void *result;

	simdisk_hold(true);
	assert_int_equal(thread_create("reader", THREAD_STACK_SIZE, slow_reader, dev, &thread), 0);
	thread_sleep_until(clock_now() + 5 * NSEC_PER_MSEC);
	simdisk_hold(false);
	assert_int_equal(thread_join(thread, &result), 0);
}

/* A disk, its counters of commands and bytes. */
static void check_diskio(struct blkdev *dev)
{
	struct blkdev_stats stats;
	unsigned long long column[18];
	unsigned pending, n = 0;
	char *rest;
	int used;

	get("/proc/diskio", 4096);
	assert_memory_equal(whole, "name reads writes flushes discards zeroes errors ", 49);
	rest = strchr(whole, '\n') + 1;
	assert_memory_equal(rest, "sim0 ", 5);
	for (rest += 4; n < 18 && sscanf(rest, " %llu%n", &column[n], &used) == 1; n++)
		rest += used;
	assert_int_equal(n, 18);
	assert_string_equal(rest, "\n");
	blk_stats(dev, &stats, &pending);
	for (unsigned op = 0; op < BLK_OPS; op++)
		assert_int_equal(column[op], stats.commands[op]);
	assert_true(column[BLK_READ] > 0 && column[BLK_WRITE] > 0);
	assert_int_equal(column[5] + column[6] + column[7] + column[8] + column[9], 0);
	assert_int_equal(column[10], (stats.op[BLK_READ].sectors + stats.op[BLK_WRITE].sectors) * SECTOR_SIZE);
	assert_int_equal(column[11] + column[12], 0);
}

static void disks_body(void *arg)
{
	struct blkdev_stats before, after;
	unsigned long long column[17];
	unsigned major, minor, in_flight, n = 0;
	char name[32], *rest;
	struct blkdev *dev;
	int used;

	(void)arg;
	harness_start();
	get("/proc/partitions", 4096);
	assert_memory_equal(whole, "major minor  #blocks  name\n\n", 28);
	has_line(" 120        0       4096 sim0");
	dev = blkdev_find("sim0");
	take_time(dev);
	blk_stats(dev, &before, &in_flight);
	get("/proc/diskstats", 4096);
	blk_stats(dev, &after, &in_flight);
	assert_int_equal(sscanf(whole, "%u %u %31s%n", &major, &minor, name, &used), 3);
	assert_int_equal(major, BLKFILE_MAJOR);
	assert_string_equal(name, "sim0");
	for (rest = whole + used; n < 17 && sscanf(rest, " %llu%n", &column[n], &used) == 1; n++)
		rest += used;
	assert_int_equal(n, 17);
	assert_string_equal(rest, "\n");
	for (unsigned op = 0; op < 2; op++) {
		const struct blk_op_stats *from = &before.op[op], *to = &after.op[op];

		assert_in_range(column[4 * op], from->requests, to->requests);
		assert_in_range(column[4 * op + 1], from->merged, to->merged);
		assert_in_range(column[4 * op + 2], from->sectors, to->sectors);
		assert_in_range(column[4 * op + 3], from->time / NSEC_PER_MSEC, to->time / NSEC_PER_MSEC);
	}
	assert_in_range(column[9], before.busy / NSEC_PER_MSEC, after.busy / NSEC_PER_MSEC);
	assert_in_range(column[10], column[3] + column[7] + column[16], column[3] + column[7] + column[16] + 2);
	assert_in_range(column[15], before.op[BLK_FLUSH].requests, after.op[BLK_FLUSH].requests);
	assert_true(column[3] + column[7] > 0 && column[9] > 0);
	assert_true(column[0] > 0 && column[4] > 0 && column[15] > 0);
	check_diskio(dev);
	assert_int_equal(harness_stop(), 0);
}

static void test_disks(void **state)
{
	(void)state;
	with_files(disks_body);
}

/* ---- the machine ---- */

static void *waiter(void *arg)
{
	thread_sleep_until(*(nsec_t *)arg);
	return NULL;
}

static void threads_body(void *arg)
{
	nsec_t until;
	struct thread *t;
	char *line;

	(void)arg;
	harness_start();
	until = clock_now() + NSEC_PER_SEC;
	assert_int_equal(thread_create("sleeper", THREAD_STACK_SIZE, waiter, &until, &t), 0);
	thread_set_priority(t, 7);
	thread_sleep_until(clock_now() + NSEC_PER_MSEC);
	get("/proc/threads", 50);
	assert_memory_equal(whole, "  ID NAME             STATE    PRIO HART LOCKS WAITS-FOR\n", 57);
	line = strstr(whole, " sleeper          waiting     7    0     0 ");
	assert_non_null(line);
	assert_non_null(strstr(whole, " tmpfs            waiting    31    0     0 queue:settler\n"));
	assert_non_null(strstr(whole, " running  "));
	assert_int_equal(thread_join(t, NULL), 0);
	get("/proc/threads", 4096);
	assert_null(strstr(whole, "sleeper"));
	assert_int_equal(harness_stop(), 0);
}

static void test_threads(void **state)
{
	(void)state;
	with_files(threads_body);
}

static bool one_interrupt(unsigned after, struct interrupt_info *out)
{
	if (after >= 9)
		return false;
	*out = (struct interrupt_info){.number = 9, .chip = "PLIC", .name = "uart", .count = 1234};
	return true;
}

static void machine_body(void *arg)
{
	static char isa[600];
	unsigned long long sec, idle;
	unsigned hundredth;

	(void)arg;
	memset(isa, 'x', sizeof(isa) - 1);
	bootargs_set("root=/dev/sim0  quiet -- one%20word two", 39);
	interrupts_set_source(one_interrupt);
	cpu_set(0, &(struct cpu){.id = 4, .isa = isa, .mmu = "sv39"});
	cpu_set(1, &(struct cpu){.id = 2});
	harness_start();
	assert_int_equal(get("/proc/cmdline", 4096), 40);
	assert_string_equal(whole, "root=/dev/sim0  quiet -- one%20word two\n");
	thread_sleep_until(clock_now() + 3 * NSEC_PER_SEC);
	get("/proc/uptime", 4096);
	assert_int_equal(sscanf(whole, "%llu.%2u %llu.00\n", &sec, &hundredth, &idle), 3);
	assert_in_range(sec, 3, 4);
	get("/proc/interrupts", 4096);
	has_line("            CPU0       CPU1");
	has_line("   9:       1234          0  PLIC 9 Level uart");
	assert_non_null(strstr(whole, "\n TIM: "));
	assert_non_null(strstr(whole, "\n IPI: "));
	get("/proc/cpuinfo", 100);
	has_line("processor\t: 0");
	has_line("hart\t\t: 4");
	has_line("mmu\t\t: sv39");
	assert_non_null(strstr(whole, isa));
	has_line("processor\t: 1");
	get("/proc/version", 4096);
	assert_memory_equal(whole, "cairn (gcc version ", 19);
	get("/proc/meminfo", 4096);
	assert_non_null(strstr(whole, "\nShmem:                 0 kB\n"));
	assert_int_equal(fs_fallocate(stack_open("/tmp/f", O_CREAT | O_RDWR), 0, 1 << 20), 0);
	get("/proc/meminfo", 4096);
	assert_non_null(strstr(whole, "\nShmem:              1024 kB\n"));
	get("/proc/vmstat", 4096);
	has_line("nr_shmem 256");
	assert_int_equal(harness_stop(), 0);
}

static void test_machine(void **state)
{
	(void)state;
	with_files(machine_body);
}

/* ---- the board ---- */

static char chosen[16];

static bool one_line(const struct facts *facts, unsigned n, char text[FACT_SIZE])
{
	snprintf(text, FACT_SIZE, "%s %s", (const char *)facts->owner, chosen);
	return n == 0;
}

static int choose(const struct facts *facts, const char *value)
{
	(void)facts;
	snprintf(chosen, sizeof(chosen), "%s", value);
	return strcmp(value, "bad") ? 0 : -EINVAL;
}

static void board_body(void *arg)
{
	static char is[] = "is", goes[] = "goes";
	static struct facts first = {.name = "cpu", .line = one_line, .owner = is},
			    second = {.name = "card0", .line = one_line, .set = choose, .owner = goes};
	int fd;

	(void)arg;
	facts_add(&first);
	facts_add(&second);
	harness_start();
	assert_int_equal(get("/proc/board", 7), strlen("cpu: is \ncard0: goes \n"));
	fd = stack_open("/proc/board", O_WRONLY);
	assert_int_equal(fs_write(fd, "card0 slow\n", 11), 11);
	get("/proc/board", 100);
	assert_string_equal(whole, "cpu: is slow\ncard0: goes slow\n");
	assert_int_equal(fs_write(fd, "card0 bad", 9), -EINVAL);
	assert_int_equal(fs_write(fd, "card slow", 9), -ENODEV);
	assert_int_equal(fs_write(fd, "card0", 5), -EINVAL);
	assert_int_equal(fs_write(fd, "card0 much-too-long-a-word", 26), -EINVAL);
	assert_int_equal(fs_write(fd, "cpu slow", 8), -EINVAL);
	assert_int_equal(fs_close(fd), 0);
	assert_int_equal(harness_stop(), 0);
}

static void test_board(void **state)
{
	(void)state;
	with_files(board_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_maps),    cmocka_unit_test(test_mounts),  cmocka_unit_test(test_disks),
	    cmocka_unit_test(test_threads), cmocka_unit_test(test_machine), cmocka_unit_test(test_board),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
