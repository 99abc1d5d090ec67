/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "manifest/manifest.h"

/* Refuses what can be told of the order of caches without looking at the volume: a circle, and two caches
 * with one output. 0; -EBADMSG: refused (*RETERR); -ENOMEM. */
int manifest_check_order(const Manifest *m, char **reterr);
