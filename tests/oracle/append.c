// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* O_APPEND, and positions: who shares one, and what moves it. */

#include <pthread.h>

#include "files.h"

#define NAME "append.data"
#define THREADS 4
#define RECORDS 100

static const char *at(int fd)
{
	return ret(lseek(fd, 0, SEEK_CUR));
}

static void appending(void)
{
	int fd, other, reader;

	put(NAME, "0123");
	fd = open(NAME, O_RDWR | O_APPEND);
	other = open(NAME, O_WRONLY | O_APPEND);
	reader = open(NAME, O_RDONLY);
	MUST(fd >= 0 && other >= 0 && reader >= 0);
	check("begins at", "%s", at(fd));
	STEPS("write", ret(write(fd, "ab", 2)), at(fd), content(NAME));
	STEPS("seek, then write", ret(lseek(fd, 1, SEEK_SET)), ret(write(fd, "cd", 2)), at(fd), content(NAME));
	STEPS("seek, then read", ret(lseek(fd, 2, SEEK_SET)), rest(fd), at(fd));
	STEPS("another appends", at(other), ret(write(other, "ef", 2)), at(other), at(fd), content(NAME));
	STEPS("and the first again", ret(write(fd, "gh", 2)), at(fd), content(NAME));
	STEPS("nothing is written", ret(lseek(fd, 1, SEEK_SET)), ret(write(fd, "", 0)), at(fd));
	STEPS("pwrite goes to the end", ret(pwrite(fd, "P", 1, 0)), at(fd), content(NAME));
	STEPS("pwrite beyond the end", ret(pwrite(fd, "Q", 1, 1000)), text("%ld", file_size(fd)), content(NAME));
	STEPS("pwrite at a negative offset", ret(pwrite(fd, "Q", 1, -1)), text("%ld", file_size(fd)));
	STEPS("pread", ret(lseek(fd, 3, SEEK_SET)), ret(pread(fd, (byte[2]){0}, 2, 0)), at(fd));
	STEPS("seek beyond the end", ret(lseek(fd, 100, SEEK_SET)), ret(write(fd, "R", 1)), at(fd));
	STEPS("cut, then write", ret(ftruncate(fd, 2)), ret(write(fd, "S", 1)), at(fd), content(NAME));
	STEPS("made longer, then write", ret(ftruncate(fd, 5)), ret(write(fd, "T", 1)), at(fd), file_runs(fd, 0, 10));
	STEPS("reader that was open", rest(reader)[0] == '"' ? "read" : "other", at(reader));
	STEPS("flag off", ret(fcntl(fd, F_SETFL, 0)), ret(lseek(fd, 0, SEEK_SET)), ret(write(fd, "U", 1)), at(fd),
	      text("%ld", file_size(fd)));
	STEPS("the other still appends", ret(lseek(other, 0, SEEK_SET)), ret(write(other, "V", 1)), at(other));
	STEPS("flag on again", ret(fcntl(fd, F_SETFL, O_APPEND)), ret(write(fd, "W", 1)), at(fd));
	STEPS("flag of a reader", ret(fcntl(reader, F_SETFL, O_APPEND)), ret(write(reader, "x", 1)));
	must_close(fd);
	must_close(other);
	must_close(reader);
}

static void sharing(void)
{
	int fd, twin, third, other;

	put(NAME, "0123456789");
	fd = open(NAME, O_RDWR);
	twin = dup(fd);
	third = fcntl(twin, F_DUPFD, 20);
	other = open(NAME, O_RDWR);
	MUST(fd >= 0 && twin >= 0 && third >= 20 && other >= 0);
	STEPS("one seeks", ret(lseek(fd, 4, SEEK_SET)), at(fd), at(twin), at(third), at(other));
	STEPS("the twin reads", ret(read(twin, (byte[3]){0}, 3)), at(fd), at(third), at(other));
	STEPS("the third writes", ret(write(third, "xy", 2)), at(fd), at(other), content(NAME));
	STEPS("the twin's flags are the same", ret(fcntl(fd, F_SETFL, O_APPEND)), ret(write(twin, "z", 1)), at(fd),
	      content(NAME), fcntl(other, F_GETFL) & O_APPEND ? "append" : "none");
	STEPS("close-on-exec is not shared", ret(fcntl(fd, F_SETFD, FD_CLOEXEC)), ret(fcntl(twin, F_GETFD)));
	must_close(fd);
	STEPS("one is closed", ret(lseek(twin, 2, SEEK_SET)), at(third), rest(third));
	STEPS("closed", ret(lseek(fd, 0, SEEK_SET)), ret(read(fd, (byte[1]){0}, 1)));
	must_close(twin);
	STEPS("the last", ret(lseek(third, -3, SEEK_END)), rest(third));
	must_close(third);
	must_close(other);
}

static void writers_in_turn(void)
{
	int one, two;

	put(NAME, "");
	one = open(NAME, O_WRONLY);
	two = open(NAME, O_WRONLY);
	MUST(one >= 0 && two >= 0);
	STEPS("two positions", ret(write(one, "aaaa", 4)), ret(write(two, "bb", 2)), content(NAME));
	STEPS("and on", ret(write(two, "cc", 2)), ret(write(two, "dd", 2)), ret(write(one, "e", 1)), content(NAME));
	must_close(one);
	must_close(two);
}

static void *append_records(void *arg)
{
	int fd = open(NAME, O_WRONLY | O_APPEND);
	char record[50];

	MUST(fd >= 0);
	memset(record, 'a' + (int)(uintptr_t)arg, sizeof(record));
	for (int i = 0; i < RECORDS; i++)
		MUST(write(fd, record, sizeof(record)) == (ssize_t)sizeof(record));
	must_close(fd);
	return NULL;
}

/* Nothing is written over, each record is whole. */
static void together(void)
{
	pthread_t threads[THREADS];
	char record[50];
	unsigned counts[THREADS] = {0}, mixed = 0;
	int fd;

	put(NAME, "");
	for (uintptr_t i = 0; i < THREADS; i++)
		MUST(pthread_create(&threads[i], NULL, append_records, (void *)i) == 0);
	for (int i = 0; i < THREADS; i++)
		MUST(pthread_join(threads[i], NULL) == 0);
	fd = open(NAME, O_RDONLY);
	while (read(fd, record, sizeof(record)) == (ssize_t)sizeof(record)) {
		for (unsigned i = 1; i < sizeof(record); i++)
			mixed += record[i] != record[0];
		MUST(record[0] >= 'a' && record[0] < 'a' + THREADS);
		counts[record[0] - 'a']++;
	}
	check("threads: size", "%ld", file_size(fd));
	check("threads: bytes of others in a record", "%u", mixed);
	for (int i = 0; i < THREADS; i++)
		check(text("threads: records of %d", i), "%u", counts[i]);
	must_close(fd);
}

int main(void)
{
	enter("append");
	appending();
	sharing();
	writers_in_turn();
	together();
	return done();
}
