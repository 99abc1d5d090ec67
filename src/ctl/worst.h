/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which volume is worst off, and why, in one line: where there is room for one only. */

#include "ctl/volumeinfo.h"

bool worst_is_busy(const VolumeInfo *v);

/* The worst of those that MATTER, and how many these are. NULL: none. */
const VolumeInfo *worst_of(const VolumeInfoList *l, bool (*matters)(const VolumeInfo *v), size_t *ret_n);

/* "sda2 is stale: cache initramfs …", made harmless for a terminal. -ENOMEM. */
int worst_describe(const VolumeInfo *v, char **ret);
