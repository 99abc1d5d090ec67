/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Why a manifest is refused, for people. */

#include "base/util.h"

/* Sets *RETERR to "FILE:LINE: …" (LINE 0: "FILE: …"), escaping anything that could forge lines or is not
 * UTF-8. Returns -EBADMSG, or -ENOMEM with *RETERR unchanged. */
int refusal(char **reterr, const char *file, unsigned line, const char *format, ...) _printf_(4, 5);

/* The same for a dependency cycle: the NAMES (strv) of all its caches, in order. */
int refusal_of_cycle(char **reterr, const char *file, unsigned line, char *const *names);

/* What is wrong with a path that walk_resolve() could not follow, in words; NULL: R is nothing of that kind.
 * This stays so until somebody changes the volume. */
const char *refusal_of_way(int r);
