// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* A host controller without registers: its bus is a call of the simulated card. */
#pragma once

#include "drivers/sd/host.h"
#include "tests/host/simcard.h"

struct simslot {
	struct simcard *card; // may be exchanged between commands
	bool knows;	      // whether a card is in, from a switch

	struct sd_host host;
	struct sd_ios ios;
	bool failed; // nothing but a reset is allowed
};

/* The slot of a 4-bit (or 8-bit) high-speed host; not yet added. */
void simslot_init(struct simslot *slot, struct simcard *card);
