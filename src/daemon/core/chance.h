/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The last chance before the system goes down, as far as it concerns one volume, and how long it lasts. Pure:
 * no clock, no I/O. */

#include "daemon/core/volume.h"

/* Is there anything that a scan or a build at once may bring forward? What is fresh and watched needs
 * neither: whatever changed on it was queued before. */
bool chance_needs_hurry(const Volume *v);
/* Is it worth waiting for V? One attempt is all that a failing volume gets. */
bool chance_is_pending(const Volume *v);
/* Would the system go down with boot files of V that are stale? */
bool chance_is_owed(const Volume *v);

/* How long the last chance lasts: PATIENCE without a sign of life, and CHANCE_TOTAL times that in all. */
#define CHANCE_TOTAL 3U
typedef struct Chance {
        uint64_t begun, patience;
} Chance;

/* When it ends, if no sign of life follows the one at SIGN_OF_LIFE (0: there was none). */
uint64_t chance_end(const Chance *c, uint64_t sign_of_life);
/* Is that because no sign of life follows, and not because it lasts no longer in any case? */
bool chance_ends_in_silence(const Chance *c, uint64_t sign_of_life);
