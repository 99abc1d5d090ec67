/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/failure.h"

static void set_text(char **reterr, char *text) {
        free(*reterr);
        *reterr = text;
}

int failure(char **reterr, int r, const char *format, ...) {
        assert(format);
        char *text = NULL;
        va_list ap;
        if (!reterr)
                return r;
        va_start(ap, format);
        (void) vstrprintf(&text, format, ap);
        va_end(ap);
        set_text(reterr, text);
        return r;
}

int failure_errno(char **reterr, int r, const char *format, ...) {
        assert(r < 0 && format);
        _cleanup_free_ char *text = NULL;
        char *whole = NULL;
        va_list ap;
        if (!reterr)
                return r;
        va_start(ap, format);
        (void) vstrprintf(&text, format, ap);
        va_end(ap);
        if (text && strprintf(&whole, "%s: %s", text, strerror(-r)) < 0)
                whole = NULL;
        set_text(reterr, whole);
        return r;
}
