// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Between block.c and queue.c: the queue of a whole device. Requests are checked, and `at` is set. */
#pragma once

#include "drivers/block/blkdev.h"

/* Takes all memory that the queue will need. 0, -ENOMEM. */
int blk_queue_init(struct blkdev *dev);
/* Queues all requests of the list, then starts what can start. Any context, nothing of the device locked. */
void blk_queue_add(struct blkdev *dev, struct list_node *requests);
/* Ends a request that never got to the queue. */
void blk_request_end(struct blk_request *req, int error);
/* Polls, then resets, a device that keeps a request for too long. True if anything is under way or waiting. */
bool blk_queue_check(struct blkdev *dev, nsec_t now);
