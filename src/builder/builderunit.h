/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The unit in which the builders of a build run (bootkeep-builder@.service): started over the bus, found
 * through a socket in the build's folder. */

#include "builder/patience.h"

typedef struct BuilderUnitRequest {
        const char *unit;   /* its name */
        const char *folder; /* of the build */
        Patience patience;
} BuilderUnitRequest;

/* Starts it, and returns the socket to run/builderhost.h there. -EINTR; other errors: it cannot be had,
 * *RETERR says why. */
int builderunit_connect(const BuilderUnitRequest *request, int *ret_socket, char **reterr);

/* Why UNIT, which should not have ended, has, as the end of a sentence about what it ran. NULL: not known.
 * Waits for systemd to know it, and clears the failure, which is the build's. */
char *builderunit_explain_end(const char *unit);

/* For the unit: the socket to the build in FOLDER. */
int builderunit_call_back(const char *folder, int *ret_socket);
