/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The disks below a volume: from its device down through partitions, device-mapper and md, and to the other
 * members of a btrfs. Uses sysfs only; no device is opened. */

#include <sys/types.h>

#include "base/util.h"

typedef struct DiskList {
        char **directories; /* of each disk, in sysfs; sorted, each once. strv */
        char **gone;        /* the kernel's names of pulled devices, each once. strv */
} DiskList;

#define DISK_LIST_NULL ((DiskList){})
void disk_list_done(DiskList *l);

/* SYSFS is "/sys". -ENOENT: there is no device VOLUME. A pulled member is not an error: the others are found,
 * and it is named. -ELOOP: more devices stacked on each other than anybody would build. */
int disk_list_find(const char *sysfs, dev_t volume, DiskList *ret);
