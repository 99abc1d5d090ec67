/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Why a manifest is refused, for people. */

#include "base/util.h"

/* Sets *RETERR to "FILE:LINE: …" (LINE 0: "FILE: …"), with what could forge lines or is no UTF-8 escaped.
 * Returns -EBADMSG, or -ENOMEM with *RETERR as it was. */
int refusal(char **reterr, const char *file, unsigned line, const char *format, ...) _printf_(4, 5);

/* The same for caches that are built from each other: NAMES (strv) of all of them, in the order of the
 * circle. */
int refusal_of_circle(char **reterr, const char *file, unsigned line, char *const *names);

/* What is wrong with the way to a path that walk_resolve() could not go, in words; NULL: R is nothing of that
 * kind. It stays so until somebody changes the volume. */
const char *refusal_of_way(int r);
