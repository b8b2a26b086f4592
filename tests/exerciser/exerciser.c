// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The run: draws operations, keeps a list of the last ones, and reports. A report goes to stdout as TAP's diagnostic
 * lines, and ends with the arguments that repeat the run.
 */
#include "exerciser.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "state.h"

static atomic_bool stop; // one of several threads has failed

/* ---- chance ---- */
uint64_t draw(struct exerciser *x)
{
	return word_draw(&x->random);
}

uint64_t below(struct exerciser *x, uint64_t n)
{
	return draw(x) % n;
}

bool chance(struct exerciser *x, unsigned one_in)
{
	return below(x, one_in) == 0;
}

/* ---- the report ---- */
static void print_note(const struct note *n)
{
	const char *arg = operations[n->kind].args;

	printf("# %8lu %-12s", n->number, operations[n->kind].name);
	for (size_t i = 0; i < NOTES && *arg; i++) {
		size_t len = strcspn(arg, " ");

		printf(" %.*s=%#lx", (int)len, arg, (unsigned long)n->values[i]);
		arg += len + (arg[len] == ' ');
	}
	printf(" -> %ld\n", n->result);
}

void note(struct exerciser *x, const long values[NOTES])
{
	struct note *n = &x->log[x->logged % LOGGED];

	memcpy(n->values, values, sizeof(n->values));
	x->noted[x->kind]++;
	if (x->config.trace) {
		print_note(n);
		fflush(stdout);
	}
}

void note_result(struct exerciser *x, long result)
{
	x->log[x->logged % LOGGED].result = result;
}

void refused(struct exerciser *x)
{
	x->refused[x->kind]++;
}

static void print_list(const struct exerciser *x)
{
	const unsigned long first = x->logged > LOGGED ? x->logged - LOGGED + 1 : 1;

	printf("# %s operations (numbers in hexadecimal, results in decimal):\n", first > 1 ? "the last" : "all");
	for (unsigned long n = first; n <= x->logged; n++)
		print_note(&x->log[n % LOGGED]);
}

static void print_replay(const struct exerciser *x)
{
	const struct exerciser_config *c = &x->config;

	printf("# replay: %s seed=%" PRIu64 " ops=%lu pages=%u arena=%u lock=%u threads=%u base=%" PRIu64 " scarce=%d",
	       c->replay, c->seed, x->number, c->pages, c->arena, c->lock_pages, c->threads, c->base, c->scarce);
	for (unsigned i = 0; i < operation_count; i++)
		if (c->left_out & 1ul << i)
			printf(" skip=%s", operations[i].name);
	for (unsigned i = 0; i < c->drops; i++)
		printf(" drop=%lu-%lu", c->drop[i].first, c->drop[i].last);
	printf("\n# skip=KIND and drop=FIRST-LAST leave operations out\n");
}

void fail(struct exerciser *x, const char *format, ...)
{
	va_list ap;

	if (x->failed)
		return;
	x->failed = true;
	if (atomic_exchange(&stop, true) || x->config.quiet)
		return; // another thread has said why, or nobody is to
	printf("# exerciser: seed %" PRIu64 ", thread %u, operation %lu (%s), size %#" PRIx64 ": ", x->config.seed,
	       x->self, x->number, operations[x->kind].name, x->size);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf("\n");
	print_list(x);
	print_replay(x);
	fflush(stdout);
}

bool expect(struct exerciser *x, const char *what, long got, long want)
{
	const int error = errno;

	note_result(x, got < 0 ? -error : got);
	if (want < 0 ? got == -1 && error == -want : got == want)
		return true;
	if (got == -1)
		fail(x, "%s failed: %s; expected %ld", what, strerror(error), want);
	else
		fail(x, "%s returned %ld; expected %ld", what, got, want);
	return false;
}

/* ---- options ---- */
static const char *kind_name(size_t i)
{
	return operations[i].name;
}

bool exerciser_option(struct exerciser_config *c, const char *word)
{
	unsigned long value;
	uint64_t set;

	if (word_number(word, "seed", &value))
		c->seed = value;
	else if (word_number(word, "ops", &value))
		c->ops = value;
	else if (word_number(word, "pages", &value))
		c->pages = (unsigned)value;
	else if (word_number(word, "arena", &value))
		c->arena = (unsigned)value;
	else if (word_number(word, "lock", &value))
		c->lock_pages = (unsigned)value;
	else if (word_number(word, "threads", &value))
		c->threads = (unsigned)value;
	else if (word_number(word, "base", &value))
		c->base = value;
	else if (word_number(word, "scarce", &value))
		c->scarce = value;
	else if (word_number(word, "trace", &value))
		c->trace = value;
	else if (word_number(word, "seconds", &value))
		c->seconds = (unsigned)value;
	else if (strncmp(word, "path=", 5) == 0)
		c->path = word + 5;
	else if (strncmp(word, "skip=", 5) == 0 && word_kinds(word + 5, kind_name, operation_count, &set))
		c->left_out |= set;
	else if (strncmp(word, "only=", 5) == 0 && word_kinds(word + 5, kind_name, operation_count, &set))
		c->left_out |= ~set;
	else
		return strncmp(word, "drop=", 5) == 0 && word_spans(word + 5, c->drop, &c->drops, EXERCISER_DROPS_MAX);
	return true;
}

/* ---- the run ---- */
static bool fits(const struct exerciser_config *c, const struct operation *op)
{
	return op->who == ANYBODY || (op->who == TOGETHER) == (c->threads > 0);
}

static unsigned draw_kind(struct exerciser *x)
{
	uint64_t total = 0, at;
	unsigned kind = 0;

	for (size_t i = 0; i < operation_count; i++)
		total += operations[i].weight;
	at = below(x, total);
	while (at >= operations[kind].weight)
		at -= operations[kind++].weight;
	return kind;
}

static void check_size(struct exerciser *x)
{
	const struct descriptor *d = fd_any(x);
	struct stat st;

	if (d && !x->failed && (fstat(d->fd, &st) < 0 || (uint64_t)st.st_size != x->config.base + x->size))
		fail(x, "fstat's size is %#jx", (uintmax_t)st.st_size);
}

static void step(struct exerciser *x)
{
	if (x->config.progress && x->self == 0)
		*x->config.progress = x->number;
	x->random = word_state(x->config.seed, x->number) + x->self * 0x2545f4914f6cdd1du;
	x->kind = draw_kind(x);
	if (word_in_spans(x->number, x->config.drop, x->config.drops) || x->config.left_out & 1ul << x->kind ||
	    !fits(&x->config, &operations[x->kind]))
		return;
	x->log[++x->logged % LOGGED] = (struct note){.number = x->number, .kind = x->kind};
	operations[x->kind].run(x);
	check_size(x);
}

static time_t now(void)
{
	struct timespec ts;

	return clock_gettime(CLOCK_MONOTONIC, &ts) == 0 ? ts.tv_sec : 0;
}

static void *work(void *arg)
{
	struct exerciser *x = arg;
	const time_t begun = now();

	while (x->number < x->config.ops && !x->failed && !atomic_load(&stop)) {
		if (x->config.seconds && x->number % 64 == 0 && now() - begun >= (time_t)x->config.seconds)
			break;
		x->number++;
		step(x);
	}
	if (!x->failed && !atomic_load(&stop))
		check_everything(x);
	return NULL;
}

/* ---- beginning and end ---- */
static void *need(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (!p) {
		printf("# exerciser: no memory\n");
		abort();
	}
	return p;
}

static struct exerciser *prepare(const struct exerciser_config *c, unsigned self, uint8_t *data)
{
	struct exerciser *x = need(1, sizeof(*x));
	const size_t pages = c->arena + ANNEX, longest = c->pages > pages ? c->pages : pages;

	x->config = *c;
	x->self = self;
	x->tail = NOWHERE;
	x->data = data ? memset(data, 0, c->pages * PAGE) : need(c->pages, PAGE);
	x->copies = need(pages, PAGE);
	x->spots = need(pages, sizeof(*x->spots));
	x->spare = need(pages, sizeof(*x->spare));
	for (; x->spares < pages; x->spares++)
		x->spare[x->spares] = x->copies + x->spares * PAGE;
	x->buf = need(longest, PAGE);
	x->other = need(longest, PAGE);
	x->log = need(LOGGED, sizeof(*x->log));
	x->noted = need(operation_count, sizeof(*x->noted));
	x->refused = need(operation_count, sizeof(*x->refused));
	return x;
}

/* What stays mapped and open of a run that failed is in nobody's way: it is the last. */
static void finish(struct exerciser *x, struct exerciser_result *result)
{
	if (!x->failed) {
		fds_close_all(x);
		arena_drop(x);
	}
	if (x->failed && !result->failed_at)
		result->failed_at = x->number ? x->number : 1;
	result->ops += x->number;
	result->size = x->size;
	for (size_t i = 0; i < operation_count; i++)
		if (x->noted[i] > x->refused[i])
			result->kinds |= 1ul << i;
	if (x->data != x->config.data)
		free(x->data);
	free(x->copies);
	free(x->spots);
	free(x->spare);
	free(x->buf);
	free(x->other);
	free(x->log);
	free(x->noted);
	free(x->refused);
	free(x);
}

static int make_file(const struct exerciser_config *c, uint64_t size)
{
	int fd = open(c->path, O_RDWR | O_CREAT | O_TRUNC, 0644);

	if (fd >= 0 && ftruncate(fd, (off_t)(c->base + size)) == 0)
		return fd;
	printf("# exerciser: %s: %s\n", c->path, strerror(errno));
	return -1;
}

static struct exerciser_result run_alone(const struct exerciser_config *c)
{
	struct exerciser_result result = {0};
	struct exerciser *x = prepare(c, 0, c->data);
	int fd = make_file(c, 0);

	if (fd < 0 || !fds_open(x, 0, O_RDWR) || !arena_make(x))
		x->failed = true;
	else
		(void)work(x);
	if (fd >= 0)
		(void)expect(x, "close", close(fd), 0);
	finish(x, &result);
	return result;
}

/* Each thread's own bytes into what the caller sees. */
static void join_models(const struct exerciser *x)
{
	for (uint64_t at = 0; x->config.data && at < x->size; at++)
		if (is_own(x, at))
			x->config.data[at] = x->data[at];
}

static struct exerciser_result run_threads(const struct exerciser_config *c)
{
	const size_t size = c->pages * PAGE;
	struct exerciser_result result = {0};
	struct exerciser *all[THREADS_MAX];
	pthread_t threads[THREADS_MAX];
	int fd = make_file(c, size);
	uint8_t *common = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)c->base);

	if (fd < 0 || common == MAP_FAILED || c->threads > THREADS_MAX)
		return (struct exerciser_result){.failed_at = 1};
	for (unsigned i = 0; i < c->threads; i++) {
		all[i] = prepare(c, i, NULL);
		all[i]->size = size;
		all[i]->common = common;
		all[i]->common_fd = fd;
		if (!fds_open(all[i], 0, O_RDWR) || !arena_make(all[i]))
			all[i]->failed = true;
	}
	for (unsigned i = 0; i < c->threads; i++)
		if (pthread_create(&threads[i], NULL, work, all[i]))
			abort();
	for (unsigned i = 0; i < c->threads; i++)
		if (pthread_join(threads[i], NULL))
			abort();
	for (unsigned i = 0; i < c->threads; i++) {
		join_models(all[i]);
		finish(all[i], &result);
	}
	if (!result.failed_at && (munmap(common, size) < 0 || close(fd) < 0))
		result.failed_at = c->ops;
	return result;
}

struct exerciser_result exerciser_run(const struct exerciser_config *config)
{
	atomic_store(&stop, false);
	touch_init();
	return config->threads ? run_threads(config) : run_alone(config);
}

uint64_t exerciser_expected(const struct exerciser_config *config)
{
	uint64_t set = 0;

	for (size_t i = 0; i < operation_count; i++)
		if (fits(config, &operations[i]))
			set |= 1ul << i;
	return set & ~config->left_out;
}

const char *exerciser_names(uint64_t set)
{
	static char names[512];
	size_t at = 0;

	names[0] = '\0';
	for (size_t i = 0; i < operation_count && at < sizeof(names); i++)
		if (set & 1ul << i)
			at += (size_t)snprintf(names + at, sizeof(names) - at, " %s", operations[i].name);
	return names;
}
