/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* "40.2 MiB", for messages. */
#define BYTES_TEXT_MAX 32
char *bytes_to_text(uint64_t size, char buffer[static BYTES_TEXT_MAX]);
