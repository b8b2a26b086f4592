// SPDX-License-Identifier: BSD-2-Clause
// Copyright the cairn authors

#pragma once

struct hart *hart_self(void);
struct thread *thread_self(void);
