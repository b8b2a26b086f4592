// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Leaving the process. */
#include <unistd.h>

#include "arch/power.h"

void power_off(int status)
{
	_exit(status);
}

void power_reset(int status)
{
	_exit(status); // whoever started the process may do it again
}
