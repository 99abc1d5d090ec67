/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The mount table and its changes: which block-backed file systems were mounted, unmounted or changed since
 * it was last read, by mount id. Several changes in between are reported as one; what appeared and went away
 * in between is not reported at all. */

#include "daemon/world/mountsource.h"

typedef struct Mounts Mounts;

/* SOURCE NULL: the best one that this kernel offers. TABLE: the mountinfo file of the namespace whose mounts
 * are followed; NULL: of our own. */
int mounts_new(const MountSource *source, const char *table, Mounts **ret);
Mounts *mounts_free(Mounts *m);
DEFINE_CLEANUP(Mounts *, mounts_free);

/* Readable when the table has changed. */
int mounts_get_fd(const Mounts *m);

/* Acknowledges the event and reads the table: reports what is gone first, then the rest in the order in which
 * it was mounted. The first call reports everything. After a failure it must be called again. */
int mounts_dispatch(Mounts *m, mount_change_t change, void *userdata);

/* Call it after that: reports what mounts appeared and went away within those reported, see mountset.h. */
int mounts_tell_covers(Mounts *m, mount_cover_t cover, void *userdata);
