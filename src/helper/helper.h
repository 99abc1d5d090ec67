/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One helper partition, and the file system on it. */

#include <sys/types.h>

#include "manifest/manifest.h"

typedef struct Helper {
        char *device; /* kernel name, `sda1` */
        char *node;   /* `/dev/sda1` */
        dev_t devno;
        char *disk; /* `sda`; of an array that of its first member, as is PARTUUID */
        HelperType type;
        char *partuuid; /* lower case */
        char *fs_uuid;  /* of the present file system on it, as written by blkid; NULL: none or unreadable */
        char *fs_type;  /* `vfat`; NULL likewise */
        bool disk_has_xbootldr;
} Helper;

#define HELPER_NULL ((Helper){})
void helper_done(Helper *h);

/* Opens the device node NODE for reading, if it is still DEVNO (-ENODEV). */
int helper_open_device(const char *node, dev_t devno, int *ret_fd);

/* Sets fs_type and fs_uuid according to the present content of the device. With no, several or an unknown
 * file system they stay NULL: the build will report it. -ENOMEM, or errors of opening the device. */
int helper_probe_filesystem(Helper *h);
