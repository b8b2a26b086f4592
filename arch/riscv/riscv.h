// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Between the files of arch/riscv, and what board/ needs of it to start the machine. The rooms between know only
 * the headers of arch/.
 */
#pragma once

#include "arch/hart.h"
#include "arch/page.h"
#include "arch/riscv/asm.h"
#include "lib/fdt.h"

#define csr_read(csr)                                                                                                  \
	({                                                                                                             \
		uint64_t csr_value_;                                                                                   \
		__asm__ volatile("csrr %0, " #csr : "=r"(csr_value_)::"memory");                                       \
		csr_value_;                                                                                            \
	})
#define csr_write(csr, value) __asm__ volatile("csrw " #csr ", %0" ::"rK"(value) : "memory")
#define csr_set(csr, bits) __asm__ volatile("csrs " #csr ", %0" ::"rK"(bits) : "memory")
#define csr_clear(csr, bits) __asm__ volatile("csrc " #csr ", %0" ::"rK"(bits) : "memory")

/* ---- sbi.c ---- */
struct sbi_result {
	long error, value;
};
struct sbi_result sbi_call(unsigned long extension, unsigned long function, unsigned long arg0, unsigned long arg1);
struct sbi_result sbi_call4(unsigned long extension, unsigned long function, unsigned long arg0, unsigned long arg1,
			    unsigned long arg2, unsigned long arg3);
bool sbi_probe(unsigned long extension);

#define SBI_SET_TIMER 0 // legacy extensions, one function each
#define SBI_PUTCHAR 1
#define SBI_GETCHAR 2
#define SBI_SHUTDOWN 8
#define SBI_BASE 0x10
#define SBI_TIME 0x54494d45
#define SBI_HSM 0x48534d
#define SBI_IPI 0x735049
#define SBI_RFENCE 0x52464e43
#define SBI_SRST 0x53525354
#define SBI_DBCN 0x4442434e

/* ---- map.c: kernel mappings ---- */
enum map_attr { MAP_ATTR_R = 0x2, MAP_ATTR_RW = 0x6, MAP_ATTR_RX = 0xa };

/*
 * Maps [va, va + len) to pa for good, with the largest leaves that alignment allows; whole pages. 0, or -ENOMEM: no
 * frame for a table. Not called from two threads for parts of one gigabyte.
 */
int map_kernel(vaddr_t va, paddr_t pa, uint64_t len, enum map_attr attr);

#define FDT_SIZE_MAX (128 * 1024) // of a device tree that we take

/*
 * The linear map of the start covers the gigabytes of the image and of the device tree, from its first byte to its
 * last. The real one: linear_add each range of RAM that may be touched, then linear_end switches to it. The image's
 * text and constants are left out. 0 or -ENOMEM (more ranges than the boot tables are made for).
 */
int linear_add(paddr_t start, paddr_t end);
void linear_end(void);

/* Where the loader put the image, and its end with the boot tables that were used. */
paddr_t image_start(void);
paddr_t image_end(void);

/* The root table of the only address space. */
extern uint64_t pt_root[512];

/* ---- the rest ---- */
/* 0 or -EINVAL: the tree has no timebase-frequency. */
int clock_init(const struct fdt *fdt);
/* semihosting: the machine is an emulator started with -semihosting, and takes the exit status that way. */
void power_init(bool semihosting);
void hart_init(void); // takes the interrupts of the hart that booted, still masked by sstatus

/* ---- smp.c: the other harts ---- */
void smp_init(void); // asks the firmware what it can do, and for the harts' errata
/*
 * Starts the hart that the firmware knows as `id`, whose record is `hart` and whose idle thread is made. 0, -ENODEV:
 * the firmware cannot, or its numbers lie too far apart; -ENOMEM; -EIO: it refused.
 */
int hart_start(struct hart *hart, uint64_t id);
/* This hart forgets what it knows of an entry, or of all. */
void tlb_fence(vaddr_t va);
void tlb_fence_all(void);
/* All harts do, of the entries of [from, to), kernel addresses too; when it returns none uses an old one. */
void tlb_flush(vaddr_t from, vaddr_t to);
void tlb_flush_all(void);
/* Software interrupt: parks the hart if harts_stop was called. */
void smp_stop_if_told(void);

/* As uaccess_strncpy, but -1 for a fault and size for a missing NUL. */
size_t uaccess_copy_raw(void *dst, const void *src, size_t n);
long uaccess_string(char *dst, const char *src, size_t size);
/* Reads without serving a fault, anywhere. */
bool uaccess_peek64(const void *src, uint64_t *value);
/* Writes stimecmp; false if the hart or the firmware has it not. */
bool clock_probe_stimecmp(uint64_t value);

/* ---- of the first instructions, called by entry.S or from what it calls ---- */
uint64_t map_boot(paddr_t start, paddr_t fdt); // MMU off; returns the value for satp
void *map_boot_take(size_t pages);	       // from the boot pool, for good
void *hart_boot(uint64_t id, uint64_t time);   // returns the boot flow's thread pointer
void *tls_boot(void);
void clock_set_boot(uint64_t time);
void board_main(paddr_t fdt_pa); // board/main.c
extern struct hart harts[];
void hart_started(void); // the first C of the other harts

/* trap.S calls it on the stack it chose. */
struct trap_frame;
void trap_entry(void);
void trap_handle(struct trap_frame *tf);

/* signal.S: where a trap leads to for a handler, and the two breakpoints that are traps of our own. */
void signal_enter(void);
void signal_return(void);

/* The image, board/cairn.ld. */
extern char image_text[], image_text_end[], image_rodata[], image_data[], image_bss[], image_pool[], image_pool_end[];
