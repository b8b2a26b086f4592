// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

#include "drivers/driver.h"

extern const struct driver sifive_uart_driver;
