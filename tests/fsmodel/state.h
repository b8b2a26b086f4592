// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Between the files of the tester: the model, and what the operations share. */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "fs/fs.h"
#include "tests/fsmodel/fsmodel.h"

#define NONE 0u // no node, name or page: the first of each is not used
#define ROOT 1u // the node
#define NODES 4096u
#define NAMES 8192u
#define PAGES 12288u
#define PAGE 4096u
#define FDS 12u
#define NAME_LEN_MAX 255u
#define PATH_BYTES 4096u // with the NUL
#define LINKS_MAX 40u
#define DEPTH_MAX 60u
#define LOGGED 40u
#define NOTE_SIZE 800u
#define IO_MAX 200000u // bytes of one call
#define OUTSIDE 1000   // an error that no call has: the model does not know

/* A time stamp is known to lie in between; or it is `old`. */
struct stamp {
	struct timespec from, to, old;
	bool or_old;
};

struct node {
	mode_t mode; // with its type; 0: free
	uid_t uid;
	gid_t gid;
	uint64_t id;  // the same whatever operations are left out
	uint64_t ino; // 0: not seen yet
	unsigned links;
	unsigned users;	  // descriptions, and the current directory
	unsigned parent;  // of a directory
	unsigned names;	  // of a directory: the first in it
	unsigned count;	  // of them
	uint64_t removed; // of a directory: when a name was taken away last
	uint64_t size;
	unsigned pages; // of a file, by index; of a link: one with its target
	struct stamp atime, mtime, ctime;
};

struct name {
	unsigned dir;  // NONE: free
	unsigned next; // in the directory, or free
	unsigned node;
	unsigned len;
	uint32_t hash;
	uint64_t born; // when
	char text[NAME_LEN_MAX + 1];
};

struct page {
	unsigned next;
	uint64_t index;
	uint8_t data[PAGE];
};

/* An open file description. A directory's is a stream of entries. */
struct description {
	unsigned refs;
	unsigned node;
	int flags;
	uint64_t offset;
	bool begun, ended; // reading entries
	uint64_t since;	   // when it was at the beginning
	uint8_t seen[NAMES / 8];
};

struct descriptor {
	int fd;
	struct description *file; // NULL: not open
};

struct fsmodel {
	struct fsmodel_config config;
	uint64_t random;
	unsigned long number; // of the operation
	unsigned kind;	      // of it
	uint64_t now;	      // counts changes of names
	unsigned made;	      // nodes in this operation
	bool long_name;	      // some name in its paths is longer than any can be
	bool failed;
	struct timespec before; // taken before the call

	unsigned cwd;
	unsigned root_links;	// that are not of directories known here
	uint64_t inodes_beside; // in use and not known here
	struct descriptor fds[FDS];
	struct description files[FDS];

	unsigned free_name, free_page; // lists
	unsigned nodes_free, names_free, pages_free;
	unsigned nodes_end, names_end, pages_end; // none was used from there on

	char log[LOGGED][NOTE_SIZE]; // the last one is in log[logged % LOGGED]
	unsigned long logged;
	size_t noted; // length of the last one, without the result
	uint64_t kinds;
	unsigned excused;
	uint8_t buf[IO_MAX + PAGE], other[IO_MAX + PAGE];

	/* Last, since it is much. */
	struct node nodes[NODES];
	struct name names[NAMES];
	struct page pages[PAGES];
};

struct operation {
	const char *name;
	unsigned weight;
	void (*run)(struct fsmodel *m);
};
extern const struct operation fs_operations[];
extern const size_t fs_operation_count;

/* ---- run.c ---- */
uint64_t draw(struct fsmodel *m);
uint64_t below(struct fsmodel *m, uint64_t n);
bool chance(struct fsmodel *m, unsigned one_in);
/* What the report says of the running operation, which is about to do it. */
__attribute__((format(printf, 2, 3))) void note(struct fsmodel *m, const char *format, ...);
__attribute__((format(printf, 2, 3))) void fail(struct fsmodel *m, const char *format, ...);
/* A call gave `got` and should have given `want`. */
enum verdict { AGREED, EXCUSED, WRONG }; // EXCUSED: an error that may be; the call may have done a part
enum verdict expect(struct fsmodel *m, long got, long want);
/* The same where nothing is excused: a look at what is there. */
bool same(struct fsmodel *m, const char *what, long got, long want);

/* ---- model.c ---- */
bool is_dir(const struct fsmodel *m, unsigned node);
bool is_file(const struct fsmodel *m, unsigned node);
bool is_link(const struct fsmodel *m, unsigned node);
uint64_t mix(uint64_t x);
unsigned node_make(struct fsmodel *m, mode_t mode);
/* Its contents go once it has neither names nor users. */
void node_settle(struct fsmodel *m, unsigned node);
unsigned name_find(const struct fsmodel *m, unsigned dir, const char *text, unsigned len);
void name_add(struct fsmodel *m, unsigned dir, const char *text, unsigned len, unsigned node);
void name_remove(struct fsmodel *m, unsigned name);
/* What it leads to changes. */
void name_lead(struct fsmodel *m, unsigned name, unsigned node);
/* Now, by the call under way. */
void touch(struct fsmodel *m, struct stamp *stamp);
void touch_change(struct fsmodel *m, unsigned node);	    // ctime
void touch_modify(struct fsmodel *m, unsigned node);	    // and mtime
void touch_perhaps(struct fsmodel *m, struct stamp *stamp); // or it stays
bool is_below(const struct fsmodel *m, unsigned node, unsigned above);
unsigned depth(const struct fsmodel *m, unsigned dir);
/* Room for this many pages more, and some nodes and names. */
bool has_room(const struct fsmodel *m, size_t bytes);

/* ---- contents.c ---- */
void content_read(const struct fsmodel *m, unsigned node, uint64_t at, uint8_t *to, size_t n);
void content_write(struct fsmodel *m, unsigned node, uint64_t at, const uint8_t *from, size_t n);
void content_zero(struct fsmodel *m, unsigned node, uint64_t at, uint64_t n); // what there is of it
void content_touch(struct fsmodel *m, unsigned node, uint64_t at, uint64_t n);
void content_drop(struct fsmodel *m, unsigned node, uint64_t from, uint64_t to); // whole pages go
void content_resize(struct fsmodel *m, unsigned node, uint64_t size);
/* The first byte from `at` on in a page that was touched, or in none; UINT64_MAX: there is none. */
uint64_t content_next(const struct fsmodel *m, unsigned node, uint64_t at, bool touched);
/* The first byte from `at` on that is not zero; UINT64_MAX. */
uint64_t content_nonzero(const struct fsmodel *m, unsigned node, uint64_t at);

/* ---- walk.c ---- */
/* Where a path leads. */
struct place {
	unsigned dir;  // that the last name is in
	unsigned node; // NONE: there is none of that name
	enum { LAST_NAME, LAST_DOT, LAST_DOTDOT, LAST_ROOT } last;
	bool slash; // one follows
	unsigned len;
	char name[NAME_LEN_MAX + 1];
};
/* Through a symbolic link at the end: never; if a slash follows; always; always, and no slash may follow (-EISDIR). */
enum follow { FOLLOW_NEVER, FOLLOW_SLASH, FOLLOW_ALWAYS, FOLLOW_CREATE };
/* Up to the last name. 0, negative errno, -OUTSIDE. */
int walk_last(const struct fsmodel *m, int at, const char *path, enum follow follow, struct place *out);
/* To what is there. */
int walk(const struct fsmodel *m, int at, const char *path, bool follow, unsigned *node);
/* Absolute, without links. False: it is too long. */
bool path_to(const struct fsmodel *m, unsigned dir, char *buf, size_t size);

/* ---- paths.c ---- */
struct target {
	int at;
	char path[2 * PATH_BYTES];
};
enum wanted { ANY, FILES, DIRS, SYMLINKS, FRESH }; // FRESH: most likely nothing is there
unsigned pick_name(struct fsmodel *m, enum wanted wanted);
unsigned pick_dir(struct fsmodel *m);
/* A path to what is wanted, mostly. False: none is at hand. */
bool draw_target(struct fsmodel *m, enum wanted wanted, struct target *t);
/* For a symbolic link. */
void draw_link_target(struct fsmodel *m, char *buf, size_t size);

/* ---- check.c ---- */
void check_stat(struct fsmodel *m, unsigned node, const struct stat *st);
void check_fd(struct fsmodel *m, const struct descriptor *d);
void check_bytes(struct fsmodel *m, unsigned node, uint64_t at, const uint8_t *seen, size_t n);
void check_ino(struct fsmodel *m, unsigned node, uint64_t ino);
void check_everything(struct fsmodel *m);

/* ---- ops_dir.c ---- */
/* Reads a directory from where its descriptor is, the beginning, to its end: it is as the model has it. */
void read_whole_dir(struct fsmodel *m, unsigned dir, int fd);

/* ---- ops_file.c ---- */
/* A place in a file to do something at, and how much. */
uint64_t draw_at(struct fsmodel *m, unsigned node);
size_t draw_len(struct fsmodel *m);

/* ---- adopt.c: after a call that failed as it may ---- */
/* What the path's last name leads to now is one of these, or nothing: the model learns which. */
void adopt_name(struct fsmodel *m, const struct place *p, unsigned may_be, unsigned or_be);
/* Bytes of the range may be what they were, what was written (NULL: zeros), or zeros; the size between the two. */
void adopt_bytes(struct fsmodel *m, unsigned node, uint64_t at, const uint8_t *written, uint64_t n, uint64_t size);
/* Mode, owner and times may be changed or not. */
void adopt_attr(struct fsmodel *m, const struct target *t, int flags, unsigned node);

/* ---- fds.c ---- */
struct descriptor *fd_pick(struct fsmodel *m, enum wanted wanted);
struct descriptor *fd_slot(struct fsmodel *m); // a free one, or NULL
void fd_install(struct fsmodel *m, struct descriptor *d, int fd, unsigned node, int flags);
void fd_drop(struct fsmodel *m, struct descriptor *d); // closed
void fds_close_all(struct fsmodel *m);

/* ---- the operations ---- */
#define OPERATION(name) void op_##name(struct fsmodel *m)
OPERATION(open);
OPERATION(create);
OPERATION(close);
OPERATION(dup);
OPERATION(mkdir);
OPERATION(rmdir);
OPERATION(unlink);
OPERATION(link);
OPERATION(symlink);
OPERATION(readlink);
OPERATION(rename);
OPERATION(exchange);
OPERATION(stat);
OPERATION(access);
OPERATION(chmod);
OPERATION(chown);
OPERATION(utimens);
OPERATION(chdir);
OPERATION(fchdir);
OPERATION(getcwd);
OPERATION(read);
OPERATION(write);
OPERATION(pread);
OPERATION(pwrite);
OPERATION(seek);
OPERATION(seek_data);
OPERATION(truncate);
OPERATION(allocate);
OPERATION(punch);
OPERATION(zero);
OPERATION(fsync);
OPERATION(sync);
OPERATION(space);
OPERATION(list);
OPERATION(next_entry);
OPERATION(rewind);
OPERATION(burst);
OPERATION(purge);
OPERATION(remount);
OPERATION(drop);
OPERATION(verify);
