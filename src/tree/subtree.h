/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Everything below one directory. Used by walk.c alone. */

#include "tree/visitor.h"

/* Passes everything below the directory FD (O_PATH, armed) to VISITOR, depth first, names in byte order. PATH
 * is its path without links, "" for the root. Returns what VISITOR returned if that is not 0; negative
 * errno. */
int subtree_walk(const Walk *walk, int fd, const char *path, const Visitor *visitor);
