// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * RISC-V platform-level interrupt controller (riscv-plic-1.0.0). All sources go to one context: the supervisor mode
 * of the hart that starts the machine, found as the entry of interrupts-extended whose parent is that hart's own
 * interrupt controller and whose number is 9 (supervisor external).
 *
 * plic.lock guards the handler table and the enable bits; handlers run without it, interrupts masked. A handler's
 * entry is written before its source is enabled and never changes after.
 */
#include "drivers/irq/plic.h"

#include <errno.h>

#include "arch/hart.h"
#include "arch/io.h"
#include "arch/trap.h"
#include "drivers/irq.h"
#include "kernel/interrupts.h"
#include "kernel/log.h"
#include "kernel/spinlock.h"

#define PLIC_PRIORITY(irq) (4 * (irq))
#define PLIC_ENABLE(ctx, irq) (0x2000 + 0x80 * (ctx) + (irq) / 32 * 4)
#define PLIC_THRESHOLD(ctx) (0x200000 + 0x1000 * (ctx))
#define PLIC_CLAIM(ctx) (PLIC_THRESHOLD(ctx) + 4)

#define PLIC_SOURCES_MAX 256 // handled here; the controller may have up to 1023
#define PLIC_CONTEXTS_MAX 15872
#define IRQ_S_EXTERNAL 9

static struct {
	volatile void *regs; // NULL: no controller
	unsigned context;
	uint32_t sources; // numbers 1 .. sources - 1 are good

	struct spinlock lock; // guards the rest, and the enable registers
	struct {
		void (*handler)(void *arg);
		void *arg;
		const char *name;
		atomic_ulong count; // relaxed, by the handling hart alone
	} irqs[PLIC_SOURCES_MAX];
} plic = {.lock = SPINLOCK_INIT("plic")};

/* The hart whose interrupt controller has this phandle: its `reg`, one or two cells. */
static bool intc_hart(const struct fdt *fdt, uint32_t phandle, uint64_t *hart)
{
	fdt_node_t intc = fdt_by_phandle(fdt, phandle);
	fdt_node_t cpu = intc >= 0 ? fdt_parent(fdt, intc) : intc;
	uint32_t high, low;

	if (cpu < 0 || !fdt_prop_u32(fdt, cpu, "reg", 0, &high))
		return false;
	*hart = fdt_prop_u32(fdt, cpu, "reg", 1, &low) ? (uint64_t)high << 32 | low : high;
	return true;
}

static int plic_find_context(const struct device *dev, unsigned *context)
{
	uint64_t hart, self = hart_self()->id;
	uint32_t parent, irq;

	for (unsigned i = 0; i < PLIC_CONTEXTS_MAX && !fdt_irq(dev->fdt, dev->node, i, &parent, &irq); i++)
		if (irq == IRQ_S_EXTERNAL && intc_hart(dev->fdt, parent, &hart) && hart == self) {
			*context = i;
			return 0;
		}
	log_error("%s: no supervisor context for hart %llu in interrupts-extended", dev->name,
		  (unsigned long long)self);
	return -EINVAL;
}

static bool plic_next(unsigned after, struct interrupt_info *out)
{
	unsigned long flags = spin_lock(&plic.lock);
	unsigned irq = after + 1;

	while (irq < plic.sources && !plic.irqs[irq].handler)
		irq++;
	if (irq < plic.sources)
		*out = (struct interrupt_info){
		    .number = irq,
		    .chip = "PLIC",
		    .name = plic.irqs[irq].name,
		    .count = atomic_load_explicit(&plic.irqs[irq].count, memory_order_relaxed),
		};
	spin_unlock(&plic.lock, flags);
	return irq < plic.sources;
}

static int plic_probe(const struct device *dev)
{
	uint32_t sources;
	unsigned context;

	if (plic.regs)
		return -EBUSY;
	int error = plic_find_context(dev, &context);

	if (error)
		return error;
	if (!dev->reg_count || dev->reg[0].len < PLIC_CLAIM(context) + 4 ||
	    !fdt_prop_u32(dev->fdt, dev->node, "riscv,ndev", 0, &sources) || sources > 1023)
		return -EINVAL;
	volatile void *regs = io_map(dev->reg[0].pa, PLIC_CLAIM(context) + 4);

	if (!regs)
		return -ENOMEM;
	for (uint32_t irq = 0; irq <= sources; irq += 32)
		io_write32(regs, PLIC_ENABLE(context, irq), 0);
	for (uint32_t irq = 1; irq <= sources; irq++)
		io_write32(regs, PLIC_PRIORITY(irq), 0);
	io_write32(regs, PLIC_THRESHOLD(context), 0);
	plic.context = context;
	plic.sources = min_of(sources + 1, (uint32_t)PLIC_SOURCES_MAX);
	plic.regs = regs;
	interrupts_set_source(plic_next);
	return 0;
}

bool irq_present(void)
{
	return plic.regs;
}

static void plic_enable_locked(uint32_t irq, bool on)
{
	size_t off = PLIC_ENABLE(plic.context, irq);
	uint32_t bit = 1u << irq % 32, old = io_read32(plic.regs, off);

	io_write32(plic.regs, off, on ? old | bit : old & ~bit);
}

int irq_request(uint32_t irq, void (*handler)(void *arg), void *arg, const char *name)
{
	int error = 0;

	if (!plic.regs)
		return -ENODEV;
	if (!irq || irq >= plic.sources)
		return -EINVAL;
	unsigned long flags = spin_lock(&plic.lock);

	if (plic.irqs[irq].handler) {
		error = -EBUSY;
	} else {
		plic.irqs[irq].arg = arg;
		plic.irqs[irq].name = name;
		plic.irqs[irq].handler = handler;
		io_write32(plic.regs, PLIC_PRIORITY(irq), 1);
		plic_enable_locked(irq, true);
	}
	spin_unlock(&plic.lock, flags);
	return error;
}

/* A source that nobody asked for would come again for ever. */
static void plic_silence(uint32_t irq)
{
	unsigned long flags = spin_lock(&plic.lock);

	plic_enable_locked(irq, false);
	spin_unlock(&plic.lock, flags);
	log_warning("plic: interrupt %u has no handler, turned off", (unsigned)irq);
}

void trap_irq(void)
{
	uint32_t irq;

	if (!plic.regs)
		return;
	while ((irq = io_read32(plic.regs, PLIC_CLAIM(plic.context)))) {
		bool handled = irq < plic.sources && plic.irqs[irq].handler;

		if (handled) {
			atomic_fetch_add_explicit(&plic.irqs[irq].count, 1, memory_order_relaxed);
			plic.irqs[irq].handler(plic.irqs[irq].arg);
		}
		/* Before it is turned off: of a source that is off, the end of service is not taken. */
		io_write32(plic.regs, PLIC_CLAIM(plic.context), irq);
		if (!handled && irq <= 1023)
			plic_silence(irq);
	}
}

static const char *const plic_compatible[] = {"sifive,plic-1.0.0", "riscv,plic0", NULL};
const struct driver plic_driver = {.name = "plic", .compatible = plic_compatible, .probe = plic_probe};
