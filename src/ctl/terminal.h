/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

/* How many columns the terminal FD has, 80 if it does not say; 0: FD is no terminal. */
size_t terminal_width(int fd);
