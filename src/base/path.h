/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Paths as text: what their names say of each other. Nothing here looks at a file system, follows a link or
 * tidies: a path is taken as it is written, without "." or "..", an empty part or a slash at its end. */

#include "base/util.h"

/* Is A the path B, or a directory on the way to it? "/" is above all absolute paths, and so
 * is "" (as a walk writes its root). */
bool path_is_at_or_above(const char *a, const char *b);
/* Is A a directory on the way to B, and not B itself? */
bool path_is_above(const char *a, const char *b);
/* Is one of them at or above the other? */
bool path_meets(const char *a, const char *b);

/* What follows the last slash of PATH, or all of it if there is none. */
const char *path_last(const char *path);

/* Cuts the last part off PATH, which is absolute: "/a/b" becomes "/a", "/a" becomes "/". False (and nothing
 * is changed) if it is "/" already. */
bool path_cut_last(char *path);
