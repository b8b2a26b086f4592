// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

#include "fs/namei.h"

/*
 * A new regular file, of this mode less the umask; or what the name leads to, unless exclusive: -EEXIST. Takes the
 * write gate; nothing is locked. Sleeps.
 */
int name_create(struct last_name *last, mode_t mode, bool exclusive, struct inode **out);
