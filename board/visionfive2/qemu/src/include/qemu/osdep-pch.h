/*
 * What every file of QEMU includes first, to be compiled once for each of the larger libraries (meson's c_pch): most of
 * the build's time goes into reading it.
 *
 * Copyright the cairn authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _FORTIFY_SOURCE 0 /* as coroutine-ucontext.c, which longjmps between stacks, says behind this, too late */
#include "qemu/osdep.h"
