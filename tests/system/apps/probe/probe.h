// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Between the files of probe. Each returns an exit status. */
#pragma once

/* Says what errno is. */
int fail(const char *what);

/* /kept, with the text in it, on the card for good. */
int keep(const char *text);

/* Ends by a signal, after having stored something that must survive. */
int end_by_signal(const char *how);

/* Says "ready", and waits to be interrupted in one way or another. */
int be_interrupted(const char *how);

/* Mounts a second card, logs to both, and ends: "exit", or after an "umount". */
int two_cards(const char *end);

/* Starts the board anew, the second time turns it off. */
int restart(void);

/* Takes four keys in raw mode, then a line. */
int terminal(void);
