/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What runs in bootkeep-builder@.service: outside of the sandbox of the build (bootkeep-build@.service) it
 * opens the volume for it and runs its builders, until the build closes the socket. Nothing that it runs
 * outlives it, nor that. */

#include "base/interrupt.h"

/* Serves the build at the other end of SOCKET, which it takes. 0, or why it could not. */
int builderhost_serve(int socket, Interrupt *interrupt);
