/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Why a manifest is refused, in words. It quotes strangers, so it escapes. */

#include "manifest/refusal.h"

#include <stdarg.h>

#include "base/error.h"
#include "base/escape.h"

int refusal(char **reterr, const char *file, unsigned line, const char *format, ...) {
        _cleanup_free_ char *why = NULL, *text = NULL;
        va_list ap;
        va_start(ap, format);
        int n = vasprintf(&why, format, ap);
        va_end(ap);
        if (n < 0) {
                why = NULL;
                return error_origin(-ENOMEM);
        }
        int r = line > 0 ? strprintf(&text, "%s:%u: %s", file, line, why)
                         : strprintf(&text, "%s: %s", file, why);
        char *printable = r < 0 ? NULL : escape_print(text);
        if (!printable)
                return error_origin(-ENOMEM);
        *reterr = printable;
        return error_origin(-EBADMSG);
}

const char *refusal_of_way(int r) {
        switch (r) {
        case -EXDEV:
                return "its path leaves the volume";
        case -ELOOP:
                return "too many symbolic links in its path";
        case -ENAMETOOLONG:
                return "a name or symbolic link in its path is too long";
        }
        return NULL;
}
