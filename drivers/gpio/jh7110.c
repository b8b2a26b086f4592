// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Pins 0 to 63 of the JH7110's system domain as inputs. What pins are connected to, and their pull-ups, are the boot
 * loader's. The lock guards changes of registers and the list of watches, which the interrupt walks; nothing sleeps.
 */
#include <errno.h>

#include "arch/io.h"
#include "drivers/gpio/gpio.h"
#include "drivers/irq.h"
#include "drivers/wired.h"
#include "kernel/spinlock.h"

#define PINS 64
#define REGS_SIZE 0x300
#define REG(first, pin) ((first) + (pin) / 32 * 4)

enum {
	OUTPUT_ENABLE = 0x000, // a byte a pin
	IRQ_ENABLE = 0x0dc,
	IRQ_EDGE = 0x0e0, // a bit a pin, from here to LEVEL
	IRQ_CLEAR = 0x0e8,
	IRQ_BOTH = 0x0f0,
	IRQ_UNMASK = 0x100,
	IRQ_PENDING = 0x110,
	LEVEL = 0x118,
	PAD = 0x120, // a word a pin
};
#define OUTPUT_MASK 0x3fu
#define OUTPUT_OFF 1u
#define PAD_INPUT (1u << 0)
#define PAD_SCHMITT (1u << 6)

struct jh7110_gpio {
	struct gpio_provider provider;
	volatile void *regs;
	uint32_t irq; // 0: none
	struct spinlock lock;
};

static struct jh7110_gpio *gpio_of(struct gpio_provider *provider)
{
	return container_of(provider, struct jh7110_gpio, provider);
}

static void change_locked(struct jh7110_gpio *g, uint32_t off, uint32_t mask, uint32_t value)
{
	io_write32(g->regs, off, (io_read32(g->regs, off) & ~mask) | value);
}

static int jh7110_input(struct gpio_provider *provider, uint32_t pin)
{
	struct jh7110_gpio *g = gpio_of(provider);
	const uint32_t shift = pin % 4 * 8, pad = PAD_INPUT | PAD_SCHMITT;
	unsigned long flags;

	if (pin >= PINS)
		return -EINVAL;
	flags = spin_lock(&g->lock);
	change_locked(g, OUTPUT_ENABLE + pin / 4 * 4, OUTPUT_MASK << shift, OUTPUT_OFF << shift);
	change_locked(g, PAD + 4 * pin, pad, pad);
	spin_unlock(&g->lock, flags);
	return 0;
}

static bool jh7110_level(struct gpio_provider *provider, uint32_t pin)
{
	return io_read32(gpio_of(provider)->regs, REG(LEVEL, pin)) >> pin % 32 & 1;
}

/* An edge is forgotten by a 0 in its bit, and noted again from the 1 on. */
static void acknowledge_locked(struct jh7110_gpio *g, unsigned word, uint32_t bits)
{
	change_locked(g, IRQ_CLEAR + 4 * word, bits, 0);
	change_locked(g, IRQ_CLEAR + 4 * word, bits, bits);
}

static void jh7110_irq(void *arg)
{
	struct jh7110_gpio *g = arg;
	unsigned long flags = spin_lock(&g->lock);
	uint32_t pending[PINS / 32];

	for (unsigned i = 0; i < array_size(pending); i++) {
		pending[i] = io_read32(g->regs, IRQ_PENDING + 4 * i);
		if (pending[i])
			acknowledge_locked(g, i, pending[i]);
	}
	struct gpio_watch *watches = g->provider.watches;

	spin_unlock(&g->lock, flags);
	gpio_changed(watches, pending);
}

static int jh7110_watch(struct gpio_provider *provider, uint32_t pin, struct gpio_watch *watch)
{
	struct jh7110_gpio *g = gpio_of(provider);
	const uint32_t bit = 1u << pin % 32;
	unsigned long flags;

	if (!g->irq)
		return -EOPNOTSUPP;
	flags = spin_lock(&g->lock);
	gpio_watch_add_locked(provider, pin, watch);
	change_locked(g, REG(IRQ_EDGE, pin), bit, bit);
	change_locked(g, REG(IRQ_BOTH, pin), bit, bit);
	acknowledge_locked(g, pin / 32, bit);
	change_locked(g, REG(IRQ_UNMASK, pin), bit, bit);
	spin_unlock(&g->lock, flags);
	return 0;
}

static const struct gpio_ops jh7110_ops = {.input = jh7110_input, .level = jh7110_level, .watch = jh7110_watch};

static int jh7110_probe(const struct device *dev)
{
	struct jh7110_gpio *g = wired_alloc(sizeof(*g));

	if (!g)
		return -ENOMEM;
	if (!dev->reg_count || dev->reg[0].len < REGS_SIZE)
		return -EINVAL;
	g->regs = io_map(dev->reg[0].pa, REGS_SIZE);
	if (!g->regs)
		return -ENOMEM;
	g->provider = (struct gpio_provider){.name = dev->name, .fdt = dev->fdt, .node = dev->node, .ops = &jh7110_ops};
	spin_init(&g->lock, "jh7110 gpio");
	for (unsigned i = 0; i < PINS; i += 32)
		io_write32(g->regs, REG(IRQ_UNMASK, i), 0);
	if (dev->irq_count && !irq_request(dev->irq[0], jh7110_irq, g, dev->name)) {
		g->irq = dev->irq[0];
		io_write32(g->regs, IRQ_ENABLE, 1);
	}
	gpio_provider_add(&g->provider);
	return 0;
}

static const char *const compatible[] = {"starfive,jh7110-sys-pinctrl", NULL};
const struct driver jh7110_gpio_driver = {.name = "jh7110-gpio", .compatible = compatible, .probe = jh7110_probe};
