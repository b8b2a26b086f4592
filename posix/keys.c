// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Thread-specific data. Values lie in the thread's TLS block with the generation of the key they were set for, so a
 * value left from a deleted key is not seen through a new one. Creating and deleting keys takes a lock; values need
 * none.
 */

#include "posix/keys.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>

#include "kernel/spinlock.h"

static struct key {
	unsigned generation; // odd: in use
	void (*destructor)(void *);
} keys[PTHREAD_KEYS_MAX];
static struct spinlock keys_lock = SPINLOCK_INIT("keys");

static _Thread_local struct {
	unsigned generation;
	void *value;
} values[PTHREAD_KEYS_MAX];

static bool key_in_use(pthread_key_t key)
{
	return key < PTHREAD_KEYS_MAX && (keys[key].generation & 1);
}

int pthread_key_create(pthread_key_t *out, void (*destructor)(void *))
{
	unsigned long flags = spin_lock(&keys_lock);
	pthread_key_t key = 0;

	while (key < PTHREAD_KEYS_MAX && key_in_use(key))
		key++;
	if (key < PTHREAD_KEYS_MAX) {
		keys[key].generation++;
		keys[key].destructor = destructor;
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
		keys[key].generation++;
	spin_unlock(&keys_lock, flags);
	return in_use ? 0 : EINVAL;
}

int pthread_setspecific(pthread_key_t key, const void *value)
{
	if (!key_in_use(key))
		return EINVAL;
	values[key].generation = keys[key].generation;
	values[key].value = (void *)value;
	return 0;
}

void *pthread_getspecific(pthread_key_t key)
{
	return key_in_use(key) && values[key].generation == keys[key].generation ? values[key].value : NULL;
}

void keys_destroy(void)
{
	bool again = true;

	for (int round = 0; again && round < PTHREAD_DESTRUCTOR_ITERATIONS; round++) {
		again = false;
		for (pthread_key_t key = 0; key < PTHREAD_KEYS_MAX; key++) {
			void *value = pthread_getspecific(key);

			values[key].value = NULL;
			if (!value || !keys[key].destructor)
				continue;
			keys[key].destructor(value);
			again = true;
		}
	}
}
