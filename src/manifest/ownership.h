/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What nobody but root can have put in its place, and nobody but root can change: only such a file is
 * honoured, be it a manifest or a builder definition. One rule for both. */

#include <sys/stat.h>

#include "base/util.h"

/* Why the file must not be honoured; NULL: it may. */
const char *ownership_problem_of_file(const struct stat *st);

/* Can only root change what is in the folder? It may be writable by its group, if that is the group of
 * root. */
bool ownership_is_roots_folder(const struct stat *st);

/* The same for a file of the host, with every folder and symbolic link in its path; mounts do not matter. A
 * folder above that of the file may also be one where everybody can write but nobody can remove what belongs
 * to others, such as /tmp. A relative PATH is checked from the working directory down. *RET: why it must not
 * be honoured; NULL: it may. -ENOMEM; other errno: could not be checked. */
int ownership_check_host_file(const char *path, char **ret);
