// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Kernel messages: one line a call, no newline in the format, "[seconds]" is put before it. Kept in a 64 KiB ring,
 * sent to the sink. Callable from any context, also with spinlocks held.
 */
#pragma once

#include <stdarg.h>

#include "lib/types.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

void log_at(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_at_v(enum log_level level, const char *format, va_list ap);

#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_at(LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)

/* Messages of a higher level are kept in the ring only. Default LOG_INFO; `quiet` in the boot arguments: LOG_WARNING.
 */
void log_set_level(enum log_level level);

/*
 * Where lines go: write is polled, called with the log's spinlock held, must not log. Setting a sink first sends what
 * the ring holds and no sink has seen. NULL: none.
 */
void log_set_sink(void (*write)(const char *text, size_t len));

/* From now on lines go straight to the sink, and are kept, without the lock: for panic. */
void log_emergency(void);
/*
 * The newest lines that are kept, as far as they fit into size bytes, as the sink gets them but of every level. Returns
 * their length. After log_emergency, or while nobody logs: no lock.
 */
size_t log_copy(char *out, size_t size);
