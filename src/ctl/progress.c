/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/progress.h"

#include <sys/ioctl.h>

#include "ctl/format.h"

#define BAR_MAX 40U
#define BAR_MIN 8U

Progress progress_make(const char *name, bool wanted) {
        return (Progress){.name = name, .wanted = wanted && isatty(STDERR_FILENO)};
}

static size_t terminal_width(void) {
        struct winsize w = {};
        return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) >= 0 && w.ws_col > 0 ? w.ws_col : 80;
}

void progress_clear(Progress *p) {
        if (p->drawn)
                (void) fputs("\r\033[K", stderr);
        p->drawn = false;
}

static void draw_bar(uint64_t done, uint64_t of, size_t room) {
        size_t width = MIN(room, (size_t) BAR_MAX),
               full = (size_t) ((double) done / (double) of * (double) width);

        (void) fputc('[', stderr);
        for (size_t i = 0; i < width; i++)
                (void) fputc(i < full ? '#' : '-', stderr);
        (void) fputs("] ", stderr);
}

void progress_draw(Progress *p, const char *state, uint64_t done, uint64_t of) {
        char a[FORMAT_BYTES_MAX], b[FORMAT_BYTES_MAX];
        size_t width = terminal_width(), text;

        if (!p->wanted)
                return;
        progress_clear(p);
        p->drawn = true;
        if (of == 0) {
                (void) fprintf(stderr, "%.*s: %s...", (int) (width / 2), p->name, state);
                (void) fflush(stderr);
                return;
        }
        done = MIN(done, of);
        /* name, brackets, both numbers and the percentage */
        text = strlen(p->name) + 2 * FORMAT_BYTES_MAX + 16;
        (void) fprintf(stderr, "%.*s ", (int) (width / 4), p->name);
        if (text + BAR_MIN < width)
                draw_bar(done, of, width - text);
        (void) fprintf(stderr, "%3u%% %s of %s", (unsigned) ((double) done / (double) of * 100),
                       format_bytes(done, a), format_bytes(of, b));
        (void) fflush(stderr);
}

void progress_say(Progress *p, const char *text) {
        if (!p->wanted)
                return;
        progress_clear(p);
        p->drawn = true;
        (void) fprintf(stderr, "%.*s", (int) terminal_width() - 1, text);
        (void) fflush(stderr);
}
