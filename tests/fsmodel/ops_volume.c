// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* The file system as a whole: syncs, space, and going away and coming back. */
#include <stdio.h>

#include "tests/fsmodel/state.h"

void op_fsync(struct fsmodel *m)
{
	struct descriptor *d = fd_pick(m, ANY);
	const bool data_only = chance(m, 2);

	if (!d)
		return;
	note(m, "%d%s", d->fd, data_only ? " data" : "");
	(void)expect(m, fs_fsync(d->fd, data_only), 0);
}

void op_sync(struct fsmodel *m)
{
	struct descriptor *d = chance(m, 2) ? fd_pick(m, ANY) : NULL;

	note(m, "%s", d ? "its file system" : "all");
	(void)expect(m, d ? fs_syncfs(d->fd) : fs_sync(), 0);
}

void op_space(struct fsmodel *m)
{
	struct descriptor *d = fd_pick(m, ANY);
	const unsigned live = NODES - 2 - m->nodes_free;
	struct fs_space s = {0};

	if (!d)
		return;
	note(m, "%d", d->fd);
	if (expect(m, fs_fspace(d->fd, &s), 0) != AGREED)
		return;
	if (s.blocks_free > s.blocks || s.blocks_avail > s.blocks_free || s.inodes_free > s.inodes)
		fail(m, "%llu blocks, %llu free, %llu to be had; %llu inodes, %llu free", (unsigned long long)s.blocks,
		     (unsigned long long)s.blocks_free, (unsigned long long)s.blocks_avail,
		     (unsigned long long)s.inodes, (unsigned long long)s.inodes_free);
	else if (m->config.exact_space && !m->excused)
		(void)same(m, "the number of inodes in use", (long)(s.inodes - s.inodes_free),
			   (long)(m->inodes_beside + live));
}

void op_remount(struct fsmodel *m)
{
	static char path[PATH_BYTES];

	if (!m->config.remount)
		return;
	(void)path_to(m, ROOT, path, sizeof(path));
	note(m, "%s", path);
	fds_close_all(m);
	if (m->failed || expect(m, fs_chdir(path), 0) == WRONG)
		return;
	m->nodes[ROOT].users++;
	m->nodes[m->cwd].users--;
	node_settle(m, m->cwd);
	m->cwd = ROOT;
	if (expect(m, m->config.remount(), 0) != WRONG)
		(void)expect(m, fs_chdir(path), 0);
}

void op_drop(struct fsmodel *m)
{
	if (!m->config.drop_caches)
		return;
	note(m, "%s", "");
	m->config.drop_caches();
}
