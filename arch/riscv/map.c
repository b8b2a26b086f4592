// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Mappings of the high half, docs/design.md section 3: the image, the linear map, device windows. They are made once
 * and stay. Begins life before the MMU is on: map_boot and what it calls run at physical addresses, so they use no
 * pointer that the linker wrote. Tables come from a pool behind the image until linear_end, from the frame allocator
 * after. Sleeps never.
 */

#include <assert.h>
#include <errno.h>

#include "arch/io.h"
#include "arch/riscv/pte.h"
#include "arch/riscv/riscv.h"
#include "arch/upcall.h"

#define IMAGE_VIRTUAL (IMAGE_BASE + 0x200000)
#define SATP_SV39 (8ul << 60)
#define GIB (1ul << 30)
#define LEVELS 3

_Alignas(PAGE_SIZE) uint64_t pt_root[PTE_COUNT];
static _Alignas(PAGE_SIZE) uint64_t linear_root[PTE_COUNT]; // the linear map while it is made

static paddr_t image_pa;
static paddr_t pool_next, pool_end; // equal from linear_end on
static paddr_t pool_last;
static uint64_t table_offset; // from a table's physical address to where it can be reached now

static uint64_t *table_at(paddr_t pa)
{
	return (uint64_t *)(pa + table_offset);
}

static paddr_t table_take(void)
{
	uint64_t *table;
	paddr_t pa;

	if (pool_next < pool_end) {
		pa = pool_next;
		pool_next += PAGE_SIZE;
		table = table_at(pa);
	} else {
		table = upcall_frame_take();
		if (!table)
			return 0;
		pa = va_to_pa(table);
	}
	for (size_t i = 0; i < PTE_COUNT; i++)
		table[i] = 0;
	return pa;
}

static int map_range(uint64_t *root, vaddr_t va, paddr_t pa, uint64_t len, enum map_attr attr)
{
	while (len > 0) {
		unsigned level = LEVELS - 1;
		uint64_t *table = root;

		while (level > 0 && (((va | pa) & (pte_span(level) - 1)) || len < pte_span(level)))
			level--;
		for (unsigned l = LEVELS - 1; l > level; l--) {
			uint64_t *entry = &table[pte_index(va, l)];

			if (!*entry) {
				paddr_t table_pa = table_take();

				if (!table_pa)
					return -ENOMEM;
				*entry = pte_of(table_pa) | PTE_V;
			}
			table = table_at(pte_address(*entry));
		}
		table[pte_index(va, level)] = pte_of(pa) | attr | PTE_V | PTE_G | PTE_A | PTE_D;
		va += pte_span(level);
		pa += pte_span(level);
		len -= pte_span(level);
	}
	return 0;
}

static uint64_t linear_leaf(paddr_t pa)
{
	return pte_of(align_down(pa, GIB)) | MAP_ATTR_RW | PTE_V | PTE_G | PTE_A | PTE_D;
}

uint64_t map_boot(paddr_t start, paddr_t fdt)
{
	uint64_t text = (uint64_t)(image_rodata - image_text);
	uint64_t rodata = (uint64_t)(image_data - image_rodata);
	uint64_t data = (uint64_t)(image_pool_end - image_data);

	image_pa = start;
	pool_next = (paddr_t)image_pool;
	pool_end = (paddr_t)image_pool_end;

	/* The pool is made for these: they cannot fail. */
	(void)map_range(pt_root, IMAGE_VIRTUAL, start, text, MAP_ATTR_RX);
	(void)map_range(pt_root, IMAGE_VIRTUAL + text, start + text, rodata, MAP_ATTR_R);
	(void)map_range(pt_root, IMAGE_VIRTUAL + text + rodata, start + text + rodata, data, MAP_ATTR_RW);
	pt_root[pte_index(LINEAR_BASE + start, LEVELS - 1)] = linear_leaf(start);
	for (unsigned i = 0; i < 2; i++, fdt += FDT_SIZE_MAX) { // it may end in the next
		if (fdt < LINEAR_SIZE)
			pt_root[pte_index(LINEAR_BASE + fdt, LEVELS - 1)] = linear_leaf(fdt);
	}
	table_offset = IMAGE_VIRTUAL - start; // from when satp is written
	return SATP_SV39 | (paddr_t)pt_root >> PAGE_SHIFT;
}

void *map_boot_take(size_t pages)
{
	void *memory = table_at(pool_next);

	pool_next += pages * PAGE_SIZE;
	assert(pool_next <= pool_end);
	return memory;
}

paddr_t image_start(void)
{
	return image_pa;
}

paddr_t image_end(void)
{
	return pool_last;
}

int linear_add(paddr_t start, paddr_t end)
{
	paddr_t constant_end = image_pa + (paddr_t)(image_data - image_text);
	paddr_t below = min_of(end, image_pa), above = max_of(start, constant_end);
	int err = 0;

	if (start < below)
		err = map_range(linear_root, LINEAR_BASE + start, start, below - start, MAP_ATTR_RW);
	if (!err && above < end)
		err = map_range(linear_root, LINEAR_BASE + above, above, end - above, MAP_ATTR_RW);
	return err;
}

void linear_end(void)
{
	for (vaddr_t va = LINEAR_BASE; va < LINEAR_BASE + LINEAR_SIZE; va += GIB)
		pt_root[pte_index(va, LEVELS - 1)] = linear_root[pte_index(va, LEVELS - 1)];
	tlb_fence_all();
	pool_last = pool_next;
	pool_end = pool_next;
	table_offset = LINEAR_BASE;
}

int map_kernel(vaddr_t va, paddr_t pa, uint64_t len, enum map_attr attr)
{
	int err = map_range(pt_root, va, pa, len, attr);

	tlb_flush(va, va + len);
	return err;
}

/* ---- device windows ---- */
#define WINDOWS_MAX 64

static struct {
	atomic_flag lock; // guards the rest; interrupts masked
	vaddr_t next;
	size_t count;
	struct {
		paddr_t pa;
		uint64_t len;
		vaddr_t va;
	} window[WINDOWS_MAX];
} device = {.lock = ATOMIC_FLAG_INIT, .next = DEVICE_BASE};

static vaddr_t window_find_locked(paddr_t pa, uint64_t len)
{
	for (size_t i = 0; i < device.count; i++) {
		paddr_t from = device.window[i].pa;

		if (pa >= from && pa - from < device.window[i].len && len <= device.window[i].len - (pa - from))
			return device.window[i].va + (pa - from);
	}
	return 0;
}

static vaddr_t window_make_locked(paddr_t pa, uint64_t len)
{
	uint64_t align = len >= pte_span(1) ? pte_span(1) : PAGE_SIZE;
	/* At the same place in its large page as the device is, so that large leaves fit. */
	vaddr_t va = align_up(device.next, align) + (pa & (align - 1));

	if (device.count == WINDOWS_MAX || va - DEVICE_BASE > DEVICE_SIZE || len > DEVICE_SIZE - (va - DEVICE_BASE))
		return 0;
	if (map_kernel(va, pa, len, MAP_ATTR_RW))
		return 0;
	device.next = va + len;
	device.window[device.count].pa = pa;
	device.window[device.count].len = len;
	device.window[device.count++].va = va;
	return va;
}

volatile void *io_map(paddr_t pa, size_t len)
{
	paddr_t start = align_down(pa, PAGE_SIZE);
	unsigned long flags;
	vaddr_t va;

	if (len == 0 || len > DEVICE_SIZE || pa + len < pa || pa + len > (paddr_t)1 << PADDR_BITS)
		return NULL;
	len = align_up(pa + len, PAGE_SIZE) - start;
	flags = arch_lock(&device.lock);
	va = window_find_locked(start, len);
	if (!va)
		va = window_make_locked(start, len);
	arch_unlock(&device.lock, flags);
	return va ? (volatile void *)(va + (pa - start)) : NULL;
}
