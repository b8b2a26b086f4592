// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* What is asked of a name, attributes, and where the application is in the tree. */
#include <stdio.h>
#include <unistd.h>

#include "tests/fsmodel/state.h"

void op_stat(struct fsmodel *m)
{
	const bool follow = chance(m, 2);
	struct target t;
	struct stat st;
	unsigned node;
	int want;

	if (!draw_target(m, ANY, &t))
		return;
	want = walk(m, t.at, t.path, follow, &node);
	if (want == -OUTSIDE)
		return;
	note(m, "%d \"%s\"%s", t.at, t.path, follow ? "" : " itself");
	if (expect(m, fs_stat(t.at, t.path, &st, follow ? 0 : AT_SYMLINK_NOFOLLOW), want) == AGREED && !want)
		check_stat(m, node, &st);
}

void op_access(struct fsmodel *m)
{
	const int mode = (int)below(m, 8);
	struct target t;
	unsigned node;
	int want;

	if (!draw_target(m, ANY, &t))
		return;
	want = walk(m, t.at, t.path, true, &node);
	if (want == -OUTSIDE)
		return;
	if (!want && (mode & X_OK) && !is_dir(m, node) && !(m->nodes[node].mode & 0111))
		want = -EACCES;
	note(m, "%d \"%s\" mode %d", t.at, t.path, mode);
	(void)expect(m, fs_access(t.at, t.path, mode, 0), want);
}

void op_readlink(struct fsmodel *m)
{
	const size_t size = chance(m, 4) ? 1 + below(m, 100) : PATH_BYTES;
	struct target t;
	unsigned node;
	long want;

	if (!draw_target(m, chance(m, 6) ? ANY : SYMLINKS, &t))
		return;
	want = walk(m, t.at, t.path, false, &node);
	if (want == -OUTSIDE)
		return;
	if (!want)
		want = is_link(m, node) ? (long)min_of(m->nodes[node].size, (uint64_t)size) : -EINVAL;
	note(m, "%d \"%s\" size %zu", t.at, t.path, size);
	if (expect(m, fs_readlink(t.at, t.path, (char *)m->buf, size), want) == AGREED && want > 0)
		check_bytes(m, node, 0, m->buf, (size_t)want);
}

/* ---- changes ---- */

/* want: of the call on the inode, once it is found. What to do when it has agreed is the caller's. */
static bool set_attr(struct fsmodel *m, const struct target *t, const struct fs_attr *attr, int flags, unsigned *node,
		     int link_error)
{
	int want = walk(m, t->at, t->path, !(flags & AT_SYMLINK_NOFOLLOW), node);

	if (want == -OUTSIDE)
		return false;
	if (!want && link_error && is_link(m, *node))
		want = link_error;
	note(m, "%d \"%s\"%s mode %#o uid %u gid %u times %lld.%ld %lld.%ld", t->at, t->path,
	     flags & AT_SYMLINK_NOFOLLOW ? " itself" : "", attr->mode, attr->uid, attr->gid,
	     (long long)attr->atime.tv_sec, attr->atime.tv_nsec, (long long)attr->mtime.tv_sec, attr->mtime.tv_nsec);
	switch (expect(m, fs_setattr(t->at, t->path, attr, flags), want)) {
	case AGREED:
		return !want;
	case EXCUSED:
		if (!want)
			adopt_attr(m, t, flags, *node);
		return false;
	case WRONG:
		break;
	}
	return false;
}

void op_chmod(struct fsmodel *m)
{
	/* Set-group-id would be inherited from a directory. */
	struct fs_attr attr = {.what = FS_ATTR_MODE, .mode = (mode_t)below(m, 010000) & ~(mode_t)S_ISGID};
	const int flags = chance(m, 8) ? AT_SYMLINK_NOFOLLOW : 0;
	struct target t;
	unsigned node;

	if (!draw_target(m, ANY, &t) || !set_attr(m, &t, &attr, flags, &node, -EOPNOTSUPP))
		return;
	m->nodes[node].mode = (m->nodes[node].mode & S_IFMT) | attr.mode;
	touch_change(m, node);
}

void op_chown(struct fsmodel *m)
{
	static const uid_t ids[] = {0, 1, 1000, 65535, 65536, 4000000000u, (uid_t)-1};
	struct fs_attr attr = {
	    .what = FS_ATTR_OWNER, .uid = ids[below(m, array_size(ids))], .gid = (gid_t)ids[below(m, array_size(ids))]};
	const int flags = chance(m, 3) ? AT_SYMLINK_NOFOLLOW : 0;
	struct target t;
	unsigned node;

	if (!draw_target(m, ANY, &t) || !set_attr(m, &t, &attr, flags, &node, 0))
		return;
	if (attr.uid != (uid_t)-1)
		m->nodes[node].uid = attr.uid;
	if (attr.gid != (gid_t)-1)
		m->nodes[node].gid = attr.gid;
	if (!is_dir(m, node))
		m->nodes[node].mode &= ~(mode_t)S_ISUID;
	touch_change(m, node);
}

static struct timespec draw_time(struct fsmodel *m)
{
	const int64_t most = m->config.time_max ? m->config.time_max : INT32_MAX;
	struct timespec t = {.tv_sec = (time_t)below(m, 2000000000), .tv_nsec = (long)below(m, 1000000000)};

	switch (below(m, 8)) {
	case 0:
		t.tv_nsec = UTIME_NOW;
		break;
	case 1:
		t.tv_nsec = UTIME_OMIT;
		break;
	case 2:
		t.tv_sec = (time_t)(below(m, (uint64_t)most + 1));
		break;
	case 3:
		t.tv_sec = -(time_t)below(m, 2147483648u);
		break;
	case 4:
		t.tv_nsec = 0;
		break;
	default:
		break;
	}
	return t;
}

static void set_time(struct fsmodel *m, struct stamp *s, const struct timespec *to)
{
	if (to->tv_nsec == UTIME_NOW)
		touch(m, s);
	else if (to->tv_nsec != UTIME_OMIT)
		*s = (struct stamp){.from = *to, .to = *to};
}

void op_utimens(struct fsmodel *m)
{
	const struct timespec atime = draw_time(m), mtime = draw_time(m);
	struct fs_attr attr = {.what = FS_ATTR_TIMES, .atime = atime, .mtime = mtime};
	const int flags = chance(m, 3) ? AT_SYMLINK_NOFOLLOW : 0;
	struct target t;
	unsigned node;

	/* Linux does not even look for a file of which nothing changes. */
	if (atime.tv_nsec == UTIME_OMIT && mtime.tv_nsec == UTIME_OMIT)
		return;
	if (!draw_target(m, ANY, &t) || !set_attr(m, &t, &attr, flags, &node, 0))
		return;
	touch_change(m, node);
	set_time(m, &m->nodes[node].atime, &atime);
	set_time(m, &m->nodes[node].mtime, &mtime);
}

/* ---- where the application is ---- */

static void change_cwd(struct fsmodel *m, unsigned dir)
{
	const unsigned before = m->cwd;

	m->nodes[dir].users++;
	m->cwd = dir;
	m->nodes[before].users--;
	node_settle(m, before);
}

void op_chdir(struct fsmodel *m)
{
	struct target t;
	unsigned node;
	int want;

	if (!draw_target(m, chance(m, 8) ? ANY : DIRS, &t))
		return;
	want = walk(m, t.at == AT_FDCWD ? t.at : AT_FDCWD, t.path, true, &node);
	if (want == -OUTSIDE)
		return;
	if (!want && !is_dir(m, node))
		want = -ENOTDIR;
	note(m, "\"%s\"", t.path);
	if (expect(m, fs_chdir(t.path), want) == AGREED && !want)
		change_cwd(m, node);
}

void op_fchdir(struct fsmodel *m)
{
	struct descriptor *d = fd_pick(m, chance(m, 6) ? FILES : DIRS);
	int want;

	if (!d)
		return;
	want = is_dir(m, d->file->node) ? 0 : -ENOTDIR;
	note(m, "%d", d->fd);
	if (expect(m, fs_fchdir(d->fd), want) == AGREED && !want)
		change_cwd(m, d->file->node);
}

void op_getcwd(struct fsmodel *m)
{
	const bool linked = m->nodes[m->cwd].links;
	static char path[PATH_BYTES];

	if (linked && !path_to(m, m->cwd, path, sizeof(path)))
		return;
	note(m, "%s", linked ? path : "(removed)");
	if (expect(m, fs_getcwd((char *)m->buf, PATH_BYTES), linked ? 0 : -ENOENT) == AGREED && linked &&
	    strcmp((const char *)m->buf, path) != 0)
		fail(m, "it is \"%s\", not \"%s\"", (const char *)m->buf, path);
}
