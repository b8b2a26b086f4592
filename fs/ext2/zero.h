// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

/* The frame of zeros that new blocks are written from. 0, -ENOMEM. */
int ext2_zero_init(void);
