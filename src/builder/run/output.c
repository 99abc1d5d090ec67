/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A builder may print without end, without newlines and in no encoding at all; the journal and the person's
 * terminal get none of that. */

#include "builder/run/output.h"

#include "base/escape.h"

static void emit(Output *o) {
        _cleanup_free_ char *printable = NULL;

        while (o->size > 0 && o->buffer[o->size - 1] == '\r')
                o->size--;
        o->buffer[o->size] = 0;
        o->size = 0;
        if (!o->buffer[0] || o->n_lines > OUTPUT_LINES_MAX)
                return;
        if (o->n_lines++ == OUTPUT_LINES_MAX) {
                o->line("further output is suppressed", o->userdata);
                return;
        }
        printable = escape_print(o->buffer);
        o->line(printable ? printable : "(out of memory)", o->userdata);
}

void output_feed(Output *o, const char *data, size_t size) {
        for (size_t i = 0; i < size; i++) {
                if (data[i] == '\n') {
                        emit(o);
                        continue;
                }
                if (o->size == OUTPUT_LINE_MAX)
                        emit(o);
                o->buffer[o->size++] = data[i] ? data[i] : ' ';
        }
}

void output_finish(Output *o) {
        if (o->size > 0)
                emit(o);
}
