/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Extended attributes: capabilities, labels and ACLs, which may be a part of what is made from a file. */

#include "tree/hasher.h"

/* Puts those of FD, which is open for reading, behind *F; a file without any leaves it as it is. Those that
 * only a process with rights of its own sees (trusted.*) do not count. */
int attributes_add(int fd, Fingerprint *f);
