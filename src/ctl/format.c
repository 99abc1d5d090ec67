/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/format.h"

#include <inttypes.h>
#include <time.h>
#include <wchar.h>

#include "base/escape.h"

const char *format_state_color(const char *state) {
        assert(state);
        static const struct {
                const char *state, *color;
        } colors[] = {
                {"fresh", COLOR_GREEN},     {"new", COLOR_YELLOW},    {"settling", COLOR_YELLOW},
                {"scanning", COLOR_YELLOW}, {"stale", COLOR_YELLOW},  {"building", COLOR_YELLOW},
                {"failed", COLOR_RED},      {"given-up", COLOR_RED},  {"refused", COLOR_RED},
                {"hung", COLOR_RED},        {"untrusted", COLOR_DIM}, {"plain", COLOR_DIM},
        };
        for (size_t i = 0; i < ELEMENTSOF(colors); i++)
                if (streq(state, colors[i].state))
                        return colors[i].color;
        return NULL;
}

char *format_bytes(uint64_t bytes, char buffer[static FORMAT_BYTES_MAX]) {
        static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
        size_t unit = 0;
        uint64_t tenths = 0;
        if (bytes < 1024) {
                (void) snprintf(buffer, FORMAT_BYTES_MAX, "%" PRIu64 " B", bytes);
                return buffer;
        }
        /* in tenths of a unit, without floating point and without overflow */
        while (bytes >= 1024) {
                tenths = bytes / 1024 * 10 + bytes % 1024 * 10 / 1024;
                bytes /= 1024;
                unit++;
        }
        (void) snprintf(buffer, FORMAT_BYTES_MAX, "%u.%u %s", (unsigned) (tenths / 10),
                        (unsigned) (tenths % 10), units[unit]);
        return buffer;
}

char *format_span(uint64_t usec, char buffer[static FORMAT_SPAN_MAX]) {
        uint64_t s = usec / USEC_PER_SEC;
        if (usec < USEC_PER_SEC)
                (void) snprintf(buffer, FORMAT_SPAN_MAX, "%" PRIu64 " ms", usec / USEC_PER_MSEC);
        else if (s < 60)
                (void) snprintf(buffer, FORMAT_SPAN_MAX, "%" PRIu64 ".%" PRIu64 " s", s,
                                usec % USEC_PER_SEC / (USEC_PER_SEC / 10));
        else if (s < 3600)
                (void) snprintf(buffer, FORMAT_SPAN_MAX, "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
        else if (s < 2 * 86400)
                (void) snprintf(buffer, FORMAT_SPAN_MAX, "%" PRIu64 " h %" PRIu64 " min", s / 3600,
                                s % 3600 / 60);
        else
                (void) snprintf(buffer, FORMAT_SPAN_MAX, "%" PRIu64 " days", s / 86400);
        return buffer;
}

char *format_process(uint32_t pid, char buffer[static FORMAT_PROCESS_MAX]) {
        char path[64], comm[32] = "";
        (void) snprintf(path, sizeof(path), "/proc/%" PRIu32 "/comm", pid);
        _cleanup_fclose_ FILE *f = pid > 0 ? fopen(path, "re") : NULL;
        if (f && fgets(comm, sizeof(comm), f))
                comm[strcspn(comm, "\n")] = 0;
        _cleanup_free_ char *printable = escape_print(comm);
        if (isempty(printable))
                (void) snprintf(buffer, FORMAT_PROCESS_MAX, "PID %" PRIu32, pid);
        else
                (void) snprintf(buffer, FORMAT_PROCESS_MAX, "%.64s (%" PRIu32 ")", printable, pid);
        return buffer;
}

static struct tm local_time(uint64_t usec) {
        time_t t = (time_t) (usec / USEC_PER_SEC);
        struct tm tm = {};
        (void) localtime_r(&t, &tm); /* which has a year for each number of microseconds in 64 bits */
        return tm;
}

char *format_time(uint64_t usec, char buffer[static FORMAT_TIME_MAX]) {
        struct tm tm = local_time(usec);
        if (strftime(buffer, FORMAT_TIME_MAX, "%a %Y-%m-%d %H:%M:%S %Z", &tm) == 0)
                (void) snprintf(buffer, FORMAT_TIME_MAX, "-");
        return buffer;
}

char *format_moment(uint64_t usec, char buffer[static FORMAT_TIME_MAX]) {
        struct tm tm = local_time(usec);
        (void) strftime(buffer, FORMAT_TIME_MAX, "%Y-%m-%d %H:%M:%S", &tm);
        return buffer;
}

/* The size of the character at S in bytes, and how many columns it takes; libsmartcols shows anything not
 * printable here, and a backslash before an x, as \xHH. */
static size_t character(const char *s, size_t *ret_columns) {
        wchar_t c;
        mbstate_t state = {};
        size_t n = mbrtowc(&c, s, MB_CUR_MAX, &state);
        if (n == 0 || n > MB_CUR_MAX) {
                *ret_columns = 4;
                return 1;
        }
        int columns = wcwidth(c);
        *ret_columns = columns < 0 || (c == L'\\' && s[1] == 'x') ? 4 * n : (size_t) columns;
        return n;
}

size_t format_width(const char *text, size_t size) {
        assert(text);
        size_t width = 0, columns;
        for (const char *end = text + size; text < end; width += columns)
                text += character(text, &columns);
        return width;
}

/* The length of the first line of TEXT: it ends after a space if that fills at least half of it, else after a
 * slash, else where nothing more fits. */
static size_t first_line(const char *text, size_t width) {
        size_t n = 0, used = 0, columns, space = 0, slash = 0;
        while (text[n]) {
                size_t size = character(text + n, &columns);
                if (text[n] == ' ' && used >= width / 2)
                        space = n + 1; /* may be one too many: it is cut off */
                if (used + columns > width)
                        return space > 0 ? space : slash > 0 ? slash : n > 0 ? n : size;
                used += columns;
                n += size;
                if (text[n - 1] == '/' && used >= width / 2)
                        slash = n;
        }
        return n;
}

char *format_wrap(const char *text, size_t width, char line_end) {
        assert(text && line_end != 0);
        char *wrapped = malloc(2 * strlen(text) + 1), *p = wrapped;
        if (!wrapped)
                return NULL;
        while (*text) {
                size_t n = first_line(text, width);
                p = mempcpy(p, text, n);
                text += n;
                if (*text) {
                        p -= p[-1] == ' ';
                        *p++ = line_end;
                }
        }
        *p = 0;
        return wrapped;
}
