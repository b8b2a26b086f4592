// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What programs about files and names share. Each group of checks works in a folder of its own (enter), which is empty:
 * a card's root is not. Paths are relative, since Linux's side runs anywhere.
 */
#pragma once

#include <dirent.h>
#include <sys/types.h>

#include "oracle.h"

#define NAME_LIMIT 255u
#define PATH_LIMIT 4096u // with the byte that ends it
#define AT_ROOT (!ON_LINUX || geteuid() == 0)

/* A check of what only a user who may do anything can see. */
#define check_root(name, ...)                                                                                          \
	do {                                                                                                           \
		if (AT_ROOT)                                                                                           \
			check(name, __VA_ARGS__);                                                                      \
		else                                                                                                   \
			check(name, "SKIP not the super-user");                                                        \
	} while (0)

#define steps_root(name, ...)                                                                                          \
	do {                                                                                                           \
		if (AT_ROOT)                                                                                           \
			STEPS(name, __VA_ARGS__);                                                                      \
		else                                                                                                   \
			check(name, "SKIP not the super-user");                                                        \
	} while (0)

/* Makes a folder and goes there. */
static inline void enter(const char *folder)
{
	MUST(mkdir(folder, 0755) == 0 && chdir(folder) == 0);
}

static inline void leave(void)
{
	MUST(chdir("..") == 0);
}

static inline void must_close(int fd)
{
	MUST(fd >= 0 && close(fd) == 0);
}

/* A file that holds the text, new or not. */
static inline void put(const char *path, const char *text_of_it)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	MUST(fd >= 0 && write(fd, text_of_it, strlen(text_of_it)) == (ssize_t)strlen(text_of_it));
	must_close(fd);
}

/* What the call that returned this descriptor said; closes it. */
static inline const char *opened(int fd)
{
	int error = errno;

	if (fd < 0)
		return error_name(error);
	must_close(fd);
	return "opened";
}

/* From where it stands up to 100 bytes. */
static inline const char *rest(int fd)
{
	char bytes[101];
	ssize_t got = read(fd, bytes, sizeof(bytes) - 1);

	if (got < 0)
		return error_name(errno);
	bytes[got] = '\0';
	return text("\"%s\"", bytes);
}

/* The same of a whole file. */
static inline const char *content(const char *path)
{
	int fd = open(path, O_RDONLY);
	const char *found;

	if (fd < 0)
		return error_name(errno);
	found = rest(fd);
	must_close(fd);
	return found;
}

/* Of a descriptor, without moving it. */
static inline const char *whole(int fd)
{
	char bytes[101];
	ssize_t got = pread(fd, bytes, sizeof(bytes) - 1, 0);

	if (got < 0)
		return error_name(errno);
	bytes[got] = '\0';
	return text("\"%s\"", bytes);
}

static inline const char *kind_of(mode_t mode)
{
	return S_ISREG(mode)	? "file"
	       : S_ISDIR(mode)	? "folder"
	       : S_ISLNK(mode)	? "link"
	       : S_ISFIFO(mode) ? "pipe"
	       : S_ISCHR(mode)	? "device"
				: "other";
}

/* What a name is, links not followed. */
static inline const char *kind(const char *path)
{
	struct stat st;

	return lstat(path, &st) ? error_name(errno) : kind_of(st.st_mode);
}

/* The bits that chmod sets. */
static inline const char *mode_at(const char *path)
{
	struct stat st;

	return lstat(path, &st) ? error_name(errno) : text("%04o", (unsigned)st.st_mode & 07777u);
}

static inline const char *links_of(const char *path)
{
	struct stat st;

	return lstat(path, &st) ? error_name(errno) : text("%ld", (long)st.st_nlink);
}

/* Links followed. */
static inline const char *same_file(const char *one, const char *other)
{
	struct stat a, b;

	if (stat(one, &a) || stat(other, &b))
		return error_name(errno);
	return a.st_dev == b.st_dev && a.st_ino == b.st_ino ? "same" : "not the same";
}

static inline const char *target(const char *path)
{
	char bytes[101];
	ssize_t got = readlink(path, bytes, sizeof(bytes) - 1);

	if (got < 0)
		return error_name(errno);
	bytes[got] = '\0';
	return text("\"%s\"", bytes);
}

static inline int by_name(const void *one, const void *other)
{
	return strcmp(*(const char *const *)one, *(const char *const *)other);
}

#define LISTED 64u

/* The names of a folder in order, up to LISTED of them, long ones cut; not "." and "..". */
static inline const char *listing(const char *path)
{
	char *names[LISTED], line[150] = "";
	size_t count = 0, used = 0;
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir)
		return error_name(errno);
	while (count < LISTED && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			MUST(names[count++] = strdup(entry->d_name));
	MUST(closedir(dir) == 0);
	qsort(names, count, sizeof(names[0]), by_name);
	for (size_t i = 0; i < count; i++) {
		if (used < sizeof(line))
			used += (size_t)snprintf(line + used, sizeof(line) - used, " %.12s", names[i]);
		free(names[i]);
	}
	return text("[%s]", count ? line + 1 : "");
}

/* n bytes that are a name; for one n at a time. */
static inline const char *long_name(size_t n)
{
	static char name[2 * PATH_LIMIT];

	MUST(n < sizeof(name));
	memset(name, 'n', n);
	name[n] = '\0';
	return name;
}

/* "././" and so on before the name, n bytes in all; for one n at a time. */
static inline const char *long_path(size_t n, const char *name)
{
	static char path[2 * PATH_LIMIT];
	size_t before = n - strlen(name);

	MUST(n < sizeof(path) && before % 2 == 0);
	for (size_t i = 0; i < before; i += 2)
		memcpy(path + i, "./", 2);
	strcpy(path + before, name);
	return path;
}
