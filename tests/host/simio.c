// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#include "tests/host/simio.h"

#include <errno.h>

#include "arch/clock.h"
#include "arch/host/host.h"
#include "arch/io.h"
#include "drivers/irq.h"
#include "tests/host/harness.h"

#define IRQS 128
#define CALLS_MAX 1000

static struct sim_window *windows;

static struct irq_line {
	void (*handler)(void *arg);
	void *arg;
	bool high, posted;
	struct host_event event;
} lines[IRQS];

void sim_window_add(struct sim_window *window)
{
	window->next = windows;
	windows = window;
}

void sim_io_clear(void)
{
	windows = NULL;
	for (unsigned i = 0; i < IRQS; i++) {
		if (lines[i].posted)
			host_event_cancel(&lines[i].event);
		lines[i] = (struct irq_line){0};
	}
}

/* The address handed out is the physical one: nothing lies there in a Linux process, and no two windows share it. */
volatile void *io_map(paddr_t pa, size_t len)
{
	for (struct sim_window *w = windows; w; w = w->next)
		if (pa >= w->pa && len <= w->len && pa - w->pa <= w->len - len)
			return (volatile void *)(uintptr_t)pa;
	return NULL;
}

static struct sim_window *window_at(const volatile void *at, unsigned width, size_t *off)
{
	paddr_t pa = (paddr_t)(uintptr_t)at;

	for (struct sim_window *w = windows; w; w = w->next)
		if (pa >= w->pa && pa - w->pa + width <= w->len) {
			*off = pa - w->pa;
			return w;
		}
	fail_msg("no model has a register at %p", (const void *)(uintptr_t)at);
	return NULL;
}

static uint32_t model_read(const volatile void *at, unsigned width)
{
	size_t off;
	struct sim_window *w = window_at(at, width, &off);

	return w->read(w, off, width);
}

static void model_write(volatile void *at, uint32_t value, unsigned width)
{
	size_t off;
	struct sim_window *w = window_at(at, width, &off);

	w->write(w, off, value, width);
}

uint8_t arch_read8(const volatile void *at)
{
	return (uint8_t)model_read(at, 1);
}

uint16_t arch_read16(const volatile void *at)
{
	return (uint16_t)model_read(at, 2);
}

uint32_t arch_read32(const volatile void *at)
{
	return model_read(at, 4);
}

void arch_write8(volatile void *at, uint8_t v)
{
	model_write(at, v, 1);
}

void arch_write16(volatile void *at, uint16_t v)
{
	model_write(at, v, 2);
}

void arch_write32(volatile void *at, uint32_t v)
{
	model_write(at, v, 4);
}

/* ---- interrupts ---- */

int irq_request(uint32_t irq, void (*handler)(void *arg), void *arg, const char *name)
{
	(void)name;
	if (!irq || irq >= IRQS)
		return -EINVAL;
	if (lines[irq].handler)
		return -EBUSY;
	lines[irq].handler = handler;
	lines[irq].arg = arg;
	sim_irq_set(irq, lines[irq].high);
	return 0;
}

static void line_fire(struct host_event *event)
{
	struct irq_line *line = container_of(event, struct irq_line, event);
	unsigned calls = 0;

	line->posted = false;
	for (; line->high && line->handler; line->handler(line->arg))
		if (calls++ == CALLS_MAX)
			fail_msg("interrupt %u stays high: the driver does not acknowledge it",
				 (unsigned)(line - lines));
}

void sim_irq_set(uint32_t irq, bool high)
{
	struct irq_line *line = &lines[irq];

	assert_true(irq < IRQS);
	line->high = high;
	if (!high || !line->handler || line->posted)
		return;
	line->posted = true;
	line->event.fire = line_fire;
	host_event_post(&line->event, clock_now());
}
