/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* Bytes that are not printable ASCII, the space and `\` become \xHH, so any string is one word of a line; the
 * empty string becomes `\x`. */
char *escape_word(const char *s); /* NULL: out of memory */
/* -EINVAL if S (SIZE bytes) is not what escape_word makes, or holds \x00. */
int unescape_word(const char *s, size_t size, char **ret);

/* The same for text that people read: only control characters and invalid UTF-8 are escaped. */
char *escape_print(const char *s);

/* Splits LINE into its words and unescapes each. -EINVAL. */
int split_words(const char *line, char ***ret);
