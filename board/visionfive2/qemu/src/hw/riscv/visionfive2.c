/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 * Copyright the cairn authors
 *
 * StarFive VisionFive 2 (JH7110) board
 *
 * What works like the hardware: the memory map, one S7 hart (0, no S-mode)
 * and up to four U74 harts (1..4), CLINT, PLIC with the hardware's context
 * numbering, UART0, both DesignWare MMC controllers with their clock gates,
 * dividers and resets.  Everything else is registers that remember what was
 * written, with as many side effects as firmware and Linux need to get past
 * them.
 */

#include "qemu/osdep.h"
#include "qemu/log.h"
#include "qemu/error-report.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "hw/boards.h"
#include "hw/char/serial-mm.h"
#include "hw/intc/riscv_aclint.h"
#include "hw/intc/sifive_plic.h"
#include "hw/irq.h"
#include "hw/loader.h"
#include "hw/misc/unimp.h"
#include "hw/qdev-clock.h"
#include "hw/qdev-properties.h"
#include "hw/qdev-properties-system.h"
#include "hw/riscv/boot.h"
#include "hw/riscv/boot_opensbi.h"
#include "hw/riscv/visionfive2.h"
#include "system/blockdev.h"
#include "system/device_tree.h"
#include "system/runstate.h"
#include "system/system.h"
#include "target/riscv/cpu.h"

#include <libfdt.h>

#define JH7110_TIMEBASE_HZ      4000000
#define JH7110_OSC_HZ           24000000
#define JH7110_PLL2_HZ          1188000000

#define JH7110_DRAM_BASE        0x40000000ULL
#define JH7110_ROM_BASE         0x2a000000ULL
#define JH7110_ROM_SIZE         0x8000
#define JH7110_LIM_BASE         0x08000000ULL
#define JH7110_LIM_SIZE         0x200000
#define JH7110_CLINT_BASE       0x02000000ULL
#define JH7110_PLIC_BASE        0x0c000000ULL
#define JH7110_PLIC_SIZE        0x04000000
#define JH7110_UART0_BASE       0x10000000ULL

static const hwaddr mmc_base[2] = { 0x16010000, 0x16020000 };
static const int mmc_irq[2] = { JH7110_MMC0_IRQ, JH7110_MMC1_IRQ };

/* ---- register blocks --------------------------------------------------- */

static uint64_t jh7110_regs_read(void *opaque, hwaddr offset, unsigned size)
{
    JH7110Regs *r = opaque;
    JH7110RegsClass *rc = JH7110_REGS_GET_CLASS(r);
    uint32_t v = rc->read ? rc->read(r, offset) : r->regs[offset / 4];

    qemu_log_mask(LOG_UNIMP, "%s: read  0x%04" HWADDR_PRIx " = 0x%08x\n",
                  r->label, offset, v);
    return v;
}

static void jh7110_regs_write(void *opaque, hwaddr offset, uint64_t value,
                              unsigned size)
{
    JH7110Regs *r = opaque;
    JH7110RegsClass *rc = JH7110_REGS_GET_CLASS(r);
    uint32_t old = r->regs[offset / 4];

    qemu_log_mask(LOG_UNIMP, "%s: write 0x%04" HWADDR_PRIx " = 0x%08x\n",
                  r->label, offset, (uint32_t)value);
    r->regs[offset / 4] = value;
    if (rc->written) {
        rc->written(r, offset, old);
    }
}

static const MemoryRegionOps jh7110_regs_ops = {
    .read = jh7110_regs_read,
    .write = jh7110_regs_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = {
        .min_access_size = 1,
        .max_access_size = 8,
    },
    .impl = {
        .min_access_size = 4,
        .max_access_size = 4,
    },
};

static void jh7110_regs_realize(DeviceState *dev, Error **errp)
{
    JH7110Regs *r = JH7110_REGS(dev);

    if (!r->size || (r->size & 3)) {
        error_setg(errp, "size must be a multiple of 4");
        return;
    }
    r->regs = g_new0(uint32_t, r->size / 4);
    memory_region_init_io(&r->iomem, OBJECT(dev), &jh7110_regs_ops, r,
                          r->label, r->size);
    sysbus_init_mmio(SYS_BUS_DEVICE(dev), &r->iomem);
}

static void jh7110_regs_reset_hold(Object *obj, ResetType type)
{
    JH7110Regs *r = JH7110_REGS(obj);
    JH7110RegsClass *rc = JH7110_REGS_GET_CLASS(r);

    memset(r->regs, 0, r->size);
    if (rc->reset_regs) {
        rc->reset_regs(r);
    }
}

static const Property jh7110_regs_properties[] = {
    DEFINE_PROP_STRING("label", JH7110Regs, label),
    DEFINE_PROP_UINT32("size", JH7110Regs, size, 0x10000),
};

static void jh7110_regs_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    ResettableClass *rc = RESETTABLE_CLASS(klass);

    dc->realize = jh7110_regs_realize;
    rc->phases.hold = jh7110_regs_reset_hold;
    device_class_set_props(dc, jh7110_regs_properties);
}

/* ---- clock and reset generators ---------------------------------------- */

#define CLK_ENABLE              BIT(31)
#define CLK_MUX(x)              ((x) << 24)

enum {
    SYSCLK_CPU_ROOT = 0,
    SYSCLK_CPU_CORE = 1,
    SYSCLK_CPU_BUS = 2,
    SYSCLK_GPU_ROOT = 3,
    SYSCLK_PERH_ROOT = 4,
    SYSCLK_BUS_ROOT = 5,
    SYSCLK_NOCSTG_BUS = 6,
    SYSCLK_AXI_CFG0 = 7,
    SYSCLK_STG_AXIAHB = 8,
    SYSCLK_APB_BUS = 11,
    SYSCLK_SDIO0_AHB = 91,
    SYSCLK_SDIO1_AHB = 92,
    SYSCLK_SDIO0_SDCARD = 93,
    SYSCLK_SDIO1_SDCARD = 94,
    SYSCLK_UART0_APB = 145,
    SYSCLK_UART0_CORE = 146,
    SYSCLK_END = 190,

    SYSRST_SDIO0_AHB = 64,
};

/* Reset blocks: "assert" words, followed by as many "status" words. */
static uint32_t jh7110_crg_read(JH7110Regs *r, uint32_t offset,
                                uint32_t assert_off, uint32_t words)
{
    uint32_t status_off = assert_off + words * 4;

    if (offset >= status_off && offset < status_off + words * 4) {
        return ~r->regs[(offset - words * 4) / 4];
    }
    return r->regs[offset / 4];
}

static uint32_t jh7110_syscrg_read(JH7110Regs *r, uint32_t offset)
{
    return jh7110_crg_read(r, offset, 0x2f8, 4);
}

static uint32_t jh7110_stgcrg_read(JH7110Regs *r, uint32_t offset)
{
    return jh7110_crg_read(r, offset, 0x74, 1);
}

static uint32_t jh7110_aoncrg_read(JH7110Regs *r, uint32_t offset)
{
    return jh7110_crg_read(r, offset, 0x38, 1);
}

static uint32_t jh7110_voutcrg_read(JH7110Regs *r, uint32_t offset)
{
    return jh7110_crg_read(r, offset, 0x48, 1);
}

static uint64_t jh7110_div(uint64_t hz, uint32_t reg, uint32_t mask)
{
    return reg & mask ? hz / (reg & mask) : 0;
}

static void jh7110_syscrg_update(JH7110SysCRG *c)
{
    uint32_t *regs = JH7110_REGS(c)->regs;
    uint64_t bus = extract32(regs[SYSCLK_BUS_ROOT], 24, 1) ? JH7110_PLL2_HZ
                                                           : JH7110_OSC_HZ;
    uint64_t axi = jh7110_div(bus, regs[SYSCLK_AXI_CFG0], 3);
    uint64_t ahb = jh7110_div(axi, regs[SYSCLK_STG_AXIAHB], 3);
    int i;

    for (i = 0; i < 2; i++) {
        uint32_t g = regs[SYSCLK_SDIO0_AHB + i];
        uint32_t d = regs[SYSCLK_SDIO0_SDCARD + i];

        clock_update_hz(c->sdio_ahb[i], g & CLK_ENABLE ? ahb : 0);
        clock_update_hz(c->sdio_card[i],
                        d & CLK_ENABLE ? jh7110_div(axi, d, 0xf) : 0);
        qemu_set_irq(c->sdio_reset[i],
                     extract32(regs[0x2f8 / 4 + SYSRST_SDIO0_AHB / 32],
                               SYSRST_SDIO0_AHB % 32 + i, 1));
    }
}

static void jh7110_syscrg_written(JH7110Regs *r, uint32_t offset, uint32_t old)
{
    jh7110_syscrg_update(JH7110_SYSCRG(r));
}

/*
 * The state that the SPL hands over: PLL0 and PLL2 are the roots, dividers
 * are set, the MMC clocks are gated unless mmc_preinit says otherwise.  All
 * resets are released: U-Boot drives the MMC without touching its reset.
 */
static void jh7110_syscrg_reset_regs(JH7110Regs *r)
{
    JH7110SysCRG *c = JH7110_SYSCRG(r);
    int i;

    for (i = 0; i < SYSCLK_END; i++) {
        r->regs[i] = 1;
    }
    r->regs[SYSCLK_CPU_ROOT] = CLK_MUX(1);
    r->regs[SYSCLK_CPU_CORE] = 1;
    r->regs[SYSCLK_CPU_BUS] = 2;
    r->regs[SYSCLK_GPU_ROOT] = CLK_MUX(1);
    r->regs[SYSCLK_PERH_ROOT] = CLK_MUX(1) | 2;
    r->regs[SYSCLK_BUS_ROOT] = CLK_MUX(1);
    r->regs[SYSCLK_NOCSTG_BUS] = 3;
    r->regs[SYSCLK_AXI_CFG0] = 3;
    r->regs[SYSCLK_STG_AXIAHB] = 2;
    r->regs[SYSCLK_APB_BUS] = 4;
    r->regs[SYSCLK_UART0_APB] = CLK_ENABLE;
    r->regs[SYSCLK_UART0_CORE] = CLK_ENABLE;
    for (i = 0; i < 2; i++) {
        r->regs[SYSCLK_SDIO0_AHB + i] = c->mmc_preinit ? CLK_ENABLE : 0;
        r->regs[SYSCLK_SDIO0_SDCARD + i] =
            (c->mmc_preinit ? CLK_ENABLE : 0) | 8;
    }
    jh7110_syscrg_update(c);
}

static void jh7110_syscrg_init(Object *obj)
{
    JH7110SysCRG *c = JH7110_SYSCRG(obj);
    DeviceState *dev = DEVICE(obj);

    c->sdio_ahb[0] = qdev_init_clock_out(dev, "sdio0-ahb");
    c->sdio_ahb[1] = qdev_init_clock_out(dev, "sdio1-ahb");
    c->sdio_card[0] = qdev_init_clock_out(dev, "sdio0-sdcard");
    c->sdio_card[1] = qdev_init_clock_out(dev, "sdio1-sdcard");
    qdev_init_gpio_out_named(dev, c->sdio_reset, "sdio-reset", 2);
}

static const Property jh7110_syscrg_properties[] = {
    DEFINE_PROP_BOOL("mmc-preinit", JH7110SysCRG, mmc_preinit, false),
};

static void jh7110_syscrg_class_init(ObjectClass *klass, void *data)
{
    JH7110RegsClass *jc = JH7110_REGS_CLASS(klass);

    jc->reset_regs = jh7110_syscrg_reset_regs;
    jc->read = jh7110_syscrg_read;
    jc->written = jh7110_syscrg_written;
    device_class_set_props(DEVICE_CLASS(klass), jh7110_syscrg_properties);
}

/* Divider fields must not be 0, or the clocks below have no rate. */
static void jh7110_crg_reset_ones(JH7110Regs *r)
{
    int i;

    for (i = 0; i < 0x38 / 4; i++) {
        r->regs[i] = 1;
    }
}

static void jh7110_stgcrg_reset_regs(JH7110Regs *r)
{
    int i;

    for (i = 0; i < 0x74 / 4; i++) {
        r->regs[i] = 1;
    }
}

static void jh7110_stgcrg_class_init(ObjectClass *klass, void *data)
{
    JH7110_REGS_CLASS(klass)->reset_regs = jh7110_stgcrg_reset_regs;
    JH7110_REGS_CLASS(klass)->read = jh7110_stgcrg_read;
}

static void jh7110_aoncrg_class_init(ObjectClass *klass, void *data)
{
    JH7110_REGS_CLASS(klass)->reset_regs = jh7110_crg_reset_ones;
    JH7110_REGS_CLASS(klass)->read = jh7110_aoncrg_read;
}

static void jh7110_voutcrg_class_init(ObjectClass *klass, void *data)
{
    JH7110_REGS_CLASS(klass)->reset_regs = jh7110_crg_reset_ones;
    JH7110_REGS_CLASS(klass)->read = jh7110_voutcrg_read;
}

/* ---- system controller: PLL setup -------------------------------------- */

static void jh7110_syssyscon_reset_regs(JH7110Regs *r)
{
    /* PLL0 = 24 MHz * 125 / 3 = 1 GHz, integer mode */
    r->regs[0x18 / 4] = BIT(24) | BIT(25);
    r->regs[0x1c / 4] = 125;
    r->regs[0x20 / 4] = 0;
    /* PLL0 predivider, PLL1 = 24 MHz * 533 / 12 = 1066 MHz */
    r->regs[0x24 / 4] = 3 | BIT(15) | BIT(16) | 533 << 17;
    r->regs[0x28 / 4] = 0;
    /* PLL1 predivider, PLL2 = 24 MHz * 99 / 2 = 1188 MHz */
    r->regs[0x2c / 4] = 12 | BIT(15) | BIT(16) | 99 << 17;
    r->regs[0x30 / 4] = 0;
    r->regs[0x34 / 4] = 2;
}

static void jh7110_syssyscon_class_init(ObjectClass *klass, void *data)
{
    JH7110_REGS_CLASS(klass)->reset_regs = jh7110_syssyscon_reset_regs;
}

/* ---- pin controller ---------------------------------------------------- */

#define IOMUX_DOEN              0x000
#define IOMUX_DOUT              0x040
#define IOMUX_GPIOEN            0x0dc       /* one bit for all interrupts */
#define IOMUX_GPIOIS            0x0e0       /* 1: edges, 0: level */
#define IOMUX_GPIOIC            0x0e8       /* 0: forget edges, 1: note them */
#define IOMUX_GPIOIBE           0x0f0       /* both edges */
#define IOMUX_GPIOIEV           0x0f8       /* 1: rising or high */
#define IOMUX_GPIOIE            0x100
#define IOMUX_GPIORIS           0x108
#define IOMUX_GPIOMIS           0x110
#define IOMUX_GPIOIN            0x118
#define GPIO_SD_CARD_DETECT_N   41
#define GPIO_RESTART            35

static uint8_t jh7110_iomux_byte(JH7110Regs *r, uint32_t offset)
{
    return r->regs[offset / 4] >> (offset % 4 * 8);
}

/* Interrupts of the pins, as Linux' pinctrl-starfive-jh7110.c uses them. */
static uint32_t jh7110_iomux_raw(JH7110Regs *r, int i)
{
    JH7110SysIomux *m = JH7110_SYSIOMUX(r);
    uint32_t edges = r->regs[IOMUX_GPIOIS / 4 + i];
    uint32_t level = ~(m->in[i] ^ r->regs[IOMUX_GPIOIEV / 4 + i]);

    return (edges & m->edge[i]) | (~edges & level);
}

static uint32_t jh7110_iomux_masked(JH7110Regs *r, int i)
{
    return jh7110_iomux_raw(r, i) & r->regs[IOMUX_GPIOIE / 4 + i];
}

static void jh7110_iomux_update(JH7110Regs *r)
{
    bool any = jh7110_iomux_masked(r, 0) || jh7110_iomux_masked(r, 1);

    qemu_set_irq(JH7110_SYSIOMUX(r)->irq,
                 any && (r->regs[IOMUX_GPIOEN / 4] & 1));
}

static uint32_t jh7110_sysiomux_read(JH7110Regs *r, uint32_t offset)
{
    switch (offset) {
    case IOMUX_GPIORIS:
    case IOMUX_GPIORIS + 4:
        return jh7110_iomux_raw(r, (offset - IOMUX_GPIORIS) / 4);
    case IOMUX_GPIOMIS:
    case IOMUX_GPIOMIS + 4:
        return jh7110_iomux_masked(r, (offset - IOMUX_GPIOMIS) / 4);
    case IOMUX_GPIOIN:
    case IOMUX_GPIOIN + 4:
        return JH7110_SYSIOMUX(r)->in[(offset - IOMUX_GPIOIN) / 4];
    default:
        return r->regs[offset / 4];
    }
}

static void jh7110_sysiomux_written(JH7110Regs *r, uint32_t offset,
                                    uint32_t old)
{
    /* "gpio-restart": output 1 on GPIO35 resets the board */
    if (offset / 4 == (IOMUX_DOUT + GPIO_RESTART) / 4 &&
        (jh7110_iomux_byte(r, IOMUX_DOUT + GPIO_RESTART) & 0x7f) == 1 &&
        (jh7110_iomux_byte(r, IOMUX_DOEN + GPIO_RESTART) & 0x3f) == 0) {
        qemu_system_reset_request(SHUTDOWN_CAUSE_GUEST_RESET);
    }
    if (offset == IOMUX_GPIOIC || offset == IOMUX_GPIOIC + 4) {
        JH7110_SYSIOMUX(r)->edge[(offset - IOMUX_GPIOIC) / 4] &=
            r->regs[offset / 4];
    }
    if (offset >= IOMUX_GPIOEN && offset < IOMUX_GPIOIN) {
        jh7110_iomux_update(r);
    }
}

static void jh7110_sysiomux_input(void *opaque, int n, int level)
{
    JH7110SysIomux *m = opaque;
    JH7110Regs *r = JH7110_REGS(m);
    uint32_t bit = BIT(n % 32);
    int i = n / 32;

    if (!(m->in[i] & bit) != !level) {
        bool both = r->regs[IOMUX_GPIOIBE / 4 + i] & bit;
        bool rising = r->regs[IOMUX_GPIOIEV / 4 + i] & bit;

        if ((r->regs[IOMUX_GPIOIC / 4 + i] & bit) &&
            (both || rising == !!level)) {
            m->edge[i] |= bit;
        }
    }
    m->in[i] = deposit32(m->in[i], n % 32, 1, !!level);
    jh7110_iomux_update(r);
}

static void jh7110_sysiomux_reset_regs(JH7110Regs *r)
{
    JH7110SysIomux *m = JH7110_SYSIOMUX(r);

    m->edge[0] = m->edge[1] = 0;
    jh7110_iomux_update(r);
}

static void jh7110_sysiomux_init(Object *obj)
{
    qdev_init_gpio_in(DEVICE(obj), jh7110_sysiomux_input, 64);
    sysbus_init_irq(SYS_BUS_DEVICE(obj), &JH7110_SYSIOMUX(obj)->irq);
}

static void jh7110_sysiomux_class_init(ObjectClass *klass, void *data)
{
    JH7110_REGS_CLASS(klass)->reset_regs = jh7110_sysiomux_reset_regs;
    JH7110_REGS_CLASS(klass)->read = jh7110_sysiomux_read;
    JH7110_REGS_CLASS(klass)->written = jh7110_sysiomux_written;
}

/* ---- power management unit --------------------------------------------- */

#define PMU_SW_TURN_ON          0x0c
#define PMU_SW_TURN_OFF         0x10
#define PMU_SW_ENCOURAGE        0x44
#define PMU_CURR_POWER_MODE     0x80
#define PMU_ENCOURAGE_EN_HI     0x50
#define PMU_ENCOURAGE_DIS_HI    0xa0

static void jh7110_pmu_written(JH7110Regs *r, uint32_t offset, uint32_t old)
{
    uint32_t *cur = &r->regs[PMU_CURR_POWER_MODE / 4];

    switch (offset) {
    case PMU_SW_ENCOURAGE:
        if (r->regs[offset / 4] == PMU_ENCOURAGE_EN_HI) {
            *cur |= r->regs[PMU_SW_TURN_ON / 4];
        } else if (r->regs[offset / 4] == PMU_ENCOURAGE_DIS_HI) {
            *cur &= ~r->regs[PMU_SW_TURN_OFF / 4];
        }
        break;
    case PMU_CURR_POWER_MODE:
        *cur = old;
        break;
    }
}

static void jh7110_pmu_reset_regs(JH7110Regs *r)
{
    r->regs[PMU_CURR_POWER_MODE / 4] = 0x3;     /* SYSTOP, CPU */
}

static void jh7110_pmu_class_init(ObjectClass *klass, void *data)
{
    JH7110_REGS_CLASS(klass)->reset_regs = jh7110_pmu_reset_regs;
    JH7110_REGS_CLASS(klass)->written = jh7110_pmu_written;
}

/* ---- odds and ends ----------------------------------------------------- */

/* 8 banks, 16 ways, 256 sets, 64 byte lines */
static void jh7110_ccache_reset_regs(JH7110Regs *r)
{
    r->regs[0] = 8 | 16 << 8 | 8 << 16 | 6 << 24;
    r->regs[2] = 15;
}

static void jh7110_ccache_class_init(ObjectClass *klass, void *data)
{
    JH7110_REGS_CLASS(klass)->reset_regs = jh7110_ccache_reset_regs;
}

/*
 * DesignWare I2C master.  Transfers take no time; the only devices are the
 * EEPROM and the PMIC of I2C5, each 256 bytes behind an 8-bit pointer.
 */
#define I2C_TAR                 0x04
#define I2C_DATA_CMD            0x10
#define I2C_INTR_STAT           0x2c
#define I2C_INTR_MASK           0x30
#define I2C_RAW_INTR_STAT       0x34
#define I2C_RX_TL               0x38
#define I2C_CLR_INTR            0x40
#define I2C_CLR_TX_ABRT         0x54
#define I2C_CLR_ACTIVITY        0x5c
#define I2C_CLR_STOP_DET        0x60
#define I2C_CLR_START_DET       0x64
#define I2C_ENABLE              0x6c
#define I2C_STATUS              0x70
#define I2C_TXFLR               0x74
#define I2C_RXFLR               0x78
#define I2C_TX_ABRT_SOURCE      0x80
#define I2C_ENABLE_STATUS       0x9c
#define I2C_COMP_PARAM_1        0xf4
#define I2C_COMP_VERSION        0xf8
#define I2C_COMP_TYPE           0xfc

#define I2C_CMD_READ            BIT(8)
#define I2C_CMD_STOP            BIT(9)
#define I2C_CMD_RESTART         BIT(10)

#define I2C_INT_RX_FULL         BIT(2)
#define I2C_INT_TX_EMPTY        BIT(4)
#define I2C_INT_TX_ABRT         BIT(6)
#define I2C_INT_ACTIVITY        BIT(8)
#define I2C_INT_STOP_DET        BIT(9)
#define I2C_INT_START_DET       BIT(10)

#define AXP15060_ADDR           0x36
#define AXP15060_POWER          0x32
#define EEPROM_ADDR             0x50

static uint32_t jh7110_i2c_raw(JH7110I2C *i)
{
    uint32_t raw = i->raw;

    if (JH7110_REGS(i)->regs[I2C_ENABLE / 4] & 1) {
        raw |= I2C_INT_TX_EMPTY;
        if (i->rx_count > JH7110_REGS(i)->regs[I2C_RX_TL / 4]) {
            raw |= I2C_INT_RX_FULL;
        }
    }
    return raw;
}

static void jh7110_i2c_update(JH7110I2C *i)
{
    uint32_t mask = JH7110_REGS(i)->regs[I2C_INTR_MASK / 4];

    qemu_set_irq(i->irq, !!(jh7110_i2c_raw(i) & mask));
}

static uint8_t *jh7110_i2c_slave(JH7110I2C *i, uint32_t addr)
{
    if (!i->board_devices) {
        return NULL;
    }
    return addr == EEPROM_ADDR ? i->eeprom
                               : addr == AXP15060_ADDR ? i->pmic : NULL;
}

static void jh7110_i2c_data(JH7110I2C *i, uint32_t v)
{
    uint32_t addr = JH7110_REGS(i)->regs[I2C_TAR / 4] & 0x7f;
    uint8_t *mem = jh7110_i2c_slave(i, addr);
    bool read = v & I2C_CMD_READ;

    if (!(JH7110_REGS(i)->regs[I2C_ENABLE / 4] & 1) ||
        (i->raw & I2C_INT_TX_ABRT)) {
        return;
    }
    if (!mem) {
        JH7110_REGS(i)->regs[I2C_TX_ABRT_SOURCE / 4] = 1;
        i->raw |= I2C_INT_TX_ABRT | I2C_INT_STOP_DET;
        i->active = false;
        return;
    }
    if (!i->active || (v & I2C_CMD_RESTART) || read != i->reading) {
        i->raw |= I2C_INT_START_DET | I2C_INT_ACTIVITY;
        i->active = true;
        i->reading = read;
        i->pointer_next = !read;
    }
    if (read) {
        if (i->rx_count < sizeof(i->rx)) {
            i->rx[i->rx_count++] = mem[i->pointer];
        }
        i->pointer++;
    } else if (i->pointer_next) {
        i->pointer = v;
        i->pointer_next = false;
    } else {
        mem[i->pointer] = v;
        if (addr == AXP15060_ADDR && i->pointer == AXP15060_POWER) {
            /* OpenSBI writes 0x80 for power off, 0xc0 for a restart */
            if (v & BIT(6)) {
                qemu_system_reset_request(SHUTDOWN_CAUSE_GUEST_RESET);
            } else if (v & BIT(7)) {
                qemu_system_shutdown_request(SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
            }
        }
        i->pointer++;
    }
    if (v & I2C_CMD_STOP) {
        i->raw |= I2C_INT_STOP_DET;
        i->active = false;
    }
}

static uint32_t jh7110_i2c_read(JH7110Regs *r, uint32_t offset)
{
    JH7110I2C *i = JH7110_I2C(r);
    uint32_t v = r->regs[offset / 4];

    switch (offset) {
    case I2C_DATA_CMD:
        v = 0;
        if (i->rx_count) {
            v = i->rx[0];
            memmove(i->rx, i->rx + 1, --i->rx_count);
        }
        break;
    case I2C_INTR_STAT:
        v = jh7110_i2c_raw(i) & r->regs[I2C_INTR_MASK / 4];
        break;
    case I2C_RAW_INTR_STAT:
        v = jh7110_i2c_raw(i);
        break;
    case I2C_CLR_INTR:
        i->raw = 0;
        break;
    case I2C_CLR_TX_ABRT:
        i->raw &= ~I2C_INT_TX_ABRT;
        r->regs[I2C_TX_ABRT_SOURCE / 4] = 0;
        break;
    case I2C_CLR_ACTIVITY:
        i->raw &= ~I2C_INT_ACTIVITY;
        break;
    case I2C_CLR_STOP_DET:
        i->raw &= ~I2C_INT_STOP_DET;
        break;
    case I2C_CLR_START_DET:
        i->raw &= ~I2C_INT_START_DET;
        break;
    case I2C_STATUS:
        v = 0x6 | (i->rx_count ? BIT(3) : 0);
        break;
    case I2C_TXFLR:
        v = 0;
        break;
    case I2C_RXFLR:
        v = i->rx_count;
        break;
    case I2C_ENABLE_STATUS:
        v = r->regs[I2C_ENABLE / 4] & 1;
        break;
    case I2C_COMP_PARAM_1:
        v = 0x000f0faa;
        break;
    case I2C_COMP_VERSION:
        v = 0x3230312a;
        break;
    case I2C_COMP_TYPE:
        v = 0x44570140;
        break;
    }
    jh7110_i2c_update(i);
    return v;
}

static void jh7110_i2c_written(JH7110Regs *r, uint32_t offset, uint32_t old)
{
    JH7110I2C *i = JH7110_I2C(r);

    if (offset == I2C_DATA_CMD) {
        jh7110_i2c_data(i, r->regs[offset / 4]);
    } else if (offset == I2C_ENABLE && !(r->regs[offset / 4] & 1)) {
        i->raw = 0;
        i->rx_count = 0;
        i->active = false;
    }
    jh7110_i2c_update(i);
}

static void jh7110_i2c_reset_regs(JH7110Regs *r)
{
    JH7110I2C *i = JH7110_I2C(r);
    uint8_t *e = i->eeprom;

    i->raw = 0;
    i->rx_count = 0;
    i->active = false;
    memset(i->pmic, 0, sizeof(i->pmic));
    i->pmic[0x13] = 18;                         /* DCDC1 3.3 V */
    i->pmic[0x14] = 40;                         /* DCDC2 0.9 V */

    /* StarFive's format 2: header, vendor atom, custom data atom */
    memset(e, 0, sizeof(i->eeprom));
    memcpy(e, "SFVF", 4);
    e[4] = 2;
    stw_le_p(e + 6, 2);
    stl_le_p(e + 8, 136);
    stw_le_p(e + 12, 1);
    stw_le_p(e + 14, 1);
    stl_le_p(e + 16, 88);
    e[40] = e[41] = 32;
    strcpy((char *)e + 42, "StarFive Technology Co., Ltd.");
    snprintf((char *)e + 74, 32, "VF7110B1-2253-D%03xE000-00000001",
             (unsigned)(current_machine->ram_size / GiB) & 0xfff);
    stw_le_p(e + 108, 4);
    stw_le_p(e + 110, 2);
    stl_le_p(e + 112, 20);
    stw_le_p(e + 116, 2);
    e[118] = 0xb2;
    e[119] = 'A';
    memcpy(e + 120, "\x6c\xcf\x39\x00\x00\x01", 6);
    memcpy(e + 126, "\x6c\xcf\x39\x00\x00\x02", 6);
    jh7110_i2c_update(i);
}

static void jh7110_i2c_init(Object *obj)
{
    sysbus_init_irq(SYS_BUS_DEVICE(obj), &JH7110_I2C(obj)->irq);
}

static const Property jh7110_i2c_properties[] = {
    DEFINE_PROP_BOOL("board-devices", JH7110I2C, board_devices, false),
};

static void jh7110_i2c_class_init(ObjectClass *klass, void *data)
{
    JH7110_REGS_CLASS(klass)->read = jh7110_i2c_read;
    JH7110_REGS_CLASS(klass)->written = jh7110_i2c_written;
    JH7110_REGS_CLASS(klass)->reset_regs = jh7110_i2c_reset_regs;
    device_class_set_props(DEVICE_CLASS(klass), jh7110_i2c_properties);
}

/* Cadence QSPI without a flash: always idle, reads return 0. */
static uint32_t jh7110_qspi_read(JH7110Regs *r, uint32_t offset)
{
    switch (offset) {
    case 0x00:
        return r->regs[0] | BIT(31);
    case 0x90:
        return r->regs[offset / 4] & ~3;
    case 0xa0:
    case 0xa4:
        return 0;
    default:
        return r->regs[offset / 4];
    }
}

static void jh7110_qspi_class_init(ObjectClass *klass, void *data)
{
    JH7110_REGS_CLASS(klass)->read = jh7110_qspi_read;
}

/* The DesignWare additions behind the 16550 registers. */
static uint32_t jh7110_uart_ext_read(JH7110Regs *r, uint32_t offset)
{
    return offset == 0x7c ? 0x6 : 0;
}

static void jh7110_uart_ext_class_init(ObjectClass *klass, void *data)
{
    JH7110_REGS_CLASS(klass)->read = jh7110_uart_ext_read;
}

static uint32_t jh7110_ones_read(JH7110Regs *r, uint32_t offset)
{
    return 0xffffffff;
}

static void jh7110_ones_class_init(ObjectClass *klass, void *data)
{
    JH7110_REGS_CLASS(klass)->read = jh7110_ones_read;
}

static const TypeInfo jh7110_types[] = {
    {
        .name = TYPE_JH7110_REGS,
        .parent = TYPE_SYS_BUS_DEVICE,
        .instance_size = sizeof(JH7110Regs),
        .class_size = sizeof(JH7110RegsClass),
        .class_init = jh7110_regs_class_init,
    }, {
        .name = TYPE_JH7110_SYSCRG,
        .parent = TYPE_JH7110_REGS,
        .instance_size = sizeof(JH7110SysCRG),
        .instance_init = jh7110_syscrg_init,
        .class_init = jh7110_syscrg_class_init,
    }, {
        .name = TYPE_JH7110_SYSIOMUX,
        .parent = TYPE_JH7110_REGS,
        .instance_size = sizeof(JH7110SysIomux),
        .instance_init = jh7110_sysiomux_init,
        .class_init = jh7110_sysiomux_class_init,
    }, {
        .name = "jh7110-stgcrg",
        .parent = TYPE_JH7110_REGS,
        .class_init = jh7110_stgcrg_class_init,
    }, {
        .name = "jh7110-aoncrg",
        .parent = TYPE_JH7110_REGS,
        .class_init = jh7110_aoncrg_class_init,
    }, {
        .name = "jh7110-voutcrg",
        .parent = TYPE_JH7110_REGS,
        .class_init = jh7110_voutcrg_class_init,
    }, {
        .name = "jh7110-syssyscon",
        .parent = TYPE_JH7110_REGS,
        .class_init = jh7110_syssyscon_class_init,
    }, {
        .name = "jh7110-pmu",
        .parent = TYPE_JH7110_REGS,
        .class_init = jh7110_pmu_class_init,
    }, {
        .name = "jh7110-ccache",
        .parent = TYPE_JH7110_REGS,
        .class_init = jh7110_ccache_class_init,
    }, {
        .name = TYPE_JH7110_I2C,
        .parent = TYPE_JH7110_REGS,
        .instance_size = sizeof(JH7110I2C),
        .instance_init = jh7110_i2c_init,
        .class_init = jh7110_i2c_class_init,
    }, {
        .name = "jh7110-qspi",
        .parent = TYPE_JH7110_REGS,
        .class_init = jh7110_qspi_class_init,
    }, {
        .name = "jh7110-uart-ext",
        .parent = TYPE_JH7110_REGS,
        .class_init = jh7110_uart_ext_class_init,
    }, {
        .name = "jh7110-ones",
        .parent = TYPE_JH7110_REGS,
        .class_init = jh7110_ones_class_init,
    },
};

DEFINE_TYPES(jh7110_types)

/* ---- board ------------------------------------------------------------- */

static const struct {
    const char *label;
    hwaddr base;
    uint32_t size;
    const char *type;
} blocks[] = {
    { "ccache",     0x02010000, 0x4000,   "jh7110-ccache" },
    { "l2pf",       0x02030000, 0x10000,  TYPE_JH7110_REGS },
    { "uart0-ext",  0x10000000, 0x10000,  "jh7110-uart-ext" },
    { "uart1",      0x10010000, 0x10000,  "jh7110-uart-ext" },
    { "uart2",      0x10020000, 0x10000,  "jh7110-uart-ext" },
    { "spi0",       0x10060000, 0x10000,  TYPE_JH7110_REGS },
    { "spi1",       0x10070000, 0x10000,  TYPE_JH7110_REGS },
    { "spi2",       0x10080000, 0x10000,  TYPE_JH7110_REGS },
    { "pwmdac",     0x100b0000, 0x1000,   TYPE_JH7110_REGS },
    { "usb",        0x10100000, 0x100000, TYPE_JH7110_REGS },
    { "usbphy",     0x10200000, 0x10000,  TYPE_JH7110_REGS },
    { "pciephy0",   0x10210000, 0x10000,  TYPE_JH7110_REGS },
    { "pciephy1",   0x10220000, 0x10000,  TYPE_JH7110_REGS },
    { "stgcrg",     0x10230000, 0x10000,  "jh7110-stgcrg" },
    { "stg-syscon", 0x10240000, 0x1000,   TYPE_JH7110_REGS },
    { "uart3",      0x12000000, 0x10000,  "jh7110-uart-ext" },
    { "uart4",      0x12010000, 0x10000,  "jh7110-uart-ext" },
    { "uart5",      0x12020000, 0x10000,  "jh7110-uart-ext" },
    { "pwm",        0x120d0000, 0x10000,  TYPE_JH7110_REGS },
    { "temp",       0x120e0000, 0x10000,  TYPE_JH7110_REGS },
    { "dmc-phy",    0x13000000, 0x10000,  TYPE_JH7110_REGS },
    { "qspi",       0x13010000, 0x10000,  "jh7110-qspi" },
    { "sys-syscon", 0x13030000, 0x10000,  "jh7110-syssyscon" },
    { "timer",      0x13050000, 0x10000,  TYPE_JH7110_REGS },
    { "mailbox",    0x13060000, 0x10000,  TYPE_JH7110_REGS },
    { "wdt",        0x13070000, 0x10000,  TYPE_JH7110_REGS },
    { "dmc",        0x15700000, 0x10000,  TYPE_JH7110_REGS },
    { "crypto",     0x16000000, 0x4000,   TYPE_JH7110_REGS },
    { "sdma",       0x16008000, 0x4000,   TYPE_JH7110_REGS },
    { "trng",       0x1600c000, 0x4000,   TYPE_JH7110_REGS },
    { "gmac0",      0x16030000, 0x10000,  TYPE_JH7110_REGS },
    { "gmac1",      0x16040000, 0x10000,  TYPE_JH7110_REGS },
    { "axi-dma",    0x16050000, 0x10000,  TYPE_JH7110_REGS },
    { "aoncrg",     0x17000000, 0x10000,  "jh7110-aoncrg" },
    { "aon-syscon", 0x17010000, 0x1000,   TYPE_JH7110_REGS },
    { "aon-iomux",  0x17020000, 0x10000,  TYPE_JH7110_REGS },
    { "pmu",        0x17030000, 0x10000,  "jh7110-pmu" },
    { "rtc",        0x17040000, 0x10000,  TYPE_JH7110_REGS },
    { "otp",        0x17050000, 0x10000,  TYPE_JH7110_REGS },
    { "csi2rx",     0x19800000, 0x10000,  TYPE_JH7110_REGS },
    { "ispcrg",     0x19810000, 0x10000,  "jh7110-aoncrg" },
    { "dphy-rx",    0x19820000, 0x10000,  TYPE_JH7110_REGS },
    { "isp",        0x19840000, 0x60000,  TYPE_JH7110_REGS },
    { "voutcrg",    0x295c0000, 0x10000,  "jh7110-voutcrg" },
    { "pcie0-apb",  0x2b000000, 0x100000, TYPE_JH7110_REGS },
    { "pcie1-apb",  0x2c000000, 0x100000, TYPE_JH7110_REGS },
    { "pcie0-cfg",  0x940000000, 0x1000000, "jh7110-ones" },
    { "pcie1-cfg",  0x9c0000000, 0x1000000, "jh7110-ones" },
};

static const struct {
    hwaddr base;
    int irq;
} i2c[] = {
    { 0x10030000, 35 }, { 0x10040000, 36 }, { 0x10050000, 37 },
    { 0x12030000, 48 }, { 0x12040000, 49 }, { 0x12050000, 50 },
    { 0x12060000, 51 },
};

static DeviceState *visionfive2_regs(const char *type, const char *label,
                                     hwaddr base, uint32_t size)
{
    DeviceState *dev = qdev_new(type);

    qdev_prop_set_string(dev, "label", label);
    qdev_prop_set_uint32(dev, "size", size);
    return dev;
}

static void visionfive2_harts(VisionFive2State *s)
{
    MachineState *ms = MACHINE(s);
    int i;

    object_initialize_child(OBJECT(s), "e-cluster", &s->e_cluster,
                            TYPE_CPU_CLUSTER);
    qdev_prop_set_uint32(DEVICE(&s->e_cluster), "cluster-id", 0);
    object_initialize_child(OBJECT(&s->e_cluster), "e-cpus", &s->e_cpus,
                            TYPE_RISCV_HART_ARRAY);
    qdev_prop_set_uint32(DEVICE(&s->e_cpus), "num-harts", 1);
    qdev_prop_set_uint32(DEVICE(&s->e_cpus), "hartid-base", 0);
    qdev_prop_set_string(DEVICE(&s->e_cpus), "cpu-type",
                         TYPE_RISCV_CPU_SIFIVE_E51);
    qdev_prop_set_uint64(DEVICE(&s->e_cpus), "resetvec", JH7110_ROM_BASE);

    object_initialize_child(OBJECT(s), "u-cluster", &s->u_cluster,
                            TYPE_CPU_CLUSTER);
    qdev_prop_set_uint32(DEVICE(&s->u_cluster), "cluster-id", 1);
    object_initialize_child(OBJECT(&s->u_cluster), "u-cpus", &s->u_cpus,
                            TYPE_RISCV_HART_ARRAY);
    qdev_prop_set_uint32(DEVICE(&s->u_cpus), "num-harts", ms->smp.cpus - 1);
    qdev_prop_set_uint32(DEVICE(&s->u_cpus), "hartid-base", 1);
    qdev_prop_set_string(DEVICE(&s->u_cpus), "cpu-type", ms->cpu_type);
    qdev_prop_set_uint64(DEVICE(&s->u_cpus), "resetvec", JH7110_ROM_BASE);

    sysbus_realize(SYS_BUS_DEVICE(&s->e_cpus), &error_fatal);
    sysbus_realize(SYS_BUS_DEVICE(&s->u_cpus), &error_fatal);
    qdev_realize(DEVICE(&s->e_cluster), NULL, &error_abort);
    qdev_realize(DEVICE(&s->u_cluster), NULL, &error_abort);

    /*
     * The cores implement privileged spec 1.10/1.11 plus Zba and Zbb; QEMU
     * ties Zba and Zbb to 1.12 when it realizes a CPU, so they are switched
     * on afterwards.
     */
    for (i = 0; i < ms->smp.cpus; i++) {
        RISCVCPU *cpu = i ? &s->u_cpus.harts[i - 1] : &s->e_cpus.harts[0];

        cpu->cfg.ext_zba = true;
        cpu->cfg.ext_zbb = true;
        cpu->cfg.mvendorid = 0x489;
        cpu->cfg.marchid = 0x8000000000000007ULL;
        cpu->cfg.mimpid = 0x4210427;
    }
}

static void visionfive2_mmc(VisionFive2State *s, DeviceState *crg,
                            DeviceState *iomux)
{
    static const char * const labels[2] = { "mmc0", "mmc1" };
    int i;

    for (i = 0; i < 2; i++) {
        DeviceState *dev, *card;
        /* if=sd,index=0 is the SD slot (MMC1), index=1 the eMMC (MMC0) */
        DriveInfo *dinfo = drive_get(IF_SD, 0, !i);
        char clk[16];

        object_initialize_child(OBJECT(s), labels[i], &s->mmc[i],
                                TYPE_DW_MMC);
        dev = DEVICE(&s->mmc[i]);
        qdev_prop_set_string(dev, "label", labels[i]);
        object_property_set_link(OBJECT(dev), "dma-memory",
                                 OBJECT(get_system_memory()), &error_abort);
        snprintf(clk, sizeof(clk), "sdio%d-ahb", i);
        qdev_connect_clock_in(dev, "biu", qdev_get_clock_out(crg, clk));
        snprintf(clk, sizeof(clk), "sdio%d-sdcard", i);
        qdev_connect_clock_in(dev, "ciu", qdev_get_clock_out(crg, clk));
        sysbus_realize(SYS_BUS_DEVICE(dev), &error_fatal);
        sysbus_mmio_map(SYS_BUS_DEVICE(dev), 0, mmc_base[i]);
        sysbus_connect_irq(SYS_BUS_DEVICE(dev), 0,
                           qdev_get_gpio_in(s->plic, mmc_irq[i]));
        qdev_connect_gpio_out_named(crg, "sdio-reset", i,
                                    qdev_get_gpio_in_named(dev, "reset", 0));
        if (i == 1) {
            qemu_irq cd = qdev_get_gpio_in(iomux, GPIO_SD_CARD_DETECT_N);

            qdev_connect_gpio_out_named(dev, "card-detect-n", 0, cd);
            qemu_set_irq(cd, 1);
        }
        if (!dinfo) {
            continue;
        }
        card = qdev_new(i ? TYPE_SD_CARD : TYPE_EMMC);
        qdev_prop_set_drive_err(card, "drive", blk_by_legacy_dinfo(dinfo),
                                &error_fatal);
        qdev_realize_and_unref(card, BUS(&s->mmc[i].sdbus), &error_fatal);
        if (i == 1) {
            qemu_set_irq(qdev_get_gpio_in(iomux, GPIO_SD_CARD_DETECT_N), 0);
        }
    }
}

/* Make the board's device tree describe this machine instance. */
static void visionfive2_fixup_fdt(MachineState *ms)
{
    void *fdt = ms->fdt;
    int i, node;

    node = fdt_node_offset_by_prop_value(fdt, -1, "device_type",
                                         "memory", sizeof("memory"));
    if (node >= 0) {
        char path[64];

        if (fdt_get_path(fdt, node, path, sizeof(path)) == 0) {
            qemu_fdt_setprop_sized_cells(fdt, path, "reg",
                                         2, JH7110_DRAM_BASE,
                                         2, (uint64_t)ms->ram_size);
        }
    }
    for (i = ms->smp.cpus; i < 5; i++) {
        g_autofree char *path = g_strdup_printf("/cpus/cpu@%d", i);

        if (fdt_path_offset(fdt, path) >= 0) {
            qemu_fdt_setprop_string(fdt, path, "status", "disabled");
        }
    }
}

static void visionfive2_boot(VisionFive2State *s)
{
    MachineState *ms = MACHINE(s);
    hwaddr start_addr = JH7110_DRAM_BASE;
    target_ulong firmware_end;
    uint64_t kernel_entry = 0;
    uint64_t fdt_addr = 0;
    RISCVBootInfo info;
    struct fw_dynamic_info dyn = {
        .magic = cpu_to_le64(FW_DYNAMIC_INFO_MAGIC_VALUE),
        .version = cpu_to_le64(FW_DYNAMIC_INFO_VERSION),
        .next_mode = cpu_to_le64(FW_DYNAMIC_INFO_NEXT_MODE_S),
        .boot_hart = cpu_to_le64(1),
    };
    uint32_t vec[10] = {
        0x00000297,             /* 1: auipc t0, 0 */
        0x02828613,             /*    addi  a2, t0, 40 */
        0xf1402573,             /*    csrr  a0, mhartid */
        0x0202b583,             /*    ld    a1, 32(t0) */
        0x0182b283,             /*    ld    t0, 24(t0) */
        0x00028067,             /*    jr    t0 */
    };
    int i;

    if (ms->dtb) {
        ms->fdt = load_device_tree(ms->dtb, &s->fdt_size);
        if (!ms->fdt) {
            error_report("cannot load the device tree %s", ms->dtb);
            exit(1);
        }
        visionfive2_fixup_fdt(ms);
    }

    if (!ms->firmware && !ms->kernel_filename) {
        /* nothing to run: keep the harts in a loop for -device loader, gdb */
        warn_report("neither -bios nor -kernel given");
    }
    firmware_end = riscv_find_and_load_firmware(ms,
                        ms->firmware ? ms->firmware : "none", &start_addr,
                        NULL);
    riscv_boot_info_init(&info, &s->u_cpus);
    if (ms->kernel_filename) {
        hwaddr addr = riscv_calc_kernel_start_addr(&info, firmware_end);

        riscv_load_kernel(ms, &info, addr, true, NULL);
        kernel_entry = info.image_low_addr;
        if (!ms->firmware || !strcmp(ms->firmware, "none")) {
            start_addr = kernel_entry;
        }
    }
    dyn.next_addr = cpu_to_le64(kernel_entry);

    if (ms->fdt) {
        /* below 2 GiB, where everything can reach it */
        fdt_addr = riscv_compute_fdt_addr(JH7110_DRAM_BASE,
                                          MIN(ms->ram_size, 1 * GiB),
                                          ms, &info);
        riscv_load_fdt(fdt_addr, ms->fdt);
    }

    vec[6] = start_addr;
    vec[7] = start_addr >> 32;
    vec[8] = fdt_addr;
    vec[9] = fdt_addr >> 32;
    for (i = 0; i < ARRAY_SIZE(vec); i++) {
        vec[i] = cpu_to_le32(vec[i]);
    }
    rom_add_blob_fixed_as("jh7110.reset", vec, sizeof(vec), JH7110_ROM_BASE,
                          &address_space_memory);
    rom_add_blob_fixed_as("jh7110.finfo", &dyn, sizeof(dyn),
                          JH7110_ROM_BASE + sizeof(vec),
                          &address_space_memory);
}

static void visionfive2_init(MachineState *ms)
{
    VisionFive2State *s = VISIONFIVE2_MACHINE(ms);
    MemoryRegion *sys = get_system_memory();
    DeviceState *crg, *iomux;
    char *hart_config;
    int i;

    visionfive2_harts(s);

    memory_region_add_subregion(sys, JH7110_DRAM_BASE, ms->ram);
    memory_region_init_rom(&s->rom, NULL, "jh7110.rom", JH7110_ROM_SIZE,
                           &error_fatal);
    memory_region_add_subregion(sys, JH7110_ROM_BASE, &s->rom);
    memory_region_init_ram(&s->lim, NULL, "jh7110.l2lim", JH7110_LIM_SIZE,
                           &error_fatal);
    memory_region_add_subregion(sys, JH7110_LIM_BASE, &s->lim);

    /* contexts: 0 = hart 0 M, then M and S of hart 1, 2, 3, 4 */
    hart_config = riscv_plic_hart_config_string(ms->smp.cpus);
    s->plic = sifive_plic_create(JH7110_PLIC_BASE, hart_config, ms->smp.cpus,
                                 0, JH7110_PLIC_SOURCES + 1, 7,
                                 0x0, 0x1000, 0x2000, 0x80, 0x200000, 0x1000,
                                 JH7110_PLIC_SIZE);
    g_free(hart_config);
    SIFIVE_PLIC(s->plic)->level_sources = true;
    riscv_aclint_swi_create(JH7110_CLINT_BASE, 0, ms->smp.cpus, false);
    riscv_aclint_mtimer_create(JH7110_CLINT_BASE + RISCV_ACLINT_SWI_SIZE,
                               RISCV_ACLINT_DEFAULT_MTIMER_SIZE, 0,
                               ms->smp.cpus, RISCV_ACLINT_DEFAULT_MTIMECMP,
                               RISCV_ACLINT_DEFAULT_MTIME,
                               JH7110_TIMEBASE_HZ, false);

    create_unimplemented_device("jh7110.io", 0, JH7110_DRAM_BASE);
    for (i = 0; i < ARRAY_SIZE(blocks); i++) {
        DeviceState *dev = visionfive2_regs(blocks[i].type, blocks[i].label,
                                            blocks[i].base, blocks[i].size);

        sysbus_realize_and_unref(SYS_BUS_DEVICE(dev), &error_fatal);
        sysbus_mmio_map_overlap(SYS_BUS_DEVICE(dev), 0, blocks[i].base, -1);
    }
    serial_mm_init(sys, JH7110_UART0_BASE, 2,
                   qdev_get_gpio_in(s->plic, JH7110_UART0_IRQ),
                   JH7110_OSC_HZ / 16, serial_hd(0), DEVICE_LITTLE_ENDIAN);

    for (i = 0; i < ARRAY_SIZE(i2c); i++) {
        g_autofree char *label = g_strdup_printf("i2c%d", i);
        DeviceState *dev = visionfive2_regs(TYPE_JH7110_I2C, label,
                                            i2c[i].base, 0x10000);

        qdev_prop_set_bit(dev, "board-devices", i == 5);
        sysbus_realize_and_unref(SYS_BUS_DEVICE(dev), &error_fatal);
        sysbus_mmio_map(SYS_BUS_DEVICE(dev), 0, i2c[i].base);
        sysbus_connect_irq(SYS_BUS_DEVICE(dev), 0,
                           qdev_get_gpio_in(s->plic, i2c[i].irq));
    }

    crg = visionfive2_regs(TYPE_JH7110_SYSCRG, "syscrg", 0x13020000, 0x10000);
    qdev_prop_set_bit(crg, "mmc-preinit", s->mmc_preinit);
    sysbus_realize_and_unref(SYS_BUS_DEVICE(crg), &error_fatal);
    sysbus_mmio_map(SYS_BUS_DEVICE(crg), 0, 0x13020000);
    iomux = visionfive2_regs(TYPE_JH7110_SYSIOMUX, "sys-iomux", 0x13040000,
                             0x10000);
    sysbus_realize_and_unref(SYS_BUS_DEVICE(iomux), &error_fatal);
    sysbus_mmio_map(SYS_BUS_DEVICE(iomux), 0, 0x13040000);
    sysbus_connect_irq(SYS_BUS_DEVICE(iomux), 0,
                       qdev_get_gpio_in(s->plic, JH7110_SYS_GPIO_IRQ));

    visionfive2_mmc(s, crg, iomux);
    visionfive2_boot(s);
}

static bool visionfive2_get_mmc_preinit(Object *obj, Error **errp)
{
    return VISIONFIVE2_MACHINE(obj)->mmc_preinit;
}

static void visionfive2_set_mmc_preinit(Object *obj, bool value, Error **errp)
{
    VISIONFIVE2_MACHINE(obj)->mmc_preinit = value;
}

static void visionfive2_class_init(ObjectClass *oc, void *data)
{
    MachineClass *mc = MACHINE_CLASS(oc);

    mc->desc = "StarFive VisionFive 2 (JH7110)";
    mc->init = visionfive2_init;
    mc->min_cpus = 2;
    mc->max_cpus = 5;
    mc->default_cpus = 5;
    mc->default_cpu_type = TYPE_RISCV_CPU_SIFIVE_U54;
    mc->default_ram_size = 2 * GiB;
    mc->default_ram_id = "jh7110.dram";

    object_class_property_add_bool(oc, "mmc-preinit",
                                   visionfive2_get_mmc_preinit,
                                   visionfive2_set_mmc_preinit);
    object_class_property_set_description(oc, "mmc-preinit",
        "Start with the MMC clocks running (default: gated)");
}

static const TypeInfo visionfive2_type = {
    .name = TYPE_VISIONFIVE2_MACHINE,
    .parent = TYPE_MACHINE,
    .class_init = visionfive2_class_init,
    .instance_size = sizeof(VisionFive2State),
};

static void visionfive2_register(void)
{
    type_register_static(&visionfive2_type);
}

type_init(visionfive2_register)
