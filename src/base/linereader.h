/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reads lines from a descriptor that does not block, as they come: a report, while it is being written. */

#include "base/report.h"

typedef struct LineReader {
        bool too_long; /* the rest of this line is dropped */
        bool cut;      /* a line was */
        size_t used;
        char line[REPORT_LINE_MAX];
} LineReader;

typedef void (*linereader_line_t)(const char *line, void *userdata);

/* Reads up to READS times and calls LINE for each line that is complete; one longer than REPORT_LINE_MAX is
 * dropped. 1 at the end of the file, 0: there may be more, now or later; negative errno. */
int linereader_read(LineReader *reader, int fd, unsigned reads, linereader_line_t line, void *userdata);
