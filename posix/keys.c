// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Thread-specific data. Values lie in the thread's TLS block with the generation of the key they were set for, so a
 * value left from a deleted key is not seen through a new one. Creating and deleting keys takes a lock; values need
 * none: a generation is one atomic word, and using a key while it is deleted is the application's mistake.
 */

#include "posix/keys.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

#include "kernel/spinlock.h"

static struct key {
	atomic_uint generation;	    // odd: in use; changes under the lock, relaxed
	void (*destructor)(void *); // guarded by the lock
} keys[PTHREAD_KEYS_MAX];
static struct spinlock keys_lock = SPINLOCK_INIT("keys");

static _Thread_local struct {
	unsigned generation;
	void *value;
} values[PTHREAD_KEYS_MAX];

/* Even, as of a key that is not in use, if there is no such key. */
static unsigned generation_of(pthread_key_t key)
{
	return key < PTHREAD_KEYS_MAX ? atomic_load_explicit(&keys[key].generation, memory_order_relaxed) : 0;
}

static bool key_in_use(pthread_key_t key)
{
	return generation_of(key) & 1;
}

static void generation_next_locked(pthread_key_t key)
{
	atomic_store_explicit(&keys[key].generation, generation_of(key) + 1, memory_order_relaxed);
}

int pthread_key_create(pthread_key_t *out, void (*destructor)(void *))
{
	unsigned long flags = spin_lock(&keys_lock);
	pthread_key_t key = 0;

	while (key < PTHREAD_KEYS_MAX && key_in_use(key))
		key++;
	if (key < PTHREAD_KEYS_MAX) {
		keys[key].destructor = destructor;
		generation_next_locked(key);
	}
	spin_unlock(&keys_lock, flags);
	if (key == PTHREAD_KEYS_MAX)
		return EAGAIN;
	*out = key;
	return 0;
}

int pthread_key_delete(pthread_key_t key)
{
	unsigned long flags = spin_lock(&keys_lock);
	bool in_use = key_in_use(key);

	if (in_use)
		generation_next_locked(key);
	spin_unlock(&keys_lock, flags);
	return in_use ? 0 : EINVAL;
}

int pthread_setspecific(pthread_key_t key, const void *value)
{
	unsigned generation = generation_of(key);

	if (!(generation & 1))
		return EINVAL;
	values[key].generation = generation;
	values[key].value = (void *)value;
	return 0;
}

void *pthread_getspecific(pthread_key_t key)
{
	return key_in_use(key) && values[key].generation == generation_of(key) ? values[key].value : NULL;
}

/* Takes the value out: its destructor, or NULL if there is nothing to destroy. */
static void (*value_take(pthread_key_t key, void **value))(void *)
{
	unsigned long flags = spin_lock(&keys_lock);
	void (*destructor)(void *) = NULL;

	*value = pthread_getspecific(key);
	if (*value)
		destructor = keys[key].destructor;
	spin_unlock(&keys_lock, flags);
	values[key].value = NULL;
	return destructor;
}

void keys_destroy(void)
{
	bool again = true;

	for (int round = 0; again && round < PTHREAD_DESTRUCTOR_ITERATIONS; round++) {
		again = false;
		for (pthread_key_t key = 0; key < PTHREAD_KEYS_MAX; key++) {
			void *value;
			void (*destructor)(void *) = values[key].value ? value_take(key, &value) : NULL;

			if (!destructor)
				continue;
			destructor(value);
			again = true;
		}
	}
}
