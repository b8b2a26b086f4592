// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Between queue.c and io.c: I/Os. The caller holds blkdev.lock. */
#pragma once

#include "drivers/block/blkdev.h"

struct blk_io {
	struct blk_request req;	     // as the driver sees it; its node is on free, ready or started
	struct list_node requests;   // whole requests that it carries out, or
	struct blk_request *part_of; // the one that it carries out a part of
	unsigned count;		     // of requests
	bool late;		     // its turn came since it had waited for long
	nsec_t started;
	bool overdue;		       // the reason of a reset
	struct blk_segment segments[]; // the device's max_segments
};

static inline struct blk_request *blk_request_of(struct list_node *node)
{
	return list_entry(node, struct blk_request, node);
}

static inline struct blk_io *blk_io_of(struct blk_request *req)
{
	return container_of(req, struct blk_io, req);
}

static inline bool blk_op_has_data(enum blk_op op)
{
	return op == BLK_READ || op == BLK_WRITE;
}

/* Puts a request among those that wait, in its order; takes it out. */
void blk_insert_locked(struct blkdev *dev, struct blk_request *req);
void blk_remove_locked(struct blkdev *dev, struct blk_request *req);
/* The next I/O for the driver, on no list; NULL: there is none, or it must wait. */
struct blk_io *blk_io_next_locked(struct blkdev *dev, nsec_t now);
/*
 * The driver has no room for it. What was not tried before goes back to those that wait, to merge with what comes
 * meanwhile.
 */
void blk_io_return_locked(struct blkdev *dev, struct blk_io *io);
