/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which mounts are volumes: follows the mount table and udev, and tells the daemon what appeared, changed and
 * went away. */

#include "daemon/daemon.h"

typedef struct Census Census;

/* Reads everything that is mounted now, and follows changes from there. */
int census_new(Daemon *d, Census **ret);
Census *census_free(Census *c);
DEFINE_CLEANUP(Census *, census_free);

/* Reads the mount table now, however lately that was done. */
void census_look(Census *c);
/* Is there a change of the mount table that it has not read yet? If so it reads the table, and the caller's
 * question may be settled by that. */
bool census_is_behind(const Census *c);

/* Is this mount a volume of its own? Writable, and the file system's own root or a subvolume: a bind mount of
 * a directory is part of a volume, unless it is what the system runs from. */
bool census_is_volume(const MountEntry *e);
