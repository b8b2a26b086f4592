// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

struct volume;

/* The volume at "/". NULL: none is mounted, or no more. */
struct volume *mount_root(void);
/* Wakes the thread that settles: something was unlinked for good. Any context. */
void mount_kick(void);
