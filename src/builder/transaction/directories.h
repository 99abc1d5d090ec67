/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/progress.h"
#include "helper/look.h"

/* The directories of a helper that its files lie in: those to be made, those that we made, and what a killed
 * build had staged in them. ROOT is the helper's root; PROGRESS says that we live, or is NULL. */

/* Removes what an interrupted build had staged beside the files of RECORD and of WANTED: it must not count as
 * used space. */
int directories_sweep(int root, const HelperRecord *record, const WantedSet *wanted, Progress *progress,
                      char **reterr);

/* Those that have to be made for WANTED, outer ones first. */
int directories_missing(int root, const WantedSet *wanted, const HelperView *views, char ***ret,
                        char **reterr);

/* Adds those of PATHS that are there to V. */
int directories_standing(int root, char *const *paths, StrvBuilder *v);

/* Removes those of PATHS (outer ones first) that are empty. */
void directories_remove(int root, char *const *paths);
