/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "helper/helper.h"

/* A mount of a helper that nobody else sees: attached nowhere, gone with its descriptors. Without
 * set-user-id, devices, programs and symbolic links, whatever the visible mount allows. */
typedef struct PrivateMount {
        int root;   /* the helper's root directory */
        int device; /* its block device, for publish_flush */
} PrivateMount;

#define PRIVATE_MOUNT_NULL ((PrivateMount){.root = -EBADF, .device = -EBADF})
void privatemount_done(PrivateMount *p);

/* Negative errno with *RETERR for people: "has no file system", "mounted read-only", … */
int privatemount_open(const Helper *helper, PrivateMount *ret, char **reterr);
