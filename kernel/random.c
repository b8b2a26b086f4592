// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * The generator of kernel/random.h. Its key is only ever used for one block, half of which is the next key and half the
 * key of one request's stream. Mixing in is the same with 32 bytes of data added to the key before. Lock:
 * generator.lock, a spinlock, for a block's time. Does not sleep.
 */
#include "kernel/random.h"

#include <string.h>

#include "arch/clock.h"
#include "kernel/log.h"
#include "kernel/spinlock.h"
#include "lib/chacha.h"

#define KEY_WORDS 8
#define SEED_BYTES 32

static struct {
	struct spinlock lock;
	uint32_t key[KEY_WORDS];
	bool seeded, warned;
} generator = {.lock = SPINLOCK_INIT("random")};

void random_wipe(void *buf, size_t len)
{
	memset(buf, 0, len);
	__asm__ volatile("" : : "r"(buf) : "memory"); // it may be read there
}

/* The next key; and one for a request. */
static void step_locked(uint32_t *stream)
{
	uint32_t block[2 * KEY_WORDS];

	chacha20_block(generator.key, 0, block);
	memcpy(generator.key, block, sizeof(generator.key));
	memcpy(stream, block + KEY_WORDS, sizeof(generator.key));
	random_wipe(block, sizeof(block));
}

static void mix_locked(const void *data, size_t len)
{
	uint32_t piece[KEY_WORDS] = {0}, unused[KEY_WORDS];

	memcpy(piece, data, len);
	for (unsigned i = 0; i < KEY_WORDS; i++)
		generator.key[i] ^= piece[i];
	step_locked(unused);
	random_wipe(piece, sizeof(piece));
	random_wipe(unused, sizeof(unused));
}

static void mix_time_locked(void)
{
	const nsec_t now = clock_now();

	mix_locked(&now, sizeof(now));
}

void random_mix(const void *data, size_t len)
{
	for (size_t at = 0; at < len; at += SEED_BYTES) {
		unsigned long flags = spin_lock(&generator.lock);

		mix_locked((const char *)data + at, min_of(len - at, (size_t)SEED_BYTES));
		mix_time_locked();
		spin_unlock(&generator.lock, flags);
	}
}

void random_seed(const void *data, size_t len)
{
	unsigned long flags;

	random_mix(data, len);
	flags = spin_lock(&generator.lock);
	generator.seeded |= len >= SEED_BYTES;
	spin_unlock(&generator.lock, flags);
}

bool random_is_seeded(void)
{
	unsigned long flags = spin_lock(&generator.lock);
	bool seeded = generator.seeded;

	spin_unlock(&generator.lock, flags);
	return seeded;
}

static void stream_start(uint32_t *key)
{
	unsigned long flags = spin_lock(&generator.lock);
	bool warn = !generator.seeded && !generator.warned;

	generator.warned |= warn;
	mix_time_locked();
	step_locked(key);
	spin_unlock(&generator.lock, flags);
	if (warn)
		log_warning(
		    "random numbers can be guessed: neither the device tree (/chosen/rng-seed) nor a virtio-rng "
		    "device has given a seed");
}

void random_bytes(void *buf, size_t len)
{
	uint32_t key[KEY_WORDS], block[2 * KEY_WORDS];

	stream_start(key);
	for (size_t at = 0, n; at < len; at += n) {
		n = min_of(len - at, sizeof(block));
		chacha20_block(key, at / sizeof(block), block);
		memcpy((char *)buf + at, block, n);
	}
	random_wipe(key, sizeof(key));
	random_wipe(block, sizeof(block));
}
