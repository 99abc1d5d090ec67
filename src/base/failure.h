/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The text for people that accompanies a negative errno, where the errno alone would not tell them what to
 * do. */

#include "base/util.h"

/* Sets *RETERR (may be NULL; an earlier text is freed) and returns R. */
int failure(char **reterr, int r, const char *format, ...) _printf_(3, 4);
/* The same, followed by ": " and the text of the error R. */
int failure_errno(char **reterr, int r, const char *format, ...) _printf_(3, 4);
