// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

/* Announces the firmware's console, behind all others: the first that was announced is preferred. As console_register.
 */
int firmware_console_register(void);
