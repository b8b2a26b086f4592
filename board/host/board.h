// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* What makes a Linux process a board. */
#pragma once

struct blkdev;

/*
 * The file as a block device "card" (registered, with its partitions): 0, or the negative errno of opening it, after a
 * message. Once.
 */
int host_card_open(const char *path, struct blkdev **out);

/* Before the first thread: SIGINT waits for the console's thread. */
void host_interrupt_block(void);

/* Makes stdout and stderr write to the console, stdin read from it, also from and to mapped memory. */
void host_stdio_init(void);
