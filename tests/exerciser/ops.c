// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* The operations that there are. The order matters to seeds alone. */
#include "state.h"

#define RUN(name) #name, .run = op_##name

const struct operation operations[] = {
    {RUN(load), .args = "at len", .weight = 14},
    {RUN(store), .args = "at len", .weight = 14},
    {RUN(common), .args = "at len", .weight = 8, .who = TOGETHER},
    {RUN(pread), .args = "at len fd", .weight = 8},
    {RUN(pwrite), .args = "at len fd flags", .weight = 8},
    {RUN(read), .args = "at len fd", .weight = 4},
    {RUN(write), .args = "at len fd flags", .weight = 4},
    {RUN(seek), .args = "at whence fd", .weight = 3},
    {RUN(truncate), .args = "size fd", .weight = 5, .who = ALONE},
    {RUN(allocate), .args = "at len fd", .weight = 3},
    {RUN(map), .args = "page n kind prot index", .weight = 10},
    {RUN(unmap), .args = "page n", .weight = 3},
    {RUN(protect), .args = "page n prot", .weight = 6},
    {RUN(brief), .args = "n kind prot index", .weight = 4, .who = ALONE},
    {RUN(tail), .args = "page from", .weight = 2, .who = ALONE},
    {RUN(write_mapped), .args = "from len to", .weight = 4},
    {RUN(read_mapped), .args = "to len from", .weight = 4, .who = ALONE},
    {RUN(msync), .args = "page n flags", .weight = 3},
    {RUN(fsync), .args = "data-only fd", .weight = 1},
    {RUN(lock), .args = "page n", .weight = 2},
    {RUN(unlock), .args = "page n", .weight = 3},
    {RUN(advise), .args = "page n advice", .weight = 2},
    {RUN(dontneed), .args = "page n", .weight = 3},
    {RUN(free), .args = "page n", .weight = 2},
    {RUN(populate), .args = "page n store", .weight = 2},
    {RUN(mincore), .args = "page n", .weight = 1},
    {RUN(remap), .args = "page n to m flags", .weight = 6},
    {RUN(punch), .args = "at len fd", .weight = 4},
    {RUN(zero), .args = "at len keep-size fd", .weight = 3},
    {RUN(keep), .args = "at len fd", .weight = 1, .who = ALONE},
    {RUN(sync_range), .args = "at len flags fd", .weight = 1},
    {RUN(fadvise), .args = "at len advice fd", .weight = 2},
    {RUN(readahead), .args = "at len fd", .weight = 1},
    {RUN(open), .args = "flags slot", .weight = 2},
    {RUN(dup), .args = "fd slot", .weight = 2},
    {RUN(close), .args = "fd slot", .weight = 3},
    {RUN(reopen), .args = "", .weight = 1},
    {RUN(drop), .args = "", .weight = 1},
    {RUN(verify), .args = "", .weight = 1},
};
const size_t operation_count = sizeof(operations) / sizeof(*operations);
