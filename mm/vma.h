// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The address space: mappings in a tree by address, and what the mapping calls, the fault and the page cache share
 * about them. Inside mm/ only.
 *
 * Two locks. `change`, a mutex, is held by a mapping call from its first look to its last: only its holder adds,
 * removes or alters mappings, so it may read the tree without more. `lock`, a spinlock, is taken beside it for each
 * step that others must see whole, and by everyone else: it guards the tree, every field marked so, every page-table
 * entry and table of the low half, page.mapped and the objects' trees of mappings. Order: page lock -> lock. A fault
 * that finds no mapping looks again under `change`, so a call that replaces mappings is never seen half done.
 */
#pragma once

#include "arch/pt.h"
#include "arch/trap.h"
#include "lib/tree.h"
#include "mm/map.h"

struct vma {
	/* Constant. */
	enum map_kind kind;
	struct pcache_object *object; // NULL: anonymous; referenced for as long as the structure lives
	struct pcache_errors *errors; // of the open file that it was made from, or NULL; the same
	enum map_prot max_prot;
	bool noreserve;
	bool grows_down; // private anonymous memory: a touch below makes it longer

	/* Guarded by space.lock. */
	struct tree_node node; // key: first address; value: bytes below it that another mapping may take
	vaddr_t end;
	pgidx_t pgoff; // page of the object at the first address
	enum map_prot prot;
	bool charged;  // its pages count in space.committed
	bool locked;   // its pages are not evicted,
	bool on_fault; // and come by faults alone
	struct readahead ra;
	unsigned long generation; // never the same for two states of a mapping, the last of which is out of the tree
	struct tree_node mapping_node; // in object->mappings; key: pgoff, value: page of its last address
	bool shows_object;	       // it is there

	struct list_node dead_node; // of the mapping call that removed it
	atomic_uint refs;	    // one is the tree's
};

struct space {
	struct mutex change;

	struct spinlock lock;
	struct tree tree;
	unsigned long generation;
	size_t committed;			// pages promised to private writable memory
	size_t locked;				// pages of locked mappings
	bool lock_future, lock_future_on_fault; // new mappings are locked
	size_t anon_frames;			// frames that private memory has
	unsigned unflushed;    // batches with changed entries that some hart may still use (mm/shootdown.h)
	unsigned changes[256]; // of entries that were removed or narrowed, by page (mm/shootdown.h)
	vaddr_t heap_end;      // map_sbrk
};
extern struct space space;

static inline vaddr_t vma_start(const struct vma *vma)
{
	return vma->node.key;
}

static inline size_t vma_pages(const struct vma *vma)
{
	return (vma->end - vma_start(vma)) / PAGE_SIZE;
}

static inline pgidx_t vma_index(const struct vma *vma, vaddr_t va)
{
	return vma->pgoff + (va - vma_start(vma)) / PAGE_SIZE;
}

/* Stores go to the object, not to copies. */
static inline bool vma_is_shared(const struct vma *vma)
{
	return vma->kind == MAP_KIND_SHARED;
}

/* Others may change what it shows, and how much there is. */
static inline bool vma_is_file(const struct vma *vma)
{
	return vma->object && (!vma->object->memory || vma->object->limit);
}

/* And from there to the card: a page is writable only while it is dirty (I3). */
static inline bool vma_is_shared_file(const struct vma *vma)
{
	return vma_is_shared(vma) && !vma->object->memory;
}

/* Mappings without a place of their own go above; the heap has what is below. */
#define MAP_AREA_BASE (MMAP_MIN + (64ul << 30))

/*
 * A mapping that grows down grows to MAP_GROW_MAX, and what it may grow into, with this gap below, is left to it unless
 * somebody asks for an address there. When it grows it keeps stack_guard_gap (mm/tunable.h) to what is below.
 */
#define GROW_GUARD (256 * PAGE_SIZE)

/* What an entry may allow under prot. RISC-V has no page that is writable and not readable. */
static inline enum pt_rights prot_rights(enum map_prot prot)
{
	return (enum pt_rights)(prot & MAP_W ? prot | MAP_R : prot);
}

/* ---- vma.c. _locked: space.lock or space.change held ---- */
struct vma *vma_find_locked(vaddr_t va);		 // the one that covers va
struct vma *vma_next_locked(vaddr_t va);		 // the first that ends behind va
struct vma *vma_following_locked(const struct vma *vma); // by address
/* Lowest place in [from, to) where a mapping of len bytes can be, or 0. */
vaddr_t vma_gap_locked(size_t len, vaddr_t from, vaddr_t to);
/* Those of the object's mappings that cover one of its pages first .. last; the rest costs nothing. NULL: no more. */
struct vma *vma_first_showing_locked(const struct pcache_object *obj, pgidx_t first, pgidx_t last);
struct vma *vma_next_showing_locked(const struct vma *vma, pgidx_t first, pgidx_t last);
struct vma *vma_alloc(void); // zeroed, one reference; makes memory free if it must
void vma_ref(struct vma *vma);
void vma_put(struct vma *vma); // may sleep
/* With the mutex held; these take the spinlock. */
void vma_insert(struct vma *vma);
/* Makes it one like the model from `at` on (which may be the model's end), but for its place. In no tree. */
void vma_init_like(struct vma *vma, const struct vma *model, vaddr_t at, vaddr_t start, vaddr_t end);
/* Other ends, in the same order among the mappings; pgoff is the caller's. The spinlock is held. */
void vma_resize_locked(struct vma *vma, vaddr_t start, vaddr_t end);
/* The part from `at` on goes into upper, and both get new generations. */
void vma_split(struct vma *vma, vaddr_t at, struct vma *upper);
/* Out of the tree: no fault serves it any more. It stays among its object's mappings. */
void vma_detach(struct vma *vma);
/* Into the tree (again): the other half of vma_insert. */
void vma_attach(struct vma *vma);
/* Among its object's mappings, if it has one: from here on its entries are found, whether it is in the tree or not. */
void vma_list_at_object(struct vma *vma);
void vma_forget_object(struct vma *vma);
/* Joins the mappings in and beside [start, end) that are alike; those no longer needed go to the list. */
void vma_merge(vaddr_t start, vaddr_t end, struct list_node *dead);
void vmas_put(struct list_node *dead); // no lock held

/* ---- entries.c: page-table entries of a range ---- */
/* What an entry shows: the zero page, a page of an object (a file's, or memory's), or private memory. */
struct page *entry_page(pte_t e);
bool page_is_cached(const struct page *page);
extern struct page *zero_page;
int zero_page_init(void);

/* Removes what is mapped in [from, to); private memory is freed. */
void entries_remove(vaddr_t from, vaddr_t to);
/* The same, but for private memory, which stays. */
void entries_remove_cached(vaddr_t from, vaddr_t to);
/* Takes rights away: what is not in `keep`. */
void entries_narrow(vaddr_t from, vaddr_t to, enum pt_rights keep);
/*
 * Moving private memory to dest, where nothing is mapped; what else [from, to) shows is removed. Neither place may be
 * in the tree, so that faults wait; both mappings must be among their object's, so that truncation finds the copies at
 * whichever place they are. `prepare` makes sure that the move cannot fail: 0, or -ENOMEM and nothing has changed; it
 * may sleep. A move must follow. space.change held.
 */
int entries_move_prepare(vaddr_t from, vaddr_t to, vaddr_t dest);
void entries_move(vaddr_t from, vaddr_t to, vaddr_t dest, enum pt_rights rights);
/* Frees the tables of [from, to) that are empty. */
void tables_prune(vaddr_t from, vaddr_t to);
/* The same for all mappings: how many frames came free. */
size_t tables_prune_all(void);

/* ---- fault.c, anon.c ---- */
struct fault {
	vaddr_t va; // of the page
	enum fault_access access;
	/* As found, by value (fault_find sets all of them, or vma alone, to NULL): */
	struct vma *vma; // referenced
	unsigned long generation;
	enum pt_rights rights; // what an entry may allow; to execute, only for a fault that would
	pte_t shown;	       // FAULT_EXEC: private memory that is there; else none
	bool has_table;
	pgidx_t index; // in the object
	struct readahead ra;
	vaddr_t grown_to; // the mapping began there before the touch; 0: it did not grow
};
enum fault_step { FAULT_STEP_DONE, FAULT_STEP_AGAIN, FAULT_STEP_FAILED };

enum fault_result fault_serve(vaddr_t va, enum fault_access access, int *error);
/* The world is as it was found: the mapping is the same, and the entry's table exists. space.lock held. */
enum fault_step fault_recheck_locked(const struct fault *f);
enum fault_step fault_anon(const struct fault *f, int *error);
/*
 * Makes the leaf table for the entry unless it was found, last before the entry: who waits for a frame after it may
 * have the empty table given back for that, and wait anew. 0 or -ENOMEM. Sleeps for a frame if it must.
 */
int fault_prepare_table(const struct fault *f);
/* Makes `frame` the private page at f->va, in place of what is shown there. The frame is the callee's. */
enum fault_step anon_install(const struct fault *f, struct page *frame);
/* f->shown, if it is still there, may be executed. */
enum fault_step anon_make_executable(const struct fault *f);
/*
 * Shows for reading what is cached around va as a fault would, of a referenced mapping: waits for memory at most. 0,
 * also if the mapping has changed, or -ENOMEM.
 */
int fault_show_cached(struct vma *vma, vaddr_t va);

/* ---- populate.c ---- */
/*
 * Faults pages in, up to the first that cannot be had: for reading, for writing, or so that what is locked is there:
 * private memory is its own, shared files are only read, mappings locked on_fault are left alone. 0; -EINVAL: no such
 * right; -EFAULT: it would be a SIGBUS; -ENOMEM: no memory, or a hole.
 */
enum populate { POPULATE_LOCK, POPULATE_READ, POPULATE_WRITE };
int populate(vaddr_t start, vaddr_t end, enum populate how);
/* What is in the cache already, and nothing else. 0 or -ENOMEM. */
int populate_cached(vaddr_t start, vaddr_t end);
/* Those mappings that are locked; failures are left to later faults. */
void populate_locked(vaddr_t start, vaddr_t end);

/* ---- grow.c ---- */
/* Makes a mapping that grows down cover va, just below it: where it ended before, or 0: none may. space.change held. */
vaddr_t grow_to(vaddr_t va);

/* ---- commit.c ---- */
/* Promises pages of private memory: 0, or -ENOMEM and a line in the log. `what` is the call. */
int commit_charge(size_t pages, const char *what);
int commit_lock(size_t pages, const char *what);
void commit_unlock(size_t pages);
/* Counts what others are about to give up: no check. */
void commit_take_over(size_t promised, size_t locked);
bool vma_needs_charge(const struct vma *vma, enum map_prot prot);
void vma_uncharge(struct vma *vma);
