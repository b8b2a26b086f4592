// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Appends standard input to the log, one record a line. A line longer than a record is split into parts that carry
 * continuation flags; a last line without newline is flagged; every byte value is kept. Lines become durable in groups.
 * Exit status: 0 all durable; 1 an error, told in one line; 2 wrong usage.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "maplog/maplog.h"

#define INPUT_BYTES 65536
#define PART_BYTES 8192 // longest record; a quarter of the smallest segment is 16 KiB

static const char usage_text[] =
    "usage: logger [OPTIONS] < FILE\n"
    "Appends each line of standard input as a record to a durable log.\n"
    "  --dir DIR            where the log is (default /log)\n"
    "  --segment-bytes N    size of a segment file, a multiple of 64K; K and M are understood (default 1M, or 64K\n"
    "                       on a small card)\n"
    "  --segments N         most segment files (default: half of the free space, at most 64)\n"
    "  --policy P           when that is full: recycle the oldest (default), refuse, stop\n"
    "  --group-bytes N      make a group durable once so many bytes wait (default 64K)\n"
    "  --delay-ms N         ... or once its oldest line has waited so long (default 100)\n"
    "  --commit-align N     8 (default), 512 or 4096: a durable unit of N bytes is never written again\n"
    "Exit status: 0 all lines durable, 1 error, 2 wrong usage.\n";

struct logger {
	struct maplog *log;
	uint64_t lines, records, last;
	size_t length; // bytes in part
	bool split;    // part goes on from a record appended before
	char part[PART_BYTES];
};

static void report(void *arg, const char *line)
{
	(void)arg;
	fprintf(stderr, "logger: %s\n", line);
}

static bool number_parse(const char *text, uint32_t *out)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 10);
	unsigned shift = *end == 'K' ? 10 : *end == 'M' ? 20 : 0;

	end += shift != 0;
	if (end == text || *end || *text == '-' || value > UINT32_MAX >> shift)
		return false;
	*out = (uint32_t)(value << shift);
	return true;
}

static bool policy_parse(const char *text, enum maplog_policy *out)
{
	static const char *const names[] = {
	    [MAPLOG_RECYCLE] = "recycle",
	    [MAPLOG_REFUSE] = "refuse",
	    [MAPLOG_STOP] = "stop",
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(text, names[i]) == 0) {
			*out = (enum maplog_policy)i;
			return true;
		}
	}
	return false;
}

/* 0: run. 1: help was asked for. 2: wrong. */
static int options_parse(int argc, char **argv, const char **dir, struct maplog_options *o)
{
	static const struct option options[] = {
	    {"dir", required_argument, NULL, 'd'},
	    {"segment-bytes", required_argument, NULL, 's'},
	    {"segments", required_argument, NULL, 'n'},
	    {"policy", required_argument, NULL, 'p'},
	    {"group-bytes", required_argument, NULL, 'g'},
	    {"delay-ms", required_argument, NULL, 'm'},
	    {"commit-align", required_argument, NULL, 'a'},
	    {"help", no_argument, NULL, 'h'},
	    {NULL, 0, NULL, 0},
	};
	int option;
	bool good = true;

	while (good && (option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'd':
			*dir = optarg;
			break;
		case 's':
			good = number_parse(optarg, &o->segment_bytes);
			break;
		case 'n':
			good = number_parse(optarg, &o->segments);
			break;
		case 'p':
			good = policy_parse(optarg, &o->policy);
			break;
		case 'g':
			good = number_parse(optarg, &o->group_bytes);
			break;
		case 'm':
			good = number_parse(optarg, &o->delay_ms);
			break;
		case 'a':
			good = number_parse(optarg, &o->commit_align);
			break;
		case 'h':
			return 1;
		default:
			return 2;
		}
		if (!good)
			fprintf(stderr, "logger: %s is no value for that option\n", optarg);
	}
	if (good && optind < argc)
		fprintf(stderr, "logger: %s: lines are read from standard input only\n", argv[optind]);
	return good && optind == argc ? 0 : 2;
}

static int part_append(struct logger *logger, unsigned flags)
{
	int err = maplog_append(logger->log, logger->part, logger->length, flags | (logger->split ? MAPLOG_CONT : 0),
				&logger->last);

	if (err)
		return err;
	logger->records++;
	logger->lines += !(flags & MAPLOG_MORE);
	logger->length = 0;
	logger->split = flags & MAPLOG_MORE;
	return 0;
}

/* Cuts input into lines and parts. A part waits until it is known how it ends. */
static int input_take(struct logger *logger, const char *data, size_t len)
{
	while (len > 0) {
		const char *newline = memchr(data, '\n', len);
		size_t take = newline ? (size_t)(newline - data) : len;
		int err = 0;

		if (logger->length == PART_BYTES && take > 0)
			err = part_append(logger, MAPLOG_MORE);
		if (err)
			return err;
		if (take > PART_BYTES - logger->length) {
			take = PART_BYTES - logger->length;
			newline = NULL;
		}
		memcpy(logger->part + logger->length, data, take);
		logger->length += take;
		data += take;
		len -= take;
		if (newline) {
			err = part_append(logger, 0);
			data++;
			len--;
		}
		if (err)
			return err;
	}
	return 0;
}

/* Until the end of input. *reading tells whether an error came from there. */
static int input_run(struct logger *logger, bool *reading)
{
	static char input[INPUT_BYTES];
	int err = 0;

	for (;;) {
		ssize_t n = read(STDIN_FILENO, input, sizeof(input));

		*reading = n < 0 && errno != EINTR;
		if (*reading)
			return -errno;
		if (n == 0)
			break;
		err = n > 0 ? input_take(logger, input, (size_t)n) : 0;
		if (err)
			return err;
	}
	return logger->length > 0 || logger->split ? part_append(logger, MAPLOG_NO_NEWLINE) : 0;
}

static const char *advice(int err)
{
	switch (err) {
	case -ENOSPC:
		return ": the log is full; make room on the card, or give --policy recycle";
	case -EROFS:
		return ": the card is read-only; repair it with e2fsck or make a new one";
	case -EIO:
		return ": the card or the console reported an error";
	case -EINVAL:
		return ": an option is out of range, see --help";
	default:
		return "";
	}
}

static int fail(const char *doing, int err)
{
	fprintf(stderr, "logger: %s: %s%s\n", doing, strerror(-err), advice(err));
	return 1;
}

static void summary(const struct logger *logger, const struct maplog_stats *stats)
{
	printf("logger: %" PRIu64 " lines, %" PRIu64 " records, last durable sequence %" PRIu64 "\n", logger->lines,
	       logger->records, stats->durable);
	if (stats->recycled)
		printf("logger: %" PRIu64 " oldest records were recycled to make room; the oldest kept is %" PRIu64
		       "\n",
		       stats->recycled, stats->oldest);
}

static int run(struct logger *logger)
{
	struct maplog_stats stats;
	bool reading = false, terminal = isatty(STDIN_FILENO);
	int err, commit_err, status = 0;

	maplog_stats(logger->log, &stats);
	if (stats.published)
		printf("logger: goes on after sequence %" PRIu64 "\n", stats.published);
	if (terminal)
		printf("logger: type lines; Ctrl-D ends. Afterwards ./cairn log [IMAGE] prints them on the PC.\n");
	fflush(stdout);

	err = input_run(logger, &reading);
	if (err)
		status = fail(reading ? "standard input" : "append", err);
	commit_err = maplog_brownout(logger->log); // and nothing is recycled any more: the figures are final
	if (commit_err && commit_err != err)
		status = fail("commit", commit_err);
	maplog_stats(logger->log, &stats);
	summary(logger, &stats);
	if (terminal)
		printf("logger: read them back on the PC with ./cairn log [IMAGE]\n");
	return status;
}

int main(int argc, char **argv)
{
	static struct logger logger;
	struct maplog_options options = {.report = report};
	const char *dir = "/log";
	int parsed = options_parse(argc, argv, &dir, &options), status, err;

	if (parsed) {
		fputs(usage_text, parsed == 1 ? stdout : stderr);
		return parsed == 1 ? 0 : 2;
	}
	err = maplog_open(dir, &options, &logger.log);
	if (err)
		return fail(dir, err);
	status = run(&logger);
	err = maplog_close(logger.log);
	if (err && status == 0)
		status = fail("close", err);
	if (fflush(stdout)) {
		fprintf(stderr, "logger: standard output: %s\n", strerror(errno));
		status = 1;
	}
	return status;
}
