/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the boot loader started, as far as it told: text with the names of files in it, such as the command
 * line of the kernel. Pure. */

#include "base/util.h"

/* Does TEXT name the file PATH of a helper, by its last part alone? One whose name is derived from its
 * content is identified by that. */
bool started_names(const char *text, const char *path);

/* The first file in TEXT that once stood for TO, but with other content than PATH: `TO-XXXXXXXX`; *RET_SIZE
 * is the length of its name. NULL: none. TEXT has slashes only. */
const char *started_other(const char *text, const char *to, const char *path, size_t *ret_size);
