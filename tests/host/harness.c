// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Runs of a kernel in forked children. What a run logs goes to memory shared with the test, and is printed if the run
 * fails. Each child has a time limit by SIGALRM.
 */
#include "tests/host/harness.h"

#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arch/hart.h"
#include "arch/host/host.h"
#include "arch/irq.h"
#include "kernel/log.h"
#include "kernel/thread.h"
#include "mm/frame.h"

#define LOG_SIZE (256 * 1024)

static struct {
	size_t len;
	char text[LOG_SIZE];
} * run_log; // shared by a run and its test
static struct harness config;

static _Thread_local struct {
	sigjmp_buf point;
	bool armed;
	enum fault_result result;
	int error;
} probe;

enum harness_effort harness_effort(void)
{
	const char *word = getenv("CAIRN_TEST_EFFORT");

	if (word && strcmp(word, "quick") == 0)
		return EFFORT_QUICK;
	return word && strcmp(word, "long") == 0 ? EFFORT_LONG : EFFORT_DEFAULT;
}

void *harness_shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		fail_msg("no memory to share with a run");
	return p;
}

const struct harness *harness_config(void)
{
	return &config;
}

struct blkdev *harness_start_disk(void)
{
	return simdisk_start(&config.disk);
}

static void log_write(const char *text, size_t len)
{
	size_t room = LOG_SIZE - 1 - run_log->len;

	memcpy(run_log->text + run_log->len, text, min_of(len, room));
	run_log->len += min_of(len, room);
	if (config.verbose)
		fwrite(text, 1, len, stderr);
}

static bool on_unserved_fault(vaddr_t va, enum fault_access access, enum fault_result result, int error)
{
	(void)va;
	(void)access;
	if (!probe.armed)
		return false;
	probe.result = result;
	probe.error = error;
	siglongjmp(probe.point, 1);
}

static int probe_end(int *error)
{
	probe.armed = false;
	if (error)
		*error = probe.error;
	return (int)probe.result;
}

int harness_load(const volatile void *va, uint8_t *value, int *error)
{
	probe.result = FAULT_OK;
	probe.error = 0;
	probe.armed = true;
	if (sigsetjmp(probe.point, 0) == 0)
		*value = *(const volatile uint8_t *)va;
	return probe_end(error);
}

int harness_store(volatile void *va, uint8_t value, int *error)
{
	probe.result = FAULT_OK;
	probe.error = 0;
	probe.armed = true;
	if (sigsetjmp(probe.point, 0) == 0)
		*(volatile uint8_t *)va = value;
	return probe_end(error);
}

static void harts_start(void)
{
	for (unsigned i = 1; i < config.harts; i++) {
		hart_at(i)->index = i;
		if (sched_hart_add(hart_at(i)))
			fail_msg("no memory for the idle thread of hart %u", i);
	}
	if (config.harts > 1)
		host_harts_start(config.harts);
}

static _Noreturn void run_child(void (*body)(void *arg), void *arg)
{
	struct mem_range range;

	alarm(config.seconds ? config.seconds : HARNESS_SECONDS);
	if (setenv("CMOCKA_TEST_ABORT", "1", 1) < 0) // an assertion that fails prints and aborts
		host_die("setenv");
	int err = host_memory_init(config.frames ? config.frames : HARNESS_FRAMES, &range.start, &range.end);

	if (err) {
		fprintf(stderr, "harness: memory: %s\n", strerror(-err));
		_exit(EXIT_FAILURE);
	}
	log_set_sink(log_write);
	host_preempt_seed(config.seed, config.preempt_in ? config.preempt_in : 8);
	host_fault_hook = on_unserved_fault;
	host_stuck_hook = threads_print;
	frame_init(&range, 1);
	sched_init();
	harts_start();
	irq_enable();
	body(arg);
	if (config.disk.save)
		simdisk_save(config.disk.save);
	fflush(NULL);
	_exit(EXIT_SUCCESS);
}

int harness_status(const struct harness *h, void (*body)(void *arg), void *arg, const char **log)
{
	int status;
	pid_t child;

	if (!run_log)
		run_log = harness_shared(sizeof(*run_log));
	run_log->len = 0;
	config = *h;
	fflush(NULL);
	child = fork();
	if (child < 0)
		fail_msg("fork failed");
	if (child == 0)
		run_child(body, arg);
	if (waitpid(child, &status, 0) != child)
		fail_msg("waitpid failed");
	run_log->text[run_log->len] = '\0';
	if (log)
		*log = run_log->text;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void harness_run(const struct harness *h, void (*body)(void *arg), void *arg)
{
	const char *log;
	int status = harness_status(h, body, arg, &log);

	if (status == 0)
		return;
	if (!h->verbose)
		fprintf(stderr, "%s", log);
	if (status == 128 + SIGALRM)
		fail_msg("the run took longer than its %u seconds", h->seconds ? h->seconds : HARNESS_SECONDS);
	if (status > 128 && status < 128 + 32)
		fail_msg("the run ended by signal %d", status - 128);
	fail_msg("the run ended with status %d", status);
}
