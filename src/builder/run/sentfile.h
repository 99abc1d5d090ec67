/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A file without a name in which one process writes what another reads. */

#include "base/util.h"

/* A stream of its own on FD, which stays open. -ENOMEM. */
int sentfile_open(int fd, const char *mode, FILE **ret);
