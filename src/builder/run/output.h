/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

#define OUTPUT_LINE_MAX 4096U
#define OUTPUT_LINES_MAX 10000U

/* What a builder prints, cut into lines for the log: printable, bounded in length and number. */
typedef struct Output {
        void (*line)(const char *line, void *userdata); /* borrowed for the call */
        void *userdata;
        char buffer[OUTPUT_LINE_MAX + 1];
        size_t size;
        unsigned n_lines;
} Output;

/* Takes SIZE bytes; calls LINE for each line that is complete or too long. */
void output_feed(Output *o, const char *data, size_t size);
/* The end: what is left is a line too. */
void output_finish(Output *o);
