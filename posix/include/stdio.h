// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* picolibc's, and what it lacks. The streams are posix/picolibc/stdio.c's. */
#pragma once

#include_next <stdio.h>

#include <sys/types.h>

/* Macros in later releases of picolibc. */
#undef getc_unlocked
#undef getchar_unlocked
#undef putc_unlocked
#undef putchar_unlocked

#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2

#ifdef __cplusplus
extern "C" {
#endif

int renameat(int from_at, const char *from, int to_at, const char *to);
int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags);

void flockfile(FILE *stream);
int ftrylockfile(FILE *stream);
void funlockfile(FILE *stream);
int getc_unlocked(FILE *stream);
int getchar_unlocked(void);
int putc_unlocked(int c, FILE *stream);
int putchar_unlocked(int c);

ssize_t getdelim(char **__restrict line, size_t *__restrict size, int delimiter, FILE *__restrict stream);
ssize_t getline(char **__restrict line, size_t *__restrict size, FILE *__restrict stream);
int vdprintf(int fd, const char *__restrict format, va_list ap) __attribute__((format(printf, 2, 0)));
int dprintf(int fd, const char *__restrict format, ...) __attribute__((format(printf, 2, 3)));

#ifdef __cplusplus
}
#endif
