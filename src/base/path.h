/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Paths as text: how their names relate. Nothing here accesses a file system, follows links or normalises: a
 * path is taken as written, and has no ".", "..", empty part or trailing slash. */

#include "base/util.h"

/* Is A the path B, or a directory above it? "/" is above all absolute paths, and so is "" (as a walk writes
 * its root). */
bool path_is_at_or_above(const char *a, const char *b);
/* Is one of them at or above the other? */
bool path_meets(const char *a, const char *b);

/* What follows the last slash of PATH, or all of it if there is none. */
const char *path_last(const char *path);

/* Removes the last part of PATH, which is absolute: "/a/b" becomes "/a", "/a" becomes "/". False (and no
 * change) if it is "/" already. */
bool path_cut_last(char *path);
