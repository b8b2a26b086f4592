// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

#include <stddef.h>

/* A line of the report. */
void report(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* One that says that something failed, with an errno, or 0: it is wrong. It counts. */
void failed(const char *what, int error);

/* The root's disk, by each way that it has, on a scratch file of so many bytes. */
void card_test(size_t size);
