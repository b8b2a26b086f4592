// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * What is done about damage and about metadata that cannot be read or written: a line in the log, the superblock's
 * error fields, as Linux keeps them, and what the volume asks for by errors=. An end by panic is no more here than
 * read-only: what was acknowledged can still be read, and the application sees to the rest.
 *
 * Notes are taken under errors_lock, whatever is locked, and come into the superblock with its next write.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/ext2/ext2.h"
#include "kernel/time.h"

#define SAID_MAX 32

/* A line of the log, unless there were too many. */
static bool may_say(struct volume *vol, bool *last)
{
	const unsigned said = atomic_fetch_add(&vol->damage_said, 1);

	*last = said + 1 == SAID_MAX;
	return said < SAID_MAX;
}

static void note(struct volume *vol, const struct ext2_error *error, bool stop)
{
	unsigned long flags = spin_lock(&vol->errors_lock);

	if (vol->errors.count++ == 0)
		vol->errors.first = *error;
	vol->errors.last = *error;
	spin_unlock(&vol->errors_lock, flags);
	if (stop && vol->es.errors != EXT2_ERRORS_CONTINUE && !atomic_exchange(&vol->super.read_only, true))
		log_error("ext2: %s: is read-only from now on", vol->super.name);
}

static uint32_t now(void)
{
	/* Not 0, which would mean that there was no error. */
	return max_of(min_of(time_wall() / NSEC_PER_SEC, (uint64_t)UINT32_MAX), (uint64_t)1);
}

int ext2_damage_note(struct volume *vol, bool stop, const char *func, unsigned line, uint32_t ino, fsblk_t block,
		     const char *format, ...)
{
	char text[128];
	va_list ap;
	bool last;

	if (may_say(vol, &last)) {
		va_start(ap, format);
		vsnprintf(text, sizeof(text), format, ap);
		va_end(ap);
		log_error("ext2: %s: damaged: %s; run e2fsck%s", vol->super.name, text,
			  last ? " (no more of this is said)" : "");
	}
	note(vol,
	     &(struct ext2_error){
		 .time = now(), .ino = ino, .line = line, .block = block, .func = func, .code = EXT2_CODE_EUCLEAN},
	     stop);
	return -EUCLEAN;
}

void ext2_io_failed(void *arg, fsblk_t block, bool write, int err)
{
	struct volume *vol = arg;
	bool last;

	if (may_say(vol, &last))
		log_error("ext2: %s: metadata block %u cannot be %s (%d)%s", vol->super.name, block,
			  write ? "written" : "read", err, last ? " (no more of this is said)" : "");
	note(vol,
	     &(struct ext2_error){.time = now(),
				  .line = __LINE__,
				  .block = block,
				  .func = write ? "buffer_write" : "buffer_get",
				  .code = EXT2_CODE_EIO},
	     true);
}

/* Not terminated if it is as long as the field. */
static void copy_name(char *to, size_t size, const char *name)
{
	memset(to, 0, size);
	for (size_t i = 0; i < size && name[i]; i++)
		to[i] = name[i];
}

bool ext2_errors_take(struct volume *vol)
{
	struct ext2_super *s = &vol->es;
	struct ext2_errors new;
	unsigned long flags = spin_lock(&vol->errors_lock);

	new = vol->errors;
	vol->errors.count = 0;
	spin_unlock(&vol->errors_lock, flags);
	if (!new.count)
		return false;
	if (!s->first_error.time) {
		s->first_error = (struct ext2_error_first){
		    .time = new.first.time, .ino = new.first.ino, .block = new.first.block, .line = new.first.line};
		copy_name(s->first_error.func, sizeof(s->first_error.func), new.first.func);
		s->first_error_time_high = 0;
		s->first_error_code = new.first.code;
	}
	s->last_error = (struct ext2_error_last){
	    .time = new.last.time, .ino = new.last.ino, .block = new.last.block, .line = new.last.line};
	copy_name(s->last_error.func, sizeof(s->last_error.func), new.last.func);
	s->last_error_time_high = 0;
	s->last_error_code = new.last.code;
	s->error_count = new.count > UINT32_MAX - s->error_count ? UINT32_MAX : s->error_count + new.count;
	s->state |= EXT2_STATE_ERROR;
	return true;
}
