// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The card of the host build: an image file. A transfer is carried out at once, on the linear view, and its interrupt
 * follows; FLUSH is fdatasync. Called with the queue's lock held; on the one hart of the host build that guards all
 * here.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "arch/clock.h"
#include "arch/host/host.h"
#include "arch/irq.h"
#include "arch/page.h"
#include "board/host/board.h"
#include "drivers/block/blkdev.h"
#include "kernel/log.h"

#define DEPTH 16 // transfers whose interrupt has not come yet

struct transfer {
	struct host_event event;
	struct blk_request *req; // NULL: free
	int error;
};

static struct {
	struct blkdev dev;
	int fd;
	struct transfer transfers[DEPTH];
} card;

static int card_error(int err)
{
	return err == ENOSPC || err == EDQUOT ? -ENOSPC : -EIO;
}

static int card_transfer(const struct blk_request *req)
{
	struct iovec iov[BLK_SEGMENTS_MAX];
	ssize_t want = (ssize_t)req->sectors * SECTOR_SIZE, n;
	off_t at = (off_t)(req->sector * SECTOR_SIZE);

	for (uint32_t i = 0; i < req->segment_count; i++)
		iov[i] = (struct iovec){pa_to_va(req->segments[i].pa), req->segments[i].len};
	if (req->op == BLK_READ)
		n = preadv(card.fd, iov, (int)req->segment_count, at);
	else
		n = pwritev(card.fd, iov, (int)req->segment_count, at);
	if (n == want)
		return 0;
	return n < 0 ? card_error(errno) : -EIO;
}

static int card_carry_out(const struct blk_request *req)
{
	switch (req->op) {
	case BLK_READ:
	case BLK_WRITE:
		return card_transfer(req);
	case BLK_FLUSH:
		return fdatasync(card.fd) < 0 ? card_error(errno) : 0;
	case BLK_DISCARD:
	case BLK_WRITE_ZEROES:
		break;
	}
	return -EOPNOTSUPP;
}

static void card_interrupt(struct host_event *event)
{
	struct transfer *t = container_of(event, struct transfer, event);
	struct blk_request *req = t->req;

	t->req = NULL;
	blk_complete(&card.dev, req, t->error);
}

static int card_start(struct blkdev *dev, struct blk_request *req)
{
	(void)dev;
	for (size_t i = 0; i < DEPTH; i++) {
		struct transfer *t = &card.transfers[i];

		if (t->req)
			continue;
		*t = (struct transfer){.event.fire = card_interrupt, .req = req, .error = card_carry_out(req)};
		host_event_post(&t->event, clock_now());
		return 0;
	}
	return -EAGAIN;
}

static void card_poll(struct blkdev *dev)
{
	unsigned long flags = irq_save();

	(void)dev;
	for (size_t i = 0; i < DEPTH; i++) {
		if (card.transfers[i].req && host_event_cancel(&card.transfers[i].event))
			card_interrupt(&card.transfers[i].event);
	}
	irq_restore(flags);
}

/* Nothing can hang: what is under way has been carried out. */
static int card_reset(struct blkdev *dev)
{
	card_poll(dev);
	return 0;
}

static const struct blkdev_ops card_ops = {.start = card_start, .poll = card_poll, .reset = card_reset};

int host_card_open(const char *path, struct blkdev **out)
{
	bool read_only = false;
	struct stat st;

	card.fd = open(path, O_RDWR | O_CLOEXEC);
	if (card.fd < 0 && (errno == EACCES || errno == EROFS)) {
		card.fd = open(path, O_RDONLY | O_CLOEXEC);
		read_only = true;
	}
	if (card.fd < 0 || fstat(card.fd, &st) < 0) {
		int err = -errno;

		log_error("card: %s: %s; make one with ./cairn image", path, strerror(-err));
		return err;
	}
	card.dev = (struct blkdev){.name = "card",
				   .sectors = (sector_t)st.st_size / SECTOR_SIZE,
				   .read_only = read_only,
				   .has_flush = true,
				   .max_segments = BLK_SEGMENTS_MAX,
				   .max_sectors = BLK_SEGMENTS_MAX * (PAGE_SIZE / SECTOR_SIZE),
				   .depth = DEPTH,
				   .block_size = SECTOR_SIZE,
				   .ops = &card_ops};
	*out = &card.dev;
	return blkdev_register(&card.dev);
}
