/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Lines on the console while the system goes down. On a terminal the line about what is being done is renewed
 * in place; elsewhere it is repeated only when it says something new, or every ten seconds. A console that
 * does not take them is not waited for. */

#include "flush/snapshot.h"

typedef struct Console {
        const char *path;   /* borrowed */
        char *doing;        /* what the present line says, but for the numbers; NULL: there is none */
        uint64_t said_usec; /* when it was last said */
} Console;

void console_done(Console *c);

/* The line about S: volume, cache, percent, seconds left. */
void console_show(Console *c, const Snapshot *s);
/* A line of its own. */
void console_say(Console *c, const char *format, ...) _printf_(2, 3);

/* The two parts of the line about S, for console_show(): what is done to which volume, and how far it is. */
int console_describe(const Snapshot *s, char **ret_doing, char **ret_numbers);
