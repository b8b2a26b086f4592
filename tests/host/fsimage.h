// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

struct fsmodel;

/* debugfs finds in the image what the model has: names, attributes, links, contents. Fails the test otherwise. */
void fsimage_check(const char *image, unsigned block_size, const struct fsmodel *m);
