// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The boot arguments: words separated by spaces; key=value or key; after the word `--` come the application's
 * arguments, in which %XX stands for a byte (so that spaces and the empty word, %00 alone, get through).
 */
#pragma once

#include "lib/types.h"

#define BOOTARGS_MAX 4096

/* Copies the line; too long: the rest is dropped with a warning. Called once at start. */
void bootargs_set(const char *line, size_t len);

/* The whole line, as it came. */
const char *bootargs_line(void);

/* Value of key into buf (NUL-terminated): its length, -ENOENT, -ENAMETOOLONG. A key without = has the value "". */
int bootargs_get(const char *key, char *buf, size_t size);

/* argv[0] is name; argv is NULL-terminated and lives for ever. */
void bootargs_argv(const char *name, int *argc, char ***argv);
