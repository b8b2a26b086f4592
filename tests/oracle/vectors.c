// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* readv, writev, preadv, pwritev: order, counts, limits, bad pointers in the middle; and errors of read and write. */

#include <limits.h>
#include <sys/uio.h>

#include "files.h"

#define LIMIT 1024

static byte *good, *bad; // the first page of two, of which the second is not there

static struct iovec piece(const void *at, size_t n)
{
	return (struct iovec){.iov_base = (void *)at, .iov_len = n};
}

static void order(void)
{
	char a[4] = "", b[4] = "", c[10] = "";
	struct iovec in[] = {piece(a, 3), piece(b, 0), piece(b, 3), piece(c, 9)};
	struct iovec out[] = {piece("one", 3), piece("", 0), piece("twoo", 4), piece("three", 5)};
	int fd = fresh(0, 0);

	STEPS("write", ret(writev(fd, out, 4)), whole(fd), ret(lseek(fd, 0, SEEK_CUR)));
	STEPS("write over", ret(pwritev(fd, out + 2, 2, 1)), whole(fd), ret(lseek(fd, 0, SEEK_CUR)));
	STEPS("write behind the end", ret(pwritev(fd, out, 1, 20)), file_runs(fd, 8, 20));
	MUST(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0 && writev(fd, out, 4) == 12);
	STEPS("read from the end", ret(readv(fd, in, 4)), ret(lseek(fd, 0, SEEK_CUR)));
	STEPS("read", ret(lseek(fd, 0, SEEK_SET)), ret(readv(fd, in, 4)), a, b, c, ret(lseek(fd, 0, SEEK_CUR)));
	STEPS("read at an offset", ret(preadv(fd, in, 4, 5)), a, b, c, ret(lseek(fd, 0, SEEK_CUR)));
	STEPS("read at the end", ret(preadv(fd, in, 4, 12)), ret(preadv(fd, in, 4, 1000)));
	STEPS("read over the end", ret(preadv(fd, in, 4, 10)), a);
	STEPS("write nothing", ret(writev(fd, out, 0)), ret(writev(fd, out + 1, 1)), text("%ld", file_size(fd)));
	STEPS("read nothing", ret(readv(fd, in, 0)), ret(readv(fd, in + 1, 1)));
	STEPS("the same buffer twice", ret(preadv(fd, (struct iovec[]){piece(a, 3), piece(a, 3)}, 2, 0)), a);
	must_close(fd);
	fd = open(FILE_NAME, O_RDWR | O_CREAT | O_APPEND, 0644);
	MUST(fd >= 0 && write(fd, "begin", 5) == 5 && lseek(fd, 0, SEEK_SET) == 0);
	STEPS("append", ret(writev(fd, out, 3)), whole(fd));
	STEPS("append at an offset", ret(pwritev(fd, out, 1, 1)), whole(fd));
	must_close(fd);
	MUST(unlink(FILE_NAME) == 0);
}

static void limits(void)
{
	static struct iovec many[LIMIT + 1];
	static byte bytes[LIMIT + 1];
	volatile int most = INT_MAX, less = -1; // the compiler would not take them
	int fd = fresh(0, 0);

	for (int i = 0; i <= LIMIT; i++) {
		bytes[i] = (byte)('a' + i % 26);
		many[i] = piece(&bytes[i], 1);
	}
	check("IOV_MAX", "%ld", sysconf(_SC_IOV_MAX));
	STEPS("1024 pieces: write", ret(writev(fd, many, LIMIT)), file_runs(fd, LIMIT - 3, 10));
	STEPS("1025 pieces: write", ret(writev(fd, many, LIMIT + 1)), text("%ld", file_size(fd)));
	STEPS("1024 pieces: read", ret(preadv(fd, many, LIMIT, 0)), ret(preadv(fd, many, LIMIT + 1, 0)));
	STEPS("-1 pieces", ret(writev(fd, many, less)), ret(readv(fd, many, less)), ret(preadv(fd, many, less, 0)),
	      ret(pwritev(fd, many, less, 0)));
	STEPS("all pieces", ret(writev(fd, many, most)), ret(readv(fd, many, most)));
	STEPS("negative offset", ret(preadv(fd, many, 1, -1)), ret(pwritev(fd, many, 1, -1)));
	must_close(fd);
}

static void lengths(void)
{
	struct iovec negative[] = {piece(good, 10), piece(good, SIZE_MAX)};
	struct iovec half[] = {piece(good, 10), piece(good, (size_t)SSIZE_MAX + 1)};
	int fd = fresh(1, 'l');

	STEPS("a length of -1", ret(pwritev(fd, negative, 2, 0)), ret(preadv(fd, negative, 2, 0)));
	STEPS("a length of half of all", ret(pwritev(fd, half, 2, 0)), ret(preadv(fd, half, 2, 0)));
	STEPS("the file", text("%ld", file_size(fd)), file_runs(fd, 0, PAGE));
	must_close(fd);
}

/* What comes before a bad piece is done. */
static void bad_pieces(void)
{
	struct iovec second[] = {piece(good, 10), piece(bad, 10), piece(good + 20, 10)};
	struct iovec first[] = {piece(bad, 10), piece(good, 10)};
	struct iovec over[] = {piece(good, 10), piece(bad - 5, 10), piece(good, 10)};
	struct iovec empty[] = {piece(bad, 0), piece(good, 10)};
	int fd = fresh(1, 'f'), to = fresh(0, 0);

	memset(good, 'g', PAGE);
	STEPS("write, second bad", ret(writev(to, second, 3)), whole(to), ret(lseek(to, 0, SEEK_CUR)));
	STEPS("write, first bad", ret(pwritev(to, first, 2, 0)), whole(to));
	STEPS("write, second runs out", ret(pwritev(to, over, 3, 0)), whole(to));
	STEPS("write, bad of no length", ret(pwritev(to, empty, 2, 0)), whole(to));
	memset(good, 'g', PAGE);
	STEPS("read, second bad", ret(readv(fd, second, 3)), ret(lseek(fd, 0, SEEK_CUR)), runs(good, 40));
	memset(good, 'g', PAGE);
	STEPS("read, first bad", ret(preadv(fd, first, 2, 0)), runs(good, 40));
	STEPS("read, second runs out", ret(preadv(fd, over, 3, 0)), runs(good, 40));
	STEPS("read, bad of no length", ret(preadv(fd, empty, 2, 0)), runs(good, 40));
	check("no vector", "%s", ret(writev(to, (const struct iovec *)bad, 1)));
	check("no vector to read", "%s", ret(readv(fd, (const struct iovec *)bad, 1)));
	check("no vector at an offset", "%s", ret(preadv(fd, (const struct iovec *)bad, 1, 0)));
	STEPS("no vector of nothing", ret(writev(to, (const struct iovec *)bad, 0)),
	      ret(readv(fd, (const struct iovec *)bad, 0)));
	must_close(fd);
	must_close(to);
}

static void wrong_descriptors(void)
{
	struct iovec one[] = {piece(good, 10)};
	int ends[2], dir = open(".", O_RDONLY), reader, writer;
	volatile int less = -1, many = 5000;

	put("vectors.data", "content");
	reader = open("vectors.data", O_RDONLY);
	writer = open("vectors.data", O_WRONLY);
	MUST(dir >= 0 && reader >= 0 && writer >= 0 && pipe(ends) == 0);
	STEPS("none", ret(readv(-1, one, 1)), ret(writev(-1, one, 1)), ret(preadv(99, one, 1, 0)),
	      ret(pwritev(99, one, 1, 0)));
	STEPS("none, too many pieces", ret(readv(-1, one, less)), ret(writev(-1, one, many)));
	STEPS("reader", ret(writev(reader, one, 1)), ret(pwritev(reader, one, 1, 0)), ret(writev(reader, one, 0)),
	      ret(write(reader, "x", 1)), ret(write(reader, "", 0)), ret(pwrite(reader, "", 0, 0)));
	STEPS("writer", ret(readv(writer, one, 1)), ret(preadv(writer, one, 1, 0)), ret(readv(writer, one, 0)),
	      ret(read(writer, good, 1)), ret(read(writer, good, 0)), ret(pread(writer, good, 0, 0)));
	STEPS("folder", ret(readv(dir, one, 1)), ret(preadv(dir, one, 1, 0)), ret(writev(dir, one, 1)),
	      ret(read(dir, good, 10)), ret(read(dir, good, 0)), ret(pread(dir, good, 10, 0)),
	      ret(write(dir, good, 1)));
	STEPS("pipe at an offset", ret(preadv(ends[0], one, 1, 0)), ret(pwritev(ends[1], one, 1, 0)));
	STEPS("pipe", ret(writev(ends[1], (struct iovec[]){piece("ab", 2), piece("cd", 2)}, 2)),
	      ret(readv(ends[0], one, 1)), runs(good, 4));
	STEPS("pipe's wrong ends", ret(readv(ends[1], one, 1)), ret(writev(ends[0], one, 1)));
	must_close(dir);
	must_close(reader);
	must_close(writer);
	must_close(ends[0]);
	must_close(ends[1]);
}

/* Pieces that are pages of the very file, mapped. */
static void mapped_pieces(void)
{
	int fd = fresh(4, 'A');
	byte *p = map(4, RW, MAP_SHARED, fd, 0);

	STEPS("written from itself", ret(pwritev(fd, (struct iovec[]){piece(p, 10), piece(p + 3 * PAGE, 10)}, 2, PAGE)),
	      file_runs(fd, PAGE, 30));
	STEPS("read into itself", ret(preadv(fd, (struct iovec[]){piece(p + PAGE, PAGE), piece(p, 20)}, 2, 2 * PAGE)),
	      runs(p, 30), runs(p + PAGE, PAGE));
	unmap(p, 4);
	must_close(fd);
}

int main(void)
{
	enter("vectors");
	good = map(2, RW, ANON, -1, 0);
	bad = good + PAGE;
	unmap(bad, 1);
	order();
	limits();
	lengths();
	bad_pieces();
	wrong_descriptors();
	mapped_pieces();
	return done();
}
