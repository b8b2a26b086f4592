// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

/* Requests to /dev/watchdog, in seconds; values are Linux's. */
#pragma once

#define WDIOC_KEEPALIVE 0x80045705  // no argument is looked at
#define WDIOC_SETTIMEOUT 0xc0045706 // and starts it anew
#define WDIOC_GETTIMEOUT 0x80045707
#define WDIOC_GETTIMELEFT 0x8004570a
