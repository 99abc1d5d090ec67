/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/progress.h"
#include "helper/look.h"

/* The directories that the files of a helper are in: those to create, those that we created, and what a
 * killed build had staged in them. ROOT is the root of the helper; PROGRESS gives signs of life, or is
 * NULL. */

/* Removes what an interrupted build had staged next to the files of RECORD and of WANTED: it must not count
 * as used space. */
int directories_sweep(int root, const HelperRecord *record, const WantedSet *wanted, Progress *progress,
                      char **reterr);

/* Those that must be created for WANTED, outer ones first. */
int directories_missing(int root, const WantedSet *wanted, const HelperView *views, char ***ret,
                        char **reterr);

/* Adds those of PATHS that exist to V. */
int directories_standing(int root, char *const *paths, StrvBuilder *v);

/* Removes those of PATHS (outer ones first) that are empty. */
void directories_remove(int root, char *const *paths);
