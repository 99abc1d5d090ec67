/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/failure.h"

/* ERROR follows the text, unless it is NULL. Without memory there is no text. */
_printf_(2, 0) static void set_text(char **reterr, const char *format, va_list ap, const char *error) {
        _cleanup_free_ char *text = NULL, *whole = NULL;
        if (vstrprintf(&text, format, ap) >= 0 && error)
                (void) strprintf(&whole, "%s: %s", text, error);
        free(*reterr);
        *reterr = error ? TAKE_PTR(whole) : TAKE_PTR(text);
}

int failure(char **reterr, int r, const char *format, ...) {
        assert(format);
        va_list ap;
        va_start(ap, format);
        if (reterr)
                set_text(reterr, format, ap, NULL);
        va_end(ap);
        return r;
}

int failure_errno(char **reterr, int r, const char *format, ...) {
        assert(r < 0 && format);
        va_list ap;
        va_start(ap, format);
        if (reterr)
                set_text(reterr, format, ap, strerror(-r));
        va_end(ap);
        return r;
}
