/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* Splits a command line into words the way systemd's ExecStart= does: white space separates, "…" and '…'
 * quote, C escapes (\n \t \\ \" \' \s \xHH \NNN \uXXXX …) work in and out of quotes, no shell. -EINVAL with a
 * short reason in *RETERR (static text) for an unbalanced quote or unknown escape. */
int words_split(const char *line, char ***ret, const char **reterr);
