// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Random operations on a tree of files, each done to the file system and to a model in plain memory: what a call
 * returns is compared at once, and the whole tree now and then. It uses the calls of fs/fs.h alone; on Linux these are
 * POSIX calls (linux.c), which proves the model.
 *
 * What an operation does is drawn from the seed and its number, and which names it uses depends as little as can be on
 * what was there before: leaving some out keeps most others as they were.
 */
#pragma once

#include <sys/stat.h>

#include "lib/types.h"
#include "tests/exerciser/words.h"

#define FSMODEL_DROPS_MAX 256

struct fsmodel_config {
	const char *prefix; // of all paths: "" or a directory's, which is empty; without a slash at the end
	uint64_t seed;
	unsigned long ops;
	unsigned names;				  // different ones that are used over and over; 0: 60
	unsigned long check_every;		  // operations between two looks at the whole tree; 0: at the end
	uint64_t size_max;			  // of a file; 0: not known, and not tried
	unsigned block_size;			  // what a link's target is shorter than
	bool full;				  // -ENOSPC is fine, and changes nothing but what a short count says
	bool faults;				  // -EIO is fine
	void (*calm)(void);			  // ends that before the whole tree is looked at; NULL: nothing to end
	bool linux_fs;				  // what the kernel of Linux does otherwise is let pass
	bool in_memory;				  // what is there takes no blocks of a card
	bool no_zero_range;			  // of fallocate
	bool coarse_times;			  // whole seconds once an inode was forgotten
	bool exact_space;			  // each inode that goes is free at once
	int64_t time_max;			  // seconds; 0: not tried
	bool trace;				  // prints each operation as it begins
	bool quiet;				  // no report
	uint64_t left_out;			  // kinds of operations, by bit
	struct word_span drop[FSMODEL_DROPS_MAX]; // operations that are not carried out, by number
	unsigned drops;
	unsigned long *progress; // number of the operation that runs; NULL: nobody looks
	const char *replay;	 // the command that arguments are added to
	/* Unmounts and mounts again; NULL: there is no way to. 0 or negative errno. */
	int (*remount)(void);
	void (*drop_caches)(void); // of what may be dropped; NULL: there is no way to
};

#define FSMODEL_DEFAULT                                                                                                \
	{                                                                                                              \
		.prefix = "", .seed = 1, .ops = 1000, .block_size = 4096, .replay = "fsmodel"                          \
	}

struct fsmodel_result {
	unsigned long failed_at; // number of the operation, the first is 1; 0: all went well
	unsigned excused;	 // calls that failed as they may
	uint64_t kinds;		 // of operations that were carried out, by bit
};

/* The model, which whoever shares its memory may look at after the run. */
struct fsmodel;
size_t fsmodel_size(void);

/* Takes a word: seed=N ops=N names=N check=N trace=0|1 skip=KIND,... only=KIND,... drop=N-M,N,... */
bool fsmodel_option(struct fsmodel_config *config, const char *word);
/* Prints what went wrong. `m` is zeroed memory of fsmodel_size bytes. */
struct fsmodel_result fsmodel_run(struct fsmodel *m, const struct fsmodel_config *config);
/* Names of the kinds in a set, into a static buffer; and all that there are. */
const char *fsmodel_names(uint64_t kinds);
uint64_t fsmodel_kinds(const struct fsmodel_config *config);
/* The words of the run so far, to repeat it, into a static buffer. */
const char *fsmodel_words(const struct fsmodel_config *config, unsigned long ops);

/* ---- what is left on the card, in whatever memory it is looked at from ---- */
/* Calls visit for every inode that has a name, once, with its number on the card; the root first. */
struct fsmodel_file {
	uint64_t ino;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	unsigned links;
	uint64_t size;
	struct timespec mtime_from, mtime_to; // it lies in between
	unsigned node;			      // for the calls below
};
void fsmodel_visit(const struct fsmodel *m, void (*visit)(void *arg, const struct fsmodel_file *file), void *arg);
/* Of a directory: calls visit for every name in it. */
void fsmodel_visit_names(const struct fsmodel *m, unsigned node,
			 void (*visit)(void *arg, const char *name, uint64_t ino, mode_t mode), void *arg);
/* Bytes of a file or of a link's target; true: one of its pages, or a part, lies there. */
bool fsmodel_read(const struct fsmodel *m, unsigned node, uint64_t at, void *buf, size_t n);
/* The first byte at or after `at` that lies in a page with contents; false: none. */
bool fsmodel_next(const struct fsmodel *m, unsigned node, uint64_t *at);

/* What the machine under it supplies: no time stamp taken from now on is earlier; or none so far is later. */
void fsmodel_now(struct timespec *now, bool earliest);
