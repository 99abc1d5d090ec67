/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "helper/started.h"

#include <ctype.h>

#include "base/path.h"

bool started_names(const char *text, const char *path) {
        assert(text && path);
        const char *name = path_last(path), *at = text;
        size_t n = strlen(name);
        for (; n > 0 && (at = strstr(at, name)); at += n)
                if (!isalnum((unsigned char) at[n]))
                        return true;
        return false;
}

#define HASH_DIGITS_MIN 8U

/* The length of the name at AT, which begins with the N bytes of a `to`; 0: it is not one that is derived
 * from content. */
static size_t content_name_length(const char *at, size_t n) {
        size_t digits = at[n] == '-' ? strspn(at + n + 1, "0123456789abcdef") : 0, size = n + 1 + digits;
        return digits >= HASH_DIGITS_MIN && !isalnum((unsigned char) at[size]) ? size : 0;
}

const char *started_other(const char *text, const char *to, const char *path, size_t *ret_size) {
        assert(text && to && path && ret_size);
        size_t n = strlen(to);
        for (const char *at = text; n > 0 && (at = strstr(at, to)); at += n) {
                size_t size = content_name_length(at, n);
                if (size == 0 || (strlen(path) == size && strncmp(at, path, size) == 0))
                        continue;
                *ret_size = size;
                return at;
        }
        return NULL;
}
