// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Mode bits: what umask leaves, what chmod sets and keeps, and what of it matters to the super-user. */

#include "files.h"

static const unsigned bits[] = {0,     0111,  0222,  0444,  0555,  0666,  0600,	 0711,
				01777, 02755, 04755, 06711, 07777, 07000, 01000, 04000};

static void masks(void)
{
	static const unsigned mask_bits[] = {0, 022, 077, 0777, 0111, 0700, 07777};
	mode_t first = umask(0);

	enter("masks");
	STEPS("mask", text("%04o", (unsigned)first), text("%04o", (unsigned)umask(first)));
	for (unsigned i = 0; i < sizeof(mask_bits) / sizeof(mask_bits[0]); i++) {
		const char *name = text("mask %04o", mask_bits[i]);

		(void)umask(mask_bits[i]); // returns what was set before, tested below
		must_close(open("file", O_WRONLY | O_CREAT, 0777));
		MUST(mkdir("dir", 0777) == 0);
		STEPS(name, mode_at("file"), mode_at("dir"), text("%04o", (unsigned)umask(0)));
		MUST(unlink("file") == 0 && rmdir("dir") == 0);
	}
	(void)umask(022);
	must_close(open("file", O_WRONLY | O_CREAT, 07777));
	MUST(mkdir("dir", 07777) == 0);
	check("made with all bits", "%s", mode_at("file"));
	check("folder made with all bits", "%s", mode_at("dir"));
	STEPS("chmod does not look at it", ret(chmod("file", 0666)), mode_at("file"));
	STEPS("symlink does not look at it", ret(symlink("file", "to")), mode_at("to"));
	STEPS("mask of bits beyond", text("%04o", (unsigned)umask(0xffff)), text("%04o", (unsigned)umask(022)));
	leave();
}

static void changed(void)
{
	int fd;

	enter("changed");
	put("file", "content");
	MUST(mkdir("dir", 0755) == 0 && symlink("file", "to") == 0);
	fd = open("file", O_RDONLY);
	for (unsigned i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		STEPS(text("chmod %04o", bits[i]), ret(chmod("file", bits[i])), mode_at("file"));
		STEPS(text("fchmod %04o", bits[i]), ret(fchmod(fd, bits[i])), mode_at("file"));
		STEPS(text("chmod %04o of a folder", bits[i]), ret(chmod("dir", bits[i])), mode_at("dir"));
		STEPS(text("fchmodat %04o", bits[i]), ret(fchmodat(AT_FDCWD, "to", bits[i], 0)), mode_at("file"));
	}
	STEPS("bits beyond", ret(chmod("file", 0100644)), mode_at("file"), kind("file"));
	STEPS("all bits", ret(chmod("file", (mode_t)-1)), mode_at("file"), kind("file"));
	MUST(chmod("dir", 0755) == 0);
	check("fchmodat: unknown flag", "%s", ret(fchmodat(AT_FDCWD, "file", 0644, 1 << 20)));
	check("fchmod: no descriptor", "%s", ret(fchmod(-1, 0644)));
	must_close(fd);
	leave();
}

/* None of these calls changes anything, so their order is open. */
static const char *rights(const char *path)
{
	return text("%s %s %s %s", ret(access(path, F_OK)), ret(access(path, R_OK)), ret(access(path, W_OK)),
		    ret(access(path, X_OK)));
}

static void accessible(void)
{
	static const unsigned x_bits[] = {0100, 0010, 0001, 0111};

	enter("accessible");
	put("file", "content");
	MUST(mkdir("dir", 0755) == 0 && symlink("file", "to") == 0 && symlink("gone", "dangling") == 0);
	for (unsigned i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		MUST(chmod("file", bits[i]) == 0 && chmod("dir", bits[i]) == 0);
		check_root(text("access of %04o", bits[i]), "%s", rights("file"));
		check_root(text("access of a folder of %04o", bits[i]), "%s", rights("dir"));
		steps_root(text("use of %04o", bits[i]), opened(open("file", O_RDWR)), listing("dir"),
			   opened(open("dir/x", O_RDONLY)));
	}
	for (unsigned i = 0; i < sizeof(x_bits) / sizeof(x_bits[0]); i++) {
		MUST(chmod("file", x_bits[i]) == 0);
		check_root(text("execute for %04o", x_bits[i]), "%s", ret(access("file", X_OK)));
	}
	MUST(chmod("file", 0644) == 0 && chmod("dir", 0755) == 0);
	check("of a link", "%s", rights("to"));
	check("of a dangling link", "%s", rights("dangling"));
	check("of what is absent", "%s", rights("absent"));
	check("read and write", "%s", ret(access("file", R_OK | W_OK)));
	check("all at once", "%s", ret(access("file", R_OK | W_OK | X_OK)));
	check("unknown mode", "%s", ret(access("file", 8)));
	check("mode -1", "%s", ret(access("file", -1)));
	check("unknown mode of what is absent", "%s", ret(access("absent", 8)));
	check("effective", "%s", ret(faccessat(AT_FDCWD, "file", R_OK, AT_EACCESS)));
	check("link itself", "%s", ret(faccessat(AT_FDCWD, "dangling", F_OK, AT_SYMLINK_NOFOLLOW)));
	check("unknown flag", "%s", ret(faccessat(AT_FDCWD, "file", R_OK, 1 << 20)));
	leave();
}

/* Bits that other calls keep. */
static void kept(void)
{
	int fd;

	enter("kept");
	put("file", "content");
	MUST(chmod("file", 06755) == 0);
	steps_root("renamed", ret(rename("file", "moved")), mode_at("moved"));
	steps_root("linked", ret(link("moved", "too")), mode_at("too"));
	fd = open("moved", O_RDWR);
	steps_root("written", ret(write(fd, "x", 1)), mode_at("moved"));
	steps_root("cut", ret(ftruncate(fd, 1)), mode_at("moved"));
	steps_root("times set", ret(futimens(fd, NULL)), mode_at("moved"));
	if (fd >= 0)
		must_close(fd);
	steps_root("opened to truncate", opened(open("moved", O_WRONLY | O_TRUNC)), mode_at("moved"));
	MUST(mkdir("dir", 0755) == 0 && chmod("dir", 02755) == 0 && mkdir("dir/sub", 0755) == 0);
	put("dir/file", "content");
	STEPS("made where groups are inherited", mode_at("dir/sub"), mode_at("dir/file"));
	leave();
}

int main(void)
{
	(void)umask(022); // the same on both, whatever the tests run under
	masks();
	changed();
	accessible();
	kept();
	return done();
}
