/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The stamps of a volume with something mounted over their directory, for a scan that may not look below it:
 * whoever runs the scan is asked, by the record UNCOVER, to have the directory opened (bootkeep-build
 * --uncover) and sent. */

#include "tree/root.h"

/* Listens at SOCKET, asks on F, and waits. 0, or what keeps the stamps from being read: ROOT's state stays
 * -EXDEV. */
int uncover_state(Root *root, const char *socket, FILE *f);
