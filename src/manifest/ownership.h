/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What root alone can have put where it is, and root alone can change: only such a file is believed, be it a
 * manifest or a builder definition. One rule for both. */

#include <sys/stat.h>

#include "base/util.h"

/* Why the file cannot be believed, NULL: it can. */
const char *ownership_problem_of_file(const struct stat *st);

/* Can root alone change what is in the folder? It may be writable by its group, if that is root's. */
bool ownership_is_roots_folder(const struct stat *st);

/* The same for a file of the host, with every folder and symbolic link on the way to it; mounts do not
 * matter. A folder further up than that of the file may be one in which everybody can write but nobody remove
 * what is another's, such as /tmp. A relative PATH is checked from the working directory down. *RET: why it
 * cannot be believed, NULL: it can. -ENOMEM; other errno: could not look. */
int ownership_check_host_file(const char *path, char **ret);
