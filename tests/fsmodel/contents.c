// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What is in files: pages in a list by index, those that were touched. What lies in no page is a hole. Bytes behind the
 * end of a file are zeros in its last page.
 */
#include "tests/fsmodel/state.h"

/* Where the page with this index is hung in, or would be. */
static unsigned *slot_of(struct fsmodel *m, unsigned node, uint64_t index)
{
	unsigned *at = &m->nodes[node].pages;

	while (*at && m->pages[*at].index < index)
		at = &m->pages[*at].next;
	return at;
}

static struct page *page_at(struct fsmodel *m, unsigned node, uint64_t index, bool make)
{
	unsigned *at = slot_of(m, node, index), i = *at;
	struct page *p;

	if (i && m->pages[i].index == index)
		return &m->pages[i];
	if (!make)
		return NULL;
	i = m->free_page ? m->free_page : m->pages_end;
	if (i == PAGES) {
		fail(m, "the model has too few pages");
		return &m->pages[NONE];
	}
	p = &m->pages[i];
	if (m->free_page)
		m->free_page = p->next;
	else
		m->pages_end++;
	m->pages_free--;
	*p = (struct page){.next = *at, .index = index};
	*at = i;
	return p;
}

void content_read(const struct fsmodel *m, unsigned node, uint64_t at, uint8_t *to, size_t n)
{
	unsigned i = m->nodes[node].pages;

	memset(to, 0, n);
	for (; i; i = m->pages[i].next) {
		const struct page *p = &m->pages[i];
		const uint64_t start = p->index * PAGE, from = max_of(start, at);
		const uint64_t end = min_of(start + PAGE, at + n);

		if (start >= at + n)
			break;
		if (from < end)
			memcpy(to + (from - at), p->data + (from - start), end - from);
	}
}

void content_write(struct fsmodel *m, unsigned node, uint64_t at, const uint8_t *from, size_t n)
{
	while (n) {
		const size_t offset = at % PAGE, len = min_of(n, PAGE - offset);

		memcpy(page_at(m, node, at / PAGE, true)->data + offset, from, len);
		at += len;
		from += len;
		n -= len;
	}
}

void content_zero(struct fsmodel *m, unsigned node, uint64_t at, uint64_t n)
{
	for (unsigned i = m->nodes[node].pages; i; i = m->pages[i].next) {
		struct page *p = &m->pages[i];
		const uint64_t start = p->index * PAGE, from = max_of(start, at);
		const uint64_t end = min_of(start + PAGE, at + n);

		if (from < end)
			memset(p->data + (from - start), 0, end - from);
	}
}

void content_touch(struct fsmodel *m, unsigned node, uint64_t at, uint64_t n)
{
	for (uint64_t i = at / PAGE; n && i <= (at + n - 1) / PAGE; i++)
		(void)page_at(m, node, i, true);
}

void content_drop(struct fsmodel *m, unsigned node, uint64_t from, uint64_t to)
{
	unsigned *at = slot_of(m, node, from / PAGE + (from % PAGE != 0));

	while (*at && (to == UINT64_MAX || (m->pages[*at].index + 1) * PAGE <= to)) {
		const unsigned i = *at;

		*at = m->pages[i].next;
		m->pages[i].next = m->free_page;
		m->free_page = i;
		m->pages_free++;
	}
}

void content_resize(struct fsmodel *m, unsigned node, uint64_t size)
{
	if (size < m->nodes[node].size) {
		content_zero(m, node, size, PAGE - size % PAGE);
		content_drop(m, node, size, UINT64_MAX);
	}
	m->nodes[node].size = size;
}

uint64_t content_next(const struct fsmodel *m, unsigned node, uint64_t at, bool touched)
{
	for (unsigned i = m->nodes[node].pages; i; i = m->pages[i].next) {
		const uint64_t start = m->pages[i].index * PAGE;

		if (start + PAGE <= at)
			continue;
		if (touched)
			return max_of(start, at);
		if (start > at)
			return at;
		at = start + PAGE;
	}
	return touched ? UINT64_MAX : at;
}

uint64_t content_nonzero(const struct fsmodel *m, unsigned node, uint64_t at)
{
	for (unsigned i = m->nodes[node].pages; i; i = m->pages[i].next) {
		const struct page *p = &m->pages[i];

		for (uint64_t j = at > p->index * PAGE ? at - p->index * PAGE : 0; j < PAGE; j++)
			if (p->data[j])
				return p->index * PAGE + j;
	}
	return UINT64_MAX;
}

/* ---- for who looks at the card ---- */

static struct fsmodel_file file_of(const struct fsmodel *m, unsigned node)
{
	const struct node *n = &m->nodes[node];

	return (struct fsmodel_file){.ino = n->ino,
				     .mode = n->mode,
				     .uid = n->uid,
				     .gid = n->gid,
				     .links = node == ROOT ? n->links + m->root_links : n->links,
				     .size = n->size,
				     .mtime_from = n->mtime.from,
				     .mtime_to = n->mtime.to,
				     .node = node};
}

void fsmodel_visit(const struct fsmodel *m, void (*visit)(void *arg, const struct fsmodel_file *file), void *arg)
{
	for (unsigned i = ROOT; i < m->nodes_end; i++) {
		const struct fsmodel_file file = file_of(m, i);

		if (file.mode && file.links)
			visit(arg, &file);
	}
}

void fsmodel_visit_names(const struct fsmodel *m, unsigned node,
			 void (*visit)(void *arg, const char *name, uint64_t ino, mode_t mode), void *arg)
{
	for (unsigned i = m->nodes[node].names; i; i = m->names[i].next)
		visit(arg, m->names[i].text, m->nodes[m->names[i].node].ino, m->nodes[m->names[i].node].mode);
}

bool fsmodel_read(const struct fsmodel *m, unsigned node, uint64_t at, void *buf, size_t n)
{
	content_read(m, node, at, buf, n);
	return content_next(m, node, at, true) < at + n;
}

bool fsmodel_next(const struct fsmodel *m, unsigned node, uint64_t *at)
{
	*at = content_next(m, node, *at, true);
	return *at < m->nodes[node].size;
}
