/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The disks below a volume: from its device down through partitions, device-mapper and md, and to the other
 * members of a btrfs. By sysfs alone, no device is opened. */

#include <sys/types.h>

#include "base/util.h"

typedef struct DiskList {
        char **directories; /* of each disk, in sysfs; sorted, each once. strv */
        char **gone;        /* the kernel's names of what was pulled, each once. strv */
} DiskList;

#define DISK_LIST_NULL ((DiskList){})
void disk_list_done(DiskList *l);

/* SYSFS is "/sys". -ENOENT: there is no device VOLUME. That a member was pulled is no error: the others are
 * found, and it is named. -ELOOP: more devices on top of each other than anybody builds. */
int disk_list_find(const char *sysfs, dev_t volume, DiskList *ret);
