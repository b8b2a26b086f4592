// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

unsigned long irq_save(void);
void irq_restore(unsigned long flags);
