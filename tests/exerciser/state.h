// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Between the files of the exerciser: the model, and what the operations share. */
#pragma once

#include "exerciser.h"

#define PAGE 4096ul
#define STRIPE 96ul // bytes in a row that are one thread's: pages, sectors and blocks are shared
#define FDS 5
#define THREADS_MAX 8
#define ANNEX 16 // pages of a mapping outside the arena
#define NOTES 5
#define LOGGED 160 // operations that a report lists
#define NOWHERE SIZE_MAX

/* What is mapped at a page of addresses. */
enum kind { HOLE, ANON, MEMORY, SHARED, PRIVATE }; // MEMORY: anonymous and shared

struct spot {
	enum kind kind;
	int prot;
	bool locked;
	bool may_write; // mprotect may give PROT_WRITE
	bool maybe;	// the copy, or what lies under it, is seen: which of both is not known
	size_t index;	// page of the file
	uint8_t *copy;	// contents of its own; NULL: it shows the file, or zeros
};

/* An open file description. */
struct description {
	unsigned refs;
	int flags;
	uint64_t offset; // without base
};

struct descriptor {
	int fd;
	struct description *file; // NULL: not open
};

struct note {
	unsigned long number;
	unsigned kind;
	long values[NOTES], result;
};

struct exerciser {
	struct exerciser_config config;
	unsigned self; // which thread
	uint64_t random;
	unsigned long number; // of the operation
	unsigned kind;	      // of it
	bool failed;

	uint64_t recent; // place in the file that an operation has used

	uint8_t *data; // of the file; zeros behind the end
	uint64_t size;
	size_t tail; // page whose bytes behind the file's end were stored into: not known until it is the last no more

	struct descriptor fds[FDS];
	struct description files[FDS];

	uint8_t *arena, *annex; // addresses

	struct spot *spots; // of the arena's pages, then of the annex's
	size_t locked;
	uint8_t *copies; // pages for spot.copy,
	uint8_t **spare; // and those that are free
	size_t spares;
	uint8_t *buf, *other; // of the greatest size that an operation has

	uint8_t *common; // threads: a mapping of all of the file that all use
	int common_fd;

	struct note *log; // the last operation is in log[logged % LOGGED]
	unsigned long logged;
	unsigned long *noted, *refused; // by kind
};

struct operation {
	const char *name, *args; // args: names of what note() is given
	unsigned weight;
	void (*run)(struct exerciser *x);
	enum {
		ANYBODY,
		ALONE,	  // changes the file's size, or bytes of others
		TOGETHER, // for several threads
	} who;
};
extern const struct operation operations[];
extern const size_t operation_count;

/* ---- exerciser.c ---- */
uint64_t draw(struct exerciser *x);
uint64_t below(struct exerciser *x, uint64_t n);
bool chance(struct exerciser *x, unsigned one_in);
/* What the report says of the running operation. */
#define NOTE(x, ...) note(x, (const long[NOTES]){__VA_ARGS__})
void note(struct exerciser *x, const long values[NOTES]);
void note_result(struct exerciser *x, long result);
/* An honest error that changed nothing. */
void refused(struct exerciser *x);
/* The first one prints the report. */
__attribute__((format(printf, 2, 3))) void fail(struct exerciser *x, const char *format, ...);
/* A call gave `got` and should have given `want`; errno counts if want is a negative errno. True if it is so. */
bool expect(struct exerciser *x, const char *what, long got, long want);

/* ---- model.c ---- */
bool is_own(const struct exerciser *x, uint64_t at);
size_t own_run(const struct exerciser *x, uint64_t at, size_t n); // how many bytes from `at` on are own ones
uint64_t pick_at(struct exerciser *x);				  // in the file or at its end
size_t pick_len(struct exerciser *x, uint64_t at);		  // > 0, within the greatest size
/* Of a thread among several: own bytes, in one stripe. */
void pick_write(struct exerciser *x, uint64_t *at, size_t *len);
void make_pattern(struct exerciser *x, uint8_t *buf, size_t n);
void model_resize(struct exerciser *x, uint64_t size);
void model_write(struct exerciser *x, uint64_t at, const uint8_t *from, size_t n);
void model_zero(struct exerciser *x, uint64_t at, size_t n); // what lies in the file
/* Compares bytes of the file; those of other threads are passed over. */
void check_file(struct exerciser *x, const char *how, uint64_t at, const uint8_t *seen, size_t n);
/* What is seen at an offset of a page of addresses, by a load or a call. */
void check_spot(struct exerciser *x, const char *how, size_t spot, size_t offset, const uint8_t *seen, size_t n);
/* Index of the first byte that is not as it should be; n: none. Of the file, only own ones count. */
size_t spot_differs(const struct exerciser *x, const struct spot *s, size_t offset, const uint8_t *seen,
		    const uint8_t *right, size_t n);
/* How much of what lies under the spot, the file's page or zeros, is known: not what is behind the end, if stored into.
 */
size_t spot_known(const struct exerciser *x, const struct spot *s, size_t offset, size_t n);
/* The byte that a spot shows, in the model. */
uint8_t spot_byte(const struct exerciser *x, const struct spot *s, size_t offset);
bool is_file(const struct spot *s);
/* Gives it contents of its own, those that it shows. */
void spot_copy(struct exerciser *x, struct spot *s);
void spot_uncopy(struct exerciser *x, struct spot *s);
void spot_clear(struct exerciser *x, struct spot *s); // to HOLE
void check_everything(struct exerciser *x);

/* ---- access.c ---- */
enum touch { TOUCH_OK, TOUCH_SEGV, TOUCH_BUS };
void touch_init(void);
enum touch touch_copy(void *to, const void *from, size_t n);
/* What an access to a page of addresses comes to. */
enum touch spot_outcome(const struct exerciser *x, const struct spot *s, bool store);
uint8_t *spot_address(const struct exerciser *x, size_t spot);
/* [spot, offset] loaded and compared, or stored into; n ends within the page. */
void load_spot(struct exerciser *x, const char *how, size_t spot, size_t offset, size_t n);
void store_spot(struct exerciser *x, size_t spot, size_t offset, const uint8_t *from, size_t n);
/* The model's part of a store that was carried out. */
void stored_spot(struct exerciser *x, size_t spot, size_t offset, const uint8_t *from, size_t n);

/* ---- fds.c ---- */
bool fds_open(struct exerciser *x, size_t slot, int flags);
void fds_close(struct exerciser *x, size_t slot);
void fds_close_all(struct exerciser *x);
/* One that is open for reading, or writing. */
struct descriptor *fd_reader(struct exerciser *x);
struct descriptor *fd_writer(struct exerciser *x);
struct descriptor *fd_any(struct exerciser *x);

/* ---- ops_map.c ---- */
/* Makes all of the arena one mapping that nobody may touch. */
bool arena_make(struct exerciser *x);
void arena_drop(struct exerciser *x);

/* ---- the operations ---- */
#define OPERATION(name) void op_##name(struct exerciser *x)
OPERATION(pread);
OPERATION(pwrite);
OPERATION(read);
OPERATION(write);
OPERATION(seek);
OPERATION(truncate);
OPERATION(allocate);
OPERATION(fsync);
OPERATION(open);
OPERATION(dup);
OPERATION(close);
OPERATION(reopen);
OPERATION(drop);
OPERATION(verify);
OPERATION(load);
OPERATION(store);
OPERATION(common);
OPERATION(tail);
OPERATION(write_mapped);
OPERATION(read_mapped);
OPERATION(map);
OPERATION(unmap);
OPERATION(protect);
OPERATION(msync);
OPERATION(lock);
OPERATION(unlock);
OPERATION(advise);
OPERATION(dontneed);
OPERATION(brief);
OPERATION(free);
OPERATION(populate);
OPERATION(mincore);
OPERATION(remap);
OPERATION(punch);
OPERATION(zero);
OPERATION(keep);
OPERATION(sync_range);
OPERATION(fadvise);
OPERATION(readahead);
