// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Streams: formats, positions, buffering, errors that surface, calls that are atomic. */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"

#define PATH "/stdio.txt"

static void test_formats(void)
{
	char text[200];
	int a;
	double d;
	char word[20];
	volatile size_t room = 4;

	CHECK(snprintf(text, sizeof(text), "%d %5.2f %s %#lx %zu %c|%-5d|%05d %lld %e", -7, 3.14159, "word", 0xbeeful,
		       (size_t)9, 'x', 12, 34, -123456789012345ll, 12345.678) > 0);
	CHECK(strcmp(text, "-7  3.14 word 0xbeef 9 x|12   |00034 -123456789012345 1.234568e+04") == 0);
	CHECK(snprintf(text, room, "%s", "longer") == 6 && strcmp(text, "lon") == 0);
	CHECK(sscanf("42 2.5 rest", "%d %lf %19s", &a, &d, word) == 3);
	CHECK(a == 42 && d == 2.5 && strcmp(word, "rest") == 0);
}

static void test_write_and_read(void)
{
	char line[100];
	FILE *f = fopen(PATH, "w");

	CHECK(f != NULL);
	CHECK(fprintf(f, "line %d\n", 1) == 7);
	CHECK(fputs("line 2\n", f) >= 0 && fputc('x', f) == 'x' && fwrite("yz", 1, 2, f) == 2);
	CHECK(ftell(f) == 17);
	CHECK(fclose(f) == 0);

	f = fopen(PATH, "r");
	CHECK(f != NULL);
	CHECK(fgets(line, sizeof(line), f) && strcmp(line, "line 1\n") == 0);
	CHECK(fgetc(f) == 'l' && ungetc('L', f) == 'L' && ftell(f) == 7);
	CHECK(fgets(line, sizeof(line), f) && strcmp(line, "Line 2\n") == 0);
	CHECK(fgets(line, sizeof(line), f) && strcmp(line, "xyz") == 0 && feof(f));
	CHECK(fgets(line, sizeof(line), f) == NULL && fgetc(f) == EOF && !ferror(f));
	CHECK(fseek(f, -3, SEEK_END) == 0 && !feof(f) && fgetc(f) == 'x');
	CHECK(fread(line, 1, sizeof(line), f) == 2 && line[1] == 'z');
	rewind(f);
	CHECK(fscanf(f, "line %99s", line) == 1 && strcmp(line, "1") == 0);
	CHECK(fputc('w', f) == EOF && ferror(f));
	CHECK(fclose(f) == 0);
	CHECK(fopen("/missing", "r") == NULL && errno == ENOENT);
	errno = 0;
	CHECK(fopen(PATH, "q") == NULL && errno == EINVAL);
}

static void test_update_and_append(void)
{
	char text[20] = "";
	FILE *f = fopen(PATH, "w+");

	CHECK(f && fputs("0123456789", f) >= 0);
	CHECK(fseek(f, 3, SEEK_SET) == 0 && fread(text, 1, 2, f) == 2 && memcmp(text, "34", 2) == 0);
	CHECK(fseek(f, 0, SEEK_CUR) == 0 && fputs("AB", f) >= 0); // where the reader was, not where the buffer ended
	CHECK(fseek(f, 0, SEEK_SET) == 0 && fread(text, 1, 10, f) == 10 && memcmp(text, "01234AB789", 10) == 0);
	CHECK(fclose(f) == 0);
	f = fopen(PATH, "a");
	CHECK(f && fputs("end", f) >= 0 && ftell(f) == 13 && fclose(f) == 0);
	f = fopen(PATH, "r");
	CHECK(f && fread(text, 1, sizeof(text), f) == 13 && memcmp(text + 10, "end", 3) == 0);
	CHECK((f = freopen(PATH, "w", f)) != NULL && fclose(f) == 0);
	f = fopen(PATH, "r");
	CHECK(f && fgetc(f) == EOF && feof(f) && fclose(f) == 0);
}

static void test_getline(void)
{
	size_t size = 0;
	char *line = NULL;
	FILE *f = fopen(PATH, "w");

	CHECK(f != NULL);
	for (int i = 0; i < 20000; i++)
		CHECK(fputc('a' + i % 26, f) != EOF);
	CHECK(fputs("\n\nlast", f) >= 0 && fclose(f) == 0);
	f = fopen(PATH, "r");
	CHECK(f && getline(&line, &size, f) == 20001 && line[0] == 'a' && line[20000] == '\n');
	CHECK(getline(&line, &size, f) == 1 && getline(&line, &size, f) == 4 && strcmp(line, "last") == 0);
	CHECK(getline(&line, &size, f) == -1 && feof(f));
	CHECK(fclose(f) == 0);
	free(line);
}

static off_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_size : -1;
}

static void test_buffering(void)
{
	char own[64];
	FILE *f = fopen(PATH, "w");

	CHECK(f && fputs("held back", f) >= 0 && size_of(PATH) == 0);
	CHECK(fflush(NULL) == 0 && size_of(PATH) == 9);
	CHECK(setvbuf(f, NULL, _IONBF, 0) == 0 && fprintf(f, "%d", 1) == 1 && size_of(PATH) == 10);
	CHECK(setvbuf(f, own, _IOLBF, sizeof(own)) == 0 && fputs("line", f) >= 0 && size_of(PATH) == 10);
	CHECK(fputs("\n", f) >= 0 && size_of(PATH) == 15);
	CHECK(setvbuf(f, NULL, 99, 0) != 0);
	CHECK(fclose(f) == 0);
}

/* A flush that fails says so, keeps what it could not write, and succeeds once it can be written. */
static void test_failed_flush(void)
{
	int fd = open(PATH, O_RDWR | O_CREAT | O_TRUNC, 0644), keep = dup(fd), reader = open(PATH, O_RDONLY);
	FILE *f = fdopen(fd, "w");
	char text[20] = "";

	CHECK(f && keep >= 0 && reader >= 0);
	CHECK(fputs("precious", f) >= 0);
	CHECK(dup2(reader, fd) == fd);
	errno = 0;
	CHECK(fflush(f) == EOF && errno == EBADF && ferror(f));
	CHECK(fflush(f) == EOF);
	clearerr(f);
	CHECK(dup2(keep, fd) == fd);
	CHECK(fflush(f) == 0 && !ferror(f));
	CHECK(pread(reader, text, sizeof(text), 0) == 8 && strcmp(text, "precious") == 0);
	CHECK(fputs("x", f) >= 0 && dup2(reader, fd) == fd && fclose(f) == EOF); // close reports it too
	CHECK(close(keep) == 0 && close(reader) == 0);
}

#define WRITERS 4
#define LINES 400

static FILE *common;

static void *write_lines(void *arg)
{
	char c = (char)('a' + (intptr_t)arg);

	for (int i = 0; i < LINES; i++)
		CHECK(fprintf(common, "%c%c%c%c%c %d %c%c%c%c%c\n", c, c, c, c, c, i, c, c, c, c, c) > 0);
	return NULL;
}

static void test_atomic_calls(void)
{
	pthread_t threads[WRITERS];
	char line[64], first, last;
	int lines = 0, number;

	common = fopen(PATH, "w");
	CHECK(common && setvbuf(common, NULL, _IOLBF, 64) == 0);
	for (intptr_t i = 0; i < WRITERS; i++)
		CHECK(pthread_create(&threads[i], NULL, write_lines, (void *)i) == 0);
	for (int i = 0; i < WRITERS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	CHECK(fclose(common) == 0);
	common = fopen(PATH, "r");
	CHECK(common != NULL);
	while (fgets(line, sizeof(line), common)) {
		char expected[64];

		first = line[0];
		last = line[strlen(line) - 2];
		CHECK(first == last && sscanf(line + 5, "%d", &number) == 1);
		snprintf(expected, sizeof(expected), "%c%c%c%c%c %d %c%c%c%c%c\n", first, first, first, first, first,
			 number, first, first, first, first, first);
		CHECK(strcmp(line, expected) == 0);
		lines++;
	}
	CHECK(lines == WRITERS * LINES);
	CHECK(fclose(common) == 0 && unlink(PATH) == 0);
}

TAP_MAIN({"formats", test_formats}, {"write and read", test_write_and_read},
	 {"update and append", test_update_and_append}, {"getline", test_getline}, {"buffering", test_buffering},
	 {"a failed flush keeps the buffer", test_failed_flush}, {"calls are atomic", test_atomic_calls})
