/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "flush/console.h"

#include <fcntl.h>
#include <inttypes.h>

#include "base/error.h"
#include "base/escape.h"

#define REPEAT_USEC (10 * USEC_PER_SEC)

void console_done(Console *c) {
        free(c->doing);
        *c = (Console){};
}

/* The one that is being built comes before those that wait. */
static const OwedView *console_choose(const Snapshot *s) {
        for (size_t i = 0; i < s->n; i++)
                if (s->views[i].percent != OWED_PERCENT_UNKNOWN)
                        return &s->views[i];
        return s->views;
}

int console_describe(const Snapshot *s, char **ret_doing, char **ret_numbers) {
        assert(s->n > 0);
        const OwedView *view = console_choose(s);
        _cleanup_free_ char *volume = escape_print(view->volume), *doing = NULL, *numbers = NULL;
        char more[48] = "", percent[24] = "";
        if (!volume)
                return error_origin(-ENOMEM);
        if (s->n > 1)
                (void) snprintf(more, sizeof(more), " (and %zu more)", s->n - 1);
        if (view->percent != OWED_PERCENT_UNKNOWN)
                (void) snprintf(percent, sizeof(percent), ", %" PRIu32 "%%",
                                MIN(view->percent, UINT32_C(100)));
        int r = strprintf(&doing, "%s: %s%s", volume, view->doing, more);
        if (r >= 0)
                r = strprintf(&numbers, "%s, %" PRIu64 " s left", percent,
                              (s->left_usec + USEC_PER_SEC - 1) / USEC_PER_SEC);
        if (r < 0)
                return r;
        *ret_doing = TAKE_PTR(doing);
        *ret_numbers = TAKE_PTR(numbers);
        return 0;
}

static int open_console(const Console *c) {
        return open(c->path, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC | O_APPEND);
}

/* BEFORE: what ends or erases the line that is there. */
static void put_line(int fd, const char *before, const char *text, const char *after) {
        _cleanup_free_ char *line = NULL;
        if (strprintf(&line, "%sbootkeep: %s%s", before, text, after) >= 0)
                (void) write_all(fd, line, strlen(line));
}

static void show_text(Console *c, const char *doing, const char *numbers) {
        bool news = !streq_ptr(c->doing, doing);
        _cleanup_close_ int fd = open_console(c);
        bool terminal = fd >= 0 && isatty(fd);
        _cleanup_free_ char *text = NULL;
        uint64_t now = now_usec();
        if (fd < 0 || (!terminal && !news && now - c->said_usec < REPEAT_USEC))
                return;
        if (strprintf(&text, "%s%s", doing, numbers) < 0)
                return;
        if (terminal)
                put_line(fd, c->doing && news ? "\r\n" : "\r\033[K", text, "");
        else
                put_line(fd, "", text, "\n");
        c->said_usec = now;
        (void) free_and_strdup(&c->doing, doing);
}

void console_show(Console *c, const Snapshot *s) {
        _cleanup_free_ char *doing = NULL, *numbers = NULL;
        if (s->n > 0 && console_describe(s, &doing, &numbers) >= 0)
                show_text(c, doing, numbers);
}

void console_say(Console *c, const char *format, ...) {
        _cleanup_close_ int fd = open_console(c);
        _cleanup_free_ char *text = NULL;
        va_list ap;
        va_start(ap, format);
        int r = vstrprintf(&text, format, ap);
        va_end(ap);
        if (r < 0 || fd < 0)
                return;
        if (isatty(fd))
                put_line(fd, c->doing ? "\r\n" : "\r\033[K", text, "\r\n");
        else
                put_line(fd, "", text, "\n");
        free(TAKE_PTR(c->doing));
}
