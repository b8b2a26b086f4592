// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * virtio entropy device (virtio 1.1, section 5.4). It is asked once, at the probe, for a seed, and stopped then: the
 * generator needs no more. Polled, without an interrupt; no lock, since nobody else knows of it.
 */
#include <errno.h>

#include "arch/cache.h"
#include "arch/clock.h"
#include "arch/page.h"
#include "drivers/virtio/virtio.h"
#include "drivers/wired.h"
#include "kernel/log.h"
#include "kernel/random.h"
#include "kernel/time.h"

#define QUEUE 0
#define DESCRIPTORS 4 // more than are used
#define SEED_BYTES 64
#define PATIENCE (2 * NSEC_PER_SEC) // the other end may have to gather it

struct virtio_rng {
	struct virtqueue vq;
	uint8_t seed[SEED_BYTES];
};

/* How many bytes came; negative: an error. */
static int ask(struct virtio_dev *dev, struct virtio_rng *rng)
{
	struct virtq_buf buf = {.pa = va_to_pa(rng->seed), .len = SEED_BYTES};
	const nsec_t deadline = clock_now() + PATIENCE;
	uint32_t len = 0;
	void *taken;
	int err;

	dma_sync_for_device(buf.pa, buf.len, DMA_FROM_DEVICE);
	err = virtqueue_add(&rng->vq, &buf, 0, 1, NULL, rng);
	if (err)
		return err;
	virtio_notify(dev, &rng->vq);
	while (!(taken = virtqueue_take(&rng->vq, &len)) && !rng->vq.broken && clock_now() < deadline)
		;
	virtqueue_report(&rng->vq, dev->name);
	if (!taken)
		return -EIO;
	dma_sync_for_cpu(buf.pa, len, DMA_FROM_DEVICE);
	return (int)len;
}

int virtio_rng_probe(struct virtio_dev *dev)
{
	struct virtio_rng *rng = wired_alloc(sizeof(*rng));
	int error = virtio_start(dev, 0), len, stopped;
	uint16_t size = min_of(virtio_queue_max(dev, QUEUE), (uint16_t)DESCRIPTORS);

	if (!rng)
		return -ENOMEM;
	if (!error)
		error = virtqueue_alloc(&rng->vq, QUEUE, size);
	if (!error)
		virtqueue_quiet(&rng->vq); // its line may be others' too
	if (!error)
		error = virtio_queue_enable(dev, &rng->vq);
	if (!error)
		error = virtio_ready(dev);
	if (error)
		return error;
	len = ask(dev, rng);
	stopped = virtio_stop(dev);
	if (len > 0)
		random_seed(rng->seed, (size_t)len);
	random_wipe(rng->seed, sizeof(rng->seed));
	if (len < 0)
		return len;
	log_info("virtio-rng: a seed of %d bytes", len);
	return stopped;
}
