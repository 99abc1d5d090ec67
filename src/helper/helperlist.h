/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The helper partitions of a volume: ESP and XBOOTLDR on the GPT disks that back its block device (disks.h).
 * A partition that is a member of an md array is never opened: the array is the helper, once; other stacks on
 * a partition are ignored. Only disks that back the volume are considered, never others. */

#include "helper/helper.h"

typedef struct HelperList {
        Helper *items; /* by disk, then partition number */
        size_t n;
        char **notes; /* for people: what was left out and why. strv */
} HelperList;

HelperList *helper_list_free(HelperList *l);
DEFINE_CLEANUP(HelperList *, helper_list_free);

/* A device that was pulled, or whose table cannot be read, is left out and noted. An empty list is not an
 * error. SYSFS is "/sys". -ENOENT: there is no device VOLUME. */
int helper_list_new(const char *sysfs, dev_t volume, HelperList **ret);
