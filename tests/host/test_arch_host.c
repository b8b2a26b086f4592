// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The host's page tables and threads against arch/pt.h and arch/context.h. Whether a page can be reached is asked with
 * uaccess_peek32, which serves no fault, so that mm stays out of it.
 */
#include "tests/host/harness.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "arch/host/host.h"
#include "arch/pt.h"
#include "arch/uaccess.h"
#include "kernel/thread.h"
#include "mm/frame.h"

#define LEAF_SPAN (512 * PAGE_SIZE)

static const struct harness plenty = {.frames = 1024};
static const vaddr_t at = MMAP_MIN + 64 * LEAF_SPAN;

static void *take_none(void)
{
	return NULL;
}

static void *take_frame(void)
{
	struct page *page = frame_alloc();

	return page ? page_va(page) : NULL;
}

static void give_frame(void *frame)
{
	frame_free(pa_to_page(va_to_pa(frame)));
}

static bool peek(vaddr_t va, uint32_t *value)
{
	return uaccess_peek32((void *)va, value);
}

static paddr_t frame_with(uint32_t word)
{
	uint32_t *p = take_frame();

	assert_non_null(p);
	*p = word;
	return va_to_pa(p);
}

static void tables_body(void *arg)
{
	size_t free_before = frame_free_count();
	void *pruned;

	(void)arg;
	assert_int_equal(pt_prepare(at, take_none), -ENOMEM);
	assert_true(pte_is_none(pt_get(at)));
	assert_int_equal(pt_prepare(at, take_frame), 0);
	assert_int_equal(pt_prepare(at + PAGE_SIZE, take_none), 0); // the same table
	assert_int_equal(pt_table_count(), 1);
	pt_exchange(at + 5 * PAGE_SIZE, pte_hold(frame_with(0)));
	assert_int_equal(pt_next(at, at + LEAF_SPAN), at + 5 * PAGE_SIZE);
	assert_int_equal(pt_next(MMAP_MIN, MMAP_MAX), at + 5 * PAGE_SIZE);
	assert_int_equal(pt_next(MMAP_MIN, at + 5 * PAGE_SIZE), at + 5 * PAGE_SIZE);
	assert_int_equal(pt_next(at + 6 * PAGE_SIZE, MMAP_MAX), MMAP_MAX);
	assert_null(pt_prune(at, at + LEAF_SPAN, NULL));
	give_frame(pa_to_va(pte_pa(pt_exchange(at + 5 * PAGE_SIZE, pte_none()))));
	assert_null(pt_prune(at + PAGE_SIZE, at + LEAF_SPAN, NULL));
	pruned = pt_prune(at, at + LEAF_SPAN, NULL);
	assert_non_null(pruned);
	assert_null(*(void **)pruned);
	pt_pruned_flush(pruned);
	give_frame(pruned);
	assert_int_equal(pt_table_count(), 0);
	assert_int_equal(frame_free_count(), free_before);
}

static void test_tables(void **state)
{
	(void)state;
	harness_run(&plenty, tables_body, NULL);
}

static void entries_body(void *arg)
{
	paddr_t pa = frame_with(0x11223344), other = frame_with(0x55667788);
	struct pt_batch batch = PT_BATCH_INIT;
	uint32_t word;
	pte_t e;

	(void)arg;
	assert_int_equal(pt_prepare(at, take_frame), 0);
	assert_false(peek(at, &word));
	assert_true(pt_replace(at, pte_none(), pte_make(pa, PT_R | PT_W)));
	pt_fence(at);
	assert_true(peek(at, &word));
	assert_int_equal(word, 0x11223344);
	*(volatile uint32_t *)at = 0x99; // one memory, two views
	assert_int_equal(*(uint32_t *)pa_to_va(pa), 0x99);

	e = pt_get(at);
	assert_true(pte_is_present(e) && pte_young(e) && !pte_is_held(e));
	assert_int_equal(pte_pa(e), pa);
	assert_int_equal(pte_rights(e), PT_R | PT_W);
	pt_make_old(at);
	assert_false(pte_young(pt_get(at)));
	assert_false(peek(at, &word));
	pt_make_young(at);
	assert_true(peek(at, &word));

	assert_false(pt_replace(at, pte_make(other, PT_R), pte_none()));
	assert_true(pt_replace(at, e, pte_narrow(e, PT_R)));
	pt_batch_add(&batch, at);
	pt_batch_flush(&batch);
	assert_int_equal(pte_rights(pt_get(at)), PT_R);
	assert_true(peek(at, &word));
	assert_int_not_equal(harness_store((void *)at, 1, NULL), FAULT_OK);

	e = pt_exchange(at, pte_make(other, PT_R));
	assert_int_equal(pte_pa(e), pa);
	assert_true(peek(at, &word));
	assert_int_equal(word, 0x55667788);
	pt_exchange(at, pte_narrow(pt_get(at), 0));
	assert_true(pte_is_held(pt_get(at)));
	assert_int_equal(pte_pa(pt_get(at)), other);
	assert_false(peek(at, &word));
	pt_exchange(at, pte_none());
	assert_int_equal(host_pages_shown(), 0);
}

static void test_entries(void **state)
{
	(void)state;
	harness_run(&plenty, entries_body, NULL);
}

/* More pages than the host can show at once, at every second place: the worst for it. */
static void many_body(void *arg)
{
	paddr_t pa = frame_with(0xabcd);
	size_t present = 0;
	uint32_t word;

	(void)arg;
	for (size_t i = 0; i < HOST_PAGES_SHOWN_MAX + 1000; i++) {
		vaddr_t va = at + 2 * i * PAGE_SIZE;

		assert_int_equal(pt_prepare(va, take_frame), 0);
		pt_exchange(va, pte_make(pa, PT_R));
		assert_true(peek(va, &word));
		assert_int_equal(word, 0xabcd);
	}
	assert_int_equal(host_pages_shown(), HOST_PAGES_SHOWN_MAX);
	for (vaddr_t va = at; (va = pt_next(va, MMAP_MAX)) < MMAP_MAX; va += PAGE_SIZE)
		present += pte_is_present(pt_get(va));
	assert_int_equal(present, HOST_PAGES_SHOWN_MAX + 1000);
	assert_false(peek(at, &word));
	assert_int_equal(*(volatile uint32_t *)at, 0xabcd); // comes back by a fault
	assert_int_equal(host_pages_shown(), HOST_PAGES_SHOWN_MAX);
}

static void test_more_than_the_host_shows(void **state)
{
	(void)state;
	harness_run(&plenty, many_body, NULL);
}

static size_t linux_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	size_t count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static void *quick(void *arg)
{
	thread_yield();
	return arg;
}

static void threads_body(void *arg)
{
	size_t before = 0;

	(void)arg;
	for (uintptr_t i = 0; i < 500; i++) {
		struct thread *t;
		void *result;

		assert_int_equal(thread_create("quick", THREAD_STACK_SIZE, quick, (void *)i, &t), 0);
		assert_int_equal(thread_join(t, &result), 0);
		assert_int_equal((uintptr_t)result, i);
		if (i == 0)
			before = linux_threads();
	}
	assert_int_equal(linux_threads(), before);
}

static void test_threads_come_and_go(void **state)
{
	(void)state;
	harness_run(&plenty, threads_body, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_tables),
	    cmocka_unit_test(test_entries),
	    cmocka_unit_test(test_more_than_the_host_shows),
	    cmocka_unit_test(test_threads_come_and_go),
	};

	return cmocka_run_group_tests_name("arch/host", tests, NULL, NULL);
}
