// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Files on a card behind a host's driver: who moves their data, and what a panic leaves there. */
#pragma once

#include "tests/host/sdcase.h"

/*
 * Faults on a mapped file, stores and msync: not a byte of that is moved by the CPU, or, by_cpu, by DMA, and nothing is
 * bounced.
 */
void sdstack_mapped(sdcase_attach *attach, enum simcard_kind kind, bool by_cpu);
/* A panic in the midst of a write: the log is in /var/crash. The host's model must go on while it is polled. */
void sdstack_panic(sdcase_attach *attach, enum simcard_kind kind);
