/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Files that make systemd refuse to go down: a drop-in for each of its targets that do. Only files: whether
 * systemd has read them is another matter, see refusal.h. */

#include "base/util.h"

#define DROPINS_FOLDER "/run/systemd/system"

/* In the order in which they are written; the last one is not known to every systemd. */
#define DROPINS_MAX 5U
extern const char *const dropins_targets[DROPINS_MAX];

/* Writes all of them below FOLDER. TEXT says what is owed; systemd shows it as the description of the target.
 * Negative errno: none of them is there. */
int dropins_write(const char *folder, const char *text);
/* 1: at least one was there and is gone, 0: none was there. Negative errno: one of them stays. */
int dropins_remove(const char *folder);
