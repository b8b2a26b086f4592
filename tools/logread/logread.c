// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Reads a log on the PC, from the folder of segment files as taken from the card. Text is byte for byte what went in;
 * with --json and --csv each line is one entry with its numbers. Every checksum is checked; what is damaged is told on
 * standard error and never printed as data. Exit status: 0 clean; 1 damage found; 2 wrong usage, or nothing readable.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "maplog/maplog.h"

enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_CSV };

static const char usage_text[] =
    "usage: logread [--text|--json|--csv] DIR\n"
    "Prints the log whose segment files (*.seg) are in DIR.\n"
    "  --text   the lines, byte for byte as they were logged (default)\n"
    "  --json   one object a line: sequence, records, boot, monotonic_ns, wall, clock, newline, complete, and the\n"
    "           data as text, or as base64 if it is not UTF-8\n"
    "  --csv    the same as a table with a header line\n"
    "Exit status: 0 clean, 1 damage found (told on standard error), 2 wrong usage or nothing readable.\n";

/* A line put together from its parts. */
struct entry {
	struct maplog_record first;
	unsigned records;
	bool newline, complete;
	uint8_t *data;
	size_t length, capacity;
};

static bool is_utf8(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len;) {
		unsigned more = p[i] < 0x80 ? 0 : p[i] >= 0xc2 && p[i] < 0xe0 ? 1 : p[i] >= 0xe0 && p[i] < 0xf0 ? 2 : 3;
		uint32_t code = p[i] & (more == 0 ? 0x7fu : 0x3fu >> more);

		if ((p[i] >= 0x80 && p[i] < 0xc2) || p[i] > 0xf4 || more >= len - i)
			return false;
		for (unsigned k = 1; k <= more; k++) {
			if ((p[i + k] & 0xc0) != 0x80)
				return false;
			code = code << 6 | (p[i + k] & 0x3f);
		}
		if ((more == 2 && (code < 0x800 || (code >= 0xd800 && code < 0xe000))) ||
		    (more == 3 && (code < 0x10000 || code > 0x10ffff)))
			return false;
		i += more + 1;
	}
	return true;
}

static void print_base64(const uint8_t *p, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < len; i += 3) {
		size_t left = len - i;
		uint32_t word =
		    (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) | (left > 2 ? p[i + 2] : 0);

		putchar(digits[word >> 18]);
		putchar(digits[word >> 12 & 63]);
		putchar(left > 1 ? digits[word >> 6 & 63] : '=');
		putchar(left > 2 ? digits[word & 63] : '=');
	}
}

static void print_json_string(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (p[i] == '"' || p[i] == '\\')
			printf("\\%c", p[i]);
		else if (p[i] < 0x20 || p[i] == 0x7f)
			printf("\\u%04x", p[i]);
		else
			putchar(p[i]);
	}
}

static void print_csv_string(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (p[i] == '"')
			putchar('"');
		putchar(p[i]);
	}
}

/* ISO 8601 in UTC; empty if the clock was never set. */
static void wall_format(const struct maplog_record *record, char *text, size_t size)
{
	int64_t ns = (int64_t)record->monotonic_ns + record->wall_offset_ns;
	time_t seconds = ns / 1000000000;
	long rest = ns % 1000000000;
	struct tm utc;
	char date[32];

	text[0] = 0;
	if (rest < 0) {
		rest += 1000000000;
		seconds--;
	}
	if (record->clock == MAPLOG_CLOCK_UNSET || !gmtime_r(&seconds, &utc) ||
	    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc) == 0)
		return;
	snprintf(text, size, "%s.%09ldZ", date, rest);
}

static const char *clock_name(unsigned clock)
{
	static const char *const names[] = {"unknown", "unset", "bound", "rtc", "set"};

	return clock < sizeof(names) / sizeof(names[0]) ? names[clock] : "unknown";
}

static void entry_print(const struct entry *entry, enum format format)
{
	const struct maplog_record *r = &entry->first;
	bool text = is_utf8(entry->data, entry->length);
	char wall[64];

	wall_format(r, wall, sizeof(wall));
	if (format == FORMAT_JSON) {
		printf("{\"sequence\":%" PRIu64 ",\"records\":%u,\"boot\":%u,\"monotonic_ns\":%" PRIu64 ",\"wall\":",
		       r->sequence, entry->records, r->boot, r->monotonic_ns);
		printf(wall[0] ? "\"%s\"" : "null%s", wall);
		printf(",\"clock\":\"%s\",\"newline\":%s,\"complete\":%s,\"%s\":\"", clock_name(r->clock),
		       entry->newline ? "true" : "false", entry->complete ? "true" : "false", text ? "data" : "base64");
		(text ? print_json_string : print_base64)(entry->data, entry->length);
		fputs("\"}\n", stdout);
	} else {
		printf("%" PRIu64 ",%u,%u,%" PRIu64 ",%s,%s,%d,%d,%s,\"", r->sequence, entry->records, r->boot,
		       r->monotonic_ns, wall, clock_name(r->clock), entry->newline, entry->complete,
		       text ? "text" : "base64");
		(text ? print_csv_string : print_base64)(entry->data, entry->length);
		fputs("\"\n", stdout);
	}
}

static void entry_end(struct entry *entry, enum format format)
{
	if (entry->records > 0)
		entry_print(entry, format);
	entry->records = 0;
	entry->length = 0;
}

static int entry_add(struct entry *entry, const struct maplog_record *record)
{
	size_t need = entry->length + record->length;

	if (need > entry->capacity || !entry->data) {
		size_t capacity = need * 2 + 4096;
		uint8_t *grown = realloc(entry->data, capacity);

		if (!grown)
			return -ENOMEM;
		entry->data = grown;
		entry->capacity = capacity;
	}
	if (entry->records++ == 0)
		entry->first = *record;
	memcpy(entry->data + entry->length, record->data, record->length);
	entry->length = need;
	entry->newline = !(record->flags & (MAPLOG_MORE | MAPLOG_NO_NEWLINE));
	return 0;
}

/* Lines are streamed; only one that was cut off by a power cut gets a newline it did not have. */
static void text_print(const struct maplog_record *record, bool *open_line)
{
	if (*open_line && !(record->flags & MAPLOG_CONT))
		putchar('\n');
	fwrite(record->data, 1, record->length, stdout);
	if (!(record->flags & (MAPLOG_MORE | MAPLOG_NO_NEWLINE)))
		putchar('\n');
	*open_line = record->flags & MAPLOG_MORE;
}

static int structured_print(struct entry *entry, const struct maplog_record *record, enum format format)
{
	int err;

	if (entry->records > 0 && !(record->flags & MAPLOG_CONT)) {
		entry->complete = false;
		entry_end(entry, format);
	}
	if (entry->records == 0)
		entry->complete = !(record->flags & MAPLOG_CONT);
	err = entry_add(entry, record);
	if (!err && !(record->flags & MAPLOG_MORE))
		entry_end(entry, format);
	return err;
}

static void gap_tell(const struct maplog_gap *gap)
{
	if (gap->kind == MAPLOG_GAP_TORN)
		fprintf(stderr,
			"logread: the log ends torn after sequence %" PRIu64 ", segment %" PRIu64 " byte %" PRIu64
			": %" PRIu64 " bytes that were never acknowledged are left out\n",
			gap->first ? gap->first - 1 : 0, gap->generation, gap->offset, gap->bytes);
	else
		fprintf(stderr,
			"logread: records %" PRIu64 " to %" PRIu64 " are damaged and left out, segment %" PRIu64
			" byte %" PRIu64 "\n",
			gap->first, gap->next - 1, gap->generation, gap->offset);
}

/* 0 or 1 as the exit status, or negative errno. */
static int log_print(struct maplog *log, enum format format)
{
	struct entry entry = {0};
	struct maplog_record record;
	struct maplog_reader *reader;
	bool damage = false, open_line = false;
	int status, err = maplog_reader_open(log, 0, 0, &reader);

	if (err)
		return err;
	if (format == FORMAT_CSV)
		puts("sequence,records,boot,monotonic_ns,wall,clock,newline,complete,encoding,data");
	while (!err && (status = maplog_read(reader, &record, 0)) != 0) {
		if (status == -EBADMSG) {
			damage = true;
			gap_tell(maplog_reader_gap(reader));
		} else if (status < 0) {
			err = status;
		} else if (format == FORMAT_TEXT) {
			text_print(&record, &open_line);
		} else {
			err = structured_print(&entry, &record, format);
		}
	}
	if (entry.records > 0) {
		entry.complete = false;
		entry_end(&entry, format);
	}
	free(entry.data);
	maplog_reader_close(reader);
	if (!err && (fflush(stdout) || ferror(stdout)))
		err = -errno;
	return err ? err : damage;
}

static void report(void *arg, const char *line)
{
	bool *damage = arg;

	*damage = true;
	fprintf(stderr, "logread: %s\n", line);
}

static int options_parse(int argc, char **argv, enum format *format)
{
	static const struct option options[] = {
	    {"text", no_argument, NULL, 't'},
	    {"json", no_argument, NULL, 'j'},
	    {"csv", no_argument, NULL, 'c'},
	    {"help", no_argument, NULL, 'h'},
	    {NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'h')
			return 1;
		if (option == '?')
			return 2;
		*format = option == 'j' ? FORMAT_JSON : option == 'c' ? FORMAT_CSV : FORMAT_TEXT;
	}
	return optind + 1 == argc ? 0 : 2;
}

int main(int argc, char **argv)
{
	enum format format = FORMAT_TEXT;
	bool damage = false;
	struct maplog_options options = {.read_only = true, .report = report, .report_arg = &damage};
	struct maplog *log;
	struct maplog_stats stats;
	int parsed = options_parse(argc, argv, &format), status;

	if (parsed) {
		fputs(usage_text, parsed == 1 ? stdout : stderr);
		return parsed == 1 ? 0 : 2;
	}
	status = maplog_open(argv[optind], &options, &log);
	if (status) {
		fprintf(stderr, "logread: %s: %s\n", argv[optind], strerror(-status));
		return 2;
	}
	maplog_stats(log, &stats);
	if (stats.segments == 0) {
		fprintf(stderr, "logread: %s holds no segment files (*.seg)\n", argv[optind]);
		status = 2;
	} else {
		status = log_print(log, format);
		if (status < 0) {
			fprintf(stderr, "logread: %s: %s\n", argv[optind], strerror(-status));
			status = 2;
		}
	}
	if (maplog_close(log) && status == 0)
		status = 2;
	return status == 0 && damage ? 1 : status;
}
