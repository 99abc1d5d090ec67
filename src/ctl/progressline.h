/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/util.h"

/* A line on the terminal (stderr) that shows the progress of a build and is redrawn in place. If stderr is
 * not a terminal, nothing is drawn. */

typedef struct ProgressLine {
        const char *name; /* of the volume; borrowed */
        bool wanted;
        bool drawn;
} ProgressLine;

ProgressLine progress_line_make(const char *name, bool wanted);
/* STATE is that of the volume; OF 0: nothing has been copied yet. */
void progress_line_draw(ProgressLine *p, const char *state, uint64_t done, uint64_t of);
/* Another line in its place; TEXT is truncated to the width of the terminal. */
void progress_line_say(ProgressLine *p, const char *text);
void progress_line_clear(ProgressLine *p);
