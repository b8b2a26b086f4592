// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

/* Calls the destructors of the calling thread's values; before it ends. */
void keys_destroy(void);
