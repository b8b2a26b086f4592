// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The run: draws operations, keeps a list of the last ones, and reports. A report goes to stdout as TAP's diagnostic
 * lines, and ends with the words that repeat the run.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/fsmodel/state.h"

#define RUN(name) #name, .run = op_##name

/* The order matters to seeds alone. */
const struct operation fs_operations[] = {
    {RUN(create), .weight = 14},  {RUN(open), .weight = 10},	  {RUN(close), .weight = 9},
    {RUN(dup), .weight = 1},	  {RUN(mkdir), .weight = 7},	  {RUN(rmdir), .weight = 5},
    {RUN(unlink), .weight = 12},  {RUN(link), .weight = 7},	  {RUN(symlink), .weight = 6},
    {RUN(readlink), .weight = 3}, {RUN(rename), .weight = 14},	  {RUN(exchange), .weight = 4},
    {RUN(stat), .weight = 8},	  {RUN(access), .weight = 2},	  {RUN(chmod), .weight = 3},
    {RUN(chown), .weight = 2},	  {RUN(utimens), .weight = 3},	  {RUN(chdir), .weight = 2},
    {RUN(fchdir), .weight = 1},	  {RUN(getcwd), .weight = 2},	  {RUN(read), .weight = 4},
    {RUN(write), .weight = 8},	  {RUN(pread), .weight = 6},	  {RUN(pwrite), .weight = 10},
    {RUN(seek), .weight = 3},	  {RUN(seek_data), .weight = 4},  {RUN(truncate), .weight = 6},
    {RUN(allocate), .weight = 4}, {RUN(punch), .weight = 4},	  {RUN(zero), .weight = 3},
    {RUN(fsync), .weight = 2},	  {RUN(sync), .weight = 1},	  {RUN(space), .weight = 1},
    {RUN(list), .weight = 3},	  {RUN(next_entry), .weight = 9}, {RUN(rewind), .weight = 2},
    {RUN(burst), .weight = 1},	  {RUN(purge), .weight = 1},	  {RUN(remount), .weight = 1},
    {RUN(drop), .weight = 2},	  {RUN(verify), .weight = 0},
};
const size_t fs_operation_count = array_size(fs_operations);

/* ---- chance ---- */

uint64_t draw(struct fsmodel *m)
{
	return word_draw(&m->random);
}

uint64_t below(struct fsmodel *m, uint64_t n)
{
	return draw(m) % n;
}

bool chance(struct fsmodel *m, unsigned one_in)
{
	return below(m, one_in) == 0;
}

static unsigned draw_kind(struct fsmodel *m)
{
	uint64_t total = 0, at;
	unsigned kind = 0;

	for (size_t i = 0; i < fs_operation_count; i++)
		total += fs_operations[i].weight;
	at = below(m, total);
	while (at >= fs_operations[kind].weight)
		at -= fs_operations[kind++].weight;
	return kind;
}

/* ---- the report ---- */

void note(struct fsmodel *m, const char *format, ...)
{
	char *line = m->log[++m->logged % LOGGED];
	const int n = snprintf(line, NOTE_SIZE, "%8lu %-10s ", m->number, fs_operations[m->kind].name);
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(line + n, NOTE_SIZE - (size_t)n, format, ap); // cut off where it is longer
	va_end(ap);
	m->noted = strlen(line);
	m->kinds |= 1ul << m->kind;
	fsmodel_now(&m->before, true);
	if (m->config.trace) {
		printf("# %s\n", line);
		fflush(stdout);
	}
}

static void note_result(struct fsmodel *m, long result)
{
	char *line = m->log[m->logged % LOGGED];

	(void)snprintf(line + m->noted, NOTE_SIZE - m->noted, " -> %ld", result); // of the last call
}

const char *fsmodel_words(const struct fsmodel_config *c, unsigned long ops)
{
	static char text[8192];
	size_t n = (size_t)snprintf(text, sizeof(text), "seed=%" PRIu64 " ops=%lu names=%u check=%lu", c->seed, ops,
				    c->names, c->check_every);

	for (size_t i = 0; i < fs_operation_count; i++)
		if (c->left_out & 1ul << i && n < sizeof(text))
			n += (size_t)snprintf(text + n, sizeof(text) - n, " skip=%s", fs_operations[i].name);
	for (unsigned i = 0; i < c->drops && n < sizeof(text); i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%lu-%lu", i ? "," : " drop=", c->drop[i].first,
				      c->drop[i].last);
	return text;
}

void fail(struct fsmodel *m, const char *format, ...)
{
	const unsigned long first = m->logged > LOGGED ? m->logged - LOGGED + 1 : 1;
	va_list ap;

	if (m->failed)
		return;
	m->failed = true;
	if (m->config.quiet)
		return;
	printf("# seed %" PRIu64 ", operation %lu (%s): ", m->config.seed, m->number, fs_operations[m->kind].name);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf("\n# %s operations:\n", first > 1 ? "the last" : "all");
	for (unsigned long n = first; n <= m->logged; n++)
		printf("# %s\n", m->log[n % LOGGED]);
	printf("# replay: %s %s\n# skip=KIND and drop=FIRST-LAST leave operations out\n", m->config.replay,
	       fsmodel_words(&m->config, m->number));
	fflush(stdout);
}

enum verdict expect(struct fsmodel *m, long got, long want)
{
	note_result(m, got);
	if (got == want)
		return AGREED;
	/* Which of two errors is told of two paths is nobody's business if one is a name that is too long. */
	if (m->long_name && got < 0 && want < 0 && (got == -ENAMETOOLONG || want == -ENAMETOOLONG))
		return AGREED;
	if ((got == -ENOSPC && m->config.full) || (got == -EIO && m->config.faults)) {
		m->excused++;
		return EXCUSED;
	}
	if (got < 0)
		fail(m, "failed: %s; expected %ld%s%s", strerror((int)-got), want, want < 0 ? ", " : "",
		     want < 0 ? strerror((int)-want) : "");
	else
		fail(m, "returned %ld; expected %ld%s%s", got, want, want < 0 ? ", " : "",
		     want < 0 ? strerror((int)-want) : "");
	return WRONG;
}

bool same(struct fsmodel *m, const char *what, long got, long want)
{
	if (got != want)
		fail(m, "%s is %ld; expected %ld", what, got, want);
	return got == want;
}

/* ---- options ---- */

static const char *kind_name(size_t i)
{
	return fs_operations[i].name;
}

bool fsmodel_option(struct fsmodel_config *c, const char *word)
{
	unsigned long value;
	uint64_t set;

	if (word_number(word, "seed", &value))
		c->seed = value;
	else if (word_number(word, "ops", &value))
		c->ops = value;
	else if (word_number(word, "names", &value))
		c->names = (unsigned)value;
	else if (word_number(word, "check", &value))
		c->check_every = value;
	else if (word_number(word, "trace", &value))
		c->trace = value;
	else if (strncmp(word, "skip=", 5) == 0 && word_kinds(word + 5, kind_name, fs_operation_count, &set))
		c->left_out |= set;
	else if (strncmp(word, "only=", 5) == 0 && word_kinds(word + 5, kind_name, fs_operation_count, &set))
		c->left_out |= ~set;
	else
		return strncmp(word, "drop=", 5) == 0 && word_spans(word + 5, c->drop, &c->drops, FSMODEL_DROPS_MAX);
	return true;
}

const char *fsmodel_names(uint64_t kinds)
{
	static char text[1024];
	size_t n = 0;

	text[0] = 0;
	for (size_t i = 0; i < fs_operation_count; i++)
		if (kinds & 1ul << i)
			n += (size_t)snprintf(text + n, sizeof(text) - n, " %s", fs_operations[i].name);
	return text;
}

uint64_t fsmodel_kinds(const struct fsmodel_config *config)
{
	uint64_t kinds = 0;

	for (size_t i = 0; i < fs_operation_count; i++) {
		const bool possible = (config->remount || fs_operations[i].run != op_remount) &&
				      (config->drop_caches || fs_operations[i].run != op_drop) &&
				      (!config->no_zero_range || fs_operations[i].run != op_zero);

		if (possible && fs_operations[i].weight)
			kinds |= 1ul << i;
	}
	return kinds & ~config->left_out;
}

/* ---- the run ---- */

size_t fsmodel_size(void)
{
	return sizeof(struct fsmodel);
}

static void prepare(struct fsmodel *m, const struct fsmodel_config *config)
{
	struct node *root = &m->nodes[ROOT];
	struct fs_space space;
	char path[PATH_BYTES];
	struct stat st;
	int err;

	memset(m->nodes, 0, m->nodes_end * sizeof(*m->nodes)); // of a run before
	memset(m->names, 0, m->names_end * sizeof(*m->names));
	memset(m, 0, offsetof(struct fsmodel, nodes));
	m->config = *config;
	m->nodes_free = NODES - 2;
	m->names_free = NAMES - 1;
	m->pages_free = PAGES - 1;
	m->nodes_end = ROOT + 1;
	m->names_end = m->pages_end = 1;
	m->cwd = ROOT;
	*root = (struct node){.mode = S_IFDIR, .id = 1, .links = 2, .users = 2, .parent = ROOT};
	(void)path_to(m, ROOT, path, sizeof(path));
	err = fs_stat(AT_FDCWD, path, &st, 0);
	if (!err)
		err = fs_chdir(path);
	if (!err)
		err = fs_space(AT_FDCWD, path, &space);
	if (err) {
		fail(m, "%s: %s", path, strerror(-err));
		return;
	}
	root->mode = st.st_mode;
	root->uid = st.st_uid;
	root->gid = st.st_gid;
	root->ino = st.st_ino;
	root->atime = (struct stamp){.from = st.st_atim, .to = st.st_atim};
	root->mtime = (struct stamp){.from = st.st_mtim, .to = st.st_mtim};
	root->ctime = (struct stamp){.from = st.st_ctim, .to = st.st_ctim};
	m->root_links = (unsigned)st.st_nlink - 2;
	m->inodes_beside = space.inodes - space.inodes_free;
}

static void step(struct fsmodel *m)
{
	const struct fsmodel_config *c = &m->config;

	if (c->progress)
		*c->progress = m->number;
	m->random = word_state(c->seed, m->number);
	m->kind = draw_kind(m);
	m->made = 0;
	m->long_name = false;
	if (word_in_spans(m->number, c->drop, c->drops) || c->left_out & 1ul << m->kind)
		return;
	fs_operations[m->kind].run(m);
}

struct fsmodel_result fsmodel_run(struct fsmodel *m, const struct fsmodel_config *config)
{
	struct fsmodel_result result = {0};

	prepare(m, config);
	while (!m->failed && m->number < config->ops) {
		m->number++;
		step(m);
		if (!m->failed && config->check_every && m->number % config->check_every == 0)
			check_everything(m);
	}
	if (!m->failed)
		fds_close_all(m);
	if (config->calm)
		config->calm();
	if (!m->failed)
		check_everything(m);
	result.failed_at = !m->failed ? 0 : m->number ? m->number : 1;
	result.kinds = m->kinds;
	result.excused = m->excused;
	return result;
}
