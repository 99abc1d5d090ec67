/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* It quotes strangers, so it escapes. */

#include "manifest/refusal.h"

#include "base/error.h"
#include "base/escape.h"

#define CYCLE_SHOWN_MAX 8U

int refusal(char **reterr, const char *file, unsigned line, const char *format, ...) {
        assert(reterr && file && format);
        _cleanup_free_ char *why = NULL, *text = NULL;
        va_list ap;
        va_start(ap, format);
        int r = vstrprintf(&why, format, ap);
        va_end(ap);
        if (r < 0)
                return error_origin(r);
        r = line > 0 ? strprintf(&text, "%s:%u: %s", file, line, why) : strprintf(&text, "%s: %s", file, why);
        char *printable = r < 0 ? NULL : escape_print(text);
        if (!printable)
                return error_origin(-ENOMEM);
        *reterr = printable;
        return error_origin(-EBADMSG);
}

int refusal_of_cycle(char **reterr, const char *file, unsigned line, char *const *names) {
        size_t n = strv_length(names);
        assert(n > 0);
        _cleanup_free_ char *cycle = strdup(names[0]);
        for (size_t i = 1; cycle && i <= MIN(n, CYCLE_SHOWN_MAX); i++) {
                _cleanup_free_ char *before = TAKE_PTR(cycle);
                (void) strprintf(&cycle, "%s -> %s", before, names[i % n]);
        }
        if (!cycle)
                return error_origin(-ENOMEM);
        return refusal(reterr, file, line, "dependency cycle between caches: %s%s", cycle,
                       n > CYCLE_SHOWN_MAX ? " -> and so on" : "");
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
