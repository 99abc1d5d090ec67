/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A builder may print without end, without newlines and in no valid encoding; neither the journal nor a
 * terminal may get any of that. */

#include "builder/run/linecutter.h"

#include "base/escape.h"

/* An empty line is dropped. */
static void cut_line(LineCutter *c) {
        while (c->size > 0 && c->buffer[c->size - 1] == '\r')
                c->size--;
        c->buffer[c->size] = 0;
        c->size = 0;
        if (!c->buffer[0] || c->n_lines > LINECUTTER_LINES_MAX)
                return;
        if (c->n_lines++ == LINECUTTER_LINES_MAX) {
                c->line("further output is suppressed", c->userdata);
                return;
        }
        _cleanup_free_ char *printable = escape_print(c->buffer);
        c->line(printable ? printable : "(out of memory)", c->userdata);
}

void linecutter_feed(LineCutter *c, const char *data, size_t size) {
        assert(c && c->line);
        assert(data || size == 0);
        for (size_t i = 0; i < size; i++) {
                if (data[i] == '\n') {
                        cut_line(c);
                        continue;
                }
                if (c->size == LINECUTTER_LINE_MAX)
                        cut_line(c);
                assert(c->size < LINECUTTER_LINE_MAX);
                c->buffer[c->size++] = data[i] ? data[i] : ' ';
        }
}

void linecutter_finish(LineCutter *c) {
        assert(c && c->line);
        cut_line(c);
}
