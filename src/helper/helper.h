/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The helper partitions of a volume: ESP and XBOOTLDR on the GPT disks that back its block device -
 * partition, whole disk, device-mapper and md by their slaves in sysfs. A partition that is a member of an md
 * array is never opened: the array is the helper, once; what else something is made of is left out. Only
 * disks that back the volume are looked at, never a foreign one. */

#include <sys/types.h>

#include "manifest/manifest.h"

typedef struct Helper {
        char *device; /* kernel name, `sda1` */
        char *node;   /* `/dev/sda1` */
        dev_t devno;
        char *disk; /* `sda`; of an array that of its first member, as is PARTUUID */
        HelperType type;
        char *partuuid; /* lower case */
        char *fs_uuid;  /* of the file system on it now, as blkid writes it; NULL: none or unreadable */
        char *fs_type;  /* `vfat`; NULL likewise */
        bool disk_has_xbootldr;
} Helper;

typedef struct HelperList {
        Helper *items; /* by disk, then partition number */
        size_t n;
} HelperList;

HelperList *helper_list_free(HelperList *l);
DEFINE_CLEANUP(HelperList *, helper_list_free);

/* A device whose table cannot be read is logged and left out. An empty list is no error. SYSFS is "/sys". */
int helper_list_new(const char *sysfs, dev_t volume, HelperList **ret);
