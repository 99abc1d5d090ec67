/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "manifest/manifest.h"

/* Finds the caches that are named as sources. -EBADMSG: refused (*RETERR), there is none of that name, or it
 * is its own source. */
int manifest_link_sources(Manifest *m, char **reterr);

/* Refuses what is wrong with the order of caches regardless of the volume: a dependency cycle, and two caches
 * with the same output. 0; -EBADMSG: refused (*RETERR); -ENOMEM. */
int manifest_check_order(const Manifest *m, char **reterr);
