/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

#define LINECUTTER_LINE_MAX 4096U
#define LINECUTTER_LINES_MAX 10000U

/* Cuts the output of a builder into lines for the log: printable, limited in length and number. Empty lines
 * are dropped. */
typedef struct LineCutter {
        void (*line)(const char *line, void *userdata); /* borrowed for the call */
        void *userdata;
        char buffer[LINECUTTER_LINE_MAX + 1];
        size_t size; /* of the line that is not complete yet */
        unsigned n_lines;
} LineCutter;

/* Adds SIZE bytes; calls LINE for each line that is complete or too long. */
void linecutter_feed(LineCutter *c, const char *data, size_t size);
/* The end: the rest is a line, too. */
void linecutter_finish(LineCutter *c);
