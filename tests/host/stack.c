// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#include "tests/host/stack.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

uint8_t stack_byte(unsigned n, uint64_t i)
{
	uint64_t x = (i / 8 + 1) * 0x9e3779b97f4a7c15u ^ n * 0xc2b2ae3d27d4eb4fu;

	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9u;
	return (uint8_t)(x >> (8 * (i % 8)));
}

void stack_fill(uint8_t *buf, unsigned n, uint64_t from, size_t len)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = stack_byte(n, from + i);
}

size_t stack_differs(const uint8_t *buf, unsigned n, uint64_t from, size_t len)
{
	size_t i = 0;

	while (i < len && buf[i] == stack_byte(n, from + i))
		i++;
	return i;
}

const char *stack_image(const char *name, const char *size, unsigned block, size_t data_len)
{
	const char *image = image_path(name), *data = image_path("data");
	uint8_t *content = malloc(data_len + 1);
	char options[64], commands[512];
	FILE *f;

	if (access(image, F_OK) == 0) {
		free(content);
		return image;
	}
	snprintf(options, sizeof(options), "-b %u", block);
	image_mke2fs(image, size, options);
	assert_non_null(content);
	stack_fill(content, 1, 0, data_len);
	f = fopen(data, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(content, 1, data_len, f), data_len);
	assert_int_equal(fclose(f), 0);
	free(content);
	snprintf(commands, sizeof(commands), "write %s data\n", data);
	image_debugfs(image, commands);
	return image;
}

int stack_open(const char *path, int flags)
{
	int fd = fs_open(AT_FDCWD, path, flags, 0644);

	if (fd < 0)
		fail_msg("open %s: %d", path, fd);
	return fd;
}

uint8_t *stack_map(int fd, size_t len, enum map_prot prot, enum map_kind kind)
{
	struct map_request req = {.len = len, .prot = prot, .max_prot = MAP_R | MAP_W, .kind = kind};
	bool readable, writable;
	vaddr_t va;
	int err;

	if (fd >= 0)
		assert_int_equal(fs_object(fd, &req.object, &req.errors, &readable, &writable), 0);
	err = map_create(&req, &va);
	if (err)
		fail_msg("mapping %zu bytes: %d", len, err);
	if (req.object)
		req.object->ops->ref(req.object, -1);
	pcache_errors_put(req.errors);
	return (uint8_t *)va;
}

void stack_unmap(const uint8_t *p, size_t len)
{
	assert_int_equal(map_remove((vaddr_t)p, len), 0);
}
