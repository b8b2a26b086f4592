// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/*
 * A file tree in plain memory, and random operations done to it and to the mounted file system alike. Whatever the
 * two do not agree about fails the run.
 */
#pragma once

#include "lib/types.h"

struct fsmodel_config {
	uint64_t seed;
	unsigned steps;
	size_t file_max;     // bytes a file grows to
	bool full;	     // the volume is small: ENOSPC is fine, and changes nothing but what a short count says
	unsigned sync_every; // steps between fs_sync; 0: never
};

/* Inside a run, mounted. The model is empty, and so are the paths /d0../d3 and /f*. */
void fsmodel_run(const struct fsmodel_config *config);
/* Every file and directory is as the model has it, read through the file system. */
void fsmodel_verify(void);
/* The same through debugfs out of an image; outside of a run, by whoever shares the model with it. */
void fsmodel_verify_image(const char *image);
/* Makes the model, in memory that runs and their test share. */
void fsmodel_init(void);
