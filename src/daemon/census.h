/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which mounts are volumes: follows the mount table and udev, and tells the daemon what came, changed and
 * went. */

#include "daemon/daemon.h"

typedef struct Census Census;

/* Looks at everything that is mounted now, and goes on from there. */
int census_new(Daemon *d, Census **ret);
Census *census_free(Census *c);
DEFINE_CLEANUP(Census *, census_free);

/* Reads the mount table now, however lately that was done. */
void census_look(Census *c);
/* Was it told of a change that it has not looked at? If so it is to look: the question may be the answer. */
bool census_is_behind(const Census *c);

/* Is this mount a volume of its own? Writable, and the file system's own root or a subvolume: a bind mount of
 * some directory is a part of a volume, unless it is what the system runs from. */
bool census_is_volume(const MountEntry *e);
