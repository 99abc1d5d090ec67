/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* UTF-8 as defined by Unicode: overlong forms, surrogates, anything beyond U+10FFFF and truncated characters
 * are invalid. */

#include "base/util.h"

#define UTF8_CHARACTER_MAX 4

/* The length of the character at S, which is not empty, and its code point in *RET; 0: S does not begin with
 * one. */
size_t utf8_decode(const char *s, uint32_t *ret);

/* Writes C, without a NUL, and returns its length; 0: not a character. */
size_t utf8_encode(uint32_t c, char buffer[static UTF8_CHARACTER_MAX]);

bool utf8_is_valid(const char *s);
