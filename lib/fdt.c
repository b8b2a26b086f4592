// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Reader of the flattened device tree; fdt_bus.c has addresses and interrupts. fdt_open walks the whole blob once,
 * checks every bound and lists the nodes; the rest relies on that and only bounds what it was not shown: numbers inside
 * properties. Works in place, takes no lock, never sleeps.
 */

#include "lib/fdt.h"

#include <errno.h>
#include <string.h>

#define FDT_MAGIC 0xd00dfeedu
#define FDT_HEADER_SIZE 40u
#define FDT_VERSION 17u

enum fdt_token { FDT_BEGIN_NODE = 1, FDT_END_NODE = 2, FDT_PROP = 3, FDT_NOP = 4, FDT_END = 9 };

enum fdt_header {
	HDR_MAGIC = 0,
	HDR_TOTAL_SIZE = 4,
	HDR_STRUCT_OFF = 8,
	HDR_STRINGS_OFF = 12,
	HDR_RSVMAP_OFF = 16,
	HDR_VERSION = 20,
	HDR_LAST_COMPATIBLE = 24,
	HDR_STRINGS_SIZE = 32,
	HDR_STRUCT_SIZE = 36,
};

static uint32_t get32(const void *p)
{
	const uint8_t *b = p;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static uint64_t get64(const void *p)
{
	return (uint64_t)get32(p) << 32 | get32((const uint8_t *)p + 4);
}

/* ---- checking ---- */
uint32_t fdt_total_size(const void *blob)
{
	return get32(blob) == FDT_MAGIC ? get32((const uint8_t *)blob + HDR_TOTAL_SIZE) : 0;
}

static bool range_inside(uint64_t off, uint64_t len, uint64_t size)
{
	return off <= size && len <= size - off;
}

static const uint8_t *struct_at(const struct fdt *fdt, uint32_t off)
{
	return fdt->blob + fdt->struct_off + off;
}

/* Length of the string at p with its NUL, 0 if it does not end within max bytes. */
static uint32_t string_size(const uint8_t *p, uint32_t max)
{
	const uint8_t *end = memchr(p, 0, max);

	return end ? (uint32_t)(end - p) + 1 : 0;
}

/* Checks the token at off; *next is where the following one is. Its value, or -EINVAL. */
static int token_check(const struct fdt *fdt, uint32_t off, uint32_t *next)
{
	uint64_t end = (uint64_t)off + 4;
	uint32_t token, name, len;

	if (end > fdt->struct_size)
		return -EINVAL;
	token = get32(struct_at(fdt, off));
	switch (token) {
	case FDT_BEGIN_NODE:
		len = string_size(struct_at(fdt, (uint32_t)end), fdt->struct_size - (uint32_t)end);
		if (len == 0)
			return -EINVAL;
		end += len;
		break;
	case FDT_PROP:
		if (!range_inside(end, 8, fdt->struct_size))
			return -EINVAL;
		len = get32(struct_at(fdt, off + 4));
		name = get32(struct_at(fdt, off + 8));
		end += 8;
		if (!range_inside(end, len, fdt->struct_size) || name >= fdt->strings_size ||
		    string_size(fdt->blob + fdt->strings_off + name, fdt->strings_size - name) == 0)
			return -EINVAL;
		end += len;
		break;
	case FDT_END_NODE:
	case FDT_NOP:
	case FDT_END:
		break;
	default:
		return -EINVAL;
	}
	end = align_up(end, (uint64_t)4);
	if (end > fdt->struct_size)
		return -EINVAL;
	*next = (uint32_t)end;
	return (int)token;
}

static const char *prop_name(const struct fdt *fdt, uint32_t prop)
{
	return (const char *)fdt->blob + fdt->strings_off + get32(struct_at(fdt, prop + 8));
}

/* The list of nodes while it is made: those around the present place, the innermost last, are in path. */
struct listing {
	struct fdt_entry *nodes;
	uint32_t max;
	fdt_node_t path[FDT_DEPTH_MAX];
	int depth;
	bool children_seen, phandle_seen; // of the innermost; behind a child no property may follow
};

static int list_node(struct fdt *fdt, struct listing *list, uint32_t token, uint32_t props)
{
	const bool root = list->depth == 0;

	if (root && (fdt->count > 0 || *(const char *)struct_at(fdt, token + 4)))
		return -EINVAL;
	if (list->depth == FDT_DEPTH_MAX || fdt->count == list->max)
		return -E2BIG;
	list->nodes[fdt->count] = (struct fdt_entry){
	    .name = token + 4, .props = props, .parent = root ? -ENOENT : list->path[list->depth - 1]};
	list->path[list->depth++] = (fdt_node_t)fdt->count++;
	list->children_seen = list->phandle_seen = false;
	return 0;
}

/* Of two properties of one name the first counts. */
static int list_prop(const struct fdt *fdt, struct listing *list, uint32_t prop)
{
	struct fdt_entry *node;
	const char *name = prop_name(fdt, prop);

	if (list->depth == 0 || list->children_seen)
		return -EINVAL;
	node = &list->nodes[list->path[list->depth - 1]];
	if (!node->compatible && !strcmp(name, "compatible"))
		node->compatible = prop;
	if (!list->phandle_seen && !strcmp(name, "phandle")) {
		list->phandle_seen = true;
		node->phandle = get32(struct_at(fdt, prop + 4)) >= 4 ? get32(struct_at(fdt, prop + 12)) : 0;
	}
	return 0;
}

/* One root node, without a name, nodes properly nested, properties before the children of their node. */
static int struct_check(struct fdt *fdt, struct listing *list)
{
	uint32_t off = 0, at;
	int err = 0;

	while (!err) {
		at = off;
		switch (token_check(fdt, at, &off)) {
		case FDT_BEGIN_NODE:
			err = list_node(fdt, list, at, off);
			break;
		case FDT_END_NODE:
			err = list->depth-- == 0 ? -EINVAL : 0;
			list->children_seen = true;
			break;
		case FDT_PROP:
			err = list_prop(fdt, list, at);
			break;
		case FDT_NOP:
			break;
		case FDT_END:
			return list->depth == 0 && fdt->count > 0 ? 0 : -EINVAL;
		default:
			return -EINVAL;
		}
	}
	return err;
}

static int rsvmap_check(const struct fdt *fdt)
{
	for (uint64_t off = fdt->rsvmap_off; range_inside(off, 16, fdt->size); off += 16) {
		if (get64(fdt->blob + off + 8) == 0)
			return 0;
	}
	return -EINVAL;
}

int fdt_open(struct fdt *fdt, const void *blob, size_t max, struct fdt_entry *nodes, uint32_t nodes_max)
{
	struct listing list = {.nodes = nodes, .max = nodes_max};
	const uint8_t *header = blob;
	int err;

	if (max < FDT_HEADER_SIZE || get32(header) != FDT_MAGIC)
		return -EINVAL;
	*fdt = (struct fdt){
	    .blob = header,
	    .size = get32(header + HDR_TOTAL_SIZE),
	    .struct_off = get32(header + HDR_STRUCT_OFF),
	    .struct_size = get32(header + HDR_STRUCT_SIZE),
	    .strings_off = get32(header + HDR_STRINGS_OFF),
	    .strings_size = get32(header + HDR_STRINGS_SIZE),
	    .rsvmap_off = get32(header + HDR_RSVMAP_OFF),
	    .nodes = nodes,
	};
	if (fdt->size > max || fdt->size > INT32_MAX)
		return -E2BIG;
	if (fdt->size < FDT_HEADER_SIZE || get32(header + HDR_VERSION) < FDT_VERSION ||
	    get32(header + HDR_LAST_COMPATIBLE) > FDT_VERSION)
		return -EINVAL;
	if (fdt->rsvmap_off < FDT_HEADER_SIZE || fdt->struct_off < FDT_HEADER_SIZE ||
	    fdt->strings_off < FDT_HEADER_SIZE)
		return -EINVAL;
	if (fdt->struct_off % 4 || !range_inside(fdt->struct_off, fdt->struct_size, fdt->size) ||
	    !range_inside(fdt->strings_off, fdt->strings_size, fdt->size))
		return -EINVAL;
	err = struct_check(fdt, &list);
	return err ? err : rsvmap_check(fdt);
}

/* ---- walking ---- */
fdt_node_t fdt_next(const struct fdt *fdt, fdt_node_t node)
{
	return (uint32_t)node + 1 < fdt->count ? node + 1 : -ENOENT;
}

fdt_node_t fdt_parent(const struct fdt *fdt, fdt_node_t node)
{
	return fdt->nodes[node].parent;
}

fdt_node_t fdt_first_child(const struct fdt *fdt, fdt_node_t node)
{
	const fdt_node_t next = fdt_next(fdt, node);

	return next >= 0 && fdt_parent(fdt, next) == node ? next : -ENOENT;
}

fdt_node_t fdt_next_sibling(const struct fdt *fdt, fdt_node_t node)
{
	fdt_node_t next = fdt_next(fdt, node);

	while (next >= 0 && fdt_parent(fdt, next) >= node) // below it
		next = fdt_next(fdt, next);
	return next >= 0 && fdt_parent(fdt, next) == fdt_parent(fdt, node) ? next : -ENOENT;
}

static bool component_matches(const char *name, const char *component, size_t len)
{
	if (strncmp(name, component, len))
		return false;
	return name[len] == 0 || (name[len] == '@' && !memchr(component, '@', len));
}

static fdt_node_t child_by_component(const struct fdt *fdt, fdt_node_t parent, const char *component, size_t len)
{
	fdt_node_t child = fdt_first_child(fdt, parent);

	while (child >= 0 && !component_matches(fdt_name(fdt, child), component, len))
		child = fdt_next_sibling(fdt, child);
	return child;
}

fdt_node_t fdt_by_path(const struct fdt *fdt, const char *path)
{
	fdt_node_t node = FDT_ROOT;

	if (*path != '/') {
		node = child_by_component(fdt, node, "aliases", 7);
		path = node >= 0 ? fdt_prop_string(fdt, node, path) : NULL;
		if (!path || *path != '/') // an alias of an alias is none
			return -ENOENT;
		node = FDT_ROOT;
	}
	while (node >= 0) {
		size_t len;

		path += strspn(path, "/");
		len = strcspn(path, "/");
		if (len == 0)
			break;
		node = child_by_component(fdt, node, path, len);
		path += len;
	}
	return node;
}

fdt_node_t fdt_by_phandle(const struct fdt *fdt, uint32_t phandle)
{
	for (uint32_t i = 0; phandle && i < fdt->count; i++)
		if (fdt->nodes[i].phandle == phandle)
			return (fdt_node_t)i;
	return -ENOENT;
}

/* ---- properties ---- */
const char *fdt_name(const struct fdt *fdt, fdt_node_t node)
{
	return (const char *)struct_at(fdt, fdt->nodes[node].name);
}

/* The token at off of a node's properties, and where the next one is; the last is the end, or a child. */
static enum fdt_token prop_token(const struct fdt *fdt, uint32_t off, uint32_t *next)
{
	const enum fdt_token token = get32(struct_at(fdt, off));

	*next = off + 4 + (token == FDT_PROP ? align_up(8 + get32(struct_at(fdt, off + 4)), 4u) : 0);
	return token;
}

static const void *prop_value(const struct fdt *fdt, uint32_t prop, uint32_t *len)
{
	*len = get32(struct_at(fdt, prop + 4));
	return struct_at(fdt, prop + 12);
}

const void *fdt_prop(const struct fdt *fdt, fdt_node_t node, const char *name, uint32_t *len)
{
	uint32_t off = fdt->nodes[node].props, next;
	enum fdt_token token;

	for (; (token = prop_token(fdt, off, &next)) == FDT_PROP || token == FDT_NOP; off = next)
		if (token == FDT_PROP && !strcmp(prop_name(fdt, off), name))
			return prop_value(fdt, off, len);
	return NULL;
}

const char *fdt_prop_string(const struct fdt *fdt, fdt_node_t node, const char *name)
{
	uint32_t len;
	const char *value = fdt_prop(fdt, node, name, &len);

	return value && len > 0 && value[len - 1] == 0 ? value : NULL;
}

bool fdt_prop_u32(const struct fdt *fdt, fdt_node_t node, const char *name, unsigned i, uint32_t *value)
{
	uint32_t len;
	const uint8_t *cells = fdt_prop(fdt, node, name, &len);

	if (!cells || i >= len / 4)
		return false;
	*value = get32(cells + 4 * (size_t)i);
	return true;
}

/* Where in a list of strings `value` stands. -ENOENT; -EINVAL: it does not end. */
static int string_index(const char *list, uint32_t len, const char *value, unsigned *i)
{
	if (len == 0 || list[len - 1])
		return -EINVAL;
	*i = 0;
	for (const char *it = list; it < list + len; it += strlen(it) + 1, ++*i)
		if (!strcmp(it, value))
			return 0;
	return -ENOENT;
}

int fdt_prop_index(const struct fdt *fdt, fdt_node_t node, const char *name, const char *value, unsigned *i)
{
	uint32_t len;
	const char *list = fdt_prop(fdt, node, name, &len);

	return list ? string_index(list, len, value, i) : -ENOENT;
}

bool fdt_is_compatible(const struct fdt *fdt, fdt_node_t node, const char *compatible)
{
	const uint32_t prop = fdt->nodes[node].compatible;
	uint32_t len;
	unsigned i;

	if (!prop)
		return false;
	const char *list = prop_value(fdt, prop, &len);

	return !string_index(list, len, compatible, &i);
}

bool fdt_is_enabled(const struct fdt *fdt, fdt_node_t node)
{
	uint32_t len;
	const char *status;

	if (!fdt_prop(fdt, node, "status", &len))
		return true;
	status = fdt_prop_string(fdt, node, "status");
	return status && (!strcmp(status, "okay") || !strcmp(status, "ok"));
}

int fdt_reservation(const struct fdt *fdt, unsigned i, paddr_t *pa, uint64_t *len)
{
	const uint8_t *row = fdt->blob + fdt->rsvmap_off;

	for (;; row += 16, i--) {
		*pa = get64(row);
		*len = get64(row + 8);
		if (*len == 0)
			return -ENOENT;
		if (i == 0)
			return *len > UINT64_MAX - *pa ? -EINVAL : 0;
	}
}
