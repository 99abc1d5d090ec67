/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Looks up values by name. The cost does not depend on what names strangers choose: the tree stays balanced.
 * Borrows names and values, which must not change meanwhile. */

#include "base/util.h"

typedef struct NameMap {
        void *tree; /* of tsearch(3) */
        bool exact; /* with case; else as FAT compares names */
} NameMap;

#define NAME_MAP_NULL ((NameMap){})
#define NAME_MAP_EXACT ((NameMap){.exact = true})
void name_map_done(NameMap *m);

/* VALUE is not NULL. 1: added; 0: the name exists already, and keeps its value; -ENOMEM. */
int name_map_put(NameMap *m, const char *name, const void *value);
/* For a set of names: each is its own value. */
int name_map_put_all(NameMap *m, char *const *names);

const void *name_map_get(const NameMap *m, const char *name); /* NULL: none */
