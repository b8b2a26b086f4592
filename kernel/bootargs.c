// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The boot arguments, kept for ever: whole, and in one buffer the part before `--` as it came, the part after it cut
 * into the application's words in place. Written once at start, before there is a second thread; no lock.
 */

#include "kernel/bootargs.h"

#include <errno.h>
#include <string.h>

#include "kernel/log.h"

#define ARGS_MAX 256 // of the application

static char bootargs[BOOTARGS_MAX], line_kept[BOOTARGS_MAX];
static char *app_words = bootargs; // what follows `--`
static char *app_argv[ARGS_MAX + 2];

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Start of the next word at or after *p, its end in *p; NULL: there is none. */
static char *word_next(char **p)
{
	char *word;

	while (is_space(**p))
		++*p;
	word = *p;
	while (**p && !is_space(**p))
		++*p;
	return *p > word ? word : NULL;
}

void bootargs_set(const char *line, size_t len)
{
	char *p = bootargs, *word;

	if (len >= sizeof(bootargs)) {
		log_warning("boot arguments: %zu bytes are more than %d; the rest is dropped", len, BOOTARGS_MAX - 1);
		len = sizeof(bootargs) - 1;
	}
	memcpy(bootargs, line, len);
	bootargs[len] = '\0';
	memcpy(line_kept, bootargs, len + 1);
	app_words = bootargs + strlen(bootargs);
	while ((word = word_next(&p)))
		if (p - word == 2 && word[0] == '-' && word[1] == '-') {
			app_words = p;
			*word = '\0'; // ends the kernel's part
			break;
		}
}

const char *bootargs_line(void)
{
	return line_kept;
}

int bootargs_get(const char *key, char *buf, size_t size)
{
	size_t key_len = strlen(key), len;
	char *p = bootargs, *word;

	while ((word = word_next(&p))) {
		len = (size_t)(p - word);
		if (len < key_len || memcmp(word, key, key_len) != 0)
			continue;
		word += key_len;
		len -= key_len;
		if (len > 0 && *word != '=')
			continue;
		if (len > 0) {
			word++;
			len--;
		}
		if (len >= size)
			return -ENAMETOOLONG;
		memcpy(buf, word, len);
		buf[len] = '\0';
		return (int)len;
	}
	return -ENOENT;
}

/* Ends the word and replaces its %XX in place; anything else after % stays as it is. */
static void word_unescape(char *word, char *end)
{
	char *out = word;

	for (char *in = word; in < end; in++) {
		int high = *in == '%' && end - in > 2 ? hex_digit(in[1]) : -1;
		int low = high >= 0 ? hex_digit(in[2]) : -1;

		if (low >= 0) {
			*out++ = (char)(high << 4 | low);
			in += 2;
		} else {
			*out++ = *in;
		}
	}
	*out = '\0';
}

void bootargs_argv(const char *name, int *argc, char ***argv)
{
	char *word, *p = app_words;
	int n = 0;

	app_argv[n++] = (char *)name;
	while ((word = word_next(&p))) {
		bool last = *p == '\0';

		if (n > ARGS_MAX) {
			log_warning("boot arguments: more than %d words after --; the rest is dropped", ARGS_MAX);
			break;
		}
		word_unescape(word, p);
		app_argv[n++] = word;
		if (!last)
			p++;
	}
	app_argv[n] = NULL;
	*argc = n;
	*argv = app_argv;
}
