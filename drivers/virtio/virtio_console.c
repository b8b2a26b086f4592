// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * virtio console device (virtio 1.1, section 5.3), its port 0 only, named hvc0, hvc1... in the order of probing.
 * Received bytes stay with the device until start offers it buffers; each goes back as soon as the console has it.
 *
 * virtio_console.lock guards both queues. It nests inside the console's; the console is called without it. The polled
 * path gives up waiting for the lock (a panic may have come while it was held), and writes all the same.
 */
#include <errno.h>
#include <stdio.h>

#include "arch/cache.h"
#include "arch/clock.h"
#include "arch/page.h"
#include "drivers/console.h"
#include "drivers/virtio/virtio.h"
#include "drivers/wired.h"
#include "kernel/panic.h"
#include "kernel/spinlock.h"
#include "kernel/time.h"

enum { QUEUE_RX = 0, QUEUE_TX = 1 };

#define RX_BUFFERS 8
#define TX_BUFFERS 8
#define BUFFER_SIZE 2048
#define LOCK_PATIENCE (10 * NSEC_PER_MSEC)
#define SEND_PATIENCE (10 * NSEC_PER_SEC) // for a buffer to be taken: the other end may be slow

struct virtio_console {
	struct console_port port;
	char name[8];
	struct virtio_dev *dev;

	struct spinlock lock; // guards all below
	bool send_waits;      // the console has more than there were buffers for
	bool stuck;	      // the polled path gave up: it does not wait again
	uint8_t tx_busy[TX_BUFFERS];
	struct virtqueue rx, tx;
	uint8_t rx_data[RX_BUFFERS][BUFFER_SIZE];
	uint8_t tx_data[TX_BUFFERS][BUFFER_SIZE];
};

static unsigned consoles_found;

static void notify_locked(struct virtio_console *vc, struct virtqueue *vq)
{
	if (virtqueue_must_notify(vq))
		virtio_notify(vc->dev, vq);
}

/* ---- receiving ---- */

static void rx_offer_locked(struct virtio_console *vc, uint8_t *data)
{
	struct virtq_buf buf = {.pa = va_to_pa(data), .len = BUFFER_SIZE};

	dma_sync_for_device(buf.pa, buf.len, DMA_FROM_DEVICE);
	if (virtqueue_add(&vc->rx, &buf, 0, 1, NULL, data))
		panic("%s: no descriptor for a receive buffer", vc->name); // the queue was checked to hold them all
}

static void virtio_console_start(struct console_port *port)
{
	struct virtio_console *vc = container_of(port, struct virtio_console, port);
	unsigned long flags = spin_lock(&vc->lock);

	for (unsigned i = 0; i < RX_BUFFERS; i++)
		rx_offer_locked(vc, vc->rx_data[i]);
	notify_locked(vc, &vc->rx);
	spin_unlock(&vc->lock, flags);
}

static void rx_deliver(struct virtio_console *vc)
{
	for (;;) {
		unsigned long flags = spin_lock(&vc->lock);
		uint32_t len;
		uint8_t *data = virtqueue_take(&vc->rx, &len);

		spin_unlock(&vc->lock, flags);
		if (!data)
			return;
		dma_sync_for_cpu(va_to_pa(data), len, DMA_FROM_DEVICE);
		console_receive(&vc->port, data, len, 0);
		flags = spin_lock(&vc->lock);
		rx_offer_locked(vc, data);
		notify_locked(vc, &vc->rx);
		spin_unlock(&vc->lock, flags);
	}
}

/* ---- sending ---- */

static void tx_collect_locked(struct virtio_console *vc)
{
	uint8_t *busy;
	uint32_t len;

	while ((busy = virtqueue_take(&vc->tx, &len)))
		*busy = false;
}

static size_t tx_send_locked(struct virtio_console *vc, const uint8_t *data, size_t len)
{
	for (unsigned i = 0; i < TX_BUFFERS; i++) {
		struct virtq_buf buf = {.pa = va_to_pa(vc->tx_data[i])};

		if (vc->tx_busy[i])
			continue;
		buf.len = (uint32_t)min_of(len, (size_t)BUFFER_SIZE);
		memcpy(vc->tx_data[i], data, buf.len);
		dma_sync_for_device(buf.pa, buf.len, DMA_TO_DEVICE);
		if (virtqueue_add(&vc->tx, &buf, 1, 0, NULL, &vc->tx_busy[i]))
			return 0;
		vc->tx_busy[i] = true;
		return buf.len;
	}
	return 0;
}

static size_t virtio_console_write(struct console_port *port, const void *data, size_t len)
{
	struct virtio_console *vc = container_of(port, struct virtio_console, port);
	unsigned long flags = spin_lock(&vc->lock);
	size_t sent = 0, n;

	tx_collect_locked(vc);
	while (sent < len && (n = tx_send_locked(vc, (const uint8_t *)data + sent, len - sent)))
		sent += n;
	if (sent)
		notify_locked(vc, &vc->tx);
	vc->send_waits = sent < len;
	spin_unlock(&vc->lock, flags);
	return sent;
}

static bool tx_idle_locked(const struct virtio_console *vc)
{
	for (unsigned i = 0; i < TX_BUFFERS; i++)
		if (vc->tx_busy[i])
			return false;
	return true;
}

static void virtio_console_write_polled(struct console_port *port, const void *data, size_t len)
{
	struct virtio_console *vc = container_of(port, struct virtio_console, port);
	nsec_t deadline = clock_now() + LOCK_PATIENCE;
	unsigned long flags = 0;
	size_t sent = 0, n;
	bool locked;

	while (!(locked = spin_trylock(&vc->lock, &flags)) && clock_now() < deadline)
		;
	deadline = clock_now() + SEND_PATIENCE;
	while (!vc->stuck && (sent < len || !tx_idle_locked(vc))) {
		tx_collect_locked(vc);
		n = sent < len ? tx_send_locked(vc, (const uint8_t *)data + sent, len - sent) : 0;
		sent += n;
		if (n) {
			notify_locked(vc, &vc->tx);
			deadline = clock_now() + SEND_PATIENCE;
		}
		vc->stuck = vc->tx.broken || clock_now() > deadline;
	}
	if (locked)
		spin_unlock(&vc->lock, flags);
}

static void virtio_console_irq(void *arg)
{
	struct virtio_console *vc = arg;

	if (!virtio_irq_ack(vc->dev))
		return;
	rx_deliver(vc);

	unsigned long flags = spin_lock(&vc->lock);

	tx_collect_locked(vc);
	bool room = vc->send_waits;

	vc->send_waits = false;
	spin_unlock(&vc->lock, flags);
	virtqueue_report(&vc->rx, vc->name);
	virtqueue_report(&vc->tx, vc->name);
	if (room)
		console_port_room(&vc->port);
}

/* ---- probe ---- */

int virtio_console_probe(struct virtio_dev *dev)
{
	struct virtio_console *vc = wired_alloc(sizeof(*vc));
	int error = virtio_start(dev, VIRTIO_F_EVENT_INDEX);
	uint16_t rx = virtio_queue_max(dev, QUEUE_RX), tx = virtio_queue_max(dev, QUEUE_TX);

	if (!vc)
		return -ENOMEM;
	if (error)
		return error;
	if (rx < RX_BUFFERS || tx < TX_BUFFERS)
		return -EINVAL;
	vc->dev = dev;
	spin_init(&vc->lock, "virtio-console");
	snprintf(vc->name, sizeof(vc->name), "hvc%u", consoles_found % 100);
	vc->port = (struct console_port){
	    .name = vc->name,
	    .write_polled = virtio_console_write_polled,
	    .write = virtio_console_write,
	    .start = virtio_console_start,
	};
	error = virtqueue_alloc(&vc->rx, QUEUE_RX, rx);
	if (!error)
		error = virtqueue_alloc(&vc->tx, QUEUE_TX, tx);
	if (!error)
		error = virtio_queue_enable(dev, &vc->rx);
	if (!error)
		error = virtio_queue_enable(dev, &vc->tx);
	if (!error)
		error = virtio_ready(dev);
	if (!error)
		error = virtio_irq_request(dev, virtio_console_irq, vc, vc->name);
	if (error)
		return error;
	consoles_found++;
	return console_register(&vc->port);
}
