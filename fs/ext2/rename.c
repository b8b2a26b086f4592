// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * Rename: the new name first, with the inode counting it, then the old one away. With a journal that is one operation.
 * On plain ext2 there is a commit between. So a cut leaves the one, the other, or both; what the new name led to before
 * is replaced in one write of a sector. Where that commit or the removal fails, the new name goes again.
 *
 * Two names that change places do so in one operation of a journal, or in one write if they lie in one sector. Else the
 * first inode gets a third name meanwhile, so that a cut loses neither; it may leave that one.
 *
 * Locks: held by the caller, as fs/inode.h says. Sleeps.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/ext2/ext2.h"

struct move {
	const struct rename *names;
	uint32_t victim_links; // taken from it
	struct ext2_slot slot, to_slot;
};

/* The new name, counted for on the card. */
static int rename_add(struct move *m)
{
	const struct rename *r = m->names;
	const bool parent_changes = S_ISDIR(r->inode->mode) && r->from != r->to;
	struct buffer *itable, *to_itable, *victim_itable = NULL;
	struct txn t;
	int err = txn_begin(&t, ext2_volume(r->to), 4, 0);

	if (err)
		return err;
	if (r->victim)
		err = ext2_drop_begin(&t, r->victim, &victim_itable);
	if (err)
		goto end;
	err = ext2_inode_begin(&t, r->to, &to_itable);
	if (err)
		goto put;
	err = ext2_inode_begin(&t, r->inode, &itable);
	if (err) {
		buffer_put(to_itable);
		goto put;
	}
	if (r->victim)
		err = ext2_dir_replace(&t, r->to, &m->to_slot, r->inode->ino, r->inode->mode);
	else
		err = ext2_dir_add(&t, r->to, r->to_name, r->to_len, r->inode->ino, r->inode->mode);
	if (!err) {
		ext2_node(r->inode)->links_pending++;
		inode_touch(r->inode, false);
		if (parent_changes)
			ext2_count_subdirectory(r->to, 1);
		if (r->victim && S_ISDIR(r->victim->mode))
			ext2_count_subdirectory(r->to, -1);
		if (r->victim) {
			m->victim_links = S_ISDIR(r->victim->mode) ? r->victim->links : 1;
			ext2_drop(&t, r->victim, m->victim_links, victim_itable);
			victim_itable = NULL;
		}
		inode_touch(r->to, true);
	}
	ext2_inode_store(&t, r->inode, itable);
	ext2_inode_store(&t, r->to, to_itable);
put:
	buffer_put(victim_itable);
end:
	txn_end(&t);
	return err;
}

/* The old name away; a directory learns of its new parent. */
static int rename_remove(struct move *m)
{
	const struct rename *r = m->names;
	const bool parent_changes = S_ISDIR(r->inode->mode) && r->from != r->to;
	struct buffer *itable, *moved_itable;
	struct ext2_slot dotdot;
	struct txn t;
	int err = txn_begin(&t, ext2_volume(r->from), 4, 0);

	if (err)
		return err;
	err = ext2_drop_begin(&t, r->inode, &moved_itable);
	if (err)
		goto end;
	err = ext2_inode_begin(&t, r->from, &itable);
	if (err)
		goto put;
	/* Found again: the new name may have split the entry that held it. */
	err = ext2_dir_find(r->from, r->name, r->len, &m->slot);
	if (!err && parent_changes)
		err = ext2_dir_find(r->inode, "..", 2, &dotdot);
	if (!err && parent_changes)
		err = ext2_dir_replace(&t, r->inode, &dotdot, r->to->ino, S_IFDIR);
	if (!err)
		err = ext2_dir_remove(&t, r->from, &m->slot);
	if (!err) {
		/* The extra count of rename_add goes as any removed name's does. */
		r->inode->links++;
		ext2_node(r->inode)->links_pending--;
		ext2_drop(&t, r->inode, 1, moved_itable);
		moved_itable = NULL;
		if (parent_changes)
			ext2_count_subdirectory(r->from, -1);
		inode_touch(r->from, true);
	}
	ext2_inode_store(&t, r->from, itable);
put:
	buffer_put(moved_itable);
end:
	txn_end(&t);
	return err;
}

/* A directory that rename_remove got no further with leads to its old parent again. */
static int restore_parent(struct txn *t, const struct rename *r)
{
	struct ext2_slot dotdot;
	int err = ext2_dir_find(r->inode, "..", 2, &dotdot);

	return err || dotdot.ino == r->from->ino ? err : ext2_dir_replace(t, r->inode, &dotdot, r->from->ino, S_IFDIR);
}

/*
 * What rename_add did: the batch with it is not known to be on the card, or the old name could not be removed. Not with
 * a journal and a victim, whose links are gone.
 */
static int rename_undo(struct move *m)
{
	const struct rename *r = m->names;
	const bool parent_changes = S_ISDIR(r->inode->mode) && r->from != r->to;
	struct buffer *itable, *moved_itable;
	struct txn t;
	int err = txn_begin(&t, ext2_volume(r->to), 4, 0);

	if (err)
		return err;
	err = ext2_drop_begin(&t, r->inode, &moved_itable);
	if (err)
		goto end;
	err = ext2_inode_begin(&t, r->to, &itable);
	if (err)
		goto put;
	err = ext2_dir_find(r->to, r->to_name, r->to_len, &m->to_slot);
	if (!err && parent_changes)
		err = restore_parent(&t, r);
	if (!err && r->victim)
		err = ext2_dir_replace(&t, r->to, &m->to_slot, r->victim->ino, r->victim->mode);
	else if (!err)
		err = ext2_dir_remove(&t, r->to, &m->to_slot);
	if (!err) {
		r->inode->links++;
		ext2_node(r->inode)->links_pending--;
		ext2_drop(&t, r->inode, 1, moved_itable);
		moved_itable = NULL;
		if (parent_changes)
			ext2_count_subdirectory(r->to, -1);
		if (r->victim) {
			/* The card counts them still; whoever drops those pending finds none of these. */
			r->victim->links += m->victim_links;
			ext2_node(r->victim)->links_pending -= m->victim_links;
			if (S_ISDIR(r->victim->mode))
				ext2_count_subdirectory(r->to, 1);
		}
	}
	ext2_inode_store(&t, r->to, itable);
put:
	buffer_put(moved_itable);
end:
	txn_end(&t);
	return err;
}

/* A directory more or less below those that change. */
static int check_links(const struct rename *r)
{
	const bool directory = S_ISDIR(r->inode->mode), other = r->victim && S_ISDIR(r->victim->mode);

	if (r->victim && r->victim->links == 0)
		return ext2_damaged_at(ext2_volume(r->to), r->victim->ino, 0, "inode %u has too few links",
				       r->victim->ino);
	if (r->from != r->to && directory && !other && ext2_subdirectories_full(r->to))
		return -EMLINK;
	if (r->exchange && r->from != r->to && other && !directory && ext2_subdirectories_full(r->from))
		return -EMLINK;
	return 0;
}

static int move_name(struct move *m)
{
	const struct rename *r = m->names;
	struct volume *vol = ext2_volume(r->to);
	const bool moves = S_ISDIR(r->inode->mode) && r->from != r->to;
	int err = 0, failed = 0;

	if (r->victim && S_ISDIR(r->victim->mode))
		err = ext2_dir_is_empty(r->victim);
	/* A move before this one is not half there when this one is: together they could make a ring. */
	if (!err && moves)
		err = txn_order(vol);
	if (!err && r->victim)
		err = ext2_names_commit(r->victim);
	if (!err && !r->victim)
		err = ext2_dir_make_room(r->to, r->to_name, r->to_len);
	if (!err)
		err = txn_op_begin(vol);
	if (err)
		return err;
	err = rename_add(m);
	if (err)
		goto end;
	/* Both names are on the card before one goes: a cut leaves one, or two with a count that says so. */
	err = txn_order(vol);
	if (!err) {
		err = rename_remove(m);
		failed = err;
	}
	if (err && !(is_journalled(vol) && r->victim))
		failed = rename_undo(m);
	if (failed) {
		/* Then it has two names, and they are counted. */
		r->inode->links++;
		ext2_node(r->inode)->links_pending--;
	}
end:
	txn_op_end(vol);
	return err;
}

/* ---- changing places ---- */

/* A step of it: a name of `dir` is made to lead to the inode, which then counts it; or with add false, it was there. */
static int lead_to(struct inode *dir, const char *name, unsigned len, struct inode *inode, bool add)
{
	struct buffer *itable;
	struct ext2_slot slot;
	struct txn t;
	int err = add ? ext2_dir_make_room(dir, name, len) : 0;

	if (!err)
		err = txn_begin(&t, ext2_volume(dir), 2, 0);
	if (err)
		return err;
	err = ext2_inode_begin(&t, inode, &itable);
	if (!err) {
		err = add ? 0 : ext2_dir_find(dir, name, len, &slot);
		if (!err && add)
			err = ext2_dir_add(&t, dir, name, len, inode->ino, inode->mode);
		else if (!err)
			err = ext2_dir_replace(&t, dir, &slot, inode->ino, inode->mode);
		if (!err)
			ext2_node(inode)->links_pending++;
		ext2_inode_store(&t, inode, itable);
	}
	txn_end(&t);
	return err;
}

/* A name that counted for the inode does so no more; with remove, it goes. */
static int lead_away(struct inode *dir, const char *name, unsigned len, struct inode *inode, bool remove)
{
	struct ext2_slot slot;
	struct txn t;
	int err = txn_begin(&t, ext2_volume(dir), 1, 0);

	if (err)
		return err;
	if (remove) {
		err = ext2_dir_find(dir, name, len, &slot);
		if (!err)
			err = ext2_dir_remove(&t, dir, &slot);
	}
	if (!err) {
		inode->links++;
		ext2_node(inode)->links_pending--;
		ext2_drop(&t, inode, 1, NULL);
	}
	txn_end(&t);
	return err;
}

/* The parents of directories that changed places. */
static int exchange_parents(const struct rename *r)
{
	struct inode *const moved[] = {r->inode, r->victim}, *const parents[] = {r->to, r->from};
	const int change = S_ISDIR(r->inode->mode) - S_ISDIR(r->victim->mode);
	struct txn t;
	int err;

	if (r->from == r->to)
		return 0;
	err = txn_begin(&t, ext2_volume(r->to), 2, 0);
	if (err)
		return err;
	for (unsigned i = 0; i < 2 && !err; i++) {
		struct ext2_slot dotdot;

		if (!S_ISDIR(moved[i]->mode))
			continue;
		err = ext2_dir_find(moved[i], "..", 2, &dotdot);
		if (!err)
			err = ext2_dir_replace(&t, moved[i], &dotdot, parents[i]->ino, S_IFDIR);
	}
	txn_end(&t);
	if (!err && change) {
		ext2_count_subdirectory(r->to, change);
		ext2_count_subdirectory(r->from, -change);
	}
	return err;
}

/* In one transaction: they lie in one sector, or there is a journal. */
static int exchange_at_once(struct move *m)
{
	const struct rename *r = m->names;
	struct txn t;
	int err = txn_begin(&t, ext2_volume(r->to), 2, 0);

	if (err)
		return err;
	err = ext2_dir_replace(&t, r->from, &m->slot, r->victim->ino, r->victim->mode);
	if (!err) {
		err = ext2_dir_replace(&t, r->to, &m->to_slot, r->inode->ino, r->inode->mode);
		if (err) // the block is at hand: cannot fail
			(void)ext2_dir_replace(&t, r->from, &m->slot, r->inode->ino, r->inode->mode);
	}
	ext2_inode_join(&t, r->inode);
	ext2_inode_join(&t, r->victim);
	txn_end(&t);
	return err;
}

/* A name that the directory has not: its length. */
static int third_name(struct inode *dir, const struct inode *inode, char *name, size_t size)
{
	struct ext2_slot slot;
	unsigned len = 0;
	int err = 0;

	for (unsigned n = 0; !err; n++) {
		len = (unsigned)snprintf(name, size, ".exchange.%u.%u", inode->ino, n);
		err = ext2_dir_find(dir, name, len, &slot);
	}
	return err == -ENOENT ? (int)len : err;
}

/* The old name leads to the first file again, which keeps its third name until that is on the card. */
static int exchange_back(const struct rename *r)
{
	int err = lead_to(r->from, r->name, r->len, r->inode, false);

	if (!err)
		err = lead_away(r->from, r->name, r->len, r->inode, false);
	if (!err)
		err = lead_away(r->from, r->name, r->len, r->victim, false);
	return err ? err : txn_commit(ext2_volume(r->to));
}

/* With the third name on the card. *kept: it must stay, since no other of the file's is known to be there. */
static int exchange_names(const struct rename *r, bool *kept)
{
	struct volume *vol = ext2_volume(r->to);
	int failed, err = lead_to(r->from, r->name, r->len, r->victim, false);

	*kept = false;
	if (err)
		return err;
	err = txn_commit(vol);
	if (!err)
		err = lead_to(r->to, r->to_name, r->to_len, r->inode, false);
	if (err) {
		*kept = exchange_back(r);
		return err;
	}
	err = txn_commit(vol);
	/* Each has its own count, and the third name's. */
	failed = lead_away(r->to, r->to_name, r->to_len, r->victim, false);
	failed = failed ? failed : lead_away(r->from, r->name, r->len, r->inode, false);
	*kept = err && txn_commit(vol);
	return err ? err : failed;
}

static int exchange_in_steps(const struct rename *r)
{
	bool kept = false;
	char third[32];
	const int len = third_name(r->from, r->inode, third, sizeof(third));
	int err, failed;

	if (len < 0)
		return len;
	err = lead_to(r->from, third, (unsigned)len, r->inode, true);
	if (err)
		return err;
	err = txn_commit(ext2_volume(r->to));
	if (!err)
		err = exchange_names(r, &kept);
	if (kept) {
		log_warning("ext2: %s: inode %u keeps the name %s too", ext2_volume(r->to)->super.name, r->inode->ino,
			    third);
		r->inode->links++;
		ext2_node(r->inode)->links_pending--;
		return err;
	}
	failed = lead_away(r->from, third, (unsigned)len, r->inode, true);
	return err ? err : failed;
}

static int exchange_in_op(struct move *m)
{
	const struct rename *r = m->names;
	const bool sector =
	    m->slot.block == m->to_slot.block && m->slot.offset / SECTOR_SIZE == m->to_slot.offset / SECTOR_SIZE;
	int err = is_journalled(ext2_volume(r->to)) || sector ? exchange_at_once(m) : exchange_in_steps(r);

	if (!err)
		err = exchange_parents(r);
	inode_touch(r->inode, false);
	inode_touch(r->victim, false);
	inode_touch(r->from, true);
	inode_touch(r->to, true);
	if (!err)
		err = ext2_inode_write(r->from);
	return !err && r->from != r->to ? ext2_inode_write(r->to) : err;
}

static int exchange(struct move *m)
{
	struct volume *vol = ext2_volume(m->names->to);
	int err = txn_op_begin(vol);

	if (err)
		return err;
	err = exchange_in_op(m);
	txn_op_end(vol);
	return err;
}

int ext2_rename(const struct rename *r)
{
	struct move m = {.names = r};
	int err = ext2_dir_find(r->from, r->name, r->len, &m.slot);

	if (!err && r->victim)
		err = ext2_dir_find(r->to, r->to_name, r->to_len, &m.to_slot);
	if (!err)
		err = check_links(r);
	if (err)
		return err;
	return r->exchange ? exchange(&m) : move_name(&m);
}
