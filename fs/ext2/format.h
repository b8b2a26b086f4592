// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* ext2 as it lies on the card: all numbers little-endian, block numbers 32 bits. Nothing here is trusted (I8). */
#pragma once

#include <assert.h>

#include "lib/types.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the structures are read in place");

#define EXT2_SUPER_OFFSET 1024
#define EXT2_SUPER_SIZE 1024
#define EXT2_MAGIC 0xef53
#define EXT2_REV_DYNAMIC 1
#define EXT2_BAD_INO 1
#define EXT2_ROOT_INO 2
#define EXT2_RESIZE_INO 7
#define EXT2_JOURNAL_INO 8
#define EXT2_OLD_FIRST_INO 11
#define EXT2_OLD_INODE_SIZE 128

enum { EXT2_STATE_VALID = 1, EXT2_STATE_ERROR = 2 };
enum { EXT2_ERRORS_CONTINUE = 1, EXT2_ERRORS_RO = 2, EXT2_ERRORS_PANIC = 3 };
enum { EXT2_CODE_EIO = 2, EXT2_CODE_EUCLEAN = 5 }; // of an error

enum {
	EXT2_COMPAT_DIR_PREALLOC = 0x1,
	EXT2_COMPAT_HAS_JOURNAL = 0x4,
	EXT2_COMPAT_EXT_ATTR = 0x8,
	EXT2_COMPAT_RESIZE_INODE = 0x10,
	EXT2_COMPAT_DIR_INDEX = 0x20,
	EXT2_COMPAT_SPARSE_SUPER2 = 0x200,

	EXT2_INCOMPAT_FILETYPE = 0x2,
	EXT2_INCOMPAT_RECOVER = 0x4,

	EXT2_RO_SPARSE_SUPER = 0x1,
	EXT2_RO_LARGE_FILE = 0x2,
	EXT2_RO_DIR_NLINK = 0x20,
	EXT2_RO_EXTRA_ISIZE = 0x40,
};

#define EXT2_INCOMPAT_KNOWN (EXT2_INCOMPAT_FILETYPE | EXT2_INCOMPAT_RECOVER)
#define EXT2_RO_KNOWN (EXT2_RO_SPARSE_SUPER | EXT2_RO_LARGE_FILE | EXT2_RO_DIR_NLINK | EXT2_RO_EXTRA_ISIZE)

struct ext2_super {
	uint32_t inodes_count;
	uint32_t blocks_count;
	uint32_t reserved_blocks;
	uint32_t free_blocks;
	uint32_t free_inodes;
	uint32_t first_data_block;
	uint32_t log_block_size; // 1024 << it
	uint32_t log_frag_size;
	uint32_t blocks_per_group;
	uint32_t frags_per_group;
	uint32_t inodes_per_group;
	uint32_t mount_time;
	uint32_t write_time;
	uint16_t mount_count;
	uint16_t max_mount_count;
	uint16_t magic;
	uint16_t state;
	uint16_t errors; // what to do on damage
	uint16_t minor_rev;
	uint32_t last_check;
	uint32_t check_interval;
	uint32_t creator_os;
	uint32_t rev_level;
	uint16_t def_resuid, def_resgid;
	/* from revision 1 on */
	uint32_t first_ino;
	uint16_t inode_size;
	uint16_t block_group_nr;
	uint32_t feature_compat;
	uint32_t feature_incompat;
	uint32_t feature_ro_compat;
	uint8_t uuid[16];
	char volume_name[16];
	char last_mounted[64];
	uint32_t algo_bitmap;
	uint8_t prealloc_blocks, prealloc_dir_blocks;
	uint16_t reserved_gdt_blocks;
	uint8_t journal_uuid[16];
	uint32_t journal_inum, journal_dev;
	uint32_t last_orphan; // first inode of the list linked through dtime
	uint32_t hash_seed[4];
	uint8_t def_hash_version, jnl_backup_type;
	uint16_t desc_size;
	uint32_t default_mount_opts, first_meta_bg, mkfs_time;
	uint32_t jnl_blocks[17];
	uint32_t blocks_count_hi, reserved_blocks_hi, free_blocks_hi;
	uint16_t min_extra_isize, want_extra_isize;
	uint32_t flags;
	uint8_t not_ours[0x194 - 0x164]; // RAID, multiple mount protection, snapshots
	/* Damage that was met since e2fsck last cleared this. */
	uint32_t error_count;
	struct ext2_error_first {
		uint32_t time, ino;
		uint64_t block;
		char func[32];
		uint32_t line;
	} __attribute__((packed)) first_error;
	struct ext2_error_last {
		uint32_t time, ino, line;
		uint64_t block;
		char func[32];
	} __attribute__((packed)) last_error;
	uint8_t options[0x24c - 0x200]; // of mounting, quota, overhead
	uint32_t backup_groups[2];	// with sparse_super2: which have a superblock; 0: none
	uint8_t encryption[0x278 - 0x254];
	uint8_t first_error_time_high, last_error_time_high, first_error_code, last_error_code;
	uint8_t rest[EXT2_SUPER_SIZE - 0x27c];
} __attribute__((packed));
static_assert(sizeof(struct ext2_super) == EXT2_SUPER_SIZE, "superblock");
static_assert(offsetof(struct ext2_super, magic) == 0x38, "superblock");
static_assert(offsetof(struct ext2_super, last_orphan) == 0xe8, "superblock");
static_assert(offsetof(struct ext2_super, want_extra_isize) == 0x15e, "superblock");
static_assert(offsetof(struct ext2_super, flags) == 0x160, "superblock");
static_assert(offsetof(struct ext2_super, last_error) == 0x1cc, "superblock");
static_assert(offsetof(struct ext2_super, backup_groups) == 0x24c, "superblock");
static_assert(offsetof(struct ext2_super, last_error_code) == 0x27b, "superblock");

struct ext2_group {
	uint32_t block_bitmap;
	uint32_t inode_bitmap;
	uint32_t inode_table;
	uint16_t free_blocks;
	uint16_t free_inodes;
	uint16_t used_dirs;
	uint16_t pad;
	uint32_t reserved[3];
} __attribute__((packed));
static_assert(sizeof(struct ext2_group) == 32, "group descriptor");

#define EXT2_DIRECT 12 // pointers in the inode; then one each of single, double and triple indirect
#define EXT2_POINTERS 15
#define EXT2_LINK_MAX 32000
#define EXT2_DIR_LINK_MAX 65000 // of a directory, with dir_nlink; an indexed one with more has a count of 1

#define EXT2_FLAG_IMMUTABLE 0x10
#define EXT2_FLAG_APPEND 0x20
#define EXT2_FLAG_INDEX 0x1000	 // hashed directory
#define EXT2_FLAG_TOPDIR 0x20000 // its directories have little to do with each other
#define EXT2_FLAG_EXTENTS 0x80000

struct ext2_inode {
	uint16_t mode;
	uint16_t uid;
	uint32_t size;
	uint32_t atime, ctime, mtime;
	uint32_t dtime; // of deletion; while in the orphan list: the next inode there
	uint16_t gid;
	uint16_t links;
	uint32_t blocks; // in 512-byte units, indirect ones included
	uint32_t flags;
	uint32_t osd1;
	uint32_t block[EXT2_POINTERS]; // or the target of a short symbolic link
	uint32_t generation;
	uint32_t file_acl;
	uint32_t size_high; // regular files
	uint32_t faddr;
	uint16_t blocks_high, file_acl_high, uid_high, gid_high, checksum, reserved;
	/* 128 bytes end here */
	uint16_t extra_isize;
	uint16_t checksum_hi;
	uint32_t ctime_extra, mtime_extra, atime_extra; // nanoseconds << 2 | seconds above 32 bits
	uint32_t crtime, crtime_extra;
	uint32_t version_hi, projid;
} __attribute__((packed));
static_assert(sizeof(struct ext2_inode) == 160, "inode");
static_assert(offsetof(struct ext2_inode, extra_isize) == EXT2_OLD_INODE_SIZE, "inode");

struct ext2_dirent {
	uint32_t ino; // 0: unused
	uint16_t rec_len;
	uint8_t name_len;
	uint8_t type; // with the filetype feature, else the high byte of name_len
	char name[];
} __attribute__((packed));
static_assert(sizeof(struct ext2_dirent) == 8, "directory entry");

/* An index of hashed names: its root lies behind . and .. in a directory's first block, other nodes behind an entry
 * that covers their block. A node is a head, then entries; the head holds the block of the hashes below the first
 * entry's. */
#define EXT2_DX_ROOT 24 // in the block: struct ext2_dx_root and the node
#define EXT2_DX_NODE 8
#define EXT2_DX_BLOCK 0x0fffffffu // of the file
#define EXT2_DX_LEVELS 2	  // below a root, leaves not counted: at most one less

struct ext2_dx_root {
	uint32_t zero;
	uint8_t hash_version;
	uint8_t info_length;
	uint8_t levels; // of nodes below this one
	uint8_t flags;
} __attribute__((packed));
static_assert(sizeof(struct ext2_dx_root) == 8, "index root");

struct ext2_dx_head {
	uint16_t limit, count; // of entries, this one included
	uint32_t block;
} __attribute__((packed));

struct ext2_dx_entry {
	uint32_t hash; // its block's least; bit 0: the block before has names of this hash too
	uint32_t block;
} __attribute__((packed));
static_assert(sizeof(struct ext2_dx_head) == sizeof(struct ext2_dx_entry), "index entry");

enum { EXT2_HASH_LEGACY, EXT2_HASH_HALF_MD4, EXT2_HASH_TEA, EXT2_HASH_VERSIONS };
enum { EXT2_SUPER_SIGNED_HASH = 1, EXT2_SUPER_UNSIGNED_HASH = 2 }; // ext2_super.flags

#define EXT2_NAME_MAX 255
#define EXT2_DIRENT_SIZE(name_len) align_up(sizeof(struct ext2_dirent) + (name_len), 4u)

enum { EXT2_FT_UNKNOWN, EXT2_FT_REG, EXT2_FT_DIR, EXT2_FT_CHR, EXT2_FT_BLK, EXT2_FT_FIFO, EXT2_FT_SOCK, EXT2_FT_LINK };
