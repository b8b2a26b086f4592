// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* What is cairn's own. */
#pragma once

#define CAIRN_VERSION "0.1"
