// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Pins of SiFive's GPIO controller (FU540-C000 Manual; the FU740 has the same) as inputs. Pull-ups are the boot
 * loader's. Each pin has an interrupt of its own, taken once somebody watches it. What is pending stays so until a 1 is
 * written, whether it was enabled or not. The lock guards changes of registers and the list of watches, which the
 * interrupt walks; nothing sleeps.
 */
#include <errno.h>

#include "arch/io.h"
#include "drivers/gpio/gpio.h"
#include "drivers/irq.h"
#include "drivers/wired.h"
#include "kernel/spinlock.h"

#define PINS_MAX 32
#define PINS_DEFAULT 16 // the binding's

enum { // a bit a pin
	INPUT_VALUE = 0x00,
	INPUT_ENABLE = 0x04,
	OUTPUT_ENABLE = 0x08,
	RISE_ENABLE = 0x18,
	RISE_PENDING = 0x1c,
	FALL_ENABLE = 0x20,
	FALL_PENDING = 0x24,
	HIGH_ENABLE = 0x28,
	LOW_ENABLE = 0x30,
	REGS_SIZE = 0x44
};

struct sifive_gpio {
	struct gpio_provider provider;
	volatile void *regs;
	uint32_t pins;
	uint32_t irq[DEVICE_IRQS_MAX]; // of each pin
	unsigned irq_count;
	uint32_t wired; // pins whose interrupt is taken; at start

	struct spinlock lock;
};

static struct sifive_gpio *gpio_of(struct gpio_provider *provider)
{
	return container_of(provider, struct sifive_gpio, provider);
}

static void change_locked(struct sifive_gpio *g, uint32_t off, uint32_t mask, uint32_t value)
{
	io_write32(g->regs, off, (io_read32(g->regs, off) & ~mask) | value);
}

static int sifive_input(struct gpio_provider *provider, uint32_t pin)
{
	struct sifive_gpio *g = gpio_of(provider);
	unsigned long flags;

	if (pin >= g->pins)
		return -EINVAL;
	flags = spin_lock(&g->lock);
	change_locked(g, OUTPUT_ENABLE, 1u << pin, 0);
	change_locked(g, INPUT_ENABLE, 1u << pin, 1u << pin);
	spin_unlock(&g->lock, flags);
	return 0;
}

static bool sifive_level(struct gpio_provider *provider, uint32_t pin)
{
	return io_read32(gpio_of(provider)->regs, INPUT_VALUE) >> pin & 1;
}

/* The edges that are enabled and have come; acknowledged. */
static uint32_t take_edges_locked(struct sifive_gpio *g, uint32_t enable, uint32_t pending)
{
	const uint32_t edges = io_read32(g->regs, pending) & io_read32(g->regs, enable);

	io_write32(g->regs, pending, edges);
	return edges;
}

static void sifive_irq(void *arg)
{
	struct sifive_gpio *g = arg;
	unsigned long flags = spin_lock(&g->lock);
	const uint32_t edges =
	    take_edges_locked(g, RISE_ENABLE, RISE_PENDING) | take_edges_locked(g, FALL_ENABLE, FALL_PENDING);
	struct gpio_watch *watches = g->provider.watches;

	spin_unlock(&g->lock, flags);
	gpio_changed(watches, &edges);
}

static int sifive_watch(struct gpio_provider *provider, uint32_t pin, struct gpio_watch *watch)
{
	struct sifive_gpio *g = gpio_of(provider);
	const uint32_t bit = 1u << pin;
	unsigned long flags;

	if (pin >= g->irq_count)
		return -EOPNOTSUPP;
	if (!(g->wired & bit) && irq_request(g->irq[pin], sifive_irq, g, provider->name))
		return -EOPNOTSUPP;
	g->wired |= bit;
	flags = spin_lock(&g->lock);
	gpio_watch_add_locked(provider, pin, watch);
	io_write32(g->regs, RISE_PENDING, bit);
	io_write32(g->regs, FALL_PENDING, bit);
	change_locked(g, RISE_ENABLE, bit, bit);
	change_locked(g, FALL_ENABLE, bit, bit);
	spin_unlock(&g->lock, flags);
	return 0;
}

static const struct gpio_ops sifive_ops = {.input = sifive_input, .level = sifive_level, .watch = sifive_watch};

static int sifive_gpio_probe(const struct device *dev)
{
	struct sifive_gpio *g = wired_alloc(sizeof(*g));

	if (!g)
		return -ENOMEM;
	g->pins = PINS_DEFAULT;
	(void)fdt_prop_u32(dev->fdt, dev->node, "ngpios", 0, &g->pins);
	if (!dev->reg_count || dev->reg[0].len < REGS_SIZE || !g->pins || g->pins > PINS_MAX)
		return -EINVAL;
	g->regs = io_map(dev->reg[0].pa, REGS_SIZE);
	if (!g->regs)
		return -ENOMEM;
	g->provider = (struct gpio_provider){.name = dev->name, .fdt = dev->fdt, .node = dev->node, .ops = &sifive_ops};
	spin_init(&g->lock, "sifive gpio");
	g->irq_count = dev->irq_count;
	for (unsigned i = 0; i < dev->irq_count; i++)
		g->irq[i] = dev->irq[i];
	io_write32(g->regs, RISE_ENABLE, 0);
	io_write32(g->regs, FALL_ENABLE, 0);
	io_write32(g->regs, HIGH_ENABLE, 0);
	io_write32(g->regs, LOW_ENABLE, 0);
	gpio_provider_add(&g->provider);
	return 0;
}

static const char *const compatible[] = {"sifive,gpio0", NULL};
const struct driver sifive_gpio_driver = {.name = "sifive-gpio", .compatible = compatible, .probe = sifive_gpio_probe};
