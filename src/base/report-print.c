/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The writing half of report.h: one record is one line, whatever it contains. */

#include <inttypes.h>
#include <stdarg.h>
#include <sys/sysmacros.h>

#include "base/error.h"
#include "base/escape.h"
#include "base/report.h"

#define TEXT_MAX 8192U

static int print_word(FILE *f, const char *s) {
        _cleanup_free_ char *word = escape_word(s);
        if (!word)
                return error_origin(-ENOMEM);
        return fprintf(f, " %s", word) < 0 ? error_origin(-errno) : 0;
}

static int print_text(FILE *f, const char *s) {
        _cleanup_free_ char *text = strndup(s, TEXT_MAX);
        if (!text)
                return error_origin(-ENOMEM);
        int r = 0;
        for (char *p = text; r >= 0 && p;) {
                char *part = strsep(&p, " ");
                r = print_word(f, part);
        }
        return r;
}

int report_print(FILE *f, const char *key, ...) {
        assert(f && key);
        int r = fputs(key, f) < 0 ? error_origin(-errno) : 0;
        va_list ap;
        va_start(ap, key);
        const char *s = va_arg(ap, const char *);
        while (s && r >= 0) {
                const char *next = va_arg(ap, const char *);
                r = next ? print_word(f, s) : print_text(f, s);
                s = next;
        }
        va_end(ap);
        if (fputc('\n', f) < 0 || fflush(f) < 0)
                r = r < 0 ? r : error_origin(-errno);
        return r;
}

int report_print_hold(FILE *f, const ReportHold *hold) {
        assert(f && hold && hold->path);
        char file[64];
        (void) snprintf(file, sizeof(file), "%02x:%02x:%" PRIu64, major(hold->devno), minor(hold->devno),
                        hold->inode);
        return report_print(f, "HOLD", hold->path, file, hold->exists ? "exists" : "locked", NULL);
}
