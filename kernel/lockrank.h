// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The order of locks, invariant I2 in docs/design.md: a lock is taken only while those held stand above it here. First
 * the locks that sleep, then the spinlocks. Included by kernel/debug/lockcheck.c only.
 */
#pragma once

static const struct {
	const char *name;
	const char *several_under; // more than one of this name may be held by who holds that; NULL: no
} lockranks[] = {
    {"console reader", NULL}, // host build: one reader at a time, which faults
    {"mounting", NULL},
    {"tmpfs volumes", NULL},
    {"write gate", NULL},
    {"sync", NULL},
    {"file", NULL}, // its offset
    {"pipe reader", NULL},
    {"pipe writer", NULL},
    {"settle", NULL},
    {"names", NULL}, // the tree of names
    {"inode", "names"},
    {"listing", NULL}, // of a directory
    {"heap", NULL},
    {"mappings", NULL}, // mapping calls, one at a time
    {"block files", NULL},
    {"map", NULL}, // an object's
    {"txn", NULL},
    {"bmap", NULL},
    {"zeros", NULL}, // the request for them
    {"evictor", NULL},
    {"flush", NULL},

    {"pthreads", NULL},
    {"cancellation", NULL},
    {"signals", NULL},
    {"keys", NULL},
    {"futex", NULL},
    {"descriptors", NULL},
    {"pipe", NULL},
    {"file locks", NULL},
    {"text", NULL},
    {"devices", NULL},
    {"block file rows", NULL},
    {"mounts", NULL},
    {"current directory", NULL},
    {"dentries", NULL},
    {"inodes", NULL},
    {"settler", NULL},
    {"tmpfs heap", NULL},
    {"inode times", NULL},
    {"ext2 errors", NULL},
    {"zeroing", NULL},
    {"commit", NULL},
    {"journal replay", NULL},
    {"data requests", NULL},
    {"block file requests", NULL},
    {"new blocks", NULL},
    {"page", NULL},
    {"address space", NULL},
    {"page waiters", NULL},
    {"writeback", NULL},
    {"buffers", NULL},
    {"block devices", NULL},
    {"block watch", NULL},
    {"block sync", NULL},
    {"block queue", NULL},
    {"virtio-blk", NULL},
    {"sd card", NULL},
    {"sd host", NULL},
    {"jh7110 gpio", NULL},
    {"sifive gpio", NULL},
    {"watchdog", NULL},
    {"jh7110 crg", NULL},
    {"lru", NULL},
    {"kmalloc", NULL},
    {"evictor wait", NULL},
    {"frames", NULL},
    {"plic", NULL},
    {"facts", NULL},
    {"wall clock", NULL},
    {"random", NULL},
    {"console input", NULL}, // host build
    {"interrupt key", NULL}, // host build
    {"threads", NULL},
    {"log", NULL},
    {"console", NULL},
    {"virtio-console", NULL},
    {"ns16550", NULL},
    {"sifive_uart", NULL},
    {"firmware console", NULL},
    {"poll", NULL},
    {"pi mutexes", NULL},
    {"pi mutex", NULL},
    {"priorities", NULL},
    {"run queue", NULL},
};

/* The first that serving a page fault may take: who touches application memory holds none from here on. */
#define LOCKRANK_FAULT "mappings"
