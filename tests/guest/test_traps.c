// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* What a thread must not notice: interrupts, other threads and page faults between any two of its instructions. */

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "tap.h"

#define PAGE 4096ul
#define SPINNERS 3

static uint64_t now_ns(void)
{
	struct timespec ts;

	CHECK(clock_gettime(CLOCK_MONOTONIC, &ts) == 0);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/*
 * Fills all 32 floating-point registers from `in`, spins and perhaps touches a byte at `touch`, stores them to `out`.
 * All in one piece, so that the compiler has no part in it.
 */
static void float_round(const double in[32], double out[32], uint64_t spins, volatile char *touch)
{
	__asm__ volatile("fld f0, 0(%[in]); fld f1, 8(%[in]); fld f2, 16(%[in]); fld f3, 24(%[in])\n"
			 "fld f4, 32(%[in]); fld f5, 40(%[in]); fld f6, 48(%[in]); fld f7, 56(%[in])\n"
			 "fld f8, 64(%[in]); fld f9, 72(%[in]); fld f10, 80(%[in]); fld f11, 88(%[in])\n"
			 "fld f12, 96(%[in]); fld f13, 104(%[in]); fld f14, 112(%[in]); fld f15, 120(%[in])\n"
			 "fld f16, 128(%[in]); fld f17, 136(%[in]); fld f18, 144(%[in]); fld f19, 152(%[in])\n"
			 "fld f20, 160(%[in]); fld f21, 168(%[in]); fld f22, 176(%[in]); fld f23, 184(%[in])\n"
			 "fld f24, 192(%[in]); fld f25, 200(%[in]); fld f26, 208(%[in]); fld f27, 216(%[in])\n"
			 "fld f28, 224(%[in]); fld f29, 232(%[in]); fld f30, 240(%[in]); fld f31, 248(%[in])\n"
			 "sb zero, 0(%[touch])\n"
			 "1: addi %[spins], %[spins], -1\n"
			 "bnez %[spins], 1b\n"
			 "fsd f0, 0(%[out]); fsd f1, 8(%[out]); fsd f2, 16(%[out]); fsd f3, 24(%[out])\n"
			 "fsd f4, 32(%[out]); fsd f5, 40(%[out]); fsd f6, 48(%[out]); fsd f7, 56(%[out])\n"
			 "fsd f8, 64(%[out]); fsd f9, 72(%[out]); fsd f10, 80(%[out]); fsd f11, 88(%[out])\n"
			 "fsd f12, 96(%[out]); fsd f13, 104(%[out]); fsd f14, 112(%[out]); fsd f15, 120(%[out])\n"
			 "fsd f16, 128(%[out]); fsd f17, 136(%[out]); fsd f18, 144(%[out]); fsd f19, 152(%[out])\n"
			 "fsd f20, 160(%[out]); fsd f21, 168(%[out]); fsd f22, 176(%[out]); fsd f23, 184(%[out])\n"
			 "fsd f24, 192(%[out]); fsd f25, 200(%[out]); fsd f26, 208(%[out]); fsd f27, 216(%[out])\n"
			 "fsd f28, 224(%[out]); fsd f29, 232(%[out]); fsd f30, 240(%[out]); fsd f31, 248(%[out])\n"
			 : [spins] "+r"(spins)
			 : [in] "r"(in), [out] "r"(out), [touch] "r"(touch)
			 : "memory", "f0", "f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8", "f9", "f10", "f11", "f12",
			   "f13", "f14", "f15", "f16", "f17", "f18", "f19", "f20", "f21", "f22", "f23", "f24", "f25",
			   "f26", "f27", "f28", "f29", "f30", "f31");
}

static void fill(double values[32], double seed)
{
	for (int i = 0; i < 32; i++)
		values[i] = seed + i * 1.25;
}

static void *float_spin(void *arg)
{
	double in[32], out[32];
	uint64_t start = now_ns();
	char byte;

	fill(in, (double)(intptr_t)arg * 1000);
	__asm__ volatile("fsrm %0" ::"r"((intptr_t)arg)); // rounding mode: of the thread too
	for (int i = 0; now_ns() - start < 200000000u; i++) {
		intptr_t mode;

		memset(out, 0, sizeof(out));
		float_round(in, out, 200000, &byte);
		CHECK(memcmp(in, out, sizeof(in)) == 0);
		__asm__ volatile("frrm %0" : "=r"(mode));
		CHECK(mode == (intptr_t)arg);
	}
	return NULL;
}

static void test_float_preemption(void)
{
	pthread_t threads[SPINNERS];

	for (intptr_t i = 0; i < SPINNERS; i++)
		CHECK(pthread_create(&threads[i], NULL, float_spin, (void *)i) == 0);
	for (int i = 0; i < SPINNERS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
}

static void test_float_fault(void)
{
	char *p = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	double in[32], out[32];

	CHECK(p != MAP_FAILED);
	for (int i = 0; i < 64; i++) {
		fill(in, i);
		float_round(in, out, 1, p + (size_t)i * PAGE);
		CHECK(memcmp(in, out, sizeof(in)) == 0);
	}
	CHECK(munmap(p, 64 * PAGE) == 0);
}

/* Stores a byte with the stack pointer where there is room for nothing. */
static void store_with_stack(volatile char *at, uintptr_t sp)
{
	__asm__ volatile("mv t0, sp\n"
			 "mv sp, %[sp]\n"
			 "sb %[value], 0(%[at])\n"
			 "mv sp, t0\n"
			 :
			 : [sp] "r"(sp), [at] "r"(at), [value] "r"(77)
			 : "t0", "memory");
}

static void *fault_on_last_bytes(void *arg)
{
	char here;
	uintptr_t top = ((uintptr_t)&here + PAGE) & ~(PAGE - 1);

	for (size_t i = 0; i < 32; i++)
		store_with_stack((char *)arg + i * PAGE, top - PTHREAD_STACK_MIN + 16);
	return NULL;
}

static void test_fault_on_little_stack(void)
{
	char *p = mmap(NULL, 32 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_attr_t attr;
	pthread_t thread;

	CHECK(p != MAP_FAILED && pthread_attr_init(&attr) == 0);
	CHECK(pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN) == 0);
	CHECK(pthread_create(&thread, &attr, fault_on_last_bytes, p) == 0 && pthread_join(thread, NULL) == 0);
	for (size_t i = 0; i < 32; i++)
		CHECK(p[i * PAGE] == 77);
	CHECK(munmap(p, 32 * PAGE) == 0);
}

/* A stack from mmap, not resident: it faults while it is pushed to. */
static void test_fault_on_own_stack(void)
{
	char *stack = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uintptr_t sp = (uintptr_t)stack + 16 * PAGE, read_back;

	CHECK(stack != MAP_FAILED);
	__asm__ volatile("mv t0, sp\n"
			 "mv sp, %[sp]\n"
			 "addi sp, sp, -16\n"
			 "sd t0, 0(sp)\n"
			 "ld %[back], 0(sp)\n"
			 "mv sp, t0\n"
			 : [back] "=&r"(read_back)
			 : [sp] "r"(sp)
			 : "t0", "memory");
	CHECK(read_back == *(uintptr_t *)(stack + 16 * PAGE - 16));
	CHECK(munmap(stack, 16 * PAGE) == 0);
}

TAP_MAIN({"floating point across preemption", test_float_preemption},
	 {"floating point across faults", test_float_fault}, {"a fault with no stack left", test_fault_on_little_stack},
	 {"a fault of the stack itself", test_fault_on_own_stack})
