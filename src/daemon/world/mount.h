/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The mount table, followed: which block-backed file systems came, went or changed since the last look, told
 * by mount id. Several changes between two looks are one; what came and went between them is not told. */

#include "daemon/world/mountsource.h"

typedef struct MountTable MountTable;

/* SOURCE NULL: the best that this kernel has. */
int mount_table_new(const MountSource *source, MountTable **ret);
MountTable *mount_table_free(MountTable *t);
DEFINE_CLEANUP(MountTable *, mount_table_free);

/* Readable when the table has changed. */
int mount_table_get_fd(const MountTable *t);

/* Acknowledges the event and looks; first what is gone is told, then the rest in the order in which it was
 * mounted. The first call tells everything. After a failure it is to be called again. */
int mount_table_dispatch(MountTable *t, mount_change_t change, void *userdata);
