/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 * Copyright the cairn authors
 *
 * StarFive VisionFive 2 (JH7110) board
 */

#ifndef HW_RISCV_VISIONFIVE2_H
#define HW_RISCV_VISIONFIVE2_H

#include "hw/boards.h"
#include "hw/clock.h"
#include "hw/cpu/cluster.h"
#include "hw/riscv/riscv_hart.h"
#include "hw/sd/dw_mmc.h"
#include "hw/sysbus.h"
#include "qom/object.h"

/*
 * A block of registers that the model does not implement functionally: it
 * remembers what was written, subclasses add reset values and side effects.
 */
#define TYPE_JH7110_REGS "jh7110-regs"
OBJECT_DECLARE_TYPE(JH7110Regs, JH7110RegsClass, JH7110_REGS)

struct JH7110Regs {
    SysBusDevice parent_obj;

    MemoryRegion iomem;
    char *label;
    uint32_t size;
    uint32_t *regs;
};

struct JH7110RegsClass {
    SysBusDeviceClass parent_class;

    void (*reset_regs)(JH7110Regs *r);
    uint32_t (*read)(JH7110Regs *r, uint32_t offset);
    /* called after the word was stored */
    void (*written)(JH7110Regs *r, uint32_t offset, uint32_t old);
};

#define TYPE_JH7110_SYSCRG "jh7110-syscrg"
OBJECT_DECLARE_SIMPLE_TYPE(JH7110SysCRG, JH7110_SYSCRG)

struct JH7110SysCRG {
    JH7110Regs parent_obj;

    bool mmc_preinit;
    Clock *sdio_ahb[2];
    Clock *sdio_card[2];
    qemu_irq sdio_reset[2];
};

#define TYPE_JH7110_SYSIOMUX "jh7110-sysiomux"
OBJECT_DECLARE_SIMPLE_TYPE(JH7110SysIomux, JH7110_SYSIOMUX)

struct JH7110SysIomux {
    JH7110Regs parent_obj;

    uint32_t in[2];
    uint32_t edge[2];       /* noted and not cleared */
    qemu_irq irq;
};

#define TYPE_JH7110_I2C "jh7110-i2c"
OBJECT_DECLARE_SIMPLE_TYPE(JH7110I2C, JH7110_I2C)

struct JH7110I2C {
    JH7110Regs parent_obj;

    qemu_irq irq;
    bool board_devices;
    bool active;
    bool reading;
    bool pointer_next;
    uint8_t pointer;
    uint32_t raw;
    uint32_t rx_count;
    uint8_t rx[512];
    uint8_t eeprom[256];
    uint8_t pmic[256];
};

#define TYPE_VISIONFIVE2_MACHINE MACHINE_TYPE_NAME("visionfive2")
OBJECT_DECLARE_SIMPLE_TYPE(VisionFive2State, VISIONFIVE2_MACHINE)

struct VisionFive2State {
    MachineState parent_obj;

    CPUClusterState e_cluster;
    CPUClusterState u_cluster;
    RISCVHartArrayState e_cpus;
    RISCVHartArrayState u_cpus;
    DWMMCState mmc[2];
    MemoryRegion rom;
    MemoryRegion lim;
    DeviceState *plic;
    int fdt_size;
    bool mmc_preinit;
};

enum {
    JH7110_UART0_IRQ = 32,
    JH7110_MMC0_IRQ = 74,
    JH7110_MMC1_IRQ = 75,
    JH7110_SYS_GPIO_IRQ = 86,
    JH7110_PLIC_SOURCES = 136,
};

#endif
