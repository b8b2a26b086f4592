// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#include "tests/host/dts.h"

#include <stdio.h>

int dts_load(struct dts *dts, const char *source)
{
	char command[256];
	FILE *dtc;

	snprintf(command, sizeof(command), "dtc -q -I dts -O dtb -o - tests/host/%s", source);
	dtc = popen(command, "r");
	if (!dtc)
		return -1;
	dts->size = fread(dts->blob, 1, sizeof(dts->blob), dtc);
	return pclose(dtc) || fdt_open(&dts->fdt, dts->blob, dts->size);
}
