/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/progressline.h"

#include "ctl/format.h"
#include "ctl/terminal.h"

#define BAR_MAX 40U
#define BAR_MIN 8U

ProgressLine progress_line_make(const char *name, bool wanted) {
        assert(name);
        return (ProgressLine){.name = name, .wanted = wanted && isatty(STDERR_FILENO)};
}

void progress_line_clear(ProgressLine *p) {
        assert(p);
        if (p->drawn)
                (void) fputs("\r\033[K", stderr);
        p->drawn = false;
}

static void draw_bar(uint64_t done, uint64_t of, size_t room) {
        assert(of > 0 && done <= of);
        size_t width = MIN(room, (size_t) BAR_MAX),
               full = (size_t) ((double) done / (double) of * (double) width);
        (void) fputc('[', stderr);
        for (size_t i = 0; i < width; i++)
                (void) fputc(i < full ? '#' : '-', stderr);
        (void) fputs("] ", stderr);
}

void progress_line_draw(ProgressLine *p, const char *state, uint64_t done, uint64_t of) {
        assert(p && state);
        char a[FORMAT_BYTES_MAX], b[FORMAT_BYTES_MAX];
        size_t width = terminal_width(STDERR_FILENO), text;
        if (!p->wanted)
                return;
        progress_line_clear(p);
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

void progress_line_say(ProgressLine *p, const char *text) {
        assert(p && text);
        if (!p->wanted)
                return;
        progress_line_clear(p);
        p->drawn = true;
        (void) fprintf(stderr, "%.*s", (int) terminal_width(STDERR_FILENO) - 1, text);
        (void) fflush(stderr);
}
